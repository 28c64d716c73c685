"""Packages (A3, A4, A9, A22): used before money, split to the second, renewed exactly once."""

from dataclasses import replace
from datetime import datetime

import pytest
from books import RATE, account, cdr, one, store
from fresh_books import next_due
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from billing.facts.authorization import (
    AnswerCall,
    BillingError,
    ChangeStatus,
    CloseCall,
    ExtendCall,
    InsufficientFunds,
    OpenCall,
    Renewal,
    TopUp,
)
from billing.facts.calendar import Term
from billing.facts.coverage import Cover, Coverage, affordable_covered_ms, charge_covered
from billing.facts.product import ACTIVE, ENDED, GRACE, Destinations, Product, in_scope
from billing.facts.rate import Rate
from billing.facts.rating import charge
from billing.facts.sales import BuyPackage, DefineProduct, RenewPackage, SetAutoRenew
from softswitch.scheduled.due import run_due

TBILISI = "Asia/Tbilisi"
LARI = 1_000_000
FEE_RATE = structs.replace(RATE, connect_fee_micros=100_000, initial_increment_seconds=60)
NO_LIMIT = Product("all-georgia", "GEL", 10 * LARI, Term(30, "days"), ("georgia",))
HUNDRED = replace(NO_LIMIT, name="hundred", price_micros=5 * LARI, free_seconds=100)
CONFERENCE = Product(
    "conference", "GEL", LARI, Term(30, "days"), service="conference", renewable=False
)

DAY = 86_400_000
database = pytest.mark.usefixtures("database")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


START = at("2027-03-01T12:00+04:00")


def shop(*products, balance: int = 0):
    books = store()
    for product in products:
        one(books, DefineProduct(product))
    return books, account(books, balance)


def buy(books, who, product, when=START, key="p1", **more):
    command = BuyPackage(
        account_id=who, at=when, purchase_id=key, product=product.name, line=None, zone=TBILISI,
        **more,
    )  # fmt: skip
    return one(books, command)


def subscription(books, who, key="p1"):
    from billing.stores import sales_store

    with books.reading() as connection:
        found = sales_store.subscriptions(connection, [who], ended=True)
    return next(item for item in found if item.id == key)


def open_call(books, key, who, when, rate=RATE, packages=("p1",)):
    facts = structs.replace(cdr(key, who), setup_at=when).to_json()
    return one(books, OpenCall(key, who, rate, facts, when, 60, packages))


def close_call(books, key, who, answered, duration_ms):
    record = structs.replace(
        cdr(key, who, duration_ms),
        answered_at=answered,
        ended_at=answered + duration_ms,
    )
    return one(books, CloseCall(key, record)).cdr


@database
class TestBuying:
    def test_A22_its_price_is_taken_once_and_its_term_begins(self):
        books, who = shop(NO_LIMIT, balance=15 * LARI)
        bought = buy(books, who, NO_LIMIT)
        assert bought.charged_micros == 10 * LARI
        assert bought.subscription.ends_at == START + 30 * DAY
        again = buy(books, who, NO_LIMIT)
        assert (again.charged_micros, again.subscription.id) == (0, "p1")
        assert books.account(who).balance_micros == 5 * LARI
        assert books.verify() == []

    def test_A4_the_conference_is_one_lari_for_30_days_and_not_charged_while_active(self):
        books, who = shop(CONFERENCE, balance=3 * LARI)
        first = buy(books, who, CONFERENCE, auto_renew=True)
        assert first.charged_micros == LARI
        assert not first.subscription.auto_renew
        again = buy(books, who, CONFERENCE, START + 29 * DAY, key="p2")
        assert (again.charged_micros, again.subscription) == (0, first.subscription)
        run_due(books, books.apply, START + 30 * DAY, TBILISI)
        assert subscription(books, who).state == ENDED
        assert buy(books, who, CONFERENCE, START + 30 * DAY, key="p3").charged_micros == LARI
        assert books.account(who).balance_micros == LARI

    def test_A4_without_funds_it_is_refused_and_nothing_changes(self):
        books, who = shop(CONFERENCE, balance=LARI - 1)
        with pytest.raises(InsufficientFunds, match=r"conference costs 1\.00"):
            buy(books, who, CONFERENCE)
        assert books.account(who).balance_micros == LARI - 1
        assert next_due(books) is None

    def test_a_purchase_id_belongs_to_one_purchase(self):
        books, who = shop(NO_LIMIT, CONFERENCE, balance=20 * LARI)
        buy(books, who, NO_LIMIT)
        with pytest.raises(BillingError, match="p1 was used for all-georgia"):
            buy(books, who, CONFERENCE)

    def test_what_is_withdrawn_or_unknown_is_not_sold(self):
        books, who = shop(replace(NO_LIMIT, sold=False), balance=20 * LARI)
        with pytest.raises(BillingError, match="no product all-georgia on sale"):
            buy(books, who, NO_LIMIT)
        with pytest.raises(BillingError, match="no product conference on sale"):
            buy(books, who, CONFERENCE)


