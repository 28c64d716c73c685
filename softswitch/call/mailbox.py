"""The mailbox of a call: its letters in order, and the one place where its task waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct

from softswitch.call.deadlines import NEVER, Deadlines

if TYPE_CHECKING:
    from softswitch.call.letters import Letter


class Mailbox(Struct, eq=False):
    """A queue with one reader; each wait has a deadline."""

    _loop: asyncio.AbstractEventLoop
    _deadlines: Deadlines
    _letters: tuple[Letter, ...] = ()  # mostly empty; a deque takes 600 octets of each call
    _waiter: asyncio.Future[Letter | None] | None = None
    """The reader's future; None once it has a letter, which would otherwise stay here."""
    _deadline: float = NEVER
    """The deadline of the reader's last wait."""
    wakes_at: float = NEVER
    """When :attr:`_deadlines` wakes it: at the reader's deadline or before. Most waits end by a
    letter, and a deadline that goes on into the next wait costs nothing."""

    def post(self, letter: Letter) -> None:
        """Give the letter to the waiting reader, or keep it."""
        waiter = self._waiter
        if waiter is None or waiter.done():
            self._letters += (letter,)
        else:
            self._waiter = None
            waiter.set_result(letter)

    def post_later(self, seconds: float, letter: Letter) -> None:
        """Post a letter after a pause."""
        self._loop.call_later(seconds, self.post, letter)

    def rest(self) -> tuple[Letter, ...]:
        """The unread letters; the mailbox is empty and without a deadline afterwards."""
        letters, self._letters = self._letters, ()
        if self.wakes_at != NEVER:
            self._deadlines.leave(self)
        return letters

    def next(self, deadline: float) -> asyncio.Future[Letter | None]:
        """The next letter, or None at `deadline` (the loop's time). The reader awaits it at once.

        No coroutine, whose frame would stay in memory as long as the call waits.
        """
        waiter = self._loop.create_future()
        if self._letters:
            letter, *left = self._letters
            self._letters = tuple(left)
            waiter.set_result(letter)
        else:
            self._waiter, self._deadline = waiter, deadline
            if deadline < self.wakes_at:
                self._deadlines.put(deadline, self)  # it comes at once, if it has passed
        return waiter

    def wake(self) -> None:
        """The reader's deadline has come, or that of an earlier wait."""
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._deadline <= self._loop.time():
            waiter.set_result(None)
        else:
            self._deadlines.put(self._deadline, self)
