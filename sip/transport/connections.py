"""Every connection of an endpoint: who may have one, how long it may be silent, how to get one."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Coroutine, Iterable
from typing import Protocol

from sip.certificate import shows
from sip.flow import Flow
from sip.framing import StreamFramer
from sip.message import MAX_MESSAGE_BYTES
from sip.transport.connection import (
    HANDSHAKE_SECONDS,
    SHUTDOWN_SECONDS,
    Connection,
    Framing,
    address_of,
)
from sip.transport.settings import ConnectionLimits
from sip.transport.tls import Tls
from sip.transport.websocket import WebSocketFramer

CONNECT_SECONDS = 5.0
HOLD_OFF_SECONDS = 5.0
"""After a failure, messages to the same peer fail at once for so long: another target is tried."""
MAX_HELD_OFF = 10_000
MAX_WAITING = 100
"""Messages for one connection that isn't open yet."""
CLOSE_SECONDS = 5.0
"""A peer that takes nothing any more is cut off so long after we wanted to close."""
PROBE_AFTER_SECONDS = 60.0
"""A WebSocket that was silent for so long is pinged (RFC 7118 section 6): browsers send nothing of
their own, and a NAT forgets."""


class Keeper(Protocol):
    """The endpoint, as its connections see it."""

    def arrived(self, message: bytes, flow: Flow) -> None:
        """A whole message has arrived by this flow."""

    def flow_closed(self, flow: Flow) -> None:
        """The connection of this flow has ended."""

    def patience(self, flow: Flow) -> float | None:
        """Seconds that a connection may be silent because it is needed; None if it isn't."""

    def unlimited(self, host: str) -> bool:
        """True if this address may have as many connections as it likes."""

    @property
    def congested(self) -> bool:
        """True if reading should wait."""


