"""The control socket from an event loop: operations of the running switch, on somebody's behalf."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec

from softswitch.control.actor import Actor
from softswitch.control.client import short_name
from softswitch.control.errors import OperationError
from softswitch.control.protocol import Done, Perform, Refused, line_of, read_answer, result_of
from softswitch.control.values import Value

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""Recordings and bills come as one line."""
TIMEOUT_SECONDS = 60.0
CONNECTIONS = 8
"""Requests at once; more wait for their turn."""


class SwitchClient:
    """Requests to the running switch, each on a connection of its own: a connection costs some ten
    microseconds, and none is found broken after the switch was restarted.

    Args:
        path: of the control socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = asyncio.Semaphore(CONNECTIONS)

    async def perform(
        self, actor: Actor, operation: str, arguments: Mapping[str, object], key: str | None
    ) -> Value:
        """Have an operation performed.

        Raises:
            OperationError: the switch refused, or with the code `switch_away`: it isn't there.
        """
        request = line_of(Perform(operation, dict(arguments), actor, key))
        async with self._turn:
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    line = await self._exchange(request)
            except (OSError, TimeoutError, ValueError):
                raise OperationError("switch_away") from None
        if not line:
            raise OperationError("switch_away")
        try:
            answer = read_answer(line)
        except msgspec.MsgspecError:
            raise OperationError("switch_away") from None
        match answer:
            case Done():
                return result_of(answer)
            case Refused(code=code, facts=facts, lines=lines):
                raise OperationError(code, lines, **facts)

    async def _exchange(self, request: bytes) -> bytes:
        with short_name(self._path) as name:
            reader, writer = await asyncio.open_unix_connection(name, limit=MAX_ANSWER_BYTES)
        try:
            writer.write(request)
            await writer.drain()
            return await reader.readline()
        finally:
            writer.close()
