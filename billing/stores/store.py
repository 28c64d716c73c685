"""The books in a database: batches of commands, each batch one transaction and one fsync."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from sqlalchemy import (
    Connection,
    Engine,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from billing.decisions.book import Book
from billing.decisions.calls import recovered
from billing.decisions.table import DECISIONS
from billing.facts.account import Account, Change, Status
from billing.facts.authorization import (
    BillingError,
    CloseCall,
)
from billing.facts.cdr import Cdr
from billing.facts.command import Answer, Command, Touched, touched_by
from billing.facts.ledger import Difference, Entry, own_entries
from billing.facts.live_call import LiveCall, StoredDialogs
from billing.facts.tariff import Tariff
from billing.stores import (
    cdr_search,
    debt_store,
    hold_store,
    order_store,
    rental_store,
    sales_store,
    schema,
    tariff_store,
    verification,
    wallet_store,
)
from billing.stores.cdr_search import CdrFilter
from billing.stores.definitions import define
from billing.stores.failure import cause_of, explained
from billing.stores.idle_connections import try_rested
from billing.stores.paging import Page, containing, newest_first
from billing.stores.residents import Residents
from billing.stores.schema import metadata
from billing.stores.sqlite_writer import Result, SqliteWriter
from billing.stores.statements import MAX_KEYS, Lookup, Statement

__all__ = ["CdrFilter", "Store", "StoreError", "metadata"]

BUSY_SECONDS = 5
CACHE_KIB = 256
"""The cache of pages of a connection to SQLite. A larger one would be void at the next transaction,
since another connection has written by then. It would fill up all the same, to 2 MB for each
connection: and its pages, which lie on the heap between messages that live for half a minute, leave
gaps there that cost as much again, until memory is flat after an hour and not after a minute."""
SPILL_PAGES = 512
"""Pages that a transaction changes before they go to the disk early; as many as by SQLite's own
cache of 2 MB."""
MAX_SHARING_CALLS = 200
"""Calls of an account whose reservations are looked at when one can't have a slice: bounds how long
that takes. They are those that hold the most."""
CONFLICT_RETRIES = 5
"""Attempts at a batch whose accounts another process changes meanwhile."""

ACCOUNTS_IN_PART = 10_000
"""The accounts that are read at once when all are read."""
ID_DIGITS = 9
"""The most digits of an account's id in a search."""


