"""Forking: the INVITEs of one attempt, such as all phones of a line at once, or one trunk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct, field

from sip.dialog import DialogId
from sip.fields import Fields
from sip.flow import Flow
from sip.message import Response
from sip.registrar import Binding
from sip.session import Session
from sip.user_agent import Invitation, UserAgent
from softswitch.admission.routing import NOT_IN_SERVICE
from softswitch.call.deadlines import NEVER
from softswitch.subscribers.directory import Line, Trunk
from softswitch.subscribers.reach import Reach
from softswitch.subscribers.refusal import NO_ANSWER, SUBSCRIBER_ABSENT, Refusal, cause_of
from softswitch.subscribers.supplementary import ForwardKind

if TYPE_CHECKING:
    from softswitch.call.charging.meter import Meter
    from softswitch.call.legs import Legs
    from softswitch.call.media.leg_security import LegSecurity
    from softswitch.call.ringing.answer_confirmation import AnswerConfirmation

COMPLETED_ELSEWHERE: Fields = ((b"Reason", b'SIP;cause=200;text="Call completed elsewhere"'),)
"""RFC 3326; said only when it is true, since phones keep it out of their missed calls."""

TRY_NEXT_TRUNK = frozenset({401, 402, 403, 407, 408, 430, 500, 502, 503, 504})
"""Failures of the trunk and not of the called person: the next trunk is tried."""

NO_COMMON_CODEC = frozenset({415, 488, 606})
"""Refusals of phones that may take the call with other codecs."""

UNREACHABLE = frozenset({408, 430, 503})
"""Failures of one address of a trunk: its next address is tried."""

UNUSABLE_ANSWER = 502
"""The status of a leg whose 2xx has no usable description: its own failure, not the caller's."""

SILENT_SECONDS = 4.0
"""A contact that has sent no response at all by then, not even 100, counts as dead once another one
has given a final answer. Its INVITE has gone out at 0, 0.5, 1.5 and 3.5 s."""

ABOUT_THE_CALLED = frozenset({1, 16, 17, 18, 19, 21, 22, 28})
"""Q.850 causes that are about the called person: no other trunk is tried, whatever the status."""


class PhoneRinger(Struct, frozen=True):
    """Makes the invitations to the phones of a line, also to those that register while it rings."""

    line: Line
    to: bytes
    from_: bytes
    max_forwards: int
    extra: Fields = ()
    trusts: Callable[[Flow], bool] | None = None
    on_silent: Callable[[bytes], None] | None = None
    """Called with the Contact of a phone that sent no response."""

    def invitation(self, binding: Binding) -> Invitation:
        """The invitation of one phone, by way of the proxies that its REGISTER came through (RFC
        3327)."""
        return Invitation(
            binding.flow,
            binding.contact,
            self.from_,
            self.to,
            self.max_forwards,
            (*binding.routes, *self.extra),
            trusts=self.trusts,
        )


@dataclass(frozen=True, slots=True)
class BranchTerms:
    """The terms of one INVITE of an attempt.

    Args:
        meter: pays for this branch, beside the payers of the whole call.
        confirmation: asks the person who answers to press a key.
    """

    meter: Meter | None = None
    confirmation: AnswerConfirmation | None = None


PLAIN = BranchTerms()


class Attempt(Struct, frozen=True):
    """The phones or the trunk that are rung together.

    Args:
        invitations: one a phone, or a single one for a trunk; none while the call waits for a
            phone to register.
        seconds: until it is given up without an answer.
        silence_seconds: until it is given up without any response, if another attempt remains.
        trunk: None for the phones of a line.
        phones: None for a trunk.
        rings_seconds: how long a phone rings that registers late.
        forward: the forwarding service that takes the call when this attempt is over; None: it
            depends on the failure.
        reach: the targets to which the call goes when this attempt is over, and the number that
            has them.
        terms: one for each invitation; empty where no branch has terms of its own.
        on_answer: told of the trunk's 2xx, and if its description can be used.
    """

    invitations: tuple[Invitation, ...]
    seconds: float
    silence_seconds: float | None = None
    trunk: Trunk | None = None
    phones: PhoneRinger | None = None
    rings_seconds: float = 0.0
    forward: ForwardKind | None = None
    reach: tuple[Reach, str] | None = None
    terms: tuple[BranchTerms, ...] = ()
    on_answer: Callable[[Trunk, bool], None] | None = None


