"""A preview says what the due work does afterwards, and changes nothing."""

from datetime import datetime

import pytest
from sqlalchemy import text

from billing.facts.authorization import AddAccount, TopUp
from billing.facts.bill import first_work
from billing.facts.calendar import Term
from billing.facts.product import Product
from billing.facts.rental import AddNumbers, Number, RentNumber
from billing.facts.sales import BuyPackage, DefineProduct, EnsureWork
from billing.stores import bill_store
from billing.stores.schema import metadata
from billing.stores.store import Store
from softswitch.scheduled.due import DueSettings, first_looks, run_due
from softswitch.scheduled.rehearsal import rehearse

ZONE = "Asia/Tbilisi"
LARI = 1_000_000
SETTINGS = DueSettings(suspend_after=Term(7, "days"))


def at(stamp: str) -> int:
    return round(datetime.fromisoformat(f"2027-{stamp}+04:00").timestamp() * 1000)


NOW, UNTIL = at("01-10T12:00"), at("03-15T00:00")


@pytest.fixture(params=["sqlite", "postgresql"])
def books(request, tmp_path):
    if request.param == "sqlite":
        store = Store(f"sqlite:///{tmp_path}/books.db")
    else:
        store = Store(request.getfixturevalue("postgresql"))
        metadata.drop_all(store.engine)
    store.create()
    yield store
    if request.param == "postgresql":
        metadata.drop_all(store.engine)
    store.close()


def shop(books: Store) -> tuple[int, int]:
    """Two accounts that rent a number each and have a package each; one has money for a month."""
    rich, poor = (
        books.apply([AddAccount(name, "person", "GEL", 0, "default", NOW)])[0].id
        for name in ("rich", "poor")
    )
    product = Product("evening", "GEL", 5 * LARI, Term(30, "days"), ("all",))
    numbers = tuple(
        Number(f"+99532200000{n}", "GE", None, "landline", "s", "", None, "GEL", 10 * LARI)
        for n in (1, 2)
    )
    books.apply([DefineProduct(product), AddNumbers(numbers, NOW)])
    found = books.apply(
        [
            TopUp(rich, 500 * LARI, "p1", NOW),
            TopUp(poor, 25 * LARI, "p2", NOW),
            *(
                RentNumber(
                    account_id=who, at=NOW, rental_id=f"r{who}", number=number.number,
                    line="+995322000009", months=1, discount_percent=0, zone=ZONE,
                )
                for who, number in zip((rich, poor), numbers, strict=True)
            ),
            *(
                BuyPackage(
                    account_id=who, at=NOW, purchase_id=f"b{who}", product="evening",
                    line=None, zone=ZONE, auto_renew=True,
                )
                for who in (rich, poor)
            ),
            *(EnsureWork(work) for work in (first_work(NOW, ZONE), *first_looks(NOW, ZONE))),
        ]
    )  # fmt: skip
    assert not [each for each in found if isinstance(each, Exception)]
    return rich, poor


def everything(books: Store) -> dict[str, list[tuple[object, ...]]]:
    with books.reading() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(table.select())), key=repr)
            for table in metadata.sorted_tables
        }


def test_a_preview_is_what_happens_afterwards_and_writes_nothing(books):
    rich, poor = shop(books)
    before = everything(books)
    told = rehearse(books, NOW, UNTIL, ZONE, SETTINGS)
    assert everything(books) == before

    debits = [(t.at, t.kind, t.about, t.amount_micros) for t in told if t.account_id == poor
              and t.what == "debit"]  # fmt: skip
    assert debits[:2] == [
        (at("02-09T12:00"), "package", "evening", -5 * LARI),
        (at("02-10T12:00"), "rent", "+995322000002", -10 * LARI),
    ]
    suspended = [t for t in told if t.what == "status"]
    assert [(t.account_id, t.kind, t.at) for t in suspended] == [
        (poor, "suspended", at("02-18T00:00"))
    ]
    assert [(t.account_id, t.about) for t in told if t.what == "bill"] == [
        (rich, "2027-01"), (poor, "2027-01"), (rich, "2027-02"), (poor, "2027-02"),
    ]  # fmt: skip

    assert run_due(books, books.apply, UNTIL, ZONE, SETTINGS).failures == []
    for who in (rich, poor):
        assert [(t.at, t.amount_micros) for t in told if t.account_id == who and t.what in
                ("debit", "credit")] == [
            (entry.at, entry.amount_micros) for entry in books.ledger(who) if entry.at > NOW
        ]  # fmt: skip
        last = [t.balance_micros for t in told if t.account_id == who and t.what == "debit"][-1]
        assert books.account(who).balance_micros == last
    with books.reading() as connection:
        made = bill_store.bills_of(connection)
    assert [(t.account_id, t.about, t.amount_micros) for t in told if t.what == "bill"] == [
        (bill.account_id, bill.month, bill.to_pay_micros) for bill in made
    ]
    assert books.account(poor).status == "suspended"


def test_a_preview_of_one_account_is_its_part_of_the_whole(books):
    for who in shop(books):
        told = rehearse(books, NOW, UNTIL, ZONE, SETTINGS)
        assert rehearse(books, NOW, UNTIL, ZONE, SETTINGS, who) == [
            each for each in told if each.account_id == who
        ]


def test_calls_are_not_kept_waiting_by_a_preview(tmp_path):
    """Another process writes while the books are being read."""
    store = Store(f"sqlite:///{tmp_path}/books.db")
    store.create()
    rich, _ = shop(store)
    with store.reading() as connection:
        connection.execute(text("SELECT count(*) FROM accounts"))
        store.apply([TopUp(rich, LARI, "meanwhile", NOW)])
        told = rehearse(store, NOW, UNTIL, ZONE, SETTINGS, rich)
    assert told[0].account_id == rich
