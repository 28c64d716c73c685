"""The program that forwards: run for each packet that an interface receives.

It touches only plain RTP between two peers that user space has latched. Everything else goes up to
the sockets, as if the program weren't there: unknown flows, wrong sources, STUN and DTLS
(RFC 7983), RTCP, telephone events, fragments, IP options, a time to live at its end, and what is
longer than any interface surely carries. Checksums are mended, never made: a packet that came
spoiled stays so, and its receiver drops it.

The layouts of :mod:`rtp.kernel.flows` and the kernel's ``struct __sk_buff`` stand behind the
offsets. Two families, one shape::

    checks of the headers -> find the flow -> checks against it -> count -> rewrite -> go on
"""

from __future__ import annotations

from dataclasses import dataclass

from rtp.kernel import flows
from rtp.kernel.assembler import (
    DW,
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    R10,
    B,
    H,
    Label,
    Line,
    W,
    add,
    add_value,
    and_value,
    atomic_add,
    call,
    from_network,
    jump,
    jump_above,
    jump_equal,
    jump_if,
    jump_if_above,
    jump_if_below,
    jump_if_not,
    jump_if_not_negative,
    jump_unequal,
    leave,
    load,
    load_map,
    move,
    move_value,
    multiply,
    negate,
    shift_left,
    shift_right,
    shift_right_signed,
    store,
    store_value,
    subtract,
    subtract32,
)

GO_ON, DROP = -1, 2
"""TCX_NEXT (TC_ACT_UNSPEC): the next program decides, in the end the sockets; TCX_DROP."""

MAX_PACKET_OCTETS = 1280
"""With its IP header: what every interface that carries IPv6 takes in one piece (RFC 8200
section 5). Longer packets go by user space, where they are cut if they must be."""
MAX_STEP_64NS = 5 * flows.NANOSECONDS >> 6
"""A larger step of the transit time is the sender's clock starting anew; in 64 ns, to fit."""

# struct __sk_buff
_LENGTH, _KIND, _PROTOCOL, _VLAN, _INTERFACE, _SEGMENT = 0, 4, 16, 20, 40, 176

# Helpers, by their numbers in linux/bpf.h.
_MAP_LOOKUP, _TIME, _STORE_BYTES, _L3_CHECKSUM, _L4_CHECKSUM = 1, 5, 9, 10, 11
_LOAD_BYTES, _CHECKSUM_DIFFERENCE, _REDIRECT_NEIGHBOUR = 26, 28, 152
_PSEUDO_HEADER, _KEEP_ZERO = 1 << 4, 1 << 5

_ETHERNET = 14
_UDP = 8
_RTP = 12
_PROTOCOL_UDP = 17

# The stack frame.
_HEADER = -80
"""The packet from its IP header on; a multiple of 8, so that addresses can be compared in two."""
_KEY = -104
_SLOT_INDEX = -108
_HOPS = -112


@dataclass(frozen=True, slots=True)
class Family:
    """Offsets in a header without options; those named `at` in octets."""

    name: str
    ethertype: int
    """As the context has it: two octets of the wire."""
    header: int
    hops_at: int
    protocol_at: int
    source_at: int
    address: int


IPV4 = Family("v4", 0x0008, 20, 8, 9, 12, 4)
IPV6 = Family("v6", 0xDD86, 40, 7, 6, 8, 16)


def relay_program(flow_map: int, slot_map: int, ports: tuple[int, int]) -> list[Line]:
    """The program.

    Args:
        flow_map, slot_map: descriptors of the maps.
        ports: first and last; packets to others are left alone.
    """
    return [
        move(R6, R1),
        *_look_at_context(),
        *_family(IPV4, flow_map, slot_map, ports),
        *_family(IPV6, flow_map, slot_map, ports),
        Label("up"),
        move_value(R0, GO_ON),
        leave(),
        Label("drop"),
        move_value(R0, DROP),
        leave(),
    ]


