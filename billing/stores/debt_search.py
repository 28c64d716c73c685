"""Debts, computed from balances, entries and bills; they are never kept."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, or_, select

from billing.decisions.debts import is_overdrawn
from billing.facts.account import ACTIVE, Account
from billing.facts.debt import Debt, Suspension
from billing.stores import bill_store, schema
from billing.stores.debt_store import suspensions_table
from billing.stores.rows import NamedRow

MAX_ENTRIES = 50_000
"""Entries of one account that are looked at for the beginning of its debt, newest first: who owes
money makes few."""


def debts(connection: Connection) -> list[Debt]:
    """The debts of active accounts, by account."""
    table = schema.accounts
    query = select(table).where(table.c.status == ACTIVE, table.c.balance_micros < 0)
    accounts = [schema.account_of(row) for row in connection.execute(query.order_by(table.c.id))]
    found = (debt_of(connection, account) for account in accounts)
    return [debt for debt in found if debt is not None]


def debt_of(connection: Connection, account: Account) -> Debt | None:
    """The debt of an account: the micros by which its balance is below its limit, and the bills
    that it may pay later and hasn't paid; None without any."""
    limit = account.credit_limit_micros
    since: list[int] = []
    overdrawn = 0
    if limit is not None and is_overdrawn(account):
        overdrawn = -(account.balance_micros + limit)
        since.append(_overdrawn_since(connection, account, limit))
    unpaid, billed_at = (0, None) if limit == 0 else _unpaid_bill(connection, account.id)
    if billed_at is not None:
        since.append(billed_at)
    if not since:
        return None
    return Debt(account.id, min(since), max(overdrawn, unpaid), unpaid)


def suspended(connection: Connection) -> list[Debt]:
    """The debts of accounts that the switch suspended."""
    owner, table = schema.accounts, suspensions_table
    query = select(owner).join(table, table.c.account_id == owner.c.id).order_by(owner.c.id)
    accounts = [schema.account_of(row) for row in connection.execute(query)]
    found = (debt_of(connection, account) for account in accounts)
    return [debt for debt in found if debt is not None]


def made_up(connection: Connection) -> list[Suspension]:
    """Suspensions of accounts that owe nothing any more (their limit was raised, say)."""
    owner, table = schema.accounts, suspensions_table
    suspended = {row.account_id: Suspension(*row) for row in connection.execute(select(table))}
    query = select(owner).join(table, table.c.account_id == owner.c.id)
    accounts = [schema.account_of(row) for row in connection.execute(query.order_by(owner.c.id))]
    return [
        suspended[account.id]
        for account in accounts
        if not is_overdrawn(account) and debt_of(connection, account) is None
    ]


def _overdrawn_since(connection: Connection, account: Account, limit: int) -> int:
    """The instant at which the balance last fell below the limit."""
    balance, since = account.balance_micros, account.created_at
    for at, amount in _newest_entries(connection, account.id):
        if balance + limit >= 0:
            break
        balance, since = balance - amount, at
    return since


def _newest_entries(connection: Connection, account_id: int) -> Iterable[NamedRow]:
    columns = schema.entries.c
    query = (
        select(columns.at, columns.amount_micros)
        .where(columns.account_id == account_id, columns.book == f"account:{account_id}")
        .order_by(columns.at.desc(), columns.id.desc())
        .limit(MAX_ENTRIES)
    )
    return connection.execute(query)


def _unpaid_bill(connection: Connection, account_id: int) -> tuple[int, int | None]:
    """The unpaid sum of bills, and when the oldest unpaid one was made; payments pay what
    was owed first."""
    columns = schema.entries.c
    oldest: int | None = None
    unpaid = 0
    for bill in reversed(bill_store.bills_of(connection, account_id)):
        query = select(func.sum(columns.amount_micros)).where(
            columns.account_id == account_id,
            columns.book == f"account:{account_id}",
            columns.at >= bill.made_at,
            or_(columns.amount_micros > 0, columns.kind == "reversal"),
        )
        rest = -bill.closing_micros - (connection.execute(query).scalar() or 0)
        if rest <= 0:
            break
        oldest, unpaid = bill.made_at, unpaid or int(rest)
    return unpaid, oldest
