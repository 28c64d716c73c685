"""Packages, bonuses, notices and due work in the database, inside the store's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from billing.decisions.book import Book
from billing.decisions.sales import Changes, Sales
from billing.facts.command import TouchedSales
from billing.facts.coverage import Coverage
from billing.facts.due import DueWork
from billing.facts.ledger import Difference
from billing.facts.product import ACTIVE, ENDED, Product, Subscription
from billing.facts.sales import (
    Bonus,
    DefineBonus,
    DefineDestination,
    DefineProduct,
    EnsureWork,
    MoveDue,
    Notice,
    ScheduleWork,
    Tell,
)
from billing.stores import sales_schema as schema
from billing.stores.definition import Definitions
from billing.stores.rows import NamedRow, Row, Rows
from billing.stores.schema import accounts, cdrs, coverage_from_blob, entries, live_calls

LONGEST_CALL_MS = 2 * 86_400_000
"""No call lasts longer, so one that ended on a day was set up at most so long before."""


# Loading


def load(connection: Connection, touched: TouchedSales, sales: Sales) -> None:
    """Put the packages and notices that a batch touches into the working set."""
    if touched.products:
        sales.products = products(connection)
    if touched.subscriptions or touched.subscriptions_of:
        found = _subscriptions(connection, touched.subscriptions, touched.subscriptions_of)
        sales.subscriptions = {item.id: item for item in found}
        sales.stored_subscriptions = frozenset(sales.subscriptions)
    if touched.bonuses:
        found_bonuses = _bonuses(connection, touched.bonuses)
        sales.bonuses = {(bonus.account_id, bonus.day): bonus for bonus in found_bonuses}
    if touched.notices:
        column = schema.notices.c.id
        query = select(column).where(column.in_(sorted(touched.notices)))
        sales.told = set(connection.execute(query).scalars())


def products(connection: Connection) -> dict[str, Product]:
    """All products by name."""
    return {row.name: schema.product_of(row.facts) for row in connection.execute(_PRODUCTS)}


def _subscriptions(connection: Connection, keys: set[str], owners: set[int]) -> list[Subscription]:
    columns = schema.subscriptions.c
    mine = columns.account_id.in_(sorted(owners)) & (columns.state != ENDED)
    query = select(schema.subscriptions).where(or_(columns.id.in_(sorted(keys)), mine))
    return [schema.subscription_of(row) for row in connection.execute(query)]


def _bonuses(connection: Connection, owners: set[tuple[int, str]]) -> list[Bonus]:
    columns = schema.bonuses.c
    query = select(schema.bonuses).where(
        columns.account_id.in_(sorted({owner for owner, _ in owners})),
        columns.day.in_(sorted({day for _, day in owners})),
    )
    return [Bonus(*row) for row in connection.execute(query)]


_PRODUCTS = select(schema.products)


# Writing


def write(connection: Connection, sales: Sales) -> None:
    """Write what a batch changed of packages, bonuses, due work and notices."""
    changes = sales.changes
    for key, item in changes.subscriptions.items():
        row = schema.subscription_row(item)
        if key in sales.stored_subscriptions:
            table = schema.subscriptions
            connection.execute(update(table).where(table.c.id == key).values(row))
        else:
            connection.execute(insert(schema.subscriptions), row)
    _write_bonuses(connection, changes)
    _write_due(connection, changes)
    _write_notices(connection, changes)


def _write_bonuses(connection: Connection, changes: Changes) -> None:
    table = schema.bonuses
    for (account_id, day), bonus in changes.bonuses.items():
        mine = (table.c.account_id == account_id) & (table.c.day == day)
        connection.execute(delete(table).where(mine))
        connection.execute(insert(table), schema.bonus_row(bonus))


def _write_due(connection: Connection, changes: Changes) -> None:
    if not changes.due:
        return
    table = schema.due_work
    connection.execute(delete(table).where(table.c.key.in_(sorted(changes.due))))
    rows = [schema.due_row(work) for work in changes.due.values() if work is not None]
    if rows:
        connection.execute(insert(table), rows)


def _write_notices(connection: Connection, changes: Changes) -> None:
    if not changes.notices:
        return
    table = schema.notices
    connection.execute(delete(table).where(table.c.id.in_(sorted(changes.notices))))
    connection.execute(insert(table), [schema.notice_row(n) for n in changes.notices.values()])


def _move_due(connection: Connection, _: Book, command: MoveDue) -> bool:
    table = schema.due_work
    mine = (table.c.key == command.work.key) & (table.c.due_at == command.work.due_at)
    if command.to is None:
        return connection.execute(delete(table).where(mine)).rowcount > 0
    return connection.execute(update(table).where(mine).values(due_at=command.to)).rowcount > 0


def _schedule(connection: Connection, book: Book, command: ScheduleWork) -> None:
    book.sales.changes.due[command.key] = command.work


def _ensure(connection: Connection, book: Book, command: EnsureWork) -> None:
    if not is_scheduled(connection, command.work.key):
        book.sales.changes.due.setdefault(command.work.key, command.work)


def is_scheduled(connection: Connection, key: str) -> bool:
    """True if a work of this key has a row."""
    table = schema.due_work
    return connection.execute(select(table.c.key).where(table.c.key == key)).first() is not None


def _tell(connection: Connection, book: Book, command: Tell) -> None:
    book.sales.tell(command.notice)


def _define_product(connection: Connection, _: Book, command: DefineProduct) -> Product:
    table, product = schema.products, command.product
    connection.execute(delete(table).where(table.c.name == product.name))
    row = {"name": product.name, "facts": schema.product_blob(product)}
    connection.execute(insert(table), row)
    return product


def _define_destination(connection: Connection, _: Book, command: DefineDestination) -> int:
    table = schema.destinations
    connection.execute(delete(table).where(table.c.name == command.name))
    rows = [{"name": command.name, "prefix": prefix} for prefix in command.prefixes]
    if rows:
        connection.execute(insert(table), rows)
    return len(rows)


def _define_bonus(connection: Connection, _: Book, command: DefineBonus) -> None:
    table, due = schema.bonus_rates, schema.due_work
    same = (table.c.currency == command.currency) & (table.c.day == command.day)
    connection.execute(delete(table).where(same))
    connection.execute(
        insert(table),
        {
            "currency": command.currency,
            "day": command.day,
            "micros_per_minute": command.micros_per_minute,
        },
    )
    if connection.execute(select(due.c.key).where(due.c.key == command.work.key)).first() is None:
        connection.execute(insert(due), schema.due_row(command.work))


DEFINITIONS: Definitions = {
    MoveDue: _move_due,
    ScheduleWork: _schedule,
    EnsureWork: _ensure,
    Tell: _tell,
    DefineProduct: _define_product,
    DefineDestination: _define_destination,
    DefineBonus: _define_bonus,
}
"""Commands that are a statement or two and need no decision."""


# Reading


def subscriptions(
    connection: Connection, account_ids: Sequence[int] | None, ended: bool = False
) -> list[Subscription]:
    """Subscriptions of some accounts, or of all (None); ended ones only if `ended`."""
    columns = schema.subscriptions.c
    query = select(schema.subscriptions).order_by(columns.account_id, columns.started_at)
    if account_ids is not None:
        query = query.where(columns.account_id.in_(account_ids))
    if not ended:
        query = query.where(columns.state != ENDED)
    return [schema.subscription_of(row) for row in connection.execute(query)]


def subscriptions_ending(connection: Connection, start: int, end: int) -> list[Subscription]:
    """Active subscriptions whose term ends between two instants, the end included, by its end."""
    columns = schema.subscriptions.c
    query = select(schema.subscriptions).where(
        columns.state == ACTIVE, columns.ends_at > start, columns.ends_at <= end
    )
    found = connection.execute(query.order_by(columns.ends_at, columns.id))
    return [schema.subscription_of(row) for row in found]


def destinations(connection: Connection) -> dict[str, list[str]]:
    """The prefixes of each destination set, by its name."""
    table, found = schema.destinations, dict[str, list[str]]()
    for name, prefix in connection.execute(select(table).order_by(table.c.name, table.c.prefix)):
        found.setdefault(name, []).append(prefix)
    return found


def due(connection: Connection, until: int, limit: int) -> list[DueWork]:
    """Works that are due by an instant (epoch milliseconds), the earliest first."""
    table = schema.due_work
    query = select(table).where(table.c.due_at <= until).order_by(table.c.due_at, table.c.key)
    return [schema.due_of(row) for row in connection.execute(query.limit(limit))]


def due_of_kind(connection: Connection, kind: str, until: int, limit: int) -> list[DueWork]:
    """Works of one kind that are due by an instant, the earliest first."""
    columns = schema.due_work.c
    mine = (columns.kind == kind) & (columns.due_at <= until)
    query = select(schema.due_work).where(mine).order_by(columns.due_at, columns.key)
    return [schema.due_of(row) for row in connection.execute(query.limit(limit))]


def bonus_rates(connection: Connection) -> list[tuple[str, str, int]]:
    """(currency, ISO day from which it holds, micros a minute) of all bonus rates, by day."""
    query = select(schema.bonus_rates).order_by(schema.bonus_rates.c.day)
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def bonuses_of(connection: Connection, account_id: int) -> list[Bonus]:
    """The bonuses of an account, by day."""
    columns = schema.bonuses.c
    query = select(schema.bonuses).where(columns.account_id == account_id).order_by(columns.day)
    return [Bonus(*row) for row in connection.execute(query)]


def notices(connection: Connection, account_id: int) -> list[Notice]:
    """The notices of an account, the oldest first."""
    columns = schema.notices.c
    query = select(schema.notices).where(columns.account_id == account_id)
    return [Notice(*row) for row in connection.execute(query.order_by(columns.at, columns.id))]


def notice(connection: Connection, key: str) -> Notice | None:
    """The notice of an id; None if there is none."""
    row = connection.execute(select(schema.notices).where(schema.notices.c.id == key)).first()
    return None if row is None else Notice(*row)


def incoming_minutes(
    connection: Connection, start: int, end: int, account_id: int | None = None
) -> dict[int, tuple[str, int]]:
    """Whole minutes of each incoming call from another network that ended between two instants,
    summed by account, with the account's currency; of one account, or of all."""
    columns = cdrs.c
    query = (
        select(columns.account, accounts.c.currency, func.sum(columns.duration_ms // 60_000))
        .join(accounts, accounts.c.id == columns.account)
        .where(columns.direction == "incoming")
        .where(columns.setup_at >= start - LONGEST_CALL_MS)
        .where(columns.setup_at < end)
        .where((columns.ended_at >= start) & (columns.ended_at < end))
        .group_by(columns.account, accounts.c.currency)
    )
    if account_id is not None:
        query = query.where(columns.account == account_id)
    return {
        owner: (currency, int(minutes)) for owner, currency, minutes in connection.execute(query)
    }


# Checking


def verify(connection: Connection) -> list[Difference]:
    """Talk time of packages: what ended calls used of the present terms and what running calls
    hold; and that what every account got as a bonus is posted."""
    used: dict[tuple[str, int], int] = {}
    held: dict[tuple[str, int], int] = {}
    _fold(connection.execute(_USED), used)
    _fold(connection.execute(_HELD), held)
    found = []
    for row in connection.execute(_SUBSCRIPTIONS):
        item = schema.subscription_of(row)
        term = (item.id, item.renewals)
        for what, expected, kept in (
            ("package use", used.get(term, 0), item.used_ms),
            ("package hold", held.get(term, 0), item.held_ms),
        ):
            if expected != kept:
                found.append(Difference(what, f"of {item.id}, in ms", expected, kept))
    return [*found, *_verify_bonuses(connection)]


def _verify_bonuses(connection: Connection) -> list[Difference]:
    expected = _sums(connection, _BONUSES)
    posted = _sums(connection, _POSTED_BONUSES)
    return [
        Difference("bonus", f"of account {key}", expected.get(key, 0), posted.get(key, 0))
        for key in sorted(expected.keys() | posted.keys())
        if expected.get(key, 0) != posted.get(key, 0)
    ]


def _sums(connection: Connection, query: Rows) -> dict[int, int]:
    rows: Iterable[Row] = connection.execute(query)
    return {key: int(total) for key, total in rows}


def _fold(blobs: Iterable[NamedRow], sums: dict[tuple[str, int], int]) -> None:
    for (blob,) in blobs:
        coverage: Coverage | None = coverage_from_blob(blob)
        for cover in coverage.covers if coverage is not None else ():
            term = (cover.subscription, cover.renewals)
            sums[term] = sums.get(term, 0) + cover.held_ms


_USED = select(cdrs.c.coverage).where(cdrs.c.coverage.is_not(None))
_HELD = select(live_calls.c.coverage).where(live_calls.c.coverage.is_not(None))
_SUBSCRIPTIONS = select(schema.subscriptions)
_BONUSES = select(schema.bonuses.c.account_id, func.sum(schema.bonuses.c.amount_micros)).group_by(
    schema.bonuses.c.account_id
)
_POSTED_BONUSES = (
    select(entries.c.account_id, func.sum(entries.c.amount_micros))
    .where(entries.c.kind == "bonus", entries.c.account_id.is_not(None))
    .group_by(entries.c.account_id)
)
