"""The sending services below sessions and subscriptions: fields, tags, answers, requests, timers.

Everything that sends a SIP message does it by :class:`Stack`. It knows transactions and dialogs,
and nothing of what the messages are for: sessions, subscriptions and the user agent stand above.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from hashlib import blake2s

from msgspec import Struct

from sip.capabilities import ACCEPT, ALLOW, SUPPORTED
from sip.credentials import Credentials
from sip.dialog import Dialog, is_behind_nat, may_follow, numeric_hop
from sip.errors import ParseError
from sip.fields import Field, Fields, lines_of, usual_lines
from sip.flow import Address, Flow
from sip.grammar import MAGIC_COOKIE, text
from sip.message import Request, Response
from sip.own_request import OwnRequest
from sip.refusal import Refuser
from sip.session_timer import SessionInterval, TimerWheel
from sip.timers import Timers
from sip.transaction_layer import (
    ClientTransaction,
    ClientUser,
    Send,
    ServerTransaction,
    TransactionLayer,
)
from sip.uri import Uri

_BRANCH = slice(-len(MAGIC_COOKIE) - 16, None)
"""The part of :meth:`Stack.via` that is its branch."""
Seen = tuple[float, bool, Flow, bytes]
"""A message that was read or sent: monotonic seconds, True if we sent it, its flow, its octets."""
Tap = Callable[[Seen], None]
"""Sees every message that is read or sent."""
NO_TAP: Tap = deque[Seen](maxlen=0).append
"""Keeps nothing: a tap that is always there needn't be asked for, and nearly always is one."""
MAX_CACHED_VIAS = 10_000
"""Beginnings of Via fields, one for each flow, and Contacts; flows come and go, and the caches must
not grow."""


class Received(Struct, frozen=True):
    """A request outside any dialog, not yet answered: no transaction holds it.

    It is answered at once by :meth:`Stack.answer` or :meth:`Stack.reply`, later by
    :meth:`Stack.postpone` and :meth:`Stack.conclude`, or, an INVITE, taken on by
    :meth:`UserAgent.open_session`.
    """

    request: Request
    flow: Flow


class WrittenResponse(Struct, frozen=True, gc=False):
    """A response of ours of which nothing but its octets is needed any more."""

    status: int
    octets: bytes
    described: bool
    """True if it has a body: a session description."""


