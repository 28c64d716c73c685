"""The audit log: each request for a change or a disclosure, with its author and outcome.

Rows are only ever added. Triggers of the database refuse to change or delete one, so that neither a
fault of this program nor an operator with a database client removes a trace by mistake.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Engine,
    Index,
    Integer,
    String,
    Table,
    insert,
    or_,
    select,
)

from billing.stores.schema import metadata, storable
from softswitch.database.rows import DbRow

DONE = "done"
FAILED = "failed"
MAX_NAME = 64
MAX_OBJECT = 160
MAX_ARGUMENTS = 4096

audit_table = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", String(MAX_NAME), nullable=False),
    Column("role", String(MAX_NAME), nullable=False),
    Column("via", String(MAX_NAME), nullable=False),
    Column("impersonator", String(MAX_NAME), nullable=False),
    Column("session", String(MAX_NAME), nullable=False),
    Column("address", String(MAX_NAME), nullable=False),
    Column("operation", String(MAX_NAME), nullable=False),
    Column("object", String(MAX_OBJECT), nullable=False),
    Column("account_id", Integer),
    Column("arguments", String(MAX_ARGUMENTS), nullable=False),
    Column("outcome", String(MAX_NAME), nullable=False),
    Column("request_id", String(MAX_NAME), nullable=False),
    Index("audit_by_actor", "actor", "id"),
    Index("audit_by_object", "object", "id"),
    Index("audit_by_account", "account_id", "id"),
    Index("audit_by_time", "at", "id"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One audited request.

    Args:
        at: the time of its completion or refusal; epoch milliseconds.
        object: its object: "number +995322000001", "document 7".
        account_id: of the object's owner; None: it has none, or it wasn't found.
        arguments: JSON, without secrets.
        outcome: "done", the code of the refusal, or "failed".
    """

    at: int
    actor: str
    role: str
    via: str
    impersonator: str
    session: str
    address: str
    operation: str
    object: str
    account_id: int | None
    arguments: str
    outcome: str
    request_id: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """A filter of audit entries; None: any.

    Args:
        objects: any of these, as in :class:`AuditEntry`.
        start, end: epoch milliseconds; the end is not included.
        before: the id of the last entry of the page before.
    """

    actor: str | None = None
    objects: tuple[str, ...] | None = None
    operation: str | None = None
    account_id: int | None = None
    start: int | None = None
    end: int | None = None
    before: int | None = None
    limit: int = 50


_COLUMNS = tuple(field.name for field in fields(AuditEntry))


class AuditLog:
    """The audit log of a database. Errors come through as SQLAlchemy raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)

    def append(self, entry: AuditEntry) -> None:
        """Add an entry, which is durable when this returns."""
        values = {column: getattr(entry, column) for column in _COLUMNS}
        for column in audit_table.c:
            if isinstance(column.type, String) and column.name in values:
                values[column.name] = storable(values[column.name], column.type.length or MAX_NAME)
        with self._engine.begin() as connection:
            connection.execute(insert(audit_table).values(values))

    def newest(self, wanted: AuditFilter) -> list[tuple[int, AuditEntry]]:
        """Entries with their ids, the newest first."""
        query = (
            select(audit_table)
            .where(*_conditions(wanted))
            .order_by(audit_table.c.id.desc())
            .limit(wanted.limit)
        )
        with self._reader.connect() as connection:
            return [(row.id, _entry(row)) for row in connection.execute(query)]


def _conditions(wanted: AuditFilter) -> Iterator[ColumnElement[bool]]:
    table = audit_table.c
    if wanted.actor is not None:
        yield table.actor == wanted.actor
    if wanted.objects is not None:
        yield or_(*(table.object == each for each in wanted.objects))
    if wanted.operation is not None:
        yield table.operation == wanted.operation
    if wanted.account_id is not None:
        yield table.account_id == wanted.account_id
    if wanted.start is not None:
        yield table.at >= wanted.start
    if wanted.end is not None:
        yield table.at < wanted.end
    if wanted.before is not None:
        yield table.id < wanted.before


def _entry(row: DbRow) -> AuditEntry:
    return AuditEntry(**{column: row._mapping[column] for column in _COLUMNS})
