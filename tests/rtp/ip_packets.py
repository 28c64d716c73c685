"""IP packets octet by octet, with checksums of their own reckoning (RFC 1071)."""

import struct
from dataclasses import dataclass, replace
from ipaddress import ip_address


def internet_checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@dataclass(frozen=True)
class Packet:
    """UDP over IPv4 or IPv6, from an interface on."""

    source: tuple[str, int]
    destination: tuple[str, int]
    payload: bytes
    hops: int = 64
    protocol: int = 17
    first: int | None = None
    fragment: int = 0x4000
    options: bytes = b""
    udp_length: int | None = None
    ip_length: int | None = None
    checksum: int | None = None
    trailer: bytes = b""

    @property
    def _hosts(self):
        return ip_address(self.source[0]).packed, ip_address(self.destination[0]).packed

    @property
    def udp(self):
        length = 8 + len(self.payload)
        said = length if self.udp_length is None else self.udp_length
        ports = struct.pack(">HH", self.source[1], self.destination[1])
        plain = ports + struct.pack(">HH", said, 0) + self.payload
        pseudo = b"".join(self._hosts) + struct.pack(">II", length, 17)
        checksum = internet_checksum(pseudo + plain) or 0xFFFF
        if self.checksum is not None:
            checksum = self.checksum
        return ports + struct.pack(">HH", said, checksum) + self.payload

    def __bytes__(self):
        source, destination = self._hosts
        body = self.options + self.udp
        if len(source) == 16:
            length = len(body) if self.ip_length is None else self.ip_length
            head = struct.pack(">IHBB", 0x60000000, length, self.protocol, self.hops)
            return bytes(12) + b"\x86\xdd" + head + source + destination + body + self.trailer
        first = 0x45 + len(self.options) // 4 if self.first is None else self.first
        length = 20 + len(body) if self.ip_length is None else self.ip_length
        head = struct.pack(
            ">BBHHHBBH", first, 0, length, 7, self.fragment, self.hops, self.protocol, 0
        )
        head += source + destination
        checksum = internet_checksum(head + self.options)
        head = head[:10] + struct.pack(">H", checksum) + head[12:]
        return bytes(12) + b"\x08\x00" + head + body + self.trailer

    def but(self, **changes):
        return replace(self, **changes)
