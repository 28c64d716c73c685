"""Two phones without a codec in common hear each other by way of the sound tier."""

import numpy as np
import pytest
from studio import FRAME, Studio, law_of, sine

from rtp import g722
from rtp.control import Bridge, Hear, Open, Press, Record, SideSpec
from rtp.dtmf import DtmfDetector, digit_tone
from rtp.g711 import PCMA, PCMU
from rtp.g722 import G722
from rtp.telephone_event import TelephoneEvent


@pytest.fixture
def studio():
    return Studio()


def bridged(studio, a=None, b=None):
    """A caller with PCMU and a callee with PCMA."""
    studio.sessions += 1
    studio.tell(Open(studio.sessions, SideSpec(None), SideSpec(None)))
    opened = studio.opened
    caller = studio.phone(
        studio.sessions, "a", opened.a_rtp_port, **{"law": PCMU, "events": 101, **(a or {})}
    )
    callee = studio.phone(
        studio.sessions, "b", opened.b_rtp_port, **{"law": PCMA, "events": 101, **(b or {})}
    )
    studio.tell(Bridge(studio.sessions, True))
    return caller, callee


def test_each_hears_the_other_in_its_own_codec(studio):
    caller, callee = bridged(studio)
    low, high = law_of(sine(300, 40), PCMU), law_of(sine(1000, 40), PCMA)
    studio.run(40, (caller, low), (callee, high))
    assert {p.payload_type for p in caller.packets} == {0}
    assert {p.payload_type for p in callee.packets} == {8}
    assert (callee.heard[FRAME:] == law_of(low, PCMA)[:-FRAME]).all()
    assert (caller.heard[FRAME:] == law_of(high, PCMU)[:-FRAME]).all()


@pytest.mark.parametrize(("a_ms", "b_ms"), [(20, 60), (60, 20), (10, 40), (30, 20)])
def test_packets_are_as_long_as_each_side_wants_them(studio, a_ms, b_ms):
    caller, callee = bridged(studio, {"packet_ms": a_ms}, {"packet_ms": b_ms})
    said = law_of(sine(440, 90), PCMU)
    sent = 0
    for number in range(90):
        while sent < (number + 1) * FRAME:
            caller.say(said[sent : sent + 8 * a_ms])
            sent += 8 * a_ms
        studio.tick()
    assert {len(p.payload) for p in callee.packets} == {8 * b_ms}
    heard = callee.heard
    first = int(np.flatnonzero(np.abs(heard) > 100)[0])
    whole = law_of(said, PCMA)
    begin = int(np.flatnonzero(np.abs(whole) > 100)[0])
    length = len(heard) - first
    assert length > 70 * FRAME
    assert (heard[first:] == whole[begin : begin + length]).all()


