"""Stored bindings as this node reaches their phones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import structs

from sip.edges import Edges
from sip.endpoint import Listen
from sip.errors import ParseError
from sip.flow import Flow, host_address
from sip.headers import NameAddr
from sip.registrar import Binding
from softswitch.cluster.binding_rows import StoredBinding

_DEFAULT_PORT = 5060
_NO_SOCKET = ("0.0.0.0", 0)
"""The local address of a flow that is another node's: what is sent by it fails at once."""


class Reach:
    """Where a phone is for this node: at a socket of its own, or beyond an edge of all nodes.

    Args:
        node: the name of this node.
        listening: its open sockets.
        is_open: True if a connection of a peer is open.
    """

    def __init__(
        self,
        node: str,
        edges: Edges,
        listening: Callable[[], Sequence[Listen]],
        is_open: Callable[[Flow], bool],
    ) -> None:
        self._node = node
        self._edges = edges
        self._listening = listening
        self._is_open = is_open

    def here(self, stored: StoredBinding) -> Binding:
        """A stored binding with the flow by which this node reaches the phone. If there is none,
        the flow fails as soon as it is used: a branch of a call then gets 503 at once."""
        binding, node = stored
        flow = binding.flow
        if node in ("", self._node):
            if not flow.can_reopen and not self._is_open(flow):
                binding = binding.by_contact() or binding
            return structs.replace(binding, flow=self._edges.registered(binding.flow, binding.path))
        reached = self._by_edge(binding) if binding.path else None
        if reached is None:
            return structs.replace(binding, flow=Flow(flow.transport, _NO_SOCKET, flow.remote))
        return structs.replace(binding, flow=self._edges.registered(reached, binding.path))

    def _by_edge(self, binding: Binding) -> Flow | None:
        """Our own flow to the edge by which a phone registered at another node; None if it came by
        no trusted edge, or this node has no socket for it."""
        flow = binding.flow
        if not self._edges.trusts(flow.remote[0]):
            return None
        is_six = ":" in flow.remote[0]
        for listen in self._listening():
            if listen.transport == flow.transport and (":" in listen.host) == is_six:
                local = (listen.host, listen.port)
                if not flow.reliable:
                    return Flow(flow.transport, local, flow.remote)
                host, port = _address_of(binding.path[0]) or (flow.remote[0], _DEFAULT_PORT)
                return Flow(flow.transport, local, (host, port), host)
        return None


def _address_of(hop: bytes) -> tuple[str, int] | None:
    """The numeric address of a Path element; None if it names a host."""
    try:
        uri = NameAddr.parse(hop).uri
    except ParseError:
        return None
    address = host_address(uri.host)
    return None if address is None else (str(address), uri.port or _DEFAULT_PORT)
