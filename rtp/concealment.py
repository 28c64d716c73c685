"""Fills the places of lost packets, after the idea of G.711 appendix I.

The last period of the voice is repeated, fading away over 60 ms; a longer silence is a silence.
Where sound comes again it is faded in. Unlike there nothing is delayed for it, so the way into the
repetition isn't overlapped; the period is chosen so that it joins.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from rtp.g711 import Law
from rtp.samples import FRAME_SAMPLES, Samples, saturated

HISTORY = 400
"""Samples that are kept: twice the longest period, and what is matched."""
SHORTEST_PERIOD, LONGEST_PERIOD = 40, 120
"""Samples: a voice of 200 to 66 Hz, and half as high again."""
_MATCHED = 160
FADE_SAMPLES = 80
"""10 ms: from one gap to the sound that ends it."""
FULL_SAMPLES = 80
GONE_SAMPLES = 480
"""Repeated unchanged for 10 ms, gone after 60."""

_RISE = (np.arange(FADE_SAMPLES) + 0.5) / FADE_SAMPLES
_FALL = 1 - _RISE
_LOUDNESS = np.interp(
    np.arange(GONE_SAMPLES + FRAME_SAMPLES), [FULL_SAMPLES, GONE_SAMPLES], [1.0, 0.0]
)


class Concealer:
    """Packet loss concealment of one stream; it is given every frame that is played.

    What came is kept as octets until a gap needs its samples: most frames are never looked at.
    """

    __slots__ = ("_gap", "_last", "_period")

    def __init__(self) -> None:
        self._last: deque[Samples | bytes] = deque(maxlen=3)
        self._gap = 0
        self._period: NDArray[np.float64] | None = None

    @property
    def gone(self) -> bool:
        """True if the gap is so long that the repetition has faded out."""
        return self._gap >= GONE_SAMPLES or not self._last

    @property
    def is_steady(self) -> bool:
        """True if the last frame came."""
        return not self._gap

    def note(self, octets: bytes) -> bool:
        """Keep a frame that came; False if it ends a gap, and :meth:`keep` has to fade it in."""
        if self._gap:
            return False
        self._last.append(octets)
        return True

    def keep(self, frame: Samples) -> Samples:
        """A frame that came; the same, faded in if it ends a gap. It is kept, not copied."""
        if self._gap:
            frame = self._faded_in(frame)
            self._gap = 0
            self._period = None
        self._last.append(frame)
        return frame

    def decode(self, law: Law) -> None:
        """Decode what is kept: it is in this law, and what follows may be in another."""
        for index, frame in enumerate(self._last):
            if isinstance(frame, bytes):
                self._last[index] = law.decode(frame)

    def conceal(self, law: Law, samples: int = FRAME_SAMPLES) -> Samples:
        """Samples to play instead of a lost frame, or of a part of it.

        Args:
            law: of the octets that were noted.
        """
        if self.gone:
            return np.zeros(samples, np.int16)
        self.decode(law)
        result = saturated(self._repeated(samples) * _LOUDNESS[self._gap : self._gap + samples])
        self._gap += samples
        return result

    def _faded_in(self, frame: Samples) -> Samples:
        repeated = np.zeros(FADE_SAMPLES)
        if not self.gone:
            loudness = _LOUDNESS[self._gap : self._gap + FADE_SAMPLES]
            repeated = self._repeated(FADE_SAMPLES) * loudness
        frame = frame.copy()
        frame[:FADE_SAMPLES] = saturated(frame[:FADE_SAMPLES] * _RISE + repeated * _FALL)
        return frame

    def _repeated(self, samples: int) -> NDArray[np.float64]:
        """The last period again and again, from where the gap has got to."""
        if self._period is None:
            history = np.concatenate(self._last)[-HISTORY:].astype(np.float64)
            self._period = history[-_period_of(history) :]
        place = (self._gap + np.arange(samples)) % len(self._period)
        return self._period[place]


def _period_of(history: NDArray[np.float64]) -> int:
    """The lag at which the end of the history looks most like what was before it."""
    if len(history) < _MATCHED + LONGEST_PERIOD:
        return min(LONGEST_PERIOD, len(history))
    end = history[-_MATCHED:]
    lags = np.lib.stride_tricks.sliding_window_view(
        history[-_MATCHED - LONGEST_PERIOD : -SHORTEST_PERIOD], _MATCHED
    )
    # Row 0 is the longest lag.
    norm = np.sqrt((lags**2).sum(axis=1)) + 1.0
    return LONGEST_PERIOD - int((lags @ end / norm).argmax())
