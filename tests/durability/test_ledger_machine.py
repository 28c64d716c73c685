"""The books against exact arithmetic, whatever happens in whatever order."""

import os
from dataclasses import dataclass
from functools import cache

import books
import pytest
from books import RATE, account, cdr, store
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from ledger_sales import Sales
from msgspec import structs
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from billing.facts.authorization import (
    AccountBlocked,
    AnswerCall,
    ChangeStatus,
    CloseCall,
    ExtendCall,
    InsufficientFunds,
    OpenCall,
    ProveAlive,
    ReplaceTariff,
    TopUp,
)
from billing.facts.rate import Change, Rate
from billing.facts.rating import answered, charge
from billing.facts.rerating import CorrectPrice
from billing.stores.store import Store, StoreError

SEQUENCES = int(os.environ.get("SOFTSWITCH_LEDGER_SEQUENCES", "25"))
RATES = (
    RATE,
    structs.replace(RATE, per_minute_micros=120_000, connect_fee_micros=5_000),
    structs.replace(RATE, initial_increment_seconds=60, increment_seconds=6, grace_seconds=3),
    structs.replace(
        RATE,
        minimum_micros=30_000,
        changes=(
            Change(20_000, "night", 1_000, 0, 1, 1, 0, 0),
            Change(55_500, "day", 0, 120_000, 6, 6, 2, 40_000),
        ),
    ),
)


@dataclass
class Live:
    """What the model knows of a call that isn't over."""

    rate: Rate | None
    reserved: int
    paid: int | None
    answered: int | None = None
    alive: int = 0

    def price(self, duration_ms: int) -> int:
        if self.rate is None:
            return 0
        return charge(self.rate, self.billable(duration_ms), self.began).price_micros

    @property
    def began(self) -> int:
        """As the record has it."""
        return 1000 if self.answered is None else self.answered

    def billable(self, duration_ms: int) -> int:
        return duration_ms if self.paid is None else min(duration_ms, self.paid * 1000)


@cache
def books_at(url: str) -> Store:
    """Those of all sequences: statements are compiled once."""
    return store(url)


