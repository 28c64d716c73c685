"""The tones by which a fax begins in sound: CNG, CED and the V.21 preamble (ITU-T T.30 section 4).

CNG is the calling terminal's tone of 1100 Hz, half a second long; CED the answering one's of 2100
Hz, which it also begins a modem with (V.8, V.25). HDLC flags by V.21 at 1650 and 1850 Hz stand
before every message of T.30, so a fax is recognised from either direction even when its tones were
lost. All sides of a tick are looked at together; only the few with energy in one place alone are
looked at closely.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rtp.samples import CLOCK_RATE, FRAME_SAMPLES, Samples

CNG_HZ, CED_HZ = 1100, 2100
MARK_HZ, SPACE_HZ = 1650, 1850
"""Ones and zeros of V.21's upper channel."""
BIT_SAMPLES = CLOCK_RATE / 300

Kind = Literal[1, 2, 3]
"""CNG, CED, and V.21."""
_CNG, _CED, _V21 = 1, 2, 3

_TONE_FRAMES = 15
"""300 ms; CNG lasts 425 at least (T.30), and CED may turn its phase every 450 (V.8)."""
_FLAGS = 5
"""Flags in a row: 133 ms of a preamble of a second."""
_LEAST_POWER = 13_000.0
"""The mean square of samples at -43 dBm0."""
_TONE_SHARE = 0.8
"""The least share of a frame's energy in a tone: it is then within 20 Hz of one of `_TONE_HZ`."""
_V21_SHARE = 0.7
_FREQUENCY_SHARE = 0.25
"""The least power of the band around V.21 by that of the sound; noise has 0.06, V.21 0.46."""

_TONE_HZ = (CNG_HZ - 20, CNG_HZ + 20, CED_HZ)
"""CNG may be 38 Hz off, CED 15."""
_TIME = np.arange(FRAME_SAMPLES) / CLOCK_RATE
_WINDOW = np.hanning(FRAME_SAMPLES + 2)[1:-1]
_BAND_HZ = np.arange(1600, 1901, 50)
_TONES = np.exp(-2j * np.pi * np.outer(_TIME, _TONE_HZ)) * _WINDOW[:, None]
_BAND = np.exp(-2j * np.pi * np.outer(_TIME, _BAND_HZ))
_WAVES = np.concatenate([_TONES, _BAND], axis=1)
_PROJECTION = np.concatenate([_WAVES.real, _WAVES.imag], axis=1).astype(np.float32)
_PLACES = _WAVES.shape[1]
_WINDOW_POWER = (_WINDOW**2).sum().astype(np.float32)
_WINDOW_SQUARED = (_WINDOW**2).astype(np.float32)
_TONE_SCALE = 2 * _WINDOW_POWER / _WINDOW.sum() ** 2


def kinds(frames: Samples) -> NDArray[np.int8]:
    """What each frame may be a part of: 0 for nothing, or a kind.

    Args:
        frames: rows of 160 samples.
    """
    sound = frames.astype(np.float32)
    squares = sound * sound
    energy = squares.sum(axis=1) + 1.0
    windowed = squares @ _WINDOW_SQUARED + 1.0
    projected = sound @ _PROJECTION
    projected *= projected
    powers = projected[:, :_PLACES] + projected[:, _PLACES:]
    tones = powers[:, :3] * _TONE_SCALE / windowed[:, None] >= _TONE_SHARE
    band = 2 * powers[:, 3:].sum(axis=1) / (FRAME_SAMPLES * energy) >= _V21_SHARE
    found = np.where(band, _V21, 0).astype(np.int8)
    found[tones[:, 0] | tones[:, 1]] = _CNG
    found[tones[:, 2]] = _CED
    found[energy < _LEAST_POWER * FRAME_SAMPLES] = 0
    return found


class FaxToneDetector:
    """What was found so far in the sound of one side."""

    __slots__ = ("_frames", "_kind", "_last", "_preamble")

    def __init__(self) -> None:
        self._kind = 0
        self._frames = 0
        self._last = -1
        self._preamble = _Preamble()

    def take(self, kind: int, number: int, frame: Samples) -> bool:
        """Take a frame that may be part of a tone; True if that makes it certain.

        Args:
            kind: of the frame, by :func:`kinds`.
            number: of the tick; frames of another kind or none in between end the tone.
        """
        if number != self._last + 1 or kind != self._kind:
            self._kind, self._frames = kind, 0
            self._preamble = _Preamble()
        self._last = number
        self._frames += 1
        if kind == _V21:
            return self._preamble.take(frame) >= _FLAGS
        return self._frames >= _TONE_FRAMES


_FILTER = np.hanning(28)[1:-1] / np.hanning(28).sum()
"""Keeps the band around V.21: about a bit long."""
_LAG = 10
"""Samples over which the phase is compared: 45 degrees at 100 Hz beside the middle."""
_KEPT = len(_FILTER) - 1 + _LAG
_MIDDLE_HZ = (MARK_HZ + SPACE_HZ) / 2
_MARKS = (5.2 * BIT_SAMPLES, 6.8 * BIT_SAMPLES)
"""The six ones of a flag, in samples."""
_SPACES = (0.5 * BIT_SAMPLES, 2.6 * BIT_SAMPLES)
"""The zeros between two flags: two, or one that both share."""


class _Preamble:
    """Counts the HDLC flags of V.21 in sound, by the lengths of its ones and zeros."""

    __slots__ = ("_at", "_before", "_flags", "_run", "_sign", "_whole")

    def __init__(self) -> None:
        self._at = 0
        self._before: NDArray[np.complex128] = np.zeros(_KEPT, np.complex128)
        self._sign = 0
        self._run = 0
        self._whole = False
        """The run began where another one ended, not with the sound."""
        self._flags = 0

    def take(self, frame: Samples) -> int:
        """Take a frame; the flags in a row so far."""
        time = (self._at + np.arange(len(frame))) / CLOCK_RATE
        self._at += len(frame)
        mixed = frame * np.exp(-2j * np.pi * _MIDDLE_HZ * time)
        joined = np.concatenate([self._before, mixed])
        self._before = joined[-_KEPT:]
        band = np.convolve(joined, _FILTER, "valid")
        power = float((frame.astype(np.float64) ** 2).mean())
        if float((np.abs(band) ** 2).mean()) < _FREQUENCY_SHARE * power:
            self._flags = 0
            return 0
        turns = (band[_LAG:] * band[:-_LAG].conj()).imag
        self._count(np.where(turns < 0, -1, 1))
        return self._flags

    def _count(self, signs: NDArray[np.int_]) -> None:
        """Take the signs of the frequency: -1 for a one."""
        changes = np.flatnonzero(np.diff(signs)) + 1
        for part in np.split(signs, changes):
            sign = int(part[0])
            if sign == self._sign:
                self._run += len(part)
                continue
            self._end_run()
            self._sign, self._run = sign, len(part)

    def _end_run(self) -> None:
        if not self._sign:
            return
        least, most = _MARKS if self._sign < 0 else _SPACES
        fits = least <= self._run <= most
        if self._whole and not fits:
            self._flags = 0
        elif self._whole and self._sign < 0:
            self._flags += 1
        self._whole = True
