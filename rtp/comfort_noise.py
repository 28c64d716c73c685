"""Comfort noise (RFC 3389): background noise while a peer sends nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtp.samples import FRAME_SAMPLES, SILENT_FRAME, Samples, saturated

MAX_LEVEL_DB = 127
LOUDEST_DB = 30
"""Below overload; a peer that asks for louder noise doesn't get it."""

_NOISE_SAMPLES = 8191
"""Prime, so that frames fall elsewhere each time; a period of a second isn't heard in noise."""
_OVERLOAD_RMS = 32768 / 2**0.5
"""0 dBov (RFC 3389 section 3): a sine at full scale."""


def _noise() -> NDArray[np.float64]:
    """White noise of power 1, always the same: it is noise to the ear, not to a cryptographer."""
    samples = np.random.default_rng(3389).uniform(-1, 1, _NOISE_SAMPLES + FRAME_SAMPLES)
    samples[_NOISE_SAMPLES:] = samples[:FRAME_SAMPLES]
    samples /= np.sqrt((samples**2).mean())
    return samples


_NOISE = _noise()


def level_db(payload: bytes) -> int | None:
    """The noise level in -dBov; None for an empty payload. The spectrum that may follow is passed
    over: white noise at the right level does for a telephone."""
    return payload[0] & 0x7F if payload else None


class ComfortNoise:
    """Makes frames of noise."""

    __slots__ = ("_at", "_loudness")

    def __init__(self) -> None:
        self._at = 0
        self._loudness = 0.0

    def set_level(self, level: int) -> None:
        """Take a level in -dBov; 127 is silence."""
        level = max(level, LOUDEST_DB)
        quiet = level >= MAX_LEVEL_DB
        self._loudness = 0.0 if quiet else _OVERLOAD_RMS * 10 ** (-level / 20)

    def frame(self) -> Samples:
        """20 ms."""
        if not self._loudness:
            return SILENT_FRAME
        at = self._at
        self._at = (at + FRAME_SAMPLES) % _NOISE_SAMPLES
        return saturated(self._loudness * _NOISE[at : at + FRAME_SAMPLES])
