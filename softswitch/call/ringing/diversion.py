"""Diverting parties and their reasons: Diversion (RFC 5806) and History-Info (RFC 7044)."""

from __future__ import annotations

from dataclasses import dataclass

from sip import grammar
from sip.fields import Fields
from sip.message import Request
from softswitch.subscribers.refusal import Refusal

MAX_DIVERSIONS = 10
"""The most diversions of a call; with more it is taken to be a loop."""

REASONS = {
    301: "unconditional",
    302: "deflection",
    305: "unconditional",
    380: "unknown",
    408: "no-answer",
    486: "user-busy",
    503: "unavailable",
}
"""The Diversion reason for the SIP status that diverted the call (RFC 5806 section 4.1)."""


@dataclass(frozen=True, slots=True)
class Diversion:
    """One diversion: the number that diverted the call, and the SIP status for its reason."""

    number: str
    status: int

    def fields(self, target: str, domain: bytes) -> Fields:
        """The Diversion and History-Info of the INVITE to the new target."""
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
    """Refuse a call that was diverted too often.

    Raises:
        Refusal: 483.
    """
    values = request.values
    was_diverted = b"diversion" in values or b"history-info" in values  # as hardly any call was
    if was_diverted and diversions(request) > MAX_DIVERSIONS:
        raise Refusal(483, "diversions_too_many")


def diversions(request: Request) -> int:
    """The number of diversions that a call had before it came to us."""
    total = 0
    for value in request.get_list(b"diversion"):
        counter = 1
        for parameter in value.split(b";")[1:]:
            name, _, number = parameter.partition(b"=")
            if name.strip(grammar.LWS).lower() == b"counter":
                counter = grammar.number(number.strip(grammar.LWS)) or 1
        total += counter
    return max(total, len(request.get_list(b"history-info")) - 1)
