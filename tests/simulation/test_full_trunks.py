"""Trunks with as many calls as they may have."""

from dataclasses import replace

import pytest
from exchange import Exchange
from phones import Behaviour

FIRST, SECOND = "+995322000001", "+995322000002"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("44", 60_000, 1, 1))
    yield made
    made.run_until_idle()
    assert made.log.errors == []
    made.close()


@pytest.fixture
def phones(exchange):
    made = []
    for number, host in ((FIRST, "198.51.100.1"), (SECOND, "198.51.100.2")):
        phone = exchange.phone(exchange.line(number, exchange.account(1_000_000)), host)
        phone.register()
        made.append(phone)
    exchange.run(1)
    return made


def carriers(exchange, **most):
    """Trunks by name with their max_calls, in the order in which they are tried."""
    made = {}
    for place, name in enumerate(most, 1):
        made[name] = exchange.trunk(name, f"203.0.113.{place}", "44", place)
        made[name].behaviour = Behaviour(0.5)
    exchange.directory.set_trunks(
        replace(trunk, max_calls=most[trunk.name]) for trunk in exchange.directory.trunks()
    )
    return made


def call(exchange, phone):
    session = phone.call("0044201234567")
    exchange.run(3)
    return session


def test_the_next_trunk_takes_what_a_full_one_can_not(exchange, phones):
    made = carriers(exchange, cheap=1, dear=None)
    sessions = [call(exchange, phone) for phone in phones]
    assert [len(trunk.talking) for trunk in made.values()] == [1, 1]
    for phone, session in zip(phones, sessions, strict=True):
        phone.hang_up(session)
    exchange.run(2)
    assert [cdr.trunk for cdr in exchange.cdrs] == ["cheap", "dear"]


def test_when_all_are_full_the_call_is_refused_until_one_is_free(exchange, phones):
    carriers(exchange, only=1)
    first, second = phones
    session = call(exchange, first)
    call(exchange, second)
    assert second.status == 503
    first.hang_up(session)
    exchange.run(1)
    assert exchange.cdrs[0].cause == 34
    session = call(exchange, second)
    assert second.status == 200
    second.hang_up(session)


def test_an_emergency_call_goes_out_by_a_full_trunk(exchange, phones):
    made = carriers(exchange, only=1)
    first, second = phones
    session = call(exchange, first)
    emergency = second.call("112")
    exchange.run(3)
    assert second.status == 200 and len(made["only"].talking) == 2
    first.hang_up(session)
    second.hang_up(emergency)
