"""Calls that share an account's last money: fair slices."""

from dataclasses import dataclass

import pytest
from books import RATE, account, cdr, store
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from billing.facts.authorization import (
    AnswerCall,
    Authorization,
    CloseCall,
    ExtendCall,
    InsufficientFunds,
    OpenCall,
    TopUp,
)
from billing.facts.calendar import Term
from billing.facts.product import Product
from billing.facts.rating import charge
from billing.facts.sales import BuyPackage, DefineProduct
from billing.stores.store import Store

PER_SECOND = structs.replace(RATE, per_minute_micros=600_000)
"""0.01 a second."""
LEAD_SECONDS = 10
"""A call asks for more so long before its paid second, as the switch's calls do."""


@dataclass
class Talk:
    """A call as its switch knows it."""

    key: str
    authorization: Authorization
    answered_at: int | None = None

    @property
    def ends_at(self) -> int:
        """Its paid second; epoch milliseconds."""
        assert self.answered_at is not None and self.authorization.paid_seconds is not None
        return self.answered_at + self.authorization.paid_seconds * 1000


class Exchange:
    """A switch that lets calls in, extends them ahead of time and ends them when paid time ends."""

    def __init__(self, balance: int) -> None:
        self.books: Store = store()
        self.who = account(self.books, balance)
        self.calls: dict[str, Talk] = {}
        self.prices: list[int] = []
        self.now = 0
        self.count = 0

    def do(self, command):
        (result,) = self.books.apply([command])
        for cut in getattr(result, "cut", ()):
            self.calls[cut.call_id].authorization = cut
        return result

    def open(self, rate=PER_SECOND, node: str = "", packages=()) -> Talk | None:
        self.count += 1
        key = f"c{self.count}"
        draft = cdr(key, self.who, 0, None).to_json()
        opened = self.do(OpenCall(key, self.who, rate, draft, self.now, 60, packages, node))
        if isinstance(opened, InsufficientFunds):
            return None
        self.calls[key] = talk = Talk(key, opened)
        return talk

    def answer(self, talk: Talk) -> None:
        authorization = self.do(AnswerCall(talk.key, self.now))
        if authorization is not None:
            talk.authorization = authorization
        talk.answered_at = self.now

    def extend(self, talk: Talk) -> None:
        talk.authorization = self.do(ExtendCall(talk.key, self.now))

    def close(self, talk: Talk) -> int:
        """End a call now, at its paid second at the latest; its price in micros."""
        answered_at = talk.answered_at
        duration = 0 if answered_at is None else self.now - answered_at
        record = structs.replace(
            cdr(talk.key, self.who, duration, answered_at), answered_at=answered_at,
            ended_at=self.now,
        )  # fmt: skip
        settled = self.do(CloseCall(talk.key, record))
        del self.calls[talk.key]
        self.prices.append(settled.cdr.price_micros)
        if settled.cdr.price_micros < talk.authorization.reserved_micros:
            for other in list(self.calls.values()):
                if other.authorization.final and other.answered_at is not None:
                    self.extend(other)
        return settled.cdr.price_micros

    def run_until(self, at: int) -> None:
        """Let time pass: calls are extended and ended as it comes."""
        while True:
            talking = [talk for talk in self.calls.values() if talk.answered_at is not None]
            due = [(talk.ends_at, 1, talk.key) for talk in talking]
            due += [
                (max(self.now, talk.ends_at - LEAD_SECONDS * 1000), 0, talk.key)
                for talk in talking
                if not talk.authorization.final
            ]
            if not due or min(due)[0] > at:
                self.now = max(self.now, at)
                return
            instant, ends, key = min(due)
            self.now = max(self.now, instant)
            if ends:
                self.close(self.calls[key])
            else:
                self.extend(self.calls[key])

    @property
    def account(self):
        found = self.books.account(self.who)
        assert found is not None
        return found


