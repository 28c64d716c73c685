"""Rehearsals: a forecast of debits, renewals, bills and suspensions, with their times.

The daily code for due work is run on a copy of the books, which is thrown away afterwards. The
books are only read, as of one moment, and no call waits for that. The outcome holds if nothing else
happens: no call, no payment, no change by a person.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    Table,
    event,
    insert,
    literal_column,
    or_,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from billing.stores import bill_store, sales_schema, schema
from billing.stores.store import Store
from softswitch.scheduled.due import DueSettings, run_due

What = Literal["debit", "credit", "bill", "status", "notice", "refused"]

PAGE = 5_000
"""Rows that are copied at once."""
CDR_DAYS = 400
"""The age of the CDRs that are copied: no unused line, bill or bonus looks further back."""
DAY_MS = 86_400_000
LEFT_OUT = frozenset(
    {"audit", "changes", "greetings", "mailboxes", "malicious_calls", "outbox", "rates",
     "recordings", "tariff_versions", "texts", "voice_messages"}
)  # fmt: skip
"""Tables that due work doesn't read."""


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of a rehearsal.

    Args:
        at: when it is due; epoch milliseconds.
        kind: of a posting, the ledger's kind ("rent", "package"); of a notice, its subject; of a
            status, the new one.
        about: the product, the number, the month, the reason.
        amount_micros: the amount posted; of a bill the amount due. None where no money moves.
        balance_micros: the balance after a posting.
    """

    at: int
    account_id: int | None
    what: What
    kind: str
    about: str
    amount_micros: int | None = None
    balance_micros: int | None = None
    currency: str = ""


def rehearse(
    store: Store,
    now: int,
    until: int,
    zone: str,
    settings: DueSettings,
    account_id: int | None = None,
) -> list[Happening]:
    """The events due from now until an instant, in the order of time.

    Args:
        now, until: epoch milliseconds.
        account_id: of one account; None: of all.

    Raises:
        StoreError: the books can't be read.
    """
    with _copy_of(store, account_id, now - CDR_DAYS * DAY_MS) as copy:
        with copy.reading() as connection:
            before = _Marks.of(connection)
            balances = {account.id: account.balance_micros for account in copy.accounts()}
        report = run_due(copy, copy.apply, until, zone, settings)
        with copy.reading() as connection:
            found = [
                *_postings(connection, before.entries, balances),
                *_bills(connection, before.bills),
                *_statuses(connection, before.changes),
                *_notices(connection, before.notices),
            ]
    found += [
        Happening(work.due_at, work.account_id, "refused", work.kind, f"{work.subject}: {refusal}")
        for work, refusal in report.failures
    ]
    mine = [each for each in found if account_id is None or each.account_id == account_id]
    return sorted(mine, key=lambda each: (each.at, each.account_id or 0))


# The copy


@contextmanager
def _copy_of(store: Store, account_id: int | None, cdrs_since: int) -> Iterator[Store]:
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        copy = Store(f"sqlite:///{Path(folder, 'books.db')}")
        event.listen(copy.engine, "connect", _loosen)
        try:
            copy.create()
            with store.reading() as source, copy.engine.begin() as target:
                for table in schema.metadata.sorted_tables:
                    if table.name not in LEFT_OUT:
                        _copy_table(source, target, table, account_id, cdrs_since)
            yield copy
        finally:
            copy.close()


def _loosen(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    """Switch off foreign keys and syncs: the copy of one account lacks rows that others refer to,
    and need not survive a crash."""
    cursor = connection.cursor()
    for pragma in ("foreign_keys = OFF", "synchronous = OFF"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _copy_table(
    source: Connection, target: Connection, table: Table, account_id: int | None, cdrs_since: int
) -> None:
    found = source.execution_options(yield_per=PAGE).execute(_wanted(table, account_id, cdrs_since))
    for page in found.partitions():
        target.execute(insert(table), [dict(row._mapping) for row in page])


def _wanted(table: Table, account_id: int | None, cdrs_since: int) -> Select[tuple[object, ...]]:
    """The rows of an account, and those of no account."""
    query: Select[tuple[object, ...]] = select(table)
    if table is schema.cdrs:
        query = query.where(table.c.setup_at >= cdrs_since)
    if account_id is None:
        return query
    if table is schema.accounts:
        return query.where(table.c.id == account_id)
    owner = table.c.get("account_id")
    if table is schema.cdrs:
        owner = table.c.account
    if owner is None:
        return query
    return query.where(or_(owner == account_id, owner.is_(None), owner == 0))


# What is new in it


@dataclass(frozen=True, slots=True)
class _Marks:
    """The last rows that were copied."""

    entries: int
    bills: int
    changes: int
    notices: int

    @staticmethod
    def of(connection: Connection) -> _Marks:
        def last(query: str) -> int:
            return int(connection.exec_driver_sql(query).scalar_one() or 0)

        return _Marks(
            last("SELECT max(rowid) FROM ledger_entries"),
            last("SELECT max(number) FROM bills"),
            last("SELECT max(id) FROM account_changes"),
            last("SELECT max(rowid) FROM notices"),
        )


def _postings(
    connection: Connection, after_row: int, balances: dict[int, int]
) -> Iterator[Happening]:
    columns = schema.entries.c
    query = (
        select(schema.entries)
        .where(columns.account_id.is_not(None), columns.book.not_like("wallet:%"))
        .where(_rowid() > after_row)
        .order_by(columns.at, _rowid())
    )
    for entry in map(schema.entry_of, connection.execute(query)):
        assert entry.account_id is not None
        balances[entry.account_id] += entry.amount_micros
        yield Happening(
            entry.at,
            entry.account_id,
            "credit" if entry.amount_micros > 0 else "debit",
            entry.kind,
            _about(connection, entry.kind, entry.transaction_id),
            entry.amount_micros,
            balances[entry.account_id],
            entry.currency,
        )


def _about(connection: Connection, kind: str, transaction: str) -> str:
    """The product or the number of a posting, and otherwise its cause."""
    cause = transaction.partition(":")[2]
    key = cause.rpartition(":")[0]
    if kind == "package":
        columns = sales_schema.subscriptions.c
        query = select(columns.product).where(columns.id.in_((cause, key)))
    elif kind == "rent":
        rentals = schema.metadata.tables["rentals"].c
        query = select(rentals.number).where(rentals.id == key)
    else:
        return cause
    return connection.execute(query).scalars().first() or cause


def _bills(connection: Connection, after_number: int) -> Iterator[Happening]:
    for made in bill_store.bills_of(connection):
        if made.number <= after_number:
            continue
        yield Happening(
            made.made_at,
            made.account_id,
            "bill",
            "bill",
            made.month,
            made.to_pay_micros,
            made.closing_micros,
            made.currency,
        )


def _statuses(connection: Connection, after_id: int) -> Iterator[Happening]:
    table = schema.account_changes_table
    query = select(table).where(table.c.id > after_id).order_by(table.c.id)
    for row in connection.execute(query):
        about = row.reason if row.what == "status" else f"{row.what}: {row.reason}"
        yield Happening(row.at, row.account_id, "status", row.after, about)


def _notices(connection: Connection, after_row: int) -> Iterator[Happening]:
    table = sales_schema.notices
    query = select(table).where(_rowid() > after_row).order_by(table.c.at)
    for row in connection.execute(query):
        yield Happening(row.at, row.account_id, "notice", row.what, row.about)


def _rowid() -> ColumnElement[int]:
    """SQLite's number of a row, which rises in the order in which rows were written."""
    return literal_column("rowid", Integer)
