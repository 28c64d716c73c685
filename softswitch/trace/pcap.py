"""Messages as a capture file: synthetic IP packets for tshark, Wireshark, sngrep.

    +--------+   +-----------+------+-------------+---------+
    | header |   | timestamp |  IP  |  UDP / TCP  | message |  ...
    +--------+   +-----------+------+-------------+---------+

Messages over TLS or WebSocket are written as TCP with the plain message, which is what both ends
read.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from sip.flow import Address
from softswitch.control.values import Row

LINKTYPE_RAW = 101
"""A packet begins with its IPv4 or IPv6 header."""
SNAP_LENGTH = 262_144
SEGMENT_BYTES = 1_400
"""The size of a segment of a stream; a datagram stays whole."""
UDP, TCP = 17, 6
PUSH_ACKNOWLEDGE = 0x18
WINDOW = 65_535


@dataclass(frozen=True, slots=True)
class Captured:
    """One message with its addresses."""

    at_us: int
    """Microseconds since the epoch."""
    transport: str
    source: Address
    target: Address
    data: bytes


def captured(row: Row) -> Captured:
    """A message from a row of :func:`softswitch.trace.ladder.row`."""
    source, target = (_address(str(row[end])) for end in ("from", "to"))
    at_us, transport, text = row["at_us"], row["transport"], row["text"]
    assert isinstance(at_us, int) and isinstance(transport, str) and isinstance(text, str)
    return Captured(at_us, transport, source, target, text.encode("latin-1"))


def _address(shown: str) -> Address:
    host, _, port = shown.rpartition(":")
    return host.strip("[]"), int(port)


class _Stream:
    """Sequence numbers of TCP connections, so that a reader puts the segments together."""

    def __init__(self) -> None:
        self._next: dict[tuple[Address, Address], int] = {}

    def segment(self, message: Captured, data: bytes) -> bytes:
        way = (message.source, message.target)
        number = self._next.get(way, 1)
        self._next[way] = number + len(data)
        heard = self._next.get((message.target, message.source), 1)
        return struct.pack(
            "!HHIIBBHHH", message.source[1], message.target[1], number & 0xFFFFFFFF,
            heard & 0xFFFFFFFF, 5 << 4, PUSH_ACKNOWLEDGE, WINDOW, 0, 0,
        ) + data  # fmt: skip


def capture_file(messages: Iterable[Captured]) -> bytes:
    """The whole file (draft-ietf-opsawg-pcap)."""
    out = [struct.pack("!IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAP_LENGTH, LINKTYPE_RAW)]
    stream = _Stream()
    for message in messages:
        for packet in _packets(message, stream):
            seconds, micros = divmod(message.at_us, 1_000_000)
            out.append(struct.pack("!IIII", seconds, micros, len(packet), len(packet)))
            out.append(packet)
    return b"".join(out)


def _packets(message: Captured, stream: _Stream) -> Iterable[bytes]:
    if message.transport == "udp":
        header = (message.source[1], message.target[1], 8 + len(message.data), 0)
        yield _ip(message, UDP, struct.pack("!HHHH", *header) + message.data)
        return
    for start in range(0, len(message.data), SEGMENT_BYTES):
        piece = message.data[start : start + SEGMENT_BYTES]
        yield _ip(message, TCP, stream.segment(message, piece))


def _ip(message: Captured, protocol: int, payload: bytes) -> bytes:
    """An IP packet, with both checksums right."""
    source, target = (packed(host) for host, _ in (message.source, message.target))
    pseudo = source + target + struct.pack("!II", len(payload), protocol)
    where = 6 if protocol == UDP else 16
    check = _checksum(pseudo + payload)
    if protocol == UDP and check == 0:
        check = 0xFFFF  # 0 would mean that there is no checksum (RFC 768)
    payload = payload[:where] + struct.pack("!H", check) + payload[where + 2 :]
    if len(source) == 16:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + source + target + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0)
    header += source + target
    return header[:10] + struct.pack("!H", _checksum(header)) + header[12:] + payload


def packed(host: str) -> bytes:
    """A numeric address as octets."""
    return ipaddress.ip_address(host.partition("%")[0]).packed


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
