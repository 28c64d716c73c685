"""A user agent on real sockets: one loop that receives, expires, writes and tells.

The only place of this library that knows asyncio. UDP and TCP, IPv4 and IPv6.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from sip.errors import ParseError
from sip.events import Event
from sip.flow import Address, Flow
from sip.framing import StreamFramer
from sip.user_agent import UserAgent

RECEIVE_BUFFER_BYTES = 8 << 20
"""A burst of registrations after a power cut must not be lost while Python is busy."""
SO_RCVBUFFORCE = 33
"""Linux: beyond the system's limit, for a process that may (socket(7)); not in `socket`."""
MAX_CONNECTIONS = 2_000
IDLE_SECONDS = 240.0
"""A TCP connection that says nothing for so long is closed; keep-alives count (RFC 5626)."""
FIRST_MESSAGE_SECONDS = 30.0
"""A stranger's connection must bring a message within this time."""
CONNECT_SECONDS = 5.0
MAX_MESSAGE_BYTES = 65_535
MAX_UNSENT_BYTES = 1 << 20
"""A TCP peer that doesn't read loses its connection at this much."""


@dataclass(frozen=True, slots=True)
class Listen:
    """A socket to open: transport, host and port."""

    transport: str
    host: str
    port: int


class ListenError(OSError):
    """A listening socket can't be opened; the text names it and says why."""


