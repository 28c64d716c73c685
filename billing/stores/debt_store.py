"""Accounts that the switch suspended for a debt, in the database, inside the store's
transaction."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    Table,
    delete,
    insert,
    select,
)

from billing.decisions.sales import Sales
from billing.facts.command import TouchedSales
from billing.facts.debt import Suspension
from billing.stores.schema import metadata

suspensions_table = Table(
    "debt_suspensions",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("suspended_at", BigInteger, nullable=False),
    Column("owed_micros", BigInteger, nullable=False),
)


def load(connection: Connection, touched: TouchedSales, sales: Sales) -> None:
    """Put the suspensions that a batch touches into the working set."""
    if touched.suspensions_of:
        columns, owners = suspensions_table.c, sorted(touched.suspensions_of)
        query = select(suspensions_table).where(columns.account_id.in_(owners))
        sales.suspensions = {row.account_id: Suspension(*row) for row in connection.execute(query)}


def write(connection: Connection, sales: Sales) -> None:
    """Write the suspensions that a batch changed."""
    changes, table = sales.changes.suspensions, suspensions_table
    if not changes:
        return
    connection.execute(delete(table).where(table.c.account_id.in_(sorted(changes))))
    rows = [
        {column.name: getattr(item, column.name) for column in table.columns}
        for item in changes.values()
        if item is not None
    ]
    if rows:
        connection.execute(insert(table), rows)
