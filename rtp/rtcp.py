"""RTCP packets (RFC 3550 section 6): parse and bytes() are inverses.

A datagram is a compound of packets. What this module doesn't know by type is kept as it came.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from rtp.packet import VERSION, PacketError

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, GOODBYE = 200, 201, 202, 203
MAX_COUNT = 31
MAX_PACKETS = 64
"""The limit of one datagram; no MTU holds more useful ones."""

_HEADER = struct.Struct(">BBH")
_BLOCK = struct.Struct(">IB3sIIII")
_SENDER = struct.Struct(">IQIII")
_WORD = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """Reception of one source (section 6.4.1).

    Args:
        fraction_lost: of 256, since the last report.
        cumulative_lost: 24 bits with a sign.
        jitter: in timestamp units.
        last_sender_report: the middle 32 bits of its NTP time stamp.
        delay_since: 1/65536 s since that report.
    """

    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    highest_sequence: int
    jitter: int
    last_sender_report: int
    delay_since: int

    @classmethod
    def _parse(cls, data: bytes, at: int) -> ReportBlock:
        ssrc, fraction, lost, *rest = _BLOCK.unpack_from(data, at)
        return cls(ssrc, fraction, int.from_bytes(lost, "big", signed=True), *rest)

    def __bytes__(self) -> bytes:
        return _BLOCK.pack(
            self.ssrc,
            self.fraction_lost,
            self.cumulative_lost.to_bytes(3, "big", signed=True),
            self.highest_sequence,
            self.jitter,
            self.last_sender_report,
            self.delay_since,
        )


@dataclass(frozen=True, slots=True)
class SenderReport:
    """Section 6.4.1. `extension` is what a profile adds, a multiple of four octets."""

    ssrc: int
    ntp_timestamp: int
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()
    extension: bytes = b""


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """Section 6.4.2."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()
    extension: bytes = b""


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """Section 6.5: for each source its items, such as (1, b"user@host") for CNAME."""

    chunks: tuple[tuple[int, tuple[tuple[int, bytes], ...]], ...]


@dataclass(frozen=True, slots=True)
class Goodbye:
    """Section 6.6."""

    ssrcs: tuple[int, ...]
    reason: bytes | None = None


@dataclass(frozen=True, slots=True)
class OtherPacket:
    """A type that isn't looked into: APP, feedback, extended reports."""

    packet_type: int
    count: int
    body: bytes


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Goodbye | OtherPacket


def parse_compound(data: bytes) -> list[RtcpPacket]:
    """Read a datagram.

    Raises:
        PacketError: lengths that don't fit, another version, padding elsewhere than in the last
            packet, or nothing at all.
    """
    packets: list[RtcpPacket] = []
    at = 0
    while at < len(data):
        if len(packets) == MAX_PACKETS:
            raise PacketError(f"more than {MAX_PACKETS} RTCP packets in one datagram")
        at = _parse_one(data, at, packets)
    if not packets:
        raise PacketError("an empty datagram")
    return packets


def _parse_one(data: bytes, at: int, packets: list[RtcpPacket]) -> int:
    if at + _HEADER.size > len(data):
        raise PacketError("shorter than an RTCP header")
    first, packet_type, words = _HEADER.unpack_from(data, at)
    end: int = at + 4 * (words + 1)
    if first >> 6 != VERSION or not 192 <= packet_type <= 223:
        raise PacketError(f"version {first >> 6}, packet type {packet_type}")
    if end > len(data):
        raise PacketError("shorter than its length says")
    body = data[at + _HEADER.size : end]
    if first & 0x20:
        body = _without_padding(body, last=end == len(data))
    packets.append(_parse_body(packet_type, first & 0x1F, body))
    return end


def _without_padding(body: bytes, *, last: bool) -> bytes:
    octets = body[-1] if body else 0
    if not last or octets % 4 or not 4 <= octets <= len(body):
        raise PacketError("padding that doesn't fit")
    return body[:-octets]