def test_fifty_calls_on_three_hundred_seconds_are_thirty_of_ten_seconds(database):
    exchange = Exchange(3_000_000)
    opened = [exchange.open() for _ in range(50)]
    assert [talk is not None for talk in opened] == [True] * 30 + [False] * 20
    assert {talk.authorization.paid_seconds for talk in exchange.calls.values()} == {10}
    assert exchange.account.available_micros == 0
    for talk in list(exchange.calls.values()):
        exchange.answer(talk)
    exchange.run_until(10**9)
    assert exchange.prices == [100_000] * 30
    assert exchange.account.balance_micros == exchange.account.reserved_micros == 0
    assert exchange.books.verify() == []


def test_the_sixth_call_gets_as_much_as_the_five_before_it_keep(database):
    exchange = Exchange(3_000_000)
    first = [exchange.open() for _ in range(5)]
    assert [talk.authorization.paid_seconds for talk in first] == [60] * 5
    sixth = exchange.open()
    assert sixth.authorization.paid_seconds == 50
    assert [talk.authorization.paid_seconds for talk in first] == [50] * 5
    assert [live.reserved_micros for live in exchange.books.live_calls()] == [500_000] * 6


def test_time_that_was_talked_is_not_given_back():
    """40 s were talked of 60: ten seconds ahead of it are kept."""
    exchange = Exchange(600_000)
    talk = exchange.open()
    exchange.answer(talk)
    exchange.now = 40_000
    newcomer = exchange.open()
    assert newcomer.authorization.paid_seconds == 10
    assert talk.authorization.paid_seconds == 50
    exchange.now = 45_000
    assert exchange.open() is None
    exchange.close(newcomer)
    assert talk.authorization.paid_seconds == 60


def test_a_call_with_less_than_ten_seconds_ahead_gives_nothing():
    exchange = Exchange(600_000)
    talk = exchange.open()
    exchange.answer(talk)
    exchange.now = 51_000
    assert exchange.open() is None
    assert talk.authorization.paid_seconds == 60


def test_a_block_that_has_begun_is_kept_whole():
    """At 60/60 the first minute is owed; only what is beyond it is shared."""
    exchange = Exchange(1_200_000)
    minutes = structs.replace(PER_SECOND, initial_increment_seconds=60, increment_seconds=60)
    one, two = exchange.open(minutes), exchange.open(minutes)
    assert exchange.open(minutes) is None
    assert [one.authorization.paid_seconds, two.authorization.paid_seconds] == [60, 60]


def test_calls_of_another_switch_keep_what_they_hold():
    exchange = Exchange(600_000)
    there = exchange.open(node="north")
    assert exchange.open(node="south") is None
    assert there.authorization.paid_seconds == 60
    assert exchange.open(node="north").authorization.paid_seconds == 30


def test_an_extension_takes_from_those_that_have_more_ahead():
    """The last minute: one call has 10 s ahead of it, the other 50."""
    exchange = Exchange(1_200_000)
    early = exchange.open()
    exchange.answer(early)
    exchange.now = 40_000
    late = exchange.open()
    exchange.answer(late)
    exchange.now = 50_000
    exchange.extend(early)
    assert (early.ends_at, late.ends_at) == (80_000, 80_000)
    exchange.run_until(10**9)
    assert exchange.account.balance_micros == 0
    assert exchange.prices == [800_000, 400_000]


def test_a_payment_extends_the_calls_that_were_cut():
    exchange = Exchange(600_000)
    one, two = exchange.open(), exchange.open()
    exchange.answer(one)
    exchange.answer(two)
    assert one.authorization.final and two.authorization.final
    exchange.do(TopUp(exchange.who, 1_200_000, "more", 0))
    exchange.extend(one)
    exchange.extend(two)
    assert [one.authorization.paid_seconds, two.authorization.paid_seconds] == [90, 90]


