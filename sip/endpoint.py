"""A user agent on real sockets: one loop that receives messages, runs timers, reports events and
writes.

UDP, TCP, TLS and WebSocket, IPv4 and IPv6. The sockets themselves are in :mod:`sip.transport`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from sip import stun
from sip.edges import Edges
from sip.events import Event
from sip.flow import SECURE, Address, Flow
from sip.guard import LIMITED, Guard
from sip.intake import Intake
from sip.precedence import Glance, KnowsNonce, Precedence
from sip.refusal import Refused
from sip.transport.connections import Connections
from sip.transport.listener import Listener
from sip.transport.settings import ConnectionLimits
from sip.transport.tls import Tls
from sip.transport.udp import DatagramSocket, bind_tcp, bind_udp
from sip.user_agent import UserAgent

TURN_SECONDS = 0.005
"""Reading of messages stops after this, so that timers, calls and other sockets have their turn."""
READ_AT_ONCE = 500
"""Datagrams taken out of the kernel before other work has its turn. Many: messages in our queue are
served by precedence and counted, messages in the kernel's buffer are neither."""
LATE_READS_PER_SECOND = 60_000
"""While messages are late anyway, reading takes a tenth of the time at most; the kernel drops what
its buffer can't hold, at no cost."""
LEAST_LATE_READS = 20
LAG_SECONDS = 0.25
"""Interval at which the event loop's own lateness is measured."""
LEAST_SLEEP_SECONDS = 0.01
"""Timers of many calls that are due within it are run together; none is so exact."""
_FIRST_LETTER = ord("A")
_SOCKET = slice(2)
"""The part of a flow that names our socket: transport and local address."""
RETRY_AFTER_SECONDS = (5, 30)
"""Bounds of Retry-After, drawn at random so that rejected peers do not come back together."""


@dataclass(frozen=True, slots=True)
class Listen:
    """A socket to open: transport, host and port."""

    transport: str
    host: str
    port: int


class ListenError(OSError):
    """A listening socket can't be opened; the text names the socket and the reason."""


class Datagrams(Protocol):
    """A socket that sends datagrams from one address."""

    def sendto(self, data: bytes, addr: Address, /) -> None:
        """Send one datagram; a failure is silent, as of a lost packet."""

    def close(self) -> None:
        """Close the socket."""


@dataclass(slots=True)
class Pressure:
    """Measures of overload, and the number of requests that were rejected for it."""

    lag_seconds: float = 0.0
    """The lower of the last two measurements of the loop's lateness."""
    turned_away: int = 0
    """Requests that were answered 503 because of overload."""


def _may_always(_host: str, _message: bytes, _now: float) -> bool:
    """True for every answer, where there is no guard."""
    return True


