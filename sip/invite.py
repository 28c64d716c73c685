"""One INVITE of a session, sent or received, initial or re-INVITE (RFC 3261 sections 13, 14).

What these two know and the session doesn't: the copies of a 2xx and of its ACK, CANCEL and its
races, and the answer to a challenge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from msgspec import Struct

from sip import digest
from sip.credentials import Credentials
from sip.dialog import Dialog
from sip.fields import AGAIN, Fields, lines_of, status_line
from sip.flow import Flow
from sip.message import Request, Response
from sip.reliable import ReliableReceiver, ReliableSender, Supported
from sip.session_timer import Agreement, longer_interval
from sip.stack import Stack, WrittenResponse
from sip.transaction import T1, T2, TIMEOUT
from sip.transaction_layer import EARLY_SECONDS, UNANSWERED, ClientTransaction, ServerTransaction

MAX_ATTEMPTS = 2
"""A peer that challenges for ever, or always wants a longer session interval, gets this many
answers and no more."""
_ANSWERED = Request.started("INVITE", b"")
"""Stands in a transaction for an INVITE whose 2xx is acknowledged: copies of the 2xx need no
request, whose octets would stay in memory for 32 s (timer M)."""


T = TypeVar("T")


class OutgoingUser(Protocol):
    """The session, as an INVITE that it sent sees it."""

    stack: Stack
    dialog: Dialog
    credentials: Credentials | None

    def invite_progress(self, response: Response, now: float) -> None:
        """A provisional response above 100 has arrived."""

    def invite_answered(self, invite: OutgoingInvite, response: Response, now: float) -> None:
        """The first 2xx has arrived."""

    def invite_refused(self, status: int, response: Response | None, now: float) -> None:
        """The INVITE has failed; `response` is None after a timeout or a transport error."""


class OutgoingInvite(Struct, eq=False):
    """An INVITE that we sent, until 64*T1 after its 2xx or its failure."""

    _session: OutgoingUser
    _request: Request | None
    """The INVITE as it was sent last; None once its 2xx is acknowledged."""
    offer: bytes
    """The SDP that it carries; b"" if it carries none."""
    _credentials: Credentials | None
    _number: int = 0
    _authorization: Fields = ()
    """The credentials in it."""
    _attempts: int = 0
    _transaction: ClientTransaction | None = None
    _provisional: bool = False
    _reliable: ReliableReceiver | None = None
    _cancel_wanted: bool = False
    _cancel_fields: Fields = ()
    _cancelled: bool = False
    _ack: tuple[bytes, Flow] | None = None
    answered_tag: str | None = None
    over: bool = False
    """A final response came, or none will."""

    def send(self, now: float) -> None:
        """Send the INVITE, or send it again with credentials or a longer session interval."""
        assert self._request is not None
        stack, dialog = self._session.stack, self._session.dialog
        self._number = dialog.local_cseq
        self._transaction = stack.layer.send_request(self._request, dialog.flow, self, now)

    # What the transaction says

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take a response of the transaction: progress, success, failure or a challenge."""
        status = response.status
        if status < 200:
            if not self._provisional:
                self._provisional = True
                if self._request is not None:  # it isn't repeated any more (17.1.1.2)
                    transaction.message = b""
                    self._request.shorten()
            if self._cancel_wanted:
                self.cancel(now)
            elif (
                status > 100
                and not self.over
                and (b"rseq" not in response.values or self._is_news(response))
            ):
                self._session.invite_progress(response, now)
        elif status < 300:
            self._on_success(response, now)
        elif not self.over and not self._tries_again(response, now):
            self.over = True
            self._session.invite_refused(status, response, now)

    def _is_news(self, response: Response) -> bool:
        """True unless a reliable response was handled already."""
        if self._reliable is None:
            self._reliable = ReliableReceiver()
        return self._reliable.is_news(response)

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        """Take the end of the transaction without a response: 408 or 503."""
        if not self.over:
            self.over = True
            self._session.invite_refused(status, None, now)

    def _on_success(self, response: Response, now: float) -> None:
        if self.answered_tag is not None and response.to_tag == self.answered_tag:
            if self._ack is not None:  # the ACK was lost (13.2.2.4)
                self._session.stack.send(*self._ack)
        elif self.over or self._cancel_wanted:
            self._refuse_late_success(response, now)
        else:
            self.over = True
            self.answered_tag = response.to_tag
            self._session.invite_answered(self, response, now)

    def _refuse_late_success(self, response: Response, now: float) -> None:
        """A second fork answered, or the 200 crossed our CANCEL: ACK it, then BYE it.

        Both go out together, so that no answered leg is ever left unacknowledged.
        """
        first = self.answered_tag is None
        stack = self._session.stack
        dialog = self._session.dialog.fork()
        dialog.confirm(response)
        stack.send(*self._build_ack(dialog, b""))
        stack.send_bye(dialog, self._session.credentials, (), now)
        if first and not self.over:
            self.over = True
            self._session.invite_refused(487, None, now)

    def _tries_again(self, response: Response, now: float) -> bool:
        """Answer a challenge, or ask for a longer session interval; not for ever."""
        if self._request is None or self._cancel_wanted or self._attempts >= MAX_ATTEMPTS:
            return False
        stack = self._session.stack
        changed: Fields | None = None
        if response.status in (401, 407) and self._credentials is not None:
            cnonce = stack.token()
            field = self._credentials.answer(self._request, response, cnonce=cnonce)
            if field is not None:
                changed = (field,)
                others = [other for other in self._authorization if other[0] != field[0]]
                self._authorization = (*others, field)
                self._session.credentials = replace(
                    self._credentials, realm=digest.realm_of(field[1])
                )
        elif response.status == 422:
            changed = longer_interval(response)
        if changed is None:
            return False
        self._attempts += 1
        self._request = stack.next_attempt(self._session.dialog, self._request, changed)
        self._provisional = False
        self.send(now)
        return True

    @property
    def heard(self) -> bool:
        """True if any response has come to the last attempt, 100 included."""
        return self._provisional or self.over

    @property
    def awaits_acknowledgement(self) -> bool:
        """True if a 2xx that carried an offer has not been acknowledged yet."""
        return self.answered_tag is not None and self._ack is None

    # What the session asks

    def acknowledge(self, body: bytes, now: float) -> None:
        """ACK the 2xx, with the answer if the 2xx carried the offer."""
        self._ack = self._build_ack(self._session.dialog, body)
        self._session.stack.send(*self._ack)
        if self._transaction is not None:
            self._transaction.request, self._transaction.message = _ANSWERED, b""
        self._request = self._transaction = None  # a call that lasts keeps no message

    def expire(self, now: float) -> None:
        """The session is over: wait no longer than 64*T1 for the answer to a re-INVITE."""
        if not self.over:
            self._session.stack.timers.arm(TIMEOUT, now, _never_finished, self)

    def _build_ack(self, dialog: Dialog, body: bytes) -> tuple[bytes, Flow]:
        stack = self._session.stack
        flow = stack.next_flow(dialog)
        fields = self._authorization  # as the INVITE's (RFC 3261 section 22.1)
        if body:
            fields = (*fields, (b"Content-Type", b"application/sdp"))
        via = stack.via(flow)
        return dialog.write("ACK", self._number, via, 70, lines_of(fields), body), flow

    def cancel(self, now: float, extra: Fields = ()) -> None:
        """Give up; a CANCEL may only follow a provisional response (RFC 3261 section 9.1)."""
        self._cancel_wanted = True
        self._cancel_fields += extra
        request = self._request
        if request is None or self.over or self._cancelled or not self._provisional:
            return
        self._cancelled = True
        stack = self._session.stack
        fields = [(b"Via", request.get_all(b"via")[0]), (b"Max-Forwards", b"70")]
        fields += [(b"Route", value) for value in request.get_all(b"route")]
        for name, key in ((b"From", b"from"), (b"To", b"to"), (b"Call-ID", b"call-id")):
            fields.append((name, request.get(key) or b""))
        fields.append((b"CSeq", b"%d CANCEL" % request.cseq.number))
        fields += self._cancel_fields
        cancel = Request.build("CANCEL", request.raw_uri, fields)
        flow = self._session.dialog.flow
        if self._transaction is not None:
            flow = self._transaction.flow  # where the INVITE went
        stack.layer.send_request(cancel, flow, None, now)
        stack.timers.arm(TIMEOUT, now, _never_finished, self)


