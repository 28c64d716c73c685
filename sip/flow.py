"""Where a message came from, and where its answer goes."""

from __future__ import annotations

from typing import NamedTuple

Address = tuple[str, int]


class Flow(NamedTuple):
    """One direction pair of a transport: RFC 5626 section 2 calls it a flow.

    Hosts are numeric; IPv6 stands without brackets. For UDP a flow is a local socket and a
    remote address; for TCP it names one connection, and sending opens it when it is gone.
    """

    transport: str
    """"udp" or "tcp"."""
    local: Address
    remote: Address

    @property
    def reliable(self) -> bool:
        """Whether the transport retransmits by itself (RFC 3261 section 17)."""
        return self.transport != "udp"


def show_address(address: Address) -> str:
    """Host and port as people write them."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
