"""The two clocks of a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """The loop, whose monotonic seconds time calls, and the wall clock, whose epoch milliseconds
    stamp their records."""

    loop: asyncio.AbstractEventLoop
    wall_ms: Callable[[], int]

    def now(self) -> float:
        """Monotonic seconds, the loop's time."""
        return self.loop.time()
