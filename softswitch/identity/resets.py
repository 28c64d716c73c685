"""Links by which a forgotten password is replaced: one use, half an hour."""

from __future__ import annotations

import secrets

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
)

from billing.stores.schema import metadata
from softswitch.identity.sessions import token_hash

VALID_MS = 30 * 60_000

resets_table = Table(
    "password_resets",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Index("password_resets_of_user", "user_id"),
)


class ResetStore:
    """Reset links by the hash of their token. Errors of the database come through as SQLAlchemy
    raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)  # waits for no writer

    def issue(self, user_id: int, now: int) -> str:
        """A new token for a user, whose older ones are void."""
        token = secrets.token_urlsafe(32)
        table = resets_table
        with self._engine.begin() as connection:
            old = (table.c.user_id == user_id) | (table.c.issued_at < now - VALID_MS)
            connection.execute(delete(table).where(old))
            row = {"token_hash": token_hash(token), "user_id": user_id, "issued_at": now}
            connection.execute(insert(table).values(row))
        return token

    def user_of(self, token: str, now: int) -> int | None:
        """The user for whom a token is valid."""
        table = resets_table
        query = select(table.c.user_id).where(
            table.c.token_hash == token_hash(token), table.c.issued_at >= now - VALID_MS
        )
        with self._reader.connect() as connection:
            return connection.execute(query).scalars().first()

    def use(self, token: str, now: int) -> int | None:
        """Likewise; the token is used up."""
        user_id = self.user_of(token, now)
        table = resets_table
        with self._engine.begin() as connection:
            gone = connection.execute(delete(table).where(table.c.token_hash == token_hash(token)))
            return user_id if gone.rowcount == 1 else None