class Endpoint:
    """Sockets and one timer around a :class:`UserAgent`.

    Args:
        on_event: called for each event, at once, before anything else is read.
        on_fault: called with an exception that a message provoked; the message is lost, nothing
            else is.
    """

    def __init__(
        self,
        agent: UserAgent,
        loop: asyncio.AbstractEventLoop,
        on_event: Callable[[Event], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        self._agent = agent
        self._loop = loop
        self._on_event = on_event
        self._on_fault = on_fault
        self._datagrams: dict[Address, asyncio.DatagramTransport] = {}
        self._streams: dict[tuple[Address, Address], _Stream] = {}
        self._servers: list[asyncio.Server] = []
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at = 0.0
        self._connecting: set[asyncio.Task[None]] = set()
        self.listening: list[Listen] = []

    # Sockets

    async def listen(self, wanted: Listen) -> None:
        """Open a socket.

        Raises:
            ListenError: the address is in use or isn't ours.
        """
        try:
            if wanted.transport == "udp":
                address = await self._listen_udp(wanted)
            else:
                address = await self._listen_tcp(wanted)
        except OSError as error:
            where = f"{wanted.transport}:{wanted.host}:{wanted.port}"
            raise ListenError(f"can't listen on {where}: {error.strerror or error}") from error
        self.listening.append(Listen(wanted.transport, *address))

    async def _listen_udp(self, wanted: Listen) -> Address:
        family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
                sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
            sock.bind((wanted.host, wanted.port))
        except OSError:
            sock.close()
            raise
        local: Address = sock.getsockname()[:2]
        transport, _ = await self._loop.create_datagram_endpoint(
            lambda: _Datagrams(self, local), sock=sock
        )
        # asyncio's own loop allocates this much for each datagram; uvloop ignores it.
        if hasattr(transport, "max_size"):
            transport.max_size = MAX_MESSAGE_BYTES
        self._datagrams[local] = transport
        return local

    async def _listen_tcp(self, wanted: Listen) -> Address:
        server = await self._loop.create_server(
            lambda: _Stream(self), wanted.host, wanted.port, reuse_address=True
        )
        self._servers.append(server)
        return cast(Address, server.sockets[0].getsockname()[:2])

    def attach(self, local: Address, transport: asyncio.DatagramTransport) -> None:
        """Use a datagram transport that somebody else opened, as a simulation does."""
        self._datagrams[local] = transport
        self.listening.append(Listen("udp", *local))

    async def close(self) -> None:
        """Close every socket."""
        if self._wake is not None:
            self._wake.cancel()
        for task in self._connecting:
            task.cancel()
        for server in self._servers:
            server.close()
        for stream in list(self._streams.values()):
            stream.close()
        for transport in self._datagrams.values():
            transport.close()
        await asyncio.sleep(0)

    # The loop

    def receive(self, data: bytes, flow: Flow) -> None:
        """A message arrived."""
        try:
            self._agent.receive(data, flow, self._loop.time())
        except Exception as error:  # one message's fault must not be another's
            self._agent.counters.faults += 1
            self._on_fault(error)
        self.drain()

    def drain(self) -> None:
        """Tell the events, write what is to be written, arm the timer; call after a command."""
        agent = self._agent
        while events := agent.events():
            for event in events:
                try:
                    self._on_event(event)
                except Exception as error:
                    agent.counters.faults += 1
                    self._on_fault(error)
        for message, flow in agent.to_send():
            self._send(message, flow)
        self._arm()

    def _arm(self) -> None:
        deadline = self._agent.next_deadline()
        if deadline is None or (self._wake is not None and self._wake_at <= deadline):
            return  # waking too early costs less than arming anew for each message
        if self._wake is not None:
            self._wake.cancel()
        self._wake_at = deadline
        self._wake = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._wake = None
        try:
            self._agent.expire(self._loop.time())
        except Exception as error:
            self._agent.counters.faults += 1
            self._on_fault(error)
        self.drain()

    def _send(self, message: bytes, flow: Flow) -> None:
        if flow.transport == "udp":
            transport = self._datagrams.get(flow.local)
            if transport is not None:
                transport.sendto(message, flow.remote)
            return
        stream = self._streams.get((flow.local, flow.remote))
        if stream is not None:
            stream.write(message)
        else:
            task = self._loop.create_task(self._connect(message, flow))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, message: bytes, flow: Flow) -> None:
        """Open the connection that a message needs; what else waits for it finds it open."""
        key = (flow.local, flow.remote)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._loop.create_connection(
                    lambda: _Stream(self, flow), flow.remote[0], flow.remote[1]
                )
            self._streams[key].write(message)
        except (OSError, TimeoutError):
            self.failed(flow)

    def failed(self, flow: Flow) -> None:
        """A flow is broken."""
        self._agent.transport_failed(flow, self._loop.time())
        self.drain()

    # For streams

    def opened(self, flow: Flow, stream: _Stream) -> bool:
        """Whether another connection may live."""
        if len(self._streams) >= MAX_CONNECTIONS:
            return False
        self._streams[(flow.local, flow.remote)] = stream
        return True

    def closed(self, flow: Flow, stream: _Stream) -> None:
        key = (flow.local, flow.remote)
        if self._streams.get(key) is stream:
            del self._streams[key]
            self.failed(flow)

    def later(self, seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_later(seconds, callback)


class _Datagrams(asyncio.DatagramProtocol):
    """A UDP socket."""

    def __init__(self, endpoint: Endpoint, local: Address) -> None:
        self._endpoint = endpoint
        self._local = local

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) > 4:  # CRLF and STUN keep-alives are shorter or no SIP (RFC 5626 4.4)
            self._endpoint.receive(data, Flow("udp", self._local, addr[:2]))

    def error_received(self, exc: Exception) -> None:
        """An ICMP error says nothing of which message it concerns; timers decide."""


class _Stream(asyncio.Protocol):
    """A TCP connection; `flow` is given for one that we open."""

    def __init__(self, endpoint: Endpoint, flow: Flow | None = None) -> None:
        self._endpoint = endpoint
        self._flow = flow
        self._framer = StreamFramer(MAX_MESSAGE_BYTES)
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._heard = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        limit = IDLE_SECONDS
        if self._flow is None:
            local = transport.get_extra_info("sockname")[:2]
            remote = transport.get_extra_info("peername")[:2]
            self._flow = Flow("tcp", local, remote)
            limit = FIRST_MESSAGE_SECONDS
        if not self._endpoint.opened(self._flow, self):
            self.close()
            return
        self._heard = False
        self._idle = self._endpoint.later(limit, self._check_idle)

    def _check_idle(self) -> None:
        if not self._heard:
            self.close()
            return
        self._heard = False
        self._idle = self._endpoint.later(IDLE_SECONDS, self._check_idle)

    def data_received(self, data: bytes) -> None:
        assert self._flow is not None
        self._heard = True
        try:
            for item in self._framer.feed(data):
                if isinstance(item, bytes):
                    self._endpoint.receive(item, self._flow)
                else:
                    self.write(b"\r\n")  # the pong of RFC 5626 section 4.4.1
        except ParseError:
            self.close()  # where the next message begins is no longer known

    def write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            transport.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if self._flow is not None:
            self._endpoint.closed(self._flow, self)
