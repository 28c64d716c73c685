"""Debts: decisions about accounts that the switch suspends for one, and opens when it is paid."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from billing.decisions.book import Book
from billing.facts.account import ACTIVE, SUSPENDED, Account, Change, Status
from billing.facts.debt import LiftSuspension, SuspendForDebt, Suspension, suspended_key
from billing.facts.money import format_amount
from billing.facts.sales import Notice

SWITCH = "switch"


def suspend(book: Book, command: SuspendForDebt) -> Account:
    """Suspend an active account; what it owed on bills is kept, so that payments can be held
    against it."""
    account, debt = book.account(command.account_id), command.debt
    if account.status != ACTIVE:
        return account
    owed = f"{format_amount(debt.micros)} {account.currency}"
    _change(book, account, SUSPENDED, command.at, f"owes {owed}")
    book.sales.put_suspension(
        account.id, Suspension(account.id, debt.since, command.at, debt.billed_micros)
    )
    key = suspended_key(debt)
    book.sales.tell(Notice(key, account.id, "debt_suspended", owed, command.at))
    return book.account(account.id)


def lift(book: Book, command: LiftSuspension) -> Account:
    """Lift the suspension of an account, if the switch suspended it."""
    account = book.account(command.account_id)
    suspension = book.sales.suspensions.get(account.id)
    if suspension is not None:
        _lift(book, account, suspension, command.at)
    return book.account(account.id)


def after_rise(book: Book, account_id: int, micros: int, at: int) -> None:
    """The balance rose: an account that the switch suspended is active again when it owes no
    more. One that an operator suspended stays suspended."""
    suspension = book.sales.suspensions.get(account_id)
    if suspension is None:
        return
    account = book.account(account_id)
    suspension = replace(suspension, owed_micros=max(0, suspension.owed_micros - micros))
    book.sales.put_suspension(account_id, suspension)
    if not suspension.owed_micros and not is_overdrawn(account):
        _lift(book, account, suspension, at)


def after_reversal(book: Book, account_id: int, micros: int) -> None:
    """A payment was taken back: a suspended account owes its bills again."""
    suspension = book.sales.suspensions.get(account_id)
    if suspension is not None:
        owed = replace(suspension, owed_micros=suspension.owed_micros + micros)
        book.sales.put_suspension(account_id, owed)


def is_overdrawn(account: Account) -> bool:
    """True if the balance is lower than the credit limit lets it be."""
    limit = account.credit_limit_micros
    return limit is not None and account.balance_micros + limit < 0


def _lift(book: Book, account: Account, suspension: Suspension, at: int) -> None:
    book.sales.put_suspension(account.id, None)
    if account.status != SUSPENDED:
        return
    _change(book, account, ACTIVE, at, "the debt is paid")
    key = f"debt_lifted:{account.id}:{suspension.suspended_at}"
    book.sales.tell(Notice(key, account.id, "debt_lifted", str(account.id), at))


def _change(book: Book, account: Account, status: Status, at: int, why: str) -> None:
    book.put(structs.replace(account, status=status))
    change = Change(account.id, at, SWITCH, "status", account.status, status, why)
    book.new_changes.append(change)