def _look_at_context() -> list[Line]:
    """Check that the packet is for this machine, in one piece, and in no VLAN that the interface
    doesn't belong to."""
    return [
        load(W, R2, R6, _KIND),
        jump_if_not(R2, 0, "up"),
        load(W, R2, R6, _VLAN),
        jump_if_not(R2, 0, "up"),
        load(W, R2, R6, _SEGMENT),
        jump_if_not(R2, 0, "up"),
        load(W, R2, R6, _PROTOCOL),
        jump_if(R2, IPV4.ethertype, IPV4.name),
        jump_if(R2, IPV6.ethertype, IPV6.name),
        jump("up"),
    ]


def _family(family: Family, flow_map: int, slot_map: int, ports: tuple[int, int]) -> list[Line]:
    """One of the two ways. R7 gets the flow, R8 the slot, R9 the UDP length."""
    return [
        Label(family.name),
        *_check_headers(family, ports),
        *_find_flow(family, flow_map),
        *_check_flow(family),
        *_count(family, slot_map),
        *_rewrite(family),
        *_go_on(family),
    ]


def _check_headers(family: Family, ports: tuple[int, int]) -> list[Line]:
    udp = _HEADER + family.header
    return [
        move(R1, R6),
        move_value(R2, _ETHERNET),
        move(R3, R10),
        add_value(R3, _HEADER),
        move_value(R4, family.header + _UDP + _RTP),
        call(_LOAD_BYTES),
        jump_if_not(R0, 0, "up"),
        load(B, R2, R10, _HEADER + family.protocol_at),
        jump_if_not(R2, _PROTOCOL_UDP, "up"),
        *(_check_ipv4() if family is IPV4 else _check_ipv6()),
        load(H, R2, R10, udp + 2),
        from_network(R2, 16),
        jump_if_below(R2, ports[0], "up"),
        jump_if_above(R2, ports[1], "up"),
        load(B, R2, R10, _HEADER + family.hops_at),
        jump_if_below(R2, 2, "up"),
        *_check_lengths(family),
        # RFC 7983: only version 2 is RTP or RTCP; RFC 5761 section 4: and these are RTCP.
        load(B, R2, R10, udp + _UDP),
        and_value(R2, 0xC0),
        jump_if_not(R2, 0x80, "up"),
        load(B, R2, R10, udp + _UDP + 1),
        and_value(R2, 0xE0),
        jump_if(R2, 0xC0, "up"),
    ]


def _check_ipv4() -> list[Line]:
    """No options, no fragment (RFC 791 section 3.1)."""
    return [
        load(B, R2, R10, _HEADER),
        jump_if_not(R2, 0x45, "up"),
        load(H, R2, R10, _HEADER + 6),
        and_value(R2, 0xFF3F),  # more fragments, and the offset, in the wire's order
        jump_if_not(R2, 0, "up"),
    ]


def _check_ipv6() -> list[Line]:
    """That UDP comes next was asked already: no extension header, so no fragment either."""
    return [
        load(B, R2, R10, _HEADER),
        and_value(R2, 0xF0),
        jump_if_not(R2, 0x60, "up"),
    ]


def _check_lengths(family: Family) -> list[Line]:
    """IP, UDP and what is really there agree."""
    length_at, includes = (2, family.header) if family is IPV4 else (4, 0)
    return [
        load(H, R9, R10, _HEADER + family.header + 4),
        from_network(R9, 16),
        jump_if_below(R9, _UDP + _RTP, "up"),
        jump_if_above(R9, MAX_PACKET_OCTETS - family.header, "up"),
        load(H, R2, R10, _HEADER + length_at),
        from_network(R2, 16),
        move(R3, R9),
        add_value(R3, includes),
        jump_unequal(R2, R3, "up"),
        load(W, R2, R6, _LENGTH),
        move(R3, R9),
        add_value(R3, _ETHERNET + family.header),
        jump_above(R3, R2, "up"),
    ]


