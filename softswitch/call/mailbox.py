"""The mailbox of a call: its letters in order, and the one place where its task waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from softswitch.call.letters import Letter


NEVER = float("inf")


class Mailbox(Struct, eq=False):
    """A queue with one reader; each wait has a deadline."""

    _loop: asyncio.AbstractEventLoop
    _letters: list[Letter] = field(default_factory=list)  # a deque takes 600 octets of each call
    _waiter: asyncio.Future[None] | None = None
    """The future of the last wait; done once that is over."""
    _timer: asyncio.TimerHandle | None = None
    """Wakes the reader, at its deadline or before: most waits end by a letter, and a timer that
    goes on into the next wait costs nothing, one that is set anew a push and a search in the loop's
    heap."""
    _wakes_at: float = NEVER
    """The loop's time of the timer. A handle can't be asked: uvloop's rounds to milliseconds."""

    def post(self, letter: Letter) -> None:
        """Append a letter and wake the reader."""
        self._letters.append(letter)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def post_later(self, seconds: float, letter: Letter) -> None:
        """Post a letter after a pause."""
        self._loop.call_later(seconds, self.post, letter)

    def rest(self) -> list[Letter]:
        """The unread letters; the mailbox is empty and without a timer afterwards."""
        letters, self._letters = self._letters, []
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._wakes_at = None, NEVER
        return letters

    async def next(self, deadline: float) -> Letter | None:
        """The next letter, or None at `deadline` (the loop's time)."""
        letters = self._letters
        while not letters:
            loop = self._loop
            if deadline <= loop.time():
                return None
            if deadline < self._wakes_at:
                self._wake_at(deadline)
            self._waiter = waiter = loop.create_future()
            await waiter
        return letters.pop(0)

    def _wake_at(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._wakes_at = self._loop.call_at(deadline, self._ring), deadline

    def _ring(self) -> None:
        """The deadline: wake the reader."""
        self._timer, self._wakes_at = None, NEVER
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
