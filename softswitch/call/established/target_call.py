"""The call to a transfer target: admitted, priced and rung while the others still talk.

It is a call of the line that wants the target, at its expense and under its limits. Another phone
of the target's account may pick it up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from billing.facts.authorization import BillingError
from billing.stores.store import StoreError
from sip import events as sip_events
from sip.errors import ParseError, SipError
from sip.offer_answer import met
from softswitch.admission.caller_id import NOBODY, Identity, identity_of_number
from softswitch.call.ending import Ending
from softswitch.call.letters import Letter, PickUp
from softswitch.call.media.leg_security import LegSecurity
from softswitch.call.media.media import CallMedia, Side, other
from softswitch.call.ringing import pick_up
from softswitch.call.ringing.forking import (
    UNUSABLE_ANSWER,
    Attempt,
    Branches,
    named_by,
    no_answer,
)
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from sip.dialog import DialogId
    from sip.flow import Flow
    from sip.message import Request, Response
    from sip.sdp import SessionDescription
    from sip.session import Session
    from sip.user_agent import UserAgent
    from softswitch.call.charging.meter import Meter
    from softswitch.call.legs import Legs
    from softswitch.call.media.leg_security import SecurityPolicy
    from softswitch.call.ringing.attempts import Dialer
    from softswitch.subscribers.directory import Line, Trunk

NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class TargetRings:
    """The target's phone sent a provisional response."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class TargetAnswered:
    """The target answered, and pays from now on.

    Args:
        line: None for a trunk's leg.
        identity: None: the line's own.
        description: its offer or answer.
        unanswered: our answer to the offer of a phone that picked up; b"" if it has one.
    """

    session: Session
    line: Line | None
    identity: Identity | None
    description: SessionDescription
    unanswered: bytes = b""


Outcome = TargetRings | TargetAnswered | Refusal


