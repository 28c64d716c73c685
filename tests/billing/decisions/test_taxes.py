"""Value added tax of bills (C14, E17): whose rate, since when, in prices or on top of them."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

import pytest
from books import account, cdr, one, store
from msgspec import structs

from billing.facts.authorization import AnswerCall, CloseCall, OpenCall, TopUp
from billing.facts.bill import first_work
from billing.facts.rate import Rate
from billing.facts.sales import EnsureWork
from billing.facts.tax import EVERYBODY, SetTax, TaxRate, payable, rate_for, tax_of, to_minor
from billing.facts.wallet import ChargeFee
from billing.stores import bill_store
from softswitch.scheduled.due import run_due

TBILISI = "Asia/Tbilisi"
LARI = 1_000_000
VAT = TaxRate(EVERYBODY, "2027-01", 1800, included=True)
ON_TOP = TaxRate(EVERYBODY, "2027-01", 1800, included=False)

database = pytest.mark.usefixtures("database")


def at(day: str) -> int:
    return int(datetime.fromisoformat(f"2027-{day}T00:00+04:00").timestamp() * 1000)


def opened(*rates: TaxRate):
    books = store()
    one(books, EnsureWork(first_work(at("01-02"), TBILISI)))
    for rate in rates:
        one(books, SetTax(rate.account_id, rate.month, rate))
    return books


def charged(books, who, micros, day="01-10", key="f1"):
    command = ChargeFee(account_id=who, at=at(day), fee_id=key, amount_micros=micros, about="work")
    one(books, command)


def billed(books, who, until="02-01"):
    assert run_due(books, books.apply, at(until), TBILISI).failures == []
    with books.reading() as connection:
        return bill_store.bills_of(connection, who)


def test_C14_the_newest_rate_that_has_begun_counts_and_an_accounts_own_before_everybodys():
    rates = [
        VAT,
        TaxRate(EVERYBODY, "2027-03", 2000, included=True),
        TaxRate(7, "2027-02", 0, included=True),
    ]
    found = [
        (rate_for(rates, owner, month) or VAT.__class__(0, "", -1, True)).basis_points
        for owner, month in ((1, "2026-12"), (1, "2027-01"), (1, "2027-02"), (1, "2027-03"),
                             (7, "2027-01"), (7, "2027-04"))
    ]  # fmt: skip
    assert found == [-1, 1800, 1800, 2000, 1800, 0]


@pytest.mark.parametrize("charges", [0, 1, 5_000, 27_777, 118 * LARI, -118 * LARI, 999_999_999_999])
@pytest.mark.parametrize("rate", [VAT, ON_TOP])
def test_C14_a_tax_is_rounded_once_half_up_to_a_hundredth(charges, rate):
    whole = 11_800 if rate.included else 10_000
    exact = Fraction(abs(charges) * 1800, whole * 10_000)
    hundredths = int(exact + Fraction(1, 2))
    assert tax_of(charges, rate) == (hundredths if charges >= 0 else -hundredths) * 10_000


def test_E17_what_is_to_be_paid_is_rounded_up_so_that_no_debt_is_left():
    assert [payable(x) for x in (0, 1, 10_000, 10_001)] == [0, 10_000, 10_000, 20_000]
    assert [to_minor(x) for x in (4_999, 5_000, -5_000, -4_999)] == [0, 10_000, -10_000, 0]


@database
def test_C14_prices_that_include_the_tax_leave_the_ledger_alone():
    books = opened(VAT)
    who = account(books, 200 * LARI)
    charged(books, who, 118 * LARI)
    (bill,) = billed(books, who)
    assert (bill.charges_micros, bill.tax_micros, bill.net_micros) == (
        118 * LARI, 18 * LARI, 100 * LARI,
    )  # fmt: skip
    assert [entry.kind for entry in books.ledger(who)] == ["topup", "fee"]
    assert bill.closing_micros == books.account(who).balance_micros == 82 * LARI
    assert books.verify() == []


@database
def test_C14_prices_without_the_tax_are_charged_it_once_by_the_bill():
    books = opened(ON_TOP)
    who = account(books, 200 * LARI)
    charged(books, who, 100 * LARI)
    for _ in range(2):
        (bill,) = billed(books, who)
    assert (bill.charges_micros, bill.tax_micros, bill.net_micros) == (
        118 * LARI, 18 * LARI, 100 * LARI,
    )  # fmt: skip
    taxes = [entry for entry in books.ledger(who) if entry.kind == "tax"]
    assert [(entry.amount_micros, entry.at) for entry in taxes] == [(-18 * LARI, at("02-01") - 1)]
    assert bill.closing_micros == books.account(who).balance_micros == 82 * LARI
    assert [item.kind for item in bill.services] == ["fee"]
    charged(books, who, 10 * LARI, "02-10", "f2")
    _, second = billed(books, who, "03-01")
    assert (second.opening_micros, second.tax_micros) == (82 * LARI, 1_800_000)
    assert {item.kind for item in second.items} == {"fee", "tax"}
    assert books.verify() == []


@database
def test_C14_an_account_with_a_rate_of_its_own_and_bills_from_before():
    books = opened(TaxRate(EVERYBODY, "2027-02", 1800, included=True))
    free, taxed = account(books, 50 * LARI), account(books, 50 * LARI)
    one(books, SetTax(free, "2027-01", TaxRate(free, "2027-01", 0, included=True)))
    for who in (free, taxed):
        charged(books, who, 5 * LARI, "01-10", f"a{who}")
        charged(books, who, 5 * LARI, "02-10", f"b{who}")
    made = {who: [bill.tax_micros for bill in billed(books, who, "03-01")] for who in (free, taxed)}
    assert made == {free: [0, 0], taxed: [0, 760_000]}  # 0.7627...


@database
def test_C14_payments_are_no_services_and_every_figure_comes_from_the_ledger():
    books = opened(VAT)
    who = account(books, 0)
    one(books, TopUp(who, 10 * LARI, "p1", at("01-05")))
    rate = Rate("default", "995", "Georgia", 0, 123_457, 1, 1, 0, 0, "GEL")
    start = at("01-20")
    for n in range(3):
        key, talked = f"c{n}", 7_000 + n
        made = structs.replace(cdr(key, who, talked, start), setup_at=start - 1000)
        one(books, OpenCall(key, who, rate, made.to_json(), start, 60, ()))
        one(books, AnswerCall(key, start))
        one(books, CloseCall(key, made))
    charged(books, who, 3 * LARI)
    (bill,) = billed(books, who)
    entries = [e for e in books.ledger(who) if at("01-01") <= e.at < at("02-01")]
    charges = -sum(e.amount_micros for e in entries if e.kind in ("call", "fee"))
    assert bill.charges_micros == charges
    assert charges % 10_000  # hundredths don't come by themselves
    assert bill.tax_micros == tax_of(charges, VAT)
    assert bill.net_micros + bill.tax_micros == charges
    assert books.verify() == []


@database
def test_C14_a_forged_tax_is_found():
    books = opened(ON_TOP)
    who = account(books, 200 * LARI)
    charged(books, who, 100 * LARI)
    billed(books, who)
    import msgspec
    from sqlalchemy import update

    with books.engine.begin() as connection:
        (made,) = bill_store.bills_of(connection, who)
        forged = msgspec.structs.replace(made, tax_micros=made.tax_micros - 10_000)
        content = msgspec.msgpack.encode(forged)
        connection.execute(update(bill_store.bills).values(content=content))
    assert "bill tax" in {difference.what for difference in books.verify()}
