"""Budgets of the Python that the whole switch executes, through its real rooms. They may only fall.

The time of signalling is the amount of Python executed, 26 to 37 ns a bytecode, kernel included.
The counts are exact and the same on every machine with CPython 3.11. `pytest -s` prints where they
go.
"""

import sys

import pytest
from exchange import Exchange
from phones import Behaviour, Phone
from spent import Spent

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="counts are of 3.11")

CALL_TO_TRUNK = 18_450
CALL_BETWEEN_LINES = 18_800
REGISTRATION = 2_800


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("995", 60_000, 1, 1), ("44", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    made.close()


def phones(exchange: Exchange) -> tuple[Phone, Phone]:
    lines = [exchange.line(f"+99532200000{i}", exchange.account(10_000_000)) for i in (1, 2)]
    made = tuple(exchange.phone(line, f"198.51.100.{line.id}") for line in lines)
    for phone in made:
        phone.register()
        phone.sends_rtp = False
    exchange.run(40.0)
    return made


def call(exchange: Exchange, phone: Phone, number: str) -> None:
    """INVITE, 401, INVITE, 180, 200 after a second, BYE after three more, and the CDR is stored."""
    session = phone.call(number)
    exchange.run(4.0)
    assert len(phone.talking) == 1
    phone.hang_up(session)
    exchange.run(0.5)


def spent(exchange: Exchange, work) -> Spent:
    """What the second time costs: what is made once was made the first time."""
    for _ in range(2):
        work()
        exchange.run(40.1 - exchange.loop.time() % 5.0)  # whatever comes each 5 s stays outside
    found = Spent(exchange).count(work)
    print(f"\n{found.table()}")
    return found


def within(budget: int, found: Spent) -> None:
    assert found.signalling() <= budget, found.table()


def test_a_call_to_a_trunk(exchange):
    phone, _ = phones(exchange)
    exchange.trunk("carrier", "203.0.113.1").behaviour = Behaviour(rings=1.0)
    found = spent(exchange, lambda: call(exchange, phone, "+442071838750"))
    cdrs = exchange.store.cdrs()
    assert [(cdr.direction, cdr.price_micros) for cdr in cdrs] == [("outgoing", 3_000)] * 3
    within(CALL_TO_TRUNK, found)


def test_a_call_between_two_lines(exchange):
    phone, other = phones(exchange)
    other.behaviour = Behaviour(rings=1.0)
    found = spent(exchange, lambda: call(exchange, phone, "+995322000002"))
    cdrs = exchange.store.cdrs()
    assert [(cdr.direction, cdr.price_micros) for cdr in cdrs] == [("internal", 3_000)] * 3
    within(CALL_BETWEEN_LINES, found)


def test_a_registration_with_digest(exchange):
    """The challenge and the REGISTER that answers it."""
    phone, _ = phones(exchange)

    def register() -> None:
        phone.registered = 0
        phone.register()
        exchange.run(0.3)
        assert phone.registered == 200

    within(REGISTRATION, spent(exchange, register))