@database
class TestCalls:
    def test_A22_a_call_under_it_costs_nothing_at_zero_balance(self):
        books, who = shop(NO_LIMIT, balance=10 * LARI)
        buy(books, who, NO_LIMIT)
        assert books.account(who).balance_micros == 0
        opened = open_call(books, "c1", who, START + 1000, FEE_RATE)
        assert opened.reserved_micros == 0
        one(books, AnswerCall("c1", START + 9000))
        record = close_call(books, "c1", who, START + 9000, 3_600_500)
        assert (record.price_micros, record.package) == (0, "all-georgia")
        assert record.billed_seconds == 3601
        assert books.verify() == []

    def test_without_a_package_of_its_scope_it_needs_money(self):
        books, who = shop(NO_LIMIT, balance=10 * LARI)
        buy(books, who, NO_LIMIT)
        with pytest.raises(InsufficientFunds):
            open_call(books, "c1", who, START, packages=())

    def test_a_connection_fee_that_is_not_waived_is_charged_once(self):
        paying = replace(NO_LIMIT, fee_waived=False)
        books, who = shop(paying, balance=10 * LARI + 100_000)
        buy(books, who, paying)
        opened = open_call(books, "c1", who, START, FEE_RATE)
        assert opened.reserved_micros == 100_000
        with pytest.raises(InsufficientFunds):
            open_call(books, "c2", who, START, FEE_RATE)
        one(books, AnswerCall("c1", START))
        assert close_call(books, "c1", who, START, 60_000).price_micros == 100_000
        assert books.account(who).balance_micros == 0
        assert books.verify() == []

    def test_after_the_last_free_second_it_goes_on_at_the_tariff(self):
        books, who = shop(HUNDRED, balance=5 * LARI + 60_000)
        buy(books, who, HUNDRED)
        assert open_call(books, "c1", who, START).paid_seconds == 60
        assert one(books, AnswerCall("c1", START)).paid_seconds == 60
        more = one(books, ExtendCall("c1", START + 50_000))
        assert (more.paid_seconds, more.reserved_micros) == (120, 20_000)
        last = one(books, ExtendCall("c1", START + 110_000))
        assert (last.paid_seconds, last.reserved_micros, last.final) == (160, 60_000, True)
        record = close_call(books, "c1", who, START, 150_200)
        assert record.price_micros == 51_000
        assert record.billed_seconds == 151
        assert subscription(books, who).used_ms == 100_000
        assert subscription(books, who).held_ms == 0
        assert books.verify() == []

    def test_at_the_last_free_second_without_money_it_ends(self):
        books, who = shop(HUNDRED, balance=5 * LARI)
        buy(books, who, HUNDRED)
        open_call(books, "c1", who, START)
        one(books, AnswerCall("c1", START))
        last = one(books, ExtendCall("c1", START + 50_000))
        assert (last.paid_seconds, last.final) == (100, True)
        assert close_call(books, "c1", who, START, 100_090).price_micros == 0
        assert books.verify() == []

    def test_it_is_split_at_the_instant_at_which_the_term_ends(self):
        books, who = shop(NO_LIMIT, balance=11 * LARI)
        buy(books, who, NO_LIMIT)
        answered = START + 30 * DAY - 90_500
        open_call(books, "c1", who, answered - 5000)
        assert one(books, AnswerCall("c1", answered)).paid_seconds >= 90
        run_due(books, books.apply, START + 30 * DAY, TBILISI)
        one(books, ExtendCall("c1", START + 30 * DAY))
        record = close_call(books, "c1", who, answered, 100_500)
        assert record.price_micros == 10_000
        assert books.verify() == []

    def test_a_term_that_ended_while_it_rang_pays_for_nothing(self):
        books, who = shop(NO_LIMIT, balance=10 * LARI)
        buy(books, who, NO_LIMIT)
        end = START + 30 * DAY
        open_call(books, "c1", who, end - 5000)
        run_due(books, books.apply, end, TBILISI)
        answered = one(books, AnswerCall("c1", end + 1000))
        assert (answered.paid_seconds, answered.final) == (0, True)
        assert close_call(books, "c1", who, end + 1000, 40).price_micros == 0

    def test_A9_a_call_over_a_renewal_stays_under_the_package(self):
        books, who = shop(NO_LIMIT, balance=20 * LARI)
        buy(books, who, NO_LIMIT, auto_renew=True)
        end = START + 30 * DAY
        open_call(books, "c1", who, end - 30_000)
        one(books, AnswerCall("c1", end - 20_000))
        one(books, ExtendCall("c1", end - 10_000))
        assert books.account(who).reserved_micros > 0  # for the time after the term
        run_due(books, books.apply, end, TBILISI)
        assert books.account(who).available_micros == 0
        one(books, ExtendCall("c1", end + 30_000))
        record = close_call(books, "c1", who, end - 20_000, 300_000)
        assert (record.price_micros, record.package) == (0, "all-georgia")
        assert books.account(who).balance_micros == 0
        assert books.verify() == []

    def test_A9_a_call_over_a_renewal_goes_on_under_its_other_package_too(self):
        short = replace(HUNDRED, name="short", free_seconds=20)
        books, who = shop(short, HUNDRED, balance=30 * LARI)
        end = START + 30 * DAY
        buy(books, who, short, auto_renew=True)
        buy(books, who, HUNDRED, end - DAY, "p2")
        open_call(books, "c0", who, end - 60_000, packages=("p2",))
        one(books, ExtendCall("c0", end - 60_000))  # holds all that the second package has
        open_call(books, "c1", who, end - 20_000, packages=("p1", "p2"))
        one(books, AnswerCall("c1", end - 20_000))
        close_call(books, "c0", who, end - 50_000, 10_000)
        assert books.account(who).reserved_micros == 40_000  # 40 of 60 s
        run_due(books, books.apply, end, TBILISI)
        assert books.account(who).reserved_micros == 0  # 20 s of the new term, then the other's
        assert subscription(books, who, "p2").held_ms == 20_000
        record = close_call(books, "c1", who, end - 20_000, 60_000)
        assert record.price_micros == 0
        assert books.verify() == []

    def test_unanswered_and_graced_calls_use_nothing(self):
        graced = structs.replace(RATE, grace_seconds=5)
        books, who = shop(HUNDRED, balance=5 * LARI)
        buy(books, who, HUNDRED)
        open_call(books, "c1", who, START)
        one(books, CloseCall("c1", cdr("c1", who, 0, None)))
        open_call(books, "c2", who, START, graced)
        one(books, AnswerCall("c2", START))
        assert close_call(books, "c2", who, START, 5_000).package is None
        assert subscription(books, who).used_ms == subscription(books, who).held_ms == 0

    def test_two_calls_never_use_the_same_second(self):
        books, who = shop(HUNDRED, balance=5 * LARI)
        buy(books, who, HUNDRED)
        assert open_call(books, "c1", who, START).paid_seconds == 60
        assert open_call(books, "c2", who, START).paid_seconds == 40
        with pytest.raises(InsufficientFunds):
            open_call(books, "c3", who, START)
        close_call(books, "c1", who, START, 10_000)
        assert one(books, ExtendCall("c2", START)).paid_seconds == 90
        close_call(books, "c2", who, START, 90_000)
        assert subscription(books, who).room_ms == 0
        assert books.verify() == []

    def test_one_package_after_the_other_in_the_order_of_use(self):
        second = replace(HUNDRED, name="second")
        books, who = shop(HUNDRED, second, balance=11 * LARI)
        buy(books, who, HUNDRED, key="p1")
        buy(books, who, second, key="p2")
        open_call(books, "c1", who, START, packages=("p2", "p1"))
        one(books, AnswerCall("c1", START))
        for now in (50, 110, 170):
            last = one(books, ExtendCall("c1", START + now * 1000))
        assert last.paid_seconds == 240
        record = close_call(books, "c1", who, START, 210_000)
        assert (record.price_micros, record.package) == (10_000, "second")
        assert subscription(books, who, "p2").room_ms == 0
        assert subscription(books, who, "p1").room_ms == 0
        assert books.verify() == []

    def test_after_a_crash_only_proven_talk_time_is_used(self):
        books, who = shop(HUNDRED, balance=5 * LARI)
        buy(books, who, HUNDRED)
        open_call(books, "c1", who, START)
        one(books, AnswerCall("c1", START))
        (record,) = books.recover()
        assert (record.package, record.price_micros) == (None, 0)
        assert subscription(books, who).room_ms == 100_000
        assert books.verify() == []

    def test_a_suspended_account_may_not_use_it(self):
        books, who = shop(NO_LIMIT, balance=10 * LARI)
        buy(books, who, NO_LIMIT)
        one(books, ChangeStatus(who, "suspended", START))
        with pytest.raises(BillingError, match="suspended"):
            open_call(books, "c1", who, START)


