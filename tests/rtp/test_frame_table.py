"""Streams whose packets come together sound as if each packet had come alone, whatever comes."""

import random

import numpy as np
import pytest

from rtp import g722
from rtp.control import Digit, Listen, SetRemote
from rtp.formats import Formats
from rtp.frame_table import FrameTable
from rtp.g711 import PCMA, PCMU
from rtp.inbound import InboundSound
from rtp.jitter_buffer import SHRINK_FRAMES
from rtp.packet import HEADER, HEADER_BYTES, HEADER_FIELDS
from rtp.telephone_event import EventSender
from tests.rtp.studio import FRAME, Studio

PHONES = 8
EVENTS = {
    **{"as usual": 900, "lost": 10, "late": 15, "twice": 5, "early": 5, "pause": 2, "source": 2},
    **{"clock": 2, "short": 4, "long": 4, "law": 2, "key": 4, "noise": 2, "extension": 2},
    **{"garbage": 2, "out of step": 2},
}
"""Of a thousand ticks of a phone."""


class RingStudio(Studio):
    """Packets reach the sound tier together, as from a ring."""

    def __init__(self):
        self.table = FrameTable()
        self.waiting = []
        super().__init__(table=self.table)

    def side(self, phone):
        return self.engine.session(phone.session).relay.sides[0]

    def arrives(self, phone, data):
        side = self.side(phone)
        inbound = side.inbound
        if side.latch.source != phone.address or len(data) < HEADER_BYTES:
            super().arrives(phone, data)
            return
        if inbound.table is None:
            self.table.join(inbound)
        self.waiting.append((inbound, data))
        side.stream.count(*HEADER.unpack_from(data)[2:], len(data), self.now)

    def tell(self, message):
        self.come()
        super().tell(message)

    def tick(self, late=0.0):
        self.come()
        super().tick(late)

    def come(self):
        put(self.table, self.waiting)
        self.waiting = []


def put(table, packets):
    """Give a table packets with their streams; the number of them that it took."""
    if not packets:
        return 0
    buffers = np.zeros((len(packets), 2048), np.uint8)
    for buffer, (_, data) in zip(buffers, packets, strict=True):
        buffer[: len(data)] = np.frombuffer(data, np.uint8)
    taken = table.put(
        np.array([inbound.table_row for inbound, _ in packets]),
        buffers[:, :HEADER_BYTES].copy().view(HEADER_FIELDS)[:, 0],
        np.array([len(data) for _, data in packets]),
        buffers[:, HEADER_BYTES : HEADER_BYTES + FRAME],
    )
    for (inbound, data), done in zip(packets, taken, strict=True):
        if not done:
            inbound.receive(data)
    return int(taken.sum())


