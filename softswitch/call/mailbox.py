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
    _waiter: asyncio.Future[Letter | None] | None = None
    """The reader's future; None once it has a letter, which would otherwise stay here."""
    _deadline: float = NEVER
    """The deadline of the reader's last wait."""
    _timer: asyncio.TimerHandle | None = None
    """Rings at the reader's deadline or before: most waits end by a letter, and a timer that goes
    on into the next wait costs nothing, one that is set anew a push and a search in the loop's
    heap."""
    _wakes_at: float = NEVER
    """The loop's time of the timer. A handle can't be asked: uvloop's rounds to milliseconds."""

    def post(self, letter: Letter) -> None:
        """Give the letter to the waiting reader, or keep it."""
        waiter = self._waiter
        if waiter is None or waiter.done():
            self._letters.append(letter)
        else:
            self._waiter = None
            waiter.set_result(letter)

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

    def next(self, deadline: float) -> asyncio.Future[Letter | None]:
        """The next letter, or None at `deadline` (the loop's time). The reader awaits it at once.

        No coroutine, whose frame would stay in memory as long as the call waits.
        """
        waiter = self._loop.create_future()
        if self._letters:
            waiter.set_result(self._letters.pop(0))
        else:
            self._waiter, self._deadline = waiter, deadline
            if deadline < self._wakes_at:
                self._wake_at(deadline)  # at once, if it has passed
        return waiter

    def _wake_at(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._wakes_at = self._loop.call_at(deadline, self._ring), deadline

    def _ring(self) -> None:
        """The timer: the reader's deadline, or that of an earlier wait."""
        self._timer, self._wakes_at = None, NEVER
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._deadline <= self._loop.time():
            waiter.set_result(None)
        else:
            self._wake_at(self._deadline)
