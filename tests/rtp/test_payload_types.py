"""Codecs under numbers that each side chose for itself: the rtpmap decides, never the number."""

import asyncio
import struct
from dataclasses import replace

import numpy as np
import pytest
from studio import FRAME, Studio, sine
from test_media_worker_process import Call, with_workers

from rtp import g722
from rtp.control import Agree, Bridge, Hear, Listen, OneWay, Record, SendDigits
from rtp.formats import UNKNOWN, Formats
from rtp.g711 import PCMA, PCMU
from rtp.packet import RtpPacket, with_payload_type
from rtp.telephone_event import TelephoneEvent

DYNAMIC_PCMU, DYNAMIC_PCMA = replace(PCMU, payload_type=118), replace(PCMA, payload_type=96)


@pytest.fixture
def studio():
    return Studio()


def kinds(phone):
    return {packet.payload_type for packet in phone.packets}


@pytest.mark.parametrize("law", [DYNAMIC_PCMU, DYNAMIC_PCMA])
def test_an_echo_comes_by_the_number_of_the_rtpmap(studio, law):
    caller = studio.caller(law=law)
    studio.hear(caller, "echo")
    said = sine(440, 40)
    studio.run(40, (caller, said))
    assert kinds(caller) == {law.payload_type}
    assert max(abs(caller.heard_in(law)[10 * FRAME : 30 * FRAME])) > 4000


def test_a_static_number_with_another_rtpmap_is_not_what_it_was(studio):
    """0 is G.726 here, which nobody decodes, and 8 is PCMU."""
    law = replace(PCMU, payload_type=8)
    formats = Formats("PCMU", 8, received=((0, None), (8, "PCMU")))
    caller = studio.caller(law=law, formats=formats)
    studio.hear(caller, "echo")
    studio.run(20, (caller, sine(440, 20)))
    assert kinds(caller) == {8} and max(abs(caller.heard_in(PCMU)[-FRAME:])) > 4000
    before = len(caller.packets)
    caller.law = PCMU  # now under 0
    studio.run(40, (caller, sine(440, 40)))
    caller.law = law
    assert max(abs(caller.heard_in(PCMU)[(before + 20) * FRAME :])) < 100


def test_sides_of_other_numbers_are_bridged_each_in_its_own(studio):
    a, b = studio.call(law=DYNAMIC_PCMU)
    b.law = DYNAMIC_PCMA
    studio.tell(Agree(b.session, "b", Formats("PCMA", 96, 101)))
    studio.tell(Bridge(a.session, True))
    studio.run(40, (a, sine(440, 40)), (b, sine(660, 40)))
    assert (kinds(a), kinds(b)) == ({118}, {96})
    assert max(abs(a.heard_in(PCMU)[-FRAME:])) > 4000
    assert max(abs(b.heard_in(PCMA)[-FRAME:])) > 4000


@pytest.mark.skipif(not g722.AVAILABLE, reason="the G722 library isn't installed")
def test_g722_under_a_dynamic_number_is_heard_and_spoken(studio):
    caller = studio.caller(law=replace(PCMU, payload_type=99), formats=Formats("G722", 99, 101))
    studio.hear(caller, "echo")
    coder, said = g722.G722(), sine(440, 40)
    for number in range(40):
        octets = coder.encode(said[number * FRAME :][:FRAME])
        packet = RtpPacket(99, number, number * FRAME, 7, octets)
        studio.arrives(caller, bytes(packet))
        studio.tick()
    assert kinds(caller) == {99}
    heard = g722.G722().decode(b"".join(packet.payload for packet in caller.packets))
    assert max(abs(heard[20 * FRAME :])) > 4000


def test_a_recording_has_what_came_under_dynamic_numbers(studio):
    caller = studio.caller(law=DYNAMIC_PCMU)
    studio.tell(Record(caller.session, 1, "/r.wav", "a", 60.0))
    studio.run(100, (caller, sine(440, 100)))
    studio.close(caller)
    recorded = np.frombuffer(studio.shelf.recordings[1], "<i2")
    assert max(abs(recorded)) > 4000


@pytest.mark.parametrize("number", [97, 101])
def test_keys_are_read_by_the_number_that_a_side_was_told_and_by_its_own(studio, number):
    formats = Formats(event_payload_type=101, received=((97, "TELEPHONE-EVENT"),))
    caller = studio.caller(formats=formats)
    studio.tell(Listen(caller.session, "a", True))
    event = TelephoneEvent(5, False, 160)
    caller.press(bytes(event), 8000, number)
    studio.tick()
    assert [message.digit for message in studio.told if type(message).__name__ == "Digit"] == ["5"]


def test_keys_that_are_withheld_are_withheld_by_both_numbers(studio):
    a, b = studio.call()
    formats = Formats(event_payload_type=101, received=((97, "TELEPHONE-EVENT"),))
    studio.tell(Agree(a.session, "a", formats))
    studio.tell(Listen(a.session, "a", True, withheld=True))
    for number in (97, 101):
        a.press(bytes(TelephoneEvent(5, False, 160)), 8000 * number, number)
    a.say(sine(440, 1))
    assert kinds(b) == {0}


def test_keys_are_sent_by_the_number_that_a_side_named(studio):
    caller = studio.caller(events=96)
    studio.hear(caller, "echo")
    studio.tell(SendDigits(caller.session, "a", "7"))
    studio.run(10)
    assert 96 in kinds(caller) and 101 not in kinds(caller)


