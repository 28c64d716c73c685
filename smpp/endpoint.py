"""Connections of SMPP sessions over TCP or TLS: the only module of smpp that does I/O.

A connection reads octets into its session, tells its user the events, and writes what the session
wants written, once a turn however many requests a read brought. A peer that doesn't read is not
read from either, so neither side's buffers grow.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from smpp.bodies import Bind, Body
from smpp.codes import Command, Status
from smpp.session import BindRequested, Event, Session, Side, State, Timers

MAX_UNSENT_OCTETS = 1 << 18
CONNECT_SECONDS = 10.0

Heard = Callable[["Connection", Event], None]
"""Told each event of a connection's session, in order."""


class Connection(asyncio.Protocol):
    """One connection and its session.

    Args:
        session: as it begins.
        heard: told the session's events; an exception in it ends this connection alone.
    """

    def __init__(self, session: Session, heard: Heard) -> None:
        self.session = session
        self.address = ""
        """The peer's IP address."""
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._draining = False

    # What the user asks and commands; see the session's methods of the same names.

    @property
    def room(self) -> int:
        """The number of requests that may be sent now."""
        return self.session.room

    @property
    def waiting(self) -> int:
        """Requests that we sent and that aren't answered yet."""
        return self.session.waiting

    def bind(self, command: Command, bind: Bind) -> None:
        """Bind to the message centre."""
        self.session.bind(command, bind, self._loop.time())
        self._drain_later()

    def request(self, command: Command, body: Body, token: object) -> None:
        """Send a request; raises SessionError or ValueError as the session does."""
        self.session.request(command, body, token, self._loop.time())
        self._drain_later()

    def accept(self, asked: BindRequested, system_id: str) -> None:
        """Accept an ESME's bind."""
        self.session.accept(asked, system_id)
        self._drain_later()

    def refuse(self, asked: BindRequested, status: Status) -> None:
        """Refuse an ESME's bind; the connection ends when that is written."""
        self.session.refuse(asked, status)
        self._drain_later()

    def respond(self, sequence: int, body: Body | None = None, status: int = Status.OK) -> None:
        """Answer a request of the peer."""
        self.session.respond(sequence, body, status)
        self._drain_later()

    def unbind(self) -> None:
        """End the session in order."""
        self.session.unbind(self._loop.time())
        self._drain_later()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open; its session's timers begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MAX_UNSENT_OCTETS)
        self.address = (transport.get_extra_info("peername") or ("",))[0]
        self._drain()

    def data_received(self, data: bytes) -> None:
        """Octets of the peer."""
        self.session.receive(data, self._loop.time())
        self._drain()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over, whichever side ended it."""
        self._transport = None
        self.session.lost()
        self._drain()

    def pause_writing(self) -> None:
        """The peer doesn't read fast enough: it isn't read from meanwhile."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The peer has read."""
        if self._transport is not None:
            self._transport.resume_reading()

    def _drain_later(self) -> None:
        """Drain once at the end of this turn, however many commands come in it."""
        if not self._draining:
            self._draining = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._draining = False
        for event in self.session.events():
            try:
                self._heard(self, event)
            except Exception:
                self.abort()
                raise
        octets = self.session.to_send()
        if self._transport is not None:
            if octets:
                self._transport.write(octets)
            if self.session.state is State.CLOSED:
                self._transport.close()
        self._arm()

    def _arm(self) -> None:
        """One timer, for the session's next deadline."""
        deadline = self.session.next_deadline()
        if self._timer is not None:
            # A timer that fires early finds nothing due, and is armed again.
            if deadline is not None and self._timer.when() <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None and self._transport is not None:
            self._timer = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.session.expire(self._loop.time())
        self._drain()


class _Refusal(asyncio.Protocol):
    """A connection for which there is no room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """End it before it says anything."""
        cast(asyncio.Transport, transport).abort()


async def listen(
    host: str,
    port: int,
    heard: Heard,
    *,
    tls: ssl.SSLContext | None = None,
    window: int = 10,
    max_pending: int = 100,
    max_connections: int = 1_000,
    timers: Timers | None = None,
) -> asyncio.Server:
    """Take connections of ESMEs, so many at once; more are closed at once.

    Raises:
        OSError: the address can't be bound.
    """
    loop = asyncio.get_running_loop()
    open_now: set[Connection] = set()

    def connection() -> asyncio.Protocol:
        for ended in [one for one in open_now if one.session.state is State.CLOSED]:
            open_now.discard(ended)
        if len(open_now) >= max_connections:
            return _Refusal()
        session = Session(
            Side.CENTRE, loop.time(), window=window, max_pending=max_pending, timers=timers
        )
        made = Connection(session, heard)
        open_now.add(made)
        return made

    return await loop.create_server(connection, host, port, ssl=tls)


async def connect(
    host: str,
    port: int,
    heard: Heard,
    *,
    tls: ssl.SSLContext | None = None,
    window: int = 10,
    max_pending: int = 100,
    timers: Timers | None = None,
) -> Connection:
    """Open a connection to a message centre; then :meth:`Connection.bind`.

    Raises:
        OSError: it can't be reached (TimeoutError after ten seconds).
    """
    loop = asyncio.get_running_loop()
    session = Session(Side.ESME, loop.time(), window=window, max_pending=max_pending, timers=timers)
    async with asyncio.timeout(CONNECT_SECONDS):
        _, connection = await loop.create_connection(
            lambda: Connection(session, heard), host, port, ssl=tls
        )
    return connection
