"""The books in a database: batches of commands, each batch one transaction and one fsync."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

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
    update,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from billing.decisions.book import Book, LiveCall, recovered
from billing.decisions.sales import RenewPackage, SalesCommand
from billing.decisions.table import decide
from billing.facts.account import Account, Change
from billing.facts.authorization import (
    AddAccount,
    AnswerCall,
    AssignTariff,
    BillingError,
    ChangeStatus,
    CloseCall,
    ExtendCall,
    OpenCall,
    ProveAlive,
    SetAccount,
    TopUp,
    WriteCdr,
)
from billing.facts.bill import MakeBills
from billing.facts.cdr import Cdr
from billing.facts.ledger import Difference, Entry, payment_transaction
from billing.facts.tariff import Tariff
from billing.facts.wallet import transaction_of
from billing.stores import (
    bill_store,
    cdr_search,
    rerating_store,
    sales_store,
    schema,
    tariff_store,
    tax_store,
    verification,
    wallet_store,
)
from billing.stores.cdr_search import CdrFilter
from billing.stores.schema import metadata
from billing.stores.statements import MAX_KEYS, Lookup, Statement

__all__ = ["CdrFilter", "Store", "StoreError", "metadata"]

BUSY_SECONDS = 5
CONFLICT_RETRIES = 5
"""How often a batch is decided anew because another process changed an account meanwhile."""


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
        options: dict[str, Any] = {}
        if memory:
            from sqlalchemy.pool import StaticPool

            options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        if url.startswith("postgresql:"):
            url = url.replace("postgresql:", "postgresql+psycopg:", 1)
            options = {"pool_pre_ping": True}  # a server that was started anew is no error
        try:
            self.engine: Engine = create_engine(url, **options)
        except ImportError:
            raise StoreError("PostgreSQL needs its driver: pip install psycopg[binary]") from None
        self._driver: Any = self.engine.dialect.dbapi
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _set_up_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            self._reader = self.engine.execution_options(reading=True)
        else:
            # All of a report is of one moment, as it is with SQLite.
            self._reader = self.engine.execution_options(isolation_level="REPEATABLE READ")

    def create(self) -> None:
        """Create the tables that aren't there (tests and tools; a switch migrates)."""
        metadata.create_all(self.engine)

    def close(self) -> None:
        self.engine.dispose()

    # Writing

    def apply(self, commands: Sequence[Any]) -> list[Any]:
        """Apply a batch in one transaction; a result, or the BillingError of a refused command,
        for each.

        Raises:
            StoreError: the database failed and nothing of the batch was applied.
        """
        last = StoreError(f"database {self._name}: too many writers change the same accounts")
        for _ in range(CONFLICT_RETRIES):
            try:
                with self.engine.begin() as connection:
                    return self._apply(connection, commands)
            except _Conflict:
                continue
            except (SQLAlchemyError, self._driver.Error) as error:
                last = self._error(error)
                if not self._is_conflict(error):
                    raise last from error
        raise last

    def _apply(self, connection: Connection, commands: Sequence[Any]) -> list[Any]:
        book = self._load(connection, commands)
        results: list[Any] = []
        for command in commands:
            try:
                if isinstance(command, AddAccount):
                    results.append(self._add_account(connection, book, command))
                elif type(command) in _DEFINITIONS:
                    define = _DEFINITIONS[type(command)]
                    results.append(define(connection, book, command))
                else:
                    results.append(decide(book, command))
            except BillingError as refused:
                results.append(refused.with_traceback(None))  # whose frames hold the results
        _write(connection, book)
        return results

    def _load(self, connection: Connection, commands: Sequence[Any]) -> Book:
        """Read what the batch touches, each table once."""
        wanted = _Keys(commands)
        calls = [schema.call_of(row) for row in _LIVE_BY_ID.rows(connection, wanted.calls)]
        if wanted.renewing:
            seen = {call.call_id for call in calls}
            found = map(schema.call_of, _COVERED_BY_ACCOUNT.rows(connection, wanted.renewing))
            calls += [call for call in found if call.call_id not in seen]
        known = {call.call_id for call in calls}
        missing = [key for call_id, key in wanted.closing.items() if call_id not in known]
        found_cdrs = _CDRS_BY_ID.rows(connection, [*missing, *wanted.cdrs])
        cdrs = [schema.cdr_of(dict(zip(_CDR_COLUMNS, row, strict=True))) for row in found_cdrs]
        account_ids = wanted.accounts | {c.account_id for c in calls if c.account_id is not None}
        account_ids |= {cdr.account for cdr in cdrs if cdr.account is not None}
        accounts = _ACCOUNTS_BY_ID.rows(connection, sorted(account_ids))
        payments = _PAYMENTS_BY_ID.rows(connection, wanted.payments)
        book = Book(map(schema.account_of, accounts), calls, cdrs, map(schema.entry_of, payments))
        sales = sales_store.load(connection, commands, calls)
        if sales is not None:
            book.sales = sales
        return book

    def _add_account(self, connection: Connection, book: Book, command: AddAccount) -> Account:
        row: dict[str, Any] = {
            "name": command.name,
            "kind": command.kind,
            "currency": command.currency,
            "balance_micros": 0,
            "reserved_micros": 0,
            "credit_limit_micros": command.credit_limit_micros,
            "status": command.status,
            "tariff": command.tariff,
            "version": 0,
            "created_at": command.at,
        }
        key = connection.execute(insert(schema.accounts), row).inserted_primary_key
        assert key is not None
        account = Account(id=key[0], **row)
        book.accounts[account.id] = book.loaded[account.id] = account
        return account

    def _error(self, error: Exception) -> StoreError:
        return StoreError(f"database {self._name}: {' '.join(str(_cause(error)).split())}")

    def _is_conflict(self, error: Exception) -> bool:
        """Whether another process was in the way: a row that both wanted to write first, a
        deadlock."""
        cause = _cause(error)
        if isinstance(cause, self._driver.IntegrityError):
            return True
        return getattr(cause, "sqlstate", "") in _CONFLICTS

    # Reading

    def account(self, account_id: int) -> Account | None:
        with self._reading() as connection:
            row = connection.execute(_ACCOUNTS.where(schema.accounts.c.id == account_id)).first()
        return None if row is None else schema.account_of(row)

    def accounts(self) -> list[Account]:
        with self._reading() as connection:
            rows = connection.execute(_ACCOUNTS.order_by(schema.accounts.c.id)).all()
        return [schema.account_of(row) for row in rows]

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

    def changes(self, account_id: int) -> list[Change]:
        """Who changed what of an account, the oldest first."""
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

    def nodes(self) -> dict[str, tuple[int, int]]:
        """Which nodes have live calls: how many, and the newest proof that one of them lived
        (epoch milliseconds)."""
        columns = schema.live_calls.c
        query = select(columns.node, func.count(), func.max(columns.last_alive_at))
        with self._reading() as connection:
            rows = connection.execute(query.group_by(columns.node).order_by(columns.node)).all()
        return {node: (int(calls), int(alive)) for node, calls, alive in rows}

    def _reading(self) -> Any:
        return self._reader.connect()

    # Checking

    def recover(self, node: str | None = None) -> list[Cdr]:
        """End every call of a node whose process died at its last proof of life; None: of all.

        To be called before that node serves, when nothing else writes for it.
        """
        commands = recovery(self.live_calls(node))
        cdrs: list[Cdr] = []
        for start in range(0, len(commands), MAX_KEYS):
            settled = self.apply(commands[start : start + MAX_KEYS])
            cdrs += [settlement.cdr for settlement in settled]
        return cdrs

    def verify(self) -> list[Difference]:
        """Compute everything again that is kept as a sum, and every price; empty when all is
        right."""
        with self._reading() as connection:
            return verification.differences(connection)


