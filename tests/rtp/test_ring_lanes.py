"""Directions passed on together, against sockets on loopback and against counting one by one."""

import contextlib
import random
import select
import socket

import pytest

from rtp.frame_table import FrameTable
from rtp.inbound import InboundSound
from rtp.jitter_buffer import RESERVE
from rtp.lanes import ListeningLane
from rtp.packet import HEADER
from rtp.ring_lanes import BUFFERS, RingLanes
from rtp.source import ReceivedStream

HOST = "127.0.0.1"
SOUND = bytes(160)


@pytest.fixture
def ring():
    try:
        lanes = RingLanes(2048)
    except OSError as error:
        pytest.skip(f"there is no io_uring: {error}")
    yield lanes
    lanes.close()


@pytest.fixture
def sockets():
    with contextlib.ExitStack() as stack:

        def made():
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            one.bind((HOST, 0))
            return stack.enter_context(one)

        yield made


class Way:
    """A phone, the two sockets of the switch, and the other phone."""

    def __init__(self, made):
        self.speaker, self.came, self.leaves, self.listener = made(), made(), made(), made()
        self.came.connect(self.speaker.getsockname())
        self.leaves.connect(self.listener.getsockname())
        self.speaker.connect(self.came.getsockname())
        self.stream = ReceivedStream()

    def open(self, ring):
        ring.open(self.came.fileno(), self.leaves.fileno(), self.stream)

    def heard(self):
        heard = []
        with contextlib.suppress(BlockingIOError):
            while True:
                heard.append(self.listener.recv(4096))
        return heard


@pytest.fixture
def way(ring, sockets):
    made = Way(sockets)
    made.open(ring)
    return made


