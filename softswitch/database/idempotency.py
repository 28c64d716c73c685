"""Idempotency keys: a request that is sent again with the same key isn't carried out again."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Index,
    LargeBinary,
    String,
    Table,
    delete,
    insert,
    select,
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
    Index("idempotency_by_time", "begun_at"),
)
"""`answer` is encrypted (it may hold a new password) and NULL until the request is done."""


@dataclass(frozen=True, slots=True)
class FirstRequest:
    """The first request with a key.

    Args:
        fingerprint: of its operation and its arguments.
        answer: the stored answer; None: the request is under way, or was broken off.
    """

    fingerprint: str
    answer: bytes | None


class RequestLog:
    """The requests by key. Errors of the database come through as SQLAlchemy raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(
        self, request_id: str, operation: str, fingerprint: str, now_ms: int
    ) -> FirstRequest | None:
        """Record a request before it is carried out; returns the first request with this key, if
        there was one. Keys past their lifetime are removed."""
        table = requests_table
        row = {
            "id": request_id,
            "operation": operation,
            "fingerprint": fingerprint,
            "begun_at": now_ms,
        }
        query = select(table.c.fingerprint, table.c.answer).where(table.c.id == request_id)
        while True:
            with contextlib.suppress(IntegrityError), self._engine.begin() as connection:
                connection.execute(delete(table).where(table.c.begun_at < now_ms - KEPT_MS))
                connection.execute(insert(table).values(row))
                return None
            with self._engine.connect() as connection:
                found = connection.execute(query).one_or_none()
            if found is not None:  # else the first was refused meanwhile: this one is the first
                return FirstRequest(found.fingerprint, found.answer)

    def done(self, request_id: str, answer: bytes) -> None:
        table = requests_table
        with self._engine.begin() as connection:
            connection.execute(update(table).where(table.c.id == request_id).values(answer=answer))

    def refused(self, request_id: str) -> None:
        """Remove a request that changed nothing: its key may be used again."""
        table = requests_table
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.id == request_id))
