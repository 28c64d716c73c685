"""The deadlines of all mailboxes, by one timer of the loop."""

from __future__ import annotations

import asyncio
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Protocol

NEVER = float("inf")
FEW = 64
"""So many deadlines that are waited for no more may always stay."""


class Sleeper(Protocol):
    """The mailbox that waits for a deadline."""

    wakes_at: float
    """The deadline that it waits for, set by :class:`Deadlines`; an earlier one counts no more."""

    def wake(self) -> None:
        """Take note that the deadline has come."""


class Deadlines:
    """A heap of deadlines, each with the sleeper that is woken then.

    A timer of the loop for each of them would cost every call 600 octets more. Deadlines aren't
    taken back, but left: those that nobody waits for any more are cleared away once they are as
    many as the others, since a call would otherwise stay known here long after its end.
    """

    __slots__ = ("_heap", "_left", "_loop", "_order", "_timer", "_wakes_at")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[float, int, Sleeper]] = []
        self._order = count()
        """Those of one instant are woken in the order in which they came."""
        self._left = 0
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = NEVER
        """The loop's time of the timer. A handle can't be asked: uvloop's rounds to
        milliseconds."""

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, deadline: float, sleeper: Sleeper) -> None:
        """Have a sleeper woken at `deadline` (the loop's time) instead of at another time."""
        if sleeper.wakes_at != NEVER:
            self.leave(sleeper)
        sleeper.wakes_at = deadline
        heappush(self._heap, (deadline, next(self._order), sleeper))
        if deadline < self._wakes_at:
            self._wake_at(deadline)

    def leave(self, sleeper: Sleeper) -> None:
        """Wake a sleeper no more."""
        sleeper.wakes_at = NEVER
        self._left += 1
        if self._left > FEW and 2 * self._left > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].wakes_at == entry[0]]
            heapify(self._heap)
            self._left = 0

    def _wake_at(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._wakes_at = self._loop.call_at(deadline, self._ring), deadline

    def _ring(self) -> None:
        self._timer, self._wakes_at = None, NEVER
        now = self._loop.time()
        while self._heap and self._heap[0][0] <= now:
            deadline, _, sleeper = heappop(self._heap)
            if sleeper.wakes_at == deadline:
                sleeper.wakes_at = NEVER
                self._wake(sleeper)
            else:
                self._left -= 1
        if self._heap and self._heap[0][0] < self._wakes_at:
            self._wake_at(self._heap[0][0])

    def _wake(self, sleeper: Sleeper) -> None:
        """Wake one sleeper; its fault is reported as that of a timer of its own would be, and
        doesn't keep the timer of all the others from being set again."""
        try:
            sleeper.wake()
        except Exception as error:
            message = "a call's deadline caused an internal error"
            self._loop.call_exception_handler({"message": message, "exception": error})
