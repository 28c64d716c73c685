"""The ledger: entries that balance, are never changed and never repeated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import Struct


class Entry(Struct, frozen=True):
    """One side of a posting.

    Args:
        id: follows from the cause, so that the same cause can't be posted twice.
        transaction_id: entries of one transaction sum to zero.
        account_id: the subscriber's account; None for one of our own.
        book: the account's name in the books: "account:12", "cash:GEL", "revenue:GEL".
        kind: topup, reversal, refund, call, package, rent, sms_number, fee, bonus, correction;
            credit, trial and spend in a wallet.
        at: epoch milliseconds.
    """

    id: str
    transaction_id: str
    account_id: int | None
    book: str
    currency: str
    amount_micros: int
    kind: str
    at: int


def posting(
    transaction_id: str,
    account_id: int,
    currency: str,
    amount_micros: int,
    kind: str,
    against: str,
    at: int,
) -> tuple[Entry, Entry]:
    """Move an amount to an account (from it, if negative) and the opposite to one of our own."""
    return (
        Entry(
            f"{transaction_id}/account",
            transaction_id,
            account_id,
            f"account:{account_id}",
            currency,
            amount_micros,
            kind,
            at,
        ),
        Entry(
            f"{transaction_id}/{against}",
            transaction_id,
            None,
            f"{against}:{currency}",
            currency,
            -amount_micros,
            kind,
            at,
        ),
    )


def call_transaction(call_id: str) -> str:
    """The transaction that settles a call."""
    return f"call:{call_id}"


def payment_transaction(payment_id: str) -> str:
    """The transaction of a payment."""
    return f"payment:{payment_id}"


def reversal_transaction(payment_id: str) -> str:
    """The transaction that takes a payment back."""
    return f"reversal:{payment_id}"


def own_entries(transaction_id: str) -> tuple[str, str]:
    """The ids that the entries of a transaction can have which are an account's: in money, and in
    a wallet."""
    return f"{transaction_id}/account", f"{transaction_id}/wallet"


CASH = "cash"
"""The book of payments whose method isn't known, and of refunds."""
METHODS = ("cash", "card", "bank", "terminal", "online")
"""Ways in which payments come, each with a book of its own beside `CASH`."""


def cash_book(method: str) -> str:
    """The book of payments of a method; "" for one that isn't known."""
    return f"{CASH}/{method}" if method else CASH


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that `verify` found wrong."""

    what: str
    """balance, reserved, transaction, cdr, price or correction."""
    key: str
    expected: int
    found: int

    def __str__(self) -> str:
        return f"{self.what} {self.key}: expected {self.expected} micros, found {self.found}"


def unbalanced(sums: Iterable[tuple[str, str, int]]) -> list[Difference]:
    """Transactions (id, currency, sum of amounts) whose entries don't sum to zero."""
    return [Difference("transaction", key, 0, total) for key, _, total in sums if total]