def packet(sequence, timestamp=0, ssrc=7):
    return HEADER.pack(0x80, 0, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + SOUND


def test_what_comes_leaves_in_its_order(ring, way):
    sent = [packet(number) for number in range(50)]
    for data in sent:
        way.speaker.send(data)
    assert ring.pass_on(1.0) == 50
    assert way.heard() == sent
    assert ring.pass_on(1.1) == 0


def test_somebody_is_told_that_something_came(ring, way):
    epoll = select.epoll()
    epoll.register(ring.fd, select.EPOLLIN | select.EPOLLET)
    epoll.poll(0)  # of opening
    for number in range(3):
        assert epoll.poll(0) == []
        way.speaker.send(packet(number))
        assert epoll.poll(1) == [(ring.fd, select.EPOLLIN)]
        ring.pass_on(1.0)
    epoll.close()


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_those_of_packets_that_come_alone(ring, way, seed):
    """Loss, doubles, late packets, jumps, restarts and other sources; a packet each time."""
    chance = random.Random(seed)
    alone = ReceivedStream()
    sequence, timestamp, ssrc, now = chance.randrange(65_536), chance.randrange(1 << 32), 7, 100.0
    for _ in range(400):
        step = chance.choice([1] * 20 + [0, 2, 3, -2, 40, 5_000, -5_000])
        sequence += step
        timestamp += 160 * step
        now += 0.02 + chance.uniform(-0.005, 0.005)
        if chance.random() < 0.01:
            ssrc = chance.randrange(1 << 32)
        way.speaker.send(packet(sequence, timestamp, ssrc))
        ring.pass_on(now)
        alone.count(sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, 172, now)
        if chance.random() < 0.1:
            way.stream.catch_up()
    way.stream.catch_up()
    assert way.stream.figures(0, 0) == alone.figures(0, 0)


@pytest.mark.parametrize("seed", range(5))
def test_loss_is_the_same_in_batches(ring, way, seed):
    chance = random.Random(seed)
    alone = ReceivedStream()
    numbers = [number for number in range(65_300, 65_900) if chance.random() < 0.9]
    for place in range(0, len(numbers) - 1, 7):
        numbers[place], numbers[place + 1] = numbers[place + 1], numbers[place]
    for place, number in enumerate(numbers):
        way.speaker.send(packet(number))
        alone.count(number & 0xFFFF, 0, 7, 172, 1.0)
        if chance.random() < 0.2 or place == len(numbers) - 1:
            ring.pass_on(1.0)
    way.stream.catch_up()
    mine, theirs = way.stream.figures(0, 0), alone.figures(0, 0)
    assert (mine.packets, mine.octets, mine.expected, mine.lost) == (
        theirs.packets,
        theirs.octets,
        theirs.expected,
        theirs.lost,
    )


def test_jitter_where_packets_come_in_time(ring, way):
    alone = ReceivedStream()
    chance = random.Random(1)
    for number in range(300):
        now = 50 + 0.02 * number + chance.uniform(0, 0.01)
        way.speaker.send(packet(number, 160 * number))
        ring.pass_on(now)
        alone.count(number, 160 * number, 7, 172, now)
    way.stream.catch_up()
    assert way.stream.jitter == alone.jitter > 0


def test_what_is_no_sound_is_left_to_the_worker(ring, way):
    report = bytes.fromhex("80c90001 00000001")
    for data in (packet(0), report, b"\x00\x01stun", packet(1), b"", packet(2)):
        way.speaker.send(data)
        ring.pass_on(1.0)
    fd = way.came.fileno()
    assert [data for _, data, _ in ring.unusual if data] == [report, b"\x00\x01stun"]
    assert {where for where, *_ in ring.unusual} == {fd}
    assert way.heard() == [packet(0), packet(1), packet(2)]
    ring.forget(fd)
    assert ring.unusual == []


def test_a_closed_lane_leaves_packets_and_port_alone(ring, way):
    fd = way.came.fileno()
    way.speaker.send(packet(0))
    ring.pass_on(1.0)
    assert ring.close_lane(fd)
    assert way.heard() == [packet(0)]
    assert (way.stream.packets, way.stream.elsewhere, len(ring)) == (1, None, 0)
    way.speaker.send(packet(1))
    assert ring.pass_on(1.0) == 0
    assert way.came.recv(2048) == packet(1)
    assert not ring.close_lane(fd)
    way.open(ring)
    assert ring.close_lane(fd)
    address = way.came.getsockname()
    way.came.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as another:
        another.bind(address)


def test_an_unreachable_phone_stops_nobody(ring, sockets):
    silent, other = Way(sockets), Way(sockets)
    there, back = silent, Way(sockets)
    back.came, back.leaves = there.leaves, there.came
    back.speaker, back.listener = there.listener, there.speaker
    there.open(ring)
    ring.open(back.came.fileno(), back.leaves.fileno(), back.stream)
    other.open(ring)
    address = there.listener.getsockname()
    there.listener.close()
    for number in range(5):  # each is answered by an ICMP error
        there.speaker.send(packet(number))
        other.speaker.send(packet(number))
        ring.pass_on(1.0)
    assert other.heard() == [packet(number) for number in range(5)]
    there.stream.catch_up()
    assert there.stream.packets == 5
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(address)
        again.settimeout(2)
        again.sendto(packet(9), there.leaves.getsockname())
        ring.pass_on(1.0)
        ring.pass_on(1.0)
        assert there.speaker.recv(2048) == packet(9)
        there.speaker.send(packet(8))
        ring.pass_on(1.0)
        assert again.recv(2048) == packet(8)
    assert ring.failed == []


def test_more_packets_than_buffers(ring, sockets):
    ways = [Way(sockets) for _ in range(20)]
    for way in ways:
        way.open(ring)
    each = BUFFERS // len(ways) + 20
    for number in range(each):
        for way in ways:
            way.speaker.send(packet(number))
    came = 0
    for _ in range(20):
        came += ring.pass_on(1.0)
        for way in ways:
            way.heard()
    for way in ways:
        way.stream.catch_up()
        figures = way.stream.figures(0, 0)
        assert (figures.packets, figures.lost) == (each, 0)


def test_more_lanes_than_at_first(ring, sockets):
    ways = [Way(sockets) for _ in range(130)]
    for _ in range(3):  # slots are used again
        for way in ways:
            way.open(ring)
            way.speaker.send(packet(1))
        ring.pass_on(1.0)
        assert len(ring) == 130
        for way in ways:
            assert way.heard() == [packet(1)]
            assert ring.close_lane(way.came.fileno())
    assert all(way.stream.packets == 3 for way in ways)


def test_what_the_sound_tier_hears_is_received_and_counted_like_what_is_passed_on(ring, sockets):
    """Two members of a room and a call beside them, in one turn."""
    ways = [Way(sockets) for _ in range(3)]
    ears = [InboundSound(), InboundSound()]
    for way, inbound in zip(ways, ears, strict=False):
        ring.open_listening(way.came.fileno(), ListeningLane(inbound, way.stream))
    ways[2].open(ring)
    assert (len(ring), ring.listening) == (3, 2)
    for number in range(4):
        for way in ways:
            way.speaker.send(packet(number, 160 * number))
    assert ring.pass_on(1.0) == 12
    assert [len(way.heard()) for way in ways] == [0, 0, 4]
    for way in ways:
        way.stream.catch_up()
        assert (way.stream.packets, way.stream.extended_highest) == (4, 3)
    for inbound in ears:
        assert inbound.buffer.waiting == 4 * 160 + RESERVE
    assert ring.close_lane(ways[0].came.fileno())
    assert (len(ring), ring.listening) == (2, 1)
    ways[0].speaker.send(packet(4))
    assert ring.pass_on(1.1) == 0


def test_regular_streams_are_received_into_the_table(ring, sockets):
    """And go on by themselves when their lane closes."""
    table = FrameTable()
    lanes = RingLanes(2048, table=table)
    ways, ears = [Way(sockets) for _ in range(3)], [InboundSound() for _ in range(3)]
    for place, (way, inbound) in enumerate(zip(ways, ears, strict=True)):
        lanes.open_listening(way.came.fileno(), ListeningLane(inbound, way.stream))
        for number in range(2):
            way.speaker.send(packet(number, 160 * number))
        assert lanes.pass_on(1.0) == 2
        assert [inbound.octets(), inbound.octets()] == [None, SOUND]
        inbound.enter_table(place)
    for number in range(2, 6):
        for way in ways:
            way.speaker.send(packet(number, 160 * number))
        assert lanes.pass_on(1.0 + 0.02 * number) == 3
        places, _, octets = table.take()
        assert sorted(places.tolist()) == [0, 1, 2]
        assert octets.tobytes() == 3 * SOUND
    assert all(inbound.is_regular for inbound in ears)
    for way in ways:
        way.stream.catch_up()
        assert way.stream.packets == 6
    assert lanes.close_lane(ways[0].came.fileno())
    assert [inbound.is_regular for inbound in ears] == [False, True, True]
    assert (ears[0].octets(), ears[0].table) == (SOUND, None)
    lanes.close()


def test_a_report_at_a_listening_lane_is_left_to_the_worker(ring, sockets):
    way = Way(sockets)
    ring.open_listening(way.came.fileno(), ListeningLane(InboundSound(), way.stream))
    report = b"\x80\xc8" + bytes(26)
    way.speaker.send(report)
    assert ring.pass_on(1.0) == 1
    assert ring.unusual == [(way.came.fileno(), report, None)]


def test_packets_of_no_lane_are_sent_together(ring, sockets):
    ways = [Way(sockets) for _ in range(3)]
    packets = [packet(number) + bytes(number) for number in range(3)]
    ring.send_together([way.leaves.fileno() for way in ways], packets)
    ring.send_together([], [])
    assert [way.heard() for way in ways] == [[data] for data in packets]


def test_a_packet_to_a_phone_that_is_gone_stops_no_other(ring, sockets):
    gone, there = Way(sockets), Way(sockets)
    gone.listener.close()
    for _ in range(3):
        ring.send_together([gone.leaves.fileno(), there.leaves.fileno()], [packet(0), packet(1)])
    assert there.heard() == [packet(1)] * 3
