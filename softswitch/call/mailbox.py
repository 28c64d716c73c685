"""The mailbox of a call: its letters in order, and the one place where its task waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softswitch.call.letters import Letter


class Mailbox:
    """A queue with one reader; each wait has a deadline."""

    __slots__ = ("_letters", "_loop", "_timer", "_waiter")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._letters: list[Letter] = []  # an empty deque takes 600 octets of each call
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        """Wakes the reader, at its deadline or before: most waits end by a letter, and a timer that
        goes on into the next wait costs nothing, one that is set anew a push and a search in the
        loop's heap."""

    def post(self, letter: Letter) -> None:
        """Append a letter and wake the reader."""
        self._letters.append(letter)
        self._wake()

    def post_later(self, seconds: float, letter: Letter) -> None:
        """Post a letter after a pause."""
        self._loop.call_later(seconds, self.post, letter)

    def rest(self) -> list[Letter]:
        """The unread letters; the mailbox is empty and without a timer afterwards."""
        letters, self._letters = self._letters, []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return letters

    async def next(self, deadline: float) -> Letter | None:
        """The next letter, or None at `deadline` (the loop's time)."""
        while not self._letters and deadline > self._loop.time():
            if self._timer is None or deadline < self._timer.when():
                self._set(deadline)
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._letters.pop(0) if self._letters else None

    def _set(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