class Stack:
    """Common services of all senders: answers and requests, CSeq, Via, Contact, tags, transactions,
    timers and how messages are written.

    Args:
        randbits: source of tags, branches and Call-IDs: so many random bits; it must not be
            guessable in production.
        sent_by: the host and port by which a peer on this flow reaches us.
        server: value of Server and User-Agent.
        session_interval: of our sessions' timers (RFC 4028); None: they have none.
    """

    def __init__(
        self,
        *,
        randbits: Callable[[int], int],
        sent_by: Callable[[Flow], Address],
        server: str,
        session_interval: SessionInterval | None = None,
    ) -> None:
        self._randbits = randbits
        self._sent_by = sent_by
        self._server = lines_of(((b"Server", server.encode("ascii")),))
        self._tag_of = partial(blake2s, key=b"%016x" % randbits(64), digest_size=8)
        refusal_key = self._tag_of(b"refusal").digest()
        self.refuser = Refuser(int.from_bytes(refusal_key), server.encode("ascii"))
        self._unkept = self._tag_of(b"unkept").hexdigest()[:8] + "."
        """Begins the tag of each answer that no transaction keeps; no tag of a dialog has a dot."""
        self._unkept_in_to = b";tag=" + self._unkept.encode("ascii")
        self.unsent: deque[tuple[bytes, Flow]] = deque()
        """Messages to write, in order, each with its flow, of those that aren't written at once;
        the endpoint takes them out."""
        self.send: Send = self.queue
        """Sends a message of a transaction, or one that no transaction keeps."""
        self._vias: dict[Flow, bytes] = {}
        self._contacts: dict[tuple[Flow, bool], bytes] = {}
        self.agent_field = (b"User-Agent", server.encode("ascii"))
        self.agent_line = lines_of((self.agent_field,))
        self.session_interval = session_interval
        self.capabilities: Fields = (
            ALLOW,
            ACCEPT,
            (b"Supported", b", ".join(sorted(SUPPORTED))),
        )
        self.capability_lines = lines_of(self.capabilities)
        self.timers = Timers()
        self.wheel = TimerWheel(self.timers)
        self.layer = TransactionLayer(self.queue, self.timers, self._via_again)
        self.tap: Tap = NO_TAP
        """Sees each message; the endpoint calls it."""
        self.turn_ended: Callable[[], None] = _nothing
        """Called by the endpoint after each turn of reading, for what the tap has gathered."""

    # Answers

    def add_tap(self, tap: Tap) -> None:
        """Show every message to one more tap."""
        first = self.tap

        def both(seen: Seen) -> None:
            first(seen)
            tap(seen)

        self.tap = both

    def answer(
        self,
        request: Request,
        flow: Flow,
        status: int,
        fields: Sequence[Field] = (),
        reason: str | None = None,
        body: bytes = b"",
    ) -> None:
        """Answer and keep nothing (RFC 3261 section 8.2.7): the same request gets it anew."""
        tag = self._unkept + self.tag_for(request)
        lines = lines_of(fields) + self._server
        message = request.write_response(status, reason, tag, lines, body)
        self.send(message, flow)

    def keeps_nothing_for(self, ack: bytes) -> bool:
        """True if an ACK, as it came, is to an answer that no transaction keeps: it needs nothing
        done."""
        return self._unkept_in_to in ack

    def reply(
        self,
        request: Request,
        flow: Flow,
        status: int,
        now: float,
        fields: Sequence[Field] = (),
        *,
        tag: str | None = None,
    ) -> None:
        """Answer under a transaction, which repeats the answer when the request is repeated.

        Args:
            tag: of a dialog that the answer makes.
        """
        if request.method == "INVITE":  # its answer waits for an ACK
            self.conclude(self.layer.open_server(request, flow), status, now, fields, tag)
            return
        tag = tag or request.to_tag or self.tag_for(request)
        message = request.write_response(status, None, tag, lines_of(fields) + self._server, b"")
        self.layer.answer(request, flow, message, now)

    def postpone(self, request: Request, flow: Flow) -> ServerTransaction:
        """Put a request under a transaction; :meth:`conclude` answers it, within 32 s."""
        return self.layer.open_server(request, flow)

    def conclude(
        self,
        transaction: ServerTransaction,
        status: int,
        now: float,
        fields: Sequence[Field] = (),
        tag: str | None = None,
    ) -> None:
        """Answer a request that was put under a transaction before."""
        request = transaction.request
        tag = tag or request.to_tag or self.tag_for(request)
        response = request.write_response(status, None, tag, lines_of(fields) + self._server, b"")
        self.layer.respond(transaction, status, response, now)

    def tag_for(self, request: Request) -> str:
        """The To tag of every answer of ours to a request without one (section 8.2.7); it can't
        be guessed. It depends on Call-ID and branch alone, so that the answers to an INVITE, to
        its retransmissions and to its CANCEL, which has one Via only, agree (section 9.2)."""
        try:
            seed = f"{request.call_id}\0{request.branch or text(request.values[b'via'])}"
        except ParseError:  # it is answered all the same
            seed = text(request.values[b"via"])
        return self._tag_of(seed.encode("utf-8", "surrogateescape")).hexdigest()

    # Requests within a dialog

    def in_dialog(
        self,
        dialog: Dialog,
        method: str,
        extra: Sequence[Field],
        body: bytes = b"",
    ) -> Request:
        """Build a request of a dialog, with the next CSeq; its flow is left in the dialog."""
        dialog.flow = flow = self.next_flow(dialog)
        return self.request(
            dialog, method, self.via(flow), 70, lines_of(extra) + self.agent_line, body
        )

    def request(
        self,
        dialog: Dialog,
        method: str,
        via: bytes,
        max_forwards: int,
        lines: bytes,
        body: bytes,
    ) -> Request:
        """A request of a dialog with a Via of ours and the next CSeq.

        Args:
            lines: of its own fields, by :func:`sip.fields.lines_of`.
        """
        dialog.local_cseq = number = dialog.local_cseq + 1
        octets = dialog.write(method, number, via, max_forwards, lines, body)
        return OwnRequest(method, via[_BRANCH].decode("ascii"), body, lines, octets)

    def send_in_dialog(
        self,
        dialog: Dialog,
        method: str,
        extra: Sequence[Field],
        body: bytes,
        credentials: Credentials | None,
        now: float,
        user: ClientUser | None = None,
    ) -> None:
        """Send a request other than INVITE, and answer a challenge to it once."""
        request = self.in_dialog(dialog, method, extra, body)
        sender = None
        if user is not None or credentials is not None:
            sender = _Sender(self, dialog, credentials, user)
        self.layer.send_request(request, dialog.flow, sender, now)

    def send_bye(
        self, dialog: Dialog, credentials: Credentials | None, extra: Fields, now: float
    ) -> None:
        """Send a BYE; its answer changes nothing any more."""
        dialog.flow = flow = self.next_flow(dialog)
        lines = usual_lines(extra) + self.agent_line
        request = self.request(dialog, "BYE", self.via(flow), 70, lines, b"")
        sender = None if credentials is None else _Sender(self, dialog, credentials, None)
        self.layer.send_request(request, flow, sender, now)

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
        """The flow of the dialog's next request (RFC 3261 section 12.2.1.1)."""
        if dialog.pinned and not dialog.route_set:
            return dialog.flow
        return _flow_to(dialog.next_hop(), dialog.flow, dialog.follows_private)

    # Fields, tags and the queue

    def contact(self, flow: Flow, *, sips: bool = False) -> bytes:
        """Our Contact field value for peers that are reached by this flow."""
        contact = self._contacts.get((flow, sips))
        if contact is None:
            if len(self._contacts) > MAX_CACHED_VIAS:
                self._contacts.clear()
            host, port = self._sent_by(flow)
            named = _SIPS_TRANSPORT if sips else _CONTACT_TRANSPORT
            contact = self._contacts[flow, sips] = b"%s:%s:%d%s>" % (
                b"<sips" if sips else b"<sip",
                _bracket(host),
                port,
                named.get(flow.transport, b""),
            )
        return contact

    def via(self, flow: Flow) -> bytes:
        """A topmost Via with a new branch; rport asks for the address we came from (RFC 3581)."""
        return (self._vias.get(flow) or self._via_prefix(flow)) + b"%016x" % self._randbits(64)

    def _via_again(self, flow: Flow, request: Request) -> bytes:
        """The Via of a request that goes by another flow than it was made for."""
        branch = (request.branch or MAGIC_COOKIE).encode("ascii")
        return self._via_prefix(flow).removesuffix(MAGIC_COOKIE.encode("ascii")) + branch

    def _via_prefix(self, flow: Flow) -> bytes:
        if len(self._vias) > MAX_CACHED_VIAS:
            self._vias.clear()
        host, port = self._sent_by(flow)
        self._vias[flow] = prefix = b"SIP/2.0/%s %s:%d;rport;branch=%s" % (
            flow.transport.upper().encode("ascii"),
            _bracket(host),
            port,
            MAGIC_COOKIE.encode("ascii"),
        )
        return prefix

    def token(self) -> str:
        """A tag, a Call-ID or a cnonce: 64 bits."""
        return f"{self._randbits(64):016x}"

    def octets(self, count: int) -> bytes:
        """Random octets, for a key."""
        return self._randbits(8 * count).to_bytes(count)

    def pick(self, limit: int) -> int:
        """A random number below `limit`."""
        return self._randbits(32) % limit

    def write_by(self, write: Send) -> None:
        """Have messages written at once by a function, which may queue some of them. It must not
        call back into the stack, whose transactions are in the middle of a step then."""
        self.send = self.layer.send = write

    def queue(self, message: bytes, flow: Flow) -> None:
        """Queue a message to be written."""
        self.unsent.append((message, flow))

    def to_send(self) -> list[tuple[bytes, Flow]]:
        """Messages to write, in order, each with its flow; the caller owns the list."""
        unsent = list(self.unsent)
        self.unsent.clear()
        return unsent


