"""Opus by the sound tier: a clock of 48 kHz beside ours, packets of any length, losses, pauses."""

import random

import numpy as np
import pytest
from opus_phone import EVENTS, NUMBER, TERMS, phone
from studio import FRAME, Studio, law_of, sine

from rtp import opus
from rtp.control import (
    Agree,
    Bridge,
    Hear,
    Open,
    Play,
    PlayItem,
    Record,
    SendDigits,
    SideSpec,
)
from rtp.dtmf import DtmfDetector
from rtp.formats import Formats, OpusTerms
from rtp.g711 import PCMA
from rtp.jitter_buffer import JitterBuffer
from rtp.opus import OpusDecoder, OpusEncoder, samples_of
from rtp.opus_stream import MAX_HELD, OpusStream
from rtp.telephone_event import TelephoneEvent

pytestmark = pytest.mark.skipif(not opus.AVAILABLE, reason="libopus isn't installed")


@pytest.fixture
def studio():
    return Studio()


def bridged(studio, terms=TERMS, packet_ms=20, **b):
    """A caller with Opus and a callee with PCMA."""
    studio.sessions += 1
    studio.tell(Open(studio.sessions, SideSpec(None), SideSpec(None)))
    opened = studio.opened
    caller = phone(studio, studio.sessions, "a", opened.a_rtp_port, terms, packet_ms)
    callee = studio.phone(
        studio.sessions, "b", opened.b_rtp_port, **{"law": PCMA, "events": 101, **b}
    )
    studio.tell(Bridge(studio.sessions, True))
    return caller, callee


def alone(studio):
    """A caller with Opus who talks with the switch itself."""
    studio.sessions += 1
    studio.tell(Open(studio.sessions, SideSpec(None), None))
    return phone(studio, studio.sessions, "a", studio.opened.a_rtp_port)


def purity(heard, hertz):
    """Which part of the power is in one tone."""
    spectrum = np.abs(np.fft.rfft(heard.astype(float) * np.hanning(len(heard)))) ** 2
    place = hertz * len(heard) // 8000
    assert abs(int(spectrum.argmax()) - place) <= 1
    return spectrum[place - 3 : place + 4].sum() / spectrum.sum()


# Packets


@pytest.mark.parametrize(
    ("payload", "samples"),
    [
        (b"\x08", 160),  # SILK, 20 ms, without an octet of sound: a pause
        (b"\x18abc", 480),  # SILK, 60 ms
        (b"\x19abcd", 960),  # two of them
        (b"\x60abc", 80),  # hybrid, 10 ms
        (b"\x80abc", 20),  # CELT, 2.5 ms
        (b"\xfb\x03abc", 480),  # CELT, three times 20 ms
        (b"\x83\x30abc", 960),  # CELT, 48 times 2.5 ms
        (b"\x1b\x03abc", None),  # 180 ms
        (b"\xfb\x00abc", None),
        (b"\xfb", None),
        (b"", None),
        (b"\x08" * 1501, None),
    ],
)
def test_a_packet_is_as_long_as_its_first_octets_say(payload, samples):
    assert samples_of(payload) == samples


def test_rubbish_is_never_more_than_silence():
    chance, decoder = random.Random(7587), OpusDecoder()
    for _ in range(2000):
        payload = chance.randbytes(chance.choice((1, 2, 3, 40, 300, 1500)))
        samples = samples_of(payload)
        decoded = decoder.decode(payload)
        assert decoded is None or samples is None or len(decoded) == samples


def test_what_a_peer_wishes_is_done():
    tone, sizes = sine(440, 50), {}
    for terms in (TERMS, OpusTerms(constant=True), OpusTerms(max_bitrate=6000)):
        encoder = OpusEncoder(terms)
        sizes[terms] = [
            len(encoder.encode(tone[at : at + FRAME])) for at in range(0, len(tone), FRAME)
        ]
    free, constant, small = sizes.values()
    assert len(set(constant)) == 1 and len(set(free)) > 1
    assert sum(small) < 0.7 * sum(constant)


# Calls between Opus and G.711


def test_each_side_hears_the_others_tone_in_its_own_codec(studio):
    caller, callee = bridged(studio)
    studio.run(100, (caller, sine(1000, 100)), (callee, law_of(sine(440, 100), PCMA)))
    assert {p.payload_type for p in callee.packets} == {8}
    assert purity(callee.heard[20 * FRAME : 90 * FRAME], 1000) > 0.99
    assert purity(caller.heard[20 * FRAME : 90 * FRAME], 440) > 0.99
    steps = np.diff([p.timestamp for p in caller.sound]) & 0xFFFFFFFF
    assert len(caller.sound) == 100 and set(steps) == {960}
    assert [p.marker for p in caller.sound] == [True] + 99 * [False]


