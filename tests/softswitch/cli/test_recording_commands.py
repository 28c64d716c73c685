"""softswitch recording, on a database without a running switch."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest
from command_line import Softswitch, runner

from rtp.wav import header
from softswitch.config import config
from softswitch.operations.installation.setup import opened
from softswitch.recordings.store import RecordedCall, RecordingStore
from softswitch.voicemail.shelf import Shelf

LINE = "+995322000001"
IDS = ("aaaa0000" * 4, "aabb0000" * 4, "cccc0000" * 4)


@pytest.fixture
def softswitch(one_line: Path, capsys: pytest.CaptureFixture[str]) -> Softswitch:
    """With three recordings: two kept, one under way."""
    settings = config.load(one_line / "softswitch.toml")
    shelf = Shelf(settings.recordings_dir)
    shelf.make_room(0)
    with opened(settings) as context:
        store = RecordingStore(context.billing.engine)
        for at, name in enumerate(IDS):
            line = LINE if at else "+995322000009"
            store.begin(
                RecordedCall(
                    name, f"call{at}", 1, line, LINE, "+44201", "recording", "", at, 0, 10**13
                )
            )
            if at < 2:
                store.ended(name, "kept", 1_500)
                stereo = header(48_000, 2) + bytes(48_000)
                shelf.path(name).write_bytes(stereo)
    return runner(capsys)


def test_a13_a_line_is_set(softswitch: Softswitch) -> None:
    assert softswitch("line", "set", LINE, "record", "yes")[0] == 0
    assert "record\tyes" in softswitch("line", "show", LINE)[1].replace("True", "yes")
    status, _, complaint = softswitch("line", "set", LINE, "record", "maybe")
    assert status == 1 and "must be yes or no" in complaint


def test_a13_listed_the_newest_first(softswitch: Softswitch) -> None:
    rows = softswitch("recording", "list")[1].splitlines()[1:]
    assert [row[:4] for row in rows] == ["cccc", "aabb", "aaaa"]
    rows = softswitch("recording", "list", "--line", LINE, "--limit", "1")[1].splitlines()[1:]
    assert [row[:4] for row in rows] == ["cccc"]


def test_a13_shown_and_exported(softswitch: Softswitch, tmp_path: Path) -> None:
    assert f"{IDS[0]}.wav" in softswitch("recording", "show", "aaaa")[1]
    assert softswitch("recording", "export", "aaaa", "out.wav")[0] == 0
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert (file.getnchannels(), file.getnframes()) == (2, 12_000)


def test_a13_deleted_with_its_file(softswitch: Softswitch, tmp_path: Path) -> None:
    assert softswitch("recording", "delete", "aaaa")[0] == 0
    assert not (tmp_path / "var" / "recordings" / f"{IDS[0]}.wav").exists()
    assert "aaaa" not in softswitch("recording", "list")[1]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("aa", "several recordings begin with"),
        ("zz", "there is no recording"),
        ("", "there is no recording"),
        ("cccc", "is being recorded"),
    ],
)
def test_a13_what_cannot_be_deleted(softswitch: Softswitch, name: str, why: str) -> None:
    status, _, complaint = softswitch("recording", "delete", name)
    assert status == 1 and why in complaint
