"""The flows and counters of the kernel tier: the contents of its two maps.

A flow is one direction of a call: packets from `source` to `local` leave from `out_local` for
`target`. Addresses and ports are in network order in the maps, numbers for arithmetic in the
machine's (little-endian; others aren't supported).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from rtp.latch import Address
from rtp.source import Counted

_MAPPED = bytes(10) + b"\xff\xff"
"""RFC 4291 section 2.5.5.2: in front of an IPv4 address where 16 octets are wanted."""

KEY = struct.Struct(">16sHxx")
"""Our address, IPv4 mapped, and port."""
VALUE = struct.Struct("<16s36s2sBBIIII")
TUPLE_AT = 16
SOURCE_PORT_AT = 52
EVENT_AT = 54
MODE_AT = 55
IN_INTERFACE_AT = 56
OUT_INTERFACE_AT = 60
SLOT_AT = 64
UNIT_AT = 68
NO_EVENT = 0xFF
"""Equal to no payload type."""

UP, AWAY = 0, 1
"""The way of a packet: to a socket of this machine, or out of an interface."""

SLOT = struct.Struct("<QQQQIIHxx20x")
"""One cache line."""
PACKETS_AT, OCTETS_AT, LAST_AT, JITTER_AT, TIMESTAMP_AT, SSRC_AT, SEQUENCE_AT = (
    *(0, 8, 16, 24, 32, 36, 40),
)
NANOSECONDS = 1_000_000_000
_WIRE_32 = struct.Struct("<I")
_WIRE_16 = struct.Struct("<H")


@dataclass(frozen=True, slots=True)
class Flow:
    """One direction of a call.

    Args:
        event_payload_type: of RFC 4733 events, which user space wants to see.
        clock_rate: Hz of the timestamps.
    """

    local: Address
    source: Address
    out_local: Address
    target: Address
    event_payload_type: int | None
    clock_rate: int


@dataclass(frozen=True, slots=True)
class Way:
    """The interfaces of a flow, by index: where its packets come in, and how they go on."""

    in_interface: int
    out_interface: int
    mode: int


@lru_cache(maxsize=4096)
def packed(host: str) -> bytes:
    """4 or 16 octets."""
    return ip_address(host).packed


def can_be_told(flow: Flow) -> bool:
    """True if all four addresses are of one family, and mean the same on every interface."""
    hosts = [address[0] for address in (flow.local, flow.source, flow.out_local, flow.target)]
    found = [ip_address(host) for host in hosts]
    if len({address.version for address in found}) != 1:
        return False
    return not any(isinstance(a, IPv6Address) and (a.is_link_local or a.scope_id) for a in found)


def key_of(local: Address) -> bytes:
    """Under which a flow is found."""
    host = packed(local[0])
    return KEY.pack(host if len(host) == 16 else _MAPPED + host, local[1])


def value_of(flow: Flow, way: Way, slot: int) -> bytes:
    """The value of a flow in the flow map, in octets."""
    tuple_ = packed(flow.out_local[0]) + packed(flow.target[0])
    tuple_ += struct.pack(">HH", flow.out_local[1], flow.target[1])
    event = flow.event_payload_type
    return VALUE.pack(
        packed(flow.source[0]),
        tuple_,
        struct.pack(">H", flow.source[1]),
        NO_EVENT if event is None else event,
        way.mode,
        way.in_interface,
        way.out_interface,
        slot,
        unit_ns(flow.clock_rate),
    )


def unit_ns(clock_rate: int) -> int:
    """Nanoseconds of a timestamp unit, for jitter; exact for 8 and 16 kHz, else near enough."""
    return round(NANOSECONDS / clock_rate)


def slot_of(last: Counted, clock_rate: int) -> bytes:
    """A slot that goes on from what was counted so far; its own counts begin at 0."""
    return SLOT.pack(
        0,
        0,
        round(last.last_at * NANOSECONDS),
        last.jitter * unit_ns(clock_rate),
        last.timestamp,
        _swapped(last.ssrc, _WIRE_32, ">I"),
        _swapped(last.sequence, _WIRE_16, ">H"),
    )


def counted(slots: memoryview, index: int, clock_rate: int) -> Counted:
    """Read a slot. The kernel may be writing it: figures that disagree now are read right the next
    time."""
    packets, octets, last, jitter, timestamp, ssrc, sequence = SLOT.unpack_from(
        slots, index * SLOT.size
    )
    return Counted(
        packets,
        octets,
        last / NANOSECONDS,
        jitter // unit_ns(clock_rate),
        timestamp,
        _swapped(ssrc, _WIRE_32, ">I"),
        _swapped(sequence, _WIRE_16, ">H"),
    )


def _swapped(number: int, machine: struct.Struct, wire: str) -> int:
    """A number converted between network order and the machine's."""
    return int(struct.unpack(wire, machine.pack(number))[0])
