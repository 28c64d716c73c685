"""Calls between phones that share no codec, through a whole switch."""

import pytest
from exchange import Exchange
from phones import Behaviour, sdp

from rtp import g722, opus
from sip.offer_answer import media_target
from sip.sdp import SessionDescription


@pytest.fixture
def exchange():
    made = build()
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def build(config=""):
    made = Exchange(seed=1, config=config)
    made.tariff(("995", 60_000, 1, 1))
    return made


def phones(exchange, *codecs):
    found = []
    for index, codec in enumerate(codecs, 1):
        line = exchange.line(f"+99532200000{index}", exchange.account(10_000_000))
        phone = exchange.phone(line, f"198.51.100.{index}")
        phone.codec = codec
        phone.register()
        found.append(phone)
    exchange.run(1.0)
    return found


def said_to(session):
    """The codecs that the switch told this phone last."""
    target = media_target(SessionDescription.parse(session.remote_description))
    return [codec.name for codec in target.codecs]


def nothing_left(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)


def media_of(exchange):
    (call,) = exchange.switch.calls.values()
    return call.media


def clocks(exchange):
    """By which each side's jitter is counted."""
    relay = exchange.media._engines[0]._engine.session(media_of(exchange).session.id).relay
    return [side.stream.clock_rate for side in relay.sides]


def test_sides_without_a_common_codec_talk_each_in_its_own(exchange):
    a, b = phones(exchange, "PCMU", "PCMA")
    session = a.call("+995322000002")
    exchange.run(10.0)
    assert a.status == 200 and len(a.talking) == len(b.talking) == 1
    assert said_to(session) == ["PCMU", "TELEPHONE-EVENT"]
    assert "PCMA" in said_to(b.talking[0])
    assert media_of(exchange).transcodes
    # One packet in five seconds came; each side is spoken to every 20 ms.
    assert a.heard > 300 and b.heard > 300
    a.hang_up(session)
    nothing_left(exchange)
    (cdr,) = exchange.store.cdrs()
    assert (cdr.codec, cdr.sip_status) == ("PCMU/PCMA", 200)


def test_the_callee_is_offered_our_codecs_only_after_refusing_the_callers(exchange):
    a, b = phones(exchange, "PCMA", "PCMA")
    a.call("+995322000002")
    exchange.run(5.0)
    assert said_to(b.talking[0]) == ["PCMA", "TELEPHONE-EVENT"]
    assert not media_of(exchange).transcodes
    assert b.heard < 5  # passed on as they come
    a.hang_up(a.talking[0])
    nothing_left(exchange)


@pytest.mark.parametrize("holder", ["a", "b"])
def test_hold_and_resume_in_a_transcoded_call(exchange, holder):
    a, b = phones(exchange, "PCMU", "PCMA")
    session = a.call("+995322000002")
    exchange.run(5.0)
    phone, peer = (a, b) if holder == "a" else (b, a)
    phone.hold(phone.talking[0])
    exchange.run(2.0)
    assert "ReinviteAnswered" in phone.events
    before = peer.heard
    phone.hold(phone.talking[0], "sendrecv")
    exchange.run(2.0)
    assert peer.heard - before > 50 and media_of(exchange).transcodes
    a.hang_up(session)
    nothing_left(exchange)


def test_an_invite_without_an_offer_is_offered_what_can_be_transcoded(exchange):
    a, _ = phones(exchange, "PCMU", "PCMA")
    session = a.call("+995322000002", b"")
    exchange.run(5.0)
    assert a.status == 200 and media_of(exchange).transcodes
    (call,) = exchange.switch.calls.values()
    answer = media_target(SessionDescription.parse(call.leg("b").local_description))
    assert [codec.name for codec in answer.codecs] == ["PCMA", "TELEPHONE-EVENT"]
    a.hang_up(session)
    nothing_left(exchange)


def test_a_codec_that_we_dont_speak_is_passed_on_or_refused(exchange):
    a, b, c = phones(exchange, "G729", "G729", "PCMA")
    session = a.call("+995322000002")
    exchange.run(5.0)
    assert len(b.talking) == 1 and not media_of(exchange).transcodes
    a.hang_up(session)
    exchange.run(2.0)
    a.call("+995322000003")
    nothing_left(exchange)
    assert a.status == 488 and not c.talking


def test_who_is_transferred_to_a_phone_with_another_codec_is_transcoded(exchange):
    a, b, c = phones(exchange, "PCMU", "PCMU", "PCMA")
    session = a.call("+995322000002")
    exchange.run(5.0)
    assert not media_of(exchange).transcodes
    b.refer(b.talking[0], b"<sip:+995322000003@example.org>")
    exchange.run(5.0)
    assert len(c.talking) == 1 and media_of(exchange).transcodes
    before = c.heard
    exchange.run(2.0)
    assert c.heard - before > 80
    a.hang_up(session)
    nothing_left(exchange)