_PATIENCE = {
    "connect_timeout": 3,
    "keepalives_idle": 3,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Seconds, but for the last, which are milliseconds. TCP alone would wait a quarter of an hour for
a machine that has lost its power, and all calls with it."""


class StoreError(Exception):
    """The database can't do it now; one line that names the file and the cause."""


class _Conflict(Exception):
    """Another process changed an account between our reading and our writing."""


class Store:
    """The books.

    Args:
        url: `sqlite:///file`, `sqlite://` for one in memory, or `postgresql://user@host/name`.

    Raises:
        StoreError: the driver of PostgreSQL isn't installed.
    """

    def __init__(self, url: str) -> None:
        self._name = _PASSWORD.sub(r"\1@", url.removeprefix("sqlite:///"))
        memory = url in ("sqlite://", "sqlite:///:memory:")
        options: dict[str, object] = {}
        if memory:
            from sqlalchemy.pool import StaticPool

            options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        if url.startswith("postgresql:"):
            url = url.replace("postgresql:", "postgresql+psycopg:", 1)
            options = {"connect_args": _patience(url)}
        try:
            self.engine: Engine = create_engine(url, **options)
        except ImportError:
            raise StoreError("PostgreSQL needs its driver: pip install psycopg[binary]") from None
        database = self.engine.url.database
        is_file = self.engine.dialect.name == "sqlite" and not memory and database is not None
        self._file = Path(database) if is_file and database is not None else None
        # Any: the module of whichever driver the URL names.
        self._driver: Any = self.engine.dialect.dbapi
        self._sqlite_writer: SqliteWriter | None = None
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _set_up_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            self._reader = self.engine.execution_options(reading=True)
            self._sqlite_writer = SqliteWriter(self.engine)
        else:
            try_rested(self.engine)
            # All of a report is of one moment, as it is with SQLite.
            self._reader = self.engine.execution_options(isolation_level="REPEATABLE READ")

    def create(self) -> None:
        """Create the tables that aren't there (tests and tools; a switch migrates)."""
        metadata.create_all(self.engine)

    def close(self) -> None:
        """Close all connections."""
        self.forget()
        self.engine.dispose()

    def forget(self) -> None:
        """Read everything anew: other tables were put in the place of those of this file."""
        if self._sqlite_writer is not None:
            self._sqlite_writer.close()

    # Writing

    def apply(self, commands: Sequence[Command[Answer]]) -> list[Answer | BillingError]:
        """Apply a batch in one transaction; each command's answer, or the BillingError that refused
        it.

        Raises:
            StoreError: the database failed and nothing of the batch was applied.
        """
        last = StoreError(f"database {self._name}: too many writers change the same accounts")
        for _ in range(CONFLICT_RETRIES):
            try:
                return self._transact(partial(self._apply, commands))
            except _Conflict:
                continue
            except (SQLAlchemyError, self._driver.Error) as error:
                last = self._error(error)
                if not self._is_conflict(error):
                    raise last from error
        raise last

    def _transact(self, work: Callable[[Connection, Residents], Result]) -> Result:
        """Do work in a transaction that writes, with the rows that need not be read for it. On a
        server other processes write the same rows, and each transaction reads and locks them."""
        if self._sqlite_writer is not None:
            return self._sqlite_writer.transact(work)
        with self.engine.begin() as connection:
            return work(connection, Residents())

    def apply_within(
        self, connection: Connection, commands: Sequence[Command[Answer]]
    ) -> list[Answer | BillingError]:
        """Apply commands in a transaction of the caller's, with whatever else it writes: answered
        like :meth:`apply`.

        Raises:
            StoreError: another process changed the same accounts; the transaction must be undone.
        """
        try:
            return self._apply(commands, connection, Residents())
        except _Conflict:
            why = "another process changed the same accounts"
            raise StoreError(f"database {self._name}: {why}") from None

    def _apply(
        self, commands: Sequence[Command[Answer]], connection: Connection, residents: Residents
    ) -> list[Answer | BillingError]:
        book = _load(connection, residents, touched_by(commands))
        results: list[Answer | BillingError] = []
        decided_only = True
        for command in commands:
            decision = DECISIONS.get(type(command))
            try:
                if decision is not None:
                    # A test compares each decision's types with its command's.
                    results.append(cast("Answer", decision(book, command)))
                else:
                    decided_only = False
                    results.append(define(connection, book, command))
            except BillingError as refused:
                results.append(refused.with_traceback(None))  # whose frames hold the results
        changed = _write(connection, book)
        if decided_only:
            residents.keep(book, changed)
        else:  # a definition may have changed rows that the book doesn't know
            residents.forget()
        return results

    def _error(self, error: Exception) -> StoreError:
        return StoreError(f"database {self._name}: {explained(error, self._file)}")

    def _is_conflict(self, error: Exception) -> bool:
        """True if another process was in the way: a row that both wanted to write first, a
        deadlock."""
        cause = cause_of(error)
        if isinstance(cause, self._driver.IntegrityError):
            return True
        return getattr(cause, "sqlstate", "") in _CONFLICTS

    # Reading

    def account(self, account_id: int) -> Account | None:
        """The account of an id; None if there is none."""
        with self._reading() as connection:
            row = connection.execute(_ACCOUNTS.where(schema.accounts.c.id == account_id)).first()
        return None if row is None else schema.account_of(row)

    def accounts(
        self,
        page: Page | None = None,
        search: str | None = None,
        status: str | None = None,
        after: int | None = None,
    ) -> list[Account]:
        """All accounts by id, or a page of them with the newest first.

        Args:
            search: a part of the name, or the id.
            after: of a page: those after this id, by id.
        """
        columns = schema.accounts.c
        query = _ACCOUNTS
        if search is not None:
            found = containing(search, columns.name)
            own_id = search.isascii() and search.isdigit() and len(search) <= ID_DIGITS
            query = query.where(found | (columns.id == int(search)) if own_id else found)
        if status is not None:
            query = query.where(columns.status == status)
        if page is None:
            query = query.order_by(columns.id)
        elif after is None:
            query = newest_first(query, page, columns.id)
        else:
            query = query.where(columns.id > after).order_by(columns.id).limit(page.limit)
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return [schema.account_of(row) for row in rows]

    def accounts_named(self, name: str) -> list[Account]:
        """The accounts of exactly this name, by id."""
        columns = schema.accounts.c
        with self._reading() as connection:
            rows = connection.execute(_ACCOUNTS.where(columns.name == name).order_by(columns.id))
            return [schema.account_of(row) for row in rows]

    def account_terms(self) -> Iterator[list[tuple[int, Status, str]]]:
        """The id, status and tariff of all accounts, in parts by their ids."""
        columns, last = schema.accounts.c, 0
        query = select(columns.id, columns.status, columns.tariff).order_by(columns.id)
        while True:
            with self._reading() as connection:
                found = query.where(columns.id > last).limit(ACCOUNTS_IN_PART)
                rows = connection.execute(found).all()
                part = [(key, status, tariff) for key, status, tariff in rows]
            if not part:
                return
            yield part
            last = part[-1][0]

    def tariff(self, name: str) -> Tariff:
        """A price list; an empty one if there is none of this name."""
        found = self.tariffs(name)
        return found[0] if found else Tariff(name, "", ())

    def tariffs(self, name: str | None = None) -> list[Tariff]:
        """All price lists, or the one of this name."""
        with self._reading() as connection:
            return tariff_store.tariffs(connection, name)

    def cdrs(self, wanted: CdrFilter | None = None) -> list[Cdr]:
        """CDRs in the order of their setup."""
        with self._reading() as connection:
            return cdr_search.find(connection, wanted or CdrFilter())

    def ledger(self, account_id: int, wallet: str | None = None) -> list[Entry]:
        """An account's entries of money, or of another wallet, the oldest first."""
        columns = schema.entries.c
        book = f"account:{account_id}" if wallet is None else f"wallet:{account_id}:{wallet}"
        own = (columns.account_id == account_id) & (columns.book == book)
        query = _ENTRIES.where(own).order_by(columns.at, columns.id)
        with self._reading() as connection:
            return [schema.entry_of(row) for row in connection.execute(query)]

    def ledger_page(self, account_id: int, page: Page) -> list[tuple[Entry, int]]:
        """Entries of an account's money, the newest first, each with the balance after it."""
        columns = schema.entries.c
        own = (columns.account_id == account_id) & (columns.book == f"account:{account_id}")
        key = columns.at, columns.id
        with self._reading() as connection, connection.begin():
            rows = connection.execute(newest_first(_ENTRIES.where(own), page, *key)).all()
            if not rows:
                return []
            entries = [schema.entry_of(row) for row in rows]
            first = entries[0]
            newer = select(func.coalesce(func.sum(columns.amount_micros), 0)).where(
                own, columns.at >= first.at, tuple_(*key) > tuple_(first.at, first.id)
            )
            balance = select(schema.accounts.c.balance_micros).where(
                schema.accounts.c.id == account_id
            )
            after = connection.execute(balance).scalar_one()
            after -= int(connection.execute(newer).scalar_one())
        found: list[tuple[Entry, int]] = []
        for entry in entries:
            found.append((entry, after))
            after -= entry.amount_micros
        return found

    def changes(self, account_id: int) -> list[Change]:
        """The history of an account's changes, the oldest first."""
        table = schema.account_changes_table
        query = select(table).where(table.c.account_id == account_id).order_by(table.c.id)
        with self._reading() as connection:
            return [Change(*row[1:]) for row in connection.execute(query)]

    def reading(self) -> Connection:
        """A connection of one moment, for :mod:`billing.stores.sales_store`'s questions."""
        return self._reader.connect()

    def live_calls(self, node: str | None = None) -> list[LiveCall]:
        """Calls that aren't over, or whose process died; of one node, or of all."""
        query = _LIVE if node is None else _LIVE.where(schema.live_calls.c.node == node)
        with self._reading() as connection:
            return [schema.call_of(row) for row in connection.execute(query)]

    def dialogs(self, node: str | None = None) -> list[StoredDialogs]:
        """The SIP dialogs of live calls that were answered; of one node, or of all."""
        columns = schema.live_calls.c
        query = select(columns.call_id, columns.trunk, columns.dialogs)
        query = query.where(columns.dialogs.is_not(None))
        if node is not None:
            query = query.where(columns.node == node)
        with self._reading() as connection:
            return [StoredDialogs(*row) for row in connection.execute(query)]

    def nodes(self) -> dict[str, tuple[int, int]]:
        """Nodes with live calls: how many each has, and the newest proof that one of them lived
        (epoch milliseconds)."""
        columns = schema.live_calls.c
        query = select(columns.node, func.count(), func.max(columns.last_alive_at))
        with self._reading() as connection:
            rows = connection.execute(query.group_by(columns.node).order_by(columns.node)).all()
        return {node: (int(calls), int(alive)) for node, calls, alive in rows}

    def _reading(self) -> Connection:
        return self._reader.connect()

    # Checking

    def recover(self, node: str | None = None) -> list[Cdr]:
        """End every call of a node whose process died at its last proof of life; None: of all.

        To be called before that node serves, when nothing else writes for it.
        """
        commands = recovery(self.live_calls(node))
        cdrs: list[Cdr] = []
        for start in range(0, len(commands), MAX_KEYS):
            for settled in self.apply(commands[start : start + MAX_KEYS]):
                if isinstance(settled, BillingError):
                    raise settled
                cdrs.append(settled.cdr)
        return cdrs

    def verify(self) -> list[Difference]:
        """Compute everything again that is kept as a sum, and every price; empty when all is
        right."""
        with self._reading() as connection:
            return verification.differences(connection)


def _patience(url: str) -> dict[str, int]:
    """How long libpq waits for a server that answers nothing, where the URL doesn't say."""
    return {name: value for name, value in _PATIENCE.items() if f"{name}=" not in url}


def recovery(calls: Iterable[LiveCall]) -> list[CloseCall]:
    """Commands that end calls whose process died; two nodes may apply them at once."""
    return [CloseCall(call.call_id, recovered(call)) for call in calls]


def _load(connection: Connection, residents: Residents, touched: Touched) -> Book:
    """The working set of a batch: what is resident, and the rest from the tables."""
    calls = _calls(connection, residents, touched)
    owners = touched.accounts
    for call in calls.values():
        if call.account_id is not None:
            owners.add(call.account_id)
    accounts = _accounts(connection, residents, owners)
    if calls and connection.dialect.name != "sqlite":
        # The transaction that had the accounts locked may have changed their calls.
        calls = _calls(connection, residents, touched)
    cdrs: dict[str, Cdr] = {}
    if touched.cdrs or not touched.closing.keys() <= calls.keys():
        cdrs = _written_before(connection, touched, calls)
    if cdrs:
        owners_of_closed = {cdr.account for cdr in cdrs.values() if cdr.account is not None}
        accounts |= _accounts(connection, residents, owners_of_closed - owners)
    payments = _posted(connection, touched.payments) if touched.payments else {}
    book = Book(accounts, calls, cdrs, payments, partial(_calls_of, connection))
    for call in calls.values():
        if call.coverage is not None:
            touched.subscriptions.update(call.coverage.candidates)
    if touched.anything_sold:
        for room in _ROOMS:
            room.load(connection, touched, book.sales)
    return book


def _written_before(
    connection: Connection, touched: Touched, calls: Mapping[str, LiveCall]
) -> dict[str, Cdr]:
    """CDRs that stand in the place of what is to be written or closed, since it was repeated."""
    wanted = sorted(touched.cdrs)
    wanted += [cdr_id for call_id, cdr_id in touched.closing.items() if call_id not in calls]
    found = _CDRS_BY_ID.rows(connection, wanted)
    cdrs = [schema.cdr_of(dict(zip(_CDR_COLUMNS, row, strict=True))) for row in found]
    return {cdr.id: cdr for cdr in cdrs}


def _posted(connection: Connection, transactions: set[str]) -> dict[str, Entry]:
    """The entries of accounts that transactions posted before, by transaction."""
    keys = [key for transaction in sorted(transactions) for key in own_entries(transaction)]
    entries = [schema.entry_of(row) for row in _OWN_ENTRIES_BY_ID.rows(connection, keys)]
    return {entry.transaction_id: entry for entry in entries}


def _accounts(connection: Connection, residents: Residents, keys: set[int]) -> dict[int, Account]:
    accounts = residents.accounts(sorted(keys))
    if len(accounts) < len(keys):
        for row in _ACCOUNTS_BY_ID.rows(connection, sorted(keys - accounts.keys())):
            account = schema.account_of(row)
            accounts[account.id] = account
    return accounts


def _calls(connection: Connection, residents: Residents, touched: Touched) -> dict[str, LiveCall]:
    keys = touched.calls
    calls = residents.calls(sorted(keys))
    if len(calls) < len(keys):
        for row in _LIVE_BY_ID.rows(connection, sorted(keys - calls.keys())):
            call = schema.call_of(row)
            calls[call.call_id] = call
    if touched.covered_calls_of:
        for row in _COVERED_BY_ACCOUNT.rows(connection, sorted(touched.covered_calls_of)):
            call = schema.call_of(row)
            calls.setdefault(call.call_id, call)
    return calls


def _calls_of(connection: Connection, account_id: int) -> list[LiveCall]:
    columns = schema.live_calls.c
    mine = _LIVE.where(columns.account_id == account_id)
    query = mine.order_by(columns.reserved_micros.desc(), columns.call_id).limit(MAX_SHARING_CALLS)
    return [schema.call_of(row) for row in connection.execute(query)]


_ROOMS = (order_store, rental_store, sales_store, wallet_store, hold_store, debt_store)
"""The stores of what is sold. Orders come first: they touch rentals and numbers."""
_ACCOUNTS = select(schema.accounts)
_ENTRIES = select(schema.entries)
_LIVE = select(*(schema.live_calls.c[name] for name in schema.CALL_COLUMNS if name != "dialogs"))

_LIVE_BY_ID = Lookup(_LIVE, schema.live_calls.c.call_id)
_COVERED_BY_ACCOUNT = Lookup(
    _LIVE.where(schema.live_calls.c.coverage.is_not(None)), schema.live_calls.c.account_id
)
# Where several processes write (PostgreSQL), an account belongs to one batch at a time; locked in
# one order, so that two batches never wait for each other. SQLite has one writer anyway.
_ACCOUNTS_BY_ID = Lookup(
    _ACCOUNTS.order_by(schema.accounts.c.id).with_for_update(), schema.accounts.c.id
)
_CDR_COLUMNS = tuple(column.name for column in schema.cdrs.columns)
_CDRS_BY_ID = Lookup(select(schema.cdrs), schema.cdrs.c.id)
_OWN_ENTRIES_BY_ID = Lookup(_ENTRIES, schema.entries.c.id)

_INSERT_CALLS = Statement(insert(schema.live_calls), schema.CALL_COLUMNS)
_UPDATE_CALLS = Statement(
    update(schema.live_calls)
    .where(schema.live_calls.c.call_id == bindparam("key"))
    .values(
        {name: bindparam(name) for name in schema.CALL_CHANGES}
        | {"dialogs": func.coalesce(bindparam("dialogs"), schema.live_calls.c.dialogs)}
    ),
    (*schema.CALL_CHANGES, "key"),
)
_DELETE_CALLS = Statement(
    delete(schema.live_calls).where(schema.live_calls.c.call_id == bindparam("key")), ("key",)
)
_INSERT_CDRS = Statement(insert(schema.cdrs), schema.CDR_COLUMNS)
_INSERT_ENTRIES = Statement(insert(schema.entries), schema.ENTRY_COLUMNS)
_UPDATE_ACCOUNTS = Statement(
    update(schema.accounts)
    .where(schema.accounts.c.id == bindparam("key"))
    .where(schema.accounts.c.version == bindparam("known_version"))
    .values({name: bindparam(f"new_{name}") for name in schema.ACCOUNT_CHANGES}),
    (*(f"new_{name}" for name in schema.ACCOUNT_CHANGES), "key", "known_version"),
)


_CONFLICTS = frozenset({"40001", "40P01"})
"""serialization_failure and deadlock_detected (PostgreSQL, appendix A)."""
_PASSWORD = re.compile(r"(://[^\s:/@]*):[^\s@]*@")


def _write(connection: Connection, book: Book) -> list[Account]:
    """Write everything that the batch changed, one statement a table; the changed accounts."""
    calls, stored = book.calls, book.stored_calls
    accounts, dialect = book.changed_accounts, connection.dialect
    cursor = connection.connection.cursor()  # one for all of them: each costs as much as its rows
    try:
        if new := book.changed_calls - stored:
            _INSERT_CALLS.run(cursor, dialect, [schema.call_row(calls[key]) for key in new])
        if changed := book.changed_calls & stored:
            rows = [schema.call_changes(calls[key]) for key in changed]
            _UPDATE_CALLS.run(cursor, dialect, rows)
        if closed := book.closed_calls & stored:
            _DELETE_CALLS.run(cursor, dialect, [(key,) for key in closed])
        if book.new_cdrs:
            rows = [schema.cdr_row(*record) for record in book.new_cdrs]
            _INSERT_CDRS.run(cursor, dialect, rows)
        if book.new_entries:
            _INSERT_ENTRIES.run(cursor, dialect, list(map(schema.entry_row, book.new_entries)))
        if accounts:
            rows = [schema.account_changes(account) for account in accounts]
            if _UPDATE_ACCOUNTS.run(cursor, dialect, rows) != len(rows):
                raise _Conflict
    finally:
        cursor.close()
    if book.new_changes:
        histories = [schema.change_row(change) for change in book.new_changes]
        connection.execute(insert(schema.account_changes_table), histories)
    if book.sales.changes:
        for room in _ROOMS:
            room.write(connection, book.sales)
    return accounts


def _set_up_sqlite(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would come too late (see below)
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        f"cache_size = -{CACHE_KIB}",
        f"cache_spill = {SPILL_PAGES}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock before a batch reads, so that it is still true when the batch writes."""
    options = connection.get_execution_options()
    writer: sqlite3.Connection | None = options.get("writer")
    if writer is not None:  # SQLAlchemy's way would take as long as a batch's statements
        writer.execute("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("BEGIN" if options.get("reading", False) else "BEGIN IMMEDIATE")
