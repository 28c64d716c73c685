"""Suspended for a debt, by the switch itself, and open again when it is paid (C9, E14)."""

from __future__ import annotations

from datetime import datetime

import pytest
from books import account, one, store

from billing.facts.authorization import ChangeStatus, SetAccount, TopUp
from billing.facts.bill import first_work
from billing.facts.calendar import Term
from billing.facts.product import Product
from billing.facts.sales import BuyPackage, DefineProduct, EnsureWork
from billing.facts.wallet import ChargeFee
from billing.stores import sales_store
from softswitch.scheduled.due import DueSettings, first_looks, run_due

pytestmark = pytest.mark.usefixtures("database")

TBILISI = "Asia/Tbilisi"
LARI = 1_000_000
SETTINGS = DueSettings(suspend_after=Term(14, "days"))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def on(day: str, clock: str = "00:00") -> int:
    return at(f"2027-{day}T{clock}+04:00")


@pytest.fixture
def books():
    made = store()
    for work in (*first_looks(on("01-01"), TBILISI), first_work(on("01-01"), TBILISI)):
        one(made, EnsureWork(work))
    yield made
    assert made.verify() == []


def due(books, until, settings=SETTINGS):
    assert run_due(books, books.apply, until, TBILISI, settings).failures == []


def owe(books, who, amount=3 * LARI, when=None, key="f1"):
    """Something into the minus: a month's fee, say."""
    command = ChargeFee(account_id=who, at=when or on("01-05", "15:00"), fee_id=key,
                        amount_micros=amount, about="rent")  # fmt: skip
    one(books, command)


def pay(books, who, amount, when, key):
    one(books, TopUp(who, amount, key, when))


def told(books, who):
    with books.reading() as connection:
        return [(n.what, n.about) for n in sales_store.notices(connection, who)
                if n.what.startswith("debt")]  # fmt: skip


def package_of(books, who):
    with books.reading() as connection:
        (bought,) = sales_store.subscriptions(connection, [who])
    return bought


def status(books, who):
    return books.account(who).status


def overdrawn(books, micros=2 * LARI, when=None):
    """A prepaid account whose balance fell below zero."""
    who = account(books, 5 * LARI, credit_limit=10 * LARI)
    owe(books, who, 5 * LARI + micros, when)
    one(books, SetAccount(who, {"credit_limit_micros": 0}))
    return who


def test_C9_who_owes_is_told_and_then_suspended(books):
    who = overdrawn(books)
    due(books, on("01-16"))
    assert told(books, who) == []
    due(books, on("01-17"))
    assert told(books, who) == [("debt_warning", "2027-01-20")]
    due(books, on("01-19", "23:59"))
    assert status(books, who) == "active"
    due(books, on("01-20"))
    assert status(books, who) == "suspended"
    assert told(books, who)[1:] == [("debt_suspended", "2.00 GEL")]
    change = books.changes(who)[-1]
    assert (change.who, change.after, change.reason) == ("switch", "suspended", "owes 2.00 GEL")
    due(books, on("02-20"))
    assert len(told(books, who)) == 2


def test_C9_a_payment_opens_it_by_itself(books):
    who = overdrawn(books)
    due(books, on("01-20"))
    pay(books, who, 2 * LARI - 1, on("01-21", "12:00"), "p1")
    assert status(books, who) == "suspended"
    pay(books, who, 1, on("01-21", "12:01"), "p2")
    assert status(books, who) == "active"
    assert told(books, who)[-1] == ("debt_lifted", str(who))
    assert books.changes(who)[-1].reason == "the debt is paid"
    due(books, on("03-01"))
    assert status(books, who) == "active"


def test_A9_the_payment_that_opens_it_renews_what_waits_in_its_grace(books):
    who = account(books, 12 * LARI, credit_limit=10 * LARI)
    product = Product("all-georgia", "GEL", 10 * LARI, Term(14, "days"), ("georgia",),
                      grace=Term(30, "days"))  # fmt: skip
    one(books, DefineProduct(product))
    one(books, BuyPackage(account_id=who, purchase_id="p1", line=None, product=product.name,
                          auto_renew=True, zone=TBILISI, at=on("01-01")))  # fmt: skip
    owe(books, who, 4 * LARI)
    one(books, SetAccount(who, {"credit_limit_micros": 0}))
    due(books, on("01-20"))
    assert (status(books, who), package_of(books, who).state) == ("suspended", "grace")
    pay(books, who, 12 * LARI, on("01-21"), "p1")
    now = package_of(books, who)
    assert (status(books, who), now.state, now.started_at) == ("active", "active", on("01-21"))
    assert books.account(who).balance_micros == 0


