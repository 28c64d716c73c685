"""Matching messages to transactions, and running the tables (RFC 3261 section 17)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol, SupportsBytes

from msgspec import Struct

from sip.fields import write_request
from sip.flow import Address, Flow
from sip.message import Request, Response
from sip.timers import Timers
from sip.transaction import (
    CLIENT,
    FIXED_SECONDS,
    INVITE_CLIENT,
    INVITE_SERVER,
    RESPONSE_INPUTS,
    SERVER,
    T1,
    TIMEOUT,
    Action,
    Input,
    State,
    Table,
    duration,
)

_PLAIN_TOP_VIA = re.compile(
    rb"\r\nVia: SIP/2\.0/[A-Z]+ ([a-z0-9.\-]+)(?::([0-9]{1,5}))?;(?:rport;)?"
    rb"branch=(z9hG4bK[0-9A-Za-z.\-_]+)[;\r]"
)
"""As nearly all senders write it."""
_GIVE_UP = {Input.A: Input.B, Input.E: Input.F}
EARLY_SECONDS = 0.001
"""A sum of intervals may miss the time-out by so much."""
_RETRANSMIT = frozenset({Input.A, Input.E, Input.G})
UNANSWERED = (State.TRYING, State.PROCEEDING)
"""States of a server transaction in which no final response was sent."""

MAX_UDP_REQUEST_BYTES = 1_300
"""A bigger one is cut into fragments on its way, which many firewalls drop."""
UDP_ONLY_SECONDS = 600.0
MAX_UDP_ONLY = 1_000

Enlarge = Callable[[Flow], Flow | None]
Send = Callable[[bytes, Flow], None]
"""Writes a message by its flow, or queues it."""

Key = tuple[object, ...]

Arm = Callable[["Transaction", float], None]
Machine = dict[tuple[State, Input], tuple[State, tuple[Action, ...], tuple[Arm, ...]]]
"""A table of :mod:`sip.transaction` whose timers are functions that arm them."""


class ClientUser(Protocol):
    """The sender of a request, which takes its responses or its failure."""

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """A response has arrived, also each retransmitted 2xx to an INVITE."""

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        """No answer came: `status` is 408 after a time-out, 503 after a transport error,
        430 if the connection was the peer's, so that only the peer can open another."""


class ServerUser(Protocol):
    """The session that answers an INVITE."""

    def on_cancel(self, request: Request, now: float) -> None:
        """A CANCEL of the INVITE has arrived and been answered."""

    def on_ack(self, request: Request, now: float) -> None:
        """An ACK to its 2xx that names no dialog."""

    def on_unacknowledged(self, transaction: ServerTransaction, now: float) -> None:
        """A final response couldn't be delivered, or its ACK never came."""


class ClientTransaction(Struct, eq=False):
    """A request that we sent."""

    machine: Machine
    state: State
    key: Key
    request: Request
    flow: Flow
    message: bytes
    user: ClientUser | None
    gives_up_at: float
    """When timer B or F fires (monotonic seconds)."""
    repeats: int = 0
    fallback: Flow | None = None
    """The UDP flow for a request that was too large for UDP, if nothing answers by TCP (RFC 3261
    section 18.1.1)."""


class ServerTransaction(Struct, eq=False):
    """A request that we received."""

    machine: Machine
    state: State
    key: Key
    request: Request
    flow: Flow
    merge_key: Key | None = None
    message: SupportsBytes | None = None
    """The last response."""
    user: ServerUser | None = None
    repeats: int = 0

    @property
    def answered(self) -> bool:
        """True if a final response was sent."""
        return self.state not in UNANSWERED


Transaction = ClientTransaction | ServerTransaction


