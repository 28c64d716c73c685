"""The two clocks of a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from softswitch.call.deadlines import Deadlines


class Clock:
    """The loop, whose monotonic seconds time calls, and the wall clock, whose epoch milliseconds
    stamp their records."""

    __slots__ = ("deadlines", "loop", "now", "wall_ms")

    def __init__(self, loop: asyncio.AbstractEventLoop, wall_ms: Callable[[], int]) -> None:
        self.loop = loop
        self.wall_ms = wall_ms
        self.now = loop.time
        """Monotonic seconds, the loop's time."""
        self.deadlines = Deadlines(loop)
        """Those of all calls."""