def recovery(calls: Iterable[LiveCall]) -> list[CloseCall]:
    """What ends calls whose process died; it may be done twice, by two nodes at once."""
    return [CloseCall(call.call_id, recovered(call)) for call in calls]


class _Keys:
    """What the commands of a batch touch."""

    def __init__(self, commands: Iterable[Any]) -> None:
        self.accounts: set[int] = set()
        self.calls: list[str] = []
        self.closing: dict[str, str] = {}
        self.cdrs: list[str] = []
        self.payments: list[str] = []
        self.renewing: list[int] = []
        """Accounts whose calls go on under a new term of a package."""
        for command in commands:
            self._add(command)

    def _add(self, command: Any) -> None:
        if isinstance(command, wallet_store.COMMANDS):
            self.payments.append(transaction_of(command))
        match command:
            case OpenCall(call_id=call_id, account_id=account_id):
                self.calls.append(call_id)
                if account_id is not None:
                    self.accounts.add(account_id)
            case ExtendCall(call_id=call_id) | AnswerCall(call_id=call_id):
                self.calls.append(call_id)
            case ProveAlive(calls=calls):
                self.calls += [call_id for call_id, _ in calls]
            case CloseCall(call_id=call_id, cdr=cdr):
                self.calls.append(call_id)
                self.closing[call_id] = cdr.id
            case WriteCdr(cdr=cdr):
                self.cdrs.append(cdr.id)
                if cdr.account is not None:
                    self.accounts.add(cdr.account)
            case TopUp(account_id=account_id, payment_id=payment_id):
                self.accounts.add(account_id)
                self.payments.append(payment_transaction(payment_id))
            case RenewPackage(account_id=account_id):
                self.accounts.add(account_id)
                self.renewing.append(account_id)
            case MakeBills(parties=parties):
                # Nobody posts to them between the reading of their entries and of their balances.
                self.accounts.update(parties)
            case AssignTariff(account_id=account_id):
                self.accounts.add(account_id)
            case (
                SetAccount(account_id=account_id)
                | ChangeStatus(account_id=account_id)
                | SalesCommand(account_id=account_id)
            ):
                self.accounts.add(account_id)


