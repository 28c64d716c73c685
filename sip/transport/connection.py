"""One connection: TCP, TLS or WebSocket, opened by us or by the peer."""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol, cast

from sip.certificate import identities
from sip.errors import ParseError
from sip.flow import Address, Flow
from sip.framing import Ping

MAX_UNSENT_BYTES = 1 << 20
"""A peer that doesn't read loses its connection at this much."""
HANDSHAKE_SECONDS = 10.0
"""A TLS handshake of phones over a bad network takes two; a stranger may hold a slot this long."""
SHUTDOWN_SECONDS = 2.0
"""Longest time for the orderly end of a TLS connection."""
KEEPALIVE = (
    (socket.TCP_KEEPIDLE, 60),
    (socket.TCP_KEEPINTVL, 15),
    (socket.TCP_KEEPCNT, 4),
)
"""Seconds of silence before the kernel asks, between its questions, and how many it asks."""
PONG = b"\r\n"
"""The answer to a double CRLF (RFC 5626 section 4.4.1)."""


class Framing(Protocol):
    """Cutting of the octets of a connection into messages; one object for each connection."""

    @property
    def waiting(self) -> bool:
        """True if a message has begun that isn't whole yet."""

    @property
    def over(self) -> bool:
        """True if nothing more will be read or written."""

    def feed(self, data: bytes) -> list[bytes | Ping]:
        """Yield messages that have become whole. Raises ParseError when the stream is broken."""

    def wrap(self, message: bytes) -> bytes:
        """A message as it stands on the wire."""

    def own_octets(self) -> bytes:
        """Octets of the framing itself: the answer to a handshake, or to a ping."""

    def probe(self) -> bytes:
        """Octets that a living peer answers; b"" if the framing has none."""


class Pool(Protocol):
    """The table of connections, as a connection sees it."""

    loop: asyncio.AbstractEventLoop

    def opened(self, flow: Flow, connection: Connection) -> None:
        """A connection is open, after its handshake."""

    def closed(self, flow: Flow, connection: Connection) -> None:
        """A connection has ended."""

    def arrived(self, message: bytes, flow: Flow, connection: Connection) -> None:
        """A whole message has arrived."""


class Connection(asyncio.Protocol):
    """A connection from the first octet to the last.

    Args:
        transport: the flow's name of it.
        flow: of a connection that we open; None for the peer's.
    """

    def __init__(
        self,
        pool: Pool,
        transport: str,
        framing: Framing,
        flow: Flow | None = None,
    ) -> None:
        self._pool = pool
        self._name = transport
        self._framing = framing
        self._transport: asyncio.Transport | None = None
        self.flow = flow
        self.names: frozenset[str] = frozenset()
        """Names in the peer's certificate, if it showed one that an authority vouches for."""
        self.heard_at = 0.0
        """Loop time of the last octet."""
        self.message_at: float | None = None
        """Loop time of the last whole message."""
        self.began_at: float | None = None
        """Loop time at which the message that isn't whole yet began, or the connection if nothing
        has come."""
        self.closing_at: float | None = None

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """After the handshake, if there is one."""
        self._transport = cast(asyncio.Transport, transport)
        if self.flow is None:
            local, remote = (
                transport.get_extra_info("sockname"),
                transport.get_extra_info("peername"),
            )
            if not remote:
                self._transport.abort()  # gone while it came
                return
            self.flow = Flow(self._name, address_of(local), address_of(remote))
        _enable_keepalive(self._transport)
        self.heard_at = self.began_at = self._pool.loop.time()
        secured = transport.get_extra_info("ssl_object")
        if secured is not None:
            self.names = identities(secured.getpeercert(binary_form=True) or b"")
        self._pool.opened(self.flow, self)

    def data_received(self, data: bytes) -> None:
        """Cut octets of the peer into messages, and pass those on."""
        if self.closing_at is not None:
            return
        assert self.flow is not None
        self.heard_at = now = self._pool.loop.time()
        try:
            items = self._framing.feed(data)
        except ParseError:
            self._answer()
            self.close()  # where the next message begins is no longer known
            return
        self._answer()
        for item in items:
            if isinstance(item, bytes):
                self.message_at = now
                self._pool.arrived(item, self.flow, self)
            else:
                self._put(self._framing.wrap(PONG))
        self._note_progress(now)
        if self._framing.over:
            self.close()

    def _note_progress(self, now: float) -> None:
        if not self._framing.waiting and self.message_at is not None:
            self.began_at = None
        elif self.began_at is None:
            self.began_at = now

    def _answer(self) -> None:
        own = self._framing.own_octets()
        if own:
            self._put(own)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end of the connection, whichever side ended it."""
        if self.flow is not None:
            self._pool.closed(self.flow, self)

    # What the pool asks

    def send(self, message: bytes) -> None:
        """Send one message; a peer that does not read loses its connection."""
        self._put(self._framing.wrap(message))

    def probe(self) -> None:
        """Have the peer show that it lives, if there is a way to ask."""
        octets = self._framing.probe()
        if octets:
            self._put(octets)

    def _put(self, octets: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(octets)
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            transport.abort()

    def pause(self) -> None:
        """Read nothing for now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again after :meth:`pause`."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Send what is waiting, then close."""
        self.closing_at = self._pool.loop.time()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, without sending what waits."""
        if self._transport is not None:
            self._transport.abort()


def _enable_keepalive(transport: asyncio.Transport) -> None:
    """A phone that lost its power says no goodbye: let the kernel find out."""
    connected: socket.socket = transport.get_extra_info("socket")
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE:
        connected.setsockopt(socket.IPPROTO_TCP, option, value)


def address_of(endpoint: tuple[str, int]) -> Address:
    """Host and port; IPv6 adds flow label and scope, which name nothing here."""
    host, port = endpoint[:2]
    return host.partition("%")[0], port
