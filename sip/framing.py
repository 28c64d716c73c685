"""A stream's octets to messages (RFC 3261 section 18.3)."""

from __future__ import annotations

import re
from enum import Enum

from sip import grammar

MAX_HEAD_BYTES = 32_768
_CONTENT_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)


class Ping(Enum):
    """The double CRLF by which a client keeps a connection alive (RFC 5626 section 3.5.1)."""

    PING = b"\r\n\r\n"


class StreamFramer:
    """Cuts messages out of a stream; each must have a Content-Length."""

    def __init__(self, max_message: int) -> None:
        self._max_message = max_message
        self._buffer = b""
        self._at = 0
        """Offset in the buffer of the next item."""
        self._wanted = 0
        """Octets without which looking again is in vain."""
        self.over = False
        """True if the start of the next message can't be known any more: close the connection."""

    def feed(self, data: bytes) -> list[bytes | Ping]:
        """Take octets of the stream, and yield messages and pings that have become whole. The
        head of a message whose length can't be known, or is too large, comes last and alone: it
        can be answered, and the stream is then :attr:`broken`."""
        if self.over:
            return []
        self._buffer += data
        found: list[bytes | Ping] = []
        while not self.over and len(self._buffer) - self._at >= max(self._wanted, 1):
            item = self._next()
            if item is None:
                break
            if item:
                found.append(item)
        # Cut once: cutting for each of many small items would copy the rest as often.
        self._buffer = b"" if self.over else self._buffer[self._at :]
        self._at = 0
        return found

    @property
    def waiting(self) -> bool:
        """True if a message has begun that isn't whole yet."""
        return bool(self._buffer)

    def wrap(self, message: bytes) -> bytes:
        """A message as it stands in the stream: as it is."""
        return message

    def own_octets(self) -> bytes:
        """Nothing: a stream has no octets but messages and what keeps it alive."""
        return b""

    def probe(self) -> bytes:
        """Nothing: TCP asks by itself (SO_KEEPALIVE)."""
        return b""

    def _next(self) -> bytes | Ping | None:
        """The next message, a ping, b"" for a single CRLF that was skipped, None for not yet."""
        buffer, at = self._buffer, self._at
        self._wanted = 0
        if buffer.startswith(b"\r\n", at):
            if buffer.startswith(Ping.PING.value, at):
                self._at += 4
                return Ping.PING
            if Ping.PING.value.startswith(buffer[at : at + 4]):
                self._wanted = 4
                return None
            self._at += 2
            return b""
        end = buffer.find(b"\r\n\r\n", at, at + MAX_HEAD_BYTES)
        if end < 0:
            self.over = len(buffer) - at >= MAX_HEAD_BYTES
            self._wanted = len(buffer) - at + 1
            return None
        length = self._content_length(buffer[at : end + 2])
        self.over = length is None
        size = end + 4 - at + (length or 0)
        if len(buffer) - at < size:
            self._wanted = size
            return None
        self._at += size
        return buffer[at : at + size]

    def _content_length(self, head: bytes) -> int | None:
        """The Content-Length of a message, 0 without the field: no body could be told from what
        follows. None if the field stands twice, is no number or too large."""
        values = _CONTENT_LENGTH.findall(head)
        if not values:
            return 0
        if len(values) > 1:
            return None
        return grammar.number(values[0].strip(grammar.LWS), self._max_message)
