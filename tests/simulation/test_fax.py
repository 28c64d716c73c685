"""T.38 fax through the switch: offered end to end, relayed as it is, paid for like a call."""

import base64

import pytest
from exchange import Exchange
from faxes import ATTRIBUTES, FaxTerminal
from phones import port_of, sdp

from sip.sdp import SessionDescription

PAGES = [b"page %d" % number for number in range(20)]


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.wire.delay = (0.005, 0.010)  # packets 20 ms apart keep their order
    made.tariff(("on_net", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def called(exchange, **more):
    """Two phones in a call, each with a fax terminal; the caller's first."""
    lines = [
        exchange.line(f"+99532200000{index}", exchange.account(10_000_000), **more)
        for index in (1, 2)
    ]
    a, b = (exchange.phone(line, f"198.51.100.{i}") for i, line in enumerate(lines, 1))
    a.register(), b.register()
    exchange.run(1.0)
    session = a.call("+995322000002")
    exchange.run(3.0)
    assert a.status == 200
    return FaxTerminal(a, session), FaxTerminal(b, b.talking[0])


def ended(exchange, terminal):
    """Hang up; the only CDR."""
    terminal.phone.hang_up(terminal.session)
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    (cdr,) = exchange.store.cdrs()
    return cdr


def fax_of(description: bytes):
    return next(m for m in SessionDescription.parse(description).media if m.kind == "image")


def hears(exchange, *terminals):
    before = [terminal.phone.heard for terminal in terminals]
    exchange.run(12.0)
    return [t.phone.heard > count for t, count in zip(terminals, before, strict=True)]


@pytest.mark.parametrize("calling", [True, False])
def test_either_side_changes_the_call_to_fax(exchange, calling):
    terminals = called(exchange)
    mine, theirs = terminals if calling else reversed(terminals)
    mine.change()
    exchange.run(1.0)
    for description in (theirs.offers[0], mine.session.remote_description):
        assert tuple(f"{n}:{v}" if v else n for n, v in fax_of(description).attributes) == (
            ATTRIBUTES
        )
    assert theirs.received == [] and theirs.send(*PAGES[:10]) == mine.received
    assert mine.send(*PAGES) == theirs.received
    cdr = ended(exchange, mine)
    assert cdr.codec == "T38"
    assert (cdr.media.caller.packets, cdr.media.caller.lost, cdr.media.caller.strays) == (1, 0, 0)


def test_fax_ports_are_of_the_calls_own_pair(exchange):
    a, b = called(exchange)
    sound = SessionDescription.parse(a.session.remote_description).media[0].port
    b.change()
    exchange.run(1.0)
    assert a.target == ("192.0.2.1", sound + 1)
    ended(exchange, a)


def test_a_refused_fax_leaves_the_sound(exchange):
    a, b = called(exchange)
    a.takes = False
    b.change()
    exchange.run(1.0)
    assert "ReinviteRefused" in b.phone.events
    assert hears(exchange, a, b) == [True, True]
    assert ended(exchange, a).codec == "PCMU"


def test_who_accepts_a_fax_without_its_stream_gets_sound_again(exchange):
    a, b = called(exchange)
    a.answers_nothing = True
    b.change()
    exchange.run(5.0)
    assert "ReinviteRefused" in b.phone.events
    assert b"m=audio" in a.offers[-1] and b"m=audio 0" not in a.offers[-1]
    assert hears(exchange, a, b) == [True, True]
    assert ended(exchange, a).codec == "PCMU"


def test_after_the_fax_the_parties_talk_again(exchange):
    a, b = called(exchange)
    b.change()
    exchange.run(1.0)
    assert hears(exchange, a, b) == [False, False]
    b.back_to_sound()
    exchange.run(1.0)
    assert hears(exchange, a, b) == [True, True]
    b.change()
    exchange.run(1.0)
    assert a.send(*PAGES) == b.received
    assert ended(exchange, a).codec == "T38"


def test_a_terminal_offers_sound_of_port_0_beside_the_fax(exchange):
    a, b = called(exchange)
    b.change("m=audio 0 RTP/AVP 0\r\n" + b.image)
    exchange.run(1.0)
    assert [m.port > 0 for m in SessionDescription.parse(a.offers[0]).media] == [False, True]
    assert a.send(*PAGES) == b.received
    ended(exchange, a)


def test_an_offer_of_both_is_answered_with_the_fax(exchange):
    a, b = called(exchange)
    b.change(f"m=audio {b.phone._next_port} RTP/AVP 0\r\n" + b.image)
    exchange.run(1.0)
    assert [m.port > 0 for m in SessionDescription.parse(a.offers[0]).media] == [True, True]
    assert [m.port > 0 for m in SessionDescription.parse(b.session.remote_description).media] == [
        False,
        True,
    ]
    assert a.send(*PAGES) == b.received
    assert ended(exchange, a).codec == "T38"


def test_an_offer_of_both_is_answered_with_the_sound(exchange):
    a, b = called(exchange)
    a.answers_nothing, a.sound = True, f"m=audio {a.phone._next_port} RTP/AVP 0\r\n"
    b.change(f"m=audio {b.phone._next_port} RTP/AVP 0\r\n" + b.image)
    exchange.run(1.0)
    assert [m.port > 0 for m in SessionDescription.parse(b.session.remote_description).media] == [
        True,
        False,
    ]
    assert hears(exchange, a, b) == [True, True]
    assert ended(exchange, a).codec == "PCMU"


def test_sound_and_fax_go_side_by_side_if_both_are_accepted(exchange):
    a, b = called(exchange)
    a.sound = f"m=audio {a.phone._next_port} RTP/AVP 0\r\n"
    b.change(f"m=audio {b.phone._next_port} RTP/AVP 0\r\n" + b.image)
    exchange.run(1.0)
    assert a.send(*PAGES) == b.received
    assert hears(exchange, a, b) == [True, True]
    ended(exchange, a)


def test_a_fax_from_behind_a_nat_is_learned_from_its_packets(exchange):
    a, b = called(exchange)
    b.change()
    exchange.run(1.0)
    a.source = (a.phone.address[0], 61_234)
    exchange.wire.attach(a.source, lambda data, source: a.received.append(data))
    sent = a.send(*(b"early" for _ in range(40)))
    assert 0 < len(b.received) < 40 and b.received == sent[-len(b.received) :]
    assert b.send(*PAGES) == a.received


def test_a_stranger_can_send_no_fax_into_the_call(exchange):
    a, b = called(exchange)
    b.change()
    exchange.run(1.0)
    a.send(*PAGES)
    stranger = ("203.0.113.66", 4000)
    for _ in range(100):
        exchange.wire.send(b"\0\x63\x01x\0\0", stranger, a.target)
        exchange.run(0.02)
    assert len(b.received) == len(PAGES)
    assert ended(exchange, a).media.caller.strays == 100


def test_a_silent_fax_ends_after_a_minute_as_a_silent_call_does(exchange):
    a, b = called(exchange)
    a.phone.sends_rtp = b.phone.sends_rtp = False
    b.change()
    exchange.run(1.0)
    for _ in range(10):  # packets of one side are enough to live on
        a.send(PAGES[0])
        exchange.run(50.0)
    assert a.phone.talking
    exchange.run(30.0)
    assert not a.phone.talking
    exchange.run_until_idle()
    (cdr,) = exchange.store.cdrs()
    assert (cdr.ended_by, cdr.codec) == ("media_timeout", "T38")
    # To the last sign of life: answer, a second, ten packets 50.12 s apart.
    assert 450_000 < cdr.duration_ms < 470_000


def test_a_fax_costs_what_a_call_of_its_length_costs(exchange):
    a, b = called(exchange)
    b.change()
    for _ in range(12):
        exchange.run(9.0)
        a.send(PAGES[0])
    cdr = ended(exchange, a)
    assert cdr.price_micros == -(-cdr.duration_ms // 1000) * 1000  # 60,000 micros a minute


# T.38 in the first INVITE


def dialled(exchange, media="", *, called=None, **more):
    """Two fax terminals; the first calls the second (or `called`) with T.38 and other streams."""
    lines = [
        exchange.line(
            f"+99532200000{index}", exchange.account(10_000_000), **(more if index == 2 else {})
        )
        for index in (1, 2)
    ]
    a, b = (
        FaxTerminal(exchange.phone(line, f"198.51.100.{i}"), None)
        for i, line in enumerate(lines, 1)
    )
    a.phone._description(), b.phone._description()  # their ports
    b.answers_first_offers()
    a.phone.register(), b.phone.register()
    exchange.run(1.0)
    a.session = a.phone.call(called or "+995322000002", a.description(media + a.image))
    return a, b


def test_a_call_is_a_fax_from_its_first_invite_on(exchange):
    a, b = dialled(exchange)
    exchange.run(3.0)
    assert a.phone.status == 200
    assert [(m.kind, m.port > 0) for m in SessionDescription.parse(b.offers[0]).media] == [
        ("image", True)
    ]
    for description in (b.offers[0], a.session.remote_description):
        assert tuple(f"{n}:{v}" if v else n for n, v in fax_of(description).attributes) == (
            ATTRIBUTES
        )
    assert a.send(*PAGES) == b.received
    assert b.send(*PAGES[:10]) == a.received
    cdr = ended(exchange, a)
    assert cdr.codec == "T38"
    assert cdr.price_micros == -(-cdr.duration_ms // 1000) * 1000


def test_a_fax_from_the_first_invite_on_may_become_a_talk(exchange):
    a, b = dialled(exchange)
    exchange.run(3.0)
    a.send(PAGES[0])
    del b.phone._sdp
    a.back_to_sound()
    exchange.run(1.0)
    a.phone._remote_port[a.session] = port_of(a.session.remote_description)
    assert hears(exchange, a, b) == [True, True]
    assert ended(exchange, a).codec == "T38"


@pytest.mark.parametrize("takes_sound", [True, False])
def test_sound_and_fax_in_the_first_invite_both_reach_the_called_terminal(exchange, takes_sound):
    port = 40_000
    audio = f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    a, b = dialled(exchange, audio)
    b.sound = f"m=audio {port} RTP/AVP 0\r\n" if takes_sound else None
    exchange.run(3.0)
    assert a.phone.status == 200
    for description, sound in ((b.offers[0], True), (a.session.remote_description, takes_sound)):
        streams = SessionDescription.parse(description).media
        assert [(m.kind, m.port > 0) for m in streams] == [("audio", sound), ("image", True)]
    assert a.send(*PAGES) == b.received
    assert ended(exchange, a).codec == "T38"


def test_a_phone_without_fax_refuses_a_call_that_is_one(exchange):
    a, b = dialled(exchange)
    b.takes = False
    exchange.run(3.0)
    assert (a.phone.status, b.offers) == (488, [])
    exchange.run_until_idle()
    (cdr,) = exchange.store.cdrs()
    assert (cdr.sip_status, cdr.duration_ms, cdr.price_micros) == (488, 0, 0)


def test_a_phone_without_fax_takes_the_sound_of_a_call_that_offers_both(exchange):
    a, b = dialled(exchange, "m=audio 40000 RTP/AVP 0\r\n")
    b.answers_nothing, b.sound = True, "m=audio 40000 RTP/AVP 0\r\n"
    exchange.run(3.0)
    streams = SessionDescription.parse(a.session.remote_description).media
    assert [(m.kind, m.port > 0) for m in streams] == [("audio", True), ("image", False)]
    assert ended(exchange, a).codec == "PCMU"


def test_a_line_that_requires_encryption_takes_no_call_that_is_a_fax(exchange):
    a, b = dialled(exchange, srtp="required")
    exchange.run(3.0)
    assert (a.phone.status, b.offers) == (488, [])
    exchange.run_until_idle()


@pytest.mark.parametrize("service", ["*43", "*97"])
def test_a_service_takes_no_call_that_is_a_fax(exchange, service):
    a, _ = dialled(exchange, called=service)
    exchange.run(3.0)
    assert a.phone.status == 488
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)


KEY = base64.b64encode(bytes(30)).decode()
CRYPTO = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"


@pytest.mark.parametrize("offered_by", [0, 1])
def test_a_line_that_requires_encryption_has_no_fax(exchange, offered_by):
    lines = [
        exchange.line(f"+99532200000{i}", exchange.account(10_000_000), srtp=policy)
        for i, policy in enumerate(("required", None), 1)
    ]
    a, b = (exchange.phone(line, f"198.51.100.{i}") for i, line in enumerate(lines, 1))
    a.register(), b.register()
    exchange.run(1.0)
    offer = sdp("198.51.100.1", 40_002, protocol="RTP/SAVP", crypto=CRYPTO)
    session = a.call("+995322000002", offer)
    exchange.run(3.0)
    terminals = FaxTerminal(a, session), FaxTerminal(b, b.talking[0])
    terminals[offered_by].change()
    exchange.run(1.0)
    assert "ReinviteRefused" in terminals[offered_by].phone.events
    assert terminals[1 - offered_by].offers == []
    assert ended(exchange, terminals[0]).codec == "PCMU"


def test_a_service_refuses_fax(exchange):
    line = exchange.line("+995322000001", exchange.account(10_000_000))
    phone = exchange.phone(line, "198.51.100.1")
    phone.register()
    exchange.run(1.0)
    session = phone.call("*43")  # the echo test
    exchange.run(3.0)
    assert phone.status == 200
    FaxTerminal(phone, session).change()
    exchange.run(1.0)
    assert "ReinviteRefused" in phone.events and session in phone.talking
    phone.hang_up(session)
    exchange.run_until_idle()
