"""Sessions of the web: opened by a password, known by the hash of a random token."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
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

TOKEN_OCTETS = 32
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
TOUCHED_EVERY_MS = MINUTE_MS
"""The least interval between two writes of a session's last use."""
CONFIRMED_FOR_MS = 5 * MINUTE_MS
"""How long a password that was asked for again counts: for PINs, tokens and the like."""

sessions_table = Table(
    "sessions",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False),
    Column("membership_id", Integer),
    Column("csrf", String(32), nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("confirmed_at", BigInteger, nullable=False),
    Column("passed_totp", Boolean, nullable=False),
    Column("remembered", Boolean, nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", String(200), nullable=False),
    Column("impersonator", String(64), nullable=False),
    Column("reason", String(200), nullable=False),
    Index("sessions_of_user", "user_id"),
    Index("sessions_by_use", "seen_at"),
)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The limits of a session, in milliseconds."""

    idle_ms: int
    absolute_ms: int


CABINET = Lifetimes(12 * HOUR_MS, 90 * DAY_MS)
REMEMBERED = Lifetimes(30 * DAY_MS, 90 * DAY_MS)
CONSOLE = Lifetimes(30 * MINUTE_MS, 12 * HOUR_MS)
IMPERSONATION = Lifetimes(30 * MINUTE_MS, 30 * MINUTE_MS)


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that signed in.

    Args:
        id: public; the audit and the list of sessions name it.
        membership_id: as what the user acts; None: not chosen yet.
        csrf: the token in its forms.
        seen_at: of its last request, to the minute; epoch milliseconds like all times here.
        confirmed_at: when the password, a one-time code or a passkey was last given.
        passed_totp: a one-time code was given or a passkey used, or neither is asked for.
        impersonator: the login of the member of staff who looks as this user; "": nobody does.
        reason: why; shown to the subscriber.
    """

    id: str
    user_id: int
    membership_id: int | None
    csrf: str
    opened_at: int
    seen_at: int
    confirmed_at: int
    passed_totp: bool
    remembered: bool
    address: str
    agent: str
    impersonator: str = ""
    reason: str = ""

    def has_ended(self, limits: Lifetimes, now: int) -> bool:
        """True after its idle or its absolute time."""
        idle, age = now - self.seen_at, now - self.opened_at
        return idle >= limits.idle_ms + TOUCHED_EVERY_MS or age >= limits.absolute_ms

    def is_confirmed(self, now: int) -> bool:
        """True for five minutes after the password, a one-time code or a passkey."""
        return now - self.confirmed_at < CONFIRMED_FOR_MS


def token_hash(token: str) -> str:
    """The form in which a token is kept."""
    return hashlib.sha256(token.encode()).hexdigest()


class SessionStore:
    """Sessions by the hash of their token. Errors of the database come through as SQLAlchemy
    raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)  # waits for no writer

    def open(self, session: Session) -> str:
        """Add a session and return its token; the token is kept nowhere."""
        token = secrets.token_urlsafe(TOKEN_OCTETS)
        row = {
            "id": session.id,
            "token_hash": token_hash(token),
            "user_id": session.user_id,
            "membership_id": session.membership_id,
            "csrf": session.csrf,
            "opened_at": session.opened_at,
            "seen_at": session.seen_at,
            "confirmed_at": session.confirmed_at,
            "passed_totp": session.passed_totp,
            "remembered": session.remembered,
            "address": session.address[:64],
            "agent": storable(session.agent, 200),
            "impersonator": session.impersonator,
            "reason": storable(session.reason, 200),
        }
        oldest = session.seen_at - CABINET.absolute_ms
        table = sessions_table
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.seen_at < oldest))
            connection.execute(insert(table).values(row))
        return token

    def find(self, token: str) -> Session | None:
        found = self._sessions(sessions_table.c.token_hash == token_hash(token))
        return found[0] if found else None

    def of_user(self, user_id: int) -> list[Session]:
        """The user's sessions, the newest first."""
        return self._sessions(sessions_table.c.user_id == user_id)

    def touch(self, session: Session, now: int) -> Session:
        """The session with its last use; written at most once a minute."""
        if now - session.seen_at < TOUCHED_EVERY_MS:
            return session
        self._set(session.id, seen_at=now)
        return replace(session, seen_at=now)

    def renew(self, session_id: str, **values: str | int | bool | None) -> str:
        """Change a session and give it a new token: after each step of signing in, so that a token
        that was known before is worth nothing."""
        token = secrets.token_urlsafe(TOKEN_OCTETS)
        self._set(session_id, token_hash=token_hash(token), **values)
        return token

    def confirm(self, session_id: str, now: int) -> None:
        """Note that the password was given again."""
        self._set(session_id, confirmed_at=now)

    def end(self, session_id: str) -> None:
        self._end(sessions_table.c.id == session_id)

    def end_of_user(self, user_id: int, keep: str = "") -> None:
        """End a user's sessions but one."""
        table = sessions_table
        self._end((table.c.user_id == user_id) & (table.c.id != keep))

    def _sessions(self, condition: ColumnElement[bool]) -> list[Session]:
        table = sessions_table
        query = select(table).where(condition).order_by(table.c.opened_at.desc())
        with self._reader.connect() as connection:
            return [_session(row) for row in connection.execute(query)]

    def _set(self, session_id: str, **values: str | int | bool | None) -> None:
        table = sessions_table
        with self._engine.begin() as connection:
            connection.execute(update(table).where(table.c.id == session_id).values(values))

    def _end(self, condition: ColumnElement[bool]) -> None:
        with self._engine.begin() as connection:
            connection.execute(delete(sessions_table).where(condition))


def new_session(
    user_id: int,
    now: int,
    *,
    membership_id: int | None = None,
    passed_totp: bool = True,
    remembered: bool = False,
    address: str = "",
    agent: str = "",
    impersonator: str = "",
    reason: str = "",
) -> Session:
    """A session that begins now."""
    return Session(
        secrets.token_hex(8), user_id, membership_id, secrets.token_hex(16), now, now, now,
        passed_totp, remembered, address, agent, impersonator, reason,
    )  # fmt: skip


def _session(row: DbRow) -> Session:
    return Session(
        row.id, row.user_id, row.membership_id, row.csrf, row.opened_at, row.seen_at,
        row.confirmed_at, row.passed_totp, row.remembered, row.address, row.agent,
        row.impersonator, row.reason,
    )  # fmt: skip