def test_transcoding_can_be_switched_off():
    exchange = build("[media]\ntranscode = false\n")
    a, _ = phones(exchange, "PCMU", "PCMA")
    a.call("+995322000002")
    nothing_left(exchange)
    assert a.status == 488
    exchange.close()


def test_of_several_phones_each_is_offered_what_it_needs(exchange):
    a, b, _ = phones(exchange, "PCMU", "PCMA", "PCMU")
    twin = exchange.phone(exchange.directory.line_by_login("995322000002"), "198.51.100.9")
    twin.register()
    exchange.run(1.0)
    b.behaviour, twin.behaviour = Behaviour(rings=2.0), Behaviour(answer=0)
    session = a.call("+995322000002")
    exchange.run(6.0)
    assert len(b.talking) == 1 and not twin.talking
    assert media_of(exchange).transcodes
    a.hang_up(session)
    nothing_left(exchange)


@pytest.mark.skipif(not g722.AVAILABLE, reason="G722 isn't installed")
def test_g722_is_transcoded_where_it_must_be_and_passes_untouched_where_both_have_it(exchange):
    a, _, c = phones(exchange, "G722", "PCMU", "G722")
    session = a.call("+995322000002")
    exchange.run(5.0)
    assert said_to(session) == ["G722", "TELEPHONE-EVENT"]
    assert media_of(exchange).codec == "G722/PCMU" and a.heard > 100
    a.hang_up(session)
    exchange.run(2.0)
    session = a.call("+995322000003")
    exchange.run(5.0)
    assert len(c.talking) == 1 and not media_of(exchange).transcodes
    a.hang_up(session)
    nothing_left(exchange)


needs_opus = pytest.mark.skipif(not opus.AVAILABLE, reason="libopus isn't installed")


@needs_opus
@pytest.mark.parametrize(("calling", "called"), [("opus", "PCMA"), ("PCMA", "opus")])
def test_opus_is_transcoded_for_who_has_no_other_codec(exchange, calling, called):
    a, b = phones(exchange, calling, called)
    session = a.call("+995322000002")
    exchange.run(10.0)
    assert media_of(exchange).codec == f"{calling}/{called}".upper()
    assert said_to(session) == [calling.upper(), "TELEPHONE-EVENT"]
    assert a.heard > 300 and b.heard > 300
    (call,) = exchange.switch.calls.values()
    for leg, phone in ((call.leg("a"), a), (call.leg("b"), b)):
        ours = media_target(SessionDescription.parse(leg.local_description)).codecs
        clock = 48_000 if phone.codec == "opus" else 8000
        assert ("TELEPHONE-EVENT", clock) in {(codec.name, codec.clock_rate) for codec in ours}
    a.hang_up(session)
    nothing_left(exchange)


def test_opus_passes_untouched_between_phones_that_have_it(exchange):
    a, b = phones(exchange, "opus", "opus")
    session = a.call("+995322000002")
    exchange.run(5.0)
    assert not media_of(exchange).transcodes and media_of(exchange).codec == "OPUS"
    assert b.heard < 5  # passed on as they come
    assert clocks(exchange) == [48_000, 48_000]
    a.hang_up(session)
    nothing_left(exchange)


def test_jitter_of_who_offers_opus_and_gets_g711_goes_by_the_clock_of_g711(exchange):
    a, _ = phones(exchange, "PCMU", "PCMU")
    both = sdp("198.51.100.1", 40_002).replace(b"AVP 0 101", b"AVP 96 0 101")
    session = a.call("+995322000002", both + b"a=rtpmap:96 opus/48000/2\r\n")
    exchange.run(5.0)
    assert clocks(exchange) == [8000, 8000]
    a.hang_up(session)
    nothing_left(exchange)


@needs_opus
def test_a_service_of_ours_answers_opus_where_there_is_nothing_else(exchange):
    (a,) = phones(exchange, "opus")
    session = a.call("*43")
    exchange.run(5.0)
    assert said_to(session) == ["OPUS", "TELEPHONE-EVENT"] and a.heard > 100
    a.hang_up(session)
    nothing_left(exchange)


def test_a_key_in_signalling_is_an_event_for_who_knows_events_only_there(exchange):
    a, b = phones(exchange, "PCMU", "PCMU")
    offer = sdp("198.51.100.1", 40_002).replace(b"AVP 0 101", b"AVP 0")
    session = a.call("+995322000002", offer)
    exchange.run(3.0)
    before = b.heard
    session.info(b"application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", a.now)
    a.endpoint.drain()
    exchange.run(1.0)
    assert b.heard - before >= 7 and "InfoReceived" not in b.events
    a.hang_up(session)
    nothing_left(exchange)


def test_a_key_in_signalling_passes_as_it_is_between_those_who_know_events(exchange):
    a, b = phones(exchange, "PCMU", "PCMU")
    session = a.call("+995322000002")
    exchange.run(3.0)
    session.info(b"application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", a.now)
    a.endpoint.drain()
    exchange.run(1.0)
    assert "InfoReceived" in b.events
    a.hang_up(session)
    nothing_left(exchange)
