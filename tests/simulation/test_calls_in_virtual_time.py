"""Calls through a whole switch, with literal seconds."""

import pytest
from exchange import EPOCH_MS, Exchange
from phones import Behaviour

from billing.facts.cdr import Cdr


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("995", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def two_phones(exchange, balance=10_000_000):
    lines = [exchange.line(f"+99532200000{i}", exchange.account(balance)) for i in (1, 2)]
    a, b = (exchange.phone(line, f"198.51.100.{line.id}") for line in lines)
    for phone in (a, b):
        phone.register()
    exchange.run(1.0)
    assert a.registered == b.registered == 200
    return a, b


def only_cdr(exchange) -> Cdr:
    (cdr,) = exchange.store.cdrs()
    return cdr


def nothing_left(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)


def test_a_call_is_answered_talks_is_billed_and_leaves_nothing(exchange):
    a, b = two_phones(exchange)
    b.behaviour = Behaviour(rings=3.0)
    session = a.call("+995322000002")
    exchange.run(65.0)
    assert len(a.talking) == len(b.talking) == 1
    a.hang_up(session)
    nothing_left(exchange)
    cdr = only_cdr(exchange)
    assert (cdr.direction, cdr.type, cdr.ended_by, cdr.cause) == (
        "internal",
        "on_net",
        "caller",
        16,
    )
    assert 61_500 < cdr.duration_ms < 62_000
    assert (cdr.billed_seconds, cdr.price_micros) == (62, 62_000)
    assert cdr.answered_at - cdr.setup_at == pytest.approx(3050, abs=40)
    assert cdr.media.caller.packets > 10 and cdr.media.callee.packets > 10
    assert exchange.store.account(1).balance_micros == 10_000_000 - 62_000


@pytest.mark.parametrize(
    ("answer", "status", "cause"), [(486, 486, 17), (603, 603, 21), (480, 480, 18), (404, 404, 1)]
)
def test_a_refusal_of_the_called_phone_reaches_the_caller(exchange, answer, status, cause):
    a, b = two_phones(exchange)
    b.behaviour = Behaviour(answer=answer)
    a.call("+995322000002")
    nothing_left(exchange)
    cdr = only_cdr(exchange)
    assert a.status == status
    assert (cdr.sip_status, cdr.cause, cdr.ended_by) == (status, cause, "callee")
    assert (cdr.answered_at, cdr.price_micros) == (None, 0)


def test_nobody_answers(exchange):
    a, b = two_phones(exchange)
    b.behaviour = Behaviour(answer=0)
    a.call("+995322000002")
    exchange.run(59.0)
    assert a.status is None
    exchange.run(2.0)
    assert a.status == 480
    nothing_left(exchange)
    cdr = only_cdr(exchange)
    assert (cdr.sip_status, cdr.cause, cdr.ended_by) == (480, 19, "timer")
    assert "Cancelled" in b.events


def test_the_caller_gives_up(exchange):
    a, b = two_phones(exchange)
    b.behaviour = Behaviour(answer=0)
    session = a.call("+995322000002")
    exchange.run(5.0)
    session.cancel(a.now)
    a.endpoint.drain()
    nothing_left(exchange)
    cdr = only_cdr(exchange)
    assert (cdr.sip_status, cdr.cause, cdr.ended_by) == (487, 16, "caller")


def test_a_line_that_is_not_registered(exchange):
    a, _ = two_phones(exchange)
    exchange.line("+995322000009", exchange.account(0))
    a.call("+995322000009")
    nothing_left(exchange)
    assert a.status == 480
    assert only_cdr(exchange).cause == 20


def test_a_phone_that_is_gone_though_registered(exchange):
    a, b = two_phones(exchange)
    exchange.wire.detach(b.address)
    a.call("+995322000002")
    exchange.run(40.0)
    assert a.status == 480
    assert only_cdr(exchange).cause == 18


def test_all_phones_of_a_line_ring_and_the_losers_are_told_why(exchange):
    a, b = two_phones(exchange)
    line = exchange.directory.line_by_number("+995322000002")
    other = exchange.phone(line, "198.51.100.77")
    other.register()
    exchange.run(1.0)
    b.behaviour, other.behaviour = Behaviour(rings=9.0), Behaviour(rings=2.0, talks=10.0)
    exchange.wire.log = []
    a.call("+995322000002")
    nothing_left(exchange)
    assert "Cancelled" in b.events and "Acknowledged" in other.events
    cancels = [
        data for _, _, to, data in exchange.wire.log if data[:6] == b"CANCEL" and to == b.address
    ]
    assert b'Reason: SIP;cause=200;text="Call completed elsewhere"' in cancels[0]
    assert only_cdr(exchange).ended_by == "callee"


def test_the_paid_second_ends_the_call_exactly(exchange):
    a, _ = two_phones(exchange, balance=90_000)
    a.call("+995322000002")
    exchange.run(200.0)
    nothing_left(exchange)
    cdr = only_cdr(exchange)
    assert (cdr.ended_by, cdr.duration_ms, cdr.price_micros) == ("credit", 90_000, 90_000)
    assert exchange.store.account(1).balance_micros == 0
    assert a.ended[0] - (cdr.answered_at - EPOCH_MS) / 1000 - 1000 == pytest.approx(90.0, abs=0.1)


def test_a_top_up_during_the_last_seconds_goes_on(exchange):
    from billing.facts.authorization import TopUp

    a, b = two_phones(exchange, balance=90_000)
    session = a.call("+995322000002")
    exchange.run(85.0)
    exchange.money.submit(TopUp(1, 60_000, "more", 0))
    exchange.run(60.0)
    assert len(b.talking) == 1
    a.hang_up(session)
    nothing_left(exchange)
    assert only_cdr(exchange).ended_by == "caller"


def test_no_money_no_ringing(exchange):
    a, b = two_phones(exchange, balance=0)
    a.call("+995322000002")
    nothing_left(exchange)
    assert a.status == 402
    assert "Received" not in b.events
    assert only_cdr(exchange).sip_status == 402


def test_a_call_without_sound_is_ended_and_billed_to_its_last_packet(exchange):
    a, b = two_phones(exchange)
    b.sends_rtp = False
    a.call("+995322000002")
    exchange.run(22.0)
    a.sends_rtp = False
    exchange.run(100.0)
    nothing_left(exchange)
    cdr = only_cdr(exchange)
    assert cdr.ended_by == "media_timeout"
    assert 15_000 <= cdr.duration_ms <= 22_000
    assert cdr.billed_seconds == -(-cdr.duration_ms // 1000)


def test_the_longest_call(exchange):
    account = exchange.account(10**12)
    two_phones(exchange)
    line = exchange.line("+995322000005", account)
    rich = exchange.phone(line, "198.51.100.5")
    rich.register()
    exchange.run(1.0)
    rich.call("+995322000002")
    exchange.run(14_500.0)
    nothing_left(exchange)
    cdr = only_cdr(exchange)
    assert (cdr.ended_by, cdr.duration_ms) == ("timer", 14_400_000)


def test_trunk_failover_stops_at_the_called_persons_answer(exchange):
    exchange.tariff(("44", 60_000, 60, 60))
    a, _ = two_phones(exchange)
    first = exchange.trunk("first", "203.0.113.1", "44", 1)
    second = exchange.trunk("second", "203.0.113.2", "44", 2)
    third = exchange.trunk("third", "203.0.113.3", "44", 3)
    first.behaviour = Behaviour(rings=0.1, answer=503)
    second.behaviour = Behaviour(rings=0.1, answer=486)
    a.call("00442012345678")
    nothing_left(exchange)
    assert a.status == 486
    assert "Received" in second.events and "Received" not in third.events
    cdr = only_cdr(exchange)
    assert (cdr.trunk, cdr.direction, cdr.type) == ("second", "outgoing", "international")


def test_a_silent_trunk_is_left_after_five_seconds(exchange):
    exchange.tariff(("44", 60_000, 60, 60))
    a, _ = two_phones(exchange)
    first = exchange.trunk("first", "203.0.113.1", "44", 1)
    second = exchange.trunk("second", "203.0.113.2", "44", 2)
    exchange.wire.detach(first.address)
    second.behaviour = Behaviour(rings=1.0, talks=5.0)
    a.call("00442012345678")
    exchange.run(5.5)
    assert "Received" in second.events
    nothing_left(exchange)
    assert only_cdr(exchange).trunk == "second"


def test_emergency_calls_pass_at_zero_balance_and_cost_nothing(exchange):
    a, _ = two_phones(exchange, balance=0)
    exchange.trunk("only", "203.0.113.1", "44").behaviour = Behaviour(talks=30.0)
    a.call("112")
    nothing_left(exchange)
    cdr = only_cdr(exchange)
    assert (cdr.called, cdr.type, cdr.price_micros, cdr.sip_status) == ("112", "special", 0, 200)


def test_a_call_from_a_trunk_reaches_a_line_and_costs_it_nothing(exchange):
    _, b = two_phones(exchange, balance=0)
    trunk = exchange.trunk("gateway", "203.0.113.1")
    b.behaviour = Behaviour(talks=10.0)
    trunk.call("+995322000002")
    nothing_left(exchange)
    cdr = only_cdr(exchange)
    assert (cdr.direction, cdr.line, cdr.trunk) == ("incoming", "+995322000002", "gateway")
    assert cdr.price_micros == 0


def test_hold_and_resume_in_both_directions(exchange):
    a, b = two_phones(exchange)
    session = a.call("+995322000002")
    exchange.run(3.0)
    for phone in (a, b):
        held = phone.talking[0]
        phone.hold(held, "sendonly")
        exchange.run(2.0)
        phone.hold(held, "sendrecv")
        exchange.run(2.0)
    assert a.events.count("Reinvited") == b.events.count("Reinvited") == 2
    assert a.events.count("ReinviteAnswered") == b.events.count("ReinviteAnswered") == 2
    a.hang_up(session)
    nothing_left(exchange)


def test_an_invite_without_an_offer(exchange):
    a, b = two_phones(exchange)
    b.behaviour = Behaviour(talks=20.0)
    a.call("+995322000002", body=b"")
    exchange.run(15.0)
    assert a.heard > 1 and b.heard > 1
    nothing_left(exchange)
    assert only_cdr(exchange).sip_status == 200


def test_a_hold_right_after_the_answer_waits_for_the_callers_ack(exchange):
    a, b = two_phones(exchange)
    exchange.wire.delay = (0.05, 0.05)
    session = a.call("+995322000002")
    while not b.talking:
        exchange.run(0.01)
    b.hold(b.talking[0])  # the caller's phone gets its 200 only now
    exchange.run(2.0)
    assert "Reinvited" in a.events and "ReinviteAnswered" in b.events
    assert "ReinviteRefused" not in b.events
    a.hang_up(session)
    nothing_left(exchange)