def _never_finished(invite: OutgoingInvite, now: float) -> None:
    """No final response 64*T1 after CANCEL: the INVITE is held to be cancelled (9.1)."""
    if not invite.over and invite._transaction is not None:
        invite._session.stack.layer.abandon(invite._transaction)
        invite.on_failure(invite._transaction, 487, now)


class IncomingUser(Protocol):
    """The session, as an INVITE that it received sees it."""

    stack: Stack

    def invite_cancelled_late(self, request: Request, now: float) -> None:
        """A CANCEL crossed our 2xx to the first INVITE."""
        ...

    def invite_cancelled(self, request: Request, now: float) -> None:
        """The peer has cancelled the INVITE, which is now to be answered with 487."""

    def invite_acknowledged(self, request: Request, now: float) -> None:
        """The ACK to our 2xx has arrived."""

    def invite_unacknowledged(self, now: float) -> None:
        """No ACK to our 2xx has arrived within 64*T1."""

    def invite_unheard(self, now: float) -> None:
        """No PRACK to our reliable provisional response has arrived within 64*T1."""


class IncomingInvite(Struct, eq=False):
    """An INVITE that we received, until its ACK."""

    _session: IncomingUser | None
    transaction: ServerTransaction
    offer: bytes
    """The SDP that it carries; b"" if it carries none."""
    requires: bool
    """True if it has a Require, which may ask for reliable provisional responses."""
    agreement: Agreement | None
    """The session interval that its 2xx will agree on; None without session timers."""
    _copied: bytes = b""
    """The lines that all responses copy; empty until one with our tag has been written."""
    _routes: bytes = b""
    """Those that only some copy, see :meth:`Request.copied_lines`."""
    _told: int = 0
    """The status of the last response by :meth:`tell`."""
    _told_lines: bytes = b""
    _interval: float = T1
    _gives_up_at: float = 0.0
    """When our 2xx is repeated no more (monotonic seconds)."""
    _success: WrittenResponse | None = None
    _supported: Supported | None = None
    _reliable: ReliableSender | None = None

    @property
    def request(self) -> Request:
        """The INVITE itself."""
        return self.transaction.request

    @property
    def answered(self) -> bool:
        """True if a final response was sent."""
        return self.transaction.answered

    @property
    def open(self) -> bool:
        """True while the INVITE may be answered."""
        return self._success is None and self.transaction.state in UNANSWERED

    @property
    def initial(self) -> bool:
        """True if the INVITE began the session; False for a re-INVITE."""
        return self.request.to_tag is None

    @property
    def waiting_for_ack(self) -> bool:
        """True if a 2xx was sent, or waits for a PRACK, and has not been acknowledged."""
        return self._success is not None

    def write_response(
        self, status: int, reason: str | None, to_tag: str, lines: bytes, body: bytes
    ) -> bytes:
        """The octets of a response with our tag, as :meth:`Request.write_response`.

        The first one takes all that the others need out of the request's index, which is then
        forgotten, for it takes more memory than the octets: a call may ring for minutes. Who asks
        for a field afterwards has them indexed anew.
        """
        every = self._copied
        if not every:
            request = self.transaction.request
            every, self._routes = request.copied_lines(to_tag)
            self._copied = every
            if request.proven:
                del request.values
        if self._routes and status < 300:
            every += self._routes
        return AGAIN % (status_line(status, reason), every, lines, len(body), body)

    def tell(self, status: int, to_tag: str, lines: bytes, now: float) -> None:
        """Send a provisional response without a body while the INVITE is open. Its octets aren't
        kept: a caller that has heard of it hardly ever repeats the INVITE, though it may ring for
        minutes. If it does, :meth:`__bytes__` makes them again."""
        if self._session is None:
            return
        transaction, self._told, self._told_lines = self.transaction, status, lines
        octets = self.write_response(status, None, to_tag, lines, b"")
        self._session.stack.layer.respond(transaction, status, octets, now)
        transaction.message = self

    def __bytes__(self) -> bytes:
        return self.write_response(self._told, None, "", self._told_lines, b"")

    def progress(
        self, status: int, body: bytes, build: Callable[[Fields], WrittenResponse], now: float
    ) -> None:
        """Send the provisional response that `build` makes with further fields, reliably if the
        caller can and it matters."""
        if self._supported is None:
            self._supported = Supported(self.request)
        if self._supported.wants(status, body, offered=bool(self.offer)):
            if self._reliable is None and self._session is not None:
                first = 1 + self._session.stack.pick(1 << 20)
                self._reliable = ReliableSender(self, first)
            if self._reliable is not None:
                self._reliable.send(build, now)
        elif self._supported.required and status > 100:
            return  # the caller wants no other, and we have no offer to put into a reliable one
        else:
            self.transmit(build(()), now)

    def respond(self, response: WrittenResponse, now: float) -> None:
        """Send a final response; a 2xx is repeated until its ACK comes (RFC 3261 section
        13.3.1.4), and waits for the PRACK of a description that it would overtake."""
        if self._session is None:
            return
        stack, status = self._session.stack, response.status
        if status < 300:
            self._success = response
            if self._reliable is not None and self._reliable.defers(response):
                return
            self._gives_up_at = now + TIMEOUT
            stack.timers.arm(T1, now, _repeat_success, self)
        else:
            self._success = self._reliable = None
        stack.layer.respond(self.transaction, status, response.octets, now)

    def transmit(self, response: WrittenResponse, now: float) -> None:
        """Send a response through the transaction, as it is."""
        if self._session is not None:
            layer = self._session.stack.layer
            layer.respond(self.transaction, response.status, response.octets, now)

    def arm(
        self, seconds: float, now: float, callback: Callable[[T, float], None], argument: T
    ) -> None:
        """Arm a timer, unless the session is over."""
        if self._session is not None:
            self._session.stack.timers.arm(seconds, now, callback, argument)

    @property
    def reliable(self) -> ReliableSender | None:
        """Its provisional responses, if any went out reliably."""
        return self._reliable

    def unheard(self, now: float) -> None:
        """A reliable provisional response was never acknowledged."""
        if self._session is not None:
            self._session.invite_unheard(now)

    def acknowledged(self) -> None:
        """The ACK came: repeat nothing more. The transaction absorbs copies of the INVITE for 32 s
        (timer L), and answers none."""
        self._success = self.transaction.message = None
        self._copied = b""

    def superseded(self) -> None:
        """A re-INVITE came: no PRACK of this INVITE is awaited any more. Sender and invite refer to
        each other, and only the garbage collector would find that out."""
        self._reliable = None

    def release(self) -> None:
        """Let go of the session, which ended; later messages have no effect."""
        self._success = self._reliable = None
        self._session = None

    def on_cancel(self, request: Request, now: float) -> None:
        """Take a CANCEL (section 9.2). One that crosses our 2xx ends the session, see
        :meth:`Session.invite_cancelled_late`; later it has no effect."""
        if self._session is None:
            return
        if not self.answered:
            self._session.invite_cancelled(request, now)
        elif self.initial and self.waiting_for_ack:
            self._session.invite_cancelled_late(request, now)

    def on_ack(self, request: Request, now: float) -> None:
        """Take an ACK that the transaction layer matched by its branch."""
        if self._session is not None:
            self._session.invite_acknowledged(request, now)

    def on_unacknowledged(self, transaction: ServerTransaction, now: float) -> None:
        """The answer could not be delivered: Timer H, or the connection broke.

        After a 2xx the repetition goes on, and its own time-out ends the session.
        """

    def repeat(self, now: float) -> None:
        """Retransmit the 2xx until its ACK comes (section 13.3.1.4)."""
        if self._success is None or self._session is None:
            return
        left = self._gives_up_at - now
        if left < EARLY_SECONDS:  # no ACK came within 64*T1: the session is over
            self._success = None
            self._session.invite_unacknowledged(now)
            return
        self.transmit(self._success, now)
        self._interval = min(2 * self._interval, T2)
        last = left < T1 + EARLY_SECONDS
        self.arm(T1 if last else self._interval, now, _repeat_success, self)


def _repeat_success(invite: IncomingInvite, now: float) -> None:
    invite.repeat(now)
