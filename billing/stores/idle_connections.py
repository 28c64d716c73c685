"""Connections to PostgreSQL that have rested are tried before they are used: a server that was
started anew is no error, and one that is gone is noticed. One that was used a moment ago isn't
tried: that is a round trip, which may cost as much as the statement."""

from __future__ import annotations

import time

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

RESTED_NS = 1_000_000_000
_USED_AT = "used_at"


def try_rested(engine: Engine) -> None:
    """Have an engine try connections that have rested."""
    dialect = engine.dialect
    driver = dialect.loaded_dbapi

    def note(connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info[_USED_AT] = time.monotonic_ns()

    def check(
        connection: DBAPIConnection, entry: ConnectionPoolEntry, proxy: PoolProxiedConnection
    ) -> None:
        used_at = entry.info.get(_USED_AT)
        if used_at is None or time.monotonic_ns() - used_at < RESTED_NS:
            return
        try:
            dialect.do_ping(connection)
        except driver.Error as error:
            raise DisconnectionError(str(error)) from error  # the pool connects anew

    event.listen(engine, "checkin", note)
    event.listen(engine, "checkout", check)
