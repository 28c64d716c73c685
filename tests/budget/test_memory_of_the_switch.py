"""Budgets of the memory that a whole switch holds, through its real rooms. They may only fall.

Sizes are those of CPython 3.11's objects, without what its allocator adds.
"""

import sys

import pytest
from exchange import Exchange
from held import held_bytes
from phones import Behaviour, Phone

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="sizes are of 3.11")

IDLE_REGISTRATION = 1_420
RINGING_CALL = 29_050
TALKING_CALL = 30_200

WARM_UP, MEASURED = 10, 20


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("44", 60_000, 1, 1))
    made.switch.agent.stack.tap = None  # the trace is a ring of a fixed size
    yield made
    assert made.log.errors == []
    made.close()


def phones(exchange: Exchange) -> list[Phone]:
    made = []
    for number in range(1, WARM_UP + MEASURED + 1):
        line = exchange.line(f"+9953220000{number:02}", exchange.account(10_000_000))
        made.append(exchange.phone(line, f"198.51.100.{number}"))
        made[-1].sends_rtp = False
    return made


def held_by_each(exchange: Exchange, of: list[Phone], begin, settle_seconds: float) -> float:
    """Bytes that each more of the later phones adds, after the first have filled tables and
    caches."""
    sizes = []
    for some in (of[:WARM_UP], of[WARM_UP:]):
        for phone in some:
            begin(phone)
            exchange.run(0.1)
        exchange.run(settle_seconds)
        exchange.switch.expire()
        sizes.append(held_bytes(exchange))
    return (sizes[1] - sizes[0]) / MEASURED


def test_an_idle_registration(exchange):
    made = phones(exchange)
    each = held_by_each(exchange, made, Phone.register, 100.0)
    assert all(phone.registered == 200 for phone in made)
    assert 0 < each <= IDLE_REGISTRATION, each


@pytest.mark.parametrize(
    ("rings", "settle_seconds", "budget"),
    [(1_000.0, 5.0, RINGING_CALL), (1.0, 40.0, TALKING_CALL)],
    ids=["ringing", "talking"],
)
def test_a_call_to_a_trunk(exchange, rings, settle_seconds, budget):
    made = phones(exchange)
    exchange.trunk("carrier", "203.0.113.1").behaviour = Behaviour(rings=rings)
    for phone in made:
        phone.register()
    exchange.run(40.0)
    sessions = []

    def call(phone: Phone) -> None:
        sessions.append(phone.call("+442071838750"))

    each = held_by_each(exchange, made, call, settle_seconds)
    assert len(exchange.switch.calls) == len(made)
    for phone, session in zip(made, sessions, strict=True):
        phone.hang_up(session)
    exchange.run(1.0)
    assert len(exchange.switch.calls) == 0
    assert 0 < each <= budget, each
