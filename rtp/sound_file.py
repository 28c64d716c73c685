"""Sound files: read for playing, and converted when an operator or subscriber brings them.

Reads files; not for the loop of a worker.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile  # type: ignore[import-untyped]
from numpy.typing import NDArray

from rtp.samples import CLOCK_RATE, Samples, saturated
from rtp.wav import HEAD_BYTES, MAX_BYTES, MAX_SECONDS, Wav, WavError, find_sound, parse

MAX_UPLOAD_BYTES = 256 * 1024 * 1024
"""An hour of stereo at 44,100 Hz and 16 bit is less."""
SAMPLE_RATES = range(4_000, 192_001)
MAX_CHANNELS = 8
_BLOCK_FRAMES = 65_536
_ZERO_CROSSINGS = 24
"""On each side of the filter; the band that is lost at 4 kHz narrows with them."""
_PASS = 0.94
"""The pass band as a share of half the lower rate."""
_KAISER_BETA = 8.0
"""About 80 dB down outside: less than a sample's last bit at speaking level."""


def load(path: Path) -> Wav:
    """Read a file that can be played as it is.

    Raises:
        OSError: it can't be read.
        WavError: it isn't such a file; says why.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        find_sound(file.read(HEAD_BYTES), size)
        file.seek(0)
        return parse(file.read(MAX_BYTES))


def convert(file: BinaryIO, max_seconds: int = MAX_SECONDS) -> Samples:
    """Samples of whatever libsndfile reads, mixed down to one channel and resampled to 8 kHz.

    Args:
        max_seconds: longer ones are refused; a small file may hold hours of silence.

    Raises:
        WavError: it can't be read, or is longer or larger than anything that is played.
    """
    if file.seek(0, os.SEEK_END) > MAX_UPLOAD_BYTES:
        raise WavError(f"the file has more than {MAX_UPLOAD_BYTES >> 20} MB")
    file.seek(0)
    try:
        with soundfile.SoundFile(file) as sound:
            _check_upload(sound, max_seconds)
            mono = np.concatenate([*_mono_blocks(sound, max_seconds)])
            rate = sound.samplerate
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        if isinstance(error, WavError):
            raise
        raise WavError(f"it can't be read as sound: {error}") from None
    if not len(mono):
        raise WavError("there is no sound in it")
    return saturated(resample(mono, rate) * 32768.0)


def _check_upload(sound: soundfile.SoundFile, max_seconds: int) -> None:
    if sound.samplerate not in SAMPLE_RATES:
        raise WavError(
            f"{sound.samplerate} samples a second; from {SAMPLE_RATES[0]} to {SAMPLE_RATES[-1]} can"
            " be converted"
        )
    if not 1 <= sound.channels <= MAX_CHANNELS:
        raise WavError(f"{sound.channels} channels; {MAX_CHANNELS} are the most")
    if sound.frames > max_seconds * sound.samplerate:
        raise WavError(f"the file lasts longer than the {max_seconds} seconds that are allowed")


def _mono_blocks(sound: soundfile.SoundFile, max_seconds: int) -> Iterator[NDArray[np.float32]]:
    """The sound of a file, which may be shorter or longer than its header says."""
    left = max_seconds * sound.samplerate
    yield np.empty(0, np.float32)
    while True:
        block = sound.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
        if not len(block):
            return
        left -= len(block)
        if left < 0:
            raise WavError(f"the file lasts longer than the {max_seconds} seconds that are allowed")
        yield block.mean(axis=1, dtype=np.float32)


def resample(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Bring samples to 8 kHz by a polyphase low-pass filter of linear phase."""
    if rate == CLOCK_RATE:
        return samples
    divisor = int(np.gcd(rate, CLOCK_RATE))
    up, down = CLOCK_RATE // divisor, rate // divisor
    bank = _filter_bank(up, max(1.0, rate / CLOCK_RATE))
    taps = bank.shape[1]
    padded = np.pad(samples, (taps // 2, taps))
    windows = np.lib.stride_tricks.sliding_window_view(padded, taps)
    count = -(-len(samples) * up // down)
    result = np.empty(count, np.float32)
    for first in range(0, count, _BLOCK_FRAMES // 16):
        place = np.arange(first, min(count, first + _BLOCK_FRAMES // 16), dtype=np.int64) * down
        rows = windows[place // up]
        result[first : first + len(place)] = np.einsum("ij,ij->i", rows, bank[place % up])
    return result


def _filter_bank(up: int, narrowing: float) -> NDArray[np.float32]:
    """A windowed sinc for each of the places that an output sample has between two input ones."""
    half = int(np.ceil(_ZERO_CROSSINGS * narrowing))
    offsets = np.arange(-half, half + 1)[None, :] - (np.arange(up) / up)[:, None]
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (offsets / (half + 1)) ** 2, 0, 1)))
    bank = np.sinc(offsets * _PASS / narrowing) * window
    bank /= bank.sum(axis=1, keepdims=True)
    result: NDArray[np.float32] = bank.astype(np.float32)
    return result