class Voice:
    """The packets of one phone, with all that may happen to them on their way."""

    def __init__(self, chance):
        self.chance = chance
        self.sequence, self.timestamp = chance.getrandbits(16), 0xFFFFF000
        self.ssrc = chance.getrandbits(32)
        self.payload_type = chance.choice((0, 0, 8))
        self.late = []
        self.pauses = 0
        self.event = EventSender()

    def packet(self, payload, *, payload_type=None, first=0x80, timestamp=None):
        self.sequence = (self.sequence + 1) & 0xFFFF
        second = self.payload_type if payload_type is None else payload_type
        at = self.timestamp if timestamp is None else timestamp
        return HEADER.pack(first, second, self.sequence, at, self.ssrc) + payload

    def frame(self, size=FRAME):
        octets = self.chance.randbytes(size // 8) * 8
        data = self.packet(octets)
        self.timestamp = (self.timestamp + size) & 0xFFFFFFFF
        return data

    def tick(self, number):
        """The packets that arrive before a tick."""
        arrive = [data for due, data in self.late if due == number]
        self.late = [(due, data) for due, data in self.late if due > number]
        if self.pauses:
            self.pauses -= 1
            self.timestamp = (self.timestamp + FRAME) & 0xFFFFFFFF
            return arrive
        match self.chance.choices(list(EVENTS), list(EVENTS.values()))[0]:
            case "lost":
                self.frame()
            case "late":
                self.late.append((number + self.chance.randint(1, 4), self.frame()))
            case "twice":
                data = self.frame()
                self.late.append((number + self.chance.randint(0, 3), data))
                arrive.append(data)
            case "early":
                arrive += [self.frame() for _ in range(self.chance.randint(2, 14))]
                self.pauses = len(arrive) - 1
                self.timestamp = (self.timestamp - self.pauses * FRAME) & 0xFFFFFFFF
            case "pause":
                self.pauses = self.chance.randint(1, 60)
            case "source":
                self.ssrc = self.chance.getrandbits(32)
                arrive.append(self.frame())
            case "clock":
                self.timestamp = self.chance.getrandbits(32)
                arrive.append(self.frame())
            case "short":
                arrive += [self.frame(80), self.frame(80)]
            case "long":
                arrive.append(self.frame(320))
                self.pauses = 1
                self.timestamp = (self.timestamp - FRAME) & 0xFFFFFFFF
            case "law":
                self.payload_type ^= 8
                arrive.append(self.frame())
            case "key":
                self.event.press(self.chance.choice("123*#"), 60)
                while (event := self.event.next_packet(self.timestamp)) is not None:
                    payload = event.payload
                    arrive.append(self.packet(payload, payload_type=101, timestamp=event.timestamp))
                    self.timestamp = (self.timestamp + FRAME) & 0xFFFFFFFF
                self.pauses = max(0, len(arrive) - 1)
                self.timestamp = (self.timestamp - self.pauses * FRAME) & 0xFFFFFFFF
            case "noise":
                arrive.append(self.packet(b"\x40", payload_type=13))
                self.pauses = self.chance.randint(1, 10)
            case "extension":
                data = self.packet(b"\xbe\xde\0\x01abcd" + bytes(FRAME), first=0x90)
                self.timestamp = (self.timestamp + FRAME) & 0xFFFFFFFF
                arrive.append(data)
            case "garbage":
                arrive.append(self.packet(self.chance.randbytes(5), first=0xBF))
            case "out of step":
                self.timestamp = (self.timestamp + 40) & 0xFFFFFFFF
                arrive.append(self.frame())
            case _:
                arrive.append(self.frame())
        return arrive


def conversation(studio, seed, ticks):
    """The sound heard and the messages told, where some are in rooms and others hear their echo."""
    chance = random.Random(seed)
    phones = [studio.caller() for _ in range(PHONES)]
    for number, phone in enumerate(phones):
        if number < PHONES - 2:
            studio.hear(phone, "room", room=1 + number % 2)
        else:
            studio.hear(phone, "echo")
        studio.tell(Listen(phone.session, "a", True))
    voices = [Voice(random.Random(chance.getrandbits(32))) for _ in phones]
    for number in range(ticks):
        for phone, voice in zip(phones, voices, strict=True):
            for data in voice.tick(number):
                studio.arrives(phone, data)
        if chance.random() < 0.01:  # a member leaves, or hears something else, and comes back
            phone = chance.choice(phones[: PHONES - 2])
            studio.hear(phone, chance.choice(("prompts", "echo", "room")), room=1)
        if chance.random() < 0.01:
            phone = chance.choice(phones)
            formats = Formats("PCMU", 0, 101, received=chance.choice(((), ((0, "PCMA"),))))
            address = *phone.address, phone.address[1] + 1
            studio.tell(SetRemote(phone.session, "a", *address, "sendrecv", formats=formats))
        studio.tick()
    digits = [(told.session, told.digit) for told in studio.messages(Digit)]
    buffers = [
        studio.engine.session(phone.session).relay.sides[0].inbound.buffer for phone in phones
    ]
    counts = [(buffer.late, buffer.duplicates, buffer.anchors) for buffer in buffers]
    return [phone.datagrams for phone in phones], digits, counts


@pytest.mark.parametrize("seed", range(3))
def test_whatever_comes_sounds_the_same_alone_and_together(seed):
    alone, together = conversation(Studio(), seed, 400), conversation(RingStudio(), seed, 400)
    assert together == alone
    heard, digits, counts = together
    assert all(len(datagrams) > 250 for datagrams in heard)
    late, duplicates, anchors = np.sum(counts, axis=0)
    assert digits and late > 10 and duplicates > 3 and anchors > 2 * PHONES


def regular_streams(table, number, law=PCMU):
    """Streams of which two frames came, and one tick was played."""
    streams = [InboundSound() for _ in range(number)]
    for row, inbound in enumerate(streams):
        table.join(inbound)
        for index in range(2):
            inbound.receive(packet(inbound, index, law=law))
        for _ in range(2):
            inbound.octets()
        inbound.enter_table(row)
    return streams


def packet(inbound, index, fill=None, law=PCMU):
    octets = bytes([index if fill is None else fill]) * FRAME
    return HEADER.pack(0x80, law.payload_type, index, index * FRAME, 7) + octets


def test_frames_of_regular_streams_come_out_of_the_table():
    table = FrameTable()
    streams = regular_streams(table, 200)  # more than there were rows for at first
    for index in range(2, 30):
        assert put(table, [(inbound, packet(inbound, index)) for inbound in streams]) == 200
        places, laws, octets = table.take()
        assert sorted(places.tolist()) == list(range(200))
        assert (octets == index - 1).all() and not laws.any()
    assert all(inbound.is_regular for inbound in streams)


def test_a_stream_with_a_lost_frame_leaves_and_comes_back_when_sound_comes_again():
    table = FrameTable()
    one, other = regular_streams(table, 2, PCMA)
    put(table, [(one, packet(one, 2, law=PCMA))])
    assert len(table.take()[0]) == 2  # the frames that waited
    places, laws, octets = table.take()
    assert (places.tolist(), laws.tolist(), octets[0, 0]) == ([0], [1], 2)
    assert one.is_regular and not other.is_regular
    assert other.octets() is None  # concealed
    put(table, [(other, packet(other, 4, law=PCMA))])
    other.enter_table(1)
    assert not other.is_regular  # its next frame has to be faded in
    assert other.octets() is None
    assert other.octets() is None


def test_a_packet_that_is_not_of_the_stream_and_those_that_came_with_it_go_to_the_stream():
    table = FrameTable()
    (inbound,) = regular_streams(table, 1)
    key = HEADER.pack(0x80, 101, 3, 2 * FRAME, 7) + b"\x05\x8a\x03\x20"
    assert put(table, [(inbound, packet(inbound, 2)), (inbound, key)]) == 0
    assert not inbound.is_regular
    assert inbound.digits == ""
    assert inbound.octets() == bytes([1]) * FRAME
    assert inbound.octets() == bytes([2]) * FRAME


@pytest.mark.skipif(not g722.AVAILABLE, reason="there is no G.722 here")
def test_a_stream_in_another_codec_never_enters():
    table, inbound = FrameTable(), InboundSound()
    table.join(inbound)
    for index in range(4):
        header = HEADER.pack(0x80, 9, index, index * FRAME, 7)
        inbound.receive(header + g722.G722().encode(np.zeros(FRAME, np.int16)))
        inbound.octets()
        inbound.enter_table(0)
    assert not inbound.is_regular


def test_a_row_is_another_streams_when_its_packets_come_together_no_more():
    table = FrameTable()
    (inbound,) = regular_streams(table, 1)
    row = inbound.table_row
    table.part(inbound)
    assert inbound.table is None and not inbound.is_regular
    assert inbound.octets() == bytes([1]) * FRAME
    assert table.join(InboundSound()) == row
    assert len(table.take()[0]) == 0


def test_of_many_streams_with_too_much_delay_some_shorten_it_in_a_tick():
    """They began together, with two frames more than they need."""
    table = FrameTable()
    streams = regular_streams(table, 100)
    for index in (2, 3):
        put(table, [(inbound, packet(inbound, index, 1)) for inbound in streams])
    regular = []
    for index in range(4, 4 + 2 * SHRINK_FRAMES):
        put(table, [(inbound, packet(inbound, index, 1)) for inbound in streams])
        table.take()
        alone = [inbound for inbound in streams if not inbound.is_regular]
        regular.append(100 - len(alone))
        for inbound in alone:
            assert inbound.octets() is None  # made of two frames
            inbound.enter_table(0)
    assert [number for number in regular if number < 100] == [36, 64]
    assert regular.index(64) == regular.index(36) + 1
    assert all(inbound.is_regular for inbound in streams)
