"""Unguessable random bits for tags, branches and ids."""

from __future__ import annotations

import os

POOL_BYTES = 4096
"""The octets that are fetched at once: each fetch is a system call, and a call needs a dozen."""


class Chance:
    """The system's random source, read a pool at a time. No bit is given twice."""

    def __init__(self) -> None:
        self._pool = b""
        self._used = 0

    def bits(self, count: int) -> int:
        """An integer of this many random bits."""
        length = (count + 7) // 8
        start, end = self._used, self._used + length
        if end > len(self._pool):
            self._pool = os.urandom(max(POOL_BYTES, length))
            start, end = 0, length
        self._used = end
        return int.from_bytes(self._pool[start:end], "big") >> (8 * length - count)
