"""The database for reading: operations that change nothing run here, beside the switch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from billing.facts.command import Answer, Command
from billing.stores.store import Store
from softswitch.config.config import Config
from softswitch.control.actor import Actor
from softswitch.control.values import Value
from softswitch.database.changes import Changes
from softswitch.operations.access import Operation
from softswitch.operations.context import Concern, Context
from softswitch.operations.installation.setup import epoch_ms, naming_database_errors
from softswitch.operations.rights import checked
from softswitch.subscribers.directory_store import DirectoryStore


class Reader:
    """Operations that read, each in a thread and a read-only transaction.

    A transaction is short: one that is open keeps SQLite's write-ahead log from shrinking.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._store = Store(config.database.url)
        _make_read_only(self._store.engine)
        self._context = Context(
            config, self._store, DirectoryStore(self._store.engine), _refuse, epoch_ms
        )
        self._threads = ThreadPoolExecutor(config.portal.workers, "reader")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._store.close()

    async def perform(
        self, actor: Actor, operation: Operation, arguments: Mapping[str, object]
    ) -> Value:
        """Perform an operation that only reads. Raises OperationError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._perform, actor, operation, arguments)

    def _perform(
        self, actor: Actor, operation: Operation, arguments: Mapping[str, object]
    ) -> Value:
        context = replace(self._context, actor=actor, changes=Changes(), concern=Concern())
        given = checked(actor, operation, arguments)
        with naming_database_errors(self._config):
            return cast("Value", operation.function(context, **given))


def _refuse(commands: Sequence[Command[Answer]], /) -> Sequence[Answer | Exception]:
    raise AssertionError(f"an operation that reads wants to write: {commands!r}")


def _make_read_only(engine: Engine) -> None:
    """Have the database itself refuse every write of these connections."""
    statement = (
        "PRAGMA query_only = ON"
        if engine.dialect.name == "sqlite"
        else "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
    )

    def connected(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        with contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(statement)
        connection.commit()

    event.listen(engine, "connect", connected)
