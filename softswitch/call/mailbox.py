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
        """The future of the last wait; done once that is over."""
        self._timer: asyncio.TimerHandle | None = None
        """Wakes the reader, at its deadline or before: most waits end by a letter, and a timer that
        goes on into the next wait costs nothing, one that is set anew a push and a search in the
        loop's heap."""

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
            self._timer = None
        return letters

    async def next(self, deadline: float) -> Letter | None:
        """The next letter, or None at `deadline` (the loop's time)."""
        letters, loop = self._letters, self._loop
        while not letters and deadline > loop.time():
            timer = self._timer
            if timer is None or deadline < timer.when():
                if timer is not None:
                    timer.cancel()
                self._timer = loop.call_at(deadline, self._ring)
            self._waiter = waiter = loop.create_future()
            await waiter
        return letters.pop(0) if letters else None

    def _ring(self) -> None:
        """The deadline: wake the reader."""
        self._timer = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
