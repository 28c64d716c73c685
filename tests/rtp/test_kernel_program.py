"""The kernel's program on packets that nobody sent: run by the kernel itself, one at a time."""

import errno
import struct

import pytest
from ip_packets import Packet

from rtp.kernel import flows, system
from rtp.kernel.assembler import assemble, leave
from rtp.kernel.flows import AWAY, UP, Flow, Way
from rtp.kernel.program import GO_ON, MAX_PACKET_OCTETS, relay_program
from rtp.source import Counted

PORTS = (20_000, 20_999)
LOOPBACK = 1
REDIRECT = 7
SLOT = 3
FLOWS = {
    "IPv4": Flow(
        ("192.0.2.1", 20_000),
        ("198.51.100.9", 4000),
        ("203.0.113.1", 20_002),
        ("203.0.113.250", 65_535),
        101,
        8000,
    ),
    "IPv6": Flow(
        ("2001:db8::1", 20_000),
        ("2001:db8:9::9", 4000),
        ("2001:db8:1::1", 20_002),
        ("2001:db8:1::250", 65_535),
        101,
        8000,
    ),
}


class Machine:
    """A kernel with our program and one flow; packets come by the loopback interface."""

    def __init__(self, flow, mode=UP, interface=LOOPBACK, so_far=None):
        self.flow = flow
        try:
            system.allow_locked_memory()
            self.map = system.HashMap("test_flows", flows.KEY.size, flows.VALUE.size, 8)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOSYS, errno.EACCES):
                raise
            pytest.skip(f"bpf(2): {error.strerror}")
        self.slots = system.MappedArray("test_slots", flows.SLOT.size, 8)
        self.program = system.load_program(
            "test", assemble(relay_program(self.map.fd, self.slots.fd, PORTS))
        )
        if so_far is not None:
            start = SLOT * flows.SLOT.size
            self.slots.view[start : start + flows.SLOT.size] = flows.slot_of(so_far, 8000)
        way = Way(interface, interface, mode)
        self.map.put(flows.key_of(flow.local), flows.value_of(flow, way, SLOT))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.map.close()
        self.slots.close()
        system.close(self.program)

    def sees(self, packet, **context):
        """What the program says, and what becomes of the packet."""
        fields = bytearray(192)
        if "segment" in context:
            struct.pack_into("=I", fields, 176, context["segment"])
        return system.try_program(self.program, bytes(packet), bytes(fields))

    @property
    def counted(self):
        return flows.counted(self.slots.view, SLOT, self.flow.clock_rate)


def rtp(sequence=7, timestamp=1600, ssrc=0x11223344, payload_type=0, octets=160):
    head = struct.pack(">BBHII", 0x80, payload_type, sequence, timestamp, ssrc)
    return head + bytes(i & 0xFF for i in range(octets))


def from_peer(flow, payload=None):
    return Packet(flow.source, flow.local, rtp() if payload is None else payload)


def to_target(flow, packet):
    return packet.but(source=flow.out_local, destination=flow.target, hops=packet.hops - 1)


@pytest.fixture(params=FLOWS.values(), ids=FLOWS)
def flow(request):
    return request.param


@pytest.mark.parametrize("octets", [0, 1, 160, 161, 240, 1100])
def test_a_packet_leaves_under_its_new_addresses_with_right_checksums(flow, octets):
    packet = from_peer(flow, rtp(octets=octets))
    with Machine(flow) as machine:
        assert machine.sees(packet) == (GO_ON, bytes(to_target(flow, packet)))
        counted = machine.counted
        assert (counted.packets, counted.octets) == (1, octets)
        assert (counted.sequence, counted.timestamp, counted.ssrc) == (7, 1600, 0x11223344)


def test_a_packet_for_another_machine_is_redirected(flow):
    packet = from_peer(flow)
    with Machine(flow, AWAY) as machine:
        assert machine.sees(packet) == (REDIRECT, bytes(to_target(flow, packet)))


