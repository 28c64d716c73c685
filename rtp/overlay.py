"""Announcements over a side's sound, which is turned down meanwhile and goes on."""

from __future__ import annotations

import numpy as np

from rtp.player import Player
from rtp.samples import FRAME_SAMPLES, Samples, saturated

TURNED_DOWN = 0.35
"""-9 dB: a voice is understood above it, and what is under it is still heard."""
_WAY = np.arange(1, FRAME_SAMPLES + 1) / FRAME_SAMPLES
"""The ramp between two levels within a frame, which avoids a click."""


class Overlay(Player):
    """Plays its queue over what it is given."""

    __slots__ = ("_loudness",)

    def __init__(self) -> None:
        super().__init__()
        self._loudness = 1.0

    def over(self, heard: Samples) -> Samples:
        """A frame with the next 20 ms of the queue above it."""
        said = self.frame()
        wanted = 1.0 if said is None else TURNED_DOWN
        loudness = self._loudness + (wanted - self._loudness) * _WAY
        self._loudness = wanted if self.busy else 1.0
        mixed = heard * loudness
        return saturated(mixed if said is None else mixed + said)
