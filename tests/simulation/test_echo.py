"""The echo test *43: a call that the switch answers itself."""

import pytest
from exchange import Exchange
from phones import sdp

from sip.offer_answer import media_target
from sip.sdp import SessionDescription
from softswitch.services.answering import SERVICES


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("995", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


@pytest.fixture
def phone(exchange):
    """Without any money."""
    line = exchange.line("+995322000001", exchange.account(0))
    made = exchange.phone(line, "198.51.100.1")
    made.register()
    exchange.run(1.0)
    return made


def only_cdr(exchange):
    (cdr,) = exchange.store.cdrs()
    return cdr


def nothing_left(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)


def test_a_caller_hears_what_was_said_and_pays_nothing(exchange, phone):
    session = phone.call("*43")
    exchange.run(10.0)
    assert phone.status == 200 and len(phone.talking) == 1
    # The simulated phone's packets are no sound worth comparing; that as many come back is.
    assert phone.heard > 400
    phone.hang_up(session)
    nothing_left(exchange)
    cdr = only_cdr(exchange)
    assert (cdr.direction, cdr.type, cdr.called) == ("service", "service", "*43")
    assert (cdr.ended_by, cdr.cause, cdr.codec) == ("caller", 16, "PCMU")
    assert 9_500 < cdr.duration_ms < 10_500
    assert (cdr.price_micros, cdr.account) == (0, 1)
    assert cdr.media.caller.packets > 1 and cdr.media.callee.packets == 0
    assert exchange.store.account(1).balance_micros == 0


def test_the_answer_has_one_codec(exchange, phone):
    offer = sdp("198.51.100.1", 40_000).replace(b"AVP 0 101", b"AVP 9 8 0 101")
    session = phone.call("*43", body=offer)
    exchange.run(2.0)
    target = media_target(SessionDescription.parse(session.remote_description))
    assert [codec.name for codec in target.codecs] == ["PCMA", "TELEPHONE-EVENT"]
    phone.hang_up(session)
    nothing_left(exchange)
    assert only_cdr(exchange).codec == "PCMA"


def test_without_a_codec_in_common_it_is_refused(exchange, phone):
    phone.call("*43", body=sdp("198.51.100.1", 40_000).replace(b"AVP 0 101", b"AVP 18 101"))
    nothing_left(exchange)
    assert phone.status == 488
    assert (only_cdr(exchange).sip_status, only_cdr(exchange).type) == (488, "service")


def test_an_invite_without_an_offer_is_offered_one(exchange, phone):
    session = phone.call("*43", body=b"")
    exchange.run(10.0)
    assert phone.status == 200
    phone.hang_up(session)
    nothing_left(exchange)
    assert only_cdr(exchange).sip_status == 200


def test_hold_and_resume_are_answered_by_the_switch(exchange, phone):
    session = phone.call("*43")
    exchange.run(3.0)
    phone.hold(session)
    exchange.run(2.0)
    held = SessionDescription.parse(session.remote_description)
    assert media_target(held).direction == "recvonly"
    before = phone.heard
    exchange.run(2.0)
    assert phone.heard - before < 5
    phone.hold(session, "sendrecv")
    exchange.run(2.0)
    assert phone.heard - before > 50
    phone.hang_up(session)
    nothing_left(exchange)


def test_a_caller_who_falls_silent_is_let_go(exchange, phone):
    phone.call("*43")
    exchange.run(5.0)
    phone.sends_rtp = False
    nothing_left(exchange)
    assert only_cdr(exchange).ended_by == "media_timeout"


def test_an_operator_ends_it(exchange, phone):
    phone.call("*43")
    exchange.run(3.0)
    (call,) = exchange.switch.calls.values()
    assert (call.state, call.codec, call.payers.paid_seconds) == ("talking", "PCMU", None)
    exchange.switch.hang_up(call.id)
    nothing_left(exchange)
    assert only_cdr(exchange).ended_by == "operator"
    assert phone.ended


def test_nobody_is_transferred_out_of_it_or_into_it(exchange, phone):
    session = phone.call("*43")
    exchange.run(2.0)
    phone.refer(session, b"<sip:+995322000001@example.org>")
    exchange.run(2.0)
    assert phone.talking
    phone.hang_up(session)
    nothing_left(exchange)


def test_a_trunk_has_no_echo(exchange, phone):
    trunk = exchange.trunk("carrier", "203.0.113.5")
    trunk.call("*43")
    nothing_left(exchange)
    assert trunk.status == 404


def test_a_call_to_a_code_that_nothing_answers_is_404(monkeypatch):
    monkeypatch.delitem(SERVICES, "echo")
    exchange = Exchange(seed=1)
    phone = exchange.phone(exchange.line("+995322000001", exchange.account(0)), "198.51.100.1")
    phone.call("*43")
    nothing_left(exchange)
    assert phone.status == 404
    exchange.close()


def replaces(session):
    """The field by which another phone takes this leg's place."""
    held = session.dialog
    value = f"{held.call_id};to-tag={held.remote_tag};from-tag={held.local_tag}"
    return ((b"Replaces", value.encode()),)


@pytest.mark.parametrize("offers", [True, False])
def test_another_phone_of_the_line_goes_on_with_the_service(exchange, phone, offers):
    first = phone.call("*43")
    exchange.run(2.0)
    line = exchange.directory.line_by_number("+995322000001")
    page = exchange.phone(line, "198.51.100.9")
    page.register()
    exchange.run(1.0)
    second = page.call("x", **({} if offers else {"body": b""}), extra=replaces(first))
    exchange.run(5.0)
    assert (phone.talking, page.talking) == ([], [second])
    assert page.heard > 200
    page.hang_up(second)
    nothing_left(exchange)
    cdr = only_cdr(exchange)
    assert (cdr.ended_by, cdr.cause, cdr.sip_status) == ("caller", 16, 200)
    assert 7_500 < cdr.duration_ms < 8_500


@pytest.mark.parametrize("who", ["colleague", "without a codec"])
def test_nobody_else_takes_over_a_call_to_a_service(exchange, phone, who):
    first = phone.call("*43")
    exchange.run(2.0)
    line = exchange.directory.line_by_number("+995322000001")
    body = (
        sdp("198.51.100.9", 9000)
        .replace(b"RTP/AVP 0 101", b"RTP/AVP 96")
        .replace(b"rtpmap:0 PCMU", b"rtpmap:96 EVS")
    )
    if who == "colleague":
        line, body = exchange.line("+995322000002", line.account_id), None
    other = exchange.phone(line, "198.51.100.9")
    other.register()
    exchange.run(1.0)
    other.call("x", body=body, extra=replaces(first))
    exchange.run(2.0)
    assert other.status == (481 if who == "colleague" else 488)
    assert (phone.talking, other.talking) == ([first], [])
    phone.hang_up(first)
    nothing_left(exchange)
