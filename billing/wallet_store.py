"""Wallets in the database, inside the store's transaction. Their account is locked first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

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

from billing.ledger import Difference
from billing.sales import Sales
from billing.schema import entries, metadata
from billing.wallet import BuyCredit, Refund, Spend, TakeTrial, Wallet

wallets = Table(
    "wallets",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("name", String(16), primary_key=True),
    Column("balance_micros", BigInteger, nullable=False),
)

COMMANDS = (BuyCredit, TakeTrial, Spend, Refund)


def load(connection: Connection, commands: Sequence[Any], sales: Sales) -> None:
    owners = {command.account_id for command in commands if isinstance(command, COMMANDS)}
    for wallet in of_accounts(connection, owners):
        sales.wallets[wallet.account_id, wallet.name] = wallet


def write(connection: Connection, sales: Sales) -> None:
    for (account_id, name), wallet in sales.changes.wallets.items():
        mine = (wallets.c.account_id == account_id) & (wallets.c.name == name)
        connection.execute(delete(wallets).where(mine))
        connection.execute(
            insert(wallets),
            {"account_id": account_id, "name": name, "balance_micros": wallet.balance_micros},
        )


def of_accounts(connection: Connection, account_ids: Iterable[int]) -> list[Wallet]:
    wanted = sorted(set(account_ids))
    if not wanted:
        return []
    query = select(wallets).where(wallets.c.account_id.in_(wanted))
    return [Wallet(*row) for row in connection.execute(query.order_by(*wallets.primary_key))]


def verify(connection: Connection) -> list[Difference]:
    """What every wallet holds, folded again from its entries."""
    query = (
        select(entries.c.book, func.sum(entries.c.amount_micros))
        .where(entries.c.book.like("wallet:%"))
        .group_by(entries.c.book)
    )
    sums = {book: int(total) for book, total in connection.execute(query)}
    found = []
    for row in connection.execute(select(wallets)):
        expected = sums.pop(f"wallet:{row.account_id}:{row.name}", 0)
        if expected != row.balance_micros:
            what = f"{row.name} of account {row.account_id}"
            found.append(Difference("wallet", what, expected, row.balance_micros))
    return found + [Difference("wallet", book, total, 0) for book, total in sums.items() if total]