class Connections:
    """The pool."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        keeper: Keeper,
        limits: ConnectionLimits,
        tls: Tls | None,
        origins: Iterable[str] | None,
    ) -> None:
        self.loop = loop
        self._keeper = keeper
        self._limits = limits
        self._tls = tls
        self._origins = None if origins is None else tuple(origins)
        self._open: dict[Flow, Connection] = {}
        self._of_host: dict[str, int] = {}
        self._accepted = 0
        self._waiting: dict[Flow, list[bytes]] = {}
        self._held_off: dict[Flow, float] = {}
        self._paused: list[Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self.refused = 0
        """Connections that were refused because a limit was reached."""
        self.mistaken = 0
        """Connections of ours whose peer showed the certificate of another host."""

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, flow: Flow) -> bool:
        return flow in self._open

    # Connections that peers open

    def accept(
        self, accepted: socket.socket, transport: str, context: ssl.SSLContext | None
    ) -> None:
        """Serve a new connection, unless its peer has too many: every cost of ours, a handshake
        above all, comes after that check."""
        try:
            host, _ = address_of(accepted.getpeername())
        except OSError:
            accepted.close()  # closed by the peer meanwhile
            return
        if self.admit(host):
            self._spawn(self._serve(accepted, host, transport, context))
        else:
            accepted.close()

    def admit(self, host: str) -> bool:
        """True if a peer may open one more connection; it counts until :meth:`closed`."""
        held = self._of_host.get(host, 0)
        full = held >= self._limits.connections_per_address and not self._keeper.unlimited(host)
        if full or self._accepted >= self._limits.connections:
            self.refused += 1
            return False
        self._count(host, 1)
        return True

    async def _serve(
        self, accepted: socket.socket, host: str, transport: str, context: ssl.SSLContext | None
    ) -> None:
        secure = context is not None
        try:
            _, connection = await self.loop.connect_accepted_socket(
                lambda: Connection(self, transport, self._framing(transport)),
                accepted,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if secure else None,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS if secure else None,
            )
        except OSError:
            self._count(host, -1)  # the handshake failed
        else:
            if connection.flow is None:
                self._count(host, -1)

    def _count(self, host: str, change: int) -> None:
        self._accepted += change
        held = self._of_host.get(host, 0) + change
        if held > 0:
            self._of_host[host] = held
        else:
            self._of_host.pop(host, None)

    def _framing(self, transport: str) -> Framing:
        if transport in ("ws", "wss"):
            return WebSocketFramer(MAX_MESSAGE_BYTES, self._origins)
        return StreamFramer(MAX_MESSAGE_BYTES)

    # What connections tell

    def opened(self, flow: Flow, connection: Connection) -> None:
        """Register an open connection; one of ours over TLS only if the peer's certificate is the
        right one (RFC 5922 section 7.4)."""
        if flow.secure and flow.name is not None and not shows(connection.names, flow.name):
            self.mistaken += 1
            connection.abort()
            return
        self._open[flow] = connection
        if self._sweeping is None:
            self._sweeping = self.loop.call_later(self._limits.sweep_seconds, self._sweep)

    def closed(self, flow: Flow, connection: Connection) -> None:
        """A connection is gone."""
        if flow.name is None:
            self._count(flow.remote[0], -1)
        if self._open.get(flow) is connection:
            del self._open[flow]
            self._keeper.flow_closed(flow)

    def arrived(self, message: bytes, flow: Flow, connection: Connection) -> None:
        """A message came by a connection."""
        self._keeper.arrived(message, flow)
        if self._keeper.congested:
            connection.pause()
            self._paused.append(connection)

    def resume(self) -> None:
        """Read again after a pause for overload."""
        paused, self._paused = self._paused, []
        for connection in paused:
            connection.resume()

    # Sending

    def send(self, message: bytes, flow: Flow) -> None:
        """Write a message; the connection is opened first if that is our part."""
        connection = self._open.get(flow)
        if connection is not None:
            connection.send(message)
        elif flow in self._waiting:
            if len(self._waiting[flow]) < MAX_WAITING:
                self._waiting[flow].append(message)
        elif not flow.can_reopen or self._is_held_off(flow):
            self.loop.call_soon(self._keeper.flow_closed, flow)
        else:
            self._waiting[flow] = [message]
            self._spawn(self._connect(flow))

    async def _connect(self, flow: Flow) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await self._dial(flow)
        except (OSError, TimeoutError):
            connection = None
        waiting = self._waiting.pop(flow, [])
        if connection is None:
            self._hold_off(flow)
            self._keeper.flow_closed(flow)
            return
        for message in waiting:
            connection.send(message)

    async def _dial(self, flow: Flow) -> Connection | None:
        """A new connection, once :meth:`opened` has accepted it."""
        context = None
        if flow.transport == "tls" and self._tls is not None:
            context = self._tls.client_context
        if flow.transport not in ("tcp", "tls") or (context is None) != (flow.transport == "tcp"):
            return None  # a WebSocket client can't be called
        _, made = await self.loop.create_connection(
            lambda: Connection(self, flow.transport, self._framing(flow.transport), flow=flow),
            *flow.remote,
            ssl=context,
            server_hostname=flow.name if context is not None else None,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if context is not None else None,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS if context is not None else None,
            local_addr=(flow.local[0], 0),
        )
        return made if self._open.get(flow) is made else None

    def _is_held_off(self, flow: Flow) -> bool:
        until = self._held_off.get(flow)
        if until is None:
            return False
        if until > self.loop.time():
            return True
        del self._held_off[flow]
        return False

    def _hold_off(self, flow: Flow) -> None:
        if len(self._held_off) >= MAX_HELD_OFF:
            self._held_off.clear()
        self._held_off[flow] = self.loop.time() + HOLD_OFF_SECONDS

    def identities(self, flow: Flow) -> frozenset[str]:
        """The names in the certificate of a peer; empty without one."""
        connection = self._open.get(flow.connection)
        return frozenset() if connection is None else connection.names

    # Ending

    def release(self, flow: Flow) -> None:
        """Close a peer's connection that is no longer needed (the phone has opened another)."""
        flow = flow.connection
        connection = self._open.get(flow)
        if connection is not None and flow.name is None and self._keeper.patience(flow) is None:
            connection.close()

    def _sweep(self) -> None:
        """Close connections that were silent for too long; probe those that may be silent."""
        now = self.loop.time()
        for flow, connection in list(self._open.items()):
            if connection.closing_at is not None:
                if now - connection.closing_at > CLOSE_SECONDS:
                    connection.abort()
            elif self._is_over(flow, connection, now):
                connection.close()
            elif now - connection.heard_at > PROBE_AFTER_SECONDS:
                connection.probe()
        self._sweeping = None
        if self._open:
            self._sweeping = self.loop.call_later(self._limits.sweep_seconds, self._sweep)

    def _is_over(self, flow: Flow, connection: Connection, now: float) -> bool:
        began = connection.began_at
        if began is not None and now - began > self._limits.first_message_seconds:
            return flow.name is None or connection.message_at is not None
        idle = self._limits.idle_seconds
        if now - (connection.message_at or connection.heard_at) <= idle:
            return False
        patience = self._keeper.patience(flow)
        return patience is None or now - connection.heard_at > patience

    async def close(self) -> None:
        """Close everything."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for task in self._tasks:
            task.cancel()
        for connection in list(self._open.values()):
            connection.close()
        await asyncio.sleep(0)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
