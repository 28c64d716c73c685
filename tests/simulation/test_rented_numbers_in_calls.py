"""Rented numbers in calls through a whole switch (E13-E15)."""

import pytest
from exchange import Exchange
from phones import Behaviour

from billing.facts.authorization import TopUp
from billing.facts.rental import AddNumbers, Number, RentNumber

LARI = 1_000_000
BERLIN = Number("+4930000001", "DE", "Berlin", "landline", "kpn", "", None, "GEL", 5 * LARI)


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("995", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def client(exchange, balance, connected_before):
    """A line with a rented number whose next fee is due in a minute."""
    account = exchange.account(balance)
    line = exchange.line("+995322000001", account)
    phone = exchange.phone(line, "198.51.100.1")
    phone.register()
    phone.behaviour = Behaviour(rings=1.0, talks=5.0)
    now = exchange.wall_ms()
    connected = now - connected_before
    exchange.store.apply([AddNumbers((BERLIN,), connected)])
    order = RentNumber(
        account_id=account, at=connected, rental_id="r1", number=BERLIN.number, line=line.number,
        months=1, discount_percent=0, zone="UTC",
    )  # fmt: skip
    exchange.store.apply([order])
    exchange.reload([account])
    exchange.run(1.0)
    return account


def call_from_abroad(exchange, carrier):
    carrier.call("+4930000001")
    exchange.run(20.0)
    return carrier.status


def test_E13_a_rented_number_rings_at_its_line(exchange):
    client(exchange, 5 * LARI, 86_400_000)
    carrier = exchange.trunk("carrier", "203.0.113.1")
    assert call_from_abroad(exchange, carrier) == 200
    exchange.run_until_idle()
    (cdr,) = exchange.store.cdrs()
    assert (cdr.called, cdr.line, cdr.direction) == ("+4930000001", "+995322000001", "incoming")


def test_E14_after_a_debit_into_the_minus_it_takes_no_calls_until_above_zero(exchange):
    month = 31 * 86_400_000  # EPOCH_MS is in January 2027
    account = client(exchange, 7 * LARI, month - 60_000)
    carrier = exchange.trunk("carrier", "203.0.113.1")
    assert call_from_abroad(exchange, carrier) == 200
    exchange.run(60.0)
    assert exchange.store.account(account).balance_micros == -3 * LARI
    assert call_from_abroad(exchange, carrier) == 480
    for amount, status in ((3 * LARI, 480), (1, 200)):
        top_up = TopUp(account, amount, f"p{amount}", exchange.wall_ms())
        exchange.store.apply([top_up])
        exchange.reload([account])
        assert call_from_abroad(exchange, carrier) == status
    exchange.run_until_idle()
    assert [cdr.sip_status for cdr in exchange.store.cdrs()] == [200, 480, 480, 200]
