"""Decisions about holds: setting credit aside, taking it for good, giving it back."""

from __future__ import annotations

from dataclasses import replace

from billing.decisions import wallets
from billing.decisions.book import Book
from billing.facts.authorization import (
    BillingError,
    CurrencyMismatch,
    InsufficientFunds,
    PaymentConflict,
)
from billing.facts.hold import (
    CaptureCredit,
    Hold,
    HoldCredit,
    ReleaseCredit,
    capture_transaction,
)
from billing.facts.money import format_amount
from billing.facts.wallet import MONEY


def hold(book: Book, command: HoldCredit) -> Hold:
    """Set the whole amount aside, or nothing."""
    account = wallets.owner(book, command.account_id)
    before = book.sales.holds.get(command.hold_id)
    if before is not None:
        if (before.account_id, before.wallet, before.amount_micros) != (
            account.id,
            command.wallet,
            command.amount_micros,
        ):
            raise PaymentConflict(
                f"hold {before.id} was used for {format_amount(before.amount_micros)} "
                f"{before.wallet} of account {before.account_id}"
            )
        return before
    if command.currency not in (None, account.currency):
        raise CurrencyMismatch(
            f"the price is in {command.currency}, account {account.id} is in {account.currency}"
        )
    if command.amount_micros < 0:
        raise BillingError("a hold is not negative")
    free = _free(book, account.id, command.wallet)
    if command.amount_micros and free is not None and free < command.amount_micros:
        raise InsufficientFunds(
            f"account {account.id} has {format_amount(max(free, 0))} {command.wallet} available; "
            f"{format_amount(command.amount_micros)} are needed"
        )
    _set_aside(book, account.id, command.wallet, command.amount_micros)
    made = Hold(
        command.hold_id,
        account.id,
        command.wallet,
        command.amount_micros,
        command.amount_micros,
        command.at,
    )
    book.sales.put_hold(made)
    return made


def capture(book: Book, command: CaptureCredit) -> Hold:
    """Take a part for good; the account's status doesn't matter, for the text has gone out."""
    held = _held(book, command.hold_id, command.account_id)
    transaction = capture_transaction(command)
    if transaction in book.payments:
        return held
    if not 0 <= command.amount_micros <= held.held_micros:
        raise BillingError(
            f"hold {held.id} has {format_amount(held.held_micros)} {held.wallet} left, not "
            f"{format_amount(command.amount_micros)}"
        )
    _set_aside(book, held.account_id, held.wallet, -command.amount_micros)
    if held.wallet == MONEY:
        (book.payments[transaction], _) = book.post(
            transaction, held.account_id, -command.amount_micros, "text", "revenue", command.at
        )
    else:
        wallets.move(
            book, transaction, held.account_id, held.wallet, -command.amount_micros, "text",
            command.at,
        )  # fmt: skip
    return _keep(book, held, held.held_micros - command.amount_micros)


def release(book: Book, command: ReleaseCredit) -> Hold:
    """Give back what is left."""
    held = _held(book, command.hold_id, command.account_id)
    _set_aside(book, held.account_id, held.wallet, -held.held_micros)
    return _keep(book, held, 0)


def _held(book: Book, hold_id: str, account_id: int) -> Hold:
    held = book.sales.holds.get(hold_id)
    if held is None or held.account_id != account_id:
        raise BillingError(f"account {account_id} has no hold {hold_id}")
    return held


def _keep(book: Book, held: Hold, left_micros: int) -> Hold:
    kept = replace(held, held_micros=left_micros)
    book.sales.put_hold(kept)
    return kept


def _free(book: Book, account_id: int, wallet: str) -> int | None:
    """Micros that can be set aside; None: without a limit."""
    if wallet == MONEY:
        return book.account(account_id).available_micros
    wallets.rules_of(wallet)
    return wallets.wallet_of(book, account_id, wallet).available_micros


def _set_aside(book: Book, account_id: int, wallet: str, micros: int) -> None:
    if wallet == MONEY:
        book.reserve(account_id, micros)
        return
    before = wallets.wallet_of(book, account_id, wallet)
    book.sales.put_wallet(replace(before, held_micros=before.held_micros + micros))
