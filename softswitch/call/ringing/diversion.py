"""Who sent a call on, and why: Diversion (RFC 5806) and History-Info (RFC 7044)."""

from __future__ import annotations

from dataclasses import dataclass

from sip import grammar
from sip.fields import Fields
from sip.message import Request
from softswitch.subscribers.refusal import Refusal

MAX_DIVERSIONS = 10
"""A call that was sent on more often goes in a circle."""

REASONS = {
    301: "unconditional",
    302: "deflection",
    305: "unconditional",
    380: "unknown",
    408: "no-answer",
    486: "user-busy",
    503: "unavailable",
}
"""Of the status that sent the call on (RFC 5806 section 4.1)."""


@dataclass(frozen=True, slots=True)
class Diversion:
    """One step: the number that sent the call on, and the SIP status by which it did."""

    number: str
    status: int

    def fields(self, target: str, domain: bytes) -> Fields:
        """What the INVITE to the new target says of it."""
        number, wanted = self.number.encode("ascii"), target.encode("ascii", "replace")
        reason = REASONS.get(self.status, "unknown").encode("ascii")
        uri = b"sip:%s@%s" % (number, domain)
        cause = b"?Reason=SIP%%3Bcause%%3D%d" % self.status
        history = b"<%s%s>;index=1, <sip:%s@%s>;index=1.1" % (uri, cause, wanted, domain)
        return (
            (b"Diversion", b"<%s>;reason=%s;counter=1" % (uri, reason)),
            (b"History-Info", history),
        )


def check_diversions(request: Request) -> None:
    """Refuse a call that others have sent on again and again.

    Raises:
        Refusal: 483.
    """
    if diversions(request) > MAX_DIVERSIONS:
        raise Refusal(483, "diversions_too_many")


def diversions(request: Request) -> int:
    """How often a call was sent on before it came to us."""
    total = 0
    for value in request.get_list(b"diversion"):
        counter = 1
        for parameter in value.split(b";")[1:]:
            name, _, number = parameter.partition(b"=")
            if name.strip(grammar.LWS).lower() == b"counter":
                counter = grammar.number(number.strip(grammar.LWS)) or 1
        total += counter
    return max(total, len(request.get_list(b"history-info")) - 1)