def _parse_body(packet_type: int, count: int, body: bytes) -> RtcpPacket:
    try:
        match packet_type:
            case 200:
                ssrc, ntp, rtp, packets, octets = _SENDER.unpack_from(body)
                blocks, extension = _parse_blocks(count, body, _SENDER.size)
                return SenderReport(ssrc, ntp, rtp, packets, octets, blocks, extension)
            case 201:
                (ssrc,) = _WORD.unpack_from(body)
                return ReceiverReport(ssrc, *_parse_blocks(count, body, _WORD.size))
            case 202:
                return _parse_description(count, body)
            case 203:
                return _parse_goodbye(count, body)
    except (struct.error, IndexError):
        raise PacketError(f"an RTCP packet of type {packet_type} that is too short") from None
    return OtherPacket(packet_type, count, body)


def _parse_blocks(count: int, body: bytes, at: int) -> tuple[tuple[ReportBlock, ...], bytes]:
    end = at + count * _BLOCK.size
    blocks = tuple(ReportBlock._parse(body, start) for start in range(at, end, _BLOCK.size))
    return blocks, body[end:]


def _parse_description(count: int, body: bytes) -> SourceDescription:
    chunks = []
    at = 0
    for _ in range(count):
        (ssrc,) = _WORD.unpack_from(body, at)
        at += 4
        items = []
        while body[at]:
            kind, length = body[at], body[at + 1]
            items.append((kind, body[at + 2 : at + 2 + length]))
            at += 2 + length
        at += 4 - at % 4  # one to four zeros end the list on a word
        if at > len(body):
            raise PacketError("a source description that is too short")
        chunks.append((ssrc, tuple(items)))
    if at != len(body):
        raise PacketError("octets after the last source description")
    return SourceDescription(tuple(chunks))


def _parse_goodbye(count: int, body: bytes) -> Goodbye:
    ssrcs = struct.unpack_from(f">{count}I", body)
    rest = body[4 * count :]
    if not rest:
        return Goodbye(ssrcs)
    if 1 + rest[0] > len(rest):
        raise PacketError("a reason for leaving that is too short")
    return Goodbye(ssrcs, rest[1 : 1 + rest[0]])


def compound_bytes(packets: Sequence[RtcpPacket]) -> bytes:
    """The datagram.

    Raises:
        PacketError: a field is out of its range.
    """
    try:
        return b"".join(map(_packet_bytes, packets))
    except (struct.error, OverflowError, ValueError) as error:
        raise PacketError(str(error)) from None


def _packet_bytes(packet: RtcpPacket) -> bytes:
    match packet:
        case SenderReport(ssrc, ntp, rtp, sent, octets, blocks, extension):
            body = _SENDER.pack(ssrc, ntp, rtp, sent, octets)
            body += b"".join(map(bytes, blocks)) + extension
            return _framed(SENDER_REPORT, len(blocks), body)
        case ReceiverReport(ssrc, blocks, extension):
            body = _WORD.pack(ssrc) + b"".join(map(bytes, blocks)) + extension
            return _framed(RECEIVER_REPORT, len(blocks), body)
        case SourceDescription(chunks):
            return _framed(SOURCE_DESCRIPTION, len(chunks), b"".join(map(_chunk_bytes, chunks)))
        case Goodbye(ssrcs, reason):
            text = b"" if reason is None else bytes([len(reason)]) + reason
            body = struct.pack(f">{len(ssrcs)}I", *ssrcs) + _on_word(text)
            return _framed(GOODBYE, len(ssrcs), body)
        case OtherPacket(packet_type, count, body):
            return _framed(packet_type, count, body)


def _chunk_bytes(chunk: tuple[int, tuple[tuple[int, bytes], ...]]) -> bytes:
    ssrc, items = chunk
    text = b"".join(bytes([kind, len(value)]) + value for kind, value in items)
    return _WORD.pack(ssrc) + _on_word(text + b"\0")


def _on_word(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _framed(packet_type: int, count: int, body: bytes) -> bytes:
    if count > MAX_COUNT or len(body) % 4:
        raise PacketError(f"{count} parts, {len(body)} octets")
    return _HEADER.pack(VERSION << 6 | count, packet_type, len(body) // 4) + body