@pytest.mark.parametrize("hops", [2, 64, 255])
def test_every_packet_loses_a_hop(flow, hops):
    packet = from_peer(flow).but(hops=hops)
    with Machine(flow) as machine:
        assert machine.sees(packet) == (GO_ON, bytes(to_target(flow, packet)))


def test_a_missing_checksum_stays_missing():
    flow = FLOWS["IPv4"]
    packet = from_peer(flow).but(checksum=0)
    with Machine(flow) as machine:
        assert machine.sees(packet) == (GO_ON, bytes(to_target(flow, packet)))


def test_a_spoiled_checksum_stays_spoiled(flow):
    packet = from_peer(flow)
    right = struct.unpack_from(">H", packet.udp, 6)[0]
    with Machine(flow) as machine:
        _, out = machine.sees(packet.but(checksum=right ^ 0x0100))
        wanted = bytes(to_target(flow, packet))
        assert out != wanted
        assert len([i for i, octet in enumerate(out) if octet != wanted[i]]) <= 2


def test_a_trailer_of_the_interface_is_no_part_of_the_packet(flow):
    packet = from_peer(flow, rtp(octets=1)).but(trailer=bytes(6))
    with Machine(flow) as machine:
        assert machine.sees(packet) == (GO_ON, bytes(to_target(flow, packet)))
        assert machine.counted.octets == 1


STUN = bytes.fromhex("000100002112a442") + bytes(12)
DTLS = bytes.fromhex("16fefd0000") + bytes(30)
BOTH = {
    "another port of the source": lambda p: p.but(source=(p.source[0], 4001)),
    "another of our ports": lambda p: p.but(destination=(p.destination[0], 20_004)),
    "a port below ours": lambda p: p.but(destination=(p.destination[0], 19_999)),
    "a port above ours": lambda p: p.but(destination=(p.destination[0], 21_000)),
    "the last hop": lambda p: p.but(hops=1),
    "no hop at all": lambda p: p.but(hops=0),
    "STUN": lambda p: p.but(payload=STUN),
    "DTLS": lambda p: p.but(payload=DTLS),
    "another version": lambda p: p.but(payload=b"\xc0" + rtp()[1:]),
    "a sender report": lambda p: p.but(payload=b"\x80\xc8" + rtp()[2:]),
    "a receiver report": lambda p: p.but(payload=b"\x80\xc9" + rtp()[2:]),
    "a telephone event": lambda p: p.but(payload=rtp(payload_type=101)),
    "the first packet of an event": lambda p: p.but(payload=rtp(payload_type=0x80 | 101)),
    "too short for RTP": lambda p: p.but(payload=rtp()[:11]),
    "no payload": lambda p: p.but(payload=b""),
    "TCP": lambda p: p.but(protocol=6),
    "a UDP length too short": lambda p: p.but(udp_length=100),
    "a UDP length too long": lambda p: p.but(udp_length=181),
    "more said than is there": lambda p: p.but(udp_length=280, ip_length=300),
    "longer than everybody's MTU": lambda p: p.but(payload=rtp(octets=MAX_PACKET_OCTETS - 39)),
}
IPV4_ONLY = {
    "another source": lambda p: p.but(source=("198.51.100.8", 4000)),
    "another of our addresses": lambda p: p.but(destination=("192.0.2.2", 20_000)),
    "IP options": lambda p: p.but(options=bytes.fromhex("94040000")),
    "the first fragment": lambda p: p.but(fragment=0x2000),
    "a later fragment": lambda p: p.but(fragment=0x0010),
    "IP version 6 in IPv4": lambda p: p.but(first=0x65),
}
IPV6_ONLY = {
    "another source": lambda p: p.but(source=("2001:db8:9::8", 4000)),
    "a source of another network": lambda p: p.but(source=("2001:db9:9::9", 4000)),
    "another of our addresses": lambda p: p.but(destination=("2001:db8::2", 20_000)),
    "a fragment header": lambda p: p.but(protocol=44, options=bytes(8)),
    "a hop-by-hop header": lambda p: p.but(protocol=0, options=bytes(8)),
}
LEFT_ALONE = [
    pytest.param(FLOWS[family], change, id=f"{family}, {name}")
    for family, cases in (("IPv4", BOTH | IPV4_ONLY), ("IPv6", BOTH | IPV6_ONLY))
    for name, change in cases.items()
]


