"""Passkeys (WebAuthn Level 3): public keys by which staff sign in, and challenges given out."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

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
    update,
)

from billing.stores.schema import metadata, storable
from softswitch.database.rows import DbRow

MOST_OF_A_USER = 10
CHALLENGE_OCTETS = 32
CHALLENGE_VALID_MS = 5 * 60_000
NOBODY = 0
"""The user of a challenge for signing in: the passkey itself tells who it is."""

passkeys_table = Table(
    "passkeys",
    metadata,
    Column("credential_id", String(1400), primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False),
    Column("public_key", String(4000), nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Index("passkeys_of_user", "user_id"),
)

challenges_table = Table(
    "passkey_challenges",
    metadata,
    Column("challenge_hash", String(64), primary_key=True),
    Column("user_id", Integer, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Index("passkey_challenges_by_time", "issued_at"),
)


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey of a user.

    Args:
        credential_id: its id at the authenticator, in base64url (at most 1023 octets).
        public_key: the COSE key in hexadecimal digits.
        sign_count: of the last assertion; an authenticator that counts never goes back.
        name: what the user calls it.
        used_at: epoch milliseconds; 0: never.
    """

    credential_id: str
    user_id: int
    public_key: str
    sign_count: int
    name: str
    created_at: int
    used_at: int = 0

    @property
    def short_id(self) -> str:
        """A name for forms: the credential id itself can be 1,400 characters long."""
        return hashlib.sha256(self.credential_id.encode()).hexdigest()[:16]


class PasskeyStore:
    """Passkeys by the id of their credential. Errors of the database come through as SQLAlchemy
    raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)  # waits for no writer

    def of_user(self, user_id: int) -> list[Passkey]:
        """The user's passkeys, the oldest first."""
        table = passkeys_table
        query = select(table).where(table.c.user_id == user_id).order_by(table.c.created_at)
        with self._reader.connect() as connection:
            return [_passkey(row) for row in connection.execute(query)]

    def find(self, credential_id: str) -> Passkey | None:
        query = select(passkeys_table).where(passkeys_table.c.credential_id == credential_id)
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _passkey(row)

    def add(self, passkey: Passkey) -> None:
        """Raises IntegrityError if the credential is known."""
        row = {
            "credential_id": passkey.credential_id,
            "user_id": passkey.user_id,
            "public_key": passkey.public_key,
            "sign_count": passkey.sign_count,
            "name": storable(passkey.name, 64),
            "created_at": passkey.created_at,
            "used_at": passkey.used_at,
        }
        with self._engine.begin() as connection:
            connection.execute(insert(passkeys_table).values(row))

    def used(self, passkey: Passkey, sign_count: int, now: int) -> bool:
        """Note an assertion; False if another one with this count came first."""
        table = passkeys_table
        with self._engine.begin() as connection:
            done = connection.execute(
                update(table)
                .where(
                    table.c.credential_id == passkey.credential_id,
                    table.c.sign_count == passkey.sign_count,
                )
                .values(sign_count=sign_count, used_at=now)
            )
            return done.rowcount == 1

    def remove(self, passkey: Passkey) -> None:
        table = passkeys_table
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.credential_id == passkey.credential_id))

    def remove_of_user(self, user_id: int) -> None:
        table = passkeys_table
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.user_id == user_id))

    # Challenges

    def challenge(self, user_id: int, now: int) -> bytes:
        """A new challenge for a user, good for one answer within five minutes."""
        made, table = secrets.token_bytes(CHALLENGE_OCTETS), challenges_table
        row = {"challenge_hash": _hash(made), "user_id": user_id, "issued_at": now}
        with self._engine.begin() as connection:
            old = table.c.issued_at < now - CHALLENGE_VALID_MS
            connection.execute(delete(table).where(old))
            connection.execute(insert(table).values(row))
        return made

    def use_challenge(self, challenge: bytes, user_id: int, now: int) -> bool:
        """True if this challenge was given to this user and wasn't answered; it is used up now."""
        table = challenges_table
        with self._engine.begin() as connection:
            done = connection.execute(
                delete(table).where(
                    table.c.challenge_hash == _hash(challenge),
                    table.c.user_id == user_id,
                    table.c.issued_at >= now - CHALLENGE_VALID_MS,
                )
            )
            return done.rowcount == 1


def _hash(challenge: bytes) -> str:
    return hashlib.sha256(challenge).hexdigest()


def _passkey(row: DbRow) -> Passkey:
    return Passkey(
        row.credential_id, row.user_id, row.public_key, row.sign_count, row.name, row.created_at,
        row.used_at,
    )  # fmt: skip
