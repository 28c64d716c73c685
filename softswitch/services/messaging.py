"""Texts between lines (RFC 3428): passed on at once to every phone of the called line, or refused.

Who sends is proven by digest, and what From says is decided here, as for calls. Nothing is stored:
the sender's phone hears whether a phone took the text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sip.errors import SipError
from sip.events import Received, Replied
from sip.fields import Fields
from sip.headers import parse_params, write_params
from sip.message import Request
from sip.registrar import Binding
from sip.standalone import StandaloneRequest
from sip.transaction_layer import ServerTransaction
from sip.user_agent import UserAgent
from softswitch.admission.admission import Stages
from softswitch.admission.authentication import Caller, LineCaller
from softswitch.admission.caller_id import from_field, present, privacy_fields
from softswitch.admission.routing import ToLine
from softswitch.subscribers.directory import Line
from softswitch.subscribers.refusal import Refusal

CONTENT_TYPES = ("text/plain", "application/im-iscomposing+xml", "message/imdn+xml")
"""What passes: texts, "is typing" and receipts. message/cpim doesn't, for it has a From of its own
that nobody could hold against the sender."""
ACCEPT = (b"Accept", ", ".join(CONTENT_TYPES).encode("ascii"))
MAX_TEXT_BYTES = 4_096
"""A text of some ten SMS; what doesn't fit into 1,300 octets with its header goes by TCP."""
TEXTS_PER_SECOND = 2.0
BURST = 20
"""Of one line: a fast writer with "is typing" and receipts; no bulk sender."""
RETRY_LATER = ((b"Retry-After", b"%d" % round(BURST / TEXTS_PER_SECOND)),)
ANSWER_SECONDS = 20.0
"""A sender that waits longer than 32 s hears nothing any more (RFC 4320)."""
MAX_FORWARDS = 70
MAX_REPLY_BYTES = 16
"""An answer to a question of ours is a key or two."""

PASSED_ON = frozenset({413, 415, 488, 600, 603, 604, 606})
"""A phone's answers that mean the same to the sender; any other says that it can't be had now."""


class Text(NamedTuple):
    """A text that may pass, and how it goes on."""

    from_: bytes
    to: bytes
    bindings: Sequence[Binding]
    extra: Fields
    max_forwards: int
    body: bytes


