"""Accounts in the database: opening them."""

from __future__ import annotations

from msgspec import structs
from sqlalchemy import Connection, insert

from billing.decisions.book import Book
from billing.facts.account import Account
from billing.facts.authorization import AddAccount
from billing.stores import schema
from billing.stores.definition import Definitions


def _add(connection: Connection, book: Book, command: AddAccount) -> Account:
    """Insert the account at once: the database gives it its id."""
    account = Account(
        id=0,
        name=command.name,
        kind=command.kind,
        currency=command.currency,
        balance_micros=0,
        reserved_micros=0,
        credit_limit_micros=command.credit_limit_micros,
        status=command.status,
        tariff=command.tariff,
        version=0,
        created_at=command.at,
    )
    columns = [column.name for column in schema.accounts.columns if column.name != "id"]
    row = {name: getattr(account, name) for name in columns}
    key = connection.execute(insert(schema.accounts), row).inserted_primary_key
    assert key is not None
    account = structs.replace(account, id=key[0])
    book.accounts[account.id] = account
    return account


DEFINITIONS: Definitions = {AddAccount: _add}
