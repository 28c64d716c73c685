"""The throttle of guesses: one for passwords, one-time codes, PINs, reset links and API tokens.

After five wrong guesses the next ones of the same source wait, one minute at first and twice as
long each time, a quarter of an hour at most. Guesses of a login are counted by the login with the
network that they come from, so that a stranger elsewhere can't lock the owner out; a network that
guesses at many logins waits as well.
"""

from __future__ import annotations

import hashlib
import ipaddress

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Index,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from billing.stores.schema import metadata

FREE_GUESSES = 5
FREE_GUESSES_OF_A_NETWORK = 30
FIRST_WAIT_MS = 60_000
LONGEST_WAIT_MS = 15 * 60_000
FORGOTTEN_AFTER_MS = 24 * 3_600_000

attempts_table = Table(
    "login_attempts",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Index("login_attempts_by_time", "last_at"),
)


def wait_ms(failures: int, free: int) -> int:
    """The wait after so many wrong guesses.

    >>> [wait_ms(count, 5) // 60_000 for count in (4, 5, 6, 7, 8, 9, 30)]
    [0, 1, 2, 4, 8, 15, 15]
    """
    if failures < free:
        return 0
    return min(FIRST_WAIT_MS << min(failures - free, 10), LONGEST_WAIT_MS)


def network_of(address: str) -> str:
    """The source that an address counts as: itself, or its /64 for IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class Throttle:
    """Wrong guesses in the database: every process and every restart knows them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)  # waits for no writer

    def seconds_to_wait(self, kind: str, name: str, address: str, now: int) -> int:
        """The rest of the wait of whoever guesses at `name` from an address; 0: go ahead.

        Args:
            kind: of the guess: password, code, pin, reset.
            now: epoch milliseconds.
        """
        rest = 0
        for key, free in _keys(kind, name, address):
            failures, last_at = self._row(key)
            if now - last_at < FORGOTTEN_AFTER_MS:
                rest = max(rest, last_at + wait_ms(failures, free) - now)
        return -(-rest // 1000) if rest > 0 else 0

    def failed(self, kind: str, name: str, address: str, now: int) -> None:
        """Count a wrong guess."""
        table = attempts_table
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.last_at < now - FORGOTTEN_AFTER_MS))
        for key, _ in _keys(kind, name, address):
            if not self._count(key, now):
                try:
                    with self._engine.begin() as connection:
                        row = {"key": key, "failures": 1, "last_at": now}
                        connection.execute(insert(table).values(row))
                except IntegrityError:  # another process was first
                    self._count(key, now)

    def succeeded(self, kind: str, name: str, address: str) -> None:
        """Forget the guesses at this name from this source; those of the network stay."""
        (key, _), _ = _keys(kind, name, address)
        table = attempts_table
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.key == key))

    def _count(self, key: str, now: int) -> bool:
        """True if a row was there to count in."""
        table = attempts_table
        values = {"failures": table.c.failures + 1, "last_at": now}
        with self._engine.begin() as connection:
            done = connection.execute(update(table).where(table.c.key == key).values(values))
            return done.rowcount == 1

    def _row(self, key: str) -> tuple[int, int]:
        query = select(attempts_table).where(attempts_table.c.key == key)
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return (0, 0) if row is None else (row.failures, row.last_at)


def _keys(kind: str, name: str, address: str) -> tuple[tuple[str, int], tuple[str, int]]:
    network = network_of(address)
    return (
        (_key(kind, name, network), FREE_GUESSES),
        (_key(kind, "", network), FREE_GUESSES_OF_A_NETWORK),
    )


def _key(*parts: str) -> str:
    """A hash: what people type into a login field by mistake may be a password."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