Offer = Callable[["Line | Trunk | None", Flow], "tuple[bytes, LegSecurity]"]
"""Makes the offer to a phone or trunk that a flow leads to, and the keys of that leg."""


class _Branch(Struct, eq=False):
    """The invitation of one leg, and the terms of its contact."""

    session: Session
    invitation: Invitation
    terms: BranchTerms
    silent_at: float
    """The loop's time at which the contact counts as dead, if it has sent nothing."""
    may_offer_more: bool = True
    """It was offered only the caller's codecs so far."""


class Branches(Struct, eq=False):
    """The INVITEs of one attempt, until one is answered or all have failed."""

    _agent: UserAgent
    attempt: Attempt
    ringing: list[Session] = field(default_factory=list)
    _failures: tuple[tuple[int, Response | None], ...] = ()
    _invited: tuple[_Branch, ...] = ()  # mostly one; a dict takes four times the octets
    """All legs that were ever rung."""
    heard: bool = False
    """True once any response has come."""
    early: DialogId | None = None
    """The dialog of a phone that rings: Call-ID, our tag, its own."""
    deadline: float = NEVER
    """The loop's time at which the attempt is given up."""

    def invite(self, legs: Legs, offer: Offer, now: float) -> None:
        attempt = self.attempt
        self.deadline = now + attempt.seconds
        for place, invitation in enumerate(attempt.invitations):
            terms = attempt.terms[place] if attempt.terms else PLAIN
            self._invite(invitation, legs, offer, now, terms)

    def invite_again(self, session: Session, legs: Legs, offer: Offer, now: float) -> bool:
        """Ring a phone again that refused our offer, with another offer; False if that was done
        before."""
        branch = self._branch(session)
        if branch is None or not branch.may_offer_more or branch.terms.confirmation is not None:
            return False
        branch.may_offer_more = False
        self.ringing.remove(session)
        self._invite(branch.invitation, legs, offer, now, branch.terms)
        self._invited[-1].may_offer_more = False
        return True

    def _branch(self, session: Session) -> _Branch | None:
        """The branch of a leg; None if it is another attempt's."""
        return next((branch for branch in self._invited if branch.session is session), None)

    def confirmation(self, session: Session) -> AnswerConfirmation | None:
        """The question to the person who answers a branch; None: none is asked."""
        branch = self._branch(session)
        return None if branch is None else branch.terms.confirmation

    def _invite(
        self,
        invitation: Invitation,
        legs: Legs,
        offer: Offer,
        now: float,
        terms: BranchTerms = PLAIN,
    ) -> None:
        if terms.confirmation is not None:
            offer = terms.confirmation.offer
        attempt = self.attempt
        party = attempt.trunk if attempt.phones is None else attempt.phones.line
        body, sound = offer(party, invitation.flow)
        session = self._agent.invite(invitation, body, now)
        self._invited += (_Branch(session, invitation, terms, now + SILENT_SECONDS),)
        session.sound = sound
        session.report_to(legs)
        legs.joined(session)
        self.ringing.append(session)

    def late(self, binding: Binding, legs: Legs, offer: Offer, now: float) -> None:
        """Ring a phone that registered while the call rings, unless it rings already."""
        phones = self.attempt.phones
        if phones is None or phones.line.login != binding.aor:
            return
        if any(terms.confirmation is not None for terms in self.attempt.terms):
            return  # only the legs that rang from the start have questions
        invited = [branch.invitation for branch in self._invited]
        if any((one.flow, one.uri) == (binding.flow, binding.contact) for one in invited):
            return
        if not self.ringing:  # the call waited for this phone to register
            self.deadline = now + self.attempt.rings_seconds
        self._invite(phones.invitation(binding), legs, offer, now)

    def note_early(self, session: Session, response: Response) -> None:
        """Note a provisional response of a phone."""
        self.heard = True
        if response.to_tag:
            self.early = (session.dialog.call_id, session.dialog.local_tag, response.to_tag)

    def __contains__(self, session: object) -> bool:
        return session in self.ringing

    def __iter__(self) -> Iterator[Session]:
        return iter(self.ringing)

    def won(self, winner: Session, now: float) -> None:
        """Cancel all legs but the winner, which may be another attempt's, and tell them why."""
        others = self.ringing
        if winner in others:
            others.remove(winner)
            self._judge_trunk(True)
        if others:
            self._cancel(others, COMPLETED_ELSEWHERE, now)
            others.clear()

    def cancel(self, now: float) -> None:
        """Cancel all legs: the caller gave up, or no leg answered in time."""
        self._cancel(self.ringing, (), now)
        self.ringing.clear()

    def failed(self, session: Session, status: int, response: Response | None, now: float) -> bool:
        """Note a failure; whether the whole attempt has failed with it."""
        self.ringing.remove(session)
        self._failures += ((status, response),)
        if status == 408 and response is None:
            self._note_silent(session)
        if status == UNUSABLE_ANSWER and response is None:
            self._judge_trunk(False)
        if status >= 600:  # RFC 3261 section 16.7: no branch may take it
            self.cancel(now)
        return not self.ringing

    def _judge_trunk(self, usable: bool) -> None:
        """Tell of the 2xx of a trunk, and if its description can be used."""
        attempt = self.attempt
        if attempt.on_answer is not None and attempt.trunk is not None:
            attempt.on_answer(attempt.trunk, usable)

    # Dead contacts

    @property
    def dead_at(self) -> float:
        """The loop's time at which :meth:`drop_dead` is due: a final answer of one contact is not
        kept behind contacts that are silent, which would take until 64*T1."""
        if not self._failures or self.attempt.phones is None or not self.ringing:
            return NEVER  # as nearly always
        answered = any(response is not None for _, response in self._failures)
        if not answered or any(map(_is_heard, self.ringing)):
            return NEVER
        return max(branch.silent_at for branch in self._invited if branch.session in self.ringing)

    @property
    def waits_for_dead(self) -> bool:
        """True while a final answer of one contact is held back for silent ones."""
        return self.dead_at < NEVER

    def drop_dead(self, now: float) -> None:
        """Give up the contacts that are still rung: none has sent a response."""
        for session in self.ringing:
            self._note_silent(session)
            self._failures += ((408, None),)
        self.cancel(now)

    def _note_silent(self, session: Session) -> None:
        phones, branch = self.attempt.phones, self._branch(session)
        if phones is not None and phones.on_silent is not None and branch is not None:
            phones.on_silent(branch.invitation.uri)

    def timed_out(self) -> None:
        """No response came for too long."""
        self._failures += ((408, None),)

    def _cancel(self, sessions: Sequence[Session], reason: Fields, now: float) -> None:
        for session in sessions:
            session.bye(now, reason)  # one may have been answered while another won

    def redirection(self) -> Response | None:
        """A phone's 3xx; None if there is none, or if a phone declined the call for all (6xx)."""
        if self.attempt.phones is None or any(status >= 600 for status, _ in self._failures):
            return None
        return next((r for status, r in self._failures if 300 <= status < 400), None)

    def tries_next(self) -> bool:
        """True if the next attempt may succeed: the failure is the trunk's, or phones of a lower q
        are left."""
        status, response = self._worst()
        if self.attempt.trunk is None:
            return status < 600
        if response is not None and _q850(response) in ABOUT_THE_CALLED:
            return False
        return status in TRY_NEXT_TRUNK

    def left_of(self, attempts: Iterable[Attempt]) -> list[Attempt]:
        """The attempts that may still be tried: another address of the same trunk only if this one
        did not answer, or is overloaded (RFC 3263 section 4.3)."""
        trunk = self.attempt.trunk
        if trunk is None or self._worst()[0] in UNREACHABLE:
            return list(attempts)
        return [other for other in attempts if other.trunk is not trunk]

    def refusal(self) -> Refusal:
        """The refusal that the caller receives."""
        status, response = self._worst()
        cause = _q850(response) if response is not None else None
        if not self._failures and self.attempt.forward == "busy":
            return Refusal(486, "callee_busy")
        if not self._failures:
            return no_answer() if self._invited else not_registered()
        if self.attempt.trunk is not None:
            return _trunk_refusal(status, cause, self.attempt.trunk)
        if status == 408:
            return Refusal(480, "phone_silent", cause=18)
        if status not in PASSED_ON:
            status = 480
        return Refusal(status, "phone_refused", cause=cause or cause_of(status))

    @property
    def outcome(self) -> int | None:
        """The status of the failure that says most, 408 when no leg answered; None if none was
        rung."""
        if self._failures:
            return self._worst()[0]
        return 408 if self._invited else None

    def _worst(self) -> tuple[int, Response | None]:
        """The failure that says most (RFC 3261 section 16.7 step 6): 6xx, then busy or declined,
        then other refusals, then time-outs."""
        return min(self._failures, key=lambda failure: rank(failure[0]), default=(480, None))


