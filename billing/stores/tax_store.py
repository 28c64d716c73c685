"""Tax rates in the database."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Connection, Integer, String, Table, delete, insert, select

from billing.decisions.book import Book
from billing.facts.tax import SetTax, TaxRate
from billing.stores.definition import Definitions
from billing.stores.schema import metadata

tax_rates = Table(
    "tax_rates",
    metadata,
    Column("account_id", Integer, primary_key=True, autoincrement=False),
    Column("month", String(7), primary_key=True),
    Column("basis_points", Integer, nullable=False),
    Column("included", Boolean, nullable=False),
)
"""Without a reference to accounts: 0 stands for everybody."""


def _set(connection: Connection, _: Book, command: SetTax) -> bool:
    table, rate = tax_rates, command.rate
    same = (table.c.account_id == command.account_id) & (table.c.month == command.month)
    had = connection.execute(delete(table).where(same)).rowcount > 0
    if rate is not None:
        row = {column.name: getattr(rate, column.name) for column in table.columns}
        connection.execute(insert(table), row)
    return had


DEFINITIONS: Definitions = {SetTax: _set}


def rates(connection: Connection) -> list[TaxRate]:
    """All of them, by account and month."""
    columns = tax_rates.c
    query = select(tax_rates).order_by(columns.account_id, columns.month)
    return [TaxRate(*row) for row in connection.execute(query)]
