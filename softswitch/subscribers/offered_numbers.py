"""Numbers of the stock that an operator offered to one account to choose from (E3).

Shares the database with billing, whose metadata this table extends. Nothing is reserved: whoever
orders first has the number.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    ForeignKey,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
)

from billing.stores.schema import metadata

offered_numbers_table = Table(
    "offered_numbers",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("number", String(16), primary_key=True),
    Column("until", BigInteger, nullable=False),
)


class OfferedNumbers:
    """Lists by account. Errors of the database come through as SQLAlchemy raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)  # waits for no writer

    def put(self, account_id: int, numbers: Sequence[str], until: int, now: int) -> None:
        """Put a list in the place of the account's last one."""
        table = offered_numbers_table
        rows = [{"account_id": account_id, "number": one, "until": until} for one in numbers]
        with self._engine.begin() as connection:
            old = (table.c.account_id == account_id) | (table.c.until <= now)
            connection.execute(delete(table).where(old))
            connection.execute(insert(table), rows)

    def of(self, account_id: int, now: int) -> list[tuple[str, int]]:
        """The numbers that an account may choose from now, each with the end of the offer."""
        table = offered_numbers_table
        query = select(table.c.number, table.c.until).where(
            table.c.account_id == account_id, table.c.until > now
        )
        with self._reader.connect() as connection:
            return [(row[0], row[1]) for row in connection.execute(query.order_by(table.c.number))]
