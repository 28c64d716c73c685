"""An SMPP session, either side of it, as a machine without I/O.

All that changes a session's state stands in this file. Which requests a side takes depends on how
the session is bound (table 2-1 of 3.4); what :data:`_TAKES` doesn't list is answered with
ESME_RINVBNDSTS and changes nothing::

              bind_*                      unbind, or the connection ends
      OPEN ------------> BOUND_TX/RX/TRX ------------------------------> CLOSED

The contract is that of the other machines: :meth:`Session.receive`, :meth:`Session.expire`,
:meth:`Session.next_deadline`, :meth:`Session.to_send`, :meth:`Session.events`.

A request that a session sent and that isn't answered any more, since the timer ran out or the
connection ended, becomes :class:`Unanswered`: its outcome isn't known, and repeating it may send a
message twice. Only the user can decide that.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from msgspec import Struct

from smpp.bodies import Bind, BindResponse, Body, Empty, Pdu
from smpp.codes import GENERIC_NACK, RESPONSE, VERSION_3_4, Command, Status, Tag
from smpp.pdu import Framer, FramingError, PduError, decode, empty_response, encode

MAX_SEQUENCE = 0x7FFFFFFF
MAX_FAULTS = 10
"""PDUs that can't be read; a peer that sends so many is no SMPP peer, and its session ends."""


class State(Enum):
    """States of section 2.2 of 3.4. An outbind leaves a session open until the ESME binds."""

    OPEN = "open"
    BOUND_TX = "bound_tx"
    BOUND_RX = "bound_rx"
    BOUND_TRX = "bound_trx"
    CLOSED = "closed"


BOUND = frozenset({State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX})
_BINDS = {
    Command.BIND_TRANSMITTER: State.BOUND_TX,
    Command.BIND_RECEIVER: State.BOUND_RX,
    Command.BIND_TRANSCEIVER: State.BOUND_TRX,
}


class Side(Enum):
    """Which side of the session this is."""

    ESME = "esme"
    """The one that binds: a business, or we towards a carrier."""
    CENTRE = "centre"
    """The one that is bound to: a message centre."""


_LINK = frozenset({Command.ENQUIRE_LINK, Command.UNBIND})
_SENDING = _LINK | {
    Command.SUBMIT_SM,
    Command.SUBMIT_MULTI,
    Command.DATA_SM,
    Command.QUERY_SM,
    Command.CANCEL_SM,
    Command.REPLACE_SM,
}
_RECEIVING = _LINK | {Command.DELIVER_SM, Command.DATA_SM, Command.ALERT_NOTIFICATION}
_TAKES: dict[tuple[Side, State], frozenset[Command]] = {
    (Side.CENTRE, State.OPEN): frozenset({*_BINDS, Command.ENQUIRE_LINK}),
    (Side.CENTRE, State.BOUND_TX): _SENDING,
    (Side.CENTRE, State.BOUND_RX): _LINK | {Command.DATA_SM},
    (Side.CENTRE, State.BOUND_TRX): _SENDING,
    (Side.ESME, State.OPEN): frozenset({Command.OUTBIND, Command.ENQUIRE_LINK}),
    (Side.ESME, State.BOUND_TX): _LINK | {Command.DATA_SM},
    (Side.ESME, State.BOUND_RX): _RECEIVING,
    (Side.ESME, State.BOUND_TRX): _RECEIVING,
}
"""The requests that a side takes in each state."""
_UNANSWERED = frozenset({Command.OUTBIND, Command.ALERT_NOTIFICATION})
"""Requests to which there is no response."""


class Timers(Struct, frozen=True):
    """Timers of a session, seconds (section 2.9 of 3.4)."""

    bind_seconds: float = 10.0
    """session_init_timer: from the connection to the bind."""
    enquire_seconds: float = 30.0
    """enquire_link_timer: silence after which the peer is asked whether it is there."""
    response_seconds: float = 60.0
    """response_timer: how long an answer may take."""
    link_seconds: float = 10.0
    """The timeout of the answer to enquire_link, after which the connection is dead."""


class BindRequested(Struct, frozen=True):
    """An ESME wants to bind: answer with :meth:`Session.accept` or :meth:`Session.refuse`."""

    sequence: int
    command: Command
    bind: Bind


