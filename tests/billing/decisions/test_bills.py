"""Monthly bills (C10, C14): gapless, once a month, never computed again."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from books import account, cdr, one, reopen, store
from msgspec import structs

from billing.facts import bill
from billing.facts.authorization import (
    AddAccount,
    AnswerCall,
    ChangeStatus,
    CloseCall,
    OpenCall,
    TopUp,
)
from billing.facts.bill import Item, MakeBills, billing_month, first_work
from billing.facts.calendar import Term
from billing.facts.due import DueWork
from billing.facts.product import Product
from billing.facts.rate import Rate
from billing.facts.rental import AddNumbers, Number, RentNumber
from billing.facts.sales import BuyPackage, DefineProduct, EnsureWork
from billing.stores import bill_store, sales_store
from softswitch.scheduled.due import run_due

TBILISI = "Asia/Tbilisi"
LARI = 1_000_000
RATE = Rate("default", "995", "Georgia", 0, 60_000, 1, 1, 0, 0, "GEL")
ADSL = Product("adsl", "GEL", 30 * LARI, Term(1, "months"), service="adsl")
NUMBER = Number("+4930000001", "DE", "Berlin", "landline", "own", "", None, "GEL", 5 * LARI)

database = pytest.mark.usefixtures("database")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def billed(books) -> None:
    one(books, EnsureWork(first_work(at("2027-01-15T12:00+04:00"), TBILISI)))


def run(books, until: str) -> None:
    assert run_due(books, books.apply, at(until), TBILISI).failures == []


def call(books, who, key, ended_at, seconds=60):
    one(books, OpenCall(key, who, RATE, b"{}", ended_at - seconds * 1000, 1000))
    one(books, AnswerCall(key, ended_at - seconds * 1000))
    answered = ended_at - seconds * 1000
    facts = structs.replace(cdr(key, who, seconds * 1000, answered), setup_at=answered - 1000)
    one(books, CloseCall(key, facts))


def bills(books, who=None):
    with books.reading() as connection:
        return bill_store.bills_of(connection, who)


@database
def test_a_month_with_everything_on_its_bill():
    books = store()
    who = account(books, 0)
    billed(books)
    one(books, DefineProduct(ADSL))
    one(books, AddNumbers((NUMBER,), at("2027-01-01T00:00+04:00")))
    one(books, TopUp(who, 100 * LARI, "cash", at("2027-01-02T12:00+04:00")))
    when = at("2027-01-10T12:00+04:00")
    one(books, BuyPackage(account_id=who, at=when, purchase_id="p1", product="adsl", line=None,
                          zone=TBILISI, auto_renew=True))  # fmt: skip
    one(books, RentNumber(account_id=who, at=when, rental_id=f"o1:{NUMBER.number}",
                          number=NUMBER.number, line="+995322000001", months=1,
                          discount_percent=0, zone=TBILISI))  # fmt: skip
    call(books, who, "c1", at("2027-01-20T12:00+04:00"), 90)
    run(books, "2027-02-01T00:00+04:00")
    (made,) = bills(books)
    assert (made.number, made.month, made.made_at) == (1, "2027-01", at("2027-02-01T00:00+04:00"))
    assert made.items == [
        Item("call", "national", 1, 90, -90_000),
        Item("package", "adsl", 1, 0, -30 * LARI),
        Item("rent", NUMBER.number, 1, 0, -5 * LARI),
        Item("topup", "", 1, 0, 100 * LARI),
    ]
    assert (made.opening_micros, made.closing_micros) == (0, 65 * LARI - 90_000)
    assert (made.charges_micros, made.payments_micros) == (35 * LARI + 90_000, 100 * LARI)
    assert made.closing_micros == books.account(who).balance_micros
    with books.reading() as connection:
        told = [(n.what, n.about) for n in sales_store.notices(connection, who)]
    assert ("bill_ready", "2027-01") in told
    assert books.verify() == []


@database
def test_C10_other_products_stand_on_the_bill_each_month():
    books = store()
    who = account(books, 0, credit_limit=None)
    billed(books)
    one(books, DefineProduct(ADSL))
    one(books, BuyPackage(account_id=who, at=at("2027-01-31T10:00+04:00"), purchase_id="p1",
                          product="adsl", line=None, zone=TBILISI, auto_renew=True))  # fmt: skip
    run(books, "2027-05-01T00:00+04:00")
    made = bills(books)
    assert [(b.month, b.items) for b in made] == [
        (month, [Item("package", "adsl", 1, 0, -30 * LARI)])
        for month in ("2027-01", "2027-02", "2027-03", "2027-04")
    ]
    assert [b.closing_micros for b in made] == [-30 * n * LARI for n in (1, 2, 3, 4)]
    assert made[-1].to_pay_micros == 120 * LARI
    assert books.verify() == []


@database
def test_bills_after_a_downtime_are_those_of_their_months():
    books = store()
    who, other = account(books, 10 * LARI), account(books, 10 * LARI)
    billed(books)
    for month in (1, 2, 3):
        call(books, who, f"c{month}", at(f"2027-0{month}-20T12:00+04:00"))
    run(books, "2027-04-15T00:00+04:00")
    assert [(b.number, b.account_id, b.month) for b in bills(books)] == [
        (1, who, "2027-01"), (2, other, "2027-01"), (3, who, "2027-02"), (4, other, "2027-02"),
        (5, who, "2027-03"), (6, other, "2027-03"),
    ]  # fmt: skip
    assert [b.closing_micros for b in bills(books, who)] == [
        10 * LARI - n * 60_000 for n in (1, 2, 3)
    ]
    run(books, "2027-04-30T23:59+04:00")
    assert len(bills(books)) == 6
    assert books.verify() == []


@database
def test_a_bill_is_made_exactly_once():
    books = store()
    who = account(books, LARI)
    month, before, start, _ = billing_month(at("2027-02-01T00:00+04:00"), TBILISI)
    command = MakeBills({who: {"name": "A"}}, month, before, start, at("2027-02-01T00:00+04:00"))
    (made,) = one(books, command)
    call(books, who, "c1", at("2027-01-31T23:59+04:00"))
    assert one(books, command) == []
    assert bills(books) == [made]


@database
def test_what_is_posted_late_stands_on_the_next_bill():
    books = store()
    who = account(books, 0)
    one(books, TopUp(who, 10 * LARI, "cash", at("2027-01-02T12:00+04:00")))
    billed(books)
    call(books, who, "c1", at("2027-01-20T12:00+04:00"))
    run(books, "2027-02-01T00:00+04:00")
    # Settled after the bill was made, and older than anything that a bill looks back at:
    call(books, who, "c2", at("2027-01-31T23:59+04:00"), 30)
    one(books, TopUp(who, 2 * LARI, "old", at("2026-06-01T00:00+04:00")))
    call(books, who, "c3", at("2027-02-10T12:00+04:00"), 10)
    run(books, "2027-03-01T00:00+04:00")
    first, second = bills(books)
    assert second.opening_micros == first.closing_micros
    assert second.items == [
        Item("call", "national", 2, 40, -40_000),
        Item("late", "", 1, 0, 2 * LARI),
    ]
    assert second.own == [Item("call", "national", 1, 10, -10_000)]
    assert second.closing_micros == books.account(who).balance_micros
    run(books, "2027-04-01T00:00+04:00")
    assert bills(books)[2].items == []
    assert books.verify() == []


@database
def test_a_closed_account_gets_its_last_bill_and_no_more():
    books = store()
    who = account(books, 0)
    one(books, TopUp(who, LARI, "cash", at("2027-01-02T12:00+04:00")))
    call(books, who, "c1", at("2027-01-20T12:00+04:00"), 1000)
    one(books, ChangeStatus(who, "closed", at("2027-01-21T12:00+04:00")))
    billed(books)
    run(books, "2027-04-02T00:00+04:00")
    assert [b.month for b in bills(books)] == ["2027-01"]
    one(books, AddAccount("late", "person", "GEL", 0, "default", at("2027-05-01T00:00+04:00")))
    run(books, "2027-05-02T00:00+04:00")
    assert [b.month for b in bills(books)] == ["2027-01"]


@database
def test_C14_content_is_kept_as_it_was_made():
    books = store()
    who = account(books, 5 * LARI)
    month, before, start, _ = billing_month(at("2027-02-01T00:00+04:00"), TBILISI)
    party = {"name": "Ana", "address": "Rustaveli 1"}
    one(books, MakeBills({who: party}, month, before, start, at("2027-02-01T00:00+04:00")))
    (made,) = bills(books)
    one(books, TopUp(who, LARI, "late", at("2027-01-15T00:00+04:00")))
    with books.reading() as connection:
        assert bill_store.bill(connection, 1) == made
        assert bill_store.bill(connection, 2) is None
    assert made.party == party


def test_two_nodes_that_bill_at_once_leave_no_gap(postgresql):
    books = store(postgresql)
    owners = [account(books, LARI) for _ in range(20)]
    month, before, start, _ = billing_month(at("2027-02-01T00:00+04:00"), TBILISI)

    def bill_some(seed):
        node = reopen(postgresql)
        mine = list(owners)
        random.Random(seed).shuffle(mine)
        for place in range(0, len(mine), 5):
            parties = {owner: {"name": "x"} for owner in mine[place : place + 5]}
            one(node, MakeBills(parties, month, before, start, at("2027-02-01T00:00+04:00")))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(bill_some, (1, 2)))
    made = bills(books)
    assert [b.number for b in made] == list(range(1, 21))
    assert sorted(b.account_id for b in made) == owners
    assert books.verify() == []


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        ("DELETE FROM bills WHERE number = 1", "bill number"),
        ("UPDATE bills SET content = (SELECT content FROM bills WHERE number = 1) "
         "WHERE number = 2", "bill number"),
    ],
)  # fmt: skip
def test_verification_finds_gaps_and_swapped_bills(broken, what):
    books = store()
    account(books, LARI)
    billed(books)
    run(books, "2027-03-15T00:00+04:00")
    assert books.verify() == []
    with books.engine.begin() as connection:
        connection.exec_driver_sql(broken)
    assert what in {difference.what for difference in books.verify()}


@pytest.mark.parametrize(
    ("due", "month", "starts", "following"),
    [
        ("2028-03-01T00:00+04:00", "2028-02", "2028-02-01T00:00+04:00", "2028-04-01T00:00+04:00"),
        ("2027-01-01T00:00+04:00", "2026-12", "2026-12-01T00:00+04:00", "2027-02-01T00:00+04:00"),
    ],
)
def test_the_month_that_ended(due, month, starts, following):
    found = billing_month(at(due), TBILISI)
    assert (found[0], found[2], found[3]) == (month, at(starts), at(following))
    berlin = billing_month(at("2027-04-01T00:00+02:00"), "Europe/Berlin")
    assert berlin[2:] == (at("2027-03-01T00:00+01:00"), at("2027-05-01T00:00+02:00"))


def test_the_difference_of_sums():
    calls, rent = Item("call", "local", 3, 30, -30), Item("rent", "+1", 1, 0, -5)
    assert bill.difference([calls, rent], [calls]) == [rent]
    assert bill.difference([calls], [Item("call", "local", 1, 10, -10)]) == [
        Item("call", "local", 2, 20, -20)
    ]
    assert bill.difference([], [rent]) == [Item("rent", "+1", -1, 0, 5)]
    assert first_work(at("2027-12-31T23:59+04:00"), TBILISI) == DueWork(
        "bill", "monthly", None, at("2028-01-01T00:00+04:00")
    )
