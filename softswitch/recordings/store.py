"""Recorded calls in the database.

A row is there before the first sound is written, so that a crash leaves no file without a row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Literal

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Engine,
    Index,
    Integer,
    String,
    Table,
    and_,
    delete,
    false,
    insert,
    or_,
    select,
    true,
    tuple_,
    update,
)

from billing.stores.schema import metadata, storable
from softswitch.database.rows import DbRow

State = Literal["recording", "kept", "failed"]
MAX_NUMBER = 64
MAX_PROBLEM = 256

recordings_table = Table(
    "recordings",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("call_id", String(64), nullable=False),
    Column("line_id", Integer, nullable=False),
    Column("line", String(16), nullable=False),
    Column("calling", String(MAX_NUMBER), nullable=False),
    Column("called", String(MAX_NUMBER), nullable=False),
    Column("state", String(12), nullable=False),
    Column("problem", String(MAX_PROBLEM), nullable=False),
    Column("begun_at", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("node", String(64), nullable=False, server_default=""),
    Index("recordings_by_line", "line", "begun_at"),
    Index("recordings_by_expiry", "expires_at"),
)


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A recording of a call.

    Args:
        line: the number for which it is made.
        begun_at, expires_at: epoch milliseconds.
        problem: the reason of a failure.
    """

    id: str
    call_id: str
    line_id: int
    line: str
    calling: str
    called: str
    state: State
    problem: str
    begun_at: int
    duration_ms: int
    expires_at: int


_FIELDS = tuple(field.name for field in fields(RecordedCall))


class RecordingStore:
    """The recordings in the database. Errors come through as SQLAlchemy raises them.

    Args:
        node: the switch that records, among several on one database.
    """

    def __init__(self, engine: Engine, node: str = "") -> None:
        self._engine = engine
        self._node = node
        self._reader = engine.execution_options(reading=True)

    def begin(self, recording: RecordedCall) -> None:
        values: dict[str, object] = {name: getattr(recording, name) for name in _FIELDS}
        values["node"] = self._node
        values["calling"] = storable(recording.calling, MAX_NUMBER)
        values["called"] = storable(recording.called, MAX_NUMBER)
        with self._engine.begin() as connection:
            connection.execute(insert(recordings_table).values(values))

    def ended(self, recording_id: str, state: State, duration_ms: int, problem: str = "") -> None:
        """Store the outcome of a recording."""
        statement = (
            update(recordings_table)
            .where(recordings_table.c.id == recording_id)
            .values(state=state, duration_ms=duration_ms, problem=storable(problem, MAX_PROBLEM))
        )
        with self._engine.begin() as connection:
            connection.execute(statement)

    def find(self, begin: str) -> list[RecordedCall]:
        """The recordings whose id begins with this."""
        return self._select(recordings_table.c.id.startswith(begin, autoescape=True), 2)

    def newest(
        self,
        line: str | None,
        limit: int,
        owned: Mapping[int, int | None] | None = None,
        before: tuple[int, str] | None = None,
    ) -> list[RecordedCall]:
        """The newest recordings first.

        Args:
            owned: only of these lines, by their ids, each from an instant on (epoch milliseconds).
            before: when the last recording of the page before began, and its id.
        """
        table = recordings_table.c
        condition: ColumnElement[bool] = true() if line is None else table.line == line
        if owned is not None:
            own = (
                and_(table.line_id == line_id, table.begun_at >= (since or 0))
                for line_id, since in owned.items()
            )
            condition = and_(condition, or_(false(), *own))
        if before is not None:
            key = tuple_(table.begun_at, table.id) < tuple_(*before)
            condition = and_(condition, table.begun_at <= before[0], key)
        return self._select(condition, limit)

    def of_call(
        self, call_id: str, lines: Collection[str], start: int, end: int
    ) -> list[RecordedCall]:
        """The recordings of a call that were made for some numbers, and begun between two instants
        (epoch milliseconds)."""
        table = recordings_table.c
        within = table.line.in_(sorted(lines)) & table.begun_at.between(start, end)
        return self._select(within & (table.call_id == call_id), None)

    def unfinished(self) -> list[RecordedCall]:
        """The recordings of this node that go on, or that a crash broke off."""
        own = recordings_table.c.node.in_(("", self._node))
        return self._select(own & (recordings_table.c.state == "recording"), None)

    def expired(self, now: int) -> list[RecordedCall]:
        due = recordings_table.c.expires_at <= now
        return self._select(due & (recordings_table.c.state != "recording"), 1_000)

    def delete(self, recording_id: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                delete(recordings_table).where(recordings_table.c.id == recording_id)
            )

    def ids(self) -> set[str]:
        with self._reader.connect() as connection:
            return set(connection.execute(select(recordings_table.c.id)).scalars())

    def _select(self, condition: ColumnElement[bool], limit: int | None) -> list[RecordedCall]:
        statement = (
            select(recordings_table)
            .where(condition)
            .order_by(recordings_table.c.begun_at.desc(), recordings_table.c.id)
            .limit(limit)
        )
        with self._reader.connect() as connection:
            return [_recording(row) for row in connection.execute(statement)]


def _recording(row: DbRow) -> RecordedCall:
    return RecordedCall(*(getattr(row, name) for name in _FIELDS))
