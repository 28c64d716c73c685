"""The SIP stack behind one contract: bytes in, bytes and events out, no I/O.

The contract of every pure machine here: :meth:`UserAgent.receive` what arrived,
:meth:`~UserAgent.expire` what is due, :meth:`~UserAgent.next_deadline` when to wake it,
:meth:`~UserAgent.to_send` what to write and :meth:`~UserAgent.events` what its user should know.
`now` is monotonic, in seconds.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from msgspec import Struct

from sip import in_dialog
from sip.bodies import BodyPart, multipart
from sip.capabilities import ALLOW, METHODS, OUT_OF_DIALOG, not_understood
from sip.credentials import Credentials
from sip.dialog import Dialog, DialogId, request_uri, wants_sips
from sip.dialogs import Dialogs
from sip.errors import ParseError, SipError
from sip.events import Event
from sip.fields import Fields, breaks, contact_line, lines_of
from sip.flow import Address, Flow
from sip.message import Request, Response
from sip.peer import Peer
from sip.plain import read_plain
from sip.reading import RequestError, read_strictly
from sip.referral import Referral, Stranger
from sip.refresher import Refresher
from sip.session import SDP, SDP_LINE, Session
from sip.session_timer import SessionInterval, agree
from sip.stack import Received, Stack
from sip.standalone import Errand, Replied, StandaloneRequest
from sip.subscription import Subscriptions
from sip.transaction import State

MAX_SESSIONS = 50_000
"""Legs at once; above it new INVITEs get 503. Memory, not speed, sets it."""


class Invitation(Struct, frozen=True):
    """The fields of an INVITE of ours."""

    flow: Flow
    uri: bytes
    from_: bytes
    """From field value without tag."""
    to: bytes
    """To field value without tag."""
    max_forwards: int = 70
    extra: Fields = ()
    credentials: Credentials | None = None
    pinned: bool = True
    follows_private: bool = False
    """See :class:`sip.dialog.Dialog`."""
    """The peer is reached by `flow` whatever its Contact says."""
    parts: tuple[BodyPart, ...] = ()
    """Body parts that go along with the offer, such as the caller's location."""
    trusts: Callable[[Flow], bool] | None = None
    """True for a flow by which requests of the dialog may come although it leads to another host
    than `flow`; None: any flow."""


@lru_cache(maxsize=1024)  # one object for all calls by one flow
def _behind_contact(contact: bytes, lines: bytes) -> bytes:
    """The line of a Contact of ours, with these behind it."""
    return contact_line(contact) + lines


@dataclass(slots=True)
class Counters:
    """Messages that were dropped or went wrong since the start."""

    malformed: int = 0
    stray_responses: int = 0
    faults: int = 0


