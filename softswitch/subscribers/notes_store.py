"""Notes on requests and accounts, and the reviewers who look at documents now.

Shares the database with billing, whose metadata these tables extend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    ForeignKey,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from billing.stores.paging import Page, newest_first
from billing.stores.schema import metadata

Side = Literal["subscriber", "operator"]
MAX_TEXT = 2000
LOOK_MS = 600_000
"""The time for which a document is one reviewer's, from the last look on."""

request_notes_table = Table(
    "request_notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("request_id", Integer, ForeignKey("account_requests.id"), nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("who", String(64), nullable=False),
    Column("side", String(10), nullable=False),
    Column("text", String(MAX_TEXT), nullable=False),
)

account_notes_table = Table(
    "account_notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("who", String(64), nullable=False),
    Column("text", String(MAX_TEXT), nullable=False),
)

document_looks_table = Table(
    "document_looks",
    metadata,
    Column(
        "document_id",
        Integer,
        ForeignKey("account_documents.id"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("who", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class RequestNote:
    """A word of the conversation about a request; `at` in epoch milliseconds."""

    id: int
    request_id: int
    at: int
    who: str
    side: Side
    text: str


@dataclass(frozen=True, slots=True)
class AccountNote:
    """A note of the operator's staff on a customer; `at` in epoch milliseconds."""

    id: int
    account_id: int
    at: int
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Look:
    """A reviewer who looks at a document."""

    document_id: int
    who: str
    at: int

    @property
    def until(self) -> int:
        """Epoch milliseconds."""
        return self.at + LOOK_MS


class NotesStore:
    """Notes and looks in the database. Errors come through as SQLAlchemy raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)

    def add_to_request(self, note: RequestNote) -> int:
        """Add a word to a conversation; its `id` is ignored. Returns the new one."""
        row = {
            "request_id": note.request_id,
            "at": note.at,
            "who": note.who,
            "side": note.side,
            "text": note.text,
        }
        return self._insert(request_notes_table, row)

    def of_request(self, request_id: int) -> list[RequestNote]:
        """The conversation about a request, the oldest word first."""
        table = request_notes_table
        query = select(table).where(table.c.request_id == request_id).order_by(table.c.id)
        with self._reader.connect() as connection:
            return [RequestNote(*row) for row in connection.execute(query)]

    def add_to_account(self, note: AccountNote) -> int:
        """Add a note on an account; its `id` is ignored. Returns the new one."""
        row = {
            "account_id": note.account_id,
            "at": note.at,
            "who": note.who,
            "text": note.text,
        }
        return self._insert(account_notes_table, row)

    def of_account(self, account_id: int, page: Page) -> list[AccountNote]:
        """The notes on an account, the newest first."""
        table = account_notes_table
        query = select(table).where(table.c.account_id == account_id)
        with self._reader.connect() as connection:
            found = connection.execute(newest_first(query, page, table.c.id))
            return [AccountNote(*row) for row in found]

    def look(self, document_id: int, who: str, now: int) -> Look:
        """Look at a document, unless somebody else does; returns the one who does."""
        try:
            return self._look(document_id, who, now)
        except IntegrityError:  # another reviewer's look was written in the same moment
            return self._look(document_id, who, now)

    def _look(self, document_id: int, who: str, now: int) -> Look:
        table = document_looks_table
        mine = table.c.document_id == document_id
        with self._engine.begin() as connection:
            row = connection.execute(select(table).where(mine).with_for_update()).one_or_none()
            if row is not None and row.who != who and Look(*row).until > now:
                return Look(*row)
            connection.execute(delete(table).where(mine))
            values = {"document_id": document_id, "who": who, "at": now}
            connection.execute(insert(table), values)
            return Look(document_id, who, now)

    def looks(self, document_ids: Sequence[int], now: int) -> dict[int, Look]:
        """Who looks at documents now, by their ids."""
        table = document_looks_table
        if not document_ids:
            return {}
        query = select(table).where(table.c.document_id.in_(document_ids))
        with self._reader.connect() as connection:
            found = [Look(*row) for row in connection.execute(query)]
        return {look.document_id: look for look in found if look.until > now}

    def look_away(self, document_id: int) -> None:
        """Let any reviewer look at a document."""
        with self._engine.begin() as connection:
            mine = document_looks_table.c.document_id == document_id
            connection.execute(delete(document_looks_table).where(mine))

    def _insert(self, table: Table, row: dict[str, object]) -> int:
        with self._engine.begin() as connection:
            key = connection.execute(insert(table), row).inserted_primary_key
        assert key is not None
        return int(key[0])