@pytest.mark.parametrize("marker", [0, 0x80])
def test_what_is_relayed_reaches_each_side_by_the_number_that_it_knows(studio, marker):
    a, b = studio.call()
    studio.tell(Agree(a.session, "a", Formats("PCMU", 118, 97, renumbered=((118, 0), (97, 101)))))
    studio.tell(Agree(b.session, "b", Formats("PCMU", 0, 101, renumbered=((0, 118), (101, 97)))))
    sound = RtpPacket(118, 7, 160, 9, b"\x55" * 160, marker=bool(marker))
    studio.arrives(a, bytes(sound))
    studio.arrives(b, bytes(replace(sound, payload_type=0)))
    studio.arrives(a, bytes(replace(sound, payload_type=97, sequence_number=8)))
    studio.arrives(b, bytes(replace(sound, payload_type=34, sequence_number=8)))
    assert b.packets == [
        replace(sound, payload_type=0), replace(sound, payload_type=101, sequence_number=8),
    ]  # fmt: skip
    assert a.packets == [sound, replace(sound, payload_type=34, sequence_number=8)]


def test_multiplexed_reports_are_no_payload_types(studio):
    a, _ = studio.call()
    side = studio.engine.session(a.session).relay.sides[0]
    side.agree(Formats(renumbered=((73, 0),)))
    report = bytes.fromhex("80c90001 00000001")  # 201 is 73 with a marker
    assert side.renumbered(report) == report
    assert with_payload_type(b"\x80\xc9rest", 0) == b"\x80\x80rest"


def test_a_side_that_is_never_sent_anything_is_told(studio):
    """The switch talks with it, but in no codec that it has."""
    caller = studio.caller()
    studio.tell(Agree(caller.session, "a", UNKNOWN))
    studio.tell(Hear(caller.session, "a", "echo"))
    studio.run(400, (caller, sine(440, 400)))
    (told,) = studio.messages(OneWay)
    assert (told.side, told.heard) == ("a", False)
    studio.tell(Agree(caller.session, "a", Formats()))
    studio.run(80, (caller, sine(440, 80)))
    assert [message.heard for message in studio.messages(OneWay)] == [False, True]


def test_a_side_that_is_spoken_to_is_not_told_of(studio):
    caller = studio.caller(law=DYNAMIC_PCMU)
    studio.hear(caller, "prompts")
    studio.run(400, (caller, sine(440, 400)))
    assert studio.messages(OneWay) == []


def packet(number, sequence, ssrc):
    head = struct.pack(">BBHII", 0x80, number, sequence, sequence * 160, ssrc)
    return head + bytes([sequence & 0xFF]) * 160


class RenumberedCall(Call):
    """A gateway with PCMU as 118 and events as 97, and a phone with 0 and 101."""

    async def connect(self):
        for side, phone, formats in (
            ("a", self.alice, Formats("PCMU", 118, 97, renumbered=((118, 0), (97, 101)))),
            ("b", self.bob, Formats("PCMU", 0, 101, renumbered=((0, 118), (101, 97)))),
        ):
            self.session.set_remote(
                side, phone.host, phone.port, phone.port + 1, "sendrecv", formats=formats
            )
        await self.told()


@pytest.mark.parametrize("batch_from", [None, 0])
@pytest.mark.parametrize("fast_path", [False, True])
def test_a_worker_renumbers_on_connected_sockets_whatever_else_it_has(batch_from, fast_path):
    async def story(media):
        call = RenumberedCall(await media.open("127.0.0.1", "127.0.0.1"))
        await call.connect()
        for sequence in range(200):
            kind, becomes = ((118, 0), (97, 101))[sequence % 10 == 9]
            call.alice.send(packet(kind, sequence, 1), call.session.a_port)
            call.bob.send(packet(becomes, sequence, 2), call.session.b_port)
            assert await call.bob.heard() == [packet(becomes, sequence, 1)]
            assert await call.alice.heard() == [packet(kind, sequence, 2)]
        figures = await call.close()
        assert (figures.a.packets, figures.b.packets) == (200, 200)
        assert (figures.a.lost, figures.b.lost) == (0, 0)

    with_workers(story, batch_from=batch_from, fast_path=fast_path)


def test_events_alone_under_another_number_leave_the_sound_in_its_tier():
    """Only what has to be renumbered comes to the worker."""

    async def story(media):
        call = Call(await media.open("127.0.0.1", "127.0.0.1"))
        for side, phone, renumbered in (
            ("a", call.alice, ((97, 101),)), ("b", call.bob, ((101, 97),)),
        ):  # fmt: skip
            own = renumbered[0][0]
            call.session.set_remote(
                side, phone.host, phone.port, phone.port + 1, "sendrecv",
                formats=Formats(event_payload_type=own, renumbered=renumbered),
            )  # fmt: skip
        await call.told()
        for sequence in range(100):
            kind, becomes = ((0, 0), (97, 101))[sequence % 10 == 9]
            call.alice.send(packet(kind, sequence, 1), call.session.a_port)
            call.bob.send(packet(becomes, sequence, 2), call.session.b_port)
            assert await call.bob.heard() == [packet(becomes, sequence, 1)]
            assert await call.alice.heard() == [packet(kind, sequence, 2)]
        await asyncio.sleep(0.05)
        started = await media.statuses()
        (status,) = [status for _, status in started]
        if status.fast_path:
            assert (status.kernel_lanes, status.relay_lanes) == (2, 0)
        await call.close()

    with_workers(story, fast_path=True)
