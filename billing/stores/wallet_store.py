"""Wallets in the database, inside the store's transaction. Their account is locked first."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    String,
    Table,
    delete,
    func,
    insert,
    select,
)

from billing.decisions.book import Book
from billing.decisions.sales import Sales
from billing.facts.authorization import BillingError
from billing.facts.command import TouchedSales
from billing.facts.ledger import Difference
from billing.facts.wallet import (
    Offer,
    PutOffer,
    Wallet,
)
from billing.stores import hold_store
from billing.stores.definition import Definitions
from billing.stores.schema import entries, metadata

wallets = Table(
    "wallets",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("name", String(16), primary_key=True),
    Column("balance_micros", BigInteger, nullable=False),
    Column("held_micros", BigInteger, nullable=False, server_default="0"),
)

offers_table = Table(
    "wallet_offers",
    metadata,
    Column("wallet", String(16), primary_key=True),
    Column("currency", String(3), primary_key=True),
    Column("units", BigInteger, primary_key=True),
    Column("price_micros", BigInteger, nullable=False),
)


def _put_offer(connection: Connection, _: Book, command: PutOffer) -> Offer | None:
    """The larger a package, the lower the price of a unit."""
    table = offers_table
    same = (
        (table.c.wallet == command.wallet)
        & (table.c.currency == command.currency)
        & (table.c.units == command.units)
    )
    made = None
    if command.price_micros is not None:
        made = Offer(command.wallet, command.currency, command.units, command.price_micros)
        for other in offers(connection, command.wallet):
            if other.currency != made.currency or other.units == made.units:
                continue
            larger, smaller = (made, other) if made.units > other.units else (other, made)
            if larger.is_dearer_than(smaller):
                raise BillingError(
                    f"{larger.units} {larger.wallet} must be cheaper apiece than {smaller.units}"
                )
    connection.execute(delete(table).where(same))
    if made is not None:
        row = {column.name: getattr(made, column.name) for column in table.columns}
        connection.execute(insert(table), row)
    return made


DEFINITIONS: Definitions = {PutOffer: _put_offer}


def offers(connection: Connection, wallet: str | None = None) -> list[Offer]:
    """Packages of units, the smallest first."""
    table = offers_table
    query = select(table).order_by(table.c.wallet, table.c.currency, table.c.units)
    if wallet is not None:
        query = query.where(table.c.wallet == wallet)
    return [Offer(*row) for row in connection.execute(query)]


def load(connection: Connection, touched: TouchedSales, sales: Sales) -> None:
    """Put the wallets that a batch touches into the working set."""
    if not touched.wallets_of:
        return
    for wallet in of_accounts(connection, touched.wallets_of):
        sales.wallets[wallet.account_id, wallet.name] = wallet


def write(connection: Connection, sales: Sales) -> None:
    """Write the wallets that a batch changed."""
    for (account_id, name), wallet in sales.changes.wallets.items():
        mine = (wallets.c.account_id == account_id) & (wallets.c.name == name)
        connection.execute(delete(wallets).where(mine))
        connection.execute(
            insert(wallets),
            {
                "account_id": account_id,
                "name": name,
                "balance_micros": wallet.balance_micros,
                "held_micros": wallet.held_micros,
            },
        )


def of_accounts(connection: Connection, account_ids: Iterable[int]) -> list[Wallet]:
    """The wallets of some accounts, by account and name."""
    wanted = sorted(set(account_ids))
    if not wanted:
        return []
    query = select(wallets).where(wallets.c.account_id.in_(wanted))
    return [Wallet(*row) for row in connection.execute(query.order_by(*wallets.primary_key))]


def verify(connection: Connection) -> list[Difference]:
    """Differences between each wallet's row and the sums of its entries and holds."""
    held = hold_store.held_units(connection)
    sums = {book: int(total) for book, total in connection.execute(_HELD)}
    found = []
    for row in connection.execute(_WALLETS):
        expected = sums.pop(f"wallet:{row.account_id}:{row.name}", 0)
        if expected != row.balance_micros:
            what = f"{row.name} of account {row.account_id}"
            found.append(Difference("wallet", what, expected, row.balance_micros))
        expected = held.pop((row.account_id, row.name), 0)
        if expected != row.held_micros:
            what = f"of {row.name} of account {row.account_id}"
            found.append(Difference("held", what, expected, row.held_micros))
    return found + [Difference("wallet", book, total, 0) for book, total in sums.items() if total]


_WALLETS = select(wallets)
_HELD = (
    select(entries.c.book, func.sum(entries.c.amount_micros))
    .where(entries.c.book.like("wallet:%"))
    .group_by(entries.c.book)
)
