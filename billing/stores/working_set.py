"""Accounts and live calls in memory, between the tables and the batches of one connection.

What the commands of a batch touch is loaded, by one statement a table, and what they changed is
written, by one statement a table and kind of change. A call's reservation, answer and settlement
are three batches about the same two rows, so these stay in memory. Where nothing but this
connection has written since the last batch, they are what the tables hold, and nothing is read
again. Several processes that share a server's database can't know that: they begin each batch with
an empty working set.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from itertools import starmap
from typing import cast

from msgspec import structs
from sqlalchemy import (
    Connection,
    Dialect,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from billing.decisions.book import Book
from billing.facts.account import Account
from billing.facts.cdr import Cdr
from billing.facts.command import Touched
from billing.facts.ledger import Entry, own_entries
from billing.facts.live_call import LiveCall
from billing.stores import (
    debt_store,
    hold_store,
    order_store,
    rental_store,
    sales_store,
    schema,
    wallet_store,
)
from billing.stores.statements import Cursor, Lookup, Writing

MAX_SHARING_CALLS = 200
"""Calls of an account whose reservations are looked at when one can't have a slice: bounds how long
that takes. They are those that hold the most."""
MAX_KEPT = 30_000
"""Accounts and calls that are kept, at most 60 MB: all are dropped when there are more."""


class Conflict(Exception):
    """Another process changed an account between our reading and our writing."""


class WorkingSet:
    """The rows that the batches of one connection left in memory."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._is_shared = connection.dialect.name != "sqlite"
        """True for a server's database, where other processes write between two statements."""
        self._statements = _statements(connection.dialect)
        self._cursor = cast(Cursor, connection.connection.cursor())
        """Writes every batch: a cursor for each would cost as much as a statement's rows."""
        self._accounts: dict[int, Account] = {}
        self._calls: dict[str, LiveCall] = {}
        """Each with its account, which was touched when the call began or was read."""

    def load(self, touched: Touched) -> Book:
        """The book of a batch. It has all that is in memory, and the rest of what the batch
        touches."""
        accounts, calls, owners = self._accounts, self._calls, touched.accounts
        if touched.covered_calls_of:
            covered = self._read_calls(_COVERED_BY_ACCOUNT, touched.covered_calls_of)
            touched.calls.update(call.call_id for call in covered)
        unread = _NOTHING
        if touched.calls:
            if unread := touched.calls.difference(calls):
                read = self._read_calls(_CALLS_BY_ID, unread)
                owners.update(call.account_id for call in read if call.account_id is not None)
            for call in map(calls.get, touched.calls):
                if call is not None and call.coverage is not None:
                    touched.sales.subscriptions.update(call.coverage.candidates)
        if unknown := owners.difference(accounts):
            self._read_accounts(unknown)
        if self._is_shared and calls:
            # The transaction that had the accounts locked may have changed their calls.
            calls.clear()
            self._read_calls(_CALLS_BY_ID, touched.calls)
            self._read_calls(_COVERED_BY_ACCOUNT, touched.covered_calls_of)
        cdrs: dict[str, Cdr] = {}
        if touched.cdrs or (unread and touched.closing):
            cdrs = _written_before(self.connection, touched, calls)
            owners_of_closed = {cdr.account for cdr in cdrs.values() if cdr.account is not None}
            self._read_accounts(owners_of_closed.difference(accounts))
        payments = _posted(self.connection, touched.payments) if touched.payments else {}
        book = Book(accounts, calls, cdrs, payments, self._call, self._calls_of)
        if touched.sold is not None:
            for room in _ROOMS:
                room.load(self.connection, touched.sold, book.sales)
        return book

    def _read_calls(self, lookup: Lookup, keys: Set[int] | Set[str]) -> list[LiveCall]:
        """Read calls from their table. One that is in memory stays as it is there."""
        read = [schema.call_of(row) for row in lookup.rows(self.connection, sorted(keys))]
        for call in read:
            self._calls.setdefault(call.call_id, call)
        return read

    def _read_accounts(self, keys: set[int]) -> None:
        for row in _ACCOUNTS_BY_ID.rows(self.connection, sorted(keys)):
            account = schema.account_of(row)
            self._accounts[account.id] = account

    def _call(self, call_id: str) -> LiveCall | None:
        rows = _CALLS_BY_ID.rows(self.connection, [call_id])
        return schema.call_of(rows[0]) if rows else None

    def _calls_of(self, account_id: int) -> list[LiveCall]:
        columns = schema.live_calls.c
        query = LIVE_CALLS.where(columns.account_id == account_id)
        query = query.order_by(columns.reserved_micros.desc(), columns.call_id)
        rows = self.connection.execute(query.limit(MAX_SHARING_CALLS))
        return [schema.call_of(row) for row in rows]

    def write(self, book: Book) -> None:
        """Write everything that the batch changed, and keep it as it is written.

        Raises:
            Conflict: another process changed an account meanwhile.
        """
        statements, cursor = self._statements, self._cursor
        if book.closed_calls:  # first: one that is opened again has a new row
            statements.delete_calls.run(cursor, zip(book.closed_calls), len(book.closed_calls))
        if book.new_calls:
            rows = map(schema.opening_row, book.new_calls.values())
            statements.insert_calls.run(cursor, rows, len(book.new_calls))
            for call in book.new_calls.values():
                call.facts = _IN_THE_ROW
        if changed := book.changed_calls.values():
            rows = map(schema.call_changes, changed)
            statements.update_calls.run(cursor, rows, len(changed))
            for call in changed:
                call.dialogs = None  # many octets that no batch reads
        if book.new_cdrs:
            cdrs = starmap(schema.cdr_row, book.new_cdrs)
            statements.insert_cdrs.run(cursor, cdrs, len(book.new_cdrs))
        if book.new_entries:
            rows = map(schema.entry_row, book.new_entries)
            statements.insert_entries.run(cursor, rows, len(book.new_entries))
        if book.changed_accounts:
            self._write_accounts(book.changed_accounts)
        if book.new_changes:
            histories = [schema.change_row(change) for change in book.new_changes]
            self.connection.execute(insert(schema.account_changes_table), histories)
        if book.sold is not None:
            for room in _ROOMS:
                room.write(self.connection, book.sold)
        if len(self._accounts) + len(self._calls) > MAX_KEPT:
            self.forget()

    def _write_accounts(self, changed: Mapping[int, Account]) -> None:
        accounts, rows = self._accounts, map(schema.account_changes, changed.values())
        if self._statements.update_accounts.run(self._cursor, rows, len(changed)) != len(changed):
            raise Conflict
        for key, account in changed.items():  # their rows' versions rose
            accounts[key] = structs.replace(account, version=account.version + 1)

    def forget(self) -> None:
        """Keep nothing: another writer was there, or a batch changed rows behind its book."""
        self._accounts.clear()
        self._calls.clear()


