"""Admission of lines' texts: sender, recipient, and the sender's number as the recipient sees it.

The sender is authenticated by digest, and its From is replaced as for calls. An envelope (CPIM)
gets the sender's own address, whatever it claimed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from sip.errors import SipError
from sip.events import Received
from sip.headers import parse_params, write_params
from sip.message import Request
from sip.registrar import Binding
from softswitch.admission.admission import Stages
from softswitch.admission.authentication import Caller, LineCaller
from softswitch.admission.caller_id import present
from softswitch.admission.numbering import Dialled
from softswitch.admission.routing import ToLine
from softswitch.subscribers.directory import Line
from softswitch.subscribers.refusal import Refusal
from softswitch.texting import cpim
from softswitch.texting.delivery_report import REPORT_TYPE
from softswitch.texting.message import Text
from softswitch.texting.sending import Payer, Quote, TextPrices

PLAIN, TYPING = "text/plain", "application/im-iscomposing+xml"
CONTENT_TYPES = (PLAIN, TYPING, REPORT_TYPE, cpim.CONTENT_TYPE)
"""Content types that pass: texts, "is typing", delivery reports, and both in an envelope."""
ACCEPT = (b"Accept", ", ".join(CONTENT_TYPES).encode("ascii"))
MAX_TEXT_BYTES = 4_096
"""A text of some ten SMS; one that doesn't fit into 1,300 octets with its header goes by TCP."""
TEXTS_PER_SECOND = 2.0
BURST = 20
"""Of one line: a fast writer with "is typing" and reports; no bulk sender."""
RETRY_LATER = ((b"Retry-After", b"%d" % round(BURST / TEXTS_PER_SECOND)),)
MAX_REPLY_BYTES = 16
"""An answer to a question of ours is a key or two."""
DAY_MS = 86_400_000

TakesReply = Callable[[Line, str, bytes], bool]
"""True for a line's text to a number that answers a question of the switch's own."""


class TextSettings(NamedTuple):
    """Limits on stored texts.

    Args:
        domain: of our lines' addresses.
        kept_days: how long a text waits for a phone.
        max_kept: texts that wait for one line at once.
    """

    domain: bytes
    kept_days: int = 7
    max_kept: int = 500

    def uri(self, number: str) -> str:
        """The SIP URI of a number of ours."""
        return f"sip:{number}@{self.domain.decode('ascii')}"


class ToPhones(NamedTuple):
    """A text that may pass to a line, and the phones that get it."""

    text: Text
    line: Line
    bindings: tuple[Binding, ...]


class ToCarrier(NamedTuple):
    """A text that may pass to another network, and its price."""

    payer: Payer
    origin: str
    sender: str
    quote: Quote
    text: str


