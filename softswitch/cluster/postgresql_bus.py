"""The bus over PostgreSQL's NOTIFY: a thread that hears, and a task that sends in batches."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import msgspec
from sqlalchemy import ARRAY, Connection, Engine, String, bindparam, text
from sqlalchemy.exc import SQLAlchemyError

from softswitch.cluster.events import Message, OnMessage, packed, unpacked
from softswitch.trace.log import Log

if TYPE_CHECKING:
    import psycopg

CHANNEL = "softswitch"
POLL_SECONDS = 0.5
"""The longest delay until the hearing thread notices that it is to end."""
GATHER_SECONDS = 0.005
"""Messages wait so long for company: a transaction for each costs more than the messages."""
RETRY_SECONDS = (0.1, 2.0)
"""The first and the longest pause before the bus is tried again."""
MAX_UNSENT = 20_000
"""Messages kept for a database that is away; older ones are dropped, and everything is told anew
when it is back."""

_NOTIFY = text("SELECT pg_notify(:channel, payload) FROM unnest(:payloads) AS payload").bindparams(
    bindparam("channel", CHANNEL), bindparam("payloads", type_=ARRAY(String))
)


class PostgresqlBus:
    """The messages of this node to the others, and theirs to it.

    Args:
        node: the name of this node.
    """

    def __init__(
        self, engine: Engine, node: str, loop: asyncio.AbstractEventLoop, log: Log
    ) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._node = node
        self._loop = loop
        self._log = log
        self._unsent: deque[Message] = deque(maxlen=MAX_UNSENT)
        self._sending: asyncio.Task[None] | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="bus")
        self._stops = threading.Event()
        self._hearing: threading.Thread | None = None

    # Sending

    def tell(self, message: Message) -> None:
        """Send a message soon, together with those that come meanwhile."""
        self._unsent.append(message)
        if self._sending is None and not self._stops.is_set():
            self._sending = self._loop.create_task(self._send())

    def tell_within(self, connection: Connection, message: Message) -> None:
        """Send a message when a transaction is committed."""
        _notify(connection, [*packed(self._node, [message])])

    async def _send(self) -> None:
        pause = RETRY_SECONDS[0]
        while self._unsent:
            if not self._stops.is_set():
                await asyncio.sleep(GATHER_SECONDS)
            messages = [*self._unsent]
            self._unsent.clear()
            try:
                await self._loop.run_in_executor(self._executor, self._write, messages)
                pause = RETRY_SECONDS[0]
            except SQLAlchemyError as error:
                self._log.warning("the other nodes can't be told", why=str(error))
                self._unsent.extendleft(reversed(messages))
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_SECONDS[1])
        self._sending = None

    def _write(self, messages: Sequence[Message]) -> None:
        with self._engine.connect() as connection:
            _notify(connection, [*packed(self._node, messages)])

    # Hearing

    def listen(self, on_message: OnMessage, on_restored: Callable[[], None]) -> None:
        """Begin to hear the other nodes, in a thread."""
        self._hearing = threading.Thread(
            target=self._hear, args=(on_message, on_restored), name="bus", daemon=True
        )
        self._hearing.start()

    async def close(self) -> None:
        """Send what waits, and stop hearing."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=RETRY_SECONDS[1])
        self._stops.set()
        if self._sending is not None:
            self._sending.cancel()
        if self._hearing is not None:
            await asyncio.to_thread(self._hearing.join)
        self._executor.shutdown()

    def _hear(self, on_message: OnMessage, on_restored: Callable[[], None]) -> None:
        pause = RETRY_SECONDS[0]
        while not self._stops.is_set():
            try:
                with self._listening() as connection:
                    self._soon(on_restored)
                    pause = RETRY_SECONDS[0]
                    while not self._stops.is_set():
                        for notification in connection.notifies(timeout=POLL_SECONDS):
                            self._heard(notification.payload, on_message)
                            if self._stops.is_set():
                                break
            except Exception as error:  # the driver's, or SQLAlchemy's: the server is away
                if not self._stops.is_set():
                    self._log.warning("the other nodes can't be heard", why=str(error))
                self._stops.wait(pause)
                pause = min(2 * pause, RETRY_SECONDS[1])

    @contextmanager
    def _listening(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """A connection of its own that listens, outside the pool."""
        pooled = self._engine.raw_connection()
        connection = cast("psycopg.Connection[tuple[object, ...]]", pooled.driver_connection)
        pooled.detach()
        try:
            connection.autocommit = True
            connection.execute(f"LISTEN {CHANNEL}")
            yield connection
        finally:
            connection.close()

    def _heard(self, payload: str, on_message: OnMessage) -> None:
        try:
            node, messages = unpacked(payload)
        except msgspec.MsgspecError as error:
            self._log.warning("a node of another version says something", why=str(error))
            return
        if node != self._node:
            self._soon(self._pass_on, node, messages, on_message)

    def _pass_on(self, node: str, messages: Sequence[Message], on_message: OnMessage) -> None:
        for message in messages:
            on_message(node, message)

    def _soon(self, work: Callable[..., None], *arguments: object) -> None:
        if not self._stops.is_set():
            self._loop.call_soon_threadsafe(work, *arguments)


def _notify(connection: Connection, payloads: Sequence[str]) -> None:
    if payloads:
        connection.execute(_NOTIFY, {"payloads": payloads})
