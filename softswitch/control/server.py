"""The control socket, the switch's side: operations that the running switch performs.

A Unix socket that only the switch's own user may open, or its group too. `protocol` has its
messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import structlog

from softswitch.control.client import is_running, short_name
from softswitch.control.errors import OperationError
from softswitch.control.protocol import (
    Answer,
    Done,
    Perform,
    Refused,
    Watch,
    line_of,
    read_request,
)
from softswitch.control.values import Value
from softswitch.control.watch import Watcher, WatchHub

MAX_LINE = 64 * 1024 * 1024
"""Octets of one request: an import of some hundred thousand lines."""
_UCRED = struct.Struct("3i")
"""The answer of SO_PEERCRED: process, user and group."""

Performer = Callable[[Perform, int], Awaitable[Value]]
"""Performs a request of a process of this user id. Raises OperationError."""

MayWatch = Callable[[Watch, int], None]
"""Refuses a watch of a process of this user id. Raises OperationError."""
UNREAD_SECONDS = 30.0
"""The timeout of a watcher that doesn't read."""

log = structlog.get_logger(__name__)


class AlreadyRunning(Exception):
    """Another switch holds the socket. The message is one line."""


class ControlServer:
    """Serves requests on a Unix socket.

    Args:
        mode: of the socket's file: 0600 for the switch's own user, 0660 for its group too.
    """

    def __init__(
        self,
        path: Path,
        perform: Performer,
        hub: WatchHub,
        may_watch: MayWatch,
        mode: int = 0o600,
    ) -> None:
        self._path = path
        self._mode = mode
        self._perform = perform
        self._hub = hub
        self._may_watch = may_watch
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Start listening. Raises AlreadyRunning, or OSError when the socket can't be made."""
        if is_running(self._path):
            raise AlreadyRunning(f"a switch is running already: it answers on {self._path}")
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.setblocking(False)
        with short_name(self._path) as name:
            before = os.umask(0o777 & ~self._mode)
            try:
                listener.bind(name)
            finally:
                os.umask(before)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MAX_LINE)

    async def close(self) -> None:
        """Stop listening, drop connections and remove the socket."""
        if self._server is None:
            return
        self._server.close()
        for writer in tuple(self._connections):
            writer.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        user_id = peer_user(writer.get_extra_info("socket"))
        try:
            while line := await reader.readline():
                match _read(line):
                    case Watch() as request:
                        return await self._watch(request, user_id, reader, writer)
                    case Perform() as request:
                        writer.write(await self._answer(request, user_id))
                    case Refused() as refused:
                        writer.write(line_of(refused))
                await writer.drain()
        except (ConnectionError, ValueError, TimeoutError):
            pass  # the client went away, sent more than MAX_LINE, or reads no events
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _watch(
        self,
        request: Watch,
        user_id: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Send events until the client closes its side, or doesn't read them."""
        try:
            self._may_watch(request, user_id)
        except OperationError as error:
            writer.write(line_of(_refused(error)))
            return
        watcher = self._hub.open(request.topics)
        sending = asyncio.ensure_future(_send_events(watcher, writer))
        closed = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait((sending, closed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.close(watcher)
            sending.cancel()
            closed.cancel()
            await asyncio.gather(sending, closed, return_exceptions=True)

    async def _answer(self, request: Perform, user_id: int) -> bytes:
        answer: Answer
        try:
            answer = Done(await self._perform(request, user_id))
            return line_of(answer)
        except OperationError as error:
            answer = _refused(error)
        except Exception as error:
            log.exception("operation failed", operation=request.operation)
            answer = _refused(
                OperationError("operation_failed", operation=request.operation, reason=repr(error))
            )
        return line_of(answer)


async def _send_events(watcher: Watcher, writer: asyncio.StreamWriter) -> None:
    writer.transport.set_write_buffer_limits(high=65_536)
    while True:
        writer.write(await watcher.lines())
        async with asyncio.timeout(UNREAD_SECONDS):
            await writer.drain()


def _read(line: bytes) -> Perform | Watch | Refused:
    try:
        return read_request(line)
    except msgspec.MsgspecError as error:
        return _refused(OperationError("request_malformed", reason=error))


def peer_user(connection: socket.socket) -> int:
    """The user id of the process at the other end of a Unix socket, from the kernel."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    user_id: int = _UCRED.unpack(credentials)[1]
    return user_id


def _refused(error: OperationError) -> Refused:
    return Refused(error.message, error.code, dict(error.facts), error.lines)