@pytest.mark.parametrize(("flow", "change"), LEFT_ALONE)
def test_everything_else_goes_up_untouched(flow, change):
    packet = change(from_peer(flow))
    with Machine(flow) as machine:
        assert machine.sees(packet) == (GO_ON, bytes(packet))
        assert machine.counted.packets == 0


def test_a_packet_from_another_interface_goes_up(flow):
    packet = from_peer(flow)
    with Machine(flow, interface=LOOPBACK + 1) as machine:
        assert machine.sees(packet) == (GO_ON, bytes(packet))


def test_packets_joined_by_the_interface_go_up(flow):
    packet = from_peer(flow)
    with Machine(flow) as machine:
        assert machine.sees(packet, segment=100) == (GO_ON, bytes(packet))


def test_a_packet_for_another_station_goes_up(flow):
    data = b"\x02\x00\x00\x00\x00\x99" + bytes(from_peer(flow))[6:]
    with Machine(flow) as machine:
        assert machine.sees(data) == (GO_ON, data)


def test_nothing_but_ip_is_looked_at(flow):
    data = bytes(12) + b"\x08\x06" + bytes(46)
    with Machine(flow) as machine:
        assert machine.sees(data) == (GO_ON, data)


def test_a_flow_that_was_taken_out_goes_up(flow):
    packet = from_peer(flow)
    with Machine(flow) as machine:
        machine.sees(packet)
        machine.map.remove(flows.key_of(flow.local))
        machine.map.remove(flows.key_of(flow.local))  # twice is as good as once
        assert machine.sees(packet) == (GO_ON, bytes(packet))
        assert machine.counted.packets == 1


def test_every_payload_type_but_the_events_passes(flow):
    with Machine(flow) as machine:
        passed = [
            payload_type
            for payload_type in range(256)
            if machine.sees(from_peer(flow, rtp(payload_type=payload_type)))[1]
            != bytes(from_peer(flow, rtp(payload_type=payload_type)))
        ]
    events = {101, 0x80 | 101}
    assert passed == [x for x in range(256) if not 192 <= x <= 223 and x not in events]


def test_a_call_without_events_passes_all(flow):
    flow = Flow(flow.local, flow.source, flow.out_local, flow.target, None, 8000)
    packet = from_peer(flow, rtp(payload_type=127))
    with Machine(flow) as machine:
        assert machine.sees(packet)[1] == bytes(to_target(flow, packet))


def test_jitter_goes_on_from_what_user_space_counted():
    flow = FLOWS["IPv4"]
    so_far = Counted(0, 0, 0.0, 0, 0, 0x11223344, 6)
    with Machine(flow, so_far=so_far) as machine:
        machine.sees(from_peer(flow, rtp(7, 1600)))
        first = machine.counted
        assert first.jitter == 0  # the step from a beginning at 0 is a clock's, not the network's
        machine.sees(from_peer(flow, rtp(8, 1600 + 8000)))
        second = machine.counted
    # The packet came a second too early by its timestamp, but for the moment that passed.
    passed = (second.last_at - first.last_at) * 8000
    assert second.jitter == pytest.approx(8000 - passed, abs=2)


def test_another_source_of_the_stream_is_not_jitter():
    flow = FLOWS["IPv4"]
    with Machine(flow) as machine:
        machine.sees(from_peer(flow, rtp(7, 1600, ssrc=1)))
        machine.sees(from_peer(flow, rtp(9, 9600, ssrc=2)))
        counted = machine.counted
    assert (counted.jitter, counted.ssrc, counted.packets) == (0, 2, 2)


def test_a_program_that_may_not_run_is_refused_with_the_reason():
    with Machine(FLOWS["IPv4"]), pytest.raises(OSError, match="R0"):
        system.load_program("bad", assemble([leave()]))
