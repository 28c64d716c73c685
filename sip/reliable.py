"""Reliable provisional responses (RFC 3262): the sending and the receiving side of one INVITE."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar

from sip import grammar
from sip.dialog import Dialog
from sip.errors import ParseError
from sip.fields import Fields
from sip.message import Request, Response
from sip.stack import Stack, WrittenResponse
from sip.transaction import T1, TIMEOUT

T = TypeVar("T")

OPTION = b"100rel"
MAX_WAITING = 8
"""Provisional responses that wait for the PRACK of an earlier one; a caller that acknowledges
nothing doesn't make them pile up."""
MAX_FORKS = 16
"""Early dialogs of one INVITE whose reliable responses are followed."""

_RACK = re.compile(rb"([0-9]{1,10})[ \t]+([0-9]{1,10})[ \t]+(" + grammar.TOKEN + rb")")
"""RAck = response-num LWS CSeq-num LWS Method"""


class Supported:
    """Support of 100rel, by the Require and Supported of a request."""

    __slots__ = ("allowed", "required")

    def __init__(self, request: Request) -> None:
        self.required = OPTION in request.option_tags(b"require")
        self.allowed = self.required or OPTION in request.option_tags(b"supported")

    def wants(self, status: int, body: bytes, *, offered: bool) -> bool:
        """True if a provisional response must be sent reliably: the caller requires it, or it
        carries a description that must not get lost. The first reliable response to an INVITE
        without an offer would have to carry one (RFC 3262 section 5), which ours don't."""
        return status > 100 and offered and (self.required or (self.allowed and bool(body)))


class ReliableUser(Protocol):
    """The received INVITE, as the sender of its reliable provisional responses sees it."""

    @property
    def request(self) -> Request:
        """The INVITE."""

    @property
    def answered(self) -> bool:
        """True once a final response was sent."""

    def transmit(self, response: WrittenResponse, now: float) -> None:
        """Send a reliable provisional response, or send it again."""

    def respond(self, response: WrittenResponse, now: float) -> None:
        """Send the final response that waited for a PRACK."""

    def arm(
        self, seconds: float, now: float, callback: Callable[[T, float], None], argument: T
    ) -> None:
        """Call back after this many seconds, unless the INVITE is over by then."""

    def unheard(self, now: float) -> None:
        """No PRACK has arrived within 64*T1."""


class ReliableSender:
    """Our provisional responses to one INVITE: one at a time, each repeated until its PRACK.

    Args:
        first: the RSeq of the first one, between 1 and 2**31 - 1 (section 3).
    """

    __slots__ = ("_deferred", "_interval", "_invite", "_rseq", "_unacknowledged", "_waiting")

    def __init__(self, invite: ReliableUser, first: int) -> None:
        self._invite = invite
        self._rseq = first
        self._unacknowledged: WrittenResponse | None = None
        self._interval = T1
        self._waiting: deque[Callable[[Fields], WrittenResponse]] = deque(maxlen=MAX_WAITING)
        self._deferred: WrittenResponse | None = None

    def send(self, build: Callable[[Fields], WrittenResponse], now: float) -> None:
        """Send what `build` makes with the fields given to it, or queue it (section 3)."""
        if self._unacknowledged is not None:
            self._waiting.append(build)
            return
        fields = ((b"Require", OPTION), (b"RSeq", b"%d" % self._rseq))
        self._unacknowledged = build(fields)
        self._interval = T1
        self._invite.transmit(self._unacknowledged, now)
        self._invite.arm(T1, now, _repeat, (self, self._rseq))
        self._invite.arm(TIMEOUT, now, _give_up, (self, self._rseq))

    def defers(self, final: WrittenResponse) -> bool:
        """True if a 2xx must wait: a description that was sent has not been acknowledged yet
        (section 3)."""
        if self._unacknowledged is None or not self._unacknowledged.described:
            return False
        self._deferred = final
        return True

    def proceed(self, now: float) -> None:
        """The PRACK came: send the next response that waits."""
        self._unacknowledged = None
        self._rseq += 1
        final, self._deferred = self._deferred, None
        if final is not None:
            self._invite.respond(final, now)
        elif self._waiting and not self._invite.answered:
            self.send(self._waiting.popleft(), now)

    def awaits(self, request: Request) -> bool:
        """True if a PRACK acknowledges the response that waits for one.

        Raises:
            ParseError: 400, RAck is missing or malformed.
        """
        if self._unacknowledged is None:
            return False
        found = _RACK.fullmatch(request.get(b"rack") or b"")
        if found is None:
            raise ParseError("Malformed RAck")
        cseq = self._invite.request.cseq.number
        return (int(found[1]), int(found[2]), found[3]) == (self._rseq, cseq, b"INVITE")

    def _is_due(self, rseq: int) -> bool:
        if self._deferred is None and self._invite.answered:
            return False
        return self._unacknowledged is not None and rseq == self._rseq

    def repeat(self, rseq: int, now: float) -> None:
        """Retransmit the response until its PRACK comes."""
        if self._unacknowledged is not None and self._is_due(rseq):
            self._invite.transmit(self._unacknowledged, now)
            self._interval *= 2
            self._invite.arm(self._interval, now, _repeat, (self, rseq))

    def give_up(self, rseq: int, now: float) -> None:
        """No PRACK after 64*T1: the INVITE is refused with 5xx (section 3)."""
        if self._is_due(rseq):
            self._unacknowledged = self._deferred = None
            self._invite.unheard(now)


def _repeat(armed: tuple[ReliableSender, int], now: float) -> None:
    armed[0].repeat(armed[1], now)


def _give_up(armed: tuple[ReliableSender, int], now: float) -> None:
    armed[0].give_up(armed[1], now)


class ReliableReceiver:
    """Reliable provisional responses to our INVITE, in their order, for each fork."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[str | None, int] = {}

    def is_news(self, response: Response) -> bool:
        """True if a provisional response must be handled: any unreliable one, and each reliable
        one once, in order (section 4)."""
        rseq = rseq_of(response)
        if rseq is None:
            return True
        last = self._last.get(response.to_tag)
        if last is None and len(self._last) >= MAX_FORKS:
            return False
        if last is not None and rseq != last + 1:
            return False
        self._last[response.to_tag] = rseq
        return True


def rseq_of(response: Response) -> int | None:
    """RSeq of a response that must be acknowledged by PRACK; None for any other."""
    if response.status <= 100 or OPTION not in response.option_tags(b"require"):
        return None
    number = grammar.number(response.get(b"rseq") or b"", 2**32 - 1)
    return number or None


def acknowledge_provisional(stack: Stack, dialog: Dialog, response: Response, now: float) -> None:
    """Send the PRACK of a reliable response in its early dialog (section 4)."""
    fields = [(b"RAck", b"%d %d INVITE" % (rseq_of(response) or 0, response.cseq.number))]
    stack.send_in_dialog(dialog, "PRACK", fields, b"", None, now)
