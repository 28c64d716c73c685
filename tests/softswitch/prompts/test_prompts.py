"""Recordings: read out, converted, found, and whose comes first."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ivr_prompts.languages import LANGUAGES, texts
from rtp.samples import samples_in
from rtp.sound_file import load
from softswitch.config.config import Config, parse
from softswitch.control.errors import OperationError
from softswitch.operations.network.prompts import prompt_build, prompt_list, prompt_summary
from softswitch.prompts.levelling import ACTIVE_LEVEL_DBOV, LEAD_MS, TAIL_MS, levelled
from softswitch.prompts.library import scan

BASE = '[switch]\ndomain = "sip.example.org"\ncountry = "GE"\ncurrency = "GEL"\n[prompts]\n'
NUMBERS = ("12", "lari", "and", "20-and", "balance-is")
SPEAKS = (
    "import sys, numpy, soundfile;"
    "text = sys.stdin.buffer.read().decode();"
    "assert text == sys.argv[2], text;"
    "t = numpy.arange(11025 * len(text) // 20);"
    "soundfile.write(sys.argv[1], 0.1 * numpy.sin(t / 5), 22050)"
)


@pytest.fixture
def configured(tmp_path: Path):
    def made(text: str = "") -> Config:
        return parse(BASE + text, tmp_path / "softswitch.toml")

    return made


def tone(seconds: float, rate: int = 8000, level: float = 0.05) -> np.ndarray:
    return level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)


def dbov(samples: np.ndarray) -> float:
    return 20 * np.log10(np.sqrt(np.mean(samples.astype(float) ** 2)) / 32768)


class TestLevelling:
    def test_silence_around_goes_and_what_is_said_has_the_level_of_all(self):
        quiet, loud = (32768 * tone(0.5, level=level) for level in (0.005, 0.9))
        for said in (quiet, loud):
            padded = np.concatenate([np.zeros(3200), said, np.zeros(8000)])
            samples = levelled(padded.astype(np.float32))
            assert len(samples) == samples_in(500 + LEAD_MS + TAIL_MS)
            inside = samples[samples_in(LEAD_MS) : -samples_in(TAIL_MS)]
            assert abs(dbov(inside) - ACTIVE_LEVEL_DBOV) < 0.5
            assert np.abs(samples).max() < 32767

    def test_it_begins_and_ends_without_a_click(self):
        samples = levelled((32768 * np.sign(tone(0.3))).astype(np.float32))
        assert np.abs(np.diff(samples[: samples_in(LEAD_MS) + 4].astype(int))).max() < 1500

    def test_nothing_stays_nothing(self):
        assert len(levelled(np.zeros(8000, np.float32))) == 0


class TestReadingOut:
    def test_what_is_missing_is_read_out_in_every_language(self, configured):
        config = configured()
        pytest.importorskip("espeakng_loader")
        rows = prompt_build(config, tokens=NUMBERS)
        assert [row["language"] for row in rows] == [*LANGUAGES]
        library = scan(config)
        for language in LANGUAGES:
            for token in set(NUMBERS) & set(texts(language)):
                samples = load(library.get(language, token).path).samples  # strict about format
                assert 800 < len(samples) < 8 * 8000
                assert -26 < dbov(samples) < -15, (language, token)
        again = prompt_build(config, tokens=NUMBERS)
        assert {row["read"] for row in again} == {0}

    def test_a_program_of_the_operators_can_read(self, configured):
        command = f"{sys.executable} -c '{SPEAKS}' {{out}} {{text}}"
        config = configured(f'command = """{command}"""\n')
        prompt_build(config, "en", tokens=("balance-is",))
        samples = load(scan(config).get("en", "balance-is").path).samples
        assert abs(len(samples) / 8000 - len("Your balance is:") / 40) < 0.1

    @pytest.mark.parametrize(
        ("command", "reason"),
        [
            ("nobody-has-this {out}", "there is no program 'nobody-has-this'"),
            ("piper", r"must have \{out\}"),
            ("false {out}", "false ended with 1"),
            ("true {out}", "true wrote no file"),
        ],
    )
    def test_a_program_that_fails_is_named(self, configured, command, reason):
        with pytest.raises(OperationError, match=reason):
            prompt_build(configured(f'command = "{command}"\n'), "en", tokens=("12",))

    def test_without_the_wheel_the_program_espeak_ng_reads(self, configured, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "espeakng_loader", None)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        with pytest.raises(OperationError, match="pip install espeakng-loader"):
            prompt_build(configured(), "en", tokens=("balance-is",))
        (tmp_path / "bin").mkdir()
        program = tmp_path / "bin" / "espeak-ng"
        program.write_text(
            f"#!{sys.executable}\nimport sys\nassert sys.argv[1:5] == ['-v', 'en', '-s', '150']\n"
            f"sys.argv = ['', sys.argv[6], 'Your balance is:']\n{SPEAKS}\n"
        )
        program.chmod(0o755)
        (row,) = prompt_build(configured(), "en", tokens=("balance-is",))
        assert row["read"] == 1

    def test_another_language_is_refused(self, configured):
        with pytest.raises(OperationError, match="languages are ka, ru, en, fa, kk"):
            prompt_build(configured(), "de")


class TestRecordingsOfPeople:
    @pytest.fixture
    def own(self, tmp_path: Path) -> Path:
        folder = tmp_path / "own"
        (folder / "en").mkdir(parents=True)
        return folder

    @pytest.fixture
    def asterisk(self, tmp_path: Path) -> Path:
        folder = tmp_path / "sounds"
        (folder / "en" / "digits").mkdir(parents=True)
        return folder

    def source(self, config: Config, token: str) -> str:
        (row,) = [row for row in prompt_list(config, "en") if row["token"] == token]
        return row["source"]

    def test_the_operators_own_comes_first_token_by_token(self, configured, own, asterisk):
        for name in ("12", "13"):
            soundfile.write(asterisk / "en" / "digits" / f"{name}.wav", tone(0.3), 8000)
        soundfile.write(own / "en" / "12.wav", tone(0.2), 8000)
        config = configured('recordings = "own"\nasterisk = "sounds"\n')
        assert self.source(config, "12") == "own"
        assert self.source(config, "13") == "asterisk"
        assert self.source(config, "14") == "missing"
        assert scan(config).get("en", "12").path == own / "en" / "12.wav"

    def test_what_cant_be_played_as_it_is_is_converted(self, configured, own):
        stereo = np.stack([tone(1.0, 44_100), tone(1.0, 44_100)], axis=1)
        soundfile.write(own / "en" / "12.wav", stereo, 44_100)
        soundfile.write(own / "en" / "13.flac", tone(0.5, 16_000), 16_000)
        config = configured('recordings = "own"\n')
        assert self.source(config, "12") == "missing"
        (row,) = prompt_build(config, "en", tokens=("12", "13"))
        assert (row["converted"], row["read"], row["unusable"]) == (2, 0, [])
        assert self.source(config, "12") == self.source(config, "13") == "own"
        assert len(load(scan(config).get("en", "12").path).samples) == samples_in(1070)

    def test_a_better_recording_is_converted_anew_and_one_taken_away_is_gone(self, configured, own):
        path = own / "en" / "13.flac"
        soundfile.write(path, tone(0.5, 16_000), 16_000)
        config = configured('recordings = "own"\n')
        prompt_build(config, "en", tokens=("13",))
        soundfile.write(path, tone(0.7, 16_000), 16_000)
        newer = scan(config).get("en", "13")
        if newer is not None:  # written within one tick of the file system's clock
            os.utime(path, ns=(2**62, 2**62))
        (row,) = prompt_build(config, "en", tokens=("13",))
        assert row["converted"] == 1
        path.unlink()
        assert self.source(config, "13") == "missing"

    def test_asterisks_names_and_raw_formats(self, configured, asterisk):
        folder = asterisk / "en" / "digits"
        pcm = (32767 * tone(0.4)).astype("<i2")
        (folder / "h-3.sln").write_bytes(pcm.tobytes())
        (folder / "mon-0.sln16").write_bytes(pcm.repeat(2).tobytes())
        soundfile.write(folder / "pound.ulaw", tone(0.4), 8000, format="RAW", subtype="ULAW")
        soundfile.write(folder / "star.gsm", tone(0.4), 8000, format="RAW", subtype="GSM610")
        soundfile.write(asterisk / "en" / "vm-goodbye.wav", tone(0.4), 8000)
        config = configured('asterisk = "sounds"\n')
        wanted = ("3th", "month-1", "hash", "star", "goodbye")
        (row,) = prompt_build(config, "en", tokens=wanted)
        assert (row["converted"], row["read"], row["unusable"]) == (4, 0, [])
        library = scan(config)
        for token in wanted:
            recording = library.get("en", token)
            assert recording.origin == "asterisk"
            seconds = len(load(recording.path).samples) / 8000
            assert abs(seconds - 0.4) < 0.1, token

    def test_a_folder_named_as_debians_packages_name_it(self, configured, asterisk):
        (asterisk / "en").rename(asterisk / "en_US_f_Allison")
        soundfile.write(asterisk / "en_US_f_Allison" / "digits" / "12.wav", tone(0.3), 8000)
        assert self.source(configured('asterisk = "sounds"\n'), "12") == "asterisk"

    def test_a_file_that_is_no_sound_is_named_with_the_reason(self, configured, own):
        (own / "en" / "12.wav").write_bytes(b"not a sound at all" * 10)
        config = configured(
            f'recordings = "own"\ncommand = """{sys.executable} -c \'{SPEAKS}\' {{out}} {{text}}"""'
        )
        (row,) = prompt_build(config, "en", tokens=("12",))
        (fault,) = row["unusable"]
        assert fault.startswith(str(own / "en" / "12.wav")) and "can't be read as sound" in fault
        assert row["read"] == 1  # the voice says it meanwhile
        assert self.source(config, "12") == "synthesised"


def test_a_list_says_what_is_missing(configured):
    config = configured()
    rows = prompt_list(config, missing=True)
    assert {row["language"] for row in rows} == set(LANGUAGES)
    assert len(rows) == sum(len(texts(language)) for language in LANGUAGES)
    (row,) = [r for r in rows if (r["language"], r["token"]) == ("en", "balance-is")]
    assert (row["source"], row["text"], row["file"]) == ("missing", "Your balance is:", None)
    assert prompt_summary(scan(config)) == dict.fromkeys(LANGUAGES, 0)
