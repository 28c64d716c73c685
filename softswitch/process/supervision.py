"""The service manager that started the switch (systemd), and the pulse by which it knows that the
event loop turns.

The protocol of sd_notify(3): lines of text in a datagram to the socket that NOTIFY_SOCKET names.
Without one, nothing is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Mapping

BEAT_SECONDS = 0.5
"""The interval between measurements of the event loop's lateness."""


class Supervisor:
    """Tells the service manager how the switch is."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):  # Linux's abstract namespace
            self._address = "\0" + self._address[1:]
        watched = environment.get("WATCHDOG_USEC", "")
        owner = environment.get("WATCHDOG_PID", str(os.getpid()))
        is_ours = owner == str(os.getpid()) and watched.isascii() and watched.isdecimal()
        self.watchdog_seconds = int(watched) / 1e6 if is_ours and self._address else None
        """After so long without `alive` the manager restarts us; None: it doesn't watch."""

    def ready(self) -> None:
        """The switch serves."""
        self._tell("READY=1")

    def alive(self) -> None:
        """The event loop turns."""
        self._tell("WATCHDOG=1")

    def stopping(self, calls: int) -> None:
        """The switch waits for its last calls."""
        self._tell(f"STOPPING=1\nSTATUS=draining {calls} calls")

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(state.encode("ascii"), self._address)


class Pulse:
    """Measures how late the event loop runs a due timer, and tells the supervisor that it does.

    Args:
        on_late: called with each lateness, in milliseconds.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        supervisor: Supervisor,
        on_late: Callable[[float], None],
    ) -> None:
        self._loop = loop
        self._supervisor = supervisor
        self._on_late = on_late
        self._due = 0.0
        self._tells_at = 0.0

    def start(self) -> None:
        """Begin to beat."""
        self._due = self._loop.time() + BEAT_SECONDS
        self._loop.call_at(self._due, self._beat)

    def _beat(self) -> None:
        now = self._loop.time()
        self._on_late((now - self._due) * 1000)
        every = self._supervisor.watchdog_seconds
        if every is not None and now >= self._tells_at:
            self._tells_at = now + every / 3
            self._supervisor.alive()
        self._due = now + BEAT_SECONDS
        self._loop.call_at(self._due, self._beat)