def _is_heard(session: Session) -> bool:
    """True if a called leg has sent any response."""
    return session.outgoing is None or session.outgoing.heard


def named_by(dialog: DialogId, sessions: Iterable[Session]) -> bool:
    """True if one of these sessions has this early dialog. The order of the two tags isn't
    compared, because some phones swap them; nor is the phone's tag known where only one of several
    answers was seen."""
    call_id, *tags = dialog
    return any(
        session.dialog.call_id == call_id and session.dialog.local_tag in tags
        for session in sessions
    )


PASSED_ON = frozenset({404, 410, 480, 484, 486, 487, 488, 500, 503, 600, 603, 604, 606})
"""Statuses that are passed on to the caller as they are."""


_OF_TRUNK = {
    404: NOT_IN_SERVICE,
    410: NOT_IN_SERVICE,
    484: ("refused-incomplete",),
    503: ("refused-no-lines",),
    604: NOT_IN_SERVICE,
}
"""The announcement for each refusal of a trunk; a refusal of a person is shown by the phone's own
tone."""


def rank(status: int) -> tuple[int, int]:
    """The sort key of a failure: the least is the most informative for the caller."""
    if status >= 600:
        return 0, status
    if status in (486, 480, 404, 410, 484, 488):
        return 1, -status
    return (3 if status in (408, 503) else 2), status


def _trunk_refusal(status: int, cause: int | None, trunk: Trunk) -> Refusal:
    if status in PASSED_ON:
        says: tuple[str, ...] = _OF_TRUNK.get(status, ())
        return Refusal(
            status, "trunk_answered", cause=cause, says=says, trunk=trunk.name, answer=status
        )
    # Statuses of our own making: no answer at all, and an answer that can't be used.
    return Refusal(
        {408: 504, UNUSABLE_ANSWER: 502}.get(status, 503),
        "trunk_answered",
        cause=cause,
        says=("refused-no-lines",),
        trunk=trunk.name,
        answer=status,
    )


def not_registered() -> Refusal:
    return Refusal(480, "callee_not_registered", cause=SUBSCRIBER_ABSENT)


def no_answer() -> Refusal:
    return Refusal(480, "no_answer", cause=NO_ANSWER, ended_by="timer")


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
