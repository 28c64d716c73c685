"""Greeting files of subscribers (E18): WAV, PCM, 8 kHz, 16 bit, mono, or another file that is
converted to that."""

from __future__ import annotations

import io
import os
from pathlib import Path

from rtp.samples import CLOCK_RATE, Samples
from rtp.wav import HEAD_BYTES, SAMPLE_BYTES, Reason, WavError, file_bytes, find_sound, parse

MAX_SECONDS = 300
"""Callers hang up during a longer greeting."""
MAX_BYTES = HEAD_BYTES + MAX_SECONDS * CLOCK_RATE * SAMPLE_BYTES + 1024 * 1024
"""With a megabyte for other chunks of the file."""


def check(data: bytes) -> Samples:
    """The sound of a file that can be played as it is.

    Raises:
        WavError: it can't be played; with every reason.
    """
    wav = parse(data, MAX_SECONDS)
    if wav.truncated:
        raise WavError(Reason("truncated", "truncated: less sound in it than its header says"))
    return wav.samples


def read(path: Path) -> bytes:
    """The content of a file, unless it is too long for a greeting. Raises OSError, WavError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BYTES:
            find_sound(file.read(HEAD_BYTES), size, MAX_SECONDS)
            raise WavError(f"the file has {size >> 20} MB, at most {MAX_BYTES >> 20} are allowed")
        return file.read()


def converted_samples(data: bytes) -> Samples:
    """The sound of a file's octets, converted from another format. Raises WavError."""
    from rtp.sound_file import convert  # libsndfile takes a while to load

    return convert(io.BytesIO(data), MAX_SECONDS)


def converted(path: Path) -> bytes:
    """A playable file, converted from a sound file of another format. Raises OSError, WavError."""
    from rtp.sound_file import convert  # libsndfile takes a while to load

    with path.open("rb") as file:
        return file_bytes(convert(file, MAX_SECONDS))
