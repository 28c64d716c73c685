"""Payments by day and method, and one that is taken back: the ledger keeps both entries."""

from __future__ import annotations

from typing import Any

import pytest

from billing.facts.authorization import TopUp
from billing.stores.store import Store
from softswitch.operations.accounts import accounts, standing, statements
from softswitch.operations.calls import records
from softswitch.operations.context import Context
from softswitch.operations.money import bills, packages, payments, turnover, wallets
from tests.softswitch.operating import at, later, refused


@pytest.fixture
def ana(context: Context) -> Context:
    context.now_ms = lambda: at("2027-01-04T12:00+04:00")
    for name in ("Ana", "Beka"):
        accounts.account_add(context, name)
    accounts.account_topup(context, "Ana", "10", "p1", method="cash")
    accounts.account_topup(context, "Beka", "5", "p2", method="terminal")
    context.now_ms = lambda: at("2027-01-05T00:00+04:00")
    accounts.account_topup(context, "Ana", "7", "p3")
    return context


def ids(rows: Any) -> list[str]:
    return [row["payment_id"] for row in rows]


def test_payments_are_found_by_account_day_and_method(ana: Context) -> None:
    assert ids(payments.payment_list(ana)) == ["p3", "p2", "p1"]
    assert ids(payments.payment_list(ana, account="Ana")) == ["p3", "p1"]
    assert ids(payments.payment_list(ana, day="2027-01-04")) == ["p2", "p1"]
    assert ids(payments.payment_list(ana, method="terminal")) == ["p2"]
    assert ids(payments.payment_list(ana, method="")) == ["p3"]
    (row,) = payments.payment_list(ana, account="Beka")
    assert (row["method"], row["amount"], row["reversed_at"]) == ("terminal", "5.00", None)
    assert "method must be" in refused(payments.payment_list, ana, method="barter")
    assert "method must be" in refused(accounts.account_topup, ana, "Ana", "1", "p4", "barter")
    assert "date like" in refused(payments.payment_list, ana, day="yesterday")


def test_payments_come_in_pages(ana: Context) -> None:
    first = payments.payment_list(ana, limit=2)
    before = f"{first[-1]['at']},{first[-1]['id']}"
    assert ids(first) == ["p3", "p2"]
    assert ids(payments.payment_list(ana, limit=2, before=before)) == ["p1"]


def test_a_reversal_is_an_entry_of_its_own_and_is_made_once(ana: Context) -> None:
    row = payments.payment_reverse(ana, "Ana", "p1", "entered twice", by="nino")
    assert (row["balance"], row["counted"]) == ("7.00", "counted now")
    row = payments.payment_reverse(ana, "Ana", "p1", "entered twice", by="nino")
    assert (row["balance"], row["counted"]) == ("7.00", "counted before")
    ledger = statements.account_ledger(ana, "Ana")
    assert [(entry["kind"], entry["amount"]) for entry in ledger] == [
        ("topup", "10.00"), ("topup", "7.00"), ("reversal", "-10.00"),
    ]  # fmt: skip
    assert records.ledger_verify(ana)["ok"]
    rows = {row["payment_id"]: row["reversed_at"] for row in payments.payment_list(ana)}
    assert rows == {"p1": "2027-01-04T20:00:00.000Z", "p2": None, "p3": None}
    change = standing.account_history(ana, "Ana")[-1]
    assert (change["who"], change["what"], change["from"], change["to"]) == (
        "nino", "payment p1", "10.00 GEL", "reversed",
    )  # fmt: skip
    # The id stays used: the payment can't be counted a second time by mistake.
    assert accounts.account_topup(ana, "Ana", "10", "p1")["counted"] == "counted before"


def test_a_reversal_is_of_the_accounts_own_payment_and_says_why(ana: Context) -> None:
    for account, payment in (("Ana", "p2"), ("Ana", "nothing"), ("Beka", "p1")):
        said = refused(payments.payment_reverse, ana, account, payment, "wrong")
        assert said.endswith(f"has no payment {payment}")
    assert refused(payments.payment_reverse, ana, "Ana", "p1", " ").startswith("say why")


def test_money_that_was_spent_is_owed_after_a_reversal(ana: Context) -> None:
    packages.package_define(ana, "talk", "6", "30 days", scope="on_net")
    packages.package_buy(ana, "Ana", "talk", purchase_id="s1")
    for payment in ("p1", "p3"):
        payments.payment_reverse(ana, "Ana", payment, "a bad cheque")
    assert accounts.account_show(ana, "Ana")["balance"] == "-6.00"
    assert records.ledger_verify(ana)["ok"]


