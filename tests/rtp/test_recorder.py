"""Recordings: what they keep, when they end, and what is left of them after a crash."""

import threading

import numpy as np
import pytest
import soundfile

from rtp.disk import Disk, DiskThread, Loaded, Written, recover
from rtp.recording import FRAMES_IN_BLOCK, Recording
from rtp.sound_file import load
from rtp.wav import HEADER_BYTES, file_bytes

FRAME = 160
SILENCE = np.zeros(FRAME, np.int16)


def frame(value):
    return np.full(FRAME, value, np.int16)


def recorded(recording, frames):
    """All blocks for (a, b) frames, until it ends."""
    blocks = []
    for a, b in frames:
        block = recording.add(a, b)
        if block:
            blocks.append(block)
        if recording.reason is not None:
            break
    return b"".join([*blocks, recording.take_block()])


def test_one_side_is_kept_alone():
    sound = recorded(Recording(1, "b"), [(frame(1), frame(n)) for n in range(60)])
    assert (np.frombuffer(sound, "<i2") == np.arange(60).repeat(FRAME)).all()


def test_a_call_is_kept_in_stereo_the_caller_left():
    sound = recorded(Recording(1, "both"), [(frame(100), frame(n)) for n in range(60)])
    samples = np.frombuffer(sound, "<i2").reshape(-1, 2)
    assert (samples[:, 0] == 100).all()
    assert (samples[:, 1] == np.arange(60).repeat(FRAME)).all()


def test_it_is_written_twice_a_second():
    recording = Recording(1, "a")
    blocks = [recording.add(SILENCE, SILENCE) for _ in range(2 * FRAMES_IN_BLOCK)]
    written = [n for n, block in enumerate(blocks) if block]
    assert written == [FRAMES_IN_BLOCK - 1, 2 * FRAMES_IN_BLOCK - 1]


def test_it_ends_at_its_limit():
    recording = Recording(1, "a", max_seconds=1)
    assert len(recorded(recording, [(SILENCE, SILENCE)] * 100)) == 16_000
    assert (recording.reason, recording.duration_ms) == ("limit", 1000)


def test_it_ends_after_silence_and_not_in_a_short_pause():
    recording = Recording(1, "a", silence_seconds=0.5)
    voice = frame(2000)
    story = [*[(voice, SILENCE)] * 10, *[(SILENCE, voice)] * 24, *[(voice, SILENCE)] * 10]
    recorded(recording, [*story, *[(frame(10), voice)] * 100])
    assert (recording.reason, recording.duration_ms) == ("silence", 20 * (44 + 25))


def test_it_ends_by_a_key_that_was_said():
    recording = Recording(1, "a", end_digits="#")
    recording.press("1")
    assert recording.reason is None
    recording.press("#")
    assert recording.reason == "digit"


@pytest.fixture
def disk():
    results = []
    disk = Disk(results.append)
    disk.results = results
    return disk


@pytest.mark.parametrize("channels", [1, 2])
def test_a_recording_can_be_played_when_it_is_complete(disk, tmp_path, channels):
    path = tmp_path / "17.wav"
    disk.open(17, str(path), channels)
    disk.write(17, (np.arange(400) * channels).astype("<i2").tobytes())
    assert not path.exists()
    disk.close(17)
    assert disk.results == [Written(17)]
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    assert rate == 8000 and samples.shape == (400 // channels, channels)


def test_what_a_crash_left_is_completed(disk, tmp_path):
    disk.open(1, str(tmp_path / "1.wav"), 1)
    disk.write(1, np.arange(500).astype("<i2").tobytes() + b"x")
    disk.open(2, str(tmp_path / "2.wav"), 1)
    assert recover(tmp_path) == [tmp_path / "1.wav"]
    assert (load(tmp_path / "1.wav").samples == np.arange(500)).all()
    assert [path.name for path in tmp_path.iterdir()] == ["1.wav"]


@pytest.mark.parametrize("left", [b"", b"RIFF", bytes(100), b"x" * 44])
def test_what_is_no_recording_is_not_made_one(tmp_path, left):
    (tmp_path / "1.wav.part").write_bytes(left)
    assert recover(tmp_path) == []


def test_a_recording_that_cannot_be_written_says_why(disk, tmp_path):
    disk.open(1, str(tmp_path / "no such folder" / "1.wav"), 1)
    disk.open(2, str(tmp_path / "2.wav"), 1)
    disk.open(3, str(tmp_path / "2.wav"), 1)
    disk.close(2)
    disk.open(4, "\0", 1)
    assert [(result.recording, result.reason) for result in disk.results] == [
        (1, "No such file or directory"),
        (3, "File exists"),
        (2, "there is no sound in it"),
        (4, "embedded null byte"),
    ]


def test_a_full_disk_ends_the_recording_only(disk):
    disk._files[5] = (open("/dev/full", "wb", buffering=0), "/dev/full")  # noqa: SIM115
    disk.write(5, bytes(1000))
    disk.write(5, bytes(1000))
    disk.close(5)
    assert disk.results == [Written(5, "No space left on device")]


def test_a_prompt_is_read_once_and_again_when_it_changed(disk, tmp_path):
    path = tmp_path / "hello.wav"
    path.write_bytes(file_bytes(np.arange(100).astype(np.int16)))
    disk.load(str(path))
    disk.load(str(path))
    first, second = (result.samples for result in disk.results)
    assert first is second
    path.write_bytes(file_bytes(np.arange(50).astype(np.int16)))
    disk.load(str(path))
    assert len(disk.results[2].samples) == 50


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.wav", "No such file or directory"),
        ("bad.wav", "doesn't begin as a WAV"),
        ("\0", "null"),
    ],
)
def test_a_prompt_that_cannot_be_played_says_why(disk, tmp_path, name, reason):
    (tmp_path / "bad.wav").write_bytes(bytes(100))
    disk.load(str(tmp_path / name))
    (result,) = disk.results
    assert isinstance(result, Loaded) and result.samples is None and reason in result.reason


def test_a_thread_does_it_beside(tmp_path):
    woken = threading.Event()
    disk = DiskThread(woken.set)
    disk.open(9, str(tmp_path / "9.wav"), 1)
    for _ in range(100):
        disk.write(9, bytes(16_000))
    disk.close(9)
    assert woken.wait(10)
    disk.stop(10)
    assert disk.results() == [Written(9)]
    assert (tmp_path / "9.wav").stat().st_size == HEADER_BYTES + 1_600_000