def _written_before(
    connection: Connection, touched: Touched, calls: Mapping[str, LiveCall]
) -> dict[str, Cdr]:
    """CDRs that stand in the place of what is to be written or closed, since it was repeated."""
    wanted = sorted(touched.cdrs)
    wanted += [cdr.id for call_id, cdr in touched.closing.items() if call_id not in calls]
    found = _CDRS_BY_ID.rows(connection, wanted)
    cdrs = [schema.cdr_of(dict(zip(_CDR_COLUMNS, row, strict=True))) for row in found]
    return {cdr.id: cdr for cdr in cdrs}


def _posted(connection: Connection, transactions: set[str]) -> dict[str, Entry]:
    """The entries of accounts that transactions posted before, by transaction."""
    keys = [key for transaction in sorted(transactions) for key in own_entries(transaction)]
    entries = [schema.entry_of(row) for row in _OWN_ENTRIES_BY_ID.rows(connection, keys)]
    return {entry.transaction_id: entry for entry in entries}


class _Statements:
    """The statements that write a batch, as one database's driver takes them."""

    def __init__(self, dialect: Dialect) -> None:
        accounts, calls = schema.accounts, schema.live_calls
        opening = insert(calls).values({name: bindparam(name) for name in schema.OPENING_COLUMNS})
        self.insert_calls = Writing(opening, dialect, schema.OPENING_COLUMNS)
        self.update_calls = Writing(
            update(calls)
            .where(calls.c.call_id == bindparam("key"))
            .values(
                {name: bindparam(name) for name in schema.CALL_CHANGES}
                | {"dialogs": func.coalesce(bindparam("dialogs"), calls.c.dialogs)}
            ),
            dialect,
            (*schema.CALL_CHANGES, "key"),
        )
        by_id = delete(calls).where(calls.c.call_id == bindparam("key"))
        self.delete_calls = Writing(by_id, dialect, ("key",))
        self.insert_cdrs = Writing(insert(schema.cdrs), dialect, schema.CDR_COLUMNS)
        self.insert_entries = Writing(insert(schema.entries), dialect, schema.ENTRY_COLUMNS)
        self.update_accounts = Writing(
            update(accounts)
            .where(accounts.c.id == bindparam("key"))
            .where(accounts.c.version == bindparam("known_version"))
            .values(
                {name: bindparam(f"new_{name}") for name in schema.ACCOUNT_CHANGES}
                | {"version": accounts.c.version + literal_column("1")}
            ),
            dialect,
            (*(f"new_{name}" for name in schema.ACCOUNT_CHANGES), "key", "known_version"),
        )


_compiled: dict[str, _Statements] = {}


def _statements(dialect: Dialect) -> _Statements:
    found = _compiled.get(dialect.name)
    if found is None:
        found = _compiled[dialect.name] = _Statements(dialect)
    return found


_NOTHING: Set[str] = frozenset()
"""The ids of no calls."""
_IN_THE_ROW = b""
"""Stands for the facts of a call whose row is written: only another process reads them, there, if
this one dies."""
_ROOMS = (order_store, rental_store, sales_store, wallet_store, hold_store, debt_store)
"""The stores of what is sold. Orders come first: they touch rentals and numbers."""

LIVE_CALLS = select(
    *(schema.live_calls.c[name] for name in schema.CALL_COLUMNS if name != "dialogs")
)
"""Live calls as :func:`~billing.stores.schema.call_of` takes their rows."""

_CALLS_BY_ID = Lookup(LIVE_CALLS, schema.live_calls.c.call_id)
_COVERED_BY_ACCOUNT = Lookup(
    LIVE_CALLS.where(schema.live_calls.c.coverage.is_not(None)), schema.live_calls.c.account_id
)
# Where several processes write (PostgreSQL), an account belongs to one batch at a time; locked in
# one order, so that two batches never wait for each other. SQLite has one writer anyway.
_ACCOUNTS_BY_ID = Lookup(
    select(schema.accounts).order_by(schema.accounts.c.id).with_for_update(), schema.accounts.c.id
)
_CDR_COLUMNS = tuple(column.name for column in schema.cdrs.columns)
_CDRS_BY_ID = Lookup(select(schema.cdrs), schema.cdrs.c.id)
_OWN_ENTRIES_BY_ID = Lookup(select(schema.entries), schema.entries.c.id)
