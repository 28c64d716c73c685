"""Due work that warns subscribers before something ends: of a low balance, of packages that end
soon, and of renewals for which the money won't do."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from billing.facts.account import ACTIVE, Account
from billing.facts.calendar import Term, local_day, next_midnight
from billing.facts.command import Command
from billing.facts.due import DueWork, Handler
from billing.facts.money import format_amount
from billing.facts.product import Subscription
from billing.facts.sales import MoveDue, Notice, Tell
from billing.stores import sales_store, schema
from billing.stores.store import Store

WARNINGS_KIND = "warnings"
"""The search for what subscribers should be warned of."""
EVERY_MS = 15 * 60_000
"""How often balances are looked at; packages at least once a day."""
AT_ONCE = 500
"""Keys of one query."""


def warn(store: Store, zone: str, low_balance_micros: int | None, before: Term | None) -> Handler:
    """Tells each subscriber once: of a low balance once between two payments, of a package once a
    term.

    Args:
        low_balance_micros: what is available below this is low; None: nothing is.
        before: the end of a package; None: packages end without a warning.
    """

    def handle(work: DueWork) -> list[Command[object]]:
        now = work.due_at
        with store.reading() as connection:
            found: list[Notice] = []
            if before is not None:
                found += _of_packages(connection, now, before, zone)
            if low_balance_micros is not None:
                found += _of_balances(connection, low_balance_micros, now)
            told = _told(connection, [notice.id for notice in found])
        again = next_midnight(now, zone)
        if low_balance_micros is not None:
            again = min(again, now + EVERY_MS)
        fresh = (notice for notice in found if notice.id not in told)
        return [*(Tell(notice) for notice in fresh), MoveDue(work, again)]

    return handle


def _of_packages(connection: Connection, now: int, before: Term, zone: str) -> Iterable[Notice]:
    """Packages whose term ends soon and isn't renewed, or can't be paid for; not those whose whole
    term is hardly longer than the warning."""
    until = before.boundary(now, 1, zone)
    for one in sales_store.subscriptions_ending(connection, now, until):
        if before.boundary(one.started_at, 2, zone) > one.ends_at:
            continue
        about = f"{one.product}, {local_day(one.ends_at, zone).isoformat()}"
        what = "package_ends_soon"
        if one.auto_renew:
            if not _is_short(connection, one):
                continue
            what = "package_funds_short"
        yield Notice(f"{what}:{one.id}:{one.renewals}", one.account_id, what, about, now)


def _is_short(connection: Connection, subscription: Subscription) -> bool:
    row = connection.execute(
        select(schema.accounts).where(schema.accounts.c.id == subscription.account_id)
    ).one()
    available = schema.account_of(row).available_micros
    return available is not None and available < subscription.terms.price_micros


def _of_balances(connection: Connection, low_micros: int, now: int) -> list[Notice]:
    """Active accounts that have less than that, and paid something once."""
    table = schema.accounts
    query = select(table).where(
        table.c.status == ACTIVE,
        table.c.credit_limit_micros.is_not(None),
        table.c.balance_micros + table.c.credit_limit_micros < low_micros,
    )
    low: dict[int, Account] = {}
    for row in connection.execute(query):
        account = schema.account_of(row)
        low[account.id] = account
    found = []
    for account_id, paid_at in _last_payments(connection, list(low)):
        account = low[account_id]
        has = max(0, account.balance_micros + (account.credit_limit_micros or 0))
        about = f"{format_amount(has)} {account.currency}"
        key = f"balance_low:{account_id}:{paid_at}"
        found.append(Notice(key, account_id, "balance_low", about, now))
    return found


def _last_payments(connection: Connection, account_ids: list[int]) -> Iterable[tuple[int, int]]:
    """When each account paid last; those that never did are left out."""
    columns = schema.entries.c
    for start in range(0, len(account_ids), AT_ONCE):
        query = (
            select(columns.account_id, func.max(columns.at))
            .where(
                columns.account_id.in_(account_ids[start : start + AT_ONCE]),
                columns.kind == "topup",
            )
            .group_by(columns.account_id)
        )
        yield from ((row[0], row[1]) for row in connection.execute(query))


def _told(connection: Connection, keys: list[str]) -> set[str]:
    """The notices of these ids that were given already."""
    column = schema.metadata.tables["notices"].c.id
    told: set[str] = set()
    for start in range(0, len(keys), AT_ONCE):
        query = select(column).where(column.in_(keys[start : start + AT_ONCE]))
        told.update(connection.execute(query).scalars())
    return told
