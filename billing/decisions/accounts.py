"""Accounts: decisions about payments, settings and statuses."""

from __future__ import annotations

from msgspec import structs

from billing.decisions import debts, packages, rentals
from billing.decisions.book import Book
from billing.facts.account import TRANSITIONS, Account, Change
from billing.facts.authorization import (
    BillingError,
    ChangeStatus,
    Payment,
    PaymentConflict,
    ReversePayment,
    SetAccount,
    StatusConflict,
    TopUp,
    UnknownPayment,
)
from billing.facts.ledger import cash_book, payment_transaction, reversal_transaction
from billing.facts.money import format_amount

MAX_WHAT = 64
"""Characters of what a change is about."""
SETTABLE = frozenset({"tariff", "name", "credit_limit_micros"})
"""Fields of an account that :class:`SetAccount` may change."""


def top_up(book: Book, command: TopUp) -> Payment:
    """Post a payment, and what follows from it: a suspension for a debt ends, packages in their
    grace are renewed, numbers that were barred for a fee ring again.

    Raises:
        PaymentConflict: the id was used for another payment.
    """
    account = book.account(command.account_id)
    transaction = payment_transaction(command.payment_id)
    before = book.payments.get(transaction)
    if before is not None:
        if (before.account_id, before.amount_micros) != (account.id, command.amount_micros):
            raise PaymentConflict(
                f"payment id {command.payment_id} was used for "
                f"{format_amount(before.amount_micros)} {before.currency} to account "
                f"{before.account_id}"
            )
        return Payment(account, counted_before=True, balance_micros=account.balance_micros)
    book.payments[transaction], _ = book.post(
        transaction,
        account.id,
        command.amount_micros,
        "topup",
        cash_book(command.method),
        command.at,
    )
    paid = book.account(account.id).balance_micros
    # First of all it may be active again, so that the payment renews what waits in its grace.
    debts.after_rise(book, account.id, command.amount_micros, command.at)
    reopened = book.account(account.id).status != account.status
    renewed = packages.after_payment(book, account.id, command.at)
    rentals.after_rise(book, account.id)
    return Payment(book.account(account.id), False, paid, tuple(renewed), reopened)


def reverse_payment(book: Book, command: ReversePayment) -> Payment:
    """Post the opposite of a payment against the book that it went to, and note why.

    Raises:
        UnknownPayment: the account has no such payment.
    """
    account = book.account(command.account_id)
    paid = book.payments.get(payment_transaction(command.payment_id))
    if paid is None or (paid.account_id, paid.kind) != (account.id, "topup"):
        raise UnknownPayment(f"account {account.id} has no payment {command.payment_id}")
    transaction = reversal_transaction(command.payment_id)
    if transaction in book.payments:
        return Payment(account, counted_before=True, balance_micros=account.balance_micros)
    book.payments[transaction], _ = book.post(
        transaction,
        account.id,
        -paid.amount_micros,
        "reversal",
        cash_book(command.method),
        command.at,
    )
    debts.after_reversal(book, account.id, paid.amount_micros)
    amount = f"{format_amount(paid.amount_micros)} {account.currency}"
    what = f"payment {command.payment_id}"[:MAX_WHAT]
    book.new_changes.append(
        Change(account.id, command.at, command.who, what, amount, "reversed", command.reason)
    )
    after = book.account(account.id)
    return Payment(after, counted_before=False, balance_micros=after.balance_micros)


def set_account(book: Book, command: SetAccount) -> Account:
    """Change fields of an account.

    Raises:
        BillingError: a field can't be set.
    """
    account = book.account(command.account_id)
    unknown = command.changes.keys() - SETTABLE
    if unknown:
        raise BillingError(f"an account's {', '.join(sorted(unknown))} can't be set")
    account = structs.replace(account, **command.changes)
    book.put(account)
    if command.about_credit:
        rentals.after_rise(book, account.id)
    return account


def change_status(book: Book, command: ChangeStatus) -> Account:
    """Give an account another status, and note the change.

    Raises:
        StatusConflict: the new status can't follow the old one.
    """
    account = book.account(command.account_id)
    before, after = account.status, command.status
    if before == after:
        return account
    following = TRANSITIONS.get(before, frozenset())
    if after not in following:
        may = ", ".join(sorted(following)) or "nothing"
        raise StatusConflict(
            f"account {account.id} is {before} and can't become {after}; {may} may follow"
        )
    account = structs.replace(account, status=after)
    book.put(account)
    book.sales.put_suspension(account.id, None)
    who, why = command.who, command.reason
    book.new_changes.append(Change(account.id, command.at, who, "status", before, after, why))
    return account
