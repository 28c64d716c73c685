"""Members whose packets are made together are sent what each would be sent alone."""

import random

from rtp.control import Mute, Play, PlayItem, SendDigits, SetRemote
from rtp.formats import Formats
from rtp.g711 import PCMA, PCMU
from rtp.rtcp import SenderReport
from tests.rtp.studio import FRAME, Phone, Studio, sine

TICKS = 900
"""18 s: a few reports."""


def sides(studio):
    return [studio.engine.session(number + 1).sound.sides[0] for number in range(studio.sessions)]


def conference(studio, *, disturbed):
    """Two rooms in which things happen: what is sent, and to how many in one go.

    Args:
        disturbed: a member is unmuted again in each tick, so that nothing is made together.
    """
    chance = random.Random(3)
    phones = [studio.caller(law=law) for law in (PCMU, PCMU, PCMA, PCMU, PCMA)]
    phones.append(studio.caller(formats=Formats("G722", 9, 101)))
    phones.append(studio.caller(packet_ms=40))
    for number, phone in enumerate(phones):
        studio.hear(phone, "room", room=1 + number % 2)
    numbers = []
    for tick in range(TICKS):
        for phone in phones:
            if chance.random() < 0.98:
                phone.say(sine(200 + 100 * chance.randrange(5), 1, 12_000))
        first = phones[0]
        match tick:
            case 100:
                studio.tell(SendDigits(first.session, "a", "12"))
            case 200:
                studio.tell(Play(phones[1].session, "a", 1, (PlayItem("a.wav"),)))
                studio.loads("a.wav", sine(300, 20))
            case 300:
                studio.hear(phones[2], "echo")
            case 350:
                studio.hear(phones[2], "room", room=1)
            case 400:
                address = (*first.address, first.address[1] + 1)
                formats = Formats("PCMA", 8, 101)
                studio.tell(SetRemote(1, "a", *address, "sendrecv", formats=formats))
            case 500:
                address = (*first.address, first.address[1] + 1)
                studio.tell(SetRemote(1, "a", *address, "sendonly", formats=formats))
            case 550:
                studio.tell(SetRemote(1, "a", *address, "sendrecv", formats=formats))
            case 600:
                studio.tick(late=0.07)  # several ticks at once
        if disturbed:
            studio.tell(Mute(phones[3].session, "a", False))
        studio.tick()
        numbers.append(sum(side.in_room_streams for side in sides(studio)))
    studio.tell(Mute(phones[3].session, "a", False))  # the streams themselves know what was sent
    counts = [(side.outbound.packets, side.outbound.octets) for side in sides(studio)]
    return [phone.datagrams for phone in phones], studio.reports, counts, numbers


def test_streams_are_the_same_alone_and_together():
    *alone, nobody = conference(Studio(), disturbed=True)
    *together, numbers = conference(Studio(), disturbed=False)
    assert together == alone
    assert max(nobody) == 0
    assert max(numbers) == 5  # neither in G.722 nor in packets of 40 ms
    assert sum(numbers) > 0.9 * 5 * TICKS


def test_a_report_says_what_was_sent_together():
    studio = Studio()
    phones = [studio.caller() for _ in range(3)]
    for phone in phones:
        studio.hear(phone, "room", room=1)
    studio.run(700)
    for phone in phones:
        mine = [packets for _, port, _, packets in studio.reports if port == phone.port + 1]
        assert 2 <= len(mine) <= 6  # in 14 s
        assert all(side.in_room_streams for side in sides(studio))
        (report, *_), last = mine[-1], phone.packets
        assert isinstance(report, SenderReport)
        assert report.packets * FRAME == report.octets
        sent_at = {packet.timestamp: index for index, packet in enumerate(last)}
        assert report.packets == sent_at[report.rtp_timestamp] + 1


def test_a_member_that_moves_is_sent_its_sound_elsewhere():
    studio = Studio()
    phones = [studio.caller() for _ in range(2)]
    for phone in phones:
        studio.hear(phone, "room", room=1)
    studio.run(20)
    before = len(phones[0].datagrams)
    there = phones[0].address
    moved = (there[0], there[1] + 1000)
    studio.phones[moved] = Phone(studio, 1, "a", phones[0].port, moved, PCMU, FRAME)
    studio.tell(SetRemote(1, "a", *moved, moved[1] + 1, "sendrecv", formats=Formats("PCMU", 0)))
    studio.run(20)
    assert len(phones[0].datagrams) == before
    assert len(studio.phones[moved].datagrams) == 20
