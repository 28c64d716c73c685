"""The books in a database: batches of commands, each batch one transaction and one fsync."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    event,
    func,
    select,
    tuple_,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from billing.decisions.calls import recovered
from billing.decisions.table import DECISIONS
from billing.facts.account import Account, Change, Status
from billing.facts.authorization import (
    BillingError,
    CloseCall,
)
from billing.facts.cdr import Cdr
from billing.facts.command import Answer, Command, touched_by
from billing.facts.ledger import Difference, Entry
from billing.facts.live_call import LiveCall, StoredDialogs
from billing.facts.tariff import Tariff
from billing.stores import (
    cdr_search,
    schema,
    tariff_store,
    verification,
)
from billing.stores.cdr_search import CdrFilter
from billing.stores.definitions import define
from billing.stores.failure import cause_of, explained
from billing.stores.idle_connections import try_rested
from billing.stores.paging import Page, containing, newest_first
from billing.stores.schema import metadata
from billing.stores.sqlite_writer import Result, SqliteWriter
from billing.stores.statements import MAX_KEYS
from billing.stores.working_set import LIVE_CALLS, Conflict, WorkingSet

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
ATTEMPTS = (True, False, False, False, False)
"""Attempts at a batch whose accounts another process changes meanwhile. Calls that begin are taken
for new by the first of them; those after it look for them, since the conflict may be that one of
the calls is there: its command is repeated."""

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


class _ServerWriter:
    """The transactions that write to a server's database. Other processes write the same rows, so
    that none stay in memory: each transaction reads and locks them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def transact(self, work: Callable[[WorkingSet], Result]) -> Result:
        """Do work in a transaction that commits at the end, or leaves nothing if anything is
        raised."""
        with self._engine.begin() as connection:
            return work(WorkingSet(connection))

    def close(self) -> None:
        """Nothing: the engine has the connections."""


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
        self._writer: SqliteWriter | _ServerWriter
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _set_up_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            self._reader = self.engine.execution_options(reading=True)
            self._writer = SqliteWriter(self.engine)
        else:
            try_rested(self.engine)
            # All of a report is of one moment, as it is with SQLite.
            self._reader = self.engine.execution_options(isolation_level="REPEATABLE READ")
            self._writer = _ServerWriter(self.engine)

    def create(self) -> None:
        """Create the tables that aren't there (tests and tools; a switch migrates)."""
        metadata.create_all(self.engine)

    def close(self) -> None:
        """Close all connections."""
        self.forget()
        self.engine.dispose()

    def forget(self) -> None:
        """Read everything anew: other tables were put in the place of those of this file."""
        self._writer.close()

    # Writing

    def apply(self, commands: Sequence[Command[Answer]]) -> list[Answer | BillingError]:
        """Apply a batch in one transaction; each command's answer, or the BillingError that refused
        it.

        Raises:
            StoreError: the database failed and nothing of the batch was applied.
        """
        last: StoreError | None = None
        for is_new in ATTEMPTS:
            try:
                return self._writer.transact(partial(self._apply, commands, is_new))
            except Conflict:
                continue
            except (SQLAlchemyError, self._driver.Error) as error:
                last = self._error(error)
                if not self._is_conflict(error):
                    raise last from error
        why = "too many writers change the same accounts"
        raise last or StoreError(f"database {self._name}: {why}")

    def apply_within(
        self, connection: Connection, commands: Sequence[Command[Answer]]
    ) -> list[Answer | BillingError]:
        """Apply commands in a transaction of the caller's, with whatever else it writes: answered
        like :meth:`apply`.

        Raises:
            StoreError: another process changed the same accounts; the transaction must be undone.
        """
        try:
            return self._apply(commands, False, WorkingSet(connection))
        except Conflict:
            why = "another process changed the same accounts"
            raise StoreError(f"database {self._name}: {why}") from None

    def _apply(
        self,
        commands: Sequence[Command[Answer]],
        is_new: bool,
        working_set: WorkingSet,
    ) -> list[Answer | BillingError]:
        """Apply a batch in this transaction.

        Args:
            is_new: calls that begin are taken for new and not looked for. The insert of one that
                isn't fails as a conflict.
        """
        touched = touched_by(commands)
        if not is_new:
            touched.calls |= touched.opening
        book = working_set.load(touched)
        results: list[Answer | BillingError] = []
        decided_only = True
        for command in commands:
            decision = DECISIONS.get(type(command))
            try:
                if decision is not None:
                    # A test compares each decision's types with its command's; a cast is a call.
                    results.append(decision(book, command))  # type: ignore[arg-type]
                else:
                    decided_only = False
                    results.append(define(working_set.connection, book, command))
            except BillingError as refused:
                results.append(refused.with_traceback(None))  # whose frames hold the results
        working_set.write(book)
        if not decided_only:  # a definition may have changed rows that the book doesn't know
            working_set.forget()
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
        query = LIVE_CALLS
        if node is not None:
            query = query.where(schema.live_calls.c.node == node)
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


_ACCOUNTS = select(schema.accounts)
_ENTRIES = select(schema.entries)

_CONFLICTS = frozenset({"40001", "40P01"})
"""serialization_failure and deadlock_detected (PostgreSQL, appendix A)."""
_PASSWORD = re.compile(r"(://[^\s:/@]*):[^\s@]*@")


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
    if "writer" in options:  # SQLAlchemy's way would take as long as a batch's statements
        options["writer"].execute("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("BEGIN" if options.get("reading", False) else "BEGIN IMMEDIATE")
