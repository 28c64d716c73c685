"""Holds in the database, inside the store's transaction. Their account is locked first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)

from billing.decisions.sales import Sales
from billing.facts.command import TouchedSales
from billing.facts.hold import Hold
from billing.facts.wallet import MONEY
from billing.stores.schema import metadata
from billing.stores.statements import Lookup

_OPEN = text("held_micros > 0")
holds = Table(
    "holds",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("wallet", String(16), nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("held_micros", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("holds_of_account", "account_id", "held_micros"),
    # There is a hold for every text that was ever sent; few are open.
    Index("holds_open", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
)

_BY_ID = Lookup(select(holds), holds.c.id)
_INSERT = insert(holds)
_UPDATE = (
    update(holds)
    .where(holds.c.id == bindparam("key"))
    .values(held_micros=bindparam("new_held_micros"))
)


def load(connection: Connection, touched: TouchedSales, sales: Sales) -> None:
    """Put the holds that a batch touches into the working set."""
    if not touched.holds:
        return
    found = [Hold(*row) for row in _BY_ID.rows(connection, sorted(touched.holds))]
    sales.holds = {hold.id: hold for hold in found}
    sales.stored_holds = frozenset(sales.holds)


def write(connection: Connection, sales: Sales) -> None:
    """Write the holds that a batch made or changed."""
    changed = sales.changes.holds.values()
    new = [_row(hold) for hold in changed if hold.id not in sales.stored_holds]
    old = [
        {"key": hold.id, "new_held_micros": hold.held_micros}
        for hold in changed
        if hold.id in sales.stored_holds
    ]
    if new:
        connection.execute(_INSERT, new)
    if old:
        connection.execute(_UPDATE, old)


def _row(hold: Hold) -> dict[str, object]:
    return asdict(hold)


def open_holds(connection: Connection, prefix: str = "") -> Iterator[Hold]:
    """Holds of which something is left, by the beginning of their ids."""
    query = select(holds).where(holds.c.held_micros > 0, holds.c.id.startswith(prefix))
    for row in connection.execute(query.order_by(holds.c.id)):
        yield Hold(*row)


def held_money(connection: Connection) -> dict[int, int]:
    """Money that is held, by account; micros."""
    query = (
        select(holds.c.account_id, func.sum(holds.c.held_micros))
        .where(holds.c.wallet == MONEY)
        .group_by(holds.c.account_id)
    )
    return {account: int(sum_) for account, sum_ in connection.execute(query)}


def held_units(connection: Connection) -> dict[tuple[int, str], int]:
    """Units of wallets beside money that are held, by account and wallet; micros."""
    query = (
        select(holds.c.account_id, holds.c.wallet, func.sum(holds.c.held_micros))
        .where(holds.c.wallet != MONEY)
        .group_by(holds.c.account_id, holds.c.wallet)
    )
    return {(account, wallet): int(sum_) for account, wallet, sum_ in connection.execute(query)}
