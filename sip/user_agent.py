"""The SIP stack behind one contract: bytes in, bytes and events out, no I/O.

The contract of every pure machine here: :meth:`UserAgent.receive` what arrived,
:meth:`~UserAgent.expire` what is due, :meth:`~UserAgent.next_deadline` when to wake it,
:meth:`~UserAgent.to_send` what to write and :meth:`~UserAgent.events` what its user should know.
`now` is monotonic, in seconds.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sip.capabilities import (
    ACCEPT,
    ALLOW,
    METHODS,
    OUT_OF_DIALOG,
    SUPPORTED,
    not_understood,
)
from sip.dialog import Dialog, DialogId, may_follow, numeric_hop, request_uri, wants_sips
from sip.errors import ParseError, SipError
from sip.events import Event, Received, Replied
from sip.flow import Address, Flow
from sip.invite import Credentials, Fields
from sip.message import Request, Response
from sip.reading import parse_message
from sip.referral import Referral, Stranger
from sip.session import Session
from sip.session_timer import SessionInterval, TimerWheel, agree
from sip.standalone import Errand, StandaloneRequest
from sip.subscription import Subscription, Subscriptions
from sip.timers import Timers
from sip.transaction_layer import (
    MAGIC_COOKIE,
    ClientTransaction,
    ClientUser,
    ServerTransaction,
    TransactionLayer,
)
from sip.uri import Uri

MAX_SESSIONS = 50_000
"""Legs at once; above it new INVITEs get 503. Memory, not speed, sets it."""


Tap = Callable[[bytes, Flow, bool], None]
"""Sees every message that is read or sent, and its flow; the flag says that we sent it."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What an INVITE of ours says."""

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
    """The peer is reached by `flow` whatever its Contact says."""
    trusts: Callable[[Flow], bool] | None = None
    """Whether requests of the dialog may come from there, when it isn't the host that `flow`
    leads to; None: from anywhere."""


@dataclass(slots=True)
class Counters:
    """What happened so far that nobody asked for."""

    malformed: int = 0
    stray_responses: int = 0
    faults: int = 0