class Ledger(Sales):
    """One account; its calls, payments, prices, and everything that goes wrong."""

    @initialize(balance=st.one_of(st.integers(0, 500_000), st.just(500_000)))
    def begin(self, balance):
        self.books = books_at(books.URL)
        books.empty(self.books)
        self.who = account(self.books, balance)
        self.balance = balance
        self.live: dict[str, Live] = {}
        self.over: list[str] = []
        self.priced: dict[str, list[int]] = {}
        """What calls cost now, how long they were billed for, and from when on."""
        self.records = 0
        self.count = 0
        self.open_shop()

    def do(self, command):
        (result,) = self.books.apply([command])
        if isinstance(result, Exception):
            raise result
        for cut in getattr(result, "cut", ()):
            call = self.live[cut.call_id]
            assert cut.reserved_micros < call.reserved
            call.reserved, call.paid = cut.reserved_micros, cut.paid_seconds
        return result

    # Money

    @rule(status=st.sampled_from(["suspended", "active", "disconnected", "active", "closed"]))
    def status_changes(self, status):
        """Calls that go on get no more time from then on."""
        self.change_status(status, lambda: self.do(ChangeStatus(self.who, status, 0)))
        for key in self.live:
            self._extend(key)

    @rule(micros=st.integers(1, 10**6))
    def prices_change(self, micros):
        """Calls that are under way keep the price that they began with."""
        fresh = structs.replace(RATE, per_minute_micros=micros)
        self.do(ReplaceTariff(RATE.tariff, "GEL", [fresh]))

    # Calls

    @rule(
        rate=st.sampled_from([None, *RATES]),
        seconds=st.sampled_from([6, 60]),
        at=st.sampled_from([0, 0, 30_000, 70_000]),
    )
    def open(self, rate, seconds, at):
        self.count += 1
        key = f"c{self.count}"
        command = OpenCall(key, self.who, rate, cdr(key, self.who, 0, None).to_json(), at, seconds)
        try:
            opened = self.do(command)
        except InsufficientFunds:
            least = charge(rate, (answered(rate, at).grace_seconds + 1) * 1000, at)
            assert self.available < least.price_micros
            assert self.available + self.unused(at) < self.ten_seconds(rate, at)
        except AccountBlocked:
            assert self.status != "active"
        else:
            assert rate is None or self.status == "active"
            assert self.do(command).reserved_micros == opened.reserved_micros
            self.live[key] = Live(rate, opened.reserved_micros, opened.paid_seconds, alive=at)

    def unused(self, at: int) -> int:
        """What calls hold for later than ten seconds from now."""
        spare = 0
        for call in self.live.values():
            if call.rate is not None and call.paid is not None:
                begun = at if call.answered is None else call.answered
                talked = 0 if call.answered is None else max(0, max(at, call.alive) - begun)
                keeps = charge(call.rate, talked + 10_000, begun).price_micros
                spare += max(0, call.reserved - keeps)
        return spare

    def ten_seconds(self, rate: Rate, at: int) -> int:
        """The price of the first ten seconds, or of the first block."""
        now = answered(rate, at)
        seconds = max(10, now.grace_seconds + 1, now.initial_increment_seconds)
        return charge(rate, seconds * 1000, at).price_micros

    @precondition(lambda self: self.live)
    @rule(data=st.data(), at=st.sampled_from([0, 20_000, 60_000]))
    def extend(self, data, at):
        self._extend(self.any_call(data)[0], at)

    def _extend(self, key: str, at: int = 0) -> None:
        call = self.live[key]
        before = call.reserved
        more = self.do(ExtendCall(key, at))
        assert more.reserved_micros >= before
        assert more.reserved_micros == before or self.status == "active"
        call.reserved, call.paid = more.reserved_micros, more.paid_seconds

    def any_call(self, data) -> tuple[str, Live]:
        key = data.draw(st.sampled_from(sorted(self.live)))
        return key, self.live[key]

    @precondition(lambda self: self.live)
    @rule(data=st.data(), at=st.integers(0, 50_000))
    def answer(self, data, at):
        key, call = self.any_call(data)
        authorization = self.do(AnswerCall(key, at))
        if call.answered is None:
            call.answered = call.alive = at
        if authorization is not None:
            call.reserved, call.paid = authorization.reserved_micros, authorization.paid_seconds

    @precondition(lambda self: self.live)
    @rule(data=st.data(), stamps=st.lists(st.integers(0, 200_000), min_size=1, max_size=3))
    def prove_alive(self, data, stamps):
        """The wall clock may jump, also backwards."""
        key, call = self.any_call(data)
        for at in stamps:
            self.do(ProveAlive([(key, at)]))
        call.alive = max(call.alive, *stamps)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), duration_ms=st.integers(0, 200_000))
    def hang_up(self, data, duration_ms):
        key, call = self.any_call(data)
        if call.answered is None and call.rate is not None and call.rate.changes:
            duration_ms = 0  # what it reserved is for the instant of its answer
        record = cdr(key, self.who, duration_ms)
        record = structs.replace(record, answered_at=call.began, ended_at=call.began + duration_ms)
        settled = self.do(CloseCall(key, record))
        price = call.price(duration_ms)
        assert settled.cdr.price_micros == price <= call.reserved
        if call.rate is not None:
            self.priced[key] = [price, call.billable(duration_ms), call.began]
        del self.live[key]
        self.over.append(key)
        self.balance -= price
        self.records += 1

    @precondition(lambda self: self.over)
    @rule(data=st.data(), duration_ms=st.integers(0, 200_000))
    def hang_up_again(self, data, duration_ms):
        key = data.draw(st.sampled_from(self.over))
        self.do(CloseCall(key, cdr(key, self.who, duration_ms)))
        self.do(ProveAlive([(key, duration_ms)]))

    @precondition(lambda self: self.priced)
    @rule(data=st.data(), rate=st.sampled_from(RATES), dearer=st.integers(0, 50_000))
    def rate_again(self, data, rate, dearer):
        """The tariff was wrong: the difference is posted, once."""
        key = data.draw(st.sampled_from(sorted(self.priced)))
        before, duration_ms, answered = self.priced[key]
        rate = structs.replace(rate, per_minute_micros=rate.per_minute_micros + dearer)
        price = charge(rate, duration_ms, answered).price_micros
        if price - before > self.available:
            return
        for _ in range(2):
            self.do(CorrectPrice(account_id=self.who, at=1, cdr_id=f"{key}-a", rate=rate))
        self.balance -= price - before
        self.priced[key][0] = price

    # Faults

    @rule()
    def crash(self):
        """The process dies; the next one ends every call at its last proof of life."""
        for record in self.books.recover():
            call = self.live.pop(record.call_id)
            lived = 0 if call.answered is None else call.alive - call.answered
            assert record.recovered and record.duration_ms == call.billable(lived)
            self.over.append(record.call_id)
            self.balance -= call.price(lived)
            self.records += 1
        assert self.live == {}

    @rule(micros=st.integers(1, 300_000))
    def disk_full(self, micros):
        """Nothing of the batch remains, and the next one finds the books as they were."""

        def fail(connection):
            raise OperationalError("COMMIT", {}, Exception("disk full"))

        self.count += 1
        event.listen(self.books.engine, "commit", fail)
        try:
            with pytest.raises(StoreError, match="disk full"):
                self.books.apply(
                    [
                        TopUp(self.who, micros, f"p{self.count}", 0),
                        OpenCall(f"c{self.count}", self.who, RATE, b"{}", 0),
                        *(CloseCall(key, cdr(key, self.who, 1_000)) for key in self.live),
                    ]
                )
        finally:
            event.remove(self.books.engine, "commit", fail)

    # What always holds

    @property
    def available(self):
        calls = sum(call.reserved for call in self.live.values())
        return self.balance - calls - self.held_of("money")

    @invariant()
    def adds_up(self):
        with self.books.reading() as connection:
            (now,) = connection.exec_driver_sql("SELECT balance_micros, status FROM accounts")
            (records,) = connection.exec_driver_sql("SELECT count(*) FROM cdrs")
            self.shop_adds_up(connection)
        assert tuple(now) == (self.balance, self.status)
        assert records == (self.records,)
        assert self.live == {
            call.call_id: Live(
                call.rate,
                call.reserved_micros,
                call.paid_seconds,
                call.answered_at,
                call.last_alive_at,
            )
            for call in self.books.live_calls()
        }
        assert self.books.verify() == []


@pytest.mark.timeout(600)
def test_the_ledger_agrees_with_exact_arithmetic(database):
    # A server takes several times as long for each step.
    sequences = SEQUENCES if database.startswith("sqlite") else max(1, SEQUENCES // 50)
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=sequences,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
