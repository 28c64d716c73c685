"""The control socket, the switch's side: operators' commands, done by the running switch.

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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from softswitch.control.client import encode, is_running, short_name
from softswitch.control.errors import OperationError

MAX_LINE = 64 * 1024 * 1024
"""Octets of one request: an import of some hundred thousand lines."""

Handler = Callable[..., Any]
"""Takes the arguments by name; returns JSON-able data, or an awaitable of it. A plain function
runs inside the event loop and must not block."""

log = structlog.get_logger(__name__)


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
        with short_name(self._path) as name:
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
                writer.write(encode(await self._answer(line)))
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
