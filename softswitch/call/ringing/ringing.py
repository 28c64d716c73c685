"""From the first INVITE to the called side until a phone or trunk answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Protocol, assert_never, get_args

from msgspec import Struct, field

from rtp.control import Digit, Played, PlayItem
from sip import events as sip_events
from sip.errors import ParseError, SipError
from sip.message import Request, Response
from sip.registrar import Binding
from softswitch.admission.decisions import ANSWERED, GIVEN_UP
from softswitch.call import ending as endings
from softswitch.call.ending import Ending, taken_elsewhere
from softswitch.call.letters import (
    AnnouncementOver,
    BalanceChanged,
    Confirmed,
    Connect,
    GiveLeg,
    Given,
    Greeted,
    HandOver,
    HangUp,
    Letter,
    MediaLost,
    OfferAgain,
    PaidTimeChanged,
    PickUp,
    Registered,
    Replace,
    ServiceOver,
    Silent,
)
from softswitch.call.media.keys import key_in
from softswitch.call.media.leg_security import LegSecurity
from softswitch.call.media.media import CallMedia
from softswitch.call.ringing import pick_up
from softswitch.call.ringing.answer_confirmation import SECONDS as ASKING_SECONDS
from softswitch.call.ringing.forking import (
    NO_COMMON_CODEC,
    UNUSABLE_ANSWER,
    Attempt,
    Branches,
    named_by,
    no_answer,
    rank,
)
from softswitch.call.ringing.hunt import Hunt
from softswitch.subscribers.refusal import Refusal
from softswitch.subscribers.supplementary import DIVERSION_STATUS

if TYPE_CHECKING:
    from sip.dialog import DialogId
    from sip.flow import Flow
    from sip.sdp import SessionDescription
    from sip.session import Session
    from sip.user_agent import UserAgent
    from softswitch.call.charging.meter import Meter
    from softswitch.call.legs import Legs
    from softswitch.call.media.early_media import EarlyMedia
    from softswitch.call.ringing.answer_confirmation import AnswerConfirmation
    from softswitch.call.ringing.forwarding import Forwarding
    from softswitch.call.ringing.rented_targets import RentedTargets
    from softswitch.subscribers.directory import Line
    from softswitch.subscribers.reach import Reach

MAX_GREETING_SECONDS = 60.0
"""The phones ring after this, however long a greeting is."""
SETUP_SECONDS = 180.0
"""An unanswered call ends after this, however long phones ring."""


class RingingHost(Protocol):
    """The call for which something rings, as ringing needs it: one reference, not a bound method
    for each of these, which would stay in memory as long as it rings."""

    def progress(self, session: Session, response: Response, early: bool, /) -> None:
        """A called leg sent a provisional response; SDP in it is early media if `early`."""

    def open_forwarding(self) -> Forwarding:
        """Make the call's forwardings, which hardly any call needs."""

    def open_targets(self, line: Line, number: str, reach: Reach, /) -> RentedTargets:
        """Make the targets of a rented number that rings at a line."""


_OfCalledLeg = (
    sip_events.Progress
    | sip_events.Answered
    | sip_events.Refused
    | sip_events.HungUp
    | sip_events.InfoReceived
    | sip_events.Updated
    | Confirmed
)
"""Letters that a called leg may send."""
_OF_CALLED_LEGS = get_args(_OfCalledLeg)


class Winner(Struct, frozen=True):
    """The leg that answered first, with its description, which was held against the caller's offer
    unless the leg moves.

    Args:
        line: the line of its phone; None for a trunk's leg.
        lost: the payers of the other branches, with their endings.
        moves: the leg was talked to over other ports, and must be offered the call's.
        picked_up: by an INVITE of its own, which has yet to be answered.
    """

    session: Session
    description: SessionDescription
    line: Line | None
    lost: tuple[tuple[Meter, Ending], ...] = ()
    moves: bool = False
    picked_up: bool = False


