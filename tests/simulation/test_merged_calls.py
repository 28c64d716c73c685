"""Conferences of a line's own calls (A6, A7, A8): parallel calls, and handing them to the focus."""

import re

import pytest
from exchange import Exchange
from lamp import Lamp
from recordings import recorded

from billing.facts.calendar import Term
from billing.facts.product import Product
from billing.facts.sales import DefineProduct
from sip.offer_answer import media_target
from sip.sdp import SessionDescription

LARI = 1_000_000
CONFERENCE = Product(
    "conference", "GEL", LARI, Term.parse("30 days"), service="conference", renewable=False
)
UNLIMITED = Product("unlimited", "GEL", 5 * LARI, Term.parse("30 days"), scope=("all",))
FOCUS = b"<sip:*87@example.org>"
STRICT = '[conference]\nparallel_calls = "service"\n'


@pytest.fixture
def exchange(tmp_path):
    made = Exchange(seed=1, prompts=recorded(tmp_path, "en"), config=STRICT)
    made.tariff(("995", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def build(exchange, count, *, buys=True, on_sale=True):
    """Phones of as many lines; the first one's has the service."""
    phones = []
    for index in range(1, count + 1):
        number = f"+99532200000{index}"
        line = exchange.line(number, exchange.account(10 * LARI), language="en")
        phone = exchange.phone(line, f"198.51.100.{index}")
        phone.register()
        phones.append(phone)
    exchange.run(1.0)
    if on_sale:
        exchange.store.apply([DefineProduct(CONFERENCE)])
    if on_sale and buys:
        exchange.package(CONFERENCE, 1, 86_400)
    return phones


def call(exchange, owner, index):
    session = owner.call(f"+99532200000{index}")
    exchange.run(3.0)
    return session


def said(exchange):
    return [token for _, tokens in exchange.log.announcements for token in tokens.split()]


def members(exchange):
    (conference,) = exchange.switch.hall.conferences
    return [member.legs.identity(member.side).asserted for member in conference.members]


def nothing_left(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert len(exchange.switch.hall) == 0


def named(field, session):
    dialog = session.dialog
    value = f"{dialog.call_id};to-tag={dialog.remote_tag};from-tag={dialog.local_tag}"
    return ((field, value.encode()),)


# Parallel calls


def test_a7_without_the_service_the_second_parallel_call_is_refused_aloud(exchange):
    owner, b, c = build(exchange, 3, buys=False)
    first = call(exchange, owner, 2)
    owner.call("+995322000003")
    exchange.run(10.0)
    assert owner.status == 403 and not c.talking and len(b.talking) == 1
    assert said(exchange) == ["conf-service-needed"]
    owner.hang_up(first)
    nothing_left(exchange)
    assert sorted(cdr.sip_status for cdr in exchange.store.cdrs()) == [200, 403]


def test_a7_by_default_a_second_call_needs_no_service_as_for_consulting_before_a_transfer(
    exchange,
):
    hall = exchange.switch.hall
    hall.settings = hall.settings.model_copy(update={"parallel_calls": "free"})
    owner, b, c = build(exchange, 3, buys=False)
    for index in (2, 3):
        call(exchange, owner, index)
    assert len(owner.talking) == 2 and b.talking and c.talking
    for session in list(owner.talking):
        owner.hang_up(session)
    nothing_left(exchange)


def test_a7_one_after_the_other_needs_no_service(exchange):
    owner, *_ = build(exchange, 3, buys=False)
    for index in (2, 3):
        owner.hang_up(call(exchange, owner, index))
        exchange.run(1.0)
    nothing_left(exchange)
    assert [cdr.sip_status for cdr in exchange.store.cdrs()] == [200, 200]


def test_a7_incoming_calls_and_emergencies_are_no_parallel_outgoing_ones(exchange):
    owner, b, c = build(exchange, 3, buys=False)
    exchange.trunk("carrier", "203.0.113.5")
    call(exchange, b, 1)
    session = call(exchange, owner, 3)
    assert len(c.talking) == 1
    emergency = owner.call("112")
    exchange.run(3.0)
    assert owner.status == 200
    for one in (emergency, session):
        owner.hang_up(one)
    b.hang_up(b.talking[0])
    nothing_left(exchange)


def test_a7_where_the_service_is_not_sold_parallel_calls_are_free(exchange):
    owner, *others = build(exchange, 5, on_sale=False)
    sessions = [call(exchange, owner, index) for index in range(2, 6)]
    assert all(other.talking for other in others)
    for session in sessions:
        owner.hang_up(session)
    nothing_left(exchange)


@pytest.mark.parametrize("on_sale", [True, False])
def test_a8_four_outgoing_calls_are_the_limit_without_the_service_too(exchange, on_sale):
    hall = exchange.switch.hall
    hall.settings = hall.settings.model_copy(update={"parallel_calls": "free"})
    owner, *others = build(exchange, 6, buys=False, on_sale=on_sale)
    sessions = [call(exchange, owner, index) for index in range(2, 6)]
    owner.call("+995322000006")
    exchange.run(8.0)
    assert owner.status == 480 and not others[4].talking
    for session in sessions:
        owner.hang_up(session)
    nothing_left(exchange)


def test_a8_a_line_has_four_outgoing_calls_at_most(exchange):
    owner, *others = build(exchange, 6)
    sessions = [call(exchange, owner, index) for index in range(2, 6)]
    owner.call("+995322000006")
    exchange.run(8.0)
    assert owner.status == 480 and not others[4].talking
    assert said(exchange) == ["refused-too-many-calls"]
    for session in sessions:
        owner.hang_up(session)
    nothing_left(exchange)


# The focus


def test_a7_calls_are_merged_by_refer_to_the_focus(exchange):
    owner, b, c = build(exchange, 3)
    calls = [call(exchange, owner, 2), call(exchange, owner, 3)]
    for session in calls:
        owner.hold(session)
        exchange.run(1.0)
    focus = owner.call("*87")
    exchange.run(5.0)
    assert focus.dialog.remote_target.startswith(b"sip:*87@")
    for session in calls:
        owner.refer(session, FOCUS)
        exchange.run(2.0)
    assert {status for _, status in owner.told if status >= 200} == {200}
    assert members(exchange) == ["+995322000001", "+995322000002", "+995322000003"]
    assert len(owner.talking) == 1 and len(b.talking) == len(c.talking) == 1
    for person in (b, c):
        offered = media_target(SessionDescription.parse(person.talking[0].remote_description))
        assert offered.direction == "sendrecv"
    before = [person.heard for person in (owner, b, c)]
    exchange.run(2.0)
    for person, heard in zip((owner, b, c), before, strict=True):
        assert person.heard - heard > 90
    owner.hang_up(focus)
    exchange.run(5.0)
    assert not (owner.talking or b.talking or c.talking)
    nothing_left(exchange)
    cdrs = {cdr.called: cdr for cdr in exchange.store.cdrs()}
    assert cdrs["*87"].price_micros == 0
    for number in ("+995322000002", "+995322000003"):
        assert cdrs[number].account == 1 and cdrs[number].price_micros > 0


@pytest.mark.parametrize("field", [b"Join", b"Replaces"])
def test_a7_an_invite_to_the_focus_brings_the_other_along(exchange, field):
    owner, b, c = build(exchange, 3)
    first, second = call(exchange, owner, 2), call(exchange, owner, 3)
    focus = owner.call("*87", extra=named(field, first))
    exchange.run(6.0)
    assert members(exchange) == ["+995322000002", "+995322000001"]
    owner.refer(second, FOCUS)
    exchange.run(3.0)
    assert len(members(exchange)) == 3 and len(owner.talking) == 1
    c.hang_up(c.talking[0])
    exchange.run(2.0)
    assert len(members(exchange)) == 2
    owner.hang_up(focus)
    nothing_left(exchange)
    assert not b.talking


def test_a7_the_focus_needs_the_service(exchange):
    owner, b = build(exchange, 2, buys=False)
    session = call(exchange, owner, 2)
    owner.refer(session, FOCUS)
    exchange.run(4.0)
    assert [status for _, status in owner.told if status >= 200] == [403]
    assert len(owner.talking) == len(b.talking) == 1
    owner.hang_up(session)
    owner.call("*87")
    nothing_left(exchange)
    assert said(exchange) == ["conf-service-needed", "conf-service-needed"]


def test_a8_a_sixth_is_refused_aloud_and_talks_on(exchange):
    owner, *_ = build(exchange, 6)
    incoming = exchange.phones[5]
    calls = [call(exchange, owner, index) for index in range(2, 6)]
    focus = owner.call("*87")
    exchange.run(5.0)
    for session in calls:
        owner.refer(session, FOCUS)
        exchange.run(2.0)
    assert len(members(exchange)) == 5
    call(exchange, incoming, 1)
    (sixth,) = (one for one in owner.talking if one is not focus)
    owner.refer(sixth, FOCUS)
    exchange.run(5.0)
    assert owner.told[-1][1] == 486 and said(exchange)[-1] == "conf-full"
    assert len(members(exchange)) == 5 and incoming.talking
    owner.hang_up(sixth)
    owner.hang_up(focus)
    nothing_left(exchange)


def test_a6_with_an_unlimited_package_the_legs_cost_nothing(exchange):
    owner, b, c = build(exchange, 3)
    exchange.package(UNLIMITED, 1, 86_400)
    exchange.reload([1])
    balance = exchange.store.account(1).balance_micros
    calls = [call(exchange, owner, 2), call(exchange, owner, 3)]
    focus = owner.call("*87")
    exchange.run(5.0)
    for session in calls:
        owner.refer(session, FOCUS)
        exchange.run(2.0)
    exchange.run(60.0)
    assert len(members(exchange)) == 3 and b.talking and c.talking
    owner.hang_up(focus)
    nothing_left(exchange)
    assert exchange.store.account(1).balance_micros == balance
    assert {cdr.price_micros for cdr in exchange.store.cdrs()} == {0}


def test_a_member_may_hold_and_come_back(exchange):
    owner, b = build(exchange, 2)
    session = call(exchange, owner, 2)
    focus = owner.call("*87")
    exchange.run(5.0)
    owner.refer(session, FOCUS)
    exchange.run(3.0)
    b.hold(b.talking[0])
    exchange.run(2.0)
    before = b.heard
    exchange.run(2.0)
    assert b.heard - before < 5
    b.hold(b.talking[0], "sendrecv")
    exchange.run(2.0)
    assert b.heard - before > 50
    owner.hang_up(focus)
    nothing_left(exchange)


@pytest.mark.parametrize("whose", ["stranger", "nobody"])
def test_nobody_brings_another_lines_call_along(exchange, whose):
    owner, b, c = build(exchange, 3)
    exchange.package(CONFERENCE, 3, 86_400)
    session = call(exchange, owner, 2)
    extra = named(b"Join", session)
    if whose == "nobody":
        extra = ((b"Join", b"no-such-call;to-tag=a;from-tag=b"),)
    c.call("*87", extra=extra)
    exchange.run(3.0)
    assert c.status == (403 if whose == "stranger" else 481)
    assert len(owner.talking) == len(b.talking) == 1
    owner.hang_up(session)
    nothing_left(exchange)


def test_a_join_that_is_not_for_the_focus_is_refused(exchange):
    owner, *_ = build(exchange, 3)
    session = call(exchange, owner, 2)
    owner.call("+995322000003", extra=named(b"Join", session))
    exchange.run(3.0)
    assert owner.status == 481
    owner.hang_up(session)
    nothing_left(exchange)


def test_an_operators_end_of_a_members_call_takes_him_out(exchange):
    owner, b = build(exchange, 2)
    session = call(exchange, owner, 2)
    focus = owner.call("*87")
    exchange.run(5.0)
    owner.refer(session, FOCUS)
    exchange.run(3.0)
    (of_b,) = (one for one in exchange.switch.calls.values() if one.record.called != "*87")
    exchange.switch.hang_up(of_b.id)
    exchange.run(2.0)
    assert members(exchange) == ["+995322000001"] and not b.talking
    owner.hang_up(focus)
    nothing_left(exchange)


# The conference package (RFC 4575)


def watch(exchange, login="995322000001", target="*87"):
    lamp = Lamp(exchange, login, ("198.51.100.1", 6000))
    assert lamp.subscribe("conference", target) == 200
    return lamp


def shown(lamp):
    """The users of the newest document, and whether they are heard."""
    user = r'<user entity="sip:([^@"]*)@[^>]*>.*?<type>audio</type><status>(\w+)</status>'
    return re.findall(user, lamp.seen[-1])


def test_the_owner_watches_who_comes_and_leaves(exchange):
    owner, b, _ = build(exchange, 3)
    lamp = watch(exchange)
    assert shown(lamp) == [] and "<active>false</active>" in lamp.seen[-1]
    session = call(exchange, owner, 2)
    focus = owner.call("*87")
    exchange.run(8.0)
    assert shown(lamp) == [("+995322000001", "sendrecv")]
    owner.refer(session, FOCUS)
    exchange.run(8.0)
    assert shown(lamp) == [("+995322000001", "sendrecv"), ("+995322000002", "sendrecv")]
    assert "<maximum-user-count>5</maximum-user-count>" in lamp.seen[-1]
    for key in "*6":
        body = f"Signal={key}\r\n".encode()
        focus.info(b"application/dtmf-relay", body, owner.now)
        owner.endpoint.drain()
        exchange.run(0.3)
    exchange.run(8.0)
    assert shown(lamp)[0] == ("+995322000001", "recvonly")
    b.hang_up(b.talking[0])
    exchange.run(8.0)
    assert len(shown(lamp)) == 1
    owner.hang_up(focus)
    exchange.run(8.0)
    assert shown(lamp) == []
    assert {event.partition(";")[0] for event in lamp.events} == {"conference"}
    nothing_left(exchange)


def test_another_lines_focus_shows_ones_own_conference_only(exchange):
    owner, *_ = build(exchange, 3)
    lamp = watch(exchange, "995322000003")
    focus = owner.call("*87")
    exchange.run(10.0)
    assert all("<user-count>0</user-count>" in body for body in lamp.seen)
    other = Lamp(exchange, "995322000003", ("198.51.100.3", 6002))
    assert other.subscribe("conference", "+995322000001") == 404
    owner.hang_up(focus)
    nothing_left(exchange)
