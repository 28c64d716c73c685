"""Messages as HEP version 3, which Homer and sngrep collect (the EEP/HEP3 network protocol).

"HEP3" | total length | chunk | chunk | ...
chunk:   vendor (2) | type (2) | length with these six (2) | value
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable

from sip.flow import Address
from sip.stack import Seen
from softswitch.trace.masking import mask
from softswitch.trace.pcap import TCP, UDP, packed

SIP = 1
IPV4, IPV6 = 2, 10
MAX_PAYLOAD_BYTES = 60_000
"""The limit of a message, so that it fits into a datagram; the rest is cut off."""


def encode(
    at_us: int,
    transport: str,
    source: Address,
    target: Address,
    payload: bytes,
    *,
    agent: int,
    correlation: str | None = None,
) -> bytes:
    """One packet.

    Args:
        at_us: microseconds since the epoch.
        agent: the number of this sender at the collector.
        correlation: an id that all legs of a call have in common.
    """
    seconds, micros = divmod(at_us, 1_000_000)
    family, kinds = (IPV6, (5, 6)) if ":" in source[0] else (IPV4, (3, 4))
    chunks = [
        _chunk(1, struct.pack("!B", family)),
        _chunk(2, struct.pack("!B", UDP if transport == "udp" else TCP)),
        _chunk(kinds[0], packed(source[0])),
        _chunk(kinds[1], packed(target[0])),
        _chunk(7, struct.pack("!H", source[1])),
        _chunk(8, struct.pack("!H", target[1])),
        _chunk(9, struct.pack("!I", seconds)),
        _chunk(10, struct.pack("!I", micros)),
        _chunk(11, struct.pack("!B", SIP)),
        _chunk(12, struct.pack("!I", agent)),
        _chunk(15, payload[:MAX_PAYLOAD_BYTES]),
    ]
    if correlation is not None:
        chunks.append(_chunk(17, correlation.encode("utf-8")))
    body = b"".join(chunks)
    return b"HEP3" + struct.pack("!H", 6 + len(body)) + body


def _chunk(kind: int, value: bytes) -> bytes:
    return struct.pack("!HHH", 0, kind, 6 + len(value)) + value


class HepSender:
    """Sends each message to a collector, masked. Never waits: messages that can't be sent at once
    are lost.

    Args:
        call_of: the call that a message belongs to, if it is known.
        wall_us: microseconds since the epoch.
    """

    def __init__(
        self,
        collector: Address,
        *,
        agent: int,
        call_of: Callable[[bytes], str | None],
        wall_us: Callable[[], int],
    ) -> None:
        """Raises OSError when the collector's name is unknown or unreachable."""
        found = socket.getaddrinfo(*collector, type=socket.SOCK_DGRAM)
        family, _, _, _, address = found[0]
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(address)
        self._agent = agent
        self._call_of = call_of
        self._wall_us = wall_us
        self.lost = 0

    def __call__(self, seen: Seen) -> None:
        """Send a message that was received or sent."""
        _, sent, flow, data = seen
        source, target = (flow.local, flow.remote) if sent else (flow.remote, flow.local)
        try:
            packet = encode(
                self._wall_us(),
                flow.transport,
                source,
                target,
                mask(data),
                agent=self._agent,
                correlation=self._call_of(data),
            )
            self._socket.send(packet)
        except (OSError, ValueError):  # no collector listens there, or the network is busy
            self.lost += 1

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()
