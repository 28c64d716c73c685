"""softswitch voicemail, on a database without a running switch."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from command_line import Softswitch, runner

from rtp.sound_file import load
from softswitch.config import config
from softswitch.operations.installation.setup import opened
from softswitch.operations.lines import greetings
from softswitch.voicemail.shelf import Shelf
from softswitch.voicemail.store import Message, VoicemailStore

LINE = "+995322000001"


@pytest.fixture
def folder(one_line: Path) -> Path:
    return one_line


@pytest.fixture
def softswitch(folder: Path, capsys: pytest.CaptureFixture[str]) -> Softswitch:
    return runner(capsys, "-o", "json")


def put_message(folder: Path, message_id: str) -> None:
    """As the running switch leaves one."""
    with opened(config.load(folder / "softswitch.toml")) as context:
        line = context.line(LINE)
        store = VoicemailStore(context.billing.engine)
        message = Message(message_id, line.id, "recording", "+995322000002", 1_780_000_000_000, 0)
        store.begin(message, False, 1 << 50, 10)
        tone = (6000 * np.sin(np.arange(16_000) * 0.3)).astype(np.int16)
        Shelf(context.config.voicemail_dir).write(message_id, tone)
        store.arrived(message_id, 2000, None, 0)


def test_a_mailbox_is_opened_set_and_closed(softswitch: Softswitch) -> None:
    refused = softswitch("voicemail", "show", LINE)
    assert refused.status == 1 and f"softswitch voicemail enable {LINE}" in refused.err
    row = softswitch("voicemail", "enable", LINE, "--email", "nino@example.org").json
    assert row["takes"] == ["busy", "no_answer", "unreachable"]
    assert (row["new"], row["saved"], row["max_messages"], row["pin"]) == (0, 0, 50, "none")
    assert softswitch("line", "show", LINE).json["waiting"] == "0/0"
    row = softswitch("voicemail", "enable", LINE, "--on", "always").json
    assert (row["takes"], row["email"]) == (["always"], "nino@example.org")
    row = softswitch("voicemail", "set", LINE, "max_messages", "5").json
    assert row["max_messages"] == 5
    assert softswitch("voicemail", "set", LINE, "max_messages", "").json["max_messages"] == 50
    assert softswitch("voicemail", "set", LINE, "pin", "4711").json["pin"] == "set"
    assert "4711" not in softswitch("voicemail", "show", LINE).out
    assert [row["number"] for row in softswitch("voicemail", "list").json] == [LINE]
    assert softswitch("voicemail", "disable", LINE).json["removed"]
    assert softswitch("voicemail", "list").json == []
    assert softswitch("line", "show", LINE).json["waiting"] is None


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("max_seconds", "5", "from 10 to 900"),
        ("days_kept", "many", "whole number"),
        ("email", "nobody", "no e-mail address"),
        ("pin", "1234", "guessed at once"),
        ("pin", "12", "4 to 8 digits"),
        ("takes", "sometimes", "not sometimes"),
        ("colour", "red", "known are"),
    ],
)
def test_what_cant_be_set_is_said(softswitch: Softswitch, key: str, value: str, why: str) -> None:
    softswitch("voicemail", "enable", LINE)
    refused = softswitch("voicemail", "set", LINE, key, value)
    assert refused.status == 1 and why in refused.err


def test_a_mailbox_is_here_or_outside(softswitch: Softswitch) -> None:
    softswitch("line", "set", LINE, "waiting", "2/5")
    refused = softswitch("voicemail", "enable", LINE)
    assert refused.status == 1 and "has a mailbox outside" in refused.err
    softswitch("line", "set", LINE, "waiting", "")
    assert softswitch("voicemail", "enable", LINE).status == 0
    refused = softswitch("line", "set", LINE, "waiting", "2/5")
    assert refused.status == 1 and "has a mailbox here" in refused.err


def test_messages_are_listed_exported_marked_and_deleted(
    softswitch: Softswitch, folder: Path
) -> None:
    softswitch("voicemail", "enable", LINE)
    put_message(folder, "aaaa0000")
    put_message(folder, "aaaa1111")
    first, _ = softswitch("voicemail", "list", LINE).json
    assert (first["id"], first["state"], first["calling"]) == ("aaaa0000", "new", "+995322000002")
    assert first["seconds"] == 2.0
    assert softswitch("line", "show", LINE).json["waiting"] == "2/0"
    exported = softswitch("voicemail", "export", LINE, "aaaa0", str(folder / "out.wav"))
    assert exported.status == 0 and "wav" not in exported.json
    assert len(load(folder / "out.wav").samples) == 16_000
    assert softswitch("voicemail", "mark", LINE, "aaaa0", "saved").status == 0
    assert softswitch("line", "show", LINE).json["waiting"] == "1/1"
    assert "several messages begin" in softswitch("voicemail", "delete", LINE, "aaaa").err
    assert "there is no message" in softswitch("voicemail", "delete", LINE, "bbbb").err
    assert softswitch("voicemail", "delete", LINE, "aaaa1111").status == 0
    assert softswitch("line", "show", LINE).json["waiting"] == "0/1"
    names = [path.name for path in (folder / "var" / "voicemail").iterdir()]
    assert names == ["aaaa0000.wav"]


def test_with_its_line_a_mailbox_goes_too(softswitch: Softswitch, folder: Path) -> None:
    softswitch("voicemail", "enable", LINE)
    put_message(folder, "aaaa0000")
    assert softswitch("line", "remove", LINE).status == 0
    assert [*(folder / "var" / "voicemail").iterdir()] == []
    assert softswitch("voicemail", "list").json == []


# Greetings (E18)


def wav(tag: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16, count: int = 8000,
        promised: int | None = None) -> bytes:  # fmt: skip
    """A file with the given header over so many samples of a tone."""
    width = bits // 8
    sound = (np.sin(np.arange(count * channels) * 0.3) * 9000).astype("<i2").tobytes()
    data = (sound if bits == 16 else sound + sound[: len(sound) // 2])[: count * channels * width]
    frame = channels * width
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)
    size = len(data) if promised is None else promised
    return (
        struct.pack("<4sI4s4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16)
        + fmt
        + struct.pack("<4sI", b"data", size)
        + data
    )


def test_E18_a_greeting_is_uploaded_chosen_from_the_list_and_deleted(
    softswitch: Softswitch, folder: Path
) -> None:
    softswitch("voicemail", "enable", LINE)
    (folder / "hello.wav").write_bytes(wav())
    row = softswitch("greeting", "upload", LINE, "hello.wav").json
    assert (row["name"], row["seconds"], row["chosen"]) == ("hello", 1.0, False)
    assert softswitch("voicemail", "show", LINE).json["greeting"] is None
    assert softswitch("greeting", "choose", LINE, "hello").json["greeting"] == "hello"
    assert softswitch("voicemail", "show", LINE).json["greeting"] == "hello"
    assert softswitch("greeting", "upload", LINE, "hello.wav", "--name", "new", "--choose").json
    rows = softswitch("greeting", "list", LINE).json
    assert [(row["name"], row["chosen"]) for row in rows] == [("hello", False), ("new", True)]
    assert softswitch("greeting", "export", LINE, "new", "copy.wav").status == 0
    assert (folder / "copy.wav").read_bytes() == (folder / "hello.wav").read_bytes()
    assert softswitch("greeting", "delete", LINE, "new").json["deleted"]
    assert softswitch("voicemail", "show", LINE).json["greeting"] is None
    assert softswitch("greeting", "choose", LINE, "hello").status == 0
    assert softswitch("greeting", "choose", LINE).json["greeting"] is None
    assert "there is no greeting 'new'" in softswitch("greeting", "choose", LINE, "new").err


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (wav(tag=6), "A-law; PCM is needed"),
        (wav(tag=3), "floating point; PCM is needed"),
        (wav(rate=44_100), "44100 samples a second; 8000 are needed"),
        (wav(rate=16_000), "16000 samples a second; 8000 are needed"),
        (wav(channels=2), "2 channels; one is needed"),
        (wav(bits=24), "24 bits a sample; 16 are needed"),
        (wav(promised=90_000), "truncated"),
        (wav(rate=0), "0 samples a second"),
        (wav(count=0), "no sound"),
        (wav(count=8000 * 301), "the file lasts 301 seconds, at most 300 are allowed"),
        (b"ID3\x03", "no WAV file"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", "never filled in"),
        (b"RIFF\x10\x00\x00\x00WAVE" + b"LIST\x00\x00\x00\x00" * 1_000, "more than 64 chunks"),
        (b"RIFF\x10\x00\x00\x00WAVE" + b"junk\xff\xff\xff\xff", "no format in it"),
    ],
)
def test_E18_another_file_is_refused_with_the_exact_reason(
    softswitch: Softswitch, folder: Path, data: bytes, why: str
) -> None:
    (folder / "hello.wav").write_bytes(data)
    refused = softswitch("greeting", "upload", LINE, "hello.wav")
    assert refused.status == 1
    assert refused.err.startswith("softswitch: hello.wav can't be played as it is: ")
    assert why in refused.err
    assert refused.err.endswith("; --convert may make a file that can\n")
    assert softswitch("greeting", "list", LINE).json == []
    assert not (folder / "var" / "voicemail").exists()


@pytest.mark.parametrize(
    "data", [wav(rate=44_100, count=44_100), wav(channels=2), wav(bits=24), wav(promised=90_000)]
)
def test_E18_conversion_is_offered_and_makes_it_right(
    softswitch: Softswitch, folder: Path, data: bytes
) -> None:
    (folder / "hello.wav").write_bytes(data)
    row = softswitch("greeting", "upload", LINE, "hello.wav", "--convert").json
    assert row["seconds"] == 1.0
    assert softswitch("greeting", "convert", "hello.wav", "right.wav").status == 0
    kept = folder / "var" / "voicemail" / f"{row['id']}.wav"
    assert kept.read_bytes() == (folder / "right.wav").read_bytes()
    assert len(load(kept).samples) == 8000


def test_E18_what_is_too_large_isnt_even_read(softswitch: Softswitch, folder: Path) -> None:
    with (folder / "bomb.wav").open("wb") as file:
        file.write(wav())
        file.truncate(1 << 40)  # sparse
    for more in ([], ["--convert"]):
        refused = softswitch("greeting", "upload", LINE, "bomb.wav", *more)
        why = "more than 256 MB" if more else "the file has 1048576 MB, at most 5 are allowed"
        assert refused.status == 1 and why in refused.err


def test_E18_hours_of_silence_in_a_small_file_are_refused(
    softswitch: Softswitch, folder: Path
) -> None:
    soundfile.write(folder / "hours.flac", np.zeros(8000 * 3000, np.int16), 8000)
    assert (folder / "hours.flac").stat().st_size < 1 << 20
    refused = softswitch("greeting", "upload", LINE, "hours.flac", "--convert")
    assert (
        refused.status == 1
        and "can't be converted: the file lasts longer than the 300 seconds" in refused.err
    )


def test_E18_names_and_counts_have_limits(
    softswitch: Softswitch, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greetings, "MAX_GREETINGS", 2)
    (folder / "hello.wav").write_bytes(wav())
    assert softswitch("greeting", "upload", LINE, "hello.wav").status == 0
    assert "already" in softswitch("greeting", "upload", LINE, "hello.wav").err
    long = softswitch("greeting", "upload", LINE, "hello.wav", "--name", "x" * 65)
    assert "1 to 64" in long.err
    assert softswitch("greeting", "upload", LINE, "hello.wav", "--name", "../../x").status == 0
    assert "delete one" in softswitch("greeting", "upload", LINE, "hello.wav", "--name", "z").err
    assert len([*(folder / "var" / "voicemail").iterdir()]) == 2
    missing = softswitch("greeting", "upload", LINE, "nothing.wav")
    assert missing.status == 1 and "nothing.wav can't be read" in missing.err


def test_explain_says_that_a_mailbox_takes_the_call(softswitch: Softswitch) -> None:
    other = "+995322000002"
    softswitch("line", "add", other, "--account", "Nino", "--password", "secret")
    call = ("explain", "call", "--from", other, "--to", LINE)
    assert "not registered" in softswitch(*call).out
    softswitch("voicemail", "enable", LINE)
    assert f"line {LINE}, unreachable: to its mailbox" in softswitch(*call).out


def test_check_says_whether_messages_and_mails_go(softswitch: Softswitch, folder: Path) -> None:
    def rows() -> dict[str, Any]:
        return {row["check"]: row for row in softswitch("check").json}

    assert (rows()["voicemail"]["ok"], rows()["mail"]["ok"]) == (True, None)
    more = '[voicemail]\nmin_free_megabytes = 1000000\n[mail]\nserver = "127.0.0.1:9"\n'
    file = folder / "softswitch.toml"
    file.write_text(file.read_text() + more + 'sender = "s@example.org"\n')
    assert (rows()["voicemail"]["ok"], rows()["mail"]["ok"]) == (False, False)
    assert "min_free_megabytes" in rows()["voicemail"]["detail"]


def test_E18_callers_of_a_rented_number_are_greeted_by_a_greeting_from_the_list(
    softswitch: Softswitch, folder: Path
) -> None:
    rented = "+442079460000"
    softswitch("account", "topup", "Nino", "50", "--payment-id", "p")
    softswitch("number", "add", rented, "--country", "GB", "--monthly", "1")
    softswitch("rental", "order", "Nino", "--line", LINE, rented)
    (folder / "hello.wav").write_bytes(wav())
    uploaded = softswitch("greeting", "upload", LINE, "hello.wav", "--name", "welcome").json
    row = softswitch("number", "reach", rented, LINE, "--greeting", "welcome").json
    assert row["greeting"] == uploaded["id"]
    refused = softswitch("greeting", "delete", LINE, "welcome")
    assert refused.status == 1 and f"greets the callers of {rented}" in refused.err
    softswitch("number", "reach", rented, "--off")
    assert softswitch("greeting", "delete", LINE, "welcome").status == 0
    unknown = softswitch("number", "reach", rented, LINE, "--greeting", "welcome")
    assert unknown.status == 1 and "there is no greeting 'welcome'" in unknown.err
    row = softswitch("number", "reach", rented, LINE, "--greeting", "hello.wav").json
    again = softswitch("number", "reach", rented, LINE, "--greeting", "hello.wav").json
    kept = {one["id"]: one["name"] for one in softswitch("greeting", "list", LINE).json}
    assert [kept[str(one["greeting"])] for one in (row, again)] == ["hello", "hello 2"]
