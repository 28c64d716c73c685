"""Subscribers' fields, logins, documents and requests in the database.

Shares the database with billing, whose metadata these tables extend.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from billing.facts.account import CLOSED, Change
from billing.stores.paging import Page, containing, newest_first
from billing.stores.schema import account_changes_table, accounts, change_row, metadata
from softswitch.control.values import Value
from softswitch.database.rows import DbRow
from softswitch.subscribers.document_seal import ID_OCTETS, Sealed
from softswitch.subscribers.profile import FIELDS

fields_table = Table(
    "account_fields",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("name", String(32), primary_key=True),
    Column("value", String(256), nullable=False),
    Index("account_fields_by_value", "name", "value"),
)

documents_table = Table(
    "account_documents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("name", String(128), nullable=False),
    Column("media_type", String(32), nullable=False),
    Column("octets", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("uploaded_at", BigInteger, nullable=False),
    Column("expires_on", String(10)),
    Column("state", String(16), nullable=False),
    Column("reviewed_at", BigInteger),
    Column("reviewed_by", String(64)),
    Column("reason", String(256), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("sealed_key", LargeBinary),
)

requests_table = Table(
    "account_requests",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("line", String(16)),
    Column("kind", String(16), nullable=False),
    Column("text", String(2000), nullable=False),
    Column("state", String(16), nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("answer", String(2000), nullable=False),
    Column("facts", LargeBinary, nullable=False),
    Column("assignee", String(64)),
    Index("account_requests_by_account", "account_id", "state"),
)

PENDING = "pending"
APPROVED = "approved"
REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Document:
    """A document that a subscriber brought; its content is read separately.

    Args:
        kind: the class of documents: identity, registration, lease, or one that a supplier
            requires.
        expires_on: ISO date of its last day; None: it doesn't expire.
    """

    id: int
    account_id: int
    kind: str
    name: str
    media_type: str
    octets: int
    sha256: str
    uploaded_at: int
    expires_on: str | None
    state: str = PENDING
    reviewed_at: int | None = None
    reviewed_by: str | None = None
    reason: str = ""

    def counts(self, today: str) -> bool:
        """True if the document was approved and is valid on a day (ISO date)."""
        return self.state == APPROVED and (self.expires_on is None or self.expires_on >= today)


@dataclass(frozen=True, slots=True)
class Request:
    """A subscriber's request to the operator.

    Args:
        facts: the circumstances when it was opened, the fields to be corrected, and the details
            of what is asked for.
        assignee: the member of staff who works on it.
    """

    id: int
    account_id: int
    line: str | None
    kind: str
    text: str
    state: str
    opened_at: int
    changed_at: int
    answer: str
    facts: Mapping[str, Value]
    assignee: str | None = None

    @property
    def fields(self) -> dict[str, str]:
        """The fields that a correction asks to set; none for a request of another kind."""
        wanted = self.facts.get("fields")
        if not isinstance(wanted, Mapping):
            return {}
        return {key: str(value) for key, value in wanted.items()}


_DOCUMENT_FACTS = [
    column for column in documents_table.columns if column.name not in ("content", "sealed_key")
]


def set_fields(
    connection: Connection, account_id: int, values: Mapping[str, str], changes: list[Change]
) -> None:
    """Set fields as :meth:`SubscriberStore.set_fields` does, in the caller's transaction."""
    table = fields_table
    mine = (table.c.account_id == account_id) & table.c.name.in_(sorted(values))
    connection.execute(delete(table).where(mine))
    rows = [
        {"account_id": account_id, "name": name, "value": value}
        for name, value in values.items()
        if value
    ]
    if rows:
        connection.execute(insert(table), rows)
    _note(connection, changes)


