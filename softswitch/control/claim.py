"""One switch for one database, or for each node's name in one.

A second one would take the first one's live calls for those of a switch that died, and end them.
The claim dies with the process that made it, however it dies, so nothing has to be cleaned up.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from billing.stores.store import StoreError
from softswitch.control.server import AlreadyRunning

LOCK_KEY = 0x736F_6674_7377_6974
"""The key of our advisory lock in PostgreSQL, which has them per database."""
KEEPALIVES = (
    "SET tcp_keepalives_idle = 3",
    "SET tcp_keepalives_interval = 1",
    "SET tcp_keepalives_count = 3",
)
"""Have the server notice within seconds that the machine of a claim is gone."""


class DatabaseClaim:
    """The right to serve a database.

    Args:
        file: SQLite's; None for a server's database, which `engine` reaches.
        name: the database, for people.
        node: which of several switches on a server's database.
    """

    def __init__(self, engine: Engine, file: Path | None, name: str, node: str = "") -> None:
        self._engine = engine
        self._file = file
        self._name = name
        self._node = node
        self._descriptor: int | None = None
        self._connection: Connection | None = None
        self._entered = threading.Lock()

    def take(self) -> None:
        """Claim the database. Raises AlreadyRunning: another switch has it; StoreError: the lock
        can't be had."""
        holder = self._lock_server() if self._file is None else self._lock_file(self._file)
        if holder is not None:
            named = f" as node {self._node!r}" if self._node else ""
            raise AlreadyRunning(
                f"a switch is running already {holder}: it serves {self._name}{named}"
            )

    def _lock_file(self, file: Path) -> str | None:
        """The holder of the lock; None if it is ours now."""
        path = file.with_name(file.name + ".lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(f"{path} can't be opened: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with os.fdopen(descriptor, encoding="ascii", errors="replace") as held:
                return f"(process {held.read(20).strip()})"
        os.truncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % os.getpid())
        self._descriptor = descriptor
        return None

    def _lock_server(self) -> str | None:
        # Outside a transaction, so that the session does nothing but hold its lock.
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        for setting in KEEPALIVES:
            connection.execute(text(setting))
        key = {"key": lock_key(self._node)}
        if connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar():
            self._connection = connection
            return None
        connection.close()
        return "elsewhere"

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """The connection that holds the claim, for statements that commit by themselves; on a
        server's database only. One that was lost is opened anew, and the claim taken again.

        Raises:
            AlreadyRunning: another switch has it by now.
            SQLAlchemyError: the database can't be reached; the claim may be lost.
        """
        with self._entered:
            if self._connection is None:
                self.take()
            assert self._connection is not None
            try:
                yield self._connection
            except SQLAlchemyError:
                with contextlib.suppress(SQLAlchemyError):
                    self._connection.invalidate()
                    self._connection.close()
                self._connection = None
                raise

    def release(self) -> None:
        """Release the claim."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        if self._connection is not None:
            with contextlib.suppress(SQLAlchemyError):  # it may be gone, and the lock with it
                key = {"key": lock_key(self._node)}
                self._connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
                self._connection.close()
            self._connection = None


def lock_key(node: str) -> int:
    """The key of a node's advisory lock."""
    return LOCK_KEY ^ zlib.crc32(node.encode()) if node else LOCK_KEY


def is_claimed(engine: Engine, node: str) -> bool:
    """True if a switch serves as this node; on a server's database only. Takes no lock, so that it
    never delays a switch that is starting."""
    key = lock_key(node)
    halves = {"high": key >> 32, "low": key & 0xFFFF_FFFF}
    with engine.connect() as connection:
        return connection.execute(_HOLDERS, halves).first() is not None


_HOLDERS = text(
    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
    "AND classid = :high AND objid = :low "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
