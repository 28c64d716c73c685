"""Caller ids of trunks that are not trusted, and where requests within a trunk's calls go."""

from dataclasses import replace

import pytest
from exchange import Exchange
from phones import Behaviour

from softswitch.admission.decisions import decoded

NINO, OUTSIDE = "+995322000001", "+44201234567"
PAI = (b"P-Asserted-Identity", b"<sip:+44201234567@carrier.example>")
PRIVATE = (b"Privacy", b"id")


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("on_net", 60_000, 1, 1), ("44", 240_000, 1, 1))
    yield made
    assert made.log.errors == []
    made.close()


def build(exchange, **settings):
    """Two lines' phones and a carrier."""
    made = []
    for index in (1, 2):
        line = exchange.line(f"+99532200000{index}", exchange.account(10_000_000))
        made.append(exchange.phone(line, f"198.51.100.{index}"))
        made[-1].register()
    carrier = exchange.trunk("carrier", "203.0.113.5")
    (trunk,) = exchange.directory.trunks()
    exchange.directory.set_trunks([replace(trunk, **settings)])
    exchange.run(1.0)
    return *made, carrier


def shown(exchange, carrier, phone, from_, extra=()):
    """What the called phone sees of a call from the carrier."""
    carrier.call("+995322000002", from_=from_, extra=extra)
    exchange.run(3.0)
    seen = phone.rung.incoming.request.from_.uri.user
    for session in list(carrier.talking):
        carrier.hang_up(session)
    exchange.run_until_idle()
    return seen


def sip(user: str) -> bytes:
    return f"<sip:{user}@carrier.example>".encode()


def test_a_number_of_this_switch_from_outside_is_withheld(exchange):
    _, b, carrier = build(exchange)
    assert shown(exchange, carrier, b, sip(NINO)) == "anonymous"
    last = exchange.directory.last_calls.of(2)
    assert (last.calling, last.shown, last.claimed) == (NINO, None, True)


def test_a_number_of_this_switch_is_shown_where_the_call_was_diverted(exchange):
    _, b, carrier = build(exchange)
    diverted = ((b"Diversion", b"<sip:+44201234567@carrier.example>;reason=no-answer"),)
    assert shown(exchange, carrier, b, sip(NINO), diverted) == NINO


def test_a_trusted_trunk_may_present_a_number_of_this_switch(exchange):
    _, b, carrier = build(exchange, trusted=True)
    assert shown(exchange, carrier, b, sip(NINO)) == NINO


@pytest.mark.parametrize(("caller_id", "seen"), [("numbers", "anonymous"), ("any", "reception")])
def test_a_name_is_shown_only_where_the_trunk_is_set_so(exchange, caller_id, seen):
    _, b, carrier = build(exchange, caller_id=caller_id)
    assert shown(exchange, carrier, b, sip("reception")) == seen


def test_numbers_of_other_networks_are_shown(exchange):
    _, b, carrier = build(exchange)
    assert shown(exchange, carrier, b, sip(OUTSIDE)) == OUTSIDE
    assert not exchange.directory.last_calls.of(2).claimed


def test_what_the_carrier_claims_of_a_withheld_caller_is_kept_as_a_claim(exchange):
    _, b, carrier = build(exchange)
    anonymous = b'"Anonymous" <sip:anonymous@anonymous.invalid>'
    assert shown(exchange, carrier, b, anonymous, (PAI, PRIVATE)) == "anonymous"
    last = exchange.directory.last_calls.of(2)
    assert (last.calling, last.shown, last.claimed) == (OUTSIDE, None, True)
    (cdr,) = exchange.store.cdrs()
    assert decoded(cdr.decisions).claimed  # so that an old call is marked as this one


def test_a_claim_goes_along_where_the_call_is_forwarded(exchange):
    a, _, carrier = build(exchange)
    line = exchange.directory.line(2)
    forwards = line.services.given("forward_always", (NINO,))
    exchange.directory.put_lines([replace(line, services=forwards)])
    anonymous = b'"Anonymous" <sip:anonymous@anonymous.invalid>'
    carrier.call("+995322000002", from_=anonymous, extra=(PAI, PRIVATE))
    exchange.run(3.0)
    assert len(a.talking) == 1
    last = exchange.directory.last_calls.of(1)
    assert (last.calling, last.shown, last.claimed) == (OUTSIDE, None, True)


# Contacts


@pytest.mark.parametrize(
    ("contact", "reached"), [("auto", True), ("source", True), ("contact", False)]
)
def test_a_trunk_behind_nat_is_reached_where_its_answers_come_from(exchange, contact, reached):
    a, _, carrier = build(exchange, contact=contact)
    carrier.agent.stack._sent_by = lambda flow: ("10.0.0.5", 5060)  # what its Contact says
    session = a.call(OUTSIDE)
    exchange.run(4.0)
    a.hang_up(session)
    exchange.run(2.0)
    assert bool(carrier.ended) is reached


def test_an_offer_that_cant_be_delivered_fails_and_the_call_goes_on(exchange):
    a, _, carrier = build(exchange)
    carrier.behaviour = Behaviour(talks=None)
    session = a.call(OUTSIDE)
    exchange.run(4.0)
    exchange.wire.drops = lambda data, source, target: (
        target == carrier.address and data.startswith(b"INVITE ")
    )
    a.hold(session)
    exchange.run(40.0)
    assert "ReinviteRefused" in a.events
    assert len(a.talking) == len(carrier.talking) == 1
    exchange.wire.drops = lambda data, source, target: False
    a.hang_up(session)
    exchange.run_until_idle()
    assert not carrier.talking


# Emergency


def test_urn_service_sos_is_an_emergency_call(exchange):
    a, _, carrier = build(exchange)
    session = a.call("112", target=b"urn:service:sos")
    exchange.run(4.0)
    assert a.status == 200 and carrier.rung.incoming.request.uri.user == "112"
    a.hang_up(session)
    exchange.run_until_idle()
    (cdr,) = exchange.store.cdrs()
    assert (cdr.called, cdr.price_micros) == ("112", 0)