class Endpoint:
    """Sockets and one timer around a :class:`UserAgent`.

    Args:
        on_event: called for each event, at once, before anything else is read.
        on_fault: called with an exception that a message provoked; only that message is lost.
        on_closed: called with the flow of a connection that is gone.
        patience: the idle timeout, in seconds, of a connection that a registration or a dialog
            needs; None if it isn't needed.
        guard: protects against floods, scanners and guessers; None: every message is read.
        tls: needed to listen on, and to call by, "tls" and "wss".
        origins: web pages that may open a WebSocket; None: all.
        emergency: numbers whose calls go first under overload.
        busy_seconds: a new request gets 503 when it has waited longer than this.
        knows_nonce: see :class:`sip.precedence.Glance`.
        edges: trusted proxies, behind which phones have addresses of their own.
        on_refused: called for each request that gets 503 under overload; true for an INVITE.
    """

    def __init__(
        self,
        agent: UserAgent,
        loop: asyncio.AbstractEventLoop,
        on_event: Callable[[Event], None],
        on_fault: Callable[[Exception], None],
        *,
        on_closed: Callable[[Flow], None] | None = None,
        patience: Callable[[Flow], float | None] | None = None,
        guard: Guard | None = None,
        tls: Tls | None = None,
        limits: ConnectionLimits | None = None,
        origins: Iterable[str] | None = None,
        emergency: Iterable[str] = (),
        busy_seconds: float = 0.4,
        knows_nonce: KnowsNonce | None = None,
        on_refused: Callable[[bool], None] | None = None,
        edges: Edges | None = None,
    ) -> None:
        self._agent = agent
        self._stack = agent.stack
        self._untold, self._unsent = agent.untold, agent.stack.unsent
        agent.stack.write_by(self._write)
        self._loop, self._clock = loop, loop.time
        self._on_event = on_event
        self._on_fault = on_fault
        self._on_closed = on_closed
        self._patience = patience
        self._guard = guard
        self._may_answer = _may_always if guard is None else guard.may_answer
        free_until: dict[str, float] = {} if guard is None else guard.free_until
        self._free_until = free_until.get
        self._tls = tls
        self._busy_seconds = busy_seconds
        self._on_refused = on_refused
        self._edges = edges or Edges()
        self._datagrams: dict[Address, Datagrams] = {}
        self._senders: dict[object, Callable[[bytes, Address], None]] = {}
        """The same sockets as functions that send, by transport and local address."""
        self._listeners: list[Listener] = []
        self._wake: asyncio.TimerHandle | None = None
        self._timers = agent.stack.timers
        self._timers.on_sooner = self._wake_by
        if self._timers.next < math.inf:  # armed before there was an endpoint
            self._wake_by(self._timers.next)
        self._lag_timer: asyncio.TimerHandle | None = None
        self._late = 0.0
        self._turn_end: float | None = None
        self._ends_soon = False
        """True if the loop will end the turn."""
        self._read_at = 0.0
        self._refuser = agent.stack.refuser
        self._refused: Refused | None = None
        self.intake = Intake(Glance(emergency, knows_nonce, self._edges.trusts), busy_seconds)
        self.pressure = Pressure()
        self.connections = Connections(loop, self, limits or ConnectionLimits(), tls, origins)
        self.listening: list[Listen] = []

    # Sockets

    async def listen(self, wanted: Listen) -> None:
        """Open a socket.

        Raises:
            ListenError: the address is in use or isn't ours.
        """
        try:
            if wanted.transport == "udp":
                address = self._listen_udp(wanted)
            else:
                address = self._listen_stream(wanted)
        except OSError as error:
            where = f"{wanted.transport}:{wanted.host}:{wanted.port}"
            raise ListenError(f"can't listen on {where}: {error.strerror or error}") from error
        self.listening.append(Listen(wanted.transport, *address))
        if self._lag_timer is None:
            self._measure_lag(self._loop.time())

    def _listen_udp(self, wanted: Listen) -> Address:
        bound = bind_udp(wanted.host, wanted.port)
        opened = DatagramSocket(
            self._loop, bound, self.arrived, self.failed, self.begin_reading, self.end_reading
        )
        self._datagrams[opened.local] = opened
        self._senders["udp", opened.local] = opened.sendto
        return opened.local

    def _listen_stream(self, wanted: Listen) -> Address:
        context = None
        if wanted.transport in SECURE:
            if self._tls is None:
                raise OSError("there is no certificate")
            context = self._tls.server_context
        listener = Listener(
            self._loop,
            bind_tcp(wanted.host, wanted.port),
            lambda accepted: self.connections.accept(accepted, wanted.transport, context),
        )
        self._listeners.append(listener)
        return listener.local

    def attach(self, local: Address, transport: Datagrams) -> None:
        """Use a datagram transport that the caller opened, as a simulation does."""
        self._datagrams[local] = transport
        self._senders["udp", local] = transport.sendto
        self.listening.append(Listen("udp", *local))

    async def close(self) -> None:
        """Close every socket."""
        for timer in (self._wake, self._lag_timer):
            if timer is not None:
                timer.cancel()
        for listener in self._listeners:
            listener.close()
        await self.connections.close()
        for datagrams in self._datagrams.values():
            datagrams.close()

    # Received messages

    def arrived(self, data: bytes, flow: Flow) -> None:
        """Take a message from a socket: read it now, or queue it."""
        now = self._loop.time()
        if self._edges.exist:
            flow = self._edges.behind(data, flow)
        host = (flow.beyond or flow.remote)[0]
        guard = self._guard
        if guard is not None and not guard.admits(host, data, now, flow.transport != "udp"):
            return
        first = data[0]
        if first <= _FIRST_LETTER and self._is_served_unread(first, data, flow):
            return
        if self._refused is not None and self._is_refused(self._refused, data, now):
            self._refuse(data, flow)
            return
        if self._turn_end is None:  # of a connection, which knows no turns
            self._turn_end = now + TURN_SECONDS
            self._end_soon()
        if now >= self._turn_end or self.intake.size:
            if not self.intake.put(data, flow, now, host):
                self._refuse(data, flow)
        elif self.pressure.lag_seconds > self._busy_seconds:
            precedence = self.intake.precedence(data, host)
            if precedence > Precedence.EMERGENCY:
                self._refuse(data, flow)
            else:
                self.receive(data, flow, now)
        else:
            self.receive(data, flow, now)

    def _is_served_unread(self, first: int, data: bytes, flow: Flow) -> bool:
        """Answer a STUN request; True for one, and for the ACK to a refusal, which needs nothing
        done."""
        if first < _FIRST_LETTER and stun.is_stun(data):
            self._answer_stun(data, flow)
            return True
        return first == _FIRST_LETTER and self._refuser.acknowledges(data)

    def _is_refused(self, refused: Refused, data: bytes, now: float) -> bool:
        """True for the copy of a request that was refused lately."""
        if now >= refused.until:
            self._refused = None
            return False
        return refused.knows(data)

    def begin_reading(self) -> int:
        """Begin a turn; returns the number of datagrams to take out of a socket before other work
        has its turn."""
        now = self._loop.time()
        if self._turn_end is None:
            self._turn_end = now + TURN_SECONDS
        elapsed, self._read_at = now - self._read_at, now
        limit = self.intake.begin_turn(now)
        if limit is None:
            return READ_AT_ONCE
        affordable = max(LEAST_LATE_READS, int(elapsed * LATE_READS_PER_SECOND))
        return min(READ_AT_ONCE, limit, affordable)

    def end_reading(self) -> None:
        """End a turn that :meth:`begin_reading` began."""
        if self.intake.size:
            self._end_soon()
        elif not self._ends_soon:
            self._turn_end = None
            self._stack.turn_ended()

    def _end_soon(self) -> None:
        """End the turn when other work has had its own."""
        if not self._ends_soon:
            self._ends_soon = True
            self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        """Serve queued messages, now that other work has had its turn."""
        now = self._loop.time()
        self._turn_end, self._ends_soon = None, False
        self._stack.turn_ended()
        end = now + TURN_SECONDS
        while now < end:
            waiting = self.intake.take(now)
            if waiting is None:
                self.connections.resume()
                return
            if waiting.refused:
                self._refuse(waiting.data, waiting.flow)
            else:
                self.receive(waiting.data, waiting.flow)
            now = self._loop.time()
        self._turn_end = now
        self._end_soon()

    def _refuse(self, data: bytes, flow: Flow) -> None:
        """Reject a request for overload; one whose transaction is under way is read all the
        same."""
        first, last = RETRY_AFTER_SECONDS
        retry_after = first + self._agent.stack.pick(last - first + 1)
        refusal = None
        if not self._agent.stack.layer.may_know(data):
            self.pressure.turned_away += 1
            if self._refused is None:
                self._refused = Refused()
            self._refused.add(data, self._loop.time())
            if self._on_refused is not None:
                self._on_refused(data.startswith(b"INVITE "))
            refusal = self._refuser.refuse(data, flow.remote, retry_after)
        if refusal is None:
            self.receive(data, flow, retry_after=retry_after)
        else:
            self._write_unseen(refusal, flow)

    def _measure_lag(self, due: float) -> None:
        """Measure the lateness of the loop. One stall is no overload: the smaller of two
        measurements counts."""
        self._stack.turn_ended()  # there may be no turns, but calls that ring
        now = self._loop.time()
        late = now - due
        self.pressure.lag_seconds = min(late, self._late)
        self._late = late
        self._lag_timer = self._loop.call_at(
            now + LAG_SECONDS, self._measure_lag, now + LAG_SECONDS
        )

    def _answer_stun(self, data: bytes, flow: Flow) -> None:
        answer = stun.answer(data, flow.remote) if flow.transport == "udp" else None
        if answer is not None:
            self._write_unseen(answer, flow)

    # The loop

    def receive(
        self, data: bytes, flow: Flow, now: float | None = None, retry_after: int | None = None
    ) -> None:
        """Read a message. With `retry_after`, a request is rejected with 503 unless its transaction
        is under way."""
        if now is None:
            now = self._clock()
        self._stack.tap((now, False, flow, data))
        try:
            self._agent.receive(data, flow, now, retry_after)
        except Exception as error:  # the fault of one message must not affect others
            self._agent.counters.faults += 1
            self._on_fault(error)
        if self._untold or self._unsent:
            self.drain()

    def drain(self) -> None:
        """Report events and those that come of them, and write messages to connections; call after
        a command that may tell an event. Messages go out without it, those of connections in the
        loop's next round."""
        while self._untold:
            try:
                self._on_event(self._untold.popleft())
            except Exception as error:
                self._agent.counters.faults += 1
                self._on_fault(error)
        while self._unsent:
            message, flow = self._unsent.popleft()
            self._stack.tap((self._clock(), True, flow, message))
            self._send_elsewhere(message, flow)

    def _write(self, message: bytes, flow: Flow) -> None:
        """Send a datagram at once. A message of a connection waits for :meth:`drain`, which it has
        the loop call: a connection that turns out to be broken fails its transactions, which may be
        in the middle of a step."""
        send = self._senders.get(flow[_SOCKET])
        if send is None:
            if not self._unsent:
                self._loop.call_soon(self.drain)
            self._unsent.append((message, flow))
            return
        try:
            now = self._clock()
            self._stack.tap((now, True, flow, message))
            if (
                message[0] not in LIMITED
                or self._free_until((flow.beyond or flow.remote)[0], 0.0) > now
                or self._may_answer(flow.peer[0], message, now)
            ):
                send(message, flow.remote)
        except Exception as error:  # to its transaction the message is lost, as any may be
            self._agent.counters.faults += 1
            self._on_fault(error)

    def _send_elsewhere(self, message: bytes, flow: Flow) -> None:
        """Send a message by a connection, or by no socket of ours."""
        if flow.transport != "udp":
            self.connections.send(message, flow.connection)
        else:
            # A registration at a socket of another process, or of a connection that is closed.
            self._loop.call_soon(self.failed, flow)

    def _wake_by(self, deadline: float) -> None:
        if self._wake is not None:
            self._wake.cancel()
        self._wake = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        now = self._clock()
        self._wake = None
        try:
            self._timers.expire(now)
        except Exception as error:
            self._agent.counters.faults += 1
            self._on_fault(error)
        if self._timers.next < math.inf:
            deadline = max(self._timers.next, now + LEAST_SLEEP_SECONDS)
            self._wake = self._loop.call_at(deadline, self._expire)
        if self._untold or self._unsent:
            self.drain()

    def _write_unseen(self, message: bytes, flow: Flow) -> None:
        """Write a message of no transaction, which isn't shown to the tap."""
        send = self._senders.get(flow[_SOCKET])
        if flow.transport != "udp":
            self.connections.send(message, flow.connection)
        elif send is not None and self._may_answer(flow.peer[0], message, self._loop.time()):
            send(message, flow.remote)

    def failed(self, flow: Flow) -> None:
        """Report that a message could not be sent by a flow."""
        self._agent.transport_failed(flow.connection, self._loop.time())
        self.drain()

    # For connections

    @property
    def congested(self) -> bool:
        """True if connections should stop reading: too many messages wait."""
        return self.intake.congested

    def flow_closed(self, flow: Flow) -> None:
        """A connection is closed: its transactions fail."""
        if self._on_closed is not None:
            self._on_closed(flow)
        self.failed(flow)

    def patience(self, flow: Flow) -> float | None:
        """The idle timeout of a connection in seconds; None if it isn't needed."""
        return None if self._patience is None else self._patience(flow)

    def unlimited(self, host: str) -> bool:
        """True if an address may open as many connections as it likes."""
        return self._guard is not None and self._guard.is_exempt(host)
