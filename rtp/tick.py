"""When sound is due: every 20 ms by the clock, not 20 ms after the last time."""

from __future__ import annotations

import math
from collections import deque
from itertools import islice

from rtp.figures import TickFigures
from rtp.samples import FRAME_SECONDS

MAX_CATCH_UP = 5
"""Ticks made up for at once after a delay: 100 ms, what jitter buffers bear. What was missed beyond
is left out, for late sound would stay late."""
REMEMBERED = 15_000
"""Ticks of which the lateness is kept: five minutes."""


class TickClock:
    """The clock of the sound tier: ticks of 20 ms, numbered by the monotonic clock.

    Tick n is due at n times 20 ms of the monotonic clock, so all sessions of a machine agree.
    """

    __slots__ = ("_late", "number", "skipped", "ticks")

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=REMEMBERED)
        self.number = 0
        """The number of the next tick."""
        self.ticks = 0
        self.skipped = 0

    @property
    def due_at(self) -> float:
        """Monotonic seconds at which the next tick is due."""
        return self.number * FRAME_SECONDS

    def start(self, now: float) -> None:
        """Begin, or go on after nothing was to be done for a while."""
        self.number = math.floor(now / FRAME_SECONDS) + 1

    def due(self, now: float) -> range:
        """The ticks to be done now, mostly one or none."""
        late = now - self.due_at
        if late < 0:
            return range(0)
        self._late.append(late)
        last = math.floor(now / FRAME_SECONDS + 1e-9)
        first = max(self.number, last + 1 - MAX_CATCH_UP)
        self.skipped += first - self.number
        self.ticks += last + 1 - self.number
        self.number = last + 1
        return range(first, last + 1)

    def figures(self, sides: int, seconds: float) -> TickFigures:
        """The lateness of the last so many seconds in which ticks were due, at most five
        minutes."""
        newest_first = islice(reversed(self._late), round(seconds / FRAME_SECONDS))
        late = sorted(newest_first)

        def part(share: float) -> float:
            return round(1000 * late[min(len(late) - 1, int(share * len(late)))], 3) if late else 0

        return TickFigures(
            ticks=self.ticks,
            skipped=self.skipped,
            sides=sides,
            p50_ms=part(0.5),
            p99_ms=part(0.99),
            p999_ms=part(0.999),
            worst_ms=part(1.0),
        )
