"""Accounts that the switch suspended for a debt, in the database, inside the store's
transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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

from billing.decisions.sales import PostBonus, Sales
from billing.facts.authorization import TopUp
from billing.facts.debt import LiftSuspension, Suspension
from billing.stores.schema import metadata

suspensions_table = Table(
    "debt_suspensions",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("suspended_at", BigInteger, nullable=False),
    Column("owed_micros", BigInteger, nullable=False),
)


def load(connection: Connection, commands: Sequence[Any], sales: Sales) -> None:
    """Those whose balance the commands raise."""
    kinds = (TopUp, PostBonus, LiftSuspension)
    owners = {command.account_id for command in commands if isinstance(command, kinds)}
    load_of(connection, sales, owners)


def load_of(connection: Connection, sales: Sales, owners: set[int]) -> None:
    if owners:
        columns = suspensions_table.c
        query = select(suspensions_table).where(columns.account_id.in_(sorted(owners)))
        sales.suspensions |= {row.account_id: Suspension(*row) for row in connection.execute(query)}


def write(connection: Connection, sales: Sales) -> None:
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