class SubscriberStore:
    """Subscribers in the database. Errors come through as SQLAlchemy raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)

    def _reading(self) -> Connection:
        return self._reader.connect()

    # Fields

    def fields(self, account_id: int) -> dict[str, str]:
        table = fields_table
        query = select(table.c.name, table.c.value).where(table.c.account_id == account_id)
        with self._reading() as connection:
            return dict(tuple(row) for row in connection.execute(query))

    def fields_of(self, owners: range) -> dict[int, dict[str, str]]:
        """The fields of the accounts whose ids are in a range; accounts without fields are left
        out."""
        found: dict[int, dict[str, str]] = {}
        key = fields_table.c.account_id
        query = select(fields_table).where(key >= owners.start, key < owners.stop)
        with self._reading() as connection:
            for account_id, name, value in connection.execute(query):
                found.setdefault(account_id, {})[name] = value
        return found

    def holder_of(self, name: str, value: str) -> int | None:
        """The account that has a value in a field, and isn't closed; None: there is none."""
        table = fields_table
        query = (
            select(table.c.account_id)
            .join(accounts, accounts.c.id == table.c.account_id)
            .where(table.c.name == name, table.c.value == value, accounts.c.status != CLOSED)
        )
        with self._reading() as connection:
            return connection.execute(query.limit(1)).scalar_one_or_none()

    def with_value(self, value: str, limit: int) -> list[tuple[int, str]]:
        """Accounts that have exactly this value in a field, with the field's name."""
        table, names = fields_table, sorted(FIELDS)
        query = select(table.c.account_id, table.c.name).where(
            table.c.name.in_(names), table.c.value == value
        )
        with self._reading() as connection:
            return [tuple(row) for row in connection.execute(query.limit(limit))]

    def set_fields(self, account_id: int, values: Mapping[str, str], changes: list[Change]) -> None:
        """Set some fields ("" removes one), and record the changes with their author."""
        with self._engine.begin() as connection:
            set_fields(connection, account_id, values, changes)

    def note(self, changes: list[Change]) -> None:
        """Record changes with their author."""
        with self._engine.begin() as connection:
            _note(connection, changes)

    # Documents

    def add_document(self, document: Document, content: Sealed) -> Document:
        """Add a document; its `id` is ignored, and it is returned with the new one.

        The same content again of this kind changes nothing, unless it was refused: then it is a new
        document, which waits for a review of its own.
        """
        table = documents_table
        row = {column.name: getattr(document, column.name) for column in _DOCUMENT_FACTS}
        del row["id"]
        same = select(*_DOCUMENT_FACTS).where(
            table.c.account_id == document.account_id,
            table.c.kind == document.kind,
            table.c.sha256 == document.sha256,
            table.c.state != REFUSED,
        )
        with self._engine.begin() as connection:
            known = connection.execute(same).first()
            if known is not None:
                return Document(*known)
            kept = {"content": content.content, "sealed_key": content.key}
            key = connection.execute(insert(table), row | kept).inserted_primary_key
        assert key is not None
        return replace(document, id=key[0])

    def document(self, document_id: int) -> Document | None:
        query = select(*_DOCUMENT_FACTS).where(documents_table.c.id == document_id)
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Document(*row)

    def document_content(self, document_id: int) -> Sealed:
        table = documents_table
        query = select(table.c.sealed_key, table.c.content).where(table.c.id == document_id)
        with self._reading() as connection:
            key, content = connection.execute(query).one()
        return Sealed(bytes(key or b""), bytes(content))

    def documents_not_sealed_by(self, key_id: bytes) -> list[tuple[Document, Sealed]]:
        """The documents whose key another master key wraps, or that are clear, by id; each with
        its wrapped key, without its content."""
        table = documents_table
        query = select(table.c.sealed_key, *_DOCUMENT_FACTS).order_by(table.c.id)
        with self._reading() as connection:
            return [
                (Document(*facts), Sealed(bytes(key or b""), b""))
                for key, *facts in connection.execute(query)
                if not bytes(key or b"").startswith(key_id)
            ]

    def seal_document(self, document_id: int, content: Sealed, is_new: bool) -> None:
        """Keep a document's wrapped key, and its content where it is newly encrypted."""
        values = {"sealed_key": content.key}
        if is_new:
            values["content"] = content.content
        table = documents_table
        with self._engine.begin() as connection:
            connection.execute(update(table).where(table.c.id == document_id).values(values))

    def count_documents_by_key(self) -> dict[bytes, int]:
        """Documents by the id of the master key that seals them; b"" for those that are clear."""
        query = select(documents_table.c.sealed_key)
        with self._reading() as connection:
            keys = connection.execute(query).scalars()
            return Counter(bytes(key or b"")[:ID_OCTETS] for key in keys)

    def has_sealed_documents(self) -> bool:
        """True if any document is encrypted."""
        table = documents_table
        query = select(table.c.id).where(table.c.sealed_key.is_not(None)).limit(1)
        with self._reading() as connection:
            return connection.execute(query).first() is not None

    def documents(
        self,
        account_id: int | None = None,
        state: str | None = None,
        page: Page | None = None,
        search: str | None = None,
        after: int | None = None,
    ) -> list[Document]:
        """Documents by id; of a page the newest first.

        Args:
            search: a part of the file's name.
            after: of a page: those after this id, the oldest first.
        """
        query, key = select(*_DOCUMENT_FACTS), documents_table.c.id
        if page is None:
            query = query.order_by(key)
        elif after is None:
            query = newest_first(query, page, key)
        else:
            query = query.where(key > after).order_by(key).limit(page.limit)
        if search is not None:
            query = query.where(containing(search, documents_table.c.name))
        if account_id is not None:
            query = query.where(documents_table.c.account_id == account_id)
        if state is not None:
            query = query.where(documents_table.c.state == state)
        with self._reading() as connection:
            return [Document(*row) for row in connection.execute(query)]

    def review_document(self, reviewed: Document, changes: list[Change]) -> bool:
        """Store a review; False when another reviewer was first."""
        table = documents_table
        mine = (table.c.id == reviewed.id) & (table.c.state == PENDING)
        values = {
            name: getattr(reviewed, name)
            for name in ("state", "reviewed_at", "reviewed_by", "reason", "expires_on")
        }
        with self._engine.begin() as connection:
            if connection.execute(update(table).where(mine).values(values)).rowcount == 0:
                return False
            _note(connection, changes)
            return True

    # Requests

    def add_request(self, request: Request) -> Request:
        """Add a request; its `id` is ignored, and it is returned with the new one."""
        with self._engine.begin() as connection:
            key = connection.execute(
                insert(requests_table), _request_row(request)
            ).inserted_primary_key
        assert key is not None
        return replace(request, id=key[0])

    def request(self, request_id: int) -> Request | None:
        query = select(requests_table).where(requests_table.c.id == request_id)
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _request(row)

    def requests(
        self,
        account_id: int | None = None,
        states: Sequence[str] | None = None,
        page: Page | None = None,
        line: str | None = None,
        search: str | None = None,
        assignee: str | None = None,
    ) -> list[Request]:
        """Requests by id; of a page the newest first.

        Args:
            line: the number of the line that they concern.
            search: a part of the text.
            assignee: the member of staff who works on them; "" for those of nobody.
        """
        columns, query = requests_table.c, select(requests_table)
        query = (
            query.order_by(columns.id) if page is None else newest_first(query, page, columns.id)
        )
        if line is not None:
            query = query.where(columns.line == line)
        if assignee is not None:
            of = columns.assignee == assignee if assignee else columns.assignee.is_(None)
            query = query.where(of)
        if search is not None:
            query = query.where(containing(search, columns.text))
        if account_id is not None:
            query = query.where(columns.account_id == account_id)
        if states is not None:
            query = query.where(columns.state.in_(states))
        with self._reading() as connection:
            return [_request(row) for row in connection.execute(query)]

    def save_request(self, request: Request) -> None:
        table = requests_table
        with self._engine.begin() as connection:
            connection.execute(
                update(table).where(table.c.id == request.id).values(_request_row(request))
            )


def _note(connection: Connection, changes: list[Change]) -> None:
    if changes:
        connection.execute(insert(account_changes_table), [change_row(item) for item in changes])


def _request(row: DbRow) -> Request:
    facts = dict(row._mapping)
    return Request(**facts | {"facts": msgspec.json.decode(facts["facts"])})


def _request_row(request: Request) -> dict[str, object]:
    row = {column.name: getattr(request, column.name) for column in requests_table.columns}
    del row["id"]
    return row | {"facts": msgspec.json.encode(request.facts)}
