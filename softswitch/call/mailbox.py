"""What a call is told, in order: the one place where its task waits."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any


class Mailbox:
    """A queue for one reader, with a deadline at each wait."""

    __slots__ = ("_letters", "_loop", "_waiter")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._letters: deque[Any] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def post(self, letter: Any) -> None:
        self._letters.append(letter)
        self._wake()

    def rest(self) -> list[Any]:
        """What nobody has read yet; the mailbox is empty afterwards."""
        letters = list(self._letters)
        self._letters.clear()
        return letters

    async def next(self, deadline: float) -> Any | None:
        """The next letter, or None when `deadline` (the loop's time) has come."""
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
