"""Greetings as subscribers bring them (E18): WAV, PCM, 8 kHz, 16 bit, mono, and nothing else; or
what is converted to that from another file."""

from __future__ import annotations

import os
from pathlib import Path

from rtp.samples import CLOCK_RATE, Samples
from rtp.wav import HEAD_BYTES, SAMPLE_BYTES, WavError, file_bytes, find_sound, parse

MAX_SECONDS = 300
"""Callers hang up during a longer greeting."""
MAX_BYTES = HEAD_BYTES + MAX_SECONDS * CLOCK_RATE * SAMPLE_BYTES + 1024 * 1024
"""With a megabyte for what may stand beside the sound."""


def check(data: bytes) -> Samples:
    """The sound of a file that can be played as it is.

    Raises:
        WavError: it can't; with every reason.
    """
    wav = parse(data, MAX_SECONDS)
    if wav.truncated:
        raise WavError("truncated: less sound in it than its header says")
    return wav.samples


def read(path: Path) -> bytes:
    """A file, unless it lasts too long for a greeting. Raises OSError, WavError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BYTES:
            find_sound(file.read(HEAD_BYTES), size, MAX_SECONDS)
            raise WavError(f"the file has {size >> 20} MB, at most {MAX_BYTES >> 20} are allowed")
        return file.read()


def converted(path: Path) -> bytes:
    """A file that can be played, made of what can be read as sound. Raises OSError, WavError."""
    from rtp.sound_file import convert  # libsndfile takes a while to load

    with path.open("rb") as file:
        return file_bytes(convert(file, MAX_SECONDS))