class Ringing(Struct, eq=False):
    """All phones and trunks that are rung for one call, until one answers.

    Args:
        fetched: has the file of a number's greeting on the disk, wherever it is kept.
    """

    _legs: Legs
    _early_media: EarlyMedia
    _agent: UserAgent
    _host: RingingHost
    _fetched: Callable[[str], Awaitable[str]]
    _made_forwarding: Forwarding | None = None
    _targets: RentedTargets | None = None
    _end: float = float("inf")
    _hunts: list[Hunt] = field(default_factory=list)
    """More than one only for targets that ring at once."""
    _taker: PickUp | None = None
    """The phone that picks the call up as soon as it has answered our offer."""

    @property
    def lines(self) -> list[Line]:
        """The lines whose phones ring."""
        return [hunt.line for hunt in self._hunts if hunt.line is not None]

    @property
    def dialog(self) -> DialogId | None:
        """The early dialog of a phone that rings: another phone may pick the call up by it."""
        return next(
            (hunt.branches.early for hunt in self._hunts if hunt.branches.early is not None),
            None,
        )

    def __iter__(self) -> Iterator[Session]:
        return (session for hunt in self._hunts for session in hunt.branches)

    def follow(self, old: Flow, new: Flow) -> None:
        """A phone that may ring is reached by another flow."""
        for session in self:
            self._agent.stack.follow(session.dialog, old, new)

    def has(self, dialog: DialogId) -> bool:
        """True if a phone rings in this early dialog."""
        return named_by(dialog, self)

    async def until_answered(self, attempts: list[Attempt]) -> Winner | Ending:
        """Ring until a leg answers or the caller gives up.

        Args:
            attempts: what is rung first, one after another.

        Raises:
            Refusal: no leg answered.
        """
        legs = self._legs
        mailbox = legs.mailbox
        end = self._end = legs.now() + SETUP_SECONDS
        self._ring([attempts])
        try:
            while True:
                hunts, until = self._hunts, end
                for hunt in hunts:
                    if (deadline := hunt.deadline) < until:
                        until = deadline
                letter = await mailbox.next(until)
                outcome = None
                if letter is not None:
                    outcome = self._hear(letter)
                elif legs.now() >= until:
                    self._expire(legs.now())
                if outcome is None and hunts[0].over and all(hunt.over for hunt in hunts):
                    outcome = await self._go_on()
                if outcome is not None:
                    return outcome
                letter = None  # nor is its message kept while the next one is awaited
        finally:
            if self._targets is not None:
                self._targets.release()

    async def _go_on(self) -> Ending | None:
        """Every hunt is over: ring what comes next.

        Raises:
            Refusal: nothing does.
        """
        onward = await self._onward(self._failure())
        if isinstance(onward, Ending):
            return onward
        if not onward:
            raise self._failure()
        self._ring(onward)
        return None

    def _failure(self) -> Refusal:
        """The failure that says most to the caller. Made anew each time: an exception that was
        raised keeps its traceback, and so the whole call, alive."""
        refusals = (hunt.branches.refusal() for hunt in self._hunts)
        return min(refusals, key=lambda refusal: rank(refusal.status))

    def stop(self, now: float) -> None:
        """Cancel all that ring."""
        for hunt in self._hunts:
            if any(hunt.branches):
                hunt.note(GIVEN_UP)
            hunt.branches.cancel(now)
        self._drop_taker(now)

    def _drop_taker(self, now: float) -> None:
        """End the leg of a phone that was about to pick the call up."""
        taker, self._taker = self._taker, None
        if taker is not None:
            taker.session.bye(now)

    def _ring(self, at_once: Iterable[Iterable[Attempt]]) -> None:
        legs, agent = self._legs, self._agent
        hunts: list[Hunt] = []
        self._hunts = hunts
        for first, *left in at_once:
            branches = Branches(agent, first)
            hunt = Hunt(legs, self._early_media, agent, branches, left, legs.record)
            hunts.append(hunt)
            hunt.begin()

    @property
    def _forwarding(self) -> Forwarding:
        if self._made_forwarding is None:
            self._made_forwarding = self._host.open_forwarding()
        return self._made_forwarding

    async def _onward(self, refusal: Refusal) -> list[list[Attempt]] | Ending:
        """The attempts after everything failed: the number to which a phone redirected or the line
        forwards, or the number's next target; [] when all of it was tried."""
        if refusal.ended_by == "operator":  # the switch can't carry the call
            return []
        for hunt in self._hunts:
            redirection, line = hunt.branches.redirection(), hunt.line
            if redirection is not None and line is not None:
                return [await self._forwarding.follow(line, redirection)]
        forwarding = self._made_forwarding
        if forwarding is not None and (contact := await forwarding.next(refusal)):
            return [contact]
        attempt, line = self._hunts[0].attempt, self._hunts[0].line
        if attempt.reach is not None and line is not None:
            return await self._reach(line, *attempt.reach)
        if line is not None and not attempt.terms:
            kind = attempt.forward or line.services.forwards_after(refusal)
            forward = None if kind is None else line.services.forward(kind)
            if kind is not None and forward is not None:
                if line.number == self._legs.record.called:
                    self._legs.diverted_as = kind
                target, status = forward.numbers[0], DIVERSION_STATUS[kind]
                return [await self._forwarding.send_on(line, target, status)]
        return [] if self._targets is None else await self._targets.next(refusal)

    async def _reach(self, line: Line, reach: Reach, number: str) -> list[list[Attempt]] | Ending:
        """Greet the caller, then ring the first of the number's targets."""
        if reach.greeting is not None:
            ended = await self._greet(reach.greeting)
            if ended is not None:
                return ended
        self._targets = self._host.open_targets(line, number, reach)
        return await self._targets.next(no_answer())

    async def _greet(self, path: str) -> Ending | None:
        """Play a greeting before any phone is rung; how the call ended if the caller gave up."""
        legs = self._legs
        playing = self._early_media.speak([PlayItem(file=await self._fetched(path))])
        if playing is None:
            return None
        playing.add_done_callback(partial(_greeted, legs))
        ended = None
        until = legs.now() + MAX_GREETING_SECONDS
        while ended is None:
            letter = await legs.mailbox.next(until)
            if letter is None or isinstance(letter, Greeted):
                break
            ended = self._give_up(letter)
        legs.sound.stop_playing("a")
        legs.sound.hear("a", "peer")
        return ended

    def _expire(self, now: float) -> None:
        for hunt in self._hunts:
            if not hunt.over and now >= min(hunt.deadline, self._end):
                hunt.expire(now)

    def _hear(self, letter: Letter) -> Winner | Ending | None:
        if isinstance(letter, _OF_CALLED_LEGS):
            for hunt in self._hunts:
                if letter.session in hunt.branches.ringing:
                    return self._hear_called(hunt, letter)
        match letter:
            case PickUp():
                return self._picked_up(letter)
            case sip_events.Acknowledged(session, request):
                return self._taken(session, request)
            case sip_events.Updated(session, request):
                self._early_media.update(session, request.description)
            case sip_events.Refreshed(session):
                self._legs.relearn_sound(session)
            case Registered(binding):
                self._ring_late(binding)
            case _:
                return self._give_up(letter)
        return None

    def _hear_called(self, hunt: Hunt, letter: _OfCalledLeg) -> Winner | None:
        """An event of a called leg."""
        branches, session = hunt.branches, letter.session
        confirmation = branches.confirmation(session) if branches.attempt.terms else None
        match letter:
            case sip_events.Progress(_, response):
                branches.note_early(session, response)
                self._host.progress(session, response, confirmation is None)
            case sip_events.Answered(_, response):
                description = self._usable(session, response, confirmation)
                if description is not None and confirmation is None:
                    return self._won(hunt, session, description, moves=False)
                if description is not None and confirmation is not None:
                    self._ask(hunt, session, description, confirmation)
                    return None
                session.bye(self._legs.now())
                hunt.failed(session, UNUSABLE_ANSWER, None)
            case Confirmed(_, description):
                if description is not None:
                    return self._won(hunt, session, description, moves=True)
                session.bye(self._legs.now())
                hunt.failed(session, 480, None)
            case sip_events.HungUp():
                hunt.failed(session, 480, None)
            case sip_events.InfoReceived(_, request):
                key = key_in(request.content_type or "", request.body)
                if confirmation is not None and key is not None:
                    confirmation.press(key)
            case sip_events.Refused(_, status, response):
                branches.heard = True
                if status not in NO_COMMON_CODEC or not self._offer_more(branches, session):
                    hunt.failed(session, status, response)
                    if hunt.branches.waits_for_dead:
                        self._early_media.keep_waiting()
            case sip_events.Updated(_, request):
                self._early_media.update(session, request.description)
            case _:
                assert_never(letter)
        return None

    def _ask(
        self,
        hunt: Hunt,
        session: Session,
        description: SessionDescription,
        confirmation: AnswerConfirmation,
    ) -> None:
        """Ask whoever answered a leg for the accept key, which gives it the call."""
        branches, now = hunt.branches, self._legs.now()
        branches.deadline = max(branches.deadline, now + ASKING_SECONDS + 1)
        try:
            confirmation.ask(session, description)
        except (ParseError, SipError):
            session.bye(now)
            hunt.failed(session, 488, None)

    def _won(
        self, hunt: Hunt, session: Session, description: SessionDescription, *, moves: bool
    ) -> Winner:
        hunt.note(ANSWERED)
        return Winner(session, description, hunt.line, self._end_others(session, hunt), moves=moves)

    def _end_others(self, winner: Session, won: Hunt | None) -> tuple[tuple[Meter, Ending], ...]:
        """Cancel all other legs; returns their payers with their endings."""
        now = self._legs.now()
        lost: tuple[tuple[Meter, Ending], ...] = ()
        if self._taker is not None:
            self._drop_taker(now)
        for hunt in self._hunts:
            hunt.branches.won(winner, now)
            if hunt is not won and (meters := hunt.meters - (won.meters if won else set())):
                refusal = hunt.refusal
                end = taken_elsewhere() if refusal is None else Ending.refused(refusal)
                lost += tuple([(meter, end) for meter in meters])
        return lost

    def _usable(
        self, session: Session, response: Response, confirmation: AnswerConfirmation | None
    ) -> SessionDescription | None:
        """The answer of a called leg, which stands in the 2xx, or stood in a reliable provisional
        response before it (RFC 3262 section 5, RFC 3261 section 13.2.1).

        Returns:
            None if it can't be used: there is none, it can't be read, or it answers something else
            than was offered. That is the failure of this leg, never the caller's.
        """
        offer = self._early_media.offer
        try:
            answer = response.description or session.remote_description
            # Fax alone answers an offer of it; it is never the first offer of a called leg.
            description = (CallMedia.read if offer is None else CallMedia.read_with_fax)(answer)
            LegSecurity.of(session).check(description)
            if offer is not None and confirmation is None:
                self._legs.media.answered(offer, description)
        except SipError:
            return None
        return description

    def _picked_up(self, letter: PickUp) -> Winner | None:
        if not pick_up.may(self._legs, self.lines, letter):
            return None
        if not pick_up.has_offer(letter.session):
            if pick_up.offer(self._legs, "b", self._early_media.offer, letter):
                self._drop_taker(self._legs.now())
                self._taker = letter
            return None
        offer = self._early_media.offer
        description = pick_up.take(self._legs, offer, letter)
        if description is None:
            return None
        if offer is not None:
            self._legs.media.answered(offer, description)
        lost = self._end_others(letter.session, None)
        return Winner(letter.session, description, letter.line, lost, picked_up=True)

    def _taken(self, session: Session, request: Request) -> Winner | None:
        """The ACK of a phone that picks the call up: it answers our offer."""
        taker = self._taker
        if taker is None or session is not taker.session:
            return None
        try:
            description = CallMedia.read(request.description)
        except (ParseError, SipError):
            self._drop_taker(self._legs.now())
            return None
        self._taker = None
        offer = self._early_media.offer
        if offer is not None:
            self._legs.media.answered(offer, description)
        lost = self._end_others(session, None)
        # The codecs of a caller without an offer turn out later: both sides then get an offer.
        moves = offer is None
        return Winner(session, description, taker.line, lost, moves=moves)

    def _ring_late(self, binding: Binding) -> None:
        """Ring a phone that has registered just now."""
        offer = self._early_media.offer_to_called
        for hunt in self._hunts:
            if not hunt.over:
                hunt.branches.late(binding, self._legs, offer, self._legs.now())

    def _offer_more(self, branches: Branches, session: Session) -> bool:
        """Invite a leg once more that refused the caller's codecs, with all of ours."""
        legs, early_media = self._legs, self._early_media
        offer = partial(early_media.offer_to_called, wide=True)
        return early_media.can_offer_more and branches.invite_again(
            session, legs, offer, legs.now()
        )

    def _give_up(self, letter: Letter) -> Ending | None:
        """End the ringing if a letter says so."""
        legs = self._legs
        match letter:
            case sip_events.Cancelled(session) | sip_events.HungUp(session):
                if session is not legs.parties.get("a"):
                    return None
                end = endings.given_up()
            case HangUp(ended_by):
                end = Ending(ended_by, 480, 41, rule="call: ended while ringing")
            case MediaLost():
                self.stop(legs.now())
                raise Refusal(503, "media_worker_died", ended_by="operator")
            case (
                sip_events.Progress()
                | sip_events.Answered()
                | sip_events.Refused()
                | sip_events.Refreshed()
                | sip_events.Acknowledged()
                | sip_events.Reinvited()
                | sip_events.ReinviteAnswered()
                | sip_events.ReinviteRefused()
                | sip_events.InfoReceived()
                | sip_events.InfoAnswered()
                | sip_events.Updated()
                | sip_events.Referred()
                | Digit()
                | Silent()
                | BalanceChanged()
                | PaidTimeChanged()
                | Registered()
                | Greeted()
                | Confirmed()
                | PickUp()
                | AnnouncementOver()
                | ServiceOver()
                | OfferAgain()
                | Replace()
                | HandOver()
                | GiveLeg()
                | Given()
                | Connect()
            ):
                return None  # from a leg that no longer rings, or an event of an answered call
            case _:
                assert_never(letter)
        self.stop(legs.now())
        return end


def _greeted(legs: Legs, playing: asyncio.Future[Played]) -> None:
    if not playing.cancelled():
        playing.exception()  # a worker that died is reported by itself
    legs.post(Greeted())