class Bound(Struct, frozen=True):
    """Our bind was accepted."""

    state: State
    system_id: str
    version: int


class BindRefused(Struct, frozen=True):
    """Our bind was refused; the session is closed."""

    status: int


class Requested(Struct, frozen=True):
    """The peer asks for something that the user answers with :meth:`Session.respond`."""

    sequence: int
    command: Command
    body: Body


class Answered(Struct, frozen=True):
    """A request of ours has its response."""

    token: object
    status: int
    body: Body


class Unanswered(Struct, frozen=True):
    """A request of ours has no response, and won't get one: its outcome is unknown."""

    token: object


class Closed(Struct, frozen=True):
    """The session is over; the connection is to be ended when everything is written."""

    reason: str


Event = BindRequested | Bound | BindRefused | Requested | Answered | Unanswered | Closed


class SessionError(Exception):
    """A command that the session's state or window forbids."""


class _Waiting(Struct):
    """A request of ours that waits for its response."""

    command: Command
    token: object
    deadline: float


class Session:
    """One connection's session.

    Args:
        side: which side this is.
        now: seconds on the clock that every later `now` is read from.
        window: requests of ours that may wait for their responses at once.
        max_pending: requests of the peer that may wait for ours; more are answered ESME_RTHROTTLED.
        timers: seconds.
    """

    def __init__(
        self,
        side: Side,
        now: float,
        *,
        window: int = 10,
        max_pending: int = 100,
        timers: Timers | None = None,
    ) -> None:
        self.side = side
        self.state = State.OPEN
        self.version = VERSION_3_4
        """The lower of both sides' interface_version, once bound."""
        self._timers = timers or Timers()
        self._window = window
        self._max_pending = max_pending
        self._framer = Framer()
        self._waiting: dict[int, _Waiting] = {}
        self._pending: dict[int, Command] = {}
        self._sequence = 0
        self._faults = 0
        self._heard_at = now
        self._bind_deadline: float | None = now + self._timers.bind_seconds
        self._out: list[bytes] = []
        self._events: deque[Event] = deque()

    # What the user asks and commands.

    @property
    def room(self) -> int:
        """The number of requests that may be sent now."""
        if self.state not in BOUND:
            return 0
        return self._window - len(self._waiting)

    @property
    def waiting(self) -> int:
        """Requests of ours, of the link itself aside, that aren't answered yet."""
        return sum(one.command not in _LINK for one in self._waiting.values())

    @property
    def pending(self) -> int:
        """Requests of the peer that the user hasn't answered yet."""
        return len(self._pending)

    def bind(self, command: Command, bind: Bind, now: float) -> None:
        """Bind to the message centre. Raises SessionError unless the session is open."""
        if self.side is not Side.ESME or self.state is not State.OPEN or self._waiting:
            raise SessionError(f"a session that is {self.state.value} doesn't bind")
        self._send(command, bind, bind, now, self._timers.response_seconds)

    def request(self, command: Command, body: Body, token: object, now: float) -> None:
        """Send a request; its :class:`Answered` or :class:`Unanswered` carries the token.

        Raises:
            SessionError: the session isn't bound for it, or the window is full.
            ValueError: a field doesn't fit (see :func:`smpp.pdu.encode`).
        """
        other = Side.CENTRE if self.side is Side.ESME else Side.ESME
        if self.state not in BOUND or command not in _TAKES[other, self.state]:
            raise SessionError(f"{command.name.lower()} can't be sent: it is {self.state.value}")
        if self.room <= 0 and command not in _LINK:
            raise SessionError("the window is full")
        self._send(command, body, token, now, self._timers.response_seconds)

    def accept(self, asked: BindRequested, system_id: str) -> None:
        """Accept an ESME's bind; that of a session which has closed meanwhile is passed over."""
        if self.state is not State.OPEN:
            return
        self.state = _BINDS[asked.command]
        self.version = min(asked.bind.interface_version, VERSION_3_4)
        tlvs = ((int(Tag.SC_INTERFACE_VERSION), bytes((VERSION_3_4,))),)
        # An ESME of version 3.3 knows no optional parameters (section 3.4 of 3.4).
        body = BindResponse(system_id, tlvs if self.version >= VERSION_3_4 else ())
        self._answer(asked.sequence, asked.command, body, Status.OK)

    def refuse(self, asked: BindRequested, status: Status) -> None:
        """Refuse an ESME's bind, and close the session."""
        if self.state is not State.OPEN:
            return
        self._answer(asked.sequence, asked.command, BindResponse(), status)
        self._close(f"bind refused: {status.name.lower()}")

    def respond(self, sequence: int, body: Body | None = None, status: int = Status.OK) -> None:
        """Answer a request of the peer; `body` None: that of a refusal.

        A request of a session that has closed meanwhile, or that was answered already, is passed
        over.
        """
        command = self._pending.get(sequence)
        if command is not None and self.state is not State.CLOSED:
            self._answer(sequence, command, body or empty_response(command), status)

    def unbind(self, now: float) -> None:
        """End the session in order: it closes when the peer agrees, or doesn't in time."""
        if self.state in BOUND:
            self._send(Command.UNBIND, Empty(), None, now, self._timers.link_seconds)
        else:
            self._close("not bound")

    def lost(self) -> None:
        """Tell the session that its connection has ended."""
        self._close("the connection ended")

    # The contract of the machines.

    def receive(self, data: bytes, now: float) -> None:
        """Take octets of the connection."""
        if self.state is State.CLOSED:
            return
        self._heard_at = now
        try:
            pdus = self._framer.feed(data)
        except FramingError as error:
            self._out.append(encode(Pdu(GENERIC_NACK, 0, Empty(), Status.INVALID_COMMAND_LENGTH)))
            self._close(str(error))
            return
        for octets in pdus:
            self._take_octets(octets, now)

    def expire(self, now: float) -> None:
        """Do what is due."""
        if self.state is State.CLOSED:
            return
        if self._bind_deadline is not None and now >= self._bind_deadline:
            self._close("no bind in time")
            return
        for sequence, waiting in list(self._waiting.items()):
            if now < waiting.deadline:
                continue
            if waiting.command in _LINK or waiting.command in _BINDS:
                self._close(f"no answer to {waiting.command.name.lower()}")
                return
            del self._waiting[sequence]
            self._events.append(Unanswered(waiting.token))
        if self._enquires and now >= self._heard_at + self._timers.enquire_seconds:
            self._send(Command.ENQUIRE_LINK, Empty(), None, now, self._timers.link_seconds)

    def next_deadline(self) -> float | None:
        """When :meth:`expire` has something to do."""
        if self.state is State.CLOSED:
            return None
        deadlines = [waiting.deadline for waiting in self._waiting.values()]
        if self._bind_deadline is not None:
            deadlines.append(self._bind_deadline)
        if self._enquires:
            deadlines.append(self._heard_at + self._timers.enquire_seconds)
        return min(deadlines, default=None)

    def to_send(self) -> bytes:
        """Octets for the connection to write."""
        out, self._out = b"".join(self._out), []
        return out

    def events(self) -> list[Event]:
        """The events for the user."""
        events = list(self._events)
        self._events.clear()
        return events

    # What stands behind it.

    @property
    def _enquires(self) -> bool:
        """True if silence is to be broken by an enquire_link, of which one at a time is out."""
        asked = any(one.command is Command.ENQUIRE_LINK for one in self._waiting.values())
        return self.state in BOUND and not asked

    def _send(
        self, command: Command, body: Body, token: object, now: float, patience_seconds: float
    ) -> None:
        sequence = self._next_sequence()
        self._out.append(encode(Pdu(command, sequence, body)))
        if command not in _UNANSWERED:
            self._waiting[sequence] = _Waiting(command, token, now + patience_seconds)

    def _next_sequence(self) -> int:
        while True:
            self._sequence = self._sequence % MAX_SEQUENCE + 1
            if self._sequence not in self._waiting:
                return self._sequence

    def _answer(self, sequence: int, command: int, body: Body, status: int) -> None:
        self._pending.pop(sequence, None)
        self._out.append(encode(Pdu(command | RESPONSE, sequence, body, status)))

    def _refuse(self, pdu: Pdu, status: Status) -> None:
        if pdu.command in _UNANSWERED:
            answer = Pdu(GENERIC_NACK, pdu.sequence, Empty(), status)
        else:
            body = empty_response(pdu.command)
            answer = Pdu(pdu.command | RESPONSE, pdu.sequence, body, status)
        self._out.append(encode(answer))

    def _take_octets(self, octets: bytes, now: float) -> None:
        if self.state is State.CLOSED:
            return
        try:
            self._take(decode(octets), now)
        except PduError as error:
            self._take_fault(error)

    def _take(self, pdu: Pdu, now: float) -> None:
        if pdu.is_response:
            self._take_response(pdu)
            return
        command = Command(pdu.command)
        binding = any(pending in _BINDS for pending in self._pending.values())
        if command not in _TAKES[self.side, self.state] or (binding and command in _BINDS):
            bound_again = command in _BINDS and (self.state in BOUND or binding)
            wrong = Status.ALREADY_BOUND if bound_again else Status.INVALID_BIND_STATUS
            self._refuse(pdu, wrong)
        elif command is Command.ENQUIRE_LINK:
            self._answer(pdu.sequence, command, Empty(), Status.OK)
        elif command is Command.UNBIND:
            self._answer(pdu.sequence, command, Empty(), Status.OK)
            self._close("the peer unbound")
        elif len(self._pending) >= self._max_pending or pdu.sequence in self._pending:
            self._refuse(pdu, Status.THROTTLED)
        else:
            self._hand_up(pdu, command)

    def _hand_up(self, pdu: Pdu, command: Command) -> None:
        """Give a request to the user."""
        if isinstance(pdu.body, Bind):
            self._bind_deadline = None
            self._pending[pdu.sequence] = command
            self._events.append(BindRequested(pdu.sequence, command, pdu.body))
            return
        if command not in _UNANSWERED:
            self._pending[pdu.sequence] = command
        self._events.append(Requested(pdu.sequence, command, pdu.body))

    def _take_response(self, pdu: Pdu) -> None:
        waiting = self._waiting.get(pdu.sequence)
        if waiting is None or pdu.command not in (waiting.command | RESPONSE, GENERIC_NACK):
            # Of a request given up, or of none: late answers are normal.
            return
        del self._waiting[pdu.sequence]
        if waiting.command in _BINDS:
            self._take_bind_response(waiting.command, pdu)
        elif waiting.command is Command.UNBIND:
            self._close("unbound")
        elif waiting.command is not Command.ENQUIRE_LINK:
            # A generic_nack never means that a message was taken, whatever its status.
            nack = pdu.command == GENERIC_NACK
            status = pdu.status or (Status.UNKNOWN_ERROR if nack else Status.OK)
            self._events.append(Answered(waiting.token, status, pdu.body))

    def _take_bind_response(self, command: Command, pdu: Pdu) -> None:
        if pdu.status or not isinstance(pdu.body, BindResponse):
            self._events.append(BindRefused(pdu.status))
            self._close(f"bind refused: {pdu.status:#x}")
            return
        self._bind_deadline = None
        self.state = _BINDS[command]
        version = dict(pdu.body.tlvs).get(Tag.SC_INTERFACE_VERSION, b"")
        self.version = min(version[0], VERSION_3_4) if version else VERSION_3_4
        self._events.append(Bound(self.state, pdu.body.system_id, self.version))

    def _take_fault(self, error: PduError) -> None:
        """A PDU that can't be read: a request is refused, a response leaves its request open."""
        self._faults += 1
        if error.status is Status.INVALID_COMMAND_ID:
            self._out.append(encode(Pdu(GENERIC_NACK, error.sequence, Empty(), error.status)))
        elif error.command < RESPONSE:
            self._refuse(Pdu(error.command, error.sequence), error.status)
        else:
            waiting = self._waiting.pop(error.sequence, None)
            if waiting is not None and waiting.command in (*_BINDS, Command.UNBIND):
                self._close("the answer to a bind can't be read")
            elif waiting is not None and waiting.command is not Command.ENQUIRE_LINK:
                self._events.append(Unanswered(waiting.token))
        if self._faults >= MAX_FAULTS:
            self._close("too many PDUs that can't be read")

    def _close(self, reason: str) -> None:
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        self._pending.clear()
        for waiting in self._waiting.values():
            if waiting.command not in _LINK and waiting.command not in _BINDS:
                self._events.append(Unanswered(waiting.token))
        self._waiting.clear()
        self._events.append(Closed(reason))