def test_C9_a_debt_that_is_paid_in_time_suspends_nobody_and_the_next_counts_anew(books):
    who = overdrawn(books)
    pay(books, who, 3 * LARI, on("01-18", "10:00"), "p1")
    due(books, on("02-01"))
    one(books, SetAccount(who, {"credit_limit_micros": 10 * LARI}))
    owe(books, who, 4 * LARI, on("02-01", "10:00"), "f2")
    one(books, SetAccount(who, {"credit_limit_micros": 0}))
    due(books, on("02-15"))
    assert status(books, who) == "active"
    due(books, on("02-16"))
    assert status(books, who) == "suspended"


def test_C9_what_an_operator_suspended_no_payment_opens(books):
    who = overdrawn(books)
    one(books, ChangeStatus(who, "suspended", on("01-06"), "nino", "abuse"))
    due(books, on("02-01"))
    pay(books, who, 10 * LARI, on("02-02"), "p1")
    due(books, on("02-03"))
    assert status(books, who) == "suspended"


def test_C9_what_an_operator_opens_stays_open_until_another_debt(books):
    who = overdrawn(books)
    due(books, on("01-20"))
    one(books, ChangeStatus(who, "active", on("01-21"), "nino", "promised to pay"))
    due(books, on("02-20"))
    assert status(books, who) == "active"
    one(books, ChangeStatus(who, "suspended", on("02-21"), "nino", "didn't pay"))
    pay(books, who, 10 * LARI, on("02-22"), "p1")
    assert status(books, who) == "suspended"  # by the operator, who opens it himself


@pytest.mark.parametrize("status_", ["disconnected", "closed"])
def test_C9_a_debt_and_a_wish_are_apart(books, status_):
    who = overdrawn(books)
    one(books, ChangeStatus(who, status_, on("01-06"), "nino", "asked for it"))
    due(books, on("02-01"))
    assert status(books, who) == status_
    pay(books, who, 10 * LARI, on("02-02"), "p1")
    assert status(books, who) == status_


def test_C9_without_the_setting_only_operators_suspend(books):
    who = overdrawn(books)
    due(books, on("06-01"), DueSettings())
    assert (status(books, who), told(books, who)) == ("active", [])


def test_C9_a_raised_limit_opens_it_at_the_next_midnight(books):
    who = overdrawn(books)
    due(books, on("01-20"))
    one(books, SetAccount(who, {"credit_limit_micros": 5 * LARI}))
    due(books, on("01-20", "23:59"))
    assert status(books, who) == "suspended"
    due(books, on("01-21"))
    assert status(books, who) == "active"


class TestOnCredit:
    """Who may pay later owes from the day on which a bill asked for it."""

    @pytest.mark.parametrize("limit", [None, 100 * LARI])
    def test_C9_a_bill_that_isnt_paid_suspends(self, books, limit):
        who = account(books, 0, limit)
        owe(books, who, 30 * LARI, on("01-05"))
        due(books, on("02-14", "23:59"))
        assert status(books, who) == "active"
        due(books, on("02-15"))
        assert status(books, who) == "suspended"
        pay(books, who, 30 * LARI - 1, on("02-16"), "p1")
        assert status(books, who) == "suspended"
        pay(books, who, 1, on("02-16"), "p2")
        assert status(books, who) == "active"

    def test_C9_what_isnt_billed_yet_is_no_debt(self, books):
        who = account(books, 0, None)
        owe(books, who, 30 * LARI, on("01-05"))
        due(books, on("02-01"))
        pay(books, who, 30 * LARI, on("02-10"), "p1")
        owe(books, who, 50 * LARI, on("02-11"), "f2")
        due(books, on("03-01"))
        assert status(books, who) == "active"
        due(books, on("03-15"))
        assert told(books, who)[-1] == ("debt_suspended", "50.00 GEL")

    def test_C9_payments_pay_the_oldest_bill_first(self, books):
        who = account(books, 0, None)
        owe(books, who, 30 * LARI, on("01-05"))
        due(books, on("02-01"))
        owe(books, who, 20 * LARI, on("02-05"), "f2")
        pay(books, who, 30 * LARI, on("02-10"), "p1")  # pays January
        due(books, on("03-14"))
        assert status(books, who) == "active"
        due(books, on("03-15"))
        assert status(books, who) == "suspended"

    def test_C9_beyond_the_limit_it_is_a_debt_at_once(self, books):
        who = account(books, 0, 10 * LARI)
        one(books, SetAccount(who, {"credit_limit_micros": 50 * LARI}))
        owe(books, who, 12 * LARI, on("01-03"))
        one(books, SetAccount(who, {"credit_limit_micros": 10 * LARI}))
        due(books, on("01-17"))
        assert status(books, who) == "suspended"
        assert told(books, who)[-1] == ("debt_suspended", "2.00 GEL")


def test_C9_a_downtime_suspends_with_the_days_that_passed(books):
    """Done late, once, and in the order of its dates."""
    who = overdrawn(books)
    for _ in range(2):
        due(books, on("03-01", "09:00"))
    assert [what for what, _ in told(books, who)] == ["debt_warning", "debt_suspended"]
    assert books.changes(who)[-1].at == on("01-20")
