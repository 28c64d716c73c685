"""The turnover of subscribers' accounts: sums of ledger entries by kind."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, case, func, select

from billing.stores import schema


class Turnover(NamedTuple):
    """The entries of one kind in one currency.

    Args:
        credits_micros: the sum of those that gave to accounts.
        debits_micros: of those that took, below zero.
    """

    kind: str
    currency: str
    entries: int
    credits_micros: int
    debits_micros: int


def turnover(connection: Connection, start: int, end: int) -> list[Turnover]:
    """The turnover between two instants (epoch milliseconds), the end excluded, by kind.

    Reads the whole ledger: the order of its entries by time isn't worth an index on the way of
    every posting.
    """
    columns = schema.entries.c
    amount = columns.amount_micros
    query = (
        select(
            columns.kind,
            columns.currency,
            func.count(),
            func.sum(case((amount > 0, amount), else_=0)),
            func.sum(case((amount < 0, amount), else_=0)),
        )
        .where(columns.account_id.is_not(None), columns.at >= start, columns.at < end)
        .group_by(columns.kind, columns.currency)
        .order_by(columns.kind, columns.currency)
    )
    return [
        Turnover(row[0], row[1], row[2], int(row[3]), int(row[4]))
        for row in connection.execute(query)
    ]
