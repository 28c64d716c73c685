"""Greetings as people bring them (E18): WAV, PCM, 8 kHz, 16 bit, mono, and nothing else; or what is
made so of another file."""

from __future__ import annotations

from pathlib import Path

from rtp.samples import CLOCK_RATE, Samples
from rtp.wav import HEADER_BYTES, SAMPLE_BYTES, WavError, file_bytes, parse

MAX_SECONDS = 300
"""Nobody listens to a longer greeting."""
MAX_BYTES = HEADER_BYTES + MAX_SECONDS * CLOCK_RATE * SAMPLE_BYTES + 1024 * 1024
"""With a megabyte for what may stand beside the sound."""


def check(data: bytes) -> Samples:
    """The sound of a file that can be played as it is.

    Raises:
        WavError: it can't; says exactly why.
    """
    if len(data) > MAX_BYTES:
        raise WavError(f"{len(data)} octets; {MAX_SECONDS} s of sound are fewer than {MAX_BYTES}")
    wav = parse(data)
    if wav.truncated:
        raise WavError("truncated: less sound in it than its header says")
    if len(wav.samples) > MAX_SECONDS * CLOCK_RATE:
        raise WavError(f"{len(wav.samples) / CLOCK_RATE:.0f} s; {MAX_SECONDS} s are the most")
    return wav.samples


def read(path: Path) -> bytes:
    """A file, unless it is too large for any greeting. Raises OSError, WavError."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise WavError(f"{size} octets; {MAX_SECONDS} s of sound are fewer than {MAX_BYTES}")
    return path.read_bytes()


def converted(path: Path) -> bytes:
    """A file that can be played, made of what can be read as sound. Raises OSError, WavError."""
    from rtp.sound_file import convert  # libsndfile takes a while to load

    with path.open("rb") as file:
        return file_bytes(convert(file, MAX_SECONDS))
