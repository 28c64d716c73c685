"""The guard of this switch: its exemptions, and its reports to operators."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from sip.guard import Guard, Network
from softswitch.config.config import Config
from softswitch.control.values import Row
from softswitch.subscribers.directory import Directory
from softswitch.trace.log import Log

if TYPE_CHECKING:
    from sip.endpoint import Endpoint


def exempt_networks(config: Config, directory: Directory) -> Iterator[Network]:
    """The networks that the guard never limits: [guard] exempt, edge proxies, and the addresses of
    trunks."""
    yield from config.guard.exempt
    yield from config.sip.edges
    for trunk in directory.trunks():
        if trunk.is_active:
            yield from (source.network for source in trunk.inbound_from)


class RefusalLog:
    """Logs once a second the number of requests that were refused because of overload."""

    def __init__(self, loop: asyncio.AbstractEventLoop, log: Log) -> None:
        self._loop = loop
        self._log = log
        self._calls = 0
        self._others = 0

    def refused(self, is_call: bool) -> None:
        """Count a request."""
        if self._calls + self._others == 0:
            self._loop.call_later(1.0, self._tell)
        self._calls += is_call
        self._others += not is_call

    def _tell(self) -> None:
        self._log.warning("refused for overload", calls=self._calls, others=self._others)
        self._calls = self._others = 0


def log_bans(guard: Guard, log: Log) -> None:
    """Log the beginning of each ban once."""
    for ban in guard.news():
        log.warning("banned", source=ban.source, line=ban.login, why=ban.why)


def ban_rows(guard: Guard, now: float) -> list[Row]:
    """Bans for people; `now` is the guard's time."""
    return [
        {
            "source": ban.source,
            "line": ban.login,
            "why": ban.why,
            "ends_in_seconds": round(ban.until - now),
        }
        for ban in guard.bans(now)
    ]


def figures(guard: Guard, endpoint: Endpoint) -> dict[str, int]:
    """The numbers of messages that the guard and the sockets have refused since the start."""
    return {
        "sources": len(guard),
        **asdict(guard.counters),
        "connections": len(endpoint.connections),
        "connections_refused": endpoint.connections.refused,
        "peers_mistaken": endpoint.connections.mistaken,
        "turned_away_busy": endpoint.pressure.turned_away,
        "dropped_busy": endpoint.intake.dropped,
    }
