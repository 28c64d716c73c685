"""Payments in the ledger, found by day, method or account."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, exists, select

from billing.facts.ledger import (
    METHODS,
    Entry,
    cash_book,
    payment_transaction,
    reversal_transaction,
)
from billing.stores import schema
from billing.stores.paging import Page, newest_first
from billing.stores.statements import MAX_KEYS

PREFIX = "payment:"
"""Of a payment's transaction."""


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment.

    Args:
        method: one of `METHODS`; "": it isn't known.
        reversed_at: when it was taken back; None: it stands.
    """

    entry: Entry
    method: str
    reversed_at: int | None

    @property
    def payment_id(self) -> str:
        """The id that the payment came with."""
        return self.entry.transaction_id.removeprefix(PREFIX)


def payments(
    connection: Connection,
    page: Page,
    account_id: int | None = None,
    start: int | None = None,
    end: int | None = None,
    method: str | None = None,
) -> list[Paid]:
    """Payments, the newest first.

    Args:
        account_id: of this account; None: of all.
        start, end: epoch milliseconds; the end is excluded.
        method: by this way alone; "" for those whose way isn't known.
    """
    columns = schema.entries.c
    query = select(schema.entries).where(columns.kind == "topup", columns.account_id.is_not(None))
    # Said as the index has it, which SQLite takes for no other condition.
    query = query.where(columns.kind.in_(("topup", "reversal")))
    if account_id is not None:
        query = query.where(columns.account_id == account_id)
    if start is not None:
        query = query.where(columns.at >= start)
    if end is not None:
        query = query.where(columns.at < end)
    if method is not None:
        other = schema.entries.alias()
        key = columns.transaction_id + f"/{cash_book(method)}"
        query = query.where(exists().where(other.c.id == key))
    rows = connection.execute(newest_first(query, page, columns.at, columns.id))
    found = [schema.entry_of(row) for row in rows]
    return _with_facts(connection, found)


def flows(connection: Connection, start: int, end: int, method: str) -> list[tuple[int, str, int]]:
    """What came in by a method between two instants, the end excluded: when, the currency, and the
    micros, below zero for what was taken back.

    Args:
        method: "" for payments whose way isn't known.
    """
    columns, other = schema.entries.c, schema.entries.alias()
    query = (
        select(columns.at, columns.currency, columns.amount_micros)
        .where(
            columns.kind.in_(("topup", "reversal")), columns.account_id.is_not(None),
            columns.at >= start, columns.at < end,
            exists().where(other.c.id == columns.transaction_id + f"/{cash_book(method)}"),
        )
        .order_by(columns.at)
    )  # fmt: skip
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def payment(connection: Connection, payment_id: str) -> Paid | None:
    """The payment that came with an id; None: there is none."""
    key = f"{payment_transaction(payment_id)}/account"
    query = select(schema.entries).where(schema.entries.c.id == key)
    row = connection.execute(query).first()
    return None if row is None else _with_facts(connection, [schema.entry_of(row)])[0]


def _with_facts(connection: Connection, found: list[Entry]) -> list[Paid]:
    """Payments with their methods and reversals, which stand under ids that follow from theirs."""
    columns = schema.entries.c
    books = {cash_book(method): method for method in ("", *METHODS)}
    ways = {
        f"{entry.transaction_id}/{book}": method
        for entry in found
        for book, method in books.items()
    }
    reversals = {
        f"{reversal_transaction(entry.transaction_id.removeprefix(PREFIX))}/account"
        for entry in found
    }
    query = select(columns.id, columns.transaction_id, columns.at)
    wanted = sorted({*ways, *reversals})
    method_of: dict[str, str] = {}
    reversed_at: dict[str, int] = {}
    for start in range(0, len(wanted), MAX_KEYS):
        some = wanted[start : start + MAX_KEYS]
        for row in connection.execute(query.where(columns.id.in_(some))):
            if row.id in ways:
                method_of[row.transaction_id] = ways[row.id]
            else:
                reversed_at[row.transaction_id] = row.at
    return [
        Paid(
            entry,
            method_of.get(entry.transaction_id, ""),
            reversed_at.get(reversal_transaction(entry.transaction_id.removeprefix(PREFIX))),
        )
        for entry in found
    ]
