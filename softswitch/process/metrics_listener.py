"""The listener for Prometheus: HTTP/1.1 with one page, /metrics.

It reads a request line and its fields with limits on size and time, answers, and closes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from softswitch.config.values import HttpListen

PATH = b"/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_REQUEST_OCTETS = 8_192
REQUEST_SECONDS = 5.0
"""A client must send its request within this time, and take the answer within as long."""
MAX_CLIENTS = 16
"""Clients at the same time; more are closed unanswered."""


class MetricsError(Exception):
    """The listener can't be opened. The message is one line."""


class MetricsListener:
    """Serves the page that `page` makes.

    Args:
        page: called for each scrape; its octets are the body of the answer.
    """

    def __init__(self, page: Callable[[], Awaitable[bytes]]) -> None:
        self._page = page
        self._server: asyncio.Server | None = None
        self._clients = 0

    async def start(self, listen: HttpListen) -> None:
        """Begin to listen. Raises MetricsError."""
        try:
            self._server = await asyncio.start_server(
                self._serve, listen.host, listen.port, limit=MAX_REQUEST_OCTETS
            )
        except OSError as error:
            where = f"{listen.host}:{listen.port}"
            raise MetricsError(f"[metrics] listen {where} can't be had: {error.strerror}") from None

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._clients >= MAX_CLIENTS:
            writer.transport.abort()
            return
        self._clients += 1
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            writer.write(await self._answer(head))
            async with asyncio.timeout(REQUEST_SECONDS):
                await writer.drain()
            writer.close()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._clients -= 1
            with contextlib.suppress(OSError):
                writer.close()

    async def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", b"only GET\n", "text/plain")
        if path != PATH:
            return _response("404 Not Found", b"the page is /metrics\n", "text/plain")
        body = await self._page()
        answer = _response("200 OK", body, CONTENT_TYPE)
        return answer if method == b"GET" else answer[: -len(body)]


def _response(status: str, body: bytes, content_type: str) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
