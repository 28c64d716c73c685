"""Calls that come into another interval of the tariff while they ring or talk."""

from datetime import UTC, datetime, timedelta

import pytest
from exchange import EPOCH_MS, Exchange
from msgspec import structs
from phones import Behaviour

from billing.facts.assignment import Assignment
from billing.facts.authorization import ReplaceTariff
from billing.facts.intervals import Interval
from billing.facts.rate import Rate
from billing.facts.tariff import Terms

NUMBER = "00442012345678"
BEGINS = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=EPOCH_MS)
DAY = Rate("default", "44", "UK", 0, 60_000_000, 1, 1, currency="GEL")  # a lari a second


@pytest.fixture
def exchange():
    """The night, at half the price, begins a minute after the switch did."""
    made = Exchange(seed=1)
    dusk = (BEGINS + timedelta(minutes=1)).replace(second=0, microsecond=0)
    made.dusk_ms = round(dusk.timestamp() * 1000)
    night = Interval.parse(f"night mon-sun {dusk:%H:%M}-{dusk + timedelta(hours=1):%H:%M}")
    rates = [DAY, structs.replace(DAY, per_minute_micros=30_000_000, interval="night")]
    made.store.apply([ReplaceTariff("default", "GEL", rates, Terms("UTC", (night,)))])
    made.tariffs["default"] = made.store.tariff("default")
    made.gateway = made.trunk("carrier", "203.0.113.1", "44", 1)
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def talk(exchange, balance, begins_before_dusk, rings, talks):
    """Dial so many seconds before dusk; the record."""
    line = exchange.line("+995322000001", exchange.account(balance))
    phone = exchange.phone(line, "198.51.100.1")
    phone.register()
    exchange.run((exchange.dusk_ms - exchange.wall_ms()) / 1000 - begins_before_dusk)
    exchange.gateway.behaviour = Behaviour(rings=rings, talks=talks)
    phone.call(NUMBER)
    exchange.run_until_idle()
    (cdr,) = exchange.store.cdrs()
    return cdr


def price_by_hand(exchange, cdr):
    """Each millisecond of the billed time at the price of its interval."""
    end = cdr.answered_at + cdr.billed_seconds * 1000
    day = max(0, min(exchange.dusk_ms, end) - cdr.answered_at)
    night = end - max(exchange.dusk_ms, cdr.answered_at)
    return (day * 60_000_000 + night * 30_000_000 + 30_000) // 60_000


def test_a_call_that_talks_into_the_night_is_charged_by_parts(exchange):
    cdr = talk(exchange, 10**9, 10.0, 2.0, 20.5)
    assert cdr.answered_at < exchange.dusk_ms < cdr.ended_at
    assert cdr.price_micros == price_by_hand(exchange, cdr)
    assert 14 * 500_000 < cdr.price_micros < 21 * 1_000_000


def test_the_balance_lasts_longer_in_the_night_and_cuts_at_the_paid_second(exchange):
    cdr = talk(exchange, 20_000_000, 12.0, 2.0, None)
    assert cdr.ended_by == "credit"
    assert cdr.duration_ms % 1000 == 0
    # About ten seconds of the day take ten of the twenty laris, the rest lasts twice as long.
    assert cdr.duration_ms // 1000 in range(29, 32)
    assert cdr.price_micros == price_by_hand(exchange, cdr) <= 20_000_000
    account = exchange.store.account(cdr.account)
    assert account.balance_micros < 500_000 and account.reserved_micros == 0


def test_a_call_that_rings_into_the_night_pays_the_night_alone(exchange):
    cdr = talk(exchange, 10**9, 5.0, 15.0, 9.5)
    assert cdr.answered_at > exchange.dusk_ms
    assert cdr.price_micros == cdr.billed_seconds * 500_000


def test_a_line_has_another_tariff_from_a_day_on(exchange):
    fresh = structs.replace(DAY, tariff="fresh", per_minute_micros=6_000_000)
    exchange.store.apply([ReplaceTariff("fresh", "GEL", [fresh])])
    exchange.tariffs["fresh"] = exchange.store.tariff("fresh")
    later = Assignment(1, "+995322000001", "fresh", exchange.dusk_ms)
    exchange.assignments.put([later])
    assert exchange.assignments.tariff_of(1, "+995322000001", exchange.dusk_ms - 1) == "default"
    assert exchange.assignments.tariff_of(1, "+995322000002", exchange.dusk_ms) == "default"
    cdr = talk(exchange, 10**9, -5.0, 1.0, 9.5)
    assert (cdr.tariff, cdr.price_micros) == ("fresh", cdr.billed_seconds * 100_000)
