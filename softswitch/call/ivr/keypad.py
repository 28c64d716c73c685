"""The keys that a caller presses for a service, in order, also those ahead of a question."""

from __future__ import annotations

import asyncio
from collections import deque

from rtp.control import Digit

MAX_AHEAD = 64
"""The longest queue of unread keys; a person presses fewer."""


class Keypad:
    """A queue of keys with one reader."""

    def __init__(self) -> None:
        self._keys: deque[str] = deque()
        self._pressed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._keys)

    def press(self, digit: Digit) -> None:
        """The caller pressed a key."""
        if len(self._keys) < MAX_AHEAD:
            self._keys.append(digit.digit)
            self._pressed.set()

    def clear(self) -> None:
        """Forget what was pressed ahead."""
        self._keys.clear()

    async def next(self, timeout_seconds: float) -> str | None:
        """The next key; None if none comes in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while not self._keys:
                    self._pressed.clear()
                    await self._pressed.wait()
        except TimeoutError:
            return None
        return self._keys.popleft()