@pytest.mark.parametrize(("packet_ms", "made_ms"), [(10, 10), (30, 20), (40, 40), (60, 60)])
def test_packets_are_as_long_as_the_peer_wants_them_if_opus_has_such(studio, packet_ms, made_ms):
    caller, callee = bridged(studio, packet_ms=packet_ms)
    studio.run(60, (callee, law_of(sine(440, 60), PCMA)))
    assert {samples_of(p.payload) for p in caller.sound} == {8 * made_ms}
    steps = np.diff([p.timestamp for p in caller.sound]) & 0xFFFFFFFF
    assert set(steps) == {48 * made_ms}
    assert purity(caller.heard[20 * FRAME : 50 * FRAME], 440) > 0.95


@pytest.mark.parametrize("sent_ms", [10, 40, 60])
def test_packets_of_other_lengths_are_understood(studio, sent_ms):
    caller, callee = bridged(studio)
    said, sent = sine(1000, 120), 0
    for number in range(120):
        while sent <= number * FRAME:
            caller.say(said[sent : sent + 8 * sent_ms])
            sent += 8 * sent_ms
        studio.tick()
    assert purity(callee.heard[40 * FRAME : 110 * FRAME], 1000) > 0.99


def test_packets_that_overtook_each_other_are_decoded_in_their_order(studio):
    """Two calls with the same sound, one of them out of order; a frame later to have time."""
    straight, crossed = bridged(studio), bridged(studio)
    said = sine(300, 60) + sine(700, 60, 2000)
    for caller, _ in (straight, crossed):
        for at in range(2):
            caller.say(said[at * FRAME :][:FRAME])
    for number in range(2, 60, 2):
        for caller, order in ((straight[0], (0, 1)), (crossed[0], (1, 0))):
            packets = [
                caller.packet(caller.encoder.encode(said[at * FRAME :][:FRAME]), FRAME)
                for at in (number, number + 1)
            ]
            for index in order:
                studio.arrives(caller, packets[index])
        studio.tick()
        studio.tick()
    assert (straight[1].heard == crossed[1].heard).all() and np.abs(crossed[1].heard).max() > 3000


def test_what_was_lost_is_had_from_the_packet_after_it(studio):
    """Speech-like sound: of a steady tone a guess would do as well."""
    heard = {}
    rng = np.random.default_rng(3)
    carrier = np.sin(2 * np.pi * np.cumsum(rng.uniform(150, 900, 100).repeat(FRAME)) / 8000)
    said = np.rint(6000 * carrier).astype(np.int16)
    for way in ("all", "lost", "unrecoverable"):
        caller, callee = bridged(studio)
        if way == "unrecoverable":
            caller.encoder = OpusEncoder(TERMS)
        for number in range(100):
            if way != "all" and number > 20 and number % 10 == 5:
                caller.encoder.encode(said[number * FRAME :][:FRAME])
                caller.skip(6 * FRAME)
            else:
                caller.say(said[number * FRAME :][:FRAME])
            if number:  # one packet is ahead, as where the buffer has found its length
                studio.tick()
        heard[way] = callee.heard.astype(float)

    def error(way):
        size = min(len(heard["all"]), len(heard[way]))
        return np.square(heard["all"][:size] - heard[way][:size]).mean()

    assert error("lost") < 0.5 * error("unrecoverable")
    assert error("lost") < 0.05 * np.square(heard["all"]).mean()


def test_a_pause_without_packets_is_filled_and_the_delay_stays(studio):
    caller, callee = bridged(studio)
    studio.run(60, (caller, sine(440, 60)))
    for _ in range(5):
        for number in range(20):
            if number == 0:
                studio.arrives(caller, caller.packet(b"\x08", FRAME))
            else:
                caller.skip(6 * FRAME)
                caller.sequence = (caller.sequence - 1) & 0xFFFF
            studio.tick()
    studio.run(60, (caller, sine(440, 60)))
    buffer = studio.engine.session(caller.session).sound.sides[0].inbound.buffer
    assert buffer.waiting <= 2 * FRAME
    assert len(callee.packets) == 60 + 100 + 60
    assert purity(callee.heard[-50 * FRAME :], 440) > 0.95


def test_a_packet_that_cant_be_understood_is_a_lost_one(studio):
    caller, callee = bridged(studio)
    chance, said = random.Random(1), sine(440, 100)
    for number in range(100):
        if number % 9 == 8:
            rubbish = chance.choice((b"", b"\xfb", b"\x0a\xff\xff", chance.randbytes(200)))
            studio.arrives(caller, caller.packet(rubbish, FRAME))
        else:
            caller.say(said[number * FRAME :][:FRAME])
        studio.tick()
    assert len(callee.packets) == 100
    assert np.abs(callee.heard[20 * FRAME :]).max() > 3000


def test_a_flood_of_packets_is_neither_kept_nor_decoded():
    buffer = JitterBuffer()
    stream = OpusStream(buffer)
    for number in range(20_000):
        stream.put(number * 7 % 40_000, b"\x08" + bytes(400))
    assert len(stream._held) <= MAX_HELD
    for _ in range(100):
        stream.prepare()
        buffer.pop()
    assert not stream._held