class UserAgent:
    """Registrar side, UAS and UAC in one; a B2BUA joins its sessions.

    Args:
        randbits: source of tags, branches and Call-IDs; must not be guessable in production.
        sent_by: the host and port by which a peer on this flow reaches us.
        server: value of Server and User-Agent.
        session_interval: of our sessions' timers; None: they have none.
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
        self._randbits = randbits
        self._max_sessions = max_sessions
        self._sent_by = sent_by
        self._server = (b"Server", server.encode("ascii"))
        self._agent_field = (b"User-Agent", server.encode("ascii"))
        self._tag_key = b"%016x" % randbits(64)
        self._retry_after: int | None = None
        self._out: list[tuple[bytes, Flow]] = []
        self._events: list[Event] = []
        self._sessions: dict[DialogId, Session] = {}
        self._vias: dict[Flow, bytes] = {}
        self.session_interval = session_interval
        self.capabilities: Fields = (
            ALLOW,
            ACCEPT,
            (b"Supported", b", ".join(sorted(SUPPORTED))),
        )
        self._without_offer: Fields = (*self.capabilities[:2], (b"Supported", b"replaces, timer"))
        self.timers = Timers()
        self.wheel = TimerWheel(self.timers)
        self.layer = TransactionLayer(self.send, self.timers, self._via_again)
        self.subscriptions = Subscriptions(self)
        self.counters = Counters()
        self.tap: Tap | None = None

    allow = ALLOW

    # The contract

    def receive(
        self, data: bytes, flow: Flow, now: float, *, retry_after: int | None = None
    ) -> None:
        """Take one message. Never raises: what can't be read is refused or dropped.

        With `retry_after` seconds we are too busy for anything that isn't under way already.
        """
        self._retry_after = retry_after
        if self.tap is not None:
            self.tap(data, flow, False)
        try:
            message = parse_message(data)
            if isinstance(message, Request):
                self._receive_request(message, flow, now)
            else:
                message.validate()
                if not self.layer.receive_response(message, now):
                    self.counters.stray_responses += 1
        except ParseError as error:
            self._refuse_malformed(error, flow)

    def expire(self, now: float) -> None:
        self.timers.expire(now)

    def next_deadline(self) -> float | None:
        return self.timers.next_deadline()

    def to_send(self) -> list[tuple[bytes, Flow]]:
        """What to write, in order; the caller owns the list."""
        out, self._out = self._out, []
        return out

    def events(self) -> list[Event]:
        """What happened, in order; the caller owns the list."""
        events, self._events = self._events, []
        return events

    def transport_failed(self, flow: Flow, now: float) -> None:
        """A connection is gone, or a datagram couldn't be sent."""
        self.layer.transport_failed(flow, now)

    def uses(self, flow: Flow) -> bool:
        """Whether a dialog lives on a flow; looks at all of them."""
        return self.subscriptions.use(flow) or any(
            session.dialog.flow == flow for session in self._sessions.values()
        )

    @property
    def sessions(self) -> int:
        """How many dialogs live."""
        return len(self._sessions)

    # Requests that come in

    def _receive_request(self, request: Request, flow: Flow, now: float) -> None:
        try:
            self._sort_request(request, flow, now)
        except ParseError as error:
            error.request = request if request.answerable else None
            raise

    def _sort_request(self, request: Request, flow: Flow, now: float) -> None:
        request.stamp_source(*flow.remote)
        if self.layer.receive_request(request, now):
            return
        request.validate()
        method = request.method
        if method == "CANCEL":
            self._on_cancel(request, flow, now)
        elif request.to_tag is not None:
            self._in_dialog(request, flow, now)
        elif method == "ACK":
            return  # to a stateless challenge, or long over
        elif self._retry_after is not None:
            self.answer(request, flow, 503, ((b"Retry-After", b"%d" % self._retry_after),))
        elif (refusal := self._refusal(request)) is not None:
            self.answer(request, flow, refusal.status, refusal.headers)
        else:
            self.tell(Received(request, flow))

    def _refusal(self, request: Request) -> SipError | None:
        """Why a request outside any dialog can't be served, whoever sends it (section 8.2)."""
        method = request.method
        if self.layer.is_merged(request):
            return SipError(482)
        if method not in OUT_OF_DIALOG:
            known = method.encode("ascii", "replace") in METHODS
            return SipError(405 if known else 501, headers=(ALLOW,))
        if request.max_forwards == 0 and method != "REGISTER":
            return SipError(483)
        return not_understood(request)

    def _on_cancel(self, request: Request, flow: Flow, now: float) -> None:
        invite = self.layer.find_server(request)
        if invite is None:
            self.answer(request, flow, 481)
            return
        self.reply(request, flow, 200, now)
        if invite.user is not None:
            invite.user.on_cancel(request, now)

    def _in_dialog(self, request: Request, flow: Flow, now: float) -> None:
        dialog_id = (request.call_id, request.to_tag, request.from_tag)
        usage = self._sessions.get(dialog_id) or self.subscriptions.get(dialog_id)
        if usage is not None:
            self._to_usage(usage, request, flow, now)
        elif request.method != "ACK":
            self.answer(request, flow, 481)
        else:
            self._ack_by_branch(request, now)

    def _ack_by_branch(self, request: Request, now: float) -> None:
        """Some phones (pyVoIP 1.6) make up the To tag of the ACK to a 2xx but keep the INVITE's
        branch; were it not taken, their calls would end after 64*T1."""
        invite = self.layer.find_server(request)
        if invite is None or invite.user is None:
            return
        ours = invite.request
        if (ours.call_id, ours.from_tag) == (request.call_id, request.from_tag):
            invite.user.on_ack(request, now)

    def _to_usage(
        self, usage: Session | Subscription, request: Request, flow: Flow, now: float
    ) -> None:
        refusal = None if request.method == "ACK" else not_understood(request)
        if refusal is None:
            usage.receive(request, flow, now)
        else:
            self.reply(request, flow, refusal.status, now, refusal.headers)

    def _refuse_malformed(self, error: ParseError, flow: Flow) -> None:
        self.counters.malformed += 1
        request = error.request
        if request is not None and request.method != "ACK":
            with contextlib.suppress(ParseError):  # a Via that can't be read goes back as it came
                request.stamp_source(*flow.remote)
            self.answer(request, flow, error.status, error.headers, error.reason)

    # Answers without a session

    def answer(
        self,
        request: Request,
        flow: Flow,
        status: int,
        fields: Fields = (),
        reason: str | None = None,
        body: bytes = b"",
    ) -> None:
        """Answer and keep nothing (RFC 3261 section 8.2.7): the same request gets it anew."""
        response = request.respond(
            status,
            reason,
            to_tag=self._stateless_tag(request),
            fields=(*fields, self._server),
            body=body,
        )
        self.send(bytes(response), flow)

    def reply(
        self,
        request: Request,
        flow: Flow,
        status: int,
        now: float,
        fields: Fields = (),
        *,
        tag: str | None = None,
    ) -> None:
        """Answer under a transaction, which repeats the answer when the request is repeated.

        Args:
            tag: of a dialog that the answer makes.
        """
        self.conclude(self.layer.open_server(request, flow), status, now, fields, tag=tag)

    def postpone(self, received: Received) -> ServerTransaction:
        """Put a request under a transaction; :meth:`conclude` answers it, within 32 s."""
        return self.layer.open_server(received.request, received.flow)

    def conclude(
        self,
        transaction: ServerTransaction,
        status: int,
        now: float,
        fields: Fields = (),
        *,
        tag: str | None = None,
    ) -> None:
        """Answer a request that was put under a transaction before."""
        request = transaction.request
        response = request.respond(
            status,
            None,
            to_tag=tag or request.to_tag or self._stateless_tag(request),
            fields=(*fields, self._server),
        )
        self.layer.respond(transaction, response, now)

    def _stateless_tag(self, request: Request) -> str:
        """The same request gets the same tag (section 8.2.7), and nobody else can guess it."""
        seed = (request.get(b"call-id") or b"") + b"\0" + request.get_all(b"via")[0]
        return hashlib.blake2s(seed, key=self._tag_key, digest_size=8).hexdigest()

    # Sessions

    def open_session(
        self,
        received: Received,
        now: float,
        *,
        pinned: bool,
        trusts: Callable[[Flow], bool] | None = None,
    ) -> Session:
        """Take on a received INVITE; 100 Trying goes out at once.

        Args:
            pinned, trusts: as in :class:`Invitation`.

        Raises:
            SipError: 503, too many sessions; 422, a session interval that is too short.
        """
        if len(self._sessions) >= self._max_sessions:
            raise SipError(503, "Too Many Calls")
        request, flow = received.request, received.flow
        if self.session_interval is not None:
            agree(request, self.session_interval)
        contact = self.contact(flow, sips=flow.secure and wants_sips(request))
        dialog = Dialog.from_request(request, flow, self.token(), contact, pinned=pinned)
        session = Session(self, dialog, trusts)
        session.note_peer(request)
        session.open_incoming(self.layer.open_server(request, flow), now)
        self.remember(session)
        return session

    def open_referral(self, received: Received, now: float) -> Referral:
        """Accept a REFER outside a dialog; by what is returned its sender hears how it goes."""
        request, flow = received.request, received.flow
        dialog = Dialog.from_request(request, flow, self.token(), self.contact(flow), pinned=True)
        referral = Referral(Stranger(self, dialog), request)
        fields = ((b"Contact", dialog.contact), *referral.accepted_fields)
        self.reply(request, flow, 202, now, fields, tag=dialog.local_tag)
        referral.tell(100, now)
        return referral

    def invite(self, invitation: Invitation, body: bytes, now: float) -> Session:
        """Send an INVITE with this offer; without a body it asks for one."""
        tag = self.token()
        dialog = Dialog(
            call_id=self.token(),
            local=invitation.from_ + b";tag=" + tag.encode("ascii"),
            local_tag=tag,
            remote=invitation.to,
            remote_tag=None,
            remote_target=request_uri(invitation.uri),
            route_set=(),
            contact=self.contact(invitation.flow),
            flow=invitation.flow,
            pinned=invitation.pinned,
        )
        session = Session(self, dialog, invitation.trusts)
        target, fields = dialog.fields("INVITE", dialog.next_cseq(), self.via(invitation.flow))
        fields[1] = (b"Max-Forwards", b"%d" % invitation.max_forwards)
        # An offer in a reliable provisional response would have to be answered in its PRACK.
        capabilities = self.capabilities if body else self._without_offer
        fields += [(b"Contact", dialog.contact), *capabilities, self._agent_field]
        if self.session_interval is not None:
            fields += self.session_interval.request_fields()
        fields += invitation.extra
        if body:
            fields.append((b"Content-Type", b"application/sdp"))
        request = Request.build("INVITE", target, fields, body)
        session.send_invite(request, now, invitation.credentials)
        return session

    def contact(self, flow: Flow, *, sips: bool = False) -> bytes:
        """Our Contact for whom this flow reaches."""
        host, port = self._sent_by(flow)
        named = _SIPS_TRANSPORT if sips else _CONTACT_TRANSPORT
        return b"%s:%s:%d%s>" % (
            b"<sips" if sips else b"<sip",
            _bracket(host),
            port,
            named.get(flow.transport, b""),
        )

    def session(self, dialog: DialogId) -> Session | None:
        """The session of a dialog: Call-ID, our tag, the peer's."""
        return self._sessions.get(dialog)

    def remember(self, session: Session) -> None:
        self._sessions[session.dialog.id] = session

    def forget(self, session: Session) -> None:
        self._sessions.pop(session.dialog.id, None)

    # Requests outside a dialog that go out

    def send_standalone(
        self, wanted: StandaloneRequest, on_reply: Callable[[Replied], None], now: float
    ) -> Errand:
        """Send a request that no dialog comes of; its final answer is told by Replied."""
        fields = [
            (b"Via", self.via(wanted.flow)),
            (b"Max-Forwards", b"%d" % wanted.max_forwards),
            (b"From", wanted.from_ + b";tag=" + self.token().encode("ascii")),
            (b"To", wanted.to),
            (b"Call-ID", self.token().encode("ascii")),
            (b"CSeq", b"1 " + wanted.method.encode("ascii")),
            *wanted.extra,
            self._agent_field,
        ]
        errand = Errand(self, wanted, on_reply)
        errand.send(Request.build(wanted.method, wanted.uri, fields, wanted.body), now)
        return errand

    # In-dialog requests that go out

    def in_dialog(
        self,
        dialog: Dialog,
        method: str,
        extra: Sequence[tuple[bytes, bytes]],
        body: bytes = b"",
    ) -> Request:
        """Build a request of a dialog, with the next CSeq; its flow is left in the dialog."""
        dialog.flow = self.next_flow(dialog)
        target, fields = dialog.fields(method, dialog.next_cseq(), self.via(dialog.flow))
        return Request.build(method, target, [*fields, *extra, self._agent_field], body)

    def send_in_dialog(
        self,
        dialog: Dialog,
        method: str,
        extra: Sequence[tuple[bytes, bytes]],
        body: bytes,
        credentials: Credentials | None,
        now: float,
        user: ClientUser | None = None,
    ) -> None:
        """Send a request other than INVITE, and answer a challenge to it once."""
        request = self.in_dialog(dialog, method, extra, body)
        sender = _Sender(self, dialog, credentials, user)
        self.layer.send_request(request, dialog.flow, sender, now)

    def send_bye(
        self, dialog: Dialog, credentials: Credentials | None, extra: Fields, now: float
    ) -> None:
        self.send_in_dialog(dialog, "BYE", extra, b"", credentials, now)

    def next_attempt(self, dialog: Dialog, request: Request, changed: Fields) -> Request:
        """The request of a dialog again with changed fields, such as credentials."""
        return self.changed(request, changed, dialog.next_cseq(), dialog.flow)

    def changed(self, request: Request, changed: Fields, number: int, flow: Flow) -> Request:
        """The request again with changed fields: next CSeq, new branch (RFC 3261 section 22.2)."""
        cseq = b"%d %s" % (number, request.method.encode("ascii"))
        replaced = {b"via": self.via(flow), b"cseq": cseq}
        left_out = {b"content-length", *(name.lower() for name, _ in changed)}
        fields = [
            (name, replaced.get(name.lower(), value))
            for name, value in request.fields
            if name.lower() not in left_out
        ]
        fields += changed
        return Request.build(request.method, request.raw_uri, fields, request.body)

    def follow(self, dialog: Dialog, old: Flow, new: Flow) -> None:
        """A phone that was reached by one flow is reached by another: so are its dialogs there
        (RFC 5626 section 5.3), unless they go by a proxy, which knows itself."""
        if dialog.flow == old and dialog.pinned and not dialog.route_set:
            dialog.flow = new
            sips = new.secure and dialog.contact.startswith(b"<sips:")
            dialog.contact = self.contact(new, sips=sips)

    def next_flow(self, dialog: Dialog) -> Flow:
        """Where the dialog's next request goes (RFC 3261 section 12.2.1.1)."""
        if dialog.pinned and not dialog.route_set:
            return dialog.flow
        try:
            hop = numeric_hop(Uri.parse(dialog.next_hop()))
        except ParseError:
            return dialog.flow
        if hop is None or not may_follow(hop, dialog.flow):
            return dialog.flow
        return _redirected(dialog.flow, hop)

    # Small things

    def via(self, flow: Flow) -> bytes:
        """A topmost Via with a new branch; rport asks for the address we came from (RFC 3581)."""
        return self._via_prefix(flow) + b"%016x" % self._randbits(64)

    def _via_again(self, flow: Flow, request: Request) -> bytes:
        """The Via of a request that goes by another flow than it was made for."""
        branch = (request.branch or MAGIC_COOKIE).encode("ascii")
        return self._via_prefix(flow).removesuffix(MAGIC_COOKIE.encode("ascii")) + branch

    def _via_prefix(self, flow: Flow) -> bytes:
        prefix = self._vias.get(flow)
        if prefix is None:
            if len(self._vias) > 10_000:  # flows come and go; the cache must not
                self._vias.clear()
            host, port = self._sent_by(flow)
            prefix = b"SIP/2.0/%s %s:%d;rport;branch=%s" % (
                flow.transport.upper().encode("ascii"),
                _bracket(host),
                port,
                MAGIC_COOKIE.encode("ascii"),
            )
            self._vias[flow] = prefix
        return prefix

    def token(self) -> str:
        """A tag, a Call-ID or a cnonce: 64 bits."""
        return f"{self._randbits(64):016x}"

    def octets(self, count: int) -> bytes:
        """For a key."""
        return self._randbits(8 * count).to_bytes(count)

    def pick(self, limit: int) -> int:
        """A random number below `limit`."""
        return self._randbits(32) % limit

    def send(self, message: bytes, flow: Flow) -> None:
        if self.tap is not None:
            self.tap(message, flow, True)
        self._out.append((message, flow))

    def tell(self, event: Event) -> None:
        self._events.append(event)