class Messaging:
    """Passes texts on.

    Args:
        domain: of our lines' addresses.
        takes_reply: True if a line's text to a number answers a question of the switch's own; the
            text goes no further then.
    """

    def __init__(
        self,
        agent: UserAgent,
        stages: Stages,
        domain: bytes,
        takes_reply: Callable[[Line, str, bytes], bool],
    ) -> None:
        self._agent = agent
        self._stages = stages
        self._domain = domain
        self._takes_reply = takes_reply
        self._even_at: dict[int, float] = {}
        """Line id to when it will have sent no more than its rate allows."""

    def pass_on(self, received: Received, caller: Caller, now: float) -> None:
        """Send a text to the phones of the line that it is for; the sender is answered when one of
        them has taken it.

        Raises:
            SipError: 413 too long, 415 not a content that passes, 480 too many texts.
            Refusal: 403 not from there, 404 no line, 480 nobody there.
        """
        if self._replies(received.request, caller):
            self._agent.stack.reply(received.request, received.flow, 200, now)
            return
        text = self._admit(received, caller, now)
        delivery = _Delivery(
            self._agent, self._agent.stack.postpone(received.request, received.flow)
        )
        for binding in text.bindings:
            delivery.send(
                StandaloneRequest(
                    "MESSAGE",
                    binding.flow,
                    binding.contact,
                    text.from_,
                    text.to,
                    text.max_forwards,
                    text.extra,
                    text.body,
                ),
                now,
            )
        self._agent.stack.timers.arm(ANSWER_SECONDS, now, _too_late, delivery)

    def _replies(self, request: Request, caller: Caller) -> bool:
        """Whether a text is an answer to a question of the switch's own."""
        if not isinstance(caller, LineCaller) or len(request.body) > MAX_REPLY_BYTES:
            return False
        dialled = self._stages.number(request.uri.user or "")
        return self._takes_reply(caller.line, dialled.number, request.body)

    def _admit(self, received: Received, caller: Caller, now: float) -> Text:
        request = received.request
        if not isinstance(caller, LineCaller):
            raise Refusal(403, "text_from_trunk")
        if (status := self._stages.directory.bar(caller.line, "outgoing")) is not None:
            raise Refusal(403, "text_line_status", state=status)
        self._take_turn(caller.line, now)
        content_type = _content_type(request)
        line, bindings = self._called(request, received)
        presented = present(caller, ToLine(line.number, line, bindings), request, self._stages.plan)
        forwards = MAX_FORWARDS if request.max_forwards is None else request.max_forwards
        return Text(
            from_field(presented.identity, self._domain),
            b"<sip:%s@%s>" % (line.number.encode("ascii"), self._domain),
            bindings,
            (*privacy_fields(presented.identity), (b"Content-Type", content_type)),
            min(MAX_FORWARDS, forwards - 1),
            request.body,
        )

    def _take_turn(self, line: Line, now: float) -> None:
        even_at = max(self._even_at.get(line.id, 0.0), now) + 1 / TEXTS_PER_SECOND
        if even_at > now + BURST / TEXTS_PER_SECOND:
            raise SipError(480, "Too Many Texts", RETRY_LATER)
        self._even_at[line.id] = even_at

    def _called(self, request: Request, received: Received) -> tuple[Line, tuple[Binding, ...]]:
        """The line that a text is for, and its phones, without the one that sends."""
        dialled = self._stages.number(request.uri.user or "")
        line = self._stages.directory.line_by_number(dialled.number)
        if line is None:
            raise Refusal(404, "text_callee_unknown")
        if (status := self._stages.directory.bar(line, "incoming")) is not None:
            raise Refusal(480, "text_callee_status", state=status)
        bindings = tuple(b for b in self._stages.bindings_of(line) if b.flow != received.flow)
        if not bindings:
            raise Refusal(480, "text_callee_not_registered")
        return line, bindings


def _content_type(request: Request) -> bytes:
    """The Content-Type of a text that may pass: type and charset, nothing else."""
    content_type = request.content_type
    if content_type not in CONTENT_TYPES or request.get(b"content-encoding") is not None:
        raise SipError(415, headers=(ACCEPT,))
    if len(request.body) > MAX_TEXT_BYTES:
        raise SipError(413)
    _, semicolon, rest = (request.get(b"content-type") or b"").partition(b";")
    charset = parse_params(semicolon + rest).get("charset")
    if charset is None:
        return content_type.encode("ascii")
    return content_type.encode("ascii") + write_params({"charset": charset})


class _Delivery:
    """One text on its way to all phones of a line."""

    __slots__ = ("_agent", "_answered", "_failures", "_under_way", "transaction")

    def __init__(self, agent: UserAgent, transaction: ServerTransaction) -> None:
        self._agent = agent
        self._under_way = 0
        self._failures: list[int] = []
        self._answered = False
        self.transaction = transaction

    def send(self, text: StandaloneRequest, now: float) -> None:
        self._under_way += 1
        self._agent.send_standalone(text, self._heard, now)

    def _heard(self, reply: Replied) -> None:
        self._under_way -= 1
        if 200 <= reply.status < 300:
            self.answer(200, reply.at)
        else:
            self._failures.append(reply.status)
            if self._under_way == 0:
                self.answer(self.failure(), reply.at)

    def failure(self) -> int:
        """What to tell the sender when no phone took it."""
        return next((status for status in self._failures if status in PASSED_ON), 480)

    def answer(self, status: int, now: float) -> None:
        """Tell the sender, once; other phones may get the text all the same."""
        if not self._answered:
            self._answered = True
            self._agent.stack.conclude(self.transaction, status, now)


def _too_late(delivery: _Delivery, now: float) -> None:
    delivery.answer(delivery.failure(), now)