def test_a_clock_that_begins_anew_is_followed(studio):
    caller, callee = bridged(studio)
    studio.run(30, (caller, sine(440, 30)))
    caller.timestamp = 0x40000000
    studio.run(60, (caller, sine(440, 60)))
    assert purity(callee.heard[-40 * FRAME :], 440) > 0.95


# Keys


def test_keys_are_told_by_the_clock_of_the_sound(studio):
    caller, _ = bridged(studio)
    studio.tell(SendDigits(caller.session, "a", "5", 100))
    studio.run(20)
    events = [p for p in caller.packets if p.payload_type == EVENTS]
    durations = [TelephoneEvent.parse(p.payload).duration for p in events]
    assert durations[:5] == [960, 1920, 2880, 3840, 4800] and durations[-1] == 4800
    assert (caller.sound[0].timestamp - events[0].timestamp) & 0xFFFFFFFF == len(events) * 960


def test_keys_pass_between_clocks(studio):
    caller, callee = bridged(studio)
    timestamp = caller.timestamp
    for duration in (960, 1920, 2880):
        caller.press(bytes(TelephoneEvent(7, False, duration)), timestamp, EVENTS)
        studio.tick()
    for _ in range(3):
        caller.press(bytes(TelephoneEvent(7, True, 3840)), timestamp, EVENTS)
    studio.run(20)
    assert callee.digits == "7"


def test_keys_are_tones_for_a_side_that_knows_no_events(studio):
    caller, callee = bridged(studio, events=None)
    caller.press(bytes(TelephoneEvent(11, True, 3840)), caller.timestamp, EVENTS)
    studio.run(30)
    assert DtmfDetector().feed(callee.heard) == "#"


# Counting


def test_jitter_and_reports_go_by_the_clock_of_48_khz(studio):
    caller, callee = bridged(studio)
    studio.run(600, (caller, sine(440, 600)), (callee, law_of(sine(440, 600), PCMA)))
    stream = studio.engine.session(caller.session).relay.sides[0].stream
    assert stream.clock_rate == 48_000 and stream.jitter <= 48
    assert stream.figures(0, 0).mos > 4.3
    reports = [
        (at, packets[0].rtp_timestamp)
        for at, _, target, packets in studio.reports
        if target[0] == caller.address[0]
    ]
    (first_at, first), (last_at, last) = reports[0], reports[-1]
    ran = (last - first) & 0xFFFFFFFF
    assert len(reports) > 1 and abs(ran - 48_000 * (last_at - first_at)) < 960


def test_another_clock_is_another_source(studio):
    """RFC 7160: nobody has to guess how long a step of the timestamps was."""
    caller = alone(studio)
    studio.tell(Hear(caller.session, "a", "echo"))
    studio.run(10, (caller, sine(440, 10)))
    studio.tell(Agree(caller.session, "a", Formats(event_payload_type=101)))
    studio.run(10)
    by_type = {p.payload_type: p.ssrc for p in caller.packets}
    assert set(by_type) == {NUMBER, 0} and by_type[NUMBER] != by_type[0]


# Services


def test_prompts_echo_and_recordings(studio):
    caller = alone(studio)
    studio.tell(Hear(caller.session, "a", "echo"))
    studio.tell(Record(caller.session, 1, "/said.wav", "a", 60.0))
    studio.run(80, (caller, sine(440, 80)))
    assert purity(caller.heard[20 * FRAME :], 440) > 0.95
    studio.close(caller)
    recorded = np.frombuffer(studio.shelf.recordings[1], "<i2")
    assert purity(recorded[20 * FRAME :], 440) > 0.95

    caller = alone(studio)
    studio.tell(Play(caller.session, "a", 1, (PlayItem(tone="beep"),)))
    studio.run(30)
    assert purity(caller.heard[5 * FRAME : 19 * FRAME], 1000) > 0.97


def test_a_room_with_members_of_both_kinds(studio):
    members = [alone(studio), alone(studio), studio.caller()]
    for member in members:
        studio.hear(member, "room", room=1)
    tones = (300, 700, 1500)
    studio.run(100, *((m, sine(hertz, 100, 3000)) for m, hertz in zip(members, tones, strict=True)))
    for member, own in zip(members, tones, strict=True):
        heard = member.heard[40 * FRAME : 90 * FRAME].astype(float)
        spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
        level = {hertz: spectrum[hertz * len(heard) // 8000] for hertz in tones}
        loud = sum(level.values())
        assert level[own] < 0.02 * loud
        assert all(level[hertz] > 0.3 * loud for hertz in tones if hertz != own)


def test_between_two_with_opus_the_relay_passes_on_what_comes(studio):
    studio.sessions += 1
    studio.tell(Open(studio.sessions, SideSpec(None), SideSpec(None)))
    opened = studio.opened
    a = phone(studio, studio.sessions, "a", opened.a_rtp_port)
    b = phone(studio, studio.sessions, "b", opened.b_rtp_port)
    sent = [a.packet(bytes([0x08]) + bytes(size), 160) for size in (10, 90, 1200)]
    for packet in sent:
        studio.arrives(a, packet)
    assert b.datagrams == sent
    assert studio.tier.due_at is None
