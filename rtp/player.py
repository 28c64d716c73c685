"""The player of one side: prompts and tones one after the other, in frames of 20 ms."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rtp.samples import FRAME_SAMPLES, Samples, saturated

MAX_QUEUED = 64
"""Playings that wait at a side; a menu has a few."""
_FADE = np.linspace(1.0, 0.0, 40, endpoint=False)
"""5 ms: what is stopped in the middle doesn't click."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Part of a playing.

    Args:
        length: samples to play, repeating them as needed; None for all of them once.
    """

    samples: Samples
    length: int | None = None


class Playing:
    """Pieces that are played together.

    Args:
        playing: its id.
        barge_in: ends when a key is pressed.
        repeat: again and again, until it is stopped.
    """

    __slots__ = ("_at", "_index", "_pieces", "barge_in", "id", "repeat")

    def __init__(self, playing: int, *, barge_in: bool = False, repeat: bool = False) -> None:
        self.id = playing
        self.barge_in = barge_in
        self.repeat = repeat
        self._pieces: Sequence[Piece] | None = None
        self._index = 0
        self._at = 0

    @property
    def ready(self) -> bool:
        """True if the pieces are loaded; until then the others behind it wait."""
        return self._pieces is not None

    def set_pieces(self, pieces: Sequence[Piece]) -> None:
        """Say what is played; pieces without a sample are left out."""
        self._pieces = [piece for piece in pieces if len(piece.samples) and piece.length != 0]

    def take(self, count: int) -> tuple[Samples, bool]:
        """The next samples, fewer at the end of a piece, with True if that was the last."""
        assert self._pieces is not None
        if not self._pieces:
            return np.empty(0, np.int16), True
        piece = self._pieces[self._index]
        length = len(piece.samples) if piece.length is None else piece.length
        place = self._at % len(piece.samples)
        count = min(count, length - self._at, len(piece.samples) - place)
        samples = piece.samples[place : place + count]
        self._at += count
        return samples, self._at == length and self._next_piece()

    def _next_piece(self) -> bool:
        """Go on to the next one; whether there is none."""
        assert self._pieces is not None
        self._at = 0
        self._index += 1
        if self._index < len(self._pieces):
            return False
        self._index = 0
        return not self.repeat


class Player:
    """The queue of sound that is played to one side."""

    __slots__ = ("_queue", "_tail", "busy", "finished")

    def __init__(self) -> None:
        self._queue: deque[Playing] = deque()
        self._tail: Samples | None = None
        self.busy = False
        """Something is queued or fading out. An attribute, since each tick asks every side."""
        self.finished: list[int] = []
        """Ids of finished pieces that weren't taken yet."""

    def play(self, playing: Playing) -> bool:
        """Queue something; whether there was room."""
        if len(self._queue) >= MAX_QUEUED:
            return False
        self._queue.append(playing)
        self.busy = True
        return True

    def drop(self, playing: Playing) -> bool:
        """Take out what can't be played; whether it was there."""
        waits = playing in self._queue
        if waits:
            self._queue.remove(playing)
            self._see_whether_busy()
        return waits

    def _see_whether_busy(self) -> None:
        self.busy = bool(self._queue) or self._tail is not None

    def stop(self) -> list[int]:
        """Stop everything; the ids of what wasn't played to its end."""
        stopped = [playing.id for playing in self._queue]
        if self._queue and self._queue[0].ready:
            tail, _ = self._queue[0].take(len(_FADE))
            self._tail = saturated(tail * _FADE[: len(tail)])
        self._queue.clear()
        self._see_whether_busy()
        return stopped

    def barge_in(self) -> list[int]:
        """A key was pressed: stop, if what is playing lets itself be stopped."""
        if not self._queue or not self._queue[0].barge_in:
            return []
        return self.stop()

    def frame(self) -> Samples | None:
        """The next 20 ms, which may be a view; None if the queue is empty."""
        if self._tail is not None:
            samples, self._tail = _filled([self._tail], len(self._tail)), None
            self._see_whether_busy()
            return samples
        queue = self._queue
        if not queue or not queue[0].ready:
            return None
        samples, ends = queue[0].take(FRAME_SAMPLES)
        if ends:
            self._end()
        if len(samples) == FRAME_SAMPLES:
            return samples
        return self._joined(samples)

    def _joined(self, samples: Samples) -> Samples:
        """A frame in which one piece ends and others begin, or silence after the last."""
        parts = [samples]
        have = len(samples)
        while have < FRAME_SAMPLES and self._queue and self._queue[0].ready:
            samples, ends = self._queue[0].take(FRAME_SAMPLES - have)
            parts.append(samples)
            have += len(samples)
            if ends:
                self._end()
        return _filled(parts, have)

    def _end(self) -> None:
        self.finished.append(self._queue.popleft().id)
        self._see_whether_busy()


def _filled(parts: list[Samples], have: int) -> Samples:
    return np.concatenate([*parts, np.zeros(FRAME_SAMPLES - have, np.int16)])
