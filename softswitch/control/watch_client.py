"""The other side of a watch: an async iterator over the events of the running switch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from softswitch.control.actor import Actor
from softswitch.control.client import NotRunning, Unreachable, short_name
from softswitch.control.errors import OperationError
from softswitch.control.protocol import Refused, Watch, line_of, read_answer
from softswitch.control.watch import Topic, WatchEvent, read_event

MAX_EVENT_BYTES = 64 * 1024 * 1024
"""A snapshot of very many rows is one line."""


class WatchClient:
    """Watches topics of a running switch.

        async with WatchClient(path, ["calls"]) as watch:
            async for event in watch: ...

    Args:
        path: of the control socket.
        actor: on whose behalf, where the caller vouches for one.
    """

    def __init__(self, path: Path, topics: Iterable[Topic], actor: Actor | None = None) -> None:
        self._path = path
        self._request = Watch(list(topics), actor)
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        """Connect and ask.

        Raises:
            NotRunning: no switch runs here.
        """
        try:
            with short_name(self._path) as name:
                self._reader, self._writer = await asyncio.open_unix_connection(
                    name, limit=MAX_EVENT_BYTES
                )
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunning(f"no switch is running here ({self._path})") from None
        self._writer.write(line_of(self._request))
        await self._writer.drain()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    async def __aiter__(self) -> AsyncIterator[WatchEvent]:
        """Every event until the switch closes the connection.

        Raises:
            OperationError: the switch refused.
            Unreachable: what it sent is no event.
        """
        while line := await self._reader.readline():
            yield _event_in(line)


def _event_in(line: bytes) -> WatchEvent:
    try:
        return read_event(line)
    except msgspec.MsgspecError as unread:
        try:
            answer = read_answer(line)
        except msgspec.MsgspecError:
            raise Unreachable(f"the switch answers in another version: {unread}") from None
    if isinstance(answer, Refused):
        raise OperationError(answer.code, answer.lines, **answer.facts)
    raise Unreachable("the switch answers a watch as if it were an operation")
