"""SIP over WebSocket, the server's side (RFC 7118): messages in frames.

The frames themselves are read by the `websockets` library; here is no I/O.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol

from sip.framing import Ping

SUBPROTOCOL = Subprotocol("sip")
"""Without it the connection carries something else (RFC 7118 section 4)."""

_SILENT = logging.getLogger("sip.transport.websocket.frames")
_SILENT.disabled = True
"""The library would log frames, and frames hold what no log may."""


class WebSocketFramer:
    """Cuts messages out of a WebSocket: one a message, whole or in fragments.

    Args:
        origins: web pages that may connect; None: all. Clients other than browsers name none.
    """

    def __init__(self, max_message: int, origins: Sequence[str] | None = None) -> None:
        allowed = None if origins is None else [*map(Origin, origins), None]
        self._protocol = ServerProtocol(
            origins=allowed, subprotocols=[SUBPROTOCOL], max_size=max_message, logger=_SILENT
        )
        self._message: bytearray | None = None
        """Fragments of a message whose last one hasn't come."""
        self.over = False

    @property
    def waiting(self) -> bool:
        """True if a message has begun that isn't whole yet."""
        return self._protocol.state is State.CONNECTING or self._message is not None

    def feed(self, data: bytes) -> list[bytes | Ping]:
        """Take octets, and yield messages that have become whole; octets that can't be read end
        the connection."""
        found: list[bytes | Ping] = []
        if self.over:
            return found
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._protocol.send_response(self._protocol.accept(event))
            elif isinstance(event, Frame):
                self._take(event, found)
        return found

    def _take(self, frame: Frame, found: list[bytes | Ping]) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        message = bytes(frame.data)
        if self._message is not None:
            self._message += message
            message = bytes(self._message) if frame.fin else b""
        elif not frame.fin:
            self._message = bytearray(message)
        if frame.fin:
            self._message = None
            if message == Ping.PING.value:
                found.append(Ping.PING)
            elif message.strip(b"\r\n"):
                found.append(message)

    def wrap(self, message: bytes) -> bytes:
        """A message as a frame of text, or of octets if it isn't UTF-8 (RFC 7118 section 5)."""
        if self._protocol.state is not State.OPEN:
            return b""
        if _is_text(message):
            self._protocol.send_text(message)
        else:
            self._protocol.send_binary(message)
        return self.own_octets()

    def own_octets(self) -> bytes:
        """Octets of the framing itself: the answer to a handshake or a ping, or a close."""
        written = self._protocol.data_to_send()
        self.over = self.over or b"" in written  # the library's mark for the end
        return b"".join(written)

    def probe(self) -> bytes:
        """A ping (RFC 7118 section 6)."""
        if self._protocol.state is not State.OPEN:
            return b""
        self._protocol.send_ping(b"")
        return self.own_octets()


def _is_text(message: bytes) -> bool:
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True