def test_a_tone_of_ten_minutes_has_no_break_and_the_delay_stays_flat(studio):
    """1 kHz: eight samples a period, so that every break shows."""
    caller, callee = bridged(studio)
    period = law_of(np.rint(6000 * np.sin(2 * np.pi * np.arange(8) / 8)), PCMU)
    frame = np.tile(period, FRAME // 8)
    studio.run(30_000, (caller, lambda _: frame), (callee, lambda _: frame))
    both_ways = {caller: law_of(law_of(period, PCMA), PCMU), callee: law_of(period, PCMA)}
    for phone, arrives in both_ways.items():
        heard = phone.heard
        assert len(heard) == 30_000 * FRAME
        sounding = heard[FRAME:].reshape(-1, 8)
        assert (sounding == arrives).all()
    assert studio.engine.session(1).sound.sides[0].inbound.buffer.waiting <= 2 * FRAME


def test_an_event_is_passed_on_under_the_other_sides_number(studio):
    caller, callee = bridged(studio)
    press(studio, caller, 5)
    studio.run(20)
    assert callee.digits == "5" and caller.digits == ""


def press(studio, phone, code):
    timestamp = phone.timestamp
    for duration in (160, 320, 480):
        phone.press(bytes(TelephoneEvent(code, False, duration)), timestamp)
        studio.tick()
    for _ in range(3):
        phone.press(bytes(TelephoneEvent(code, True, 640)), timestamp)


def test_an_event_is_a_tone_for_a_side_that_knows_no_events(studio):
    caller, callee = bridged(studio, b={"events": None})
    press(studio, caller, 11)
    studio.run(20)
    assert DtmfDetector().feed(callee.heard) == "#"


def test_a_tone_is_an_event_for_a_side_that_knows_them_and_hardly_heard_besides(studio):
    caller, callee = bridged(studio, a={"events": None})
    said = np.concatenate([digit_tone("7", 200), np.zeros(20 * FRAME, np.int16)])
    studio.run(30, (caller, said))
    assert callee.digits == "7"
    assert DtmfDetector().feed(callee.heard) == ""


def test_a_tone_stays_a_tone_between_sides_that_know_no_events(studio):
    caller, callee = bridged(studio, {"events": None}, {"events": None})
    studio.run(30, (caller, np.concatenate([digit_tone("7", 100), np.zeros(25 * FRAME, np.int16)])))
    assert callee.digits == ""
    assert DtmfDetector().feed(callee.heard) == "7"


def test_a_key_told_in_signalling_is_an_event(studio):
    caller, callee = bridged(studio)
    studio.tell(Press(caller.session, "a", "9"))
    studio.run(20)
    assert callee.digits == "9"


def test_who_hears_something_else_is_given_nothing_of_the_other(studio):
    caller, callee = bridged(studio)
    studio.tell(Hear(callee.session, "b", "prompts"))
    studio.run(20, (caller, sine(440, 20)))
    assert np.abs(callee.heard).max() <= 8


def test_the_relay_takes_over_again_without_losing_a_packet(studio):
    caller, callee = bridged(studio, b={"law": PCMU})
    studio.run(10, (caller, sine(440, 10)))
    studio.tell(Bridge(caller.session, False))
    before = len(callee.datagrams)
    studio.run(10, (caller, sine(440, 10)))
    assert len(callee.datagrams) - before == 10
    assert studio.tier.due_at is None


@pytest.mark.skipif(not g722.AVAILABLE, reason="G722 isn't installed")
@pytest.mark.parametrize(("a_ms", "b_ms"), [(20, 20), (20, 60), (40, 20)])
def test_g722_on_one_side(studio, a_ms, b_ms):
    caller, callee = bridged(
        studio, {"law": G722(), "packet_ms": a_ms}, {"law": PCMA, "packet_ms": b_ms}
    )
    low, high = sine(300, 90), law_of(sine(1000, 90), PCMA)
    sent = 0
    for number in range(90):
        while sent < (number + 1) * FRAME:
            caller.say(low[sent : sent + 8 * a_ms])
            sent += 8 * a_ms
        callee.say(high[number * FRAME :][:FRAME])
        studio.tick()
    assert {p.payload_type for p in caller.packets} == {9}
    assert {len(p.payload) for p in callee.packets} == {8 * b_ms}
    for heard, hertz in ((callee.heard, 300), (caller.heard, 1000)):
        middle = heard[30 * FRAME : 70 * FRAME].astype(float)
        spectrum = np.abs(np.fft.rfft(middle))
        assert spectrum.argmax() == hertz * len(middle) // 8000
        tone = spectrum[spectrum.argmax() - 2 : spectrum.argmax() + 3]
        assert (tone**2).sum() > 0.98 * (spectrum**2).sum()
        assert 0.8 < middle.std() / 3535 < 1.2


# Fax


CED = 2100


def in_fax(studio, **terms):
    """A bridged call in which the callee's fax has answered: 500 ms of CED."""
    caller, callee = bridged(studio, **terms)
    studio.run(25, (caller, np.zeros(25 * FRAME, np.int16)), (callee, sine(CED, 25)))
    studio.run(10, (caller, np.zeros(10 * FRAME, np.int16)), (callee, np.zeros(10 * FRAME, int)))
    return caller, callee


def test_after_a_fax_tone_every_octet_crosses_as_the_law_turns_it(studio):
    caller, callee = in_fax(studio)
    said = law_of(np.random.default_rng(1).normal(0, 6000, 100 * FRAME), PCMU)
    before = len(callee.heard)
    studio.run(110, (caller, np.concatenate([said, np.zeros(10 * FRAME, np.int16)])))
    heard = callee.heard[before:]
    whole = law_of(said, PCMA)
    (delay,) = {at for at in range(0, 8 * FRAME, FRAME)
                if (heard[at : at + len(whole)] == whole).all()}  # fmt: skip
    assert delay == 5 * FRAME


def test_a_packet_that_a_fax_loses_is_silence_and_nothing_else_changes(studio):
    caller, callee = in_fax(studio)
    said = law_of(np.random.default_rng(1).normal(0, 6000, 40 * FRAME), PCMU).reshape(-1, FRAME)
    before = len(callee.heard)
    for number in range(50):
        if number == 20:
            caller.skip(FRAME)
        else:
            caller.say(said[number] if number < 40 else np.zeros(FRAME, np.int16))
        studio.tick()
    expected = law_of(said, PCMA).reshape(-1, FRAME)
    expected[20] = law_of(np.zeros(FRAME, np.int16), PCMA)
    heard = callee.heard[before + 5 * FRAME :][: 40 * FRAME]
    assert (heard == expected.ravel()).all()


def test_what_sounds_like_a_key_in_a_fax_is_none(studio):
    caller, callee = in_fax(studio, a={"events": None})
    studio.run(20, (caller, np.concatenate([digit_tone("7", 200), np.zeros(10 * FRAME, int)])))
    assert callee.digits == ""
    assert DtmfDetector().feed(callee.heard[-20 * FRAME :]) == "7"


def test_speech_keeps_the_buffer_that_adapts(studio):
    caller, callee = bridged(studio)
    studio.run(50, (caller, sine(440, 50)), (callee, sine(300, 50)))
    session = studio.engine.session(1).sound
    assert not session.is_fax
    assert [side.inbound.buffer.waiting for side in session.sides] == [FRAME, FRAME]


def test_a_fax_between_phones_of_one_codec_passes_undecoded_though_it_is_recorded(studio):
    caller, callee = studio.call()
    studio.tell(Record(studio.sessions, 1, "r.wav", "both", 60.0))
    noise = np.random.default_rng(1).normal(0, 6000, 50 * FRAME)
    studio.run(50, (caller, noise), (callee, sine(CED, 50)))
    assert len(callee.packets) == 50 and {p.ssrc for p in callee.packets} == {caller.ssrc}
    assert (callee.heard == law_of(noise)).all()