class TransactionLayer:
    """All transactions of a user agent.

    Args:
        send: how messages go out, see :meth:`Stack.write_by`.
        via: the topmost Via of a request of ours that goes by a flow.
    """

    enlarge: Enlarge | None = None
    """By which stream a big request may go to where a UDP flow leads; None: by none."""

    def __init__(
        self,
        send: Send,
        timers: Timers,
        via: Callable[[Flow, Request], bytes],
    ) -> None:
        self.send = send
        self._timers = timers
        self._clients: dict[Key, ClientTransaction] = {}
        self._servers: dict[Key, ServerTransaction] = {}
        self.server: Callable[[Key], ServerTransaction | None] = self._servers.get
        """The transaction of a request, by its key. An ACK has that of the INVITE with whose branch
        it came: after a 2xx the ACK is the session's (RFC 6026 section 7.1), otherwise
        :meth:`acknowledged` takes it."""
        self._answers: dict[Key, tuple[bytes, Flow]] = {}
        """Final responses to requests that were answered at once, as they are sent again."""
        self._merged: dict[Key, ServerTransaction] = {}
        self._on_connection: dict[Flow, set[Transaction]] = {}
        self._via = via
        self._udp_only: dict[Address, float] = {}
        """Peers that took no stream, and until when they aren't asked again."""
        self._sent: dict[tuple[bool, bool], tuple[Machine, State, Arm]] = {}
        """How a request of ours begins, by whether it is an INVITE and its transport reliable."""
        self._came: dict[tuple[bool, bool], tuple[Machine, State]] = {}
        """The same of a peer's request."""
        self._arm_answer = timers.armer(FIXED_SECONDS[Input.J], self._forget_answer)
        self._first_arms: dict[Input, Arm] = {}
        """Arm timers A and E for the first time."""
        for reliable in (False, True):
            arms = self._arms_of(reliable)
            self._begin(True, reliable, arms, INVITE_CLIENT, INVITE_SERVER)
            self._begin(False, reliable, arms, CLIENT, SERVER)

    def _begin(
        self, invite: bool, reliable: bool, arms: dict[Input, Arm], client: Table, server: Table
    ) -> None:
        # Over UDP the repetitions end with the time-out: mostly the first of them finds the request
        # answered, and a timer of 32 s would hold it for nothing.
        repeat, give_up = (Input.A, Input.B) if invite else (Input.E, Input.F)
        self._sent[invite, reliable] = (
            _machine(client, arms),
            State.CALLING if invite else State.TRYING,
            arms[give_up] if reliable else self._first_arms[repeat],
        )
        state = State.PROCEEDING if invite else State.TRYING
        self._came[invite, reliable] = _machine(server, arms), state

    # A step that asks each of its timers whether this transport needs it, and for how long, costs
    # more than all else that it does; so the tables are made ready for both kinds of transport.

    def _arms_of(self, reliable: bool) -> dict[Input, Arm]:
        """A function for each timer that a transport needs; one that lasts no time fires."""
        return {timer: arm for timer in Input if (arm := self._arming(timer, reliable)) is not None}

    def _arming(self, timer: Input, reliable: bool) -> Arm | None:
        def fire(transaction: Transaction, now: float) -> None:
            self._step(transaction, timer, now)

        if timer in _RETRANSMIT:
            return None if reliable else self._repeating(timer)
        if timer not in FIXED_SECONDS:
            return None
        seconds = duration(timer, State.COMPLETED, 0, reliable)
        return self._timers.armer(seconds, fire) if seconds else fire

    def _repeating(self, timer: Input) -> Arm:
        """Arms timer A, E or G; instead of one that would fire behind B or F, it waits for those in
        steps of T1. Mostly it finds the transaction in a state that knows it no more, nor B or
        F."""

        def has_ended(transaction: Transaction, now: float) -> bool:
            """True if B or F was due, and has fired."""
            if not isinstance(transaction, ClientTransaction):
                return False
            if now < transaction.gives_up_at - EARLY_SECONDS:
                return False
            self._step(transaction, _GIVE_UP[timer], now)
            return True

        def wait(transaction: Transaction, now: float) -> None:
            if (transaction.state, timer) not in transaction.machine:
                return
            if not has_ended(transaction, now):
                arm_wait(transaction, now)

        def fire(transaction: Transaction, now: float) -> None:
            if (transaction.state, timer) not in transaction.machine:
                return
            if not has_ended(transaction, now):
                self._step(transaction, timer, now)

        arm_first, arm_wait = self._timers.armer(T1, fire), self._timers.armer(T1, wait)
        self._first_arms[timer] = arm_first

        def arm(transaction: Transaction, now: float) -> None:
            if not transaction.repeats:
                arm_first(transaction, now)
                return
            seconds = duration(timer, transaction.state, transaction.repeats, False)
            assert seconds is not None
            if isinstance(transaction, ClientTransaction) and (
                now + seconds > transaction.gives_up_at + EARLY_SECONDS
            ):
                arm_wait(transaction, now)
            else:
                self._timers.arm(seconds, now, fire, transaction)

        return arm

    def __len__(self) -> int:
        return self.under_way + len(self._answers)

    @property
    def under_way(self) -> int:
        """Transactions that hold their requests, also while they only absorb retransmissions."""
        return len(self._clients) + len(self._servers)

    # Clients

    def send_request(
        self, request: Request, flow: Flow, user: ClientUser | None, now: float
    ) -> ClientTransaction:
        """Send a request whose topmost Via carries a branch of our own."""
        invite, reliable = request.method == "INVITE", flow.transport != "udp"
        machine, state, arm = self._sent[invite, reliable]
        key, message = (request.branch, request.method), request.raw
        ends_at = now + TIMEOUT
        transaction = ClientTransaction(machine, state, key, request, flow, message, user, ends_at)
        self._clients[key] = transaction
        if len(message) > MAX_UDP_REQUEST_BYTES and self.enlarge is not None:
            arm = self._enlarge(transaction, self.enlarge, now)
            message, flow = transaction.message, transaction.flow
            reliable = flow.transport != "udp"
        self.send(message, flow)
        if reliable:
            self._note_connection(transaction)
        arm(transaction, now)
        return transaction

    def _enlarge(self, transaction: ClientTransaction, enlarge: Enlarge, now: float) -> Arm:
        """Send a big request by a stream, if its peer may take it so (RFC 3261 section 18.1.1); the
        timer that it begins with."""
        udp = transaction.flow
        stream = enlarge(udp)
        if stream is None or self._udp_only.get(udp.remote, 0.0) > now:
            return self._sent[transaction.request.method == "INVITE", udp.reliable][2]
        transaction.fallback = udp
        return self._readdress(transaction, stream)

    def _fall_back(self, transaction: ClientTransaction, udp: Flow, now: float) -> None:
        """The TCP connection failed: send the request by UDP after all, and others for a while.
        Its time goes on."""
        if len(self._udp_only) >= MAX_UDP_ONLY:
            self._udp_only.clear()
        self._udp_only[udp.remote] = now + UDP_ONLY_SECONDS
        self._forget_connection(transaction)
        transaction.fallback = None
        arm = self._readdress(transaction, udp)
        self.send(transaction.message, udp)
        arm(transaction, now)

    def _readdress(self, transaction: ClientTransaction, flow: Flow) -> Arm:
        request = transaction.request
        request.send_by(self._via(flow, request))
        transaction.flow = flow
        transaction.message = bytes(request)
        invite = request.method == "INVITE"
        transaction.machine, _, arm = self._sent[invite, flow.reliable]
        return arm

    def receive_response(self, response: Response, now: float) -> bool:
        """Take a response; True if it belonged to a transaction (RFC 3261 section 17.1.3)."""
        transaction = self._clients.get(response.transaction_key)
        if transaction is None:
            return False
        step = transaction.machine.get((transaction.state, RESPONSE_INPUTS[response.status // 100]))
        if step is None:
            return True
        transaction.state, actions, arms = step
        user = transaction.user
        try:
            for action in actions:
                if action is Action.ACKNOWLEDGE:
                    ack = acknowledge(transaction.request, response)
                    self.send(ack, transaction.flow)
                elif user is not None:
                    user.on_response(transaction, response, now)
        finally:  # whatever the user does wrong, the transaction ends in its time
            for arm in arms:
                arm(transaction, now)
        return True

    # Servers

    def find_cancelled(self, request: Request) -> ServerTransaction | None:
        """The INVITE that a CANCEL refers to."""
        return self._servers.get(request.key_as("INVITE"))

    def may_know(self, data: bytes) -> bool:
        """True if a request that wasn't read yet may belong to a transaction: one has its branch,
        or its Via is written so that only a parser can read it."""
        second_line = data.find(b"\r\n")
        plain = _PLAIN_TOP_VIA.match(data, second_line) or _PLAIN_TOP_VIA.search(data, second_line)
        if plain is None:
            return True
        host, port, branch = (None if part is None else part.decode() for part in plain.groups())
        method = data[: data.find(b" ", 0, 16)].decode("latin-1")
        key = (branch, (host, None if port is None else int(port)), method)
        return key in self._servers or key in self._answers

    def repeats(self, request: Request, now: float) -> bool:
        """True if a request other than ACK was a retransmission, which is dealt with."""
        key = request.transaction_key
        if key in self._servers:
            self._step(self._servers[key], Input.REQUEST, now)
        elif key in self._answers:
            self.send(*self._answers[key])
        else:
            return False
        return True

    def acknowledged(self, invite: ServerTransaction, now: float) -> None:
        """Take the ACK to a final response other than a 2xx."""
        self._step(invite, Input.ACK, now)

    def is_merged(self, request: Request) -> bool:
        """True if the same request came by another path (RFC 3261 section 8.2.2.2), and wasn't
        refused there with 503: then a proxy may ask again, by another node."""
        other = self._merged.get((request.call_id, request.from_tag, request.cseq))
        return other is not None and not bytes(other.message or b"").startswith(b"SIP/2.0 503 ")

    def open_server(self, request: Request, flow: Flow) -> ServerTransaction:
        """Take a new request under a transaction; it is the caller's to respond."""
        invite, reliable = request.method == "INVITE", flow.transport != "udp"
        machine, state = self._came[invite, reliable]
        key = request.transaction_key
        self._servers[key] = transaction = ServerTransaction(machine, state, key, request, flow)
        if reliable:
            self._note_connection(transaction)
        if invite and request.to_tag is None:
            # The CSeq has the method, too.
            transaction.merge_key = merge_key = (request.call_id, request.from_tag, request.cseq)
            self._merged[merge_key] = transaction
        return transaction

    def answer(self, request: Request, flow: Flow, message: bytes, now: float) -> None:
        """Send the final response to a new request other than an INVITE, all of whose transaction
        passes by this: the table's Completed and its timer J need the octets and nothing else. The
        request itself would stay in memory for 32 s, which is most of what a registration takes."""
        self.send(message, flow)
        if flow.transport == "udp":  # a reliable transport repeats nothing: its J lasts no time
            key = request.transaction_key
            self._answers[key] = (message, flow)
            self._arm_answer(key, now)

    def _forget_answer(self, key: Key, now: float) -> None:
        self._answers.pop(key, None)

    def respond(
        self, transaction: ServerTransaction, status: int, message: bytes, now: float
    ) -> None:
        """Send a response, if the transaction's state still allows one."""
        step = transaction.machine.get((transaction.state, RESPONSE_INPUTS[status // 100]))
        if step is None:
            return
        transaction.state, _, arms = step
        transaction.message = message
        self.send(message, transaction.flow)
        for arm in arms:
            arm(transaction, now)

    # Both

    def abandon(self, transaction: ClientTransaction) -> None:
        """Expect no answer any more."""
        transaction.state = State.TERMINATED
        self._forget(transaction)

    def transport_failed(self, flow: Flow, now: float) -> None:
        """A connection broke, or a message couldn't be sent (RFC 3261 section 17.1.4)."""
        for transaction in self._on(flow):
            unheard = transaction.state in (State.CALLING, State.TRYING)
            if isinstance(transaction, ClientTransaction) and transaction.fallback and unheard:
                self._fall_back(transaction, transaction.fallback, now)
            else:
                self._step(transaction, Input.TRANSPORT_ERROR, now)
        if not flow.reliable:
            failed = [key for key, (_, way) in self._answers.items() if way.connection == flow]
            for key in failed:
                del self._answers[key]

    def _on(self, flow: Flow) -> list[Transaction]:
        """The transactions of a flow. Connections break often, and many at once, so that theirs are
        known; a datagram that can't be sent is rare."""
        if flow.reliable:
            return list(self._on_connection.get(flow, ()))
        return [
            transaction
            for transactions in (self._clients, self._servers)
            for transaction in transactions.values()
            if transaction.flow.connection == flow
        ]

    def _note_connection(self, transaction: Transaction) -> None:
        self._on_connection.setdefault(transaction.flow.connection, set()).add(transaction)

    def _step(self, transaction: Transaction, what: Input, now: float) -> None:
        """Take an input that brings no message along: a timer, a failure, a repeated request."""
        step = transaction.machine.get((transaction.state, what))
        if step is None:
            return
        if what in _RETRANSMIT:
            transaction.repeats += 1
        transaction.state, actions, arms = step
        try:
            for action in actions:
                if action is Action.REPEAT:
                    if transaction.message:
                        self.send(bytes(transaction.message), transaction.flow)
                elif isinstance(transaction, ServerTransaction):
                    if transaction.user is not None:
                        transaction.user.on_unacknowledged(transaction, now)
                elif transaction.user is not None:
                    transaction.user.on_failure(transaction, _failure(transaction, action), now)
        finally:
            for arm in arms:
                arm(transaction, now)
            if transaction.state is State.TERMINATED:
                self._forget(transaction)

    def _forget(self, transaction: Transaction) -> None:
        """Let go of it, and of its user, who refers back to it."""
        if transaction.flow.transport != "udp":
            self._forget_connection(transaction)
        if isinstance(transaction, ClientTransaction):
            self._clients.pop(transaction.key, None)
            transaction.message = b""
        else:
            self._servers.pop(transaction.key, None)
            if transaction.merge_key is not None:
                self._merged.pop(transaction.merge_key, None)
            transaction.message = None
        transaction.user = None

    def _forget_connection(self, transaction: Transaction) -> None:
        others = self._on_connection.get(transaction.flow.connection)
        if others is not None:
            others.discard(transaction)
            if not others:
                del self._on_connection[transaction.flow.connection]


def _machine(table: Table, arms: dict[Input, Arm]) -> Machine:
    return {
        place: (step.state, step.actions, tuple([arms[t] for t in step.timers if t in arms]))
        for place, step in table.items()
    }


def _failure(transaction: ClientTransaction, action: Action) -> int:
    """The status that stands for an answer which never came."""
    if action is Action.TIMED_OUT:
        return 408
    # 430: it may be reached by another flow (RFC 5626 section 5.3.1).
    return 503 if transaction.flow.can_reopen else 430


def acknowledge(invite: Request, response: Response) -> bytes:
    """The ACK to a non-2xx final response (RFC 3261 section 17.1.1.3)."""
    fields = [(b"Via", invite.get_all(b"via")[0]), (b"Max-Forwards", b"70")]
    fields += [(b"Route", value) for value in invite.get_all(b"route")]
    fields.append((b"From", invite.get(b"from") or b""))
    fields.append((b"To", response.get(b"to") or b""))
    fields.append((b"Call-ID", invite.get(b"call-id") or b""))
    fields.append((b"CSeq", b"%d ACK" % invite.cseq.number))
    return write_request("ACK", invite.raw_uri, fields)
