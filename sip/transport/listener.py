"""Sockets that connections come to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from sip.flow import Address

BACKLOG = 1_000
"""Connections that the kernel holds for us: phones that come back after a power cut."""
ACCEPT_AT_ONCE = 100
REST_SECONDS = 0.5
"""Pause in accepting when the process has no file descriptor left."""


class Listener:
    """A listening socket; `accepted` gets each connection before anything is read from it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        bound: socket.socket,
        accepted: Callable[[socket.socket], None],
    ) -> None:
        self._loop = loop
        self._socket = bound
        self._accepted = accepted
        self._resting: asyncio.TimerHandle | None = None
        self.local: Address = bound.getsockname()[:2]
        bound.listen(BACKLOG)
        self._watch()

    def _watch(self) -> None:
        self._resting = None
        self._loop.add_reader(self._socket.fileno(), self._acceptable)

    def _acceptable(self) -> None:
        try:
            for _ in range(ACCEPT_AT_ONCE):
                connected, _ = self._socket.accept()
                connected.setblocking(False)
                self._accepted(connected)
        except (BlockingIOError, ConnectionAbortedError):
            pass
        except OSError:
            self._loop.remove_reader(self._socket.fileno())
            self._resting = self._loop.call_later(REST_SECONDS, self._watch)

    def close(self) -> None:
        """Accept nothing more."""
        if self._resting is not None:
            self._resting.cancel()
        else:
            self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
