"""Warnings before something ends: a low balance, a package, a renewal that can't be paid for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from billing.facts.authorization import AddAccount, TopUp
from billing.facts.calendar import Term
from billing.facts.product import Product
from billing.facts.sales import BuyPackage, DefineProduct, EnsureWork, SetAutoRenew
from billing.facts.wallet import ChargeFee
from billing.stores import sales_store
from billing.stores.store import Store
from softswitch.scheduled.due import DueSettings, first_looks, run_due

ZONE = "Asia/Tbilisi"
LARI = 1_000_000
SETTINGS = DueSettings(low_balance_micros=2 * LARI, package_warn_before=Term(3, "days"))


def at(stamp: str) -> int:
    return round(datetime.fromisoformat(f"2027-{stamp}+04:00").timestamp() * 1000)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path}/books.db")
    store.create()
    one(store, *(EnsureWork(work) for work in first_looks(at("01-01T12:00"), ZONE)))
    yield store
    assert store.verify() == []
    store.close()


def one(books: Store, *commands):
    found = books.apply(list(commands))
    assert not [each for each in found if isinstance(each, Exception)], found
    return found[0]


def subscriber(books: Store, lari: int) -> int:
    who = one(books, AddAccount("Ana", "person", "GEL", 0, "default", at("01-01T12:00"))).id
    pay(books, who, lari, "p0", at("01-01T12:00"))
    return who


def pay(books: Store, who: int, lari: int, key: str, when: int) -> None:
    one(books, TopUp(who, lari * LARI, key, when))


def spend(books: Store, who: int, micros: int, key: str, when: int) -> None:
    one(books, ChargeFee(account_id=who, at=when, fee_id=key, amount_micros=micros, about="x"))


def due(books: Store, until: str, settings: DueSettings = SETTINGS) -> None:
    assert run_due(books, books.apply, at(until), ZONE, settings).failures == []


def told(books: Store, who: int) -> list[tuple[str, str]]:
    with books.reading() as connection:
        return [(n.what, n.about) for n in sales_store.notices(connection, who)]


def test_a_low_balance_is_told_within_a_quarter_of_an_hour_once_between_two_payments(
    books: Store,
) -> None:
    who = subscriber(books, 5)
    due(books, "01-02T09:00")
    assert told(books, who) == []
    spend(books, who, 3 * LARI, "a", at("01-02T09:01"))
    due(books, "01-02T09:15")
    assert told(books, who) == []  # 2.00 isn't below 2.00
    spend(books, who, LARI // 2, "b", at("01-02T09:16"))
    due(books, "01-02T09:30")
    assert told(books, who) == [("balance_low", "1.50 GEL")]
    spend(books, who, LARI, "c", at("01-02T09:31"))
    due(books, "01-05T00:00")
    assert len(told(books, who)) == 1
    pay(books, who, 5, "p1", at("01-05T10:00"))
    spend(books, who, 4 * LARI, "d", at("01-05T11:00"))
    due(books, "01-05T11:15")
    assert told(books, who)[1:] == [("balance_low", "1.50 GEL")]


def test_an_account_that_never_paid_or_pays_later_is_not_warned(books: Store) -> None:
    accounts = [
        one(books, AddAccount("new", "person", "GEL", 0, "default", at("01-01T12:00"))).id,
        one(books, AddAccount("late", "person", "GEL", None, "default", at("01-01T12:00"))).id,
    ]
    due(books, "01-03T00:00")
    assert [told(books, who) for who in accounts] == [[], []]


def test_nobody_is_warned_where_the_operator_wants_none(books: Store) -> None:
    who = subscriber(books, 1)
    due(books, "01-05T00:00", DueSettings())
    assert told(books, who) == []


def package(books: Store, who: int, term: Term, *, auto_renew: bool) -> None:
    one(books, DefineProduct(Product("evening", "GEL", 4 * LARI, term, ("all",))))
    one(books, BuyPackage(
        account_id=who, at=at("01-01T12:00"), purchase_id="k", product="evening", line=None,
        zone=ZONE, auto_renew=auto_renew,
    ))  # fmt: skip


PACKAGES = DueSettings(package_warn_before=Term(3, "days"))


def test_a_package_that_is_not_renewed_is_told_three_days_before_its_end(books: Store) -> None:
    who = subscriber(books, 50)
    package(books, who, Term(30, "days"), auto_renew=False)
    due(books, "01-28T12:00", PACKAGES)
    assert told(books, who) == []
    due(books, "01-29T00:00", PACKAGES)
    due(books, "01-30T23:00", PACKAGES)
    assert told(books, who) == [("package_ends_soon", "evening, 2027-01-31")]


def test_a_renewal_that_can_not_be_paid_for_is_told_and_one_that_can_is_not(books: Store) -> None:
    who = subscriber(books, 7)
    package(books, who, Term(30, "days"), auto_renew=True)
    due(books, "01-29T00:00", PACKAGES)
    assert told(books, who) == [("package_funds_short", "evening, 2027-01-31")]
    pay(books, who, 40, "p1", at("01-29T10:00"))
    due(books, "02-28T12:00", PACKAGES)
    assert len(told(books, who)) == 1
    one(books, SetAutoRenew(account_id=who, at=at("02-28T13:00"), subscription="k", on=False))
    due(books, "03-01T12:00", PACKAGES)
    assert told(books, who)[1:] == [("package_ends_soon", "evening, 2027-03-02")]


def test_a_package_of_a_day_is_not_told_of(books: Store) -> None:
    who = subscriber(books, 50)
    package(books, who, Term(5, "days"), auto_renew=False)
    due(books, "01-05T00:00", PACKAGES)
    assert told(books, who) == []
