"""Keyed requests that a process carries out at the moment."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class RunningRequests:
    """The requests of one process, by their ids in the log."""

    def __init__(self) -> None:
        self.process = secrets.token_hex(8)
        """Another one after a restart."""
        self._ids: set[str] = set()
        self._ended = threading.Condition()

    @contextmanager
    def alone(self, request_id: str, timeout_seconds: float) -> Iterator[bool]:
        """Carry a request out while no other thread does, once the one that does has ended; False
        if that takes longer than the timeout."""
        deadline = time.monotonic() + timeout_seconds
        with self._ended:
            while request_id in self._ids:
                left = deadline - time.monotonic()
                if left <= 0 or not self._ended.wait(left):
                    break
            free = request_id not in self._ids
            if free:
                self._ids.add(request_id)
        try:
            yield free
        finally:
            if free:
                with self._ended:
                    self._ids.discard(request_id)
                    self._ended.notify_all()
