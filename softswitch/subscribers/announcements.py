"""Announcements of the operator to all subscribers, and how far each has read the own notices.

Shares the database with billing, whose metadata these tables extend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from billing.stores.sales_schema import notices
from billing.stores.schema import metadata
from softswitch.database.rows import DbRow

MAX_TEXT = 500
NEW_FOR_MS = 30 * 86_400_000
"""Notices older than this aren't new to a user who has never looked."""

announcements_table = Table(
    "announcements",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("texts", LargeBinary, nullable=False),
    Column("begins_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False, index=True),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", String(64), nullable=False),
    sqlite_autoincrement=True,
)

notices_read_table = Table(
    "notices_read",
    metadata,
    Column("login", String(64), primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("read_at", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Announcement:
    """A text that every subscriber sees on each page between two instants.

    Args:
        texts: by language; at least one.
    """

    id: int
    texts: Mapping[str, str]
    begins_at: int
    ends_at: int
    made_at: int
    made_by: str


class AnnouncementStore:
    """Announcements, and marks of what was read. Errors of the database come through as SQLAlchemy
    raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)  # waits for no writer

    def add(self, one: Announcement) -> int:
        """Add an announcement, whose `id` doesn't count; its id."""
        row = {
            "texts": msgspec.msgpack.encode(one.texts),
            "begins_at": one.begins_at,
            "ends_at": one.ends_at,
            "made_at": one.made_at,
            "made_by": one.made_by,
        }
        with self._engine.begin() as connection:
            done = connection.execute(insert(announcements_table).values(row))
        key = done.inserted_primary_key
        assert key is not None
        return int(key[0])

    def remove(self, announcement_id: int) -> bool:
        """False if there is none of this id."""
        table = announcements_table
        with self._engine.begin() as connection:
            done = connection.execute(delete(table).where(table.c.id == announcement_id))
            return done.rowcount == 1

    def all(self) -> list[Announcement]:
        """The newest first."""
        query = select(announcements_table).order_by(announcements_table.c.id.desc())
        with self._reader.connect() as connection:
            return [_announcement(row) for row in connection.execute(query)]

    def current(self, now: int) -> list[Announcement]:
        """Those that are shown now, the newest first."""
        table = announcements_table
        query = select(table).where(table.c.ends_at > now, table.c.begins_at <= now)
        with self._reader.connect() as connection:
            rows = connection.execute(query.order_by(table.c.id.desc()))
            return [_announcement(row) for row in rows]

    # What was read

    def unread(self, login: str, account_id: int, now: int) -> int:
        """The number of an account's notices that a user hasn't read."""
        with self._reader.connect() as connection:
            marks = notices_read_table.c
            mark = select(marks.read_at).where(marks.login == login, marks.account_id == account_id)
            read_at = connection.execute(mark).scalar()
            since = now - NEW_FOR_MS if read_at is None else read_at
            query = select(func.count()).where(
                notices.c.account_id == account_id, notices.c.at > since
            )
            return int(connection.execute(query).scalar_one())

    def read(self, login: str, account_id: int, now: int) -> None:
        """Note that a user has read every notice until now."""
        table = notices_read_table
        mine = (table.c.login == login) & (table.c.account_id == account_id)
        row = {"login": login, "account_id": account_id, "read_at": now}
        try:
            with self._engine.begin() as connection:
                done = connection.execute(update(table).where(mine).values(read_at=now))
                if done.rowcount == 0:
                    connection.execute(insert(table).values(row))
        except IntegrityError:  # another window was first
            with self._engine.begin() as connection:
                connection.execute(update(table).where(mine).values(read_at=now))


def _announcement(row: DbRow) -> Announcement:
    texts = msgspec.msgpack.decode(row.texts, type=dict[str, str])
    return Announcement(row.id, texts, row.begins_at, row.ends_at, row.made_at, row.made_by)
