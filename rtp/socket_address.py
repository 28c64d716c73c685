"""Socket addresses as the system writes them: sockaddr_in and sockaddr_in6 (netinet/in.h)."""

from __future__ import annotations

import socket
import struct

from rtp.latch import Address

_V4, _V6 = struct.Struct("=H2s4s8x"), struct.Struct("=H2sI16sI")
IPV4_OCTETS, IPV6_OCTETS = _V4.size, _V6.size


def address_octets(address: Address) -> bytes | None:
    """The structure; None if the host is no numeric address, or one of a single link."""
    host, port = address
    at = port.to_bytes(2, "big")
    try:
        if ":" in host:
            return _V6.pack(socket.AF_INET6, at, 0, socket.inet_pton(socket.AF_INET6, host), 0)
        return _V4.pack(socket.AF_INET, at, socket.inet_pton(socket.AF_INET, host))
    except OSError:
        return None


def address_of(octets: bytes) -> Address:
    """The host and port of a structure that the system wrote."""
    family, at, host = struct.unpack_from("=H2s4s", octets)
    if family == socket.AF_INET6:
        host = octets[8:24]
    return socket.inet_ntop(family, host), int.from_bytes(at, "big")