@database
class TestRenewal:
    def test_A9_exactly_once_a_term_without_gap_or_overlap(self):
        books, who = shop(NO_LIMIT, balance=35 * LARI)
        buy(books, who, NO_LIMIT, auto_renew=True)
        for _ in range(3):
            run_due(books, books.apply, START + 60 * DAY, TBILISI)
            command = RenewPackage(account_id=who, at=START + 60 * DAY, subscription="p1")
            books.apply([command, command])
        now = subscription(books, who)
        assert (now.started_at, now.ends_at) == (START + 60 * DAY, START + 90 * DAY)
        entries = [entry for entry in books.ledger(who) if entry.kind == "package"]
        assert [entry.at for entry in entries] == [START, START + 30 * DAY, START + 60 * DAY]
        assert books.account(who).balance_micros == 5 * LARI
        assert books.verify() == []

    def test_A9_without_funds_it_ends_and_the_subscriber_is_told(self):
        books, who = shop(NO_LIMIT, balance=19 * LARI)
        buy(books, who, NO_LIMIT, auto_renew=True)
        run_due(books, books.apply, START + 31 * DAY, TBILISI)
        assert subscription(books, who).state == ENDED
        assert told(books, who) == ["package_ended"]
        assert books.account(who).balance_micros == 9 * LARI

    def test_A9_a_top_up_within_the_grace_renews_it_from_that_moment(self):
        product = replace(NO_LIMIT, grace=Term(3, "days"))
        books, who = shop(product, balance=19 * LARI)
        buy(books, who, product, auto_renew=True)
        run_due(books, books.apply, START + 31 * DAY, TBILISI)
        assert subscription(books, who).state == GRACE
        paid = START + 32 * DAY + 777
        payment = one(books, TopUp(who, 2 * LARI, "late", paid))
        now = subscription(books, who)
        assert payment.renewed == (Renewal(now.id, now.product, 10 * LARI),)
        assert (payment.balance_micros, payment.account.balance_micros) == (11 * LARI, LARI)
        assert (now.state, now.started_at, now.ends_at) == (ACTIVE, paid, paid + 30 * DAY)
        assert books.account(who).balance_micros == LARI
        assert next_due(books) == now.ends_at
        assert told(books, who) == ["package_unpaid"]
        assert books.verify() == []

    def test_A9_after_the_grace_a_top_up_renews_nothing(self):
        product = replace(NO_LIMIT, grace=Term(3, "days"))
        books, who = shop(product, balance=19 * LARI)
        buy(books, who, product, auto_renew=True)
        run_due(books, books.apply, START + 34 * DAY, TBILISI)
        assert subscription(books, who).state == ENDED
        one(books, TopUp(who, 20 * LARI, "late", START + 34 * DAY))
        assert books.account(who).balance_micros == 29 * LARI
        assert told(books, who) == ["package_unpaid", "package_ended"]
        assert next_due(books) is None

    @pytest.mark.parametrize("by", ["the subscriber", "the operator"])
    def test_A9_a_top_up_within_the_grace_renews_nothing_that_isnt_wanted_any_more(self, by):
        product = replace(NO_LIMIT, grace=Term(3, "days"))
        books, who = shop(product, balance=19 * LARI)
        buy(books, who, product, auto_renew=True)
        run_due(books, books.apply, START + 31 * DAY, TBILISI)
        if by == "the subscriber":
            off = SetAutoRenew(account_id=who, at=START + 31 * DAY, subscription="p1", on=False)
            one(books, off)
        else:
            one(books, DefineProduct(replace(product, sold=False)))
        one(books, TopUp(who, 20 * LARI, "late", START + 32 * DAY))
        assert books.account(who).balance_micros == 29 * LARI
        run_due(books, books.apply, START + 34 * DAY, TBILISI)
        assert subscription(books, who).state == ENDED

    def test_A9_a_top_up_after_the_grace_renews_nothing_though_its_end_waits_to_be_done(self):
        product = replace(NO_LIMIT, grace=Term(3, "days"))
        books, who = shop(product, balance=19 * LARI)
        buy(books, who, product, auto_renew=True)
        run_due(books, books.apply, START + 31 * DAY, TBILISI)  # then the switch is down
        one(books, TopUp(who, 20 * LARI, "late", START + 33 * DAY))
        assert books.account(who).balance_micros == 29 * LARI
        run_due(books, books.apply, START + 34 * DAY, TBILISI)
        assert subscription(books, who).state == ENDED

    def test_A9_it_can_be_switched_on_and_off(self):
        books, who = shop(NO_LIMIT, CONFERENCE, balance=50 * LARI)
        buy(books, who, NO_LIMIT)
        buy(books, who, CONFERENCE, key="c")
        one(books, SetAutoRenew(account_id=who, at=START, subscription="p1", on=True))
        run_due(books, books.apply, START + 30 * DAY, TBILISI)
        assert subscription(books, who).renewals == 1
        one(books, SetAutoRenew(account_id=who, at=START, subscription="p1", on=False))
        run_due(books, books.apply, START + 60 * DAY, TBILISI)
        assert subscription(books, who).state == ENDED
        with pytest.raises(BillingError, match="over"):
            one(books, SetAutoRenew(account_id=who, at=START, subscription="p1", on=True))


