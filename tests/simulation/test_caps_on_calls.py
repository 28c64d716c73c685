"""Caps against fraud, in calls through a whole switch: each refusal names its rule."""

import pytest
from exchange import Exchange
from phones import Behaviour

from billing.facts.product import Destinations
from softswitch.subscribers.caps import Caps

LARI = 1_000_000


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("995", 60_000, 1, 1), ("49", 60_000, 1, 1), ("88", 6_000_000, 1, 1))
    made.entitlements.destinations = Destinations({"high_risk": ["88"]})
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


@pytest.fixture
def phone(exchange):
    """A line with money, and a carrier that takes every call."""
    account = exchange.account(100 * LARI)
    made = exchange.phone(exchange.line("+995322000001", account), "198.51.100.1")
    made.register()
    exchange.trunk("carrier", "203.0.113.1").behaviour = Behaviour(rings=1.0)
    exchange.run(1.0)
    return made


def cap(exchange, **caps):
    exchange.directory.caps.put(Caps(1, **caps))


def call(exchange, phone, number="+995577000000", seconds=10.0):
    """The status of a call that lasts so long."""
    phone.status = None
    session = phone.call(number)
    exchange.run(2.0)
    status = phone.status
    exchange.run(seconds)
    if session in phone.talking:
        phone.hang_up(session)
    exchange.run(1.0)
    return status


def test_only_so_many_calls_at_once(exchange, phone):
    cap(exchange, calls=2)
    talking = [phone.call("+995577000001"), phone.call("+995577000002")]
    exchange.run(5.0)
    assert call(exchange, phone) == 480
    phone.hang_up(talking[0])
    exchange.run(1.0)
    assert call(exchange, phone) == 200
    phone.hang_up(talking[1])
    exchange.run_until_idle()


def test_only_so_many_calls_a_minute(exchange, phone):
    cap(exchange, calls_per_minute=3)
    assert [call(exchange, phone, seconds=1.0) for _ in range(4)] == [200, 200, 200, 480]
    exchange.run(60.0)
    assert call(exchange, phone) == 200


@pytest.mark.parametrize(("name", "hours"), [("spend_hour_micros", 1), ("spend_day_micros", 24)])
def test_only_so_much_money_an_hour_and_a_day(exchange, phone, name, hours):
    cap(exchange, **{name: 20_000})
    assert call(exchange, phone, seconds=30.0) == 200
    assert call(exchange, phone) == 403
    exchange.run(hours * 3600.0 - 100.0)
    assert call(exchange, phone) == 403
    exchange.run(200.0)
    assert call(exchange, phone) == 200


def test_high_risk_numbers_are_off_until_they_are_allowed(exchange, phone):
    assert call(exchange, phone, "+8816000000000") == 403
    cap(exchange, high_risk=True)
    assert call(exchange, phone, "+8816000000000", 1.0) == 200


def test_a_new_country_waits_for_a_yes(exchange, phone):
    cap(exchange, countries=("995",))
    assert call(exchange, phone) == 200
    assert call(exchange, phone, "+4930123456") == 403
    cap(exchange, countries=("995", "49"))
    assert call(exchange, phone, "+4930123456") == 200


def test_emergency_calls_always_pass(exchange, phone):
    cap(exchange, calls=0, calls_per_minute=0, spend_day_micros=0, countries=("995",))
    assert call(exchange, phone) == 480
    assert call(exchange, phone, "112") == 200


def test_what_was_spent_before_a_restart_counts(exchange, phone):
    now = exchange.wall_ms()
    exchange.directory.caps.put(Caps(1, spend_day_micros=20_000), [(now - 1000, 20_000)])
    assert call(exchange, phone) == 403


RISKY = "+8816000000000"


def colleague(exchange):
    """A line of another account without any caps, who calls the one with them."""
    made = exchange.phone(
        exchange.line("+995322000002", exchange.account(100 * LARI)), "198.51.100.2"
    )
    made.register()
    exchange.run(1.0)
    return made


def by_account(exchange) -> dict[int, list[int]]:
    statuses: dict[int, list[int]] = {}
    for cdr in exchange.store.cdrs():
        statuses.setdefault(cdr.account, []).append(cdr.sip_status)
    return statuses


@pytest.mark.parametrize(("allowed", "told"), [(False, 403), (True, 200)])
def test_a_transfer_is_held_against_the_caps_of_who_transfers(exchange, phone, allowed, told):
    """Else whoever has got hold of a phone's password would talk abroad at its line's expense by
    letting himself be called (REFER)."""
    exchange.tariff(("on_net", 0, 1, 1), ("88", 6_000_000, 1, 1))
    cap(exchange, high_risk=allowed)
    caller = colleague(exchange)
    session = caller.call("+995322000001")
    exchange.run(3.0)
    phone.refer(phone.talking[0], f"<sip:{RISKY}@example.org>".encode())
    exchange.run(4.0)
    assert phone.told[-1][1] == told
    caller.hang_up(session)
    exchange.run_until_idle()
    assert by_account(exchange) == {2: [200], 1: [told]}


@pytest.mark.parametrize(("allowed", "status"), [(False, 480), (True, 200)])
def test_a_redirection_is_held_against_the_caps_of_who_redirects(exchange, phone, allowed, status):
    exchange.tariff(("on_net", 0, 1, 1), ("88", 6_000_000, 1, 1))
    cap(exchange, high_risk=allowed)
    caller = colleague(exchange)
    phone.behaviour = Behaviour(rings=0.1, answer=302, redirect=RISKY)
    session = caller.call("+995322000001")
    exchange.run(4.0)
    assert caller.status == status
    if session in caller.talking:
        caller.hang_up(session)
    exchange.run_until_idle()
    spent = {cdr.account: cdr.price_micros for cdr in exchange.store.cdrs()}
    assert (spent[1] > 0) == allowed and spent[2] == 0


def test_calls_that_are_sent_on_count_as_calls_of_their_line(exchange, phone):
    exchange.tariff(("on_net", 0, 1, 1), ("995", 60_000, 1, 1))
    cap(exchange, calls=2)
    phone.behaviour = Behaviour(rings=0.1, answer=302, redirect="+995577000000")
    callers = []
    for index in range(3):
        line = exchange.line(f"+99532200001{index}", exchange.account(LARI))
        callers.append(exchange.phone(line, f"198.51.100.{20 + index}"))
        callers[-1].register()
    exchange.run(1.0)
    for caller in callers:
        caller.call("+995322000001")
        exchange.run(3.0)
    assert [caller.status for caller in callers] == [200, 200, 480]
    for caller in callers[:2]:
        caller.hang_up(caller.talking[0])
    exchange.run_until_idle()
