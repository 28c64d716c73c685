"""From the first INVITE to the called side until somebody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rtp.control import Played, PlayItem
from sip import events as sip_events
from sip.errors import ParseError, SipError
from sip.message import Request, Response
from sip.registrar import Binding
from softswitch.admission.decisions import ANSWERED, GIVEN_UP
from softswitch.call import ending as endings
from softswitch.call.ending import Ending, taken_elsewhere
from softswitch.call.letters import Greeted, HangUp, MediaLost, Registered
from softswitch.call.media.keys import key_in
from softswitch.call.media.media import CallMedia
from softswitch.call.ringing import pick_up
from softswitch.call.ringing.answer_confirmation import SECONDS as ASKING_SECONDS
from softswitch.call.ringing.answer_confirmation import Confirmed
from softswitch.call.ringing.forking import (
    NO_COMMON_CODEC,
    Attempt,
    Branches,
    named_by,
    no_answer,
    rank,
)
from softswitch.call.ringing.forwarding import Forwarding
from softswitch.call.ringing.hunt import Hunt
from softswitch.call.ringing.pick_up import PickUp
from softswitch.call.ringing.rented_targets import RentedTargets
from softswitch.subscribers.refusal import Refusal
from softswitch.subscribers.supplementary import DIVERSION_STATUS

if TYPE_CHECKING:
    from sip.dialog import DialogId
    from sip.flow import Flow
    from sip.sdp import SessionDescription
    from sip.session import Session
    from softswitch.call.call import Call
    from softswitch.call.charging.meter import Meter
    from softswitch.subscribers.directory import Line
    from softswitch.subscribers.reach import Reach

MAX_GREETING_SECONDS = 60.0
"""However long a greeting is, the phones ring then."""
SETUP_SECONDS = 180.0
"""However long phones ring, an unanswered call ends here."""


@dataclass(frozen=True, slots=True)
class Winner:
    """Who answered, and with which description.

    Args:
        line: whose phone it is; None: nobody's of ours.
        lost: payers of others that were rung beside him, and how these ended.
        moves: he was talked to elsewhere, and must be told where the call's sound is.
    """

    session: Session
    description: SessionDescription
    line: Line | None
    lost: tuple[tuple[Meter, Ending], ...] = ()
    moves: bool = False
    picked_up: bool = False
    """By an INVITE of his own, which has yet to be answered."""


class Ringing:
    """Everybody who is rung for one call, until somebody answers.

    Args:
        attempts: what is rung one after another.
    """

    __slots__ = ("_call", "_end", "_first", "_forwarding", "_hunts", "_taker", "_targets")

    def __init__(self, call: Call, attempts: list[Attempt]) -> None:
        self._call = call
        self._forwarding = Forwarding(call)
        self._targets: RentedTargets | None = None
        self._end = call.now() + SETUP_SECONDS
        self._hunts: list[Hunt] = []
        """More than one only for targets that ring at once."""
        self._first = attempts
        self._taker: PickUp | None = None
        """Who takes the call as soon as he has answered our offer."""

    @property
    def lines(self) -> list[Line]:
        """Whose phones ring."""
        return [hunt.line for hunt in self._hunts if hunt.line is not None]

    @property
    def dialog(self) -> DialogId | None:
        """Of a phone that rings: by it another one may take the call."""
        return next(
            (hunt.branches.early for hunt in self._hunts if hunt.branches.early is not None),
            None,
        )

    def __iter__(self) -> Iterator[Session]:
        return (session for hunt in self._hunts for session in hunt.branches)

    def follow(self, old: Flow, new: Flow) -> None:
        """A phone that may ring is reached by another flow."""
        for session in self:
            self._call.context.agent.stack.follow(session.dialog, old, new)

    def has(self, dialog: DialogId) -> bool:
        """Whether one of its phones rings in this dialog."""
        return named_by(dialog, self)

    async def until_answered(self) -> Winner | Ending:
        """Ring until somebody answers or the caller gives up.

        Raises:
            Refusal: nobody did.
        """
        self._ring([self._first])
        try:
            while True:
                try:
                    return await self._await_answer()
                except Refusal as refusal:
                    onward = await self._onward(refusal)
                    if isinstance(onward, Ending):
                        return onward
                    if not onward:
                        raise
                    self._ring(onward)
        finally:
            if self._targets is not None:
                self._targets.release()

    def stop(self, now: float) -> None:
        """The caller gave up, or is gone: nobody needs to answer any more."""
        for hunt in self._hunts:
            if any(hunt.branches):
                hunt.note(GIVEN_UP)
            hunt.branches.cancel(now)
        self._drop_taker(now)

    def _drop_taker(self, now: float) -> None:
        """Whoever was about to take the call can't any more."""
        taker, self._taker = self._taker, None
        if taker is not None:
            taker.session.bye(now)

    def _ring(self, at_once: Iterable[Iterable[Attempt]]) -> None:
        self._hunts = []
        for attempts in at_once:
            hunt = Hunt(self._call, attempts)
            self._hunts.append(hunt)
            hunt.begin()

    async def _onward(self, refusal: Refusal) -> list[list[Attempt]] | Ending:
        """What to ring after all that was rung failed: where a phone sent the call, where the line
        has its calls forwarded, or the number's next target; nothing when all of it was tried."""
        if refusal.ended_by == "operator":  # nobody can be talked to
            return []
        for hunt in self._hunts:
            redirection, line = hunt.branches.redirection(), hunt.line
            if redirection is not None and line is not None:
                return [await self._forwarding.follow(line, redirection)]
        attempt, line = self._hunts[0].attempt, self._hunts[0].line
        if attempt.reach is not None and line is not None:
            return await self._reach(line, *attempt.reach)
        if line is not None and not attempt.parts:
            kind = attempt.forward or line.services.forwards_after(refusal)
            forward = None if kind is None else line.services.forward(kind)
            if kind is not None and forward is not None:
                if line.number == self._call.record.called:
                    self._call.taken_as = kind
                target, status = forward.numbers[0], DIVERSION_STATUS[kind]
                return [await self._forwarding.send_on(line, target, status)]
        return [] if self._targets is None else await self._targets.next(refusal)

    async def _reach(self, line: Line, reach: Reach, number: str) -> list[list[Attempt]] | Ending:
        """Greet the caller, then ring the first of the number's targets."""
        call = self._call
        if reach.greeting is not None:
            ended = await self._greet(reach.greeting)
            if ended is not None:
                return ended
        self._targets = RentedTargets(call, line, number, reach)
        return await self._targets.next(no_answer())

    async def _greet(self, path: str) -> Ending | None:
        """Play a greeting before anybody is rung; whether the caller has given up meanwhile."""
        call = self._call
        playing = call.opening.speak([PlayItem(file=path)])
        if playing is None:
            return None
        playing.add_done_callback(partial(_greeted, call))
        ended = None
        until = call.now() + MAX_GREETING_SECONDS
        while ended is None:
            letter = await call.mailbox.next(until)
            if letter is None or isinstance(letter, Greeted):
                break
            ended = self._give_up(letter)
        call.sound.stop_playing("a")
        call.sound.hear("a", "peer")
        return ended

    async def _await_answer(self) -> Winner | Ending:
        """Raises Refusal when nobody is left."""
        call = self._call
        while True:
            until = min(self._end, *(hunt.deadline for hunt in self._hunts))
            letter = await call.mailbox.next(until)
            if letter is None and call.now() >= until:
                self._expire(call.now())
                outcome = None
            else:
                outcome = self._hear(letter)
            call.context.drain()
            if outcome is not None:
                return outcome
            self._check_somebody_rings()

    def _expire(self, now: float) -> None:
        for hunt in self._hunts:
            if not hunt.over and now >= min(hunt.deadline, self._end):
                hunt.expire(now)

    def _check_somebody_rings(self) -> None:
        """Raises Refusal: the failure that says most to the caller."""
        if all(hunt.over for hunt in self._hunts):
            refusals = (hunt.branches.refusal() for hunt in self._hunts)
            raise min(refusals, key=lambda refusal: rank(refusal.status))

    def _hear(self, letter: Any) -> Winner | Ending | None:
        session = getattr(letter, "session", None)
        hunt = next((hunt for hunt in self._hunts if session in hunt.branches), None)
        if hunt is not None:
            return self._hear_called(hunt, letter)
        match letter:
            case PickUp():
                return self._picked_up(letter)
            case sip_events.Acknowledged(session, request):
                return self._taken(session, request)
            case sip_events.Updated(session, request):
                self._call.opening.update(session, request.description)
            case Registered(binding):
                self._ring_late(binding)
            case _:
                return self._give_up(letter)
        return None

    def _hear_called(self, hunt: Hunt, letter: Any) -> Winner | None:
        """What somebody does who is rung."""
        call, branches = self._call, hunt.branches
        match letter:
            case sip_events.Progress(session, response):
                branches.note_early(session, response)
                early = branches.part(session).confirmation is None
                call.progress(session, response, early=early)
            case sip_events.Answered(session, response):
                return self._answered(hunt, session, self._description(session, response))
            case Confirmed(session, description):
                if description is not None:
                    return self._won(hunt, session, description)
                session.bye(call.now())
                hunt.failed(session, 480, None)
            case sip_events.HungUp(session):
                hunt.failed(session, 480, None)
            case sip_events.InfoReceived(session, request):
                confirmation = branches.part(session).confirmation
                key = key_in(request.content_type or "", request.body)
                if confirmation is not None and key is not None:
                    confirmation.press(key)
            case sip_events.Refused(session, status, response):
                branches.heard = True
                if status not in NO_COMMON_CODEC or not self._offer_more(branches, session):
                    hunt.failed(session, status, response)
            case sip_events.Updated(session, request):
                call.opening.update(session, request.description)
        return None

    def _answered(
        self, hunt: Hunt, session: Session, description: SessionDescription
    ) -> Winner | None:
        """Somebody answered: the call is his, unless he is to be asked first."""
        branches, now = hunt.branches, self._call.now()
        part = branches.part(session)
        if part.confirmation is None:
            return self._won(hunt, session, description)
        branches.deadline = max(branches.deadline, now + ASKING_SECONDS + 1)
        try:
            part.confirmation.ask(session, description)
        except (ParseError, SipError):
            session.bye(now)
            hunt.failed(session, 488, None)
        return None

    def _won(self, hunt: Hunt, session: Session, description: SessionDescription) -> Winner:
        moves = hunt.branches.part(session).confirmation is not None
        hunt.note(ANSWERED)
        lost = self._end_others(session, hunt)
        return Winner(session, description, hunt.line, lost, moves=moves)

    def _end_others(self, winner: Session, won: Hunt | None) -> tuple[tuple[Meter, Ending], ...]:
        """Cancel everybody else; who would have paid for them, and how that ended."""
        self._drop_taker(self._call.now())
        lost = []
        mine = set() if won is None else won.meters
        for hunt in self._hunts:
            hunt.branches.won(winner, self._call.now())
            refusal = hunt.refusal
            end = taken_elsewhere() if refusal is None else Ending.refused(refusal)
            lost += [(meter, end) for meter in hunt.meters - mine]
        return tuple(lost)

    def _description(self, session: Session, response: Response) -> SessionDescription:
        """The answer stands in the 2xx, or stood in a reliable provisional response before it
        (RFC 3262 section 5, RFC 3261 section 13.2.1).

        Raises:
            SipError: 488, it can't be used.
        """
        return CallMedia.read(response.description or session.remote_description)

    def _picked_up(self, letter: PickUp) -> Winner | None:
        if not pick_up.may(self._call, self.lines, letter):
            return None
        if not pick_up.has_offer(letter.session):
            if pick_up.offer(self._call, "b", self._call.offer, letter):
                self._drop_taker(self._call.now())
                self._taker = letter
            return None
        description = pick_up.take(self._call, letter)
        if description is None:
            return None
        lost = self._end_others(letter.session, None)
        return Winner(letter.session, description, letter.line, lost, picked_up=True)

    def _taken(self, session: Session, request: Request) -> Winner | None:
        """The answer to what we offered somebody who picks the call up."""
        taker = self._taker
        if taker is None or session is not taker.session:
            return None
        try:
            description = CallMedia.read(request.description)
        except (ParseError, SipError):
            self._drop_taker(self._call.now())
            return None
        self._taker = None
        lost = self._end_others(session, None)
        # What a caller without an offer knows turns out later: then there is an offer for both.
        moves = self._call.offer is None
        return Winner(session, description, taker.line, lost, moves=moves)

    def _ring_late(self, binding: Binding) -> None:
        call = self._call
        for hunt in self._hunts:
            if not hunt.over:
                hunt.branches.late(binding, call, call.opening.offer_to_called, call.now())

    def _offer_more(self, branches: Branches, session: Session) -> bool:
        """Ring one once more who may know other codecs than the caller's."""
        call, opening = self._call, self._call.opening
        offer = partial(opening.offer_to_called, wide=True)
        return opening.can_offer_more and branches.invite_again(session, call, offer, call.now())

    def _give_up(self, letter: Any) -> Ending | None:
        call = self._call
        match letter:
            case sip_events.Cancelled(session) | sip_events.HungUp(session) if (
                session is call.parties.get("a")
            ):
                end = endings.given_up()
            case HangUp(ended_by):
                end = Ending(ended_by, 480, 41, rule="call: ended while ringing")
            case MediaLost():
                self.stop(call.now())
                raise Refusal(503, "media_worker_died", ended_by="operator")
            case _:
                return None
        self.stop(call.now())
        return end


def _greeted(call: Call, playing: asyncio.Future[Played]) -> None:
    if not playing.cancelled():
        playing.exception()  # a worker that died is told of by itself
    call.post(Greeted())
