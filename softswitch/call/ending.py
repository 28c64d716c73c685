"""The ending of a call, for the other leg, the CDR and the log."""

from __future__ import annotations

from msgspec import Struct, structs

from ivr_prompts.phrase import Part
from softswitch.subscribers.refusal import NORMAL_CLEARING, RECOVERY_ON_TIMER, Refusal


class Ending(Struct, frozen=True):
    """The first of the reasons for which a call ended; the CDR keeps it.

    Args:
        ended_by: caller, callee, credit, timer, media_timeout, operator or restart.
        status: SIP status of the attempt; 200 once it was answered.
        cause: Q.850.
        at: monotonic seconds of the end, where that isn't the moment at which it was noticed: the
            end of the paid seconds, or the last packet.
        rule: the rule that refused, for the log.
        reason: the phrase that goes with the status; None for the standard one.
        says: the announcement to the caller before an answer.
        told: the caller has already heard an announcement of the failure.
        code: of the rule that refused, in the catalogue of errors.
    """

    ended_by: str
    status: int
    cause: int
    at: float | None = None
    rule: str = ""
    reason: str | None = None
    says: tuple[Part, ...] = ()
    told: bool = False
    code: str = ""

    @classmethod
    def refused(cls, refusal: Refusal) -> Ending:
        return cls(
            refusal.ended_by,
            refusal.status,
            refusal.cause,
            None,
            refusal.rule,
            refusal.reason,
            refusal.says,
            code=refusal.code,
        )


def given_up() -> Ending:
    """The ending of a call whose caller gave up before an answer."""
    return Ending("caller", 487, NORMAL_CLEARING)


def abandoned(end: Ending) -> Ending:
    """The ending of a leg that still rang when its answered call ended."""
    return structs.replace(end, status=487, cause=NORMAL_CLEARING)


def taken_elsewhere() -> Ending:
    """Another leg that was rung with this one answered first."""
    return Ending("callee", 487, 26, rule="call: answered elsewhere")


def hung_up(by: str) -> Ending:
    return Ending(by, 200, NORMAL_CLEARING)


def unreachable(by: str) -> Ending:
    """An in-dialog request of ours was not answered."""
    return Ending(by, 200, RECOVERY_ON_TIMER, rule="call: the peer stopped answering")


def not_refreshed() -> Ending:
    return Ending("timer", 200, RECOVERY_ON_TIMER, rule="call: the session timer ran out")


def credit_used_up(at: float) -> Ending:
    return Ending("credit", 200, NORMAL_CLEARING, at, "credit: the paid time is over")


def cap_reached(at: float) -> Ending:
    return Ending("timer", 200, RECOVERY_ON_TIMER, at, "call: max_duration_seconds is reached")


def media_silent(last_packet_at: float) -> Ending:
    return Ending("media_timeout", 200, RECOVERY_ON_TIMER, last_packet_at, "media: no RTP")