def _find_flow(family: Family, flow_map: int) -> list[Line]:
    destination = _HEADER + family.source_at + family.address
    if family is IPV4:
        address: list[Line] = [
            store_value(DW, R10, _KEY, 0),
            store_value(W, R10, _KEY + 8, -65536),  # 0000 ffff on the wire
            load(W, R2, R10, destination),
            store(W, R10, _KEY + 12, R2),
        ]
    else:
        address = [
            load(DW, R2, R10, destination),
            store(DW, R10, _KEY, R2),
            load(DW, R2, R10, destination + 8),
            store(DW, R10, _KEY + 8, R2),
        ]
    return [
        *address,
        load(H, R2, R10, _HEADER + family.header + 2),
        store(W, R10, _KEY + 16, R2),  # the upper half is the filling
        *load_map(R1, flow_map),
        move(R2, R10),
        add_value(R2, _KEY),
        call(_MAP_LOOKUP),
        jump_if(R0, 0, "up"),
        move(R7, R0),
    ]


def _check_flow(family: Family) -> list[Line]:
    """Check that it comes from the latched peer, by the interface that leads to it, and is no
    telephone event."""
    size = W if family is IPV4 else DW
    source = _HEADER + family.source_at
    checks: list[Line] = []
    for part in range(0, family.address, 4 if family is IPV4 else 8):
        checks += [
            load(size, R2, R10, source + part),
            load(size, R3, R7, part),
            jump_unequal(R2, R3, "up"),
        ]
    return [
        *checks,
        load(H, R2, R10, _HEADER + family.header),
        load(H, R3, R7, flows.SOURCE_PORT_AT),
        jump_unequal(R2, R3, "up"),
        load(W, R2, R6, _INTERFACE),
        load(W, R3, R7, flows.IN_INTERFACE_AT),
        jump_unequal(R2, R3, "up"),
        load(B, R2, R10, _HEADER + family.header + _UDP + 1),
        and_value(R2, 0x7F),
        load(B, R3, R7, flows.EVENT_AT),
        jump_equal(R2, R3, "up"),
    ]


def _count(family: Family, slot_map: int) -> list[Line]:
    """Packets, octets, when, and jitter by RFC 3550 appendix A.8 in nanoseconds; loss is reckoned
    by user space, from the last sequence number."""
    rtp = _HEADER + family.header + _UDP
    stamp = f"{family.name} stamp"
    return [
        load(W, R2, R7, flows.SLOT_AT),
        store(W, R10, _SLOT_INDEX, R2),
        *load_map(R1, slot_map),
        move(R2, R10),
        add_value(R2, _SLOT_INDEX),
        call(_MAP_LOOKUP),
        jump_if(R0, 0, "up"),
        move(R8, R0),
        call(_TIME),
        load(W, R5, R10, rtp + 4),
        from_network(R5, 32),
        load(W, R4, R10, rtp + 8),
        load(W, R2, R8, flows.SSRC_AT),
        jump_unequal(R2, R4, stamp),
        # D(i-1,i) of A.8: how much later this packet came than the last one, beyond what their
        # timestamps say. The timestamps' difference is signed in 32 bits, so that a wrap is right;
        # shifting it up and back down by 32 extends the sign to 64 bits. J += |D| - ((J + 8) >> 4)
        # keeps sixteen times the jitter, as ReceivedStream does.
        move(R1, R5),
        load(W, R2, R8, flows.TIMESTAMP_AT),
        subtract32(R1, R2),
        shift_left(R1, 32),
        shift_right_signed(R1, 32),
        load(W, R2, R7, flows.UNIT_AT),
        multiply(R1, R2),
        move(R3, R0),
        load(DW, R2, R8, flows.LAST_AT),
        subtract(R3, R2),
        subtract(R3, R1),
        jump_if_not_negative(R3, f"{family.name} later"),
        negate(R3),
        Label(f"{family.name} later"),
        move(R1, R3),
        shift_right(R1, 6),
        jump_if_above(R1, MAX_STEP_64NS, stamp),
        load(DW, R1, R8, flows.JITTER_AT),
        move(R2, R1),
        add_value(R2, 8),
        shift_right(R2, 4),
        subtract(R3, R2),
        add(R1, R3),
        store(DW, R8, flows.JITTER_AT, R1),
        Label(stamp),
        store(DW, R8, flows.LAST_AT, R0),
        store(W, R8, flows.TIMESTAMP_AT, R5),
        store(W, R8, flows.SSRC_AT, R4),
        load(H, R2, R10, rtp + 2),
        store(H, R8, flows.SEQUENCE_AT, R2),
        move_value(R2, 1),
        atomic_add(R8, flows.PACKETS_AT, R2),
        add_value(R9, -(_UDP + _RTP)),
        atomic_add(R8, flows.OCTETS_AT, R9),
    ]


