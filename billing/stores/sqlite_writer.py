"""The connection that writes the books to SQLite: kept open, with what its batches left in memory.

A connection from the pool for each batch costs more than the batch's own statements, and begins
with an empty cache of pages whenever another one wrote in between.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from types import NoneType
from typing import TypeVar, cast

from sqlalchemy import Connection, Engine

from billing.stores.working_set import WorkingSet

Result = TypeVar("Result")

CACHE_KIB = 2_000
"""The cache of pages that lasts from one transaction to the next; SQLite's usual size."""


# The driver looks for an adapter of everything that it binds but numbers and text. Where it finds
# none it tries two attributes that aren't there: binding a None then takes twice as long, octets
# three times. A row of a call record has a dozen of them.
sqlite3.register_adapter(NoneType, {None: None}.get)
sqlite3.register_adapter(bytes, bytes.__bytes__)
sqlite3.register_adapter(bool, int)


class SqliteWriter:
    """One transaction after the other, from any thread.

    Args:
        engine: of a SQLite database; its transactions begin with the write lock.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._working_set: WorkingSet | None = None
        """The rows that the last batches left; None without a connection."""
        self._driver: sqlite3.Connection
        """The driver's own connection, which takes a tenth of the time of SQLAlchemy's way."""
        self._seen: tuple[int, int] | None = None
        """The state of the database that the working set is of: `PRAGMA data_version`, which other
        connections change, and the rows changed by this one, which in memory is everybody's."""

    def transact(self, work: Callable[[WorkingSet], Result]) -> Result:
        """Do work in a transaction that commits at the end, or leaves nothing if anything is
        raised; with what earlier ones left in memory, unless others wrote meanwhile."""
        with self._lock:
            try:
                working_set = self._working_set or self._connect()
                with working_set.connection.begin():
                    # The write lock is ours: nothing changes between this and the commit.
                    driver = self._driver
                    (version,) = driver.execute("PRAGMA data_version").fetchone()
                    if (version, driver.total_changes) != self._seen:
                        working_set.forget()
                    result = work(working_set)
                    self._seen = version, driver.total_changes
            except BaseException:
                self._close()
                raise
            return result

    def _connect(self) -> WorkingSet:
        connection = self._engine.connect()
        working_set = self._working_set = WorkingSet(connection)
        driver = self._driver = driver_of(connection)
        connection.execution_options(writer=driver)
        driver.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        # A statement that may fail half-way keeps what pages were before it. A batch of a dozen
        # calls changes more than the 64 KiB which SQLite would keep outside of temporary files.
        driver.execute("PRAGMA temp_store = MEMORY")
        return working_set

    def close(self) -> None:
        """Close the connection, and keep nothing; the next transaction opens another."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        working_set, self._working_set, self._seen = self._working_set, None, None
        if working_set is not None:
            working_set.connection.close()


def driver_of(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection, for what SQLAlchemy would take ten times as long for."""
    return cast(sqlite3.Connection, connection.connection.driver_connection)
