"""Names to addresses: host of a URI to where its requests go (RFC 3263, A and AAAA records only).

NAPTR and SRV are not looked up: a target says its port and transport itself.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from sip.dialog import numeric_hop
from sip.flow import Address
from sip.uri import Uri

TTL_SECONDS = 60.0
"""The system's resolver doesn't tell how long an answer holds."""


class Resolver:
    """Keeps addresses of the names that the switch sends to, refreshed in the background.

    The call path never waits for a name server: :meth:`address` gives what is known, even if it is
    old, and asks anew behind the caller's back.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_failure: Callable[[str, str], None]
    ) -> None:
        self._loop = loop
        self._on_failure = on_failure
        self._known: dict[str, tuple[str, float]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    def address(self, uri: Uri) -> Address | None:
        """Where a URI's requests go; None while nothing is known of its name."""
        hop = numeric_hop(uri)
        if hop is not None:
            return hop
        known = self._known.get(uri.host)
        if known is None or known[1] < self._loop.time():
            self._ask(uri.host)
        return None if known is None else (known[0], uri.port or 5060)

    async def prepare(self, uri: Uri) -> None:
        """Look a name up now and wait for it, as at start."""
        if numeric_hop(uri) is None:
            self._ask(uri.host)
            await asyncio.wait([self._asking[uri.host]])

    def close(self) -> None:
        for task in self._asking.values():
            task.cancel()

    def _ask(self, host: str) -> None:
        if host not in self._asking:
            self._asking[host] = self._loop.create_task(self._look_up(host))

    async def _look_up(self, host: str) -> None:
        try:
            found = await self._loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
            self._known[host] = (str(found[0][4][0]), self._loop.time() + TTL_SECONDS)
        except OSError as error:
            self._on_failure(host, error.strerror or str(error))
        finally:
            self._asking.pop(host, None)