def _rewrite(family: Family) -> list[Line]:
    """Rewrite addresses, ports and time to live, and update the checksums by the difference.

    The ports are no part of the pseudo header: where the sender leaves the checksum to an interface
    (CHECKSUM_PARTIAL), only the addresses are in it yet.
    """
    addresses = 2 * family.address
    source = _HEADER + family.source_at
    checksum_at = _ETHERNET + family.header + 6
    lines: list[Line] = [
        *_difference(source, flows.TUPLE_AT, addresses),
        move(R9, R0),
    ]
    if family is IPV4:
        lines += [
            *_mend(_L3_CHECKSUM, _ETHERNET + 10, 0),
            load(H, R3, R10, _HEADER + family.hops_at),
            move(R4, R3),
            add_value(R4, -1),  # the time to live is the lower octet of the two
            move(R1, R6),
            move_value(R2, _ETHERNET + 10),
            move_value(R5, 2),
            call(_L3_CHECKSUM),
            jump_if_not(R0, 0, "drop"),
        ]
    return [
        *lines,
        *_mend(_L4_CHECKSUM, checksum_at, _PSEUDO_HEADER | _KEEP_ZERO),
        *_difference(_HEADER + family.header, flows.TUPLE_AT + addresses, 4),
        move(R9, R0),
        *_mend(_L4_CHECKSUM, checksum_at, _KEEP_ZERO),
        move(R3, R7),
        add_value(R3, flows.TUPLE_AT),
        *_write(family.source_at, addresses),
        move(R3, R7),
        add_value(R3, flows.TUPLE_AT + addresses),
        *_write(family.header, 4),
        load(B, R2, R10, _HEADER + family.hops_at),
        add_value(R2, -1),
        store(B, R10, _HOPS, R2),
        move(R3, R10),
        add_value(R3, _HOPS),
        *_write(family.hops_at, 1),
    ]


def _difference(old: int, new: int, octets: int) -> list[Line]:
    """R0: what a checksum has to change by, when these of the frame give way to those of the
    flow."""
    return [
        move(R1, R10),
        add_value(R1, old),
        move_value(R2, octets),
        move(R3, R7),
        add_value(R3, new),
        move_value(R4, octets),
        move_value(R5, 0),
        call(_CHECKSUM_DIFFERENCE),
    ]


def _mend(helper: int, at: int, flags: int) -> list[Line]:
    """Change a checksum by R9."""
    return [
        move(R1, R6),
        move_value(R2, at),
        move_value(R3, 0),
        move(R4, R9),
        move_value(R5, flags),
        call(helper),
        jump_if_not(R0, 0, "drop"),
    ]


def _write(at: int, octets: int) -> list[Line]:
    """Put what R3 points to into the packet; `at` counts from its IP header."""
    return [
        move(R1, R6),
        move_value(R2, _ETHERNET + at),
        move_value(R4, octets),
        move_value(R5, 0),
        call(_STORE_BYTES),
        jump_if_not(R0, 0, "drop"),
    ]


def _go_on(family: Family) -> list[Line]:
    """Pass the packet to the sockets under its new address, or out: the kernel finds route and
    neighbour."""
    return [
        load(B, R2, R7, flows.MODE_AT),
        jump_if(R2, flows.UP, "up"),
        load(W, R1, R7, flows.OUT_INTERFACE_AT),
        move_value(R2, 0),
        move_value(R3, 0),
        move_value(R4, 0),
        call(_REDIRECT_NEIGHBOUR),
        leave(),
    ]
