"""Calls that go on while their line is suspended, its lease ends, or its rented number is given up:
they finish or end, as `[calls] suspended` says."""

from dataclasses import replace

import pytest
from exchange import Exchange

from billing.facts.due import DueWork
from billing.facts.rental import AddNumbers, GiveUpNumber, Number, RentNumber
from billing.facts.sales import ScheduleWork
from softswitch.scheduled.due import LEASE_KIND
from softswitch.subscribers.directory_store import DirectoryStore

A, B, RENTED = "+995322000001", "+995322000002", "+4930000001"
BERLIN = Number(RENTED, "DE", "Berlin", "landline", "kpn", "", None, "GEL", 1_000_000)


@pytest.fixture(params=["finish", "end"])
def setting(request):
    return request.param


@pytest.fixture
def exchange(setting):
    made = Exchange(seed=1, config=f'[calls]\nsuspended = "{setting}"\n')
    made.tariff(("on_net", 60_000, 1, 1), ("112", 0, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def phones(exchange, **more):
    """Phones of two lines; the second line has `more`."""
    made = []
    for number, settings in ((A, {}), (B, more)):
        line = exchange.line(number, exchange.account(10_000_000), **settings)
        made.append(exchange.phone(line, f"198.51.100.{line.id}"))
        made[-1].register()
    exchange.run(1.0)
    return made


def suspend(exchange, number):
    line = exchange.directory.line_by_number(number)
    exchange.directory.put_lines([replace(line, status="suspended")])


def goes_on(exchange, phone, setting):
    """A phone's call goes on, or ended within seconds by the operator, as it is set."""
    exchange.switch.expire()
    exchange.run(1.0)
    assert bool(phone.talking) is (setting == "finish")
    for session in list(phone.talking):
        phone.hang_up(session)
    exchange.run_until_idle()
    (cdr,) = exchange.store.cdrs()
    assert (cdr.sip_status, cdr.ended_by) == (200, "operator" if setting == "end" else cdr.ended_by)
    return cdr


def test_a_suspended_lines_call(exchange, setting):
    a, _ = phones(exchange)
    a.call(B)
    exchange.run(4.0)
    suspend(exchange, A)
    cdr = goes_on(exchange, a, setting)
    assert cdr.duration_ms > 2_500


def test_a_call_to_a_suspended_line(exchange, setting):
    a, b = phones(exchange)
    a.call(B)
    exchange.run(4.0)
    suspend(exchange, B)
    goes_on(exchange, b, setting)


def test_a_call_of_a_line_whose_lease_ends(exchange, setting):
    _, b = phones(exchange, lease_ends_on="2026-12-31")
    b.call(A)
    exchange.run(4.0)
    line = exchange.directory.line_by_number(B)
    due = DueWork(LEASE_KIND, str(line.id), line.account_id, exchange.wall_ms())
    exchange.store.apply([ScheduleWork(f"{LEASE_KIND}:{line.id}", due)])
    exchange.run(2.0)
    ended = DirectoryStore(exchange.store.engine).line_by_number(B)
    assert ended.status == "suspended"
    exchange.directory.put_lines([ended])  # as the server reads it again after due work
    goes_on(exchange, b, setting)


def test_a_call_to_a_rented_number_that_is_given_up(exchange, setting):
    a, _ = phones(exchange)
    now, account = exchange.wall_ms(), exchange.directory.line_by_number(A).account_id
    exchange.store.apply([AddNumbers((BERLIN,), now)])
    exchange.store.apply([
        RentNumber(account_id=account, at=now, rental_id="r1", number=RENTED, line=A, months=1,
                   discount_percent=0, zone="UTC")
    ])  # fmt: skip
    exchange.reload([account])
    carrier = exchange.trunk("carrier", "203.0.113.1")
    carrier.call(RENTED)
    exchange.run(4.0)
    assert a.talking
    exchange.store.apply([GiveUpNumber(account_id=account, at=exchange.wall_ms(), rental="r1")])
    exchange.reload([account])
    goes_on(exchange, a, setting)


def test_an_emergency_call_always_finishes(exchange, setting):
    a, _ = phones(exchange)
    exchange.trunk("rescue", "203.0.113.1", "112")
    a.call("112")
    exchange.run(4.0)
    suspend(exchange, A)
    goes_on(exchange, a, "finish")
