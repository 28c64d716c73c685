"""The connection that writes the books to SQLite: kept open, with what its batches left in memory.

A connection from the pool for each batch costs more than the batch's own statements, and begins
with an empty cache of pages whenever another one wrote in between.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import TypeVar, cast

from sqlalchemy import Connection, Engine

from billing.stores.residents import Residents

Result = TypeVar("Result")

CACHE_KIB = 2_000
"""The cache of pages that lasts from one transaction to the next; SQLite's usual size."""


class SqliteWriter:
    """One transaction after the other, from any thread.

    Args:
        engine: of a SQLite database; its transactions begin with the write lock.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._driver: sqlite3.Connection | None = None
        """The driver's own connection, which takes a tenth of the time of SQLAlchemy's way."""
        self._residents = Residents()
        self._seen: tuple[int, int] | None = None
        """The state of the database that the residents are of: `PRAGMA data_version`, which other
        connections change, and the rows changed by this one, which in memory is everybody's."""

    def transact(self, work: Callable[[Connection, Residents], Result]) -> Result:
        """Do work in a transaction that commits at the end, or leaves nothing if anything is
        raised; the residents are those that earlier ones left, unless others wrote meanwhile."""
        with self._lock:
            connection, driver = self._connection, self._driver
            try:
                if connection is None or driver is None:
                    connection, driver = self._connect()
                with connection.begin():
                    # The write lock is ours: nothing changes between this and the commit.
                    (version,) = driver.execute("PRAGMA data_version").fetchone()
                    if (version, driver.total_changes) != self._seen:
                        self._residents.forget()
                    result = work(connection, self._residents)
                    self._seen = version, driver.total_changes
            except BaseException:
                self._close()
                raise
            return result

    def _connect(self) -> tuple[Connection, sqlite3.Connection]:
        connection = self._connection = self._engine.connect()
        driver = self._driver = driver_of(connection)
        connection.execution_options(writer=driver)
        driver.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        # A statement that may fail half-way keeps what pages were before it. A batch of a dozen
        # calls changes more than the 64 KiB which SQLite would keep outside of temporary files.
        driver.execute("PRAGMA temp_store = MEMORY")
        return connection, driver

    def close(self) -> None:
        """Close the connection, and keep nothing; the next transaction opens another."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        self._residents.forget()
        self._seen = None
        connection, self._connection, self._driver = self._connection, None, None
        if connection is not None:
            connection.close()


def driver_of(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection, for what SQLAlchemy would take ten times as long for."""
    return cast(sqlite3.Connection, connection.connection.driver_connection)
