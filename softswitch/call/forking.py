"""Ringing: every phone of a line at once, or one trunk after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sip.invite import Fields
from sip.message import Response
from sip.session import Session
from sip.user_agent import Invitation, UserAgent
from softswitch.admission.refusal import NO_ANSWER, Refusal, cause_of
from softswitch.directory import Trunk

COMPLETED_ELSEWHERE: Fields = ((b"Reason", b'SIP;cause=200;text="Call completed elsewhere"'),)
"""RFC 3326; said only when it is true, since phones keep it out of their missed calls."""

TRY_NEXT_TRUNK = frozenset({401, 402, 403, 407, 408, 430, 500, 502, 503, 504})
"""Statuses that tell of the trunk and not of the called person: another trunk may do better."""

ABOUT_THE_CALLED = frozenset({1, 16, 17, 18, 19, 21, 22, 28})
"""Q.850 causes that settle it on any trunk, whatever the status."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is rung together.

    Args:
        invitations: one a phone, or a single one for a trunk.
        seconds: until it is given up without an answer.
        silence_seconds: until it is given up without any response, if another attempt remains.
        trunk: None for the phones of a line.
    """

    invitations: tuple[Invitation, ...]
    seconds: float
    silence_seconds: float | None = None
    trunk: Trunk | None = None


class Branches:
    """The INVITEs of one attempt, until one is answered or all have failed."""

    __slots__ = ("_agent", "_failures", "_ringing", "attempt", "heard")

    def __init__(self, agent: UserAgent, attempt: Attempt) -> None:
        self._agent = agent
        self._ringing: list[Session] = []
        self._failures: list[tuple[int, Response | None]] = []
        self.attempt = attempt
        self.heard = False
        """Whether any response came."""

    def invite(self, owner: object, body: bytes, now: float) -> None:
        for invitation in self.attempt.invitations:
            session = self._agent.invite(invitation, body, now)
            session.owner = owner
            self._ringing.append(session)

    def __contains__(self, session: object) -> bool:
        return session in self._ringing

    def __iter__(self) -> Iterator[Session]:
        return iter(self._ringing)

    def won(self, winner: Session, now: float) -> None:
        """Cancel everyone else, telling them why."""
        self._cancel([s for s in self._ringing if s is not winner], COMPLETED_ELSEWHERE, now)
        self._ringing.clear()

    def cancel(self, now: float) -> None:
        """Give up: the caller did, or nobody answers."""
        self._cancel(self._ringing, (), now)
        self._ringing.clear()

    def failed(self, session: Session, status: int, response: Response | None, now: float) -> bool:
        """Note a failure; whether the whole attempt has failed with it."""
        self._ringing.remove(session)
        self._failures.append((status, response))
        if status >= 600:  # RFC 3261 section 16.7: nobody wants it
            self.cancel(now)
        return not self._ringing

    def timed_out(self) -> None:
        """Nobody said anything for too long."""
        self._failures.append((408, None))

    def _cancel(self, sessions: Sequence[Session], reason: Fields, now: float) -> None:
        for session in sessions:
            session.bye(now, reason)  # one may have been answered while another won

    def tries_next(self) -> bool:
        """Whether the failure is the trunk's, so that the next one should be tried."""
        if self.attempt.trunk is None:
            return False
        status, response = self._worst()
        if response is not None and _q850(response) in ABOUT_THE_CALLED:
            return False
        return status in TRY_NEXT_TRUNK

    def refusal(self) -> Refusal:
        """What to tell the caller."""
        status, response = self._worst()
        cause = _q850(response) if response is not None else None
        if self.attempt.trunk is not None:
            return _trunk_refusal(status, cause, self.attempt.trunk)
        if status == 408:
            return Refusal(480, "call: no phone of the line answers", cause=18)
        if status not in PASSED_ON:
            status = 480
        return Refusal(status, "call: refused by the called phone", cause=cause or cause_of(status))

    def _worst(self) -> tuple[int, Response | None]:
        """The failure that says most (RFC 3261 section 16.7 step 6): 6xx, then busy or declined,
        then other refusals, then time-outs."""
        return min(self._failures, key=lambda failure: _rank(failure[0]), default=(480, None))


PASSED_ON = frozenset({404, 410, 480, 484, 486, 487, 488, 500, 503, 600, 603, 604, 606})
"""Statuses that mean the same to the caller as to us."""


def _rank(status: int) -> tuple[int, int]:
    if status >= 600:
        return 0, status
    if status in (486, 480, 404, 410, 484, 488):
        return 1, -status
    return (3 if status in (408, 503) else 2), status


def _trunk_refusal(status: int, cause: int | None, trunk: Trunk) -> Refusal:
    rule = f"call: trunk {trunk.name} answered {status}"
    if status in PASSED_ON:
        return Refusal(status, rule, cause=cause)
    if status == 408:
        return Refusal(504, rule, cause=cause)
    return Refusal(503, rule, cause=cause)


def no_answer() -> Refusal:
    return Refusal(480, "call: no answer in time", cause=NO_ANSWER, ended_by="timer")


def _q850(response: Response) -> int | None:
    """The cause in a Reason field (RFC 3326), if it is Q.850's."""
    for value in response.get_list(b"reason"):
        protocol, _, rest = value.partition(b";")
        if protocol.strip().upper() != b"Q.850":
            continue
        for parameter in rest.split(b";"):
            name, _, number = parameter.partition(b"=")
            digits = number.strip()
            if name.strip().lower() == b"cause" and len(digits) <= 3 and digits.isdigit():
                return int(digits)
    return None