class LineAdmission:
    """Admits MESSAGE requests of lines.

    Args:
        wall_ms: epoch milliseconds.
    """

    def __init__(
        self,
        stages: Stages,
        prices: TextPrices,
        settings: TextSettings,
        takes_reply: TakesReply,
        wall_ms: Callable[[], int],
    ) -> None:
        self._stages = stages
        self._prices = prices
        self._settings = settings
        self._takes_reply = takes_reply
        self._wall_ms = wall_ms
        self._even_at: dict[int, float] = {}
        """By line id, the time at which a line's texts are again within its rate."""

    def replies(self, request: Request, caller: Caller) -> bool:
        """True if a text answers a question of the switch's own."""
        if not isinstance(caller, LineCaller) or len(request.body) > MAX_REPLY_BYTES:
            return False
        dialled = self._stages.number(request.uri.user or "")
        return self._takes_reply(caller.line, dialled.number, request.body)

    def admit(self, received: Received, caller: Caller, now: float) -> ToPhones | ToCarrier:
        """Choose the way of a text.

        Args:
            now: monotonic seconds.

        Raises:
            SipError: 400 damaged, 413 too long, 415 not a content that passes, 480 too many texts.
            Refusal: 402, 403, 404 or 480, with the rule that refused.
        """
        request = received.request
        if not isinstance(caller, LineCaller):
            raise Refusal(403, "text_from_trunk")
        if (status := self._stages.directory.bar(caller.line, "outgoing")) is not None:
            raise Refusal(403, "text_line_status", state=status)
        self._take_turn(caller.line, now)
        content_type = _content_type(request)
        dialled = self._stages.number(request.uri.user or "")
        line = self._called(dialled)
        if line is None:
            return self._price(caller.line, request, dialled.number, content_type)
        bindings = tuple(self._stages.bindings_of(line))
        route = ToLine(line.number, line, bindings)
        presented = present(caller, route, request, self._stages.plan)
        body = request.body
        if media_type(content_type) == cpim.CONTENT_TYPE:
            body = self._addressed(body, presented.presented, line.number)
        wall = self._wall_ms()
        text = Text(
            origin=_origin(caller.line, request),
            kind="line",
            from_line=caller.line.id,
            to_line=line.id,
            sender=presented.presented or "",
            recipient=line.number,
            content_type=content_type,
            body=body,
            created_at=wall,
            due_at=wall,
            expires_at=wall + self._settings.kept_days * DAY_MS,
            is_report=_is_report(content_type, body),
        )
        return ToPhones(text, line, tuple(b for b in bindings if b.flow != received.flow))

    def _take_turn(self, line: Line, now: float) -> None:
        even_at = max(self._even_at.get(line.id, 0.0), now) + 1 / TEXTS_PER_SECOND
        if even_at > now + BURST / TEXTS_PER_SECOND:
            raise SipError(480, "Too Many Texts", RETRY_LATER)
        self._even_at[line.id] = even_at

    def _called(self, dialled: Dialled) -> Line | None:
        """The line of a text's recipient; None: it is in another network."""
        line = self._stages.directory.line_by_number(dialled.number)
        if line is None:
            if dialled.kind != "e164":
                raise Refusal(404, "text_callee_unknown")
            return None
        if (status := self._stages.directory.bar(line, "incoming")) is not None:
            raise Refusal(480, "text_callee_status", state=status)
        return line

    def _price(self, line: Line, request: Request, number: str, content_type: str) -> ToCarrier:
        """The price of a text to another network, which the line must be allowed to send."""
        body = request.body
        kind = media_type(content_type)
        if kind == cpim.CONTENT_TYPE:
            envelope = _envelope(body)
            body, kind = envelope.content, media_type(envelope.content_type)
        if kind != PLAIN:
            raise SipError(415, headers=((b"Accept", PLAIN.encode("ascii")),))
        payer = Payer(line.account_id, line)
        text = body.decode("utf-8", "replace")
        quote = self._prices.quote(payer, number, text, self._wall_ms())
        return ToCarrier(payer, _origin(line, request), line.number, quote, text)

    def _addressed(self, body: bytes, sender: str | None, recipient: str) -> bytes:
        """An envelope with its parties' own addresses, whatever it claimed."""
        uri = self._settings.uri
        shown = uri(sender) if sender else "sip:anonymous@anonymous.invalid"
        return cpim.write(_envelope(body).addressed(shown, uri(recipient)))


def media_type(content_type: str) -> str:
    """A Content-Type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def _is_report(content_type: str, body: bytes) -> bool:
    """True for a delivery report, also in an envelope."""
    kind = media_type(content_type)
    if kind == cpim.CONTENT_TYPE:
        kind = media_type(_envelope(body).content_type)
    return kind == REPORT_TYPE


def _envelope(body: bytes) -> cpim.Envelope:
    try:
        return cpim.parse(body)
    except cpim.CpimError as error:
        raise SipError(400, f"Bad CPIM: {error}") from None


def _content_type(request: Request) -> str:
    """The Content-Type of a text that may pass: type and charset, nothing else."""
    content_type = request.content_type
    if content_type not in CONTENT_TYPES or request.get(b"content-encoding") is not None:
        raise SipError(415, headers=(ACCEPT,))
    if len(request.body) > MAX_TEXT_BYTES:
        raise SipError(413)
    _, semicolon, rest = (request.get(b"content-type") or b"").partition(b";")
    charset = parse_params(semicolon + rest).get("charset")
    if charset is None:
        return content_type
    return content_type + write_params({"charset": charset}).decode("ascii")


def _origin(line: Line, request: Request) -> str:
    """The key of a line's text: a retransmitted one has the same Call-ID and CSeq."""
    key = b"%s\0%d" % (request.call_id.encode("utf-8", "surrogateescape"), request.cseq[0])
    return f"sip:{line.id}:{hashlib.sha256(key).hexdigest()}"