class _Sender:
    """Waits for the answer to one in-dialog request, and authenticates once if asked to."""

    __slots__ = ("_credentials", "_dialog", "_stack", "_user")

    def __init__(
        self,
        stack: Stack,
        dialog: Dialog,
        credentials: Credentials | None,
        user: ClientUser | None,
    ) -> None:
        self._stack = stack
        self._dialog = dialog
        self._credentials = credentials
        self._user = user

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status in (401, 407) and self._credentials is not None:
            cnonce = self._stack.token()
            authorization = self._credentials.answer(transaction.request, response, cnonce=cnonce)
            self._credentials = None
            if authorization is not None:
                again = self._stack.next_attempt(
                    self._dialog, transaction.request, (authorization,)
                )
                self._stack.layer.send_request(again, self._dialog.flow, self, now)
        elif self._user is not None and response.status >= 200:
            self._user.on_response(transaction, response, now)

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        if self._user is not None:
            self._user.on_failure(transaction, status, now)


@lru_cache(maxsize=1024)  # each request of a dialog asks
def _flow_to(uri: bytes, flow: Flow, follows_private: bool) -> Flow:
    """The flow to a URI, for a dialog that goes by `flow` now."""
    try:
        hop = numeric_hop(Uri.parse(uri))
    except ParseError:
        return flow
    if hop is None or not may_follow(hop, flow):
        return flow
    if not follows_private and is_behind_nat(hop, flow):
        return flow
    return _redirected(flow, hop)


def _redirected(flow: Flow, hop: Address) -> Flow:
    """The flow to the address that a dialog's peer names: over TCP, a connection that we open
    ourselves.

    A peer that was proven by a certificate stays where it is (RFC 5923 section 9): elsewhere sits
    another.
    """
    if flow.remote == hop or flow.transport not in ("udp", "tcp"):
        return flow
    return flow._replace(remote=hop, name=hop[0] if flow.reliable else None, beyond=None)


_CONTACT_TRANSPORT = {
    "tcp": b";transport=tcp", "tls": b";transport=tls", "ws": b";transport=ws",
    "wss": b";transport=ws",
}  # fmt: skip
"""The transport parameter of our Contact. "tls" is deprecated (RFC 5630 section 3.1.4) and the only
thing that phones understand; a `sips:` URI would forbid the caller to reach us otherwise. "ws"
stands for both WebSocket transports (RFC 7118 section 5.2)."""
_SIPS_TRANSPORT = {"wss": b";transport=ws"}
"""In a `sips:` URI, which says by itself that it is TLS."""


def _nothing() -> None:
    """Do nothing after a turn, where no tap gathers."""


def _bracket(host: str) -> bytes:
    return f"[{host}]".encode("ascii") if ":" in host else host.encode("ascii")