class UserAgent:
    """Registrar side, UAS and UAC in one; a B2BUA joins its sessions.

    Args:
        randbits: source of tags, branches and Call-IDs; it must not be guessable in production.
        sent_by: the host and port by which a peer on this flow reaches us.
        server: value of Server and User-Agent.
        session_interval: of our sessions' timers (RFC 4028); None: they have none.
        max_sessions: above it new INVITEs get 503.
    """

    def __init__(
        self,
        *,
        randbits: Callable[[int], int],
        sent_by: Callable[[Flow], Address],
        server: str,
        session_interval: SessionInterval | None = None,
        max_sessions: int = MAX_SESSIONS,
    ) -> None:
        self._max_sessions = max_sessions
        self.untold: deque[Event] = deque()
        """Events, in order; the endpoint takes them out."""
        self._tell: Callable[[Event], None] = self.untold.append
        self.serve: Callable[[Received], None] = self.untold.append
        """Called with each request outside a dialog, last of all that is done with it. By default
        it waits among the events. Must not raise ParseError, which would be the request's."""
        self._dialogs: Dialogs[Session] = Dialogs()
        self.stack = Stack(
            randbits=randbits, sent_by=sent_by, server=server, session_interval=session_interval
        )
        self._repeats = self.stack.layer.repeats
        self._receive_response = self.stack.layer.receive_response
        self._is_merged, self._server = self.stack.layer.is_merged, self.stack.layer.server
        self.subscriptions = Subscriptions(self.stack, self._tell)
        self.counters = Counters()
        # An offer in a reliable provisional response would have to be answered in its PRACK.
        without_100rel = (b"Supported", b"replaces, timer")
        without_offer = lines_of((*self.stack.capabilities[:2], without_100rel))
        interval: Fields = () if session_interval is None else session_interval.request_fields()
        of_all = self.stack.agent_line + lines_of(interval)
        self._with_offer = self.stack.capability_lines + of_all
        self._with_offer_alone = self._with_offer + SDP_LINE
        self._without_offer = without_offer + of_all
        """The lines of all INVITEs of ours but re-INVITEs, behind their Contact."""

    # The contract

    def receive(self, data: bytes, flow: Flow, now: float, retry_after: int | None = None) -> None:
        """Take one message. Never raises: what can't be read is refused or dropped.

        With `retry_after` seconds we are too busy for anything that isn't under way already.
        """
        if data.startswith(b"ACK ") and self.stack.keeps_nothing_for(data):
            return
        message = None
        try:
            message = read_plain(data) or read_strictly(data)
            if isinstance(message, Response):
                if not message.proven:
                    message.validate()
                if not self._receive_response(message, now):
                    self.counters.stray_responses += 1
                return
            method = message.method
            if method == "ACK":
                self._on_ack(message, flow, now)
                return
            message.stamp_source(*flow.remote)
            if self._repeats(message, now):
                return
            if not message.proven:
                message.validate()
            if message.to_tag is not None and method != "CANCEL":
                self._in_dialog(message, flow, now)
            elif method == "REGISTER" and retry_after is None and message.layout.asks_nothing:
                self.serve(Received(message, flow))  # Max-Forwards is nothing to a registrar
            elif method == "CANCEL":
                self._on_cancel(message, flow, now)
            elif retry_after is not None:
                fields = ((b"Retry-After", b"%d" % retry_after),)
                self.stack.answer(message, flow, 503, fields)
            elif (refusal := self._refusal(message)) is None:
                self.serve(Received(message, flow))
            else:
                self.stack.answer(message, flow, refusal.status, refusal.headers)
        except ParseError as error:
            self.counters.malformed += 1
            request = error.request if isinstance(error, RequestError) else message
            if isinstance(request, Request) and request.answerable:
                self._refuse_malformed(error, request, flow)

    def expire(self, now: float) -> None:
        """Do what is due at `now`."""
        self.stack.timers.expire(now)

    def next_deadline(self) -> float | None:
        """The time at which :meth:`expire` has something to do; None: never."""
        due = self.stack.timers.next
        return None if due == math.inf else due

    def to_send(self) -> list[tuple[bytes, Flow]]:
        """Messages to write, in order, each with its flow; the caller owns the list."""
        return self.stack.to_send()

    def events(self) -> list[Event]:
        """Events since the last call, in order; the caller owns the list."""
        events = list(self.untold)
        self.untold.clear()
        return events

    def transport_failed(self, flow: Flow, now: float) -> None:
        """A connection is gone, or a datagram couldn't be sent."""
        self.stack.layer.transport_failed(flow, now)

    def uses(self, flow: Flow) -> bool:
        """True if a dialog lives on a flow; looks at all of them."""
        return self.subscriptions.use(flow) or self._dialogs.use(flow)

    @property
    def sessions(self) -> int:
        """The number of sessions that live."""
        return len(self._dialogs)

    # Requests that come in

    def _refusal(self, request: Request) -> SipError | None:
        """The refusal of a request outside a dialog that nobody can serve; None: its user may."""
        method = request.method
        if method == "INVITE":
            if self._is_merged(request):
                return SipError(482)
        elif method not in OUT_OF_DIALOG:
            known = method.encode("ascii", "replace") in METHODS
            return SipError(405 if known else 501, headers=(ALLOW,))
        if request.max_forwards == 0 and method != "REGISTER":
            return SipError(483)
        return None if request.layout.asks_nothing else not_understood(request)

    def _on_cancel(self, request: Request, flow: Flow, now: float) -> None:
        invite = self.stack.layer.find_cancelled(request)
        if invite is None:
            self.stack.answer(request, flow, 481)
            return
        self.stack.reply(request, flow, 200, now)
        if invite.user is not None:
            invite.user.on_cancel(request, now)

    def _in_dialog(self, request: Request, flow: Flow, now: float) -> None:
        dialog_id = (request.call_id, request.to_tag, request.from_tag)
        session = self._dialogs.get(dialog_id)
        subscription = self.subscriptions.get(dialog_id) if session is None else None
        if session is None and subscription is None:
            self.stack.answer(request, flow, 481)
        elif not request.layout.asks_nothing and (refusal := not_understood(request)) is not None:
            self.stack.reply(request, flow, refusal.status, now, refusal.headers)
        elif session is not None:
            in_dialog.receive(session, request, flow, now)
        elif subscription is not None:
            subscription.receive(request, flow, now)

    def _on_ack(self, request: Request, flow: Flow, now: float) -> None:
        invite = self._server(request.transaction_key)
        if invite is not None and invite.state is not State.ACCEPTED:
            self.stack.layer.acknowledged(invite, now)
            return
        if not request.proven:
            request.validate()
        session = self._dialogs.get((request.call_id, request.to_tag, request.from_tag))
        if session is not None:
            in_dialog.acknowledge(session, request, flow, now)
        elif invite is not None and invite.user is not None and request.to_tag is not None:
            # Some phones (pyVoIP 1.6) make up the To tag of the ACK to a 2xx but keep the INVITE's
            # branch; were it not taken, their calls would end after 64*T1.
            ours = invite.request
            if (ours.call_id, ours.from_tag) == (request.call_id, request.from_tag):
                invite.user.on_ack(request, now)

    def _refuse_malformed(self, error: ParseError, request: Request, flow: Flow) -> None:
        if request.method != "ACK":
            if isinstance(error, RequestError):  # others are stamped already
                with contextlib.suppress(ParseError):  # a Via that can't be read stays as it came
                    request.stamp_source(*flow.remote)
            self.stack.answer(request, flow, error.status, error.headers, error.reason)

    # Sessions

    def open_session(
        self,
        received: Received,
        now: float,
        *,
        pinned: bool,
        follows_private: bool = False,
        trusts: Callable[[Flow], bool] | None = None,
    ) -> Session:
        """Take on a received INVITE; 100 Trying goes out at once.

        Args:
            pinned, follows_private, trusts: as in :class:`Invitation`.

        Raises:
            SipError: 503, too many sessions; 422, a session interval that is too short.
        """
        if len(self._dialogs) >= self._max_sessions:
            raise SipError(503, "Too Many Calls")
        request, flow = received.request, received.flow
        if self.stack.session_interval is not None and b"session-expires" in request.values:
            agree(request, self.stack.session_interval)
        contact = self.stack.contact(flow, sips=flow.secure and wants_sips(request))
        tag = self.stack.tag_for(request)
        if self._dialogs.get((request.call_id, tag, request.from_tag)) is not None:
            tag = self.stack.token()  # an INVITE that is sent again long after its dialog began
        dialog = Dialog.from_request(
            request, flow, tag, contact, pinned=pinned, follows_private=follows_private
        )
        session = self._session(dialog, trusts)
        session.peer.note(request)
        session.open_incoming(self.stack.layer.open_server(request, flow), now)
        self._dialogs.add(session)
        return session

    def open_referral(self, received: Received, now: float) -> Referral:
        """Accept a REFER outside a dialog; by what is returned its sender hears how it goes."""
        request, flow = received.request, received.flow
        dialog = Dialog.from_request(
            request, flow, self.stack.token(), self.stack.contact(flow), pinned=True
        )
        referral = Referral(Stranger(self.stack, dialog), request)
        fields = ((b"Contact", dialog.contact), *referral.accepted_fields)
        self.stack.reply(request, flow, 202, now, fields, tag=dialog.local_tag)
        referral.tell(100, now)
        return referral

    def invite(self, invitation: Invitation, offer: bytes, now: float) -> Session:
        """Send an INVITE with this offer (SDP); with b"" it asks for one.

        Raises:
            ValueError: a field of the invitation holds CR or LF.
        """
        if breaks(invitation.uri + invitation.from_ + invitation.to):
            raise ValueError("a header field can't hold CR or LF")
        stack = self.stack
        tag = stack.token()
        dialog = Dialog(
            call_id=stack.token(),
            local=invitation.from_ + b";tag=" + tag.encode("ascii"),
            local_tag=tag,
            remote=invitation.to,
            remote_tag=None,
            remote_target=request_uri(invitation.uri),
            route_set=(),
            contact=stack.contact(invitation.flow),
            flow=invitation.flow,
            pinned=invitation.pinned,
            follows_private=invitation.follows_private,
        )
        session = self._session(dialog, invitation.trusts)
        body, extra = offer, invitation.extra
        usual = self._with_offer_alone if offer else self._without_offer
        if invitation.parts:
            usual = self._with_offer if offer else self._without_offer
            content = self._content(offer, invitation.parts)
            body, extra = content.body, (*extra, *content.fields)
        lines = _behind_contact(dialog.contact, usual)
        if extra:
            lines += lines_of(extra)
        via, hops = stack.via(invitation.flow), invitation.max_forwards
        request = stack.request(dialog, "INVITE", via, hops, lines, body)
        session.send_invite(request, offer, now, invitation.credentials)
        return session

    def _session(self, dialog: Dialog, trusts: Callable[[Flow], bool] | None) -> Session:
        stack, peer = self.stack, Peer()
        refresher = Refresher(stack, peer)
        return Session(stack, self._dialogs, self._tell, dialog, trusts, peer, refresher)

    def _content(self, offer: bytes, parts: tuple[BodyPart, ...]) -> BodyPart:
        """The body of an INVITE with its Content-Type: the offer, and what goes along with it."""
        boundary = self.stack.token().encode("ascii")
        described = [BodyPart((SDP,), offer), *parts] if offer else [*parts]
        kind = b"multipart/mixed;boundary=" + boundary
        return BodyPart(((b"Content-Type", kind),), multipart(described, boundary))

    def session(self, dialog: DialogId) -> Session | None:
        """The session of a dialog: Call-ID, our tag, the peer's."""
        return self._dialogs.get(dialog)

    # Requests outside a dialog that go out

    def send_standalone(
        self, wanted: StandaloneRequest, on_reply: Callable[[Replied], None], now: float
    ) -> Errand:
        """Send a request that no dialog comes of; its final answer is told by Replied."""
        fields = [
            (b"Via", self.stack.via(wanted.flow)),
            (b"Max-Forwards", b"%d" % wanted.max_forwards),
            (b"From", wanted.from_ + b";tag=" + self.stack.token().encode("ascii")),
            (b"To", wanted.to),
            (b"Call-ID", self.stack.token().encode("ascii")),
            (b"CSeq", b"1 " + wanted.method.encode("ascii")),
            *wanted.extra,
            self.stack.agent_field,
        ]
        errand = Errand(self.stack, wanted, on_reply, self._tell)
        errand.send(Request.build(wanted.method, wanted.uri, fields, wanted.body), now)
        return errand
