"""RTP packets (RFC 3550 section 5.1): parse and bytes() are inverses.

The relay forwards without making an object of a packet; see :data:`HEADER`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

VERSION = 2
HEADER = struct.Struct(">BBHII")
"""Version, P, X and CC; M and PT; sequence number; timestamp; SSRC."""
HEADER_BYTES = HEADER.size
HEADER_FIELDS = np.dtype(
    [("first", "u1"), ("second", "u1"), ("sequence", ">u2"), ("timestamp", ">u4"), ("ssrc", ">u4")]
)
"""The same of many packets in an array."""
PLAIN = 0x80
"""The first octet of a packet without padding, extension and contributing sources."""
MAX_CSRCS = 15

_EXTENSION = struct.Struct(">HH")


class PacketError(ValueError):
    """Not an RTP or RTCP packet by RFC 3550."""


@dataclass(frozen=True, slots=True)
class HeaderExtension:
    """RFC 3550 section 5.3.1; `data` is a multiple of four octets."""

    profile: int
    data: bytes


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """::

         0                   1                   2                   3
         0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |V=2|P|X|  CC   |M|     PT      |       sequence number         |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |                           timestamp                           |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |           synchronization source (SSRC) identifier            |
        +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
        |            contributing source (CSRC) identifiers             |
        |                             ....                              |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

    Args:
        padding: the padding octets, the last of which counts them all; b"" for none.
    """

    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes = b""
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: HeaderExtension | None = None
    padding: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> RtpPacket:
        """Read a datagram.

        Raises:
            PacketError: too short, another version, or lengths that don't fit (appendix A.1).
        """
        if len(data) < HEADER_BYTES:
            raise PacketError(f"{len(data)} octets are no RTP packet")
        first, second, sequence_number, timestamp, ssrc = HEADER.unpack_from(data)
        if first >> 6 != VERSION:
            raise PacketError(f"version {first >> 6}")
        at = HEADER_BYTES + 4 * (first & 0x0F)
        if at > len(data):
            raise PacketError("shorter than its list of contributing sources")
        csrcs = struct.unpack_from(f">{first & 0x0F}I", data, HEADER_BYTES)
        extension = None
        if first & 0x10:
            extension, at = _parse_extension(data, at)
        end = len(data) - _padding_octets(data, at) if first & 0x20 else len(data)
        return cls(
            payload_type=second & 0x7F,
            sequence_number=sequence_number,
            timestamp=timestamp,
            ssrc=ssrc,
            payload=data[at:end],
            marker=second >= 0x80,
            csrcs=csrcs,
            extension=extension,
            padding=data[end:],
        )

    def __bytes__(self) -> bytes:
        """The datagram.

        Raises:
            PacketError: a field is out of its range.
        """
        if len(self.csrcs) > MAX_CSRCS:
            raise PacketError(f"{len(self.csrcs)} contributing sources")
        first = VERSION << 6 | len(self.csrcs)
        first |= 0x10 if self.extension is not None else 0
        first |= 0x20 if self.padding else 0
        if self.padding and self.padding[-1] != len(self.padding):
            raise PacketError("the last padding octet doesn't count the padding")
        if not 0 <= self.payload_type <= 0x7F:
            raise PacketError(f"payload type {self.payload_type}")
        second = self.payload_type | (0x80 if self.marker else 0)
        try:
            head = HEADER.pack(first, second, self.sequence_number, self.timestamp, self.ssrc)
            csrcs = struct.pack(f">{len(self.csrcs)}I", *self.csrcs)
        except struct.error as error:
            raise PacketError(str(error)) from None
        return head + csrcs + _extension_bytes(self.extension) + self.payload + self.padding


def is_rtcp(data: bytes) -> bool:
    """True for RTCP, by its first octets: packet types 192 to 223, which RTP payload types with
    a marker never take where both share a port (RFC 5761 section 4)."""
    return len(data) >= 8 and data[0] >> 6 == VERSION and 192 <= data[1] <= 223


def is_rtp(data: bytes) -> bool:
    """True for what looks like RTP rather than RTCP, STUN, DTLS or rubbish."""
    return len(data) >= HEADER_BYTES and data[0] >> 6 == VERSION and not 192 <= data[1] <= 223


def with_payload_type(data: bytes, payload_type: int) -> bytes:
    """An RTP packet under another payload type; its marker stays."""
    return b"%c%c%b" % (data[0], data[1] & 0x80 | payload_type, data[2:])


def _parse_extension(data: bytes, at: int) -> tuple[HeaderExtension, int]:
    if at + 4 > len(data):
        raise PacketError("shorter than its header extension")
    profile, words = _EXTENSION.unpack_from(data, at)
    start, end = at + 4, at + 4 + 4 * words
    if end > len(data):
        raise PacketError("shorter than its header extension")
    return HeaderExtension(profile, data[start:end]), end


def _extension_bytes(extension: HeaderExtension | None) -> bytes:
    if extension is None:
        return b""
    if len(extension.data) % 4:
        raise PacketError("a header extension is a multiple of four octets")
    try:
        return _EXTENSION.pack(extension.profile, len(extension.data) // 4) + extension.data
    except struct.error as error:
        raise PacketError(str(error)) from None


def _padding_octets(data: bytes, at: int) -> int:
    octets = data[-1]
    if not 1 <= octets <= len(data) - at:
        raise PacketError(f"{octets} octets of padding in {len(data) - at}")
    return octets
