"""Counters of wrong PINs in the database: neither a restart nor a second switch gives more
tries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    String,
    Table,
    and_,
    delete,
    insert,
    select,
    update,
)

from billing.stores.schema import metadata
from softswitch.database.rows import DbRow
from softswitch.subscribers import pins

Kind = Literal["line", "mailbox", "room"]
LOCKED_MS = round(pins.LOCKED_SECONDS * 1000)

tries_table = Table(
    "pin_tries",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("owner", String(12), primary_key=True),
    Column("wrong", Integer, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("locked_until", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Secret:
    """A PIN whose tries are counted.

    Args:
        owner: the id of the line or of the mailbox's line, or the number of the dial-in room.
    """

    kind: Kind
    owner: str


@dataclass(frozen=True, slots=True)
class Tries:
    """The counter of one PIN.

    Args:
        wrong: wrong tries in a row.
        last_at: epoch milliseconds.
        locked_until: likewise; 0 while it may be tried.
    """

    secret: Secret
    wrong: int
    last_at: int
    locked_until: int

    def locked(self, now: int) -> int:
        """Milliseconds until the PIN may be tried again. No lock is longer than its term, even if
        the clock was set back."""
        left = self.locked_until - now
        return left if 0 < left <= LOCKED_MS else 0


def forget_tries(connection: Connection, secret: Secret) -> bool:
    """Reset the counter: the right PIN was given, or the PIN was changed. False if there was
    none."""
    return connection.execute(delete(tries_table).where(_is(secret))).rowcount > 0


class PinTries:
    """The counters of PINs. Errors of the database come through as SQLAlchemy raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)

    def begin(self, secret: Secret, now: int) -> Tries:
        """Count a try as a wrong one before it is checked: other tries may run at the same time.

        Raises:
            pins.Locked: there were too many.
        """
        with self._engine.begin() as connection:
            # PostgreSQL makes other tries wait for this row, so that simultaneous tries are counted
            # one by one.
            row = connection.execute(
                select(tries_table).where(_is(secret)).with_for_update()
            ).one_or_none()
            before = Tries(secret, 0, now, 0) if row is None else _tries(row)
            if locked := before.locked(now):
                raise pins.Locked(locked / 1000)
            wrong = 1 if before.locked_until else before.wrong + 1
            tries = Tries(secret, wrong, now, now + LOCKED_MS if wrong >= pins.MAX_WRONG else 0)
            connection.execute(
                insert(tries_table).values(_row(tries))
                if row is None
                else update(tries_table).where(_is(secret)).values(_row(tries))
            )
        return tries

    def forget(self, secret: Secret) -> bool:
        """Reset the counter as :func:`forget_tries` does, in a transaction of its own."""
        with self._engine.begin() as connection:
            return forget_tries(connection, secret)

    def of(self, secret: Secret) -> Tries:
        with self._reader.connect() as connection:
            row = connection.execute(select(tries_table).where(_is(secret))).one_or_none()
        return Tries(secret, 0, 0, 0) if row is None else _tries(row)

    def all(self) -> list[Tries]:
        """The counters of all PINs whose last try was wrong, the latest first."""
        query = select(tries_table).order_by(tries_table.c.last_at.desc(), tries_table.c.owner)
        with self._reader.connect() as connection:
            return [_tries(row) for row in connection.execute(query)]


def _is(secret: Secret) -> ColumnElement[bool]:
    return and_(tries_table.c.kind == secret.kind, tries_table.c.owner == secret.owner)


def _tries(row: DbRow) -> Tries:
    return Tries(Secret(row.kind, row.owner), row.wrong, row.last_at, row.locked_until)


def _row(tries: Tries) -> dict[str, object]:
    return {
        "kind": tries.secret.kind,
        "owner": tries.secret.owner,
        "wrong": tries.wrong,
        "last_at": tries.last_at,
        "locked_until": tries.locked_until,
    }
