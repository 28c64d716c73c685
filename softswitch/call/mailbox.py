"""The mailbox of a call: its letters in order, and the one place where its task waits."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softswitch.call.letters import Letter


class Mailbox:
    """A queue with one reader; each wait has a deadline."""

    __slots__ = ("_letters", "_loop", "_waiter")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._letters: deque[Letter] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def post(self, letter: Letter) -> None:
        """Append a letter and wake the reader."""
        self._letters.append(letter)
        self._wake()

    def post_later(self, seconds: float, letter: Letter) -> None:
        """Post a letter after a pause."""
        self._loop.call_later(seconds, self.post, letter)

    def rest(self) -> list[Letter]:
        """The unread letters; the mailbox is empty afterwards."""
        letters = list(self._letters)
        self._letters.clear()
        return letters

    async def next(self, deadline: float) -> Letter | None:
        """The next letter, or None at `deadline` (the loop's time)."""
        if not self._letters and deadline > self._loop.time():
            self._waiter = self._loop.create_future()
            handle = self._loop.call_at(deadline, self._wake)
            try:
                await self._waiter
            finally:
                handle.cancel()
                self._waiter = None
        return self._letters.popleft() if self._letters else None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
