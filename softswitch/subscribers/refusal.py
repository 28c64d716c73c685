"""Refusals of calls: raised where the reason is found, answered in one place."""

from __future__ import annotations

from ivr_prompts.phrase import Part
from sip.errors import REASONS
from softswitch.errors.coded import CodedError, Given

CAUSE_OF_STATUS = {
    400: 127, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22,
    413: 127, 414: 127, 415: 79, 416: 127, 420: 127, 421: 127, 423: 127, 428: 21,
    430: 20, 433: 21, 436: 21, 437: 21, 438: 21,
    480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17, 487: 16, 488: 65, 491: 41,
    500: 41, 501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127, 580: 47, 600: 17, 603: 21,
    604: 1, 606: 65,
}  # fmt: skip
"""Q.850 causes of SIP statuses (RFC 3398 section 8.2.6.1, ITU-T Q.1912.5)."""

NORMAL_CLEARING = 16
NO_ANSWER = 19
SUBSCRIBER_ABSENT = 20
RECOVERY_ON_TIMER = 102


def cause_of(status: int) -> int:
    """The Q.850 cause for a final status."""
    return CAUSE_OF_STATUS.get(status, 41 if status >= 500 else 31)


class Refusal(CodedError):
    """A call, or another request of a phone or trunk, that is refused.

    Args:
        status: SIP status for the caller.
        code: the rule that refused, in the catalogue of errors. Its English sentence
            begins with the stage that refused: "routing: the called line is busy".
        reason: the reason phrase for the caller; the status's standard phrase if None.
        cause: Q.850 cause; by the status if None.
        ended_by: the party in the CDR that ended the attempt.
        says: the announcement to a calling line of ours; empty: the phone's own tone is enough.
        facts: the values that the sentence names.
    """

    def __init__(
        self,
        status: int,
        code: str,
        reason: str | None = None,
        /,
        *,
        cause: int | None = None,
        ended_by: str = "callee",
        says: tuple[Part, ...] = (),
        **facts: Given,
    ) -> None:
        super().__init__(code, **facts)
        self.status = status
        self.reason = reason or REASONS.get(status, "Refused")
        self.cause = cause_of(status) if cause is None else cause
        self.ended_by = ended_by
        self.says = says

    @property
    def rule(self) -> str:
        """The rule that refused, for the log, the CDR and `explain`."""
        return self.message

    def __str__(self) -> str:
        return f"{self.status} {self.reason} ({self.rule})"
