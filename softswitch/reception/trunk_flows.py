"""Flows to trunks: the resolved targets of their URIs, with a matching socket of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from sip.endpoint import Listen
from sip.flow import Address, Flow
from sip.locating import Reach, Target
from sip.resolver import Resolver
from softswitch.subscribers.directory import Trunk
from softswitch.trace.log import Log

WAIT_SECONDS = 2.0
"""The longest wait of a call for the first answer of the name servers; later calls never wait."""
MAX_UDP_TARGETS = 10_000


def reach_of(listening: Iterable[Listen]) -> Reach:
    """The transports and IP versions of our sockets: we call out only by those, so that the peer
    can answer and call back."""
    sockets = list(listening)
    versions = dict.fromkeys(6 if ":" in socket.host else 4 for socket in sockets)
    return Reach(frozenset(socket.transport for socket in sockets), tuple(versions))


class ResolvedFlows:
    """Flows to trunks, in the order in which they are to be tried.

    Args:
        listening: our open sockets.
        trust: called with each address of a trunk.
    """

    def __init__(
        self,
        resolver: Resolver,
        listening: Callable[[], Sequence[Listen]],
        trust: Callable[[str], None],
        log: Log,
    ) -> None:
        self._resolver = resolver
        self._listening = listening
        self._trust = trust
        self._log = log
        self._udp: dict[Address, Flow] = {}
        """The flows to addresses of trunks, one for all calls that go there."""

    def known(self, trunk: Trunk) -> list[Flow]:
        """The flows by cached answers; empty while the name is unresolved."""
        targets = self._resolver.known(trunk.uri)
        return [] if targets is None else self._flows(trunk, targets)

    def first(self, trunk: Trunk) -> Flow | None:
        """The first flow; None while the name is unresolved."""
        flows = self.known(trunk)
        return flows[0] if flows else None

    async def find(self, trunk: Trunk) -> list[Flow]:
        """The flows as of :meth:`known`, after a short wait if the name was never resolved."""
        targets = self._resolver.known(trunk.uri)
        if targets is None:
            targets = await self._resolver.find(trunk.uri, WAIT_SECONDS)
        return self._flows(trunk, targets)

    async def prepare(self, trunks: Iterable[Trunk]) -> None:
        """Resolve all names at once, as at the start."""
        await asyncio.gather(*map(self.find, trunks))

    def enlarge(self, flow: Flow) -> Flow | None:
        """The TCP flow for a large request in place of a UDP flow: for trunks, whose address an
        operator configured. A phone that registered by UDP has a NAT that has a mapping for UDP
        alone."""
        if flow.remote not in self._udp:
            return None
        local = self._local("tcp", flow.remote[0])
        return None if local is None else Flow("tcp", local, flow.remote, flow.remote[0])

    def _flows(self, trunk: Trunk, targets: Iterable[Target]) -> list[Flow]:
        flows = [flow for target in targets if (flow := self._flow(trunk, target)) is not None]
        if not flows and targets:
            self._log.error(
                "no socket of ours reaches the trunk", trunk=trunk.name, target=trunk.target
            )
        return flows

    def _flow(self, trunk: Trunk, target: Target) -> Flow | None:
        local = self._local(target.transport, target.host)
        if local is None:
            return None
        remote = (target.host, target.port)
        self._trust(target.host)
        if target.transport != "udp":
            # The host name of the URI, and not of a server that the DNS named: only the first one
            # comes from a trusted source (RFC 5922 section 7.2).
            return Flow(target.transport, local, remote, trunk.uri.host)
        flow = self._udp.get(remote)
        if flow is None or flow.local != local:
            flow = Flow("udp", local, remote)
            if len(self._udp) < MAX_UDP_TARGETS:
                self._udp[remote] = flow
        return flow

    def _local(self, transport: str, host: str) -> Address | None:
        """Our socket of this transport and of the IP version of this host."""
        for socket in self._listening():
            if socket.transport == transport and (":" in socket.host) == (":" in host):
                return socket.host, socket.port
        return None
