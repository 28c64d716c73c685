"""The control socket: how the command line talks to a running switch.

A Unix socket that only the switch's own user may open. A request is one line of JSON,
`{"operation": NAME, "arguments": {...}}`; the answer is one line, `{"result": ...}` or
`{"error": MESSAGE, "lines": [...]}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog

from softswitch.operations.errors import OperationError

MAX_LINE = 64 * 1024 * 1024
"""Octets of one request or answer: an import of some hundred thousand lines."""

MAX_SOCKET_PATH = 100
"""sockaddr_un holds 108 octets; longer paths go round by a descriptor of the folder."""

Handler = Callable[..., Any]
"""Takes the arguments by name; returns JSON-able data, or an awaitable of it. A plain function
runs inside the event loop and must not block."""

log = structlog.get_logger(__name__)


class NotRunning(Exception):
    """No switch can be reached through the socket. The message is one line."""


class AlreadyRunning(Exception):
    """Another switch holds the socket. The message is one line."""


class ControlServer:
    """Serves a set of named handlers on a Unix socket with mode 0600."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = dict(handlers)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Raises AlreadyRunning, or OSError when the socket can't be made."""
        if is_running(self._path):
            raise AlreadyRunning(f"a switch is running already: it answers on {self._path}")
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.setblocking(False)
        with _short(self._path) as name:
            owner_only = os.umask(0o177)
            try:
                listener.bind(name)
            finally:
                os.umask(owner_only)
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
        try:
            while line := await reader.readline():
                writer.write(_encode(await self._answer(line)))
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the client went away, or sent more than MAX_LINE
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        operation = "?"
        try:
            request = json.loads(line)
            operation, arguments = request["operation"], request["arguments"]
            handler = self._handlers.get(operation)
            if handler is None:
                return {"error": f"the running switch doesn't know the operation {operation!r}"}
            result = handler(**arguments)
            return {"result": await result if inspect.isawaitable(result) else result}
        except OperationError as error:
            return {"error": error.message, "lines": list(error.lines)}
        except Exception as error:
            log.exception("operation failed", operation=operation)
            return {"error": f"{operation} failed inside the switch ({error!r}); see its log"}


def call(
    path: Path, operation: str, arguments: Mapping[str, Any], timeout_seconds: float = 120.0
) -> Any:
    """Have the running switch do an operation and return its result.

    Raises NotRunning, or OperationError with the switch's own message."""
    try:
        with _connect(path, timeout_seconds) as connection, connection.makefile("rb") as answers:
            connection.sendall(_encode({"operation": operation, "arguments": dict(arguments)}))
            line = answers.readline()
    except TimeoutError:
        raise NotRunning(f"the switch doesn't answer on {path}") from None
    except ConnectionError as error:
        raise NotRunning(f"the switch broke off on {path}: {error}") from None
    if not line:
        raise NotRunning(f"the switch broke off on {path}")
    answer = json.loads(line)
    if "error" in answer:
        raise OperationError(answer["error"], tuple(answer.get("lines", ())))
    return answer["result"]


def is_running(path: Path) -> bool:
    """Whether a switch accepts connections on the socket."""
    try:
        _connect(path, 2.0).close()
    except NotRunning:
        return False
    return True


def _connect(path: Path, timeout_seconds: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_seconds)
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise ConnectionRefusedError(f"{path} is no socket")
        with _short(path) as name:
            connection.connect(name)
    except OSError as error:
        connection.close()
        if isinstance(error, FileNotFoundError | ConnectionRefusedError):
            raise NotRunning(f"no switch is running here ({path})") from None
        raise NotRunning(f"the switch can't be reached on {path}: {error.strerror}") from None
    return connection


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name of the socket that fits into sockaddr_un."""
    name = str(path.absolute())
    if len(os.fsencode(name)) <= MAX_SOCKET_PATH:
        yield name
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
