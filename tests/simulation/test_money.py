"""A hundred calls on one balance that covers exactly 37 minutes: spent to the unit, never over."""

import pytest
from exchange import EPOCH_MS, Exchange
from phones import Behaviour

from billing.facts.authorization import ExtendCall, TopUp
from billing.stores.store import StoreError
from sip.message import Request
from sip.reading import parse_message

CALLS = 100
SECOND = 1_000
"""Micros that a second costs."""
MINUTES_37 = 37 * 60 * SECOND
ACCOUNT = 1
LATEST_BYE_SECONDS = 0.1
STAMP_SECONDS = 0.001
"""Stamps are whole milliseconds."""


class Run:
    """All calls of one account to one trunk, watched every second.

    Args:
        slices: seconds that a call reserves at once.
    """

    def __init__(self, balance_micros: int, slices: int) -> None:
        self.exchange = exchange = Exchange(3, config=f"[calls]\nreservation_seconds = {slices}")
        exchange.tariff(("44", 60 * SECOND, 1, 1))
        exchange.account(balance_micros)
        lines = [exchange.line(f"+995322000{index:03d}", ACCOUNT) for index in range(CALLS)]
        self.phones = [exchange.phone(line, f"198.51.100.{line.id}") for line in lines]
        for phone in self.phones:
            phone.register(7200)
        self.trunk = exchange.trunk("carrier", "203.0.113.1", "44")
        self.trunk.behaviour = Behaviour(rings=1.0)
        exchange.run(1.0)
        exchange.wire.log = []
        self.sessions = []
        self._watch()

    def _watch(self) -> None:
        account = self.exchange.store.account(ACCOUNT)
        assert account.available_micros >= 0 and account.balance_micros >= 0
        self.exchange.loop.call_later(1.0, self._watch)

    def call(self, index: int) -> None:
        self.sessions.append(self.phones[index].call("00442012345678"))

    def finish(self):
        """Let every call end; the records of those that talked."""
        exchange = self.exchange
        exchange.run_until_idle()
        left = exchange.left()
        assert left == dict.fromkeys(left, 0)
        assert exchange.log.errors == [] and exchange.store.verify() == []
        cdrs = exchange.store.cdrs()
        assert len({cdr.call_id for cdr in cdrs}) == len(cdrs) == len(self.sessions) == CALLS
        return [cdr for cdr in cdrs if cdr.answered_at is not None]

    def balance(self) -> int:
        return self.exchange.store.account(ACCOUNT).balance_micros

    def hang_ups(self) -> dict[str, float]:
        """When the switch's first BYE to each caller left, by Call-ID."""
        first: dict[str, float] = {}
        for at, _, target, data in self.exchange.wire.log:
            if data.startswith(b"BYE") and target in {phone.address for phone in self.phones}:
                message = parse_message(data)
                assert isinstance(message, Request)
                first.setdefault(message.call_id, at)
        return first


def ended_at_their_paid_second(run: Run, cdrs) -> None:
    """Each was told so within 100 ms, and paid for whole seconds to the last."""
    told = run.hang_ups()
    for cdr in cdrs:
        paid_until = (cdr.answered_at - EPOCH_MS + cdr.duration_ms) / 1000 + 1000
        late = told[cdr.sip_call_id] - paid_until
        assert -STAMP_SECONDS <= late < LATEST_BYE_SECONDS
        assert cdr.duration_ms == cdr.billed_seconds * 1000


@pytest.fixture(params=[60, 6], ids=["slices of a minute", "slices of 6 seconds"])
def slices(request):
    return request.param


def test_all_at_once(slices):
    run = Run(MINUTES_37, slices)
    for index in range(CALLS):
        run.call(index)
    cdrs = run.finish()
    assert {cdr.ended_by for cdr in cdrs} == {"credit"}
    # 37 calls hold slices of a minute; then all are cut, down to 22 s each.
    assert len(cdrs) == CALLS
    assert sum(cdr.price_micros for cdr in cdrs) == MINUTES_37
    assert run.balance() == 0
    ended_at_their_paid_second(run, cdrs)
    refused = [cdr for cdr in run.exchange.store.cdrs() if cdr.answered_at is None]
    assert {(cdr.sip_status, cdr.price_micros) for cdr in refused} <= {(402, 0)}


def test_one_after_another_while_some_hang_up_and_leave_money_to_the_rest(slices):
    run = Run(MINUTES_37, slices)
    exchange = run.exchange
    for index in range(CALLS):
        exchange.run(exchange.rng.uniform(0.0, 0.4))
        run.trunk.behaviour = Behaviour(rings=exchange.rng.uniform(0.1, 3.0))
        run.call(index)
        if index % 3 == 0:
            phone = run.phones[index]
            exchange.loop.call_later(
                exchange.rng.uniform(4.0, 30.0), phone._hang_up_if, run.sessions[-1]
            )
    cdrs = run.finish()
    assert {cdr.ended_by for cdr in cdrs} == {"caller", "credit"}
    assert sum(cdr.price_micros for cdr in cdrs) == MINUTES_37
    assert run.balance() == 0
    ended_at_their_paid_second(run, [cdr for cdr in cdrs if cdr.ended_by == "credit"])


def test_a_top_up_in_the_last_seconds_is_spent_to_the_unit_as_well(slices):
    seven_minutes = 7 * 60 * SECOND
    run = Run(MINUTES_37 - seven_minutes, slices)
    for index in range(CALLS):
        run.call(index)
    # A hundred calls of 18 seconds: just before the end everything is reserved, and nothing of it
    # is used up.
    run.exchange.run(16.0)
    assert run.exchange.store.account(ACCOUNT).available_micros == 0
    switch = run.exchange.switch
    waiting = [m for call in switch.calls.values() for m in call.payers.meters if m.wants_balance]
    assert waiting
    assert set(switch.context.charging.short[ACCOUNT]) == set(waiting)
    run.exchange.money.submit(TopUp(ACCOUNT, seven_minutes, "more", 0))
    cdrs = run.finish()
    assert {cdr.ended_by for cdr in cdrs} == {"credit"}
    assert sum(cdr.price_micros for cdr in cdrs) == MINUTES_37
    assert run.balance() == 0
    ended_at_their_paid_second(run, cdrs)


def test_a_database_out_of_order_is_asked_for_more_time_once_a_second():
    exchange = Exchange(3)
    exchange.tariff(("44", 60 * SECOND, 1, 1))
    phone = exchange.phone(
        exchange.line("+995322000001", exchange.account(MINUTES_37)), "198.51.100.1"
    )
    phone.register()
    exchange.trunk("carrier", "203.0.113.1", "44")
    exchange.run(1.0)
    phone.call("00442012345678")
    exchange.run(5.0)
    tried = []

    def out_of_order(commands):
        tried.extend(commands)
        raise StoreError("the disk is full")

    works, exchange.money._apply = exchange.money._apply, out_of_order
    exchange.run(51.0)  # ten seconds before the paid minute is over, more is asked for
    extensions = [command for command in tried if isinstance(command, ExtendCall)]
    assert 3 <= len(extensions) <= 12
    exchange.money._apply = works
    exchange.run(60.0)
    assert phone.talking
    exchange.run_until_idle()
    exchange.close()
