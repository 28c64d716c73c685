"""Descriptions as odd peers write them, through a whole switch."""

import pytest
from exchange import Exchange
from phones import sdp

from sip.sdp import SessionDescription


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("995", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    made.close()


@pytest.fixture
def phones(exchange):
    found = []
    for index in (1, 2):
        line = exchange.line(f"+99532200000{index}", exchange.account(10_000_000))
        found.append(exchange.phone(line, f"198.51.100.{index}"))
        found[-1].register()
    exchange.run(1.0)
    return found


def audio_of(session):
    """What the switch said last of the audio stream: its protocol, port and attributes."""
    stream = SessionDescription.parse(session.remote_description).media[0]
    return stream.protocol, stream.port, [name for name, value in stream.attributes if not value]


def renegotiated(exchange, phone, session, body):
    session.reinvite(body, phone.now)
    phone.endpoint.drain()
    exchange.run(2.0)


def test_a_stream_removed_by_port_0_is_answered_by_port_0_and_comes_back(exchange, phones):
    a, b = phones
    session = a.call("+995322000002")
    exchange.run(3.0)
    own_port = audio_of(session)[1]
    for phone in (a, b):
        held = phone.talking[0]
        removed = sdp(phone.address[0], 0)
        renegotiated(exchange, phone, held, removed)
        assert audio_of(held)[1] == 0
        other = (b if phone is a else a).talking[0]
        assert audio_of(other)[1] and audio_of(other)[2] == ["inactive"]
        renegotiated(exchange, phone, held, phone._sdp())
        assert audio_of(held)[1] and audio_of(held)[2] == ["sendrecv"]
        assert audio_of(other)[2] == ["sendrecv"]
    assert "ReinviteRefused" not in a.events + b.events
    assert audio_of(session)[1] == own_port
    heard = a.heard, b.heard
    exchange.run(11.0)
    assert a.heard > heard[0] and b.heard > heard[1]
    a.hang_up(session)
    exchange.run_until_idle()


def test_a_stream_of_a_service_removed_by_port_0_is_answered_by_port_0(exchange, phones):
    phone = phones[0]
    session = phone.call("*43")
    exchange.run(3.0)
    renegotiated(exchange, phone, session, sdp(phone.address[0], 0))
    assert audio_of(session)[1] == 0
    before = phone.heard
    exchange.run(2.0)
    assert phone.heard == before
    renegotiated(exchange, phone, session, phone._sdp())
    exchange.run(2.0)
    assert phone.heard - before > 50
    phone.hang_up(session)
    exchange.run_until_idle()


def test_a_call_whose_only_stream_has_port_0_from_the_start_is_refused(exchange, phones):
    phones[0].call("+995322000002", body=sdp("198.51.100.1", 0))
    exchange.run_until_idle()
    assert phones[0].status == 488


@pytest.mark.parametrize("number", ["+995322000002", "*43"])
def test_a_caller_of_the_profile_with_feedback_is_answered_in_kind(exchange, phones, number):
    a, b = phones
    offer = a._description().replace(b"RTP/AVP ", b"RTP/AVPF ") + b"a=rtcp-fb:* trr-int 5000\r\n"
    session = a.call(number, body=offer)
    exchange.run(10.0)
    assert audio_of(session)[0] == "RTP/AVPF" and a.heard > 1
    if b.talking:
        assert audio_of(b.talking[0])[0] == "RTP/AVP" and b.heard > 1
        assert b"rtcp-fb" not in b.talking[0].remote_description
    a.hang_up(session)
    exchange.run_until_idle()


@pytest.mark.parametrize("line", [b"a=sendonly ", b"a=sendonly\t", b"a=sendonly:"])
def test_hold_is_understood_with_blanks_behind_it(exchange, phones, line):
    a, b = phones
    session = a.call("+995322000002")
    exchange.run(3.0)
    renegotiated(exchange, a, session, a._sdp().replace(b"a=sendrecv", line))
    assert audio_of(b.talking[0])[2] == ["sendonly"]
    a.hang_up(session)
    exchange.run_until_idle()
