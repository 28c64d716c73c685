"""Idempotency keys: a request that is sent again with the same key isn't carried out again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Index,
    LargeBinary,
    String,
    Table,
    delete,
    event,
    false,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError

from billing.stores.schema import metadata

KEPT_MS = 48 * 3_600_000
"""The lifetime of a key."""

requests_table = Table(
    "idempotency",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("operation", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("begun_at", BigInteger, nullable=False),
    Column("answer", LargeBinary),
    Column("runner", String(96), nullable=False, server_default=""),
    Column("changed", Boolean, nullable=False, server_default=true()),
    Index("idempotency_by_time", "begun_at"),
)
"""`answer` is encrypted (it may hold a new password) and NULL until the request is done. `runner`
is the node, and the start of its process, that carries it out. `changed` is written by the
transaction of the request's first change: while it is false, nothing of the request was done."""

_marked: ContextVar[str | None] = ContextVar("marked_request", default=None)
"""The request whose transactions are marked, in the thread that carries it out."""


@dataclass(frozen=True, slots=True)
class FirstRequest:
    """The first request with a key.

    Args:
        fingerprint: of its operation and its arguments.
        answer: the stored answer; None: the request is under way, or was broken off.
        runner: the process that carries it out.
        changed: False if it was broken off before it changed anything.
    """

    fingerprint: str
    answer: bytes | None
    runner: str
    begun_at: int
    changed: bool


class RequestLog:
    """The requests by key. Errors of the database come through as SQLAlchemy raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(
        self, request_id: str, operation: str, fingerprint: str, now_ms: int, runner: str
    ) -> FirstRequest | None:
        """Record a request before it is carried out; returns the first request with this key, if
        there was one. Keys past their lifetime are removed."""
        table = requests_table
        row = {
            "id": request_id,
            "operation": operation,
            "fingerprint": fingerprint,
            "begun_at": now_ms,
            "runner": runner,
            "changed": False,
        }
        columns = table.c
        query = select(
            columns.fingerprint, columns.answer, columns.runner, columns.begun_at, columns.changed
        ).where(columns.id == request_id)
        while True:
            with contextlib.suppress(IntegrityError), self._engine.begin() as connection:
                connection.execute(delete(table).where(table.c.begun_at < now_ms - KEPT_MS))
                connection.execute(insert(table).values(row))
                return None
            with self._engine.connect() as connection:
                found = connection.execute(query).one_or_none()
            if found is not None:  # else the first was refused meanwhile: this one is the first
                return FirstRequest(*found)

    def take_over(self, request_id: str, first: FirstRequest, runner: str, now_ms: int) -> bool:
        """Carry a request out again that was broken off; False if another process does."""
        columns = requests_table.c
        query = (
            update(requests_table)
            .where(
                columns.id == request_id,
                columns.answer.is_(None),
                columns.runner == first.runner,
                columns.begun_at == first.begun_at,
            )
            .values(runner=runner, begun_at=now_ms)
        )
        with self._engine.begin() as connection:
            return bool(connection.execute(query).rowcount)

    @contextmanager
    def marking(self, request_id: str) -> Iterator[None]:
        """Mark the request as changed in each transaction that this thread commits meanwhile."""
        if not event.contains(self._engine, "commit", _mark):
            event.listen(self._engine, "commit", _mark)
        before = _marked.set(request_id)
        try:
            yield
        finally:
            _marked.reset(before)

    @contextmanager
    def changing_elsewhere(self, request_id: str) -> Iterator[None]:
        """Mark the request as changed before another thread commits its change; what runs in that
        thread's transactions isn't marked again."""
        with self._engine.begin() as connection:
            _mark_request(connection, request_id)
        before = _marked.set(None)
        try:
            yield
        finally:
            _marked.reset(before)

    def done(self, request_id: str, answer: bytes) -> None:
        table = requests_table
        with self._engine.begin() as connection:
            connection.execute(update(table).where(table.c.id == request_id).values(answer=answer))

    def refused(self, request_id: str) -> None:
        """Remove a request that changed nothing: its key may be used again."""
        table = requests_table
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.id == request_id))


def _mark(connection: Connection) -> None:
    request_id = _marked.get()
    if request_id is not None:
        _mark_request(connection, request_id)


def _mark_request(connection: Connection, request_id: str) -> None:
    columns = requests_table.c
    unmarked = columns.id == request_id, columns.changed == false()
    connection.execute(update(requests_table).where(*unmarked).values(changed=True))
