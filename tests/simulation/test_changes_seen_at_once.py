"""A line dials the same number again: whatever was changed in between counts for the next call, so
that nothing of admission may be kept from one call to another without noticing."""

from dataclasses import replace

import pytest
from exchange import Exchange
from phones import Behaviour

from billing.facts.authorization import ReplaceTariff
from billing.facts.rate import Rate
from softswitch.subscribers.caps import Caps
from softswitch.subscribers.supplementary import Setting

A, B, ABROAD = "+995322000001", "+995322000002", "+442071838750"
ON = Setting(True)


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("995", 60_000, 1, 1), ("44", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


@pytest.fixture
def phone(exchange):
    """The phone of line A; B has one as well, and a carrier takes all other numbers."""
    lines = [exchange.line(number, exchange.account(10_000_000)) for number in (A, B)]
    phones = [exchange.phone(line, f"198.51.100.{line.id}") for line in lines]
    for one in phones:
        one.register()
        one.behaviour = Behaviour(rings=1.0)
    exchange.trunk("carrier", "203.0.113.1").behaviour = Behaviour(rings=1.0)
    exchange.run(1.0)
    return phones[0]


def dial(exchange, phone, number=ABROAD):
    """The status of a call that talks for three seconds if it is answered."""
    phone.status = None
    session = phone.call(number)
    exchange.run(4.0)
    status = phone.status
    if session in phone.talking:
        phone.hang_up(session)
    exchange.run(1.0)
    return status


def last(exchange):
    return exchange.store.cdrs()[-1]


def give(exchange, number, name, setting):
    line = exchange.directory.line_by_number(number)
    services = line.services.put(name, setting)
    exchange.directory.put_lines([replace(line, services=services)])


def test_a_changed_price(exchange, phone):
    assert (dial(exchange, phone), last(exchange).price_micros) == (200, 3_000)
    exchange.tariff(("995", 60_000, 1, 1), ("44", 120_000, 1, 1))
    assert (dial(exchange, phone), last(exchange).price_micros) == (200, 6_000)
    exchange.tariff(("995", 60_000, 1, 1))
    assert dial(exchange, phone) == 403


def test_a_price_that_begins_at_an_instant(exchange, phone):
    begins = exchange.wall_ms() + 7_000
    rates = [
        Rate("default", "44", "", 0, price, 1, 1, at, currency="GEL")
        for at, price in ((0, 60_000), (begins, 240_000))
    ]
    exchange.store.apply([ReplaceTariff("default", "GEL", rates)])
    exchange.tariffs["default"] = exchange.store.tariff("default")
    assert (dial(exchange, phone), last(exchange).price_micros) == (200, 3_000)
    exchange.run(3.0)
    assert (dial(exchange, phone), last(exchange).price_micros) == (200, 12_000)


@pytest.mark.parametrize("name", ["bar_all", "bar_international"])
def test_a_barring(exchange, phone, name):
    assert dial(exchange, phone) == 200
    give(exchange, A, name, ON)
    assert dial(exchange, phone) == 403
    give(exchange, A, name, None)
    assert dial(exchange, phone) == 200


def test_a_cap(exchange, phone):
    assert dial(exchange, phone) == 200
    exchange.directory.caps.put(Caps(1, countries=("995",)))
    assert dial(exchange, phone) == 403
    exchange.directory.caps.put(Caps(1, countries=("995", "44")))
    assert dial(exchange, phone) == 200


def test_a_suspended_account(exchange, phone):
    assert dial(exchange, phone) == 200
    exchange.directory.put_account(1, "suspended")
    assert dial(exchange, phone) == 403
    exchange.directory.put_account(1, "active")
    assert dial(exchange, phone) == 200


def test_a_trunk_that_comes_first(exchange, phone):
    assert (dial(exchange, phone), last(exchange).trunk) == (200, "carrier")
    exchange.trunk("cheap", "203.0.113.2", "44", 1).behaviour = Behaviour(rings=1.0)
    assert (dial(exchange, phone), last(exchange).trunk) == (200, "cheap")


def test_a_number_that_becomes_a_line(exchange, phone):
    number = "+995322000003"
    assert (dial(exchange, phone, number), last(exchange).direction) == (200, "outgoing")
    exchange.line(number, 2)
    assert (dial(exchange, phone, number), last(exchange).direction) == (480, "internal")


def test_a_caller_whom_the_called_line_blocks(exchange, phone):
    assert dial(exchange, phone, B) == 200
    give(exchange, B, "call_filter", Setting(True, (A,)))
    assert dial(exchange, phone, B) >= 400
    give(exchange, B, "call_filter", None)
    assert dial(exchange, phone, B) == 200


def test_a_forwarding_of_the_called_line(exchange, phone):
    assert (dial(exchange, phone, B), len(exchange.store.cdrs())) == (200, 1)
    give(exchange, B, "forward_always", Setting(True, (ABROAD,)))
    assert dial(exchange, phone, B) == 200
    assert last(exchange).called == ABROAD