class _Sender:
    """Waits for the answer to one in-dialog request, and authenticates once if asked to."""

    __slots__ = ("_agent", "_credentials", "_dialog", "_user")

    def __init__(
        self,
        agent: UserAgent,
        dialog: Dialog,
        credentials: Credentials | None,
        user: ClientUser | None,
    ) -> None:
        self._agent = agent
        self._dialog = dialog
        self._credentials = credentials
        self._user = user

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status in (401, 407) and self._credentials is not None:
            authorization = self._credentials.answer(self._agent, transaction.request, response)
            self._credentials = None
            if authorization is not None:
                again = self._agent.next_attempt(
                    self._dialog, transaction.request, (authorization,)
                )
                self._agent.layer.send_request(again, self._dialog.flow, self, now)
        elif self._user is not None and response.status >= 200:
            self._user.on_response(transaction, response, now)

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        if self._user is not None:
            self._user.on_failure(transaction, status, now)


def _redirected(flow: Flow, hop: Address) -> Flow:
    """Where a dialog's peer wants its requests: for a connection, one that we open ourselves.

    What was proven by a certificate stays where it is (RFC 5923 section 9): elsewhere sits another.
    """
    if flow.remote == hop or flow.transport not in ("udp", "tcp"):
        return flow
    return flow._replace(remote=hop, name=hop[0] if flow.reliable else None)


_CONTACT_TRANSPORT = {
    "tcp": b";transport=tcp", "tls": b";transport=tls", "ws": b";transport=ws",
    "wss": b";transport=ws",
}  # fmt: skip
"""The transport parameter of our Contact. "tls" is deprecated (RFC 5630 section 3.1.4) and the only
thing that phones understand; a `sips:` URI would forbid the caller to reach us otherwise. "ws"
stands for both WebSocket transports (RFC 7118 section 5.2)."""
_SIPS_TRANSPORT = {"wss": b";transport=ws"}
"""In a `sips:` URI, which says by itself that it is TLS."""


def _bracket(host: str) -> bytes:
    return f"[{host}]".encode("ascii") if ":" in host else host.encode("ascii")