def test_talk_time_of_a_package_is_kept_and_money_beyond_it_is_shared():
    exchange = Exchange(1_000_000)
    product = Product("minute", "GEL", 0, Term(24, "hours"), ("all",), free_seconds=30)
    exchange.do(DefineProduct(product))
    exchange.do(
        BuyPackage(
            account_id=exchange.who, at=0, purchase_id="p", product="minute", line=None, zone="UTC"
        )
    )
    covered = exchange.open(packages=("p",))
    assert (covered.authorization.paid_seconds, covered.authorization.reserved_micros) == (
        60,
        300_000,
    )
    while exchange.open() is not None:
        pass
    assert (covered.authorization.paid_seconds, covered.authorization.reserved_micros) == (30, 0)
    assert exchange.books.verify() == []


RATES = st.builds(
    lambda per_minute, fee, blocks, grace: structs.replace(
        RATE, per_minute_micros=per_minute, connect_fee_micros=fee,
        initial_increment_seconds=blocks[0], increment_seconds=blocks[1], grace_seconds=grace,
    ),
    st.sampled_from([60_000, 600_000, 777_777]),
    st.sampled_from([0, 0, 12_345]),
    st.sampled_from([(1, 1), (1, 1), (6, 6), (60, 1), (30, 6)]),
    st.sampled_from([0, 0, 3]),
)  # fmt: skip


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    balance=st.integers(0, 4_000_000),
    rate=RATES,
    steps=st.lists(
        st.tuples(st.integers(0, 20_000), st.sampled_from(["open", "open", "answer", "hang up"])),
        max_size=40,
    ),
    data=st.data(),
)
def test_calls_never_spend_more_than_there_is_and_in_the_end_all_of_it(balance, rate, steps, data):
    exchange = Exchange(balance)
    for wait, what in steps:
        exchange.run_until(exchange.now + wait)
        waiting = [talk for talk in exchange.calls.values() if talk.answered_at is None]
        if what == "open":
            let_in = exchange.open(rate)
            if let_in is not None and let_in.authorization.paid_seconds >= LEAD_SECONDS:
                continue
            # All others are left with no more than they must keep.
            for other in exchange.calls.values():
                begun = exchange.now if other.answered_at is None else other.answered_at
                keeps = exchange.now - begun + LEAD_SECONDS * 1000
                if other is not let_in and let_in is None:
                    spare = other.authorization.reserved_micros - charge(rate, keeps).price_micros
                    least = max(LEAD_SECONDS, rate.grace_seconds + 1)
                    first = charge(rate, 1000 * max(least, rate.initial_increment_seconds))
                    assert spare < first.price_micros
        elif what == "answer" and waiting:
            exchange.answer(data.draw(st.sampled_from(waiting)))
        elif what == "hang up" and exchange.calls:
            exchange.close(data.draw(st.sampled_from(list(exchange.calls.values()))))
        held = sum(talk.authorization.reserved_micros for talk in exchange.calls.values())
        assert held == exchange.account.reserved_micros <= exchange.account.balance_micros
        assert exchange.account.balance_micros == balance - sum(exchange.prices)
    talked = [talk for talk in exchange.calls.values() if talk.answered_at is not None]
    for talk in list(exchange.calls.values()):
        if talk.answered_at is None:
            exchange.close(talk)
    exchange.run_until(10**12)
    bare = structs.replace(rate, connect_fee_micros=0, grace_seconds=0)
    block = charge(bare, rate.increment_seconds * 1000)
    if talked and rate.initial_increment_seconds == 1:
        assert exchange.account.balance_micros <= block.price_micros
    assert exchange.account.balance_micros == balance - sum(exchange.prices) >= 0
    assert exchange.books.verify() == []


@pytest.mark.parametrize("calls", [2, 7, 13])
def test_the_last_unit_is_spent_exactly(database, calls):
    """Whatever was cut how often."""
    exchange = Exchange(3_010_000)
    for _ in range(calls):
        exchange.answer(exchange.open())
        exchange.run_until(exchange.now + 1_700)
    exchange.run_until(10**9)
    assert sum(exchange.prices) == 3_010_000
    assert exchange.account.balance_micros == 0