_DEFINITIONS = {
    **sales_store.DEFINITIONS,
    **rerating_store.DEFINITIONS,
    **tariff_store.DEFINITIONS,
    **bill_store.DEFINITIONS,
    **wallet_store.DEFINITIONS,
    **tax_store.DEFINITIONS,
}
_ACCOUNTS = select(schema.accounts)
_ENTRIES = select(schema.entries)
_LIVE = select(schema.live_calls)

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
_PAYMENTS_BY_ID = Lookup(
    _ENTRIES.where(schema.entries.c.account_id.is_not(None)), schema.entries.c.transaction_id
)

_INSERT_CALLS = Statement(insert(schema.live_calls), schema.CALL_COLUMNS)
_UPDATE_CALLS = Statement(
    update(schema.live_calls)
    .where(schema.live_calls.c.call_id == bindparam("key"))
    .values({name: bindparam(name) for name in schema.CALL_CHANGES}),
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


def _cause(error: Exception) -> BaseException:
    """The driver's own error, whether SQLAlchemy has wrapped it or not."""
    return error.orig or error if isinstance(error, DBAPIError) else error


_CONFLICTS = frozenset({"40001", "40P01"})
"""serialization_failure and deadlock_detected (PostgreSQL, appendix A)."""
_PASSWORD = re.compile(r"(://[^\s:/@]*):[^\s@]*@")


def _write(connection: Connection, book: Book) -> None:
    """Everything that the batch changed, one statement a table."""
    changed = [book.calls[key] for key in book.changed_calls]
    new = [schema.call_row(call) for call in changed if call.call_id not in book.stored_calls]
    old = [schema.call_changes(call) for call in changed if call.call_id in book.stored_calls]
    gone = [(key,) for key in book.closed_calls if key in book.stored_calls]
    _INSERT_CALLS.run(connection, new)
    _UPDATE_CALLS.run(connection, old)
    _DELETE_CALLS.run(connection, gone)
    _INSERT_CDRS.run(connection, [schema.cdr_row(*record) for record in book.new_cdrs])
    _INSERT_ENTRIES.run(connection, [schema.entry_row(entry) for entry in book.new_entries])
    if book.new_changes:
        rows = [schema.change_row(change) for change in book.new_changes]
        connection.execute(insert(schema.account_changes_table), rows)
    sales_store.write(connection, book.sales)
    accounts = [schema.account_changes(account) for account in book.changed_accounts]
    if _UPDATE_ACCOUNTS.run(connection, accounts) != len(accounts):
        raise _Conflict


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would come too late (see below)
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {BUSY_SECONDS * 1000}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock before a batch reads, so that it is still true when the batch writes."""
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
