"""Flows (RFC 5626): transport, our address and the peer's, by which a message came and its
answer goes."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

Address = tuple[str, int]

_EVERYBODY = ip_address("255.255.255.255")


@lru_cache(maxsize=1024)
def host_address(host: str) -> IPv4Address | IPv6Address | None:
    """The address of one host that can be sent to; None for a name, a group, everybody, nowhere,
    and an address that is good on one link only."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if address.is_multicast or address.is_unspecified or address == _EVERYBODY or "%" in host:
        return None
    return address


SECURE = frozenset({"tls", "wss"})


class Flow(NamedTuple):
    """One direction pair of a transport: RFC 5626 section 2 calls it a flow.

    Hosts are numeric; IPv6 stands without brackets. For UDP a flow is a local socket and a
    remote address; for the others it is one connection.
    """

    transport: str
    """"udp", "tcp", "tls", "ws" or "wss"."""
    local: Address
    """The socket that the flow goes through; of a connection, the one that we listen on."""
    remote: Address
    name: str | None = None
    """The host name that was wanted, for a connection that we open ourselves: sending opens it
    when it is gone, and over TLS its certificate must show this name. None for a connection that
    the peer opened: when it is gone, the peer can't be reached by it. None for UDP, too."""
    beyond: Address | None = None
    """The phone's address as a trusted edge proxy saw it, if `remote` is such a proxy."""

    @property
    def peer(self) -> Address:
        """The address of the phone or trunk itself: beyond the edge, if there is one."""
        return self.beyond or self.remote

    @property
    def connection(self) -> Flow:
        """The flow that the octets take, which all phones beyond one edge share."""
        return self if self.beyond is None else self._replace(beyond=None)

    def has_host_of(self, other: Flow) -> bool:
        """True if both lead to one host, as far as that is known of phones beyond an edge."""
        if self.beyond is None or other.beyond is None:
            return self.remote[0] == other.remote[0]
        return self.beyond[0] == other.beyond[0]

    @property
    def reliable(self) -> bool:
        """True if the transport retransmits by itself (RFC 3261 section 17)."""
        return self.transport != "udp"

    @property
    def secure(self) -> bool:
        """True if the transport is encrypted, as `sips:` demands (RFC 3261 section 26.2.2)."""
        return self.transport in SECURE

    @property
    def can_reopen(self) -> bool:
        """True if a message can be sent although no connection is open: over UDP, or over a
        connection that we open ourselves."""
        return self.transport == "udp" or self.name is not None


def show_address(address: Address) -> str:
    """Host and port as people write them."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
