"""Packages in calls through a whole switch, with literal seconds (A3, A9, A22)."""

from dataclasses import replace

import pytest
from exchange import Exchange
from phones import Behaviour

from billing.facts.calendar import Term
from billing.facts.product import Destinations, Product

LARI = 1_000_000
UNLIMITED = Product("georgia", "GEL", LARI, Term(30, "days"), ("georgia",))
MINUTES = replace(UNLIMITED, name="minutes", free_seconds=90)


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("995", 60_000, 1, 1))
    made.entitlements.destinations = Destinations({"georgia": ["995"]})
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def caller(exchange, balance):
    account = exchange.account(balance)
    phone = exchange.phone(exchange.line("+995322000001", account), "198.51.100.1")
    phone.register()
    carrier = exchange.trunk("carrier", "203.0.113.1")
    carrier.behaviour = Behaviour(rings=2.0)
    exchange.run(1.0)
    return account, phone


def ended(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    (cdr,) = exchange.store.cdrs()
    return cdr


def test_A22_a_call_under_it_lasts_at_zero_balance_and_costs_nothing(exchange):
    account, phone = caller(exchange, LARI)
    exchange.package(UNLIMITED, account, 86_400)
    assert exchange.store.account(account).balance_micros == 0
    session = phone.call("0577123456")
    exchange.run(600.0)
    phone.hang_up(session)
    cdr = ended(exchange)
    assert (cdr.price_micros, cdr.package, cdr.ended_by) == (0, "georgia", "caller")
    assert cdr.duration_ms > 590_000


@pytest.mark.parametrize("unlimited", [True, False])
def test_A6_calls_of_a_conference_cost_nothing_extra_with_an_unlimited_package(exchange, unlimited):
    account, phone = caller(exchange, 3 * LARI)
    if unlimited:
        exchange.package(UNLIMITED, account, 86_400)
    sessions = []
    for number in ("0577123456", "0577123457"):  # the second while the first goes on
        sessions.append(phone.call(number))
        exchange.run(20.0)
    for session in sessions:
        phone.hang_up(session)
    exchange.run_until_idle()
    first, second = exchange.store.cdrs()
    assert first.ended_at > second.answered_at
    assert all((cdr.price_micros == 0) is unlimited for cdr in (first, second))
    assert {cdr.package for cdr in (first, second)} == ({"georgia"} if unlimited else {None})


def test_after_the_last_free_second_money_pays_to_its_own_last_second(exchange):
    account, phone = caller(exchange, LARI + 30_000)
    exchange.package(MINUTES, account, 86_400)
    phone.call("0577123456")
    exchange.run(200.0)
    cdr = ended(exchange)
    assert (cdr.ended_by, cdr.duration_ms) == ("credit", 120_000)
    assert (cdr.price_micros, cdr.package, cdr.billed_seconds) == (30_000, "minutes", 120)


def test_when_the_term_ends_in_mid_call_the_tariff_goes_on_from_that_instant(exchange):
    account, phone = caller(exchange, 2 * LARI)
    ends_at = exchange.package(UNLIMITED, account, 100.0).ends_at
    session = phone.call("0577123456")
    exchange.run(200.0)
    phone.hang_up(session)
    cdr = ended(exchange)
    seconds_after = -(-(cdr.answered_at + cdr.duration_ms - ends_at) // 1000)
    assert cdr.price_micros == seconds_after * 1000 > 90_000
    assert cdr.package == "georgia"


def test_a_term_that_ends_while_it_rings_and_no_money_end_the_call_at_the_answer(exchange):
    account, phone = caller(exchange, LARI)
    exchange.package(UNLIMITED, account, 1.5)
    phone.call("0577123456")
    exchange.run(30.0)
    cdr = ended(exchange)
    assert (cdr.ended_by, cdr.price_micros, cdr.duration_ms) == ("credit", 0, 0)


def test_A9_a_call_over_a_renewal_stays_free(exchange):
    account, phone = caller(exchange, 2 * LARI)
    exchange.package(UNLIMITED, account, 30.0, auto_renew=True)
    session = phone.call("0577123456")
    exchange.run(300.0)
    phone.hang_up(session)
    cdr = ended(exchange)
    assert (cdr.price_micros, cdr.package) == (0, "georgia")
    assert exchange.store.account(account).balance_micros == 0


def test_a_top_up_in_mid_call_carries_it_beyond_the_package(exchange):
    from billing.facts.authorization import TopUp

    account, phone = caller(exchange, LARI)
    exchange.package(MINUTES, account, 86_400)
    session = phone.call("0577123456")
    exchange.run(80.0)
    exchange.money.submit(TopUp(account, LARI, "rescue", exchange.wall_ms()))
    exchange.run(60.0)
    phone.hang_up(session)
    cdr = ended(exchange)
    assert cdr.ended_by == "caller"
    assert cdr.price_micros == (cdr.billed_seconds - 90) * 1000 > 0