def told(books, who):
    from billing.stores import sales_store

    with books.reading() as connection:
        return [notice.what for notice in sales_store.notices(connection, who)]


@st.composite
def covered(draw):
    initial, increment = draw(st.sampled_from([(60, 60), (60, 1), (6, 6), (1, 1), (30, 6)]))
    rate = Rate(
        "t", "995", "", draw(st.sampled_from([0, 100_000])),
        draw(st.sampled_from([0, 1, 60_000]) | st.integers(0, 5_000_000)),
        initial, increment, 0, draw(st.sampled_from([0, 5])), "GEL",
    )  # fmt: skip
    pieces = draw(st.lists(st.integers(1000, 100_000), max_size=3))
    waived = draw(st.booleans())
    return rate, Coverage((), tuple(Cover("s", n, "p", ms, waived) for n, ms in enumerate(pieces)))


@given(covered(), st.integers(0, 20_000_000))
def test_affordable_time_is_the_inverse_of_the_charge_under_packages_too(both, budget):
    rate, coverage = both
    longest = affordable_covered_ms(rate, coverage, budget)
    if longest is None:
        assert charge_covered(rate, coverage, 10**10).price_micros <= budget
        return
    assert charge_covered(rate, coverage, longest).price_micros <= budget
    assert charge_covered(rate, coverage, longest + 1).price_micros > budget


@given(covered(), st.integers(0, 10**7))
def test_a_package_never_makes_a_call_dearer_than_its_fee_and_increments(both, duration):
    rate, coverage = both
    price = charge_covered(rate, coverage, duration).price_micros
    if coverage.free_ms == 0:
        assert price == charge(rate, duration).price_micros
    elif duration <= coverage.free_ms:
        assert price in (0, 0 if coverage.fee_waived else rate.connect_fee_micros)
    assert price <= charge_covered(rate, coverage, duration + 1000).price_micros


def test_a_scope_is_destination_sets_with_exceptions_and_on_net_is_its_own():
    sets = Destinations({"georgia": ["995", "!9959"], "mobile": ["9955"], "premium": ["9959"]})
    assert sets.of("995322000001") == {"georgia"}
    assert sets.of("995599123456") == {"georgia", "mobile"}
    assert sets.of("995900123456") == {"premium"}
    assert sets.of("99") == frozenset()
    assert in_scope(("georgia",), sets.of("995322000001"), on_net=False)
    assert not in_scope(("georgia",), sets.of("995322000001"), on_net=True)
    assert in_scope(("on_net",), frozenset(), on_net=True)
    assert in_scope(("all",), frozenset(), on_net=False)
