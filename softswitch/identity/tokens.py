"""Tokens of the API: programs that act for a user, within scopes."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
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
    insert,
    select,
    update,
)

from billing.stores.schema import metadata
from softswitch.database.rows import DbRow
from softswitch.identity.sessions import TOUCHED_EVERY_MS, token_hash

PREFIX = "sw_live_"
RANDOM_CHARACTERS = 40
SHOWN_CHARACTERS = len(PREFIX) + 4
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

tokens_table = Table(
    "api_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("beginning", String(16), nullable=False),
    Column("membership_id", Integer, nullable=False),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("scopes", String(1000), nullable=False),
    Column("networks", String(1000), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_on", String(10), nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger, nullable=False),
    Index("api_tokens_of_user", "user_id"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token, without its secret.

    Args:
        beginning: its first characters, by which people tell tokens apart.
        membership_id: the role that it has; it is worth nothing after that was taken away.
        scopes: such as "calls:read" or "*:write"; see `allows`.
        networks: from where it may be used; none: from everywhere.
        expires_on: ISO date of its last day; "": it has no end.
        used_at: of its last use, to the minute; 0: never. Epoch milliseconds.
        revoked_at: 0: it is good.
    """

    id: int
    beginning: str
    membership_id: int
    user_id: int
    name: str
    scopes: tuple[str, ...]
    networks: tuple[str, ...]
    created_at: int
    expires_on: str = ""
    used_at: int = 0
    revoked_at: int = 0

    def allows(self, resource: str, *, write: bool) -> bool:
        """True if the scopes cover a request. Who may write may read.

        Args:
            resource: the first part of the path, such as "calls".
        """
        wanted = {f"{name}:write" for name in (resource, "*")}
        if not write:
            wanted |= {f"{name}:read" for name in (resource, "*")}
        return bool(wanted & set(self.scopes))

    def is_good(self, today: str, address: str) -> bool:
        """True if it may be used on a day from an address."""
        if self.revoked_at or (self.expires_on and today > self.expires_on):
            return False
        if not self.networks:
            return True
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in ipaddress.ip_network(network) for network in self.networks)


def new_token() -> str:
    """A token: "sw_live_" and 40 characters, 238 random bits."""
    return PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(RANDOM_CHARACTERS))


class TokenStore:
    """Tokens by their hash. Errors of the database come through as SQLAlchemy raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)  # waits for no writer

    def add(self, text: str, token: Token) -> int:
        """Keep a token whose text was made by `new_token`; returns its id."""
        row = {
            "token_hash": token_hash(text),
            "beginning": text[:SHOWN_CHARACTERS],
            "membership_id": token.membership_id,
            "user_id": token.user_id,
            "name": token.name,
            "scopes": " ".join(token.scopes),
            "networks": " ".join(token.networks),
            "created_at": token.created_at,
            "expires_on": token.expires_on,
            "used_at": 0,
            "revoked_at": 0,
        }
        with self._engine.begin() as connection:
            key = connection.execute(insert(tokens_table).values(row)).inserted_primary_key
        if key is None:
            raise LookupError("the database gave the token no id")
        return int(key[0])

    def find(self, text: str) -> Token | None:
        """The token with this text, good or not."""
        query = select(tokens_table).where(tokens_table.c.token_hash == token_hash(text))
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _token(row)

    def of_users(self, user_ids: Sequence[int]) -> list[Token]:
        """The tokens of users, the newest first."""
        table = tokens_table
        query = select(table).where(table.c.user_id.in_(user_ids)).order_by(table.c.id.desc())
        with self._reader.connect() as connection:
            return [_token(row) for row in connection.execute(query)]

    def touch(self, token: Token, now: int) -> None:
        """Note a use; written at most once a minute."""
        if now - token.used_at >= TOUCHED_EVERY_MS:
            self._set(token.id, used_at=now)

    def revoke(self, token_id: int, now: int) -> None:
        """Make a token worth nothing, at once."""
        self._set(token_id, revoked_at=now)

    def _set(self, token_id: int, **values: int) -> None:
        table = tokens_table
        with self._engine.begin() as connection:
            connection.execute(update(table).where(table.c.id == token_id).values(values))


def _token(row: DbRow) -> Token:
    return Token(
        row.id, row.beginning, row.membership_id, row.user_id, row.name,
        tuple(row.scopes.split()), tuple(row.networks.split()), row.created_at, row.expires_on,
        row.used_at, row.revoked_at,
    )  # fmt: skip