class TargetCall:
    """At most one call to a target at a time."""

    __slots__ = (
        "_agent",
        "_attempts",
        "_branches",
        "_dialer",
        "_legs",
        "_line",
        "_meter",
        "_security",
        "_side",
        "_taker",
        "person",
        "until",
    )

    def __init__(
        self, legs: Legs, agent: UserAgent, dialer: Dialer, security: SecurityPolicy
    ) -> None:
        self._legs = legs
        self._agent = agent
        self._dialer = dialer
        self._security = security
        self._side: Side = "b"
        """The side that the target is to take."""
        self._meter: Meter | None = None
        self._attempts: list[Attempt] = []
        self._branches: Branches | None = None
        self._line: Line | None = None
        """The target's line; None for a trunk."""
        self._taker: PickUp | None = None
        """The phone that picks the call up as soon as it has answered our offer."""
        self.person: Identity = NOBODY
        """The caller id that the target sees."""
        self.until = NEVER
        """The loop's time at which what rings is given up."""

    # What others see

    @property
    def lines(self) -> list[Line]:
        """The lines whose phones ring."""
        return [self._line] if self._line is not None and self._branches is not None else []

    @property
    def dialog(self) -> DialogId | None:
        """The early dialog of a phone that rings."""
        return None if self._branches is None else self._branches.early

    def has(self, dialog: DialogId) -> bool:
        """True if a phone rings in this dialog."""
        return self._branches is not None and named_by(dialog, self._branches)

    def follow(self, old: Flow, new: Flow) -> None:
        """A phone that rings is reached by another flow."""
        for session in self._branches or ():
            self._agent.stack.follow(session.dialog, old, new)

    # Ringing

    async def place(self, side: Side, payer: Line, digits: str, person: Identity) -> Refusal | None:
        """Admit and reserve the call to the target, and ring it; or why not.

        Args:
            side: the side that the target is to take.
            payer: the line that calls the target.
            person: the caller id that the target sees.
        """
        legs = self._legs
        self._side, self.person = side, person
        try:
            self._meter = await legs.payers.add(payer, digits, person)
            presented = self._meter.priced.presented
            attempts = await self._dialer.attempts(
                presented.route, presented.identity, legs.id, legs.request
            )
        except Refusal as refusal:
            return refusal
        except (BillingError, StoreError) as error:
            return Refusal(402, "transfer_not_payable", why=error, ended_by="credit")
        self._attempts = list(attempts)
        return self._ring()

    def _ring(self) -> Refusal | None:
        legs = self._legs
        attempt = self._attempts.pop(0)
        if attempt.trunk is not None and self._meter is not None:
            self._meter.record.trunk = attempt.trunk.name
        self._line = None if attempt.phones is None else attempt.phones.line
        self._branches = Branches(self._agent, attempt)
        try:
            heard = CallMedia.read(legs.leg(other(self._side)).remote_description)
        except SipError as error:
            return Refusal(error.status, "transfer_no_offer")
        self._branches.invite(legs, partial(self._offer, heard), legs.now())
        self.until = self._branches.deadline
        legs.changed()
        return None

    def _offer(
        self, heard: SessionDescription, party: Line | Trunk | None, flow: Flow
    ) -> tuple[bytes, LegSecurity]:
        """The offer to the target: the description of the party that stays, without hold."""
        security = self._security.of_leg(party, flow)
        media = self._legs.media
        offer = media.describe(self._side, heard, "sendrecv", wide=True, security=security)
        return offer, security

    def concerns(self, letter: Letter) -> bool:
        """True if a letter is about this call."""
        match letter:
            case PickUp():
                return self.has(letter.dialog)
            case sip_events.Acknowledged(session):
                return self._taker is not None and session is self._taker.session
            case (
                sip_events.Progress(session)
                | sip_events.Answered(session)
                | sip_events.Refused(session)
                | sip_events.HungUp(session)
                | sip_events.Updated(session)
                | sip_events.InfoReceived(session)
            ):
                return self._branches is not None and session in self._branches.ringing
            case _:
                return False

    async def take(self, letter: Letter) -> Outcome | None:
        """Handle a letter that is about this call."""
        branches = self._branches
        if branches is None:
            return None
        match letter:
            case sip_events.Progress(session, response):
                branches.note_early(session, response)
                if self._meter is not None:
                    self._meter.record.rang(self._legs.clock.wall_ms())
                self._legs.changed()
                return TargetRings(response.status, response.reason)
            case PickUp():
                return await self._picked_up(letter)
            case sip_events.Acknowledged(_, request) if self._taker is not None:
                return await self._agreed_with_taker(self._taker, request)
            case sip_events.Answered(session, response):
                return await self._answered(branches, session, response)
            case sip_events.Refused(session, status, response):
                if branches.failed(session, status, response, self._legs.now()):
                    return self._next(branches)
            case sip_events.Updated(session):
                session.answer_update(488, b"", self._legs.now())
            case _:
                pass
        return None

    def expire(self) -> Refusal | None:
        """No answer in time: try the next attempt, if there is one."""
        if self._branches is None:
            return no_answer()
        self._branches.cancel(self._legs.now())
        return self._next(self._branches)

    def _next(self, branches: Branches) -> Refusal | None:
        self._attempts = branches.left_of(self._attempts)
        if self._attempts and branches.tries_next():
            return self._ring()
        return branches.refusal()

    async def _answered(
        self, branches: Branches, session: Session, response: Response
    ) -> Outcome | None:
        legs, meter = self._legs, self._meter
        assert meter is not None
        try:
            answer = CallMedia.read(response.description or session.remote_description)
            LegSecurity.of(session).check(answer)
        except SipError:
            session.bye(legs.now())
            if branches.failed(session, UNUSABLE_ANSWER, None, legs.now()):
                return self._next(branches)
            return None
        branches.won(session, legs.now())
        await meter.answer(legs.now(), legs.clock.wall_ms())
        outside = identity_of_number(meter.record.called) if self._line is None else None
        return TargetAnswered(session, self._line, outside, answer)

    # Picked up by another phone of the target's account

    async def _picked_up(self, letter: PickUp) -> Outcome | None:
        legs, side, session = self._legs, self._side, letter.session
        if not pick_up.may(legs, self.lines, letter):
            return None
        try:
            heard = CallMedia.read(legs.leg(other(side)).remote_description)
            if not pick_up.has_offer(session):
                if pick_up.offer(legs, side, heard, letter):
                    self._drop_taker(legs.now())
                    self._taker = letter
                return None
            theirs = pick_up.offer_of(session)
            security = legs.secure(session, letter.line)
            agreed = met(theirs, heard)
            ours = legs.media.describe(side, agreed, answering=theirs, security=security)
        except (ParseError, SipError) as error:
            session.reject(error.status, legs.now(), error.reason)
            return None
        legs.joined(session)
        return await self._taken(letter, theirs, ours)

    async def _agreed_with_taker(self, taker: PickUp, request: Request) -> Outcome | None:
        try:
            theirs = CallMedia.read(request.description)
        except (ParseError, SipError):
            self._drop_taker(self._legs.now())
            return None
        self._taker = None
        return await self._taken(taker, theirs)

    async def _taken(
        self, taker: PickUp, theirs: SessionDescription, ours: bytes = b""
    ) -> TargetAnswered:
        legs = self._legs
        assert self._branches is not None and self._meter is not None
        self._branches.won(taker.session, legs.now())
        await self._meter.answer(legs.now(), legs.clock.wall_ms())
        return TargetAnswered(taker.session, taker.line, None, theirs, ours)

    def _drop_taker(self, now: float) -> None:
        """End the leg of a phone that was about to pick the call up."""
        taker, self._taker = self._taker, None
        if taker is not None:
            taker.session.bye(now)

    # The end

    def joined(self, answered: TargetAnswered) -> None:
        """The target is on its side: answer a phone that picked up, and teach the relay."""
        legs = self._legs
        if answered.unanswered:
            answered.session.accept(answered.unanswered, legs.now())
        legs.learn(self._side, answered.description)
        self._clear()

    async def give_up(self, refusal: Refusal) -> None:
        """The call to the target has failed: settle its leg at once."""
        if self._meter is not None:
            await self._legs.payers.drop(self._meter, Ending.refused(refusal))
        self._clear()

    def _clear(self) -> None:
        self._drop_taker(self._legs.now())
        rang = self._line is not None
        self._meter = self._branches = self._line = None
        self.person = NOBODY
        self._attempts.clear()
        self.until = NEVER
        if rang:
            self._legs.changed()

    def stop(self, now: float) -> None:
        """The call ends."""
        self._drop_taker(now)
        if self._branches is not None:
            self._branches.cancel(now)