def test_a_bill_counts_a_reversal_as_a_payment_that_was_not_made(ana: Context) -> None:
    payments.payment_reverse(ana, "Ana", "p1", "entered twice")
    later(ana, "2027-02-01T00:00+04:00")
    (bill,) = bills.bill_list(ana, "Ana")
    shown: Any = bills.bill_show(ana, int(str(bill["number"])))
    assert sorted((item["kind"], item["amount"]) for item in shown["items"]) == [
        ("reversal", "-10.00"), ("topup", "17.00"),
    ]  # fmt: skip
    assert records.ledger_verify(ana)["ok"]


def test_each_method_has_a_book_that_is_empty_after_a_reversal(ana: Context) -> None:
    payments.payment_reverse(ana, "Beka", "p2", "wrong account")
    with ana.billing.reading() as connection:
        rows = connection.exec_driver_sql(
            "SELECT book, sum(amount_micros) FROM ledger_entries WHERE account_id IS NULL "
            "GROUP BY book ORDER BY book"
        ).all()
    assert [tuple(row) for row in rows] == [
        ("cash/cash:GEL", -10_000_000), ("cash/terminal:GEL", 0), ("cash:GEL", -7_000_000),
    ]  # fmt: skip


def test_a_payment_asks_no_more_of_the_ledger_for_its_length(ana: Context) -> None:
    """SQLite's own count of the steps of a payment, in a ledger of 30 and of 3,000 entries."""
    few = steps_of_payment(ana.billing, "few")
    with ana.billing.engine.begin() as connection:
        connection.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
            "INSERT INTO ledger_entries SELECT 'x' || i || '/account', 'x' || i, 2, 'account:2', "
            "'GEL', 0, 'call', 1 FROM n"
        )
    assert steps_of_payment(ana.billing, "many") < few + 500


def steps_of_payment(store: Store, key: str) -> int:
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    with store.engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(step, 10)
        store.apply_within(connection, [TopUp(1, 1_000_000, key, at("2027-01-05T00:00+04:00"))])
        driver.set_progress_handler(None, 0)
    assert steps > 0
    return steps * 10


def test_a_month_is_summed_by_day_and_method_without_what_was_taken_back(ana: Context) -> None:
    accounts.account_topup(ana, "Beka", "2.50", "p4", method="cash")
    payments.payment_reverse(ana, "Beka", "p2", "a mistake")
    rows = [
        (row["day"], row["method"], row["payments"], row["amount"])
        for row in payments.payment_sums(ana)
    ]
    assert rows == [
        ("2027-01-04", "cash", 1, "10.00"),
        ("2027-01-04", "terminal", 1, "5.00"),
        ("2027-01-05", None, 1, "7.00"),
        ("2027-01-05", "cash", 1, "2.50"),
        ("2027-01-05", "terminal", 0, "-5.00"),
        (None, None, 1, "7.00"),
        (None, "cash", 2, "12.50"),
        (None, "terminal", 1, "0.00"),
    ]
    assert payments.payment_sums(ana, "2026-12") == []
    for month in ("2027-13", "January", "2027-1"):
        assert "written like 2027-01" in refused(payments.payment_sums, ana, month)


def test_the_turnover_of_a_month_is_summed_by_kind(ana: Context) -> None:
    payments.payment_reverse(ana, "Beka", "p2", "a mistake")
    wallets.account_fee(ana, "Ana", "1.50", "setup", "f1")
    assert turnover.ledger_turnover(ana) == [
        entries("fee", 1, "0.00", "-1.50", "-1.50"),
        entries("reversal", 1, "0.00", "-5.00", "-5.00"),
        entries("topup", 3, "22.00", "0.00", "22.00"),
    ]
    assert turnover.ledger_turnover(ana, "2026-12") == []
    assert "written like 2027-01" in refused(turnover.ledger_turnover, ana, "2027-13")


def entries(kind: str, count: int, given: str, charged: str, amount: str) -> dict[str, object]:
    return {
        "month": "2027-01", "kind": kind, "currency": "GEL", "entries": count,
        "credits": given, "debits": charged, "amount": amount,
    }  # fmt: skip
