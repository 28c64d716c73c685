"""From the first INVITE to the called side until somebody answers."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rtp.control import Played, PlayItem
from sip import events as sip_events
from sip.errors import ParseError, SipError
from sip.message import Response
from sip.registrar import Binding
from softswitch.admission.refusal import Refusal
from softswitch.call import ending as endings
from softswitch.call import pick_up
from softswitch.call.confirming import SECONDS as ASKING_SECONDS
from softswitch.call.confirming import Confirmed
from softswitch.call.ending import Ending
from softswitch.call.forking import NO_COMMON_CODEC, PLAIN, Attempt, Branches, Part, no_answer
from softswitch.call.forwarding import Forwarding
from softswitch.call.keys import key_in
from softswitch.call.letters import Greeted, HangUp, MediaLost, Registered
from softswitch.call.media import CallMedia
from softswitch.call.pick_up import PickUp
from softswitch.call.reaching import NO_TRUNK, Reaching
from softswitch.supplementary import DIVERSION_STATUS

if TYPE_CHECKING:
    from sip.dialog import DialogId
    from sip.flow import Flow
    from sip.sdp import SessionDescription
    from sip.session import Session
    from softswitch.call.call import Call
    from softswitch.call.meter import Meter
    from softswitch.directory import Line
    from softswitch.reach import Reach

MAX_GREETING_SECONDS = 60.0
"""However long a greeting is, the phones ring then."""
SETUP_SECONDS = 180.0
"""However long phones ring, an unanswered call ends here."""


@dataclass(frozen=True, slots=True)
class Winner:
    """Who answered, and with which description.

    Args:
        line: whose phone it is; None: nobody's of ours.
        lost: payers of others that were rung beside him.
        moves: he was talked to elsewhere, and must be told where the call's sound is.
    """

    session: Session
    description: SessionDescription
    line: Line | None
    lost: tuple[Meter, ...] = ()
    moves: bool = False
    picked_up: bool = False
    """By an INVITE of his own, which has yet to be answered."""


class Ringing:
    """The attempts of one call, one after another."""

    __slots__ = ("_attempts", "_branches", "_call", "_end", "_forwarding", "_reaching")

    def __init__(self, call: Call, attempts: list[Attempt]) -> None:
        self._call = call
        self._attempts = deque(attempts)
        self._forwarding = Forwarding(call)
        self._reaching: Reaching | None = None
        self._branches: Branches | None = None
        self._end = call.now() + SETUP_SECONDS

    @property
    def line(self) -> Line | None:
        """Whose phones ring."""
        phones = None if self._branches is None else self._branches.attempt.phones
        return None if phones is None else phones.line

    @property
    def dialog(self) -> DialogId | None:
        """Of a phone that rings: by it another one may take the call."""
        return None if self._branches is None else self._branches.early

    def follow(self, old: Flow, new: Flow) -> None:
        """A phone that may ring is reached by another flow."""
        for session in self._branches or ():
            self._call.context.agent.follow(session.dialog, old, new)

    def has(self, dialog: DialogId) -> bool:
        """Whether one of its phones rings in this dialog. Which tag is whose isn't asked: phones
        turn them round; and that of a phone of which only one of several answers was heard
        isn't known."""
        call_id, *tags = dialog
        return self._branches is not None and any(
            session.dialog.call_id == call_id and session.dialog.local_tag in tags
            for session in self._branches
        )

    async def until_answered(self) -> Winner | Ending:
        """Ring until somebody answers or the caller gives up.

        Raises:
            Refusal: nobody did.
        """
        while True:
            branches = self._begin(self._attempts.popleft())
            try:
                return await self._await_answer(branches)
            except Refusal as refusal:
                onward = await self._onward(branches, refusal)
                if isinstance(onward, Ending):
                    return onward
                if not onward:
                    raise
                self._attempts = onward
            finally:
                branches.release()

    def stop(self, now: float) -> None:
        """Nobody needs to answer any more."""
        if self._branches is not None:
            self._branches.cancel(now)

    def _begin(self, attempt: Attempt) -> Branches:
        call = self._call
        if attempt.trunk is not None and attempt.trunk.id != NO_TRUNK:
            call.payers.meters[-1].record.trunk = attempt.trunk.name
        self._branches = branches = Branches(call.context.agent, attempt)
        branches.invite(call, call.opening.offer_to_called, call.now())
        call.context.changed(call)
        call.context.drain()
        return branches

    async def _onward(self, branches: Branches, refusal: Refusal) -> deque[Attempt] | Ending:
        """What to try after an attempt failed: where a phone sent the call, the next trunk or
        phones of a lower q, where the line has its calls forwarded, or the number's next target;
        nothing when all of it was tried."""
        attempt = branches.attempt
        phones = attempt.phones
        redirection = branches.redirection()
        if redirection is not None and phones is not None:
            return deque(await self._forwarding.follow(phones.line, redirection))
        if attempt.reach is not None and phones is not None:
            return await self._reach(branches, phones.line, *attempt.reach)
        left = branches.left_of(self._attempts) if branches.tries_next() else []
        if left:
            return deque(left)
        if phones is not None and not attempt.parts:
            services = phones.line.services
            kind = attempt.forward or services.forwards_after(refusal)
            forward = None if kind is None else services.forward(kind)
            if kind is not None and forward is not None:
                if phones.line.number == self._call.record.called:
                    self._call.taken_as = kind
                target, status = forward.numbers[0], DIVERSION_STATUS[kind]
                return deque(await self._forwarding.send_on(phones.line, target, status))
        if self._reaching is None:
            return deque()
        return deque(await self._reaching.next(refusal))

    async def _reach(
        self, branches: Branches, line: Line, reach: Reach, number: str
    ) -> deque[Attempt] | Ending:
        """Greet the caller, then ring the first of the number's targets."""
        call = self._call
        if reach.greeting is not None:
            ended = await self._greet(branches, reach.greeting)
            if ended is not None:
                return ended
        self._reaching = Reaching(call, line, number, reach)
        return deque(await self._reaching.next(no_answer()))

    async def _greet(self, branches: Branches, path: str) -> Ending | None:
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
            ended = self._give_up(branches, letter)
        call.sound.stop_playing("a")
        call.sound.hear("a", "peer")
        return ended

    async def _await_answer(self, branches: Branches) -> Winner | Ending:
        call = self._call
        patience = branches.attempt.silence_seconds
        impatient_at = None if patience is None else call.now() + patience
        while True:
            deadline = min(branches.deadline, self._end)
            wait_until = deadline
            if impatient_at is not None and self._attempts and not branches.heard:
                wait_until = min(deadline, impatient_at)
            letter = await call.mailbox.next(wait_until)
            if letter is None and call.now() >= wait_until:
                branches.cancel(call.now())
                call.context.drain()
                if wait_until < deadline:
                    branches.timed_out()
                raise branches.refusal()
            outcome = self._hear(branches, letter)
            call.context.drain()
            if outcome is not None:
                return outcome

    def _hear(self, branches: Branches, letter: Any) -> Winner | Ending | None:
        call = self._call
        match letter:
            case sip_events.Progress(session, response) if session in branches:
                branches.note_early(session, response)
                early = branches.part(session).confirming is None
                call.progress(session, response, early=early)
            case sip_events.Answered(session, response) if session in branches:
                return self._answered(branches, session, self._description(session, response))
            case Confirmed(session, description) if session in branches:
                if description is not None:
                    return self._won(branches, session, description)
                session.bye(call.now())
                self._failed(branches, session, 480, None)
            case sip_events.HungUp(session) if session in branches:
                self._failed(branches, session, 480, None)
            case sip_events.InfoReceived(session, request) if session in branches:
                confirming = branches.part(session).confirming
                key = key_in(request.content_type or "", request.body)
                if confirming is not None and key is not None:
                    confirming.press(key)
            case PickUp():
                return self._picked_up(branches, letter)
            case sip_events.Refused(session, status, response) if session in branches:
                branches.heard = True
                if status in NO_COMMON_CODEC and self._offer_more(branches, session):
                    return None
                self._failed(branches, session, status, response)
            case sip_events.Updated(session, request):
                call.opening.update(session, request.body)
            case Registered(binding):
                self._ring_late(branches, binding)
            case _:
                return self._give_up(branches, letter)
        return None

    def _answered(
        self, branches: Branches, session: Session, description: SessionDescription
    ) -> Winner | None:
        """Somebody answered: the call is his, unless he is to be asked first."""
        part, now = branches.part(session), self._call.now()
        if part.confirming is None:
            return self._won(branches, session, description)
        branches.deadline = max(branches.deadline, now + ASKING_SECONDS + 1)
        try:
            part.confirming.ask(session, description)
        except (ParseError, SipError):
            session.bye(now)
            self._failed(branches, session, 488, None)
        return None

    def _won(self, branches: Branches, session: Session, description: SessionDescription) -> Winner:
        part = branches.part(session)
        branches.won(session, self._call.now())
        line = part.line if branches.attempt.parts else self.line
        lost = self._lost(branches, part)
        return Winner(session, description, line, lost, moves=part.confirming is not None)

    def _lost(self, branches: Branches, part: Part) -> tuple[Meter, ...]:
        """Payers of what was rung beside this part."""
        payers = {other.meter for other in branches.attempt.parts} - {None, part.meter}
        return tuple(meter for meter in self._call.payers.meters if meter in payers)

    def _failed(
        self, branches: Branches, session: Session, status: int, response: Response | None
    ) -> None:
        """Raises Refusal when nobody is left."""
        if branches.failed(session, status, response, self._call.now()):
            raise branches.refusal()

    def _description(self, session: Session, response: Response) -> SessionDescription:
        """The answer stands in the 2xx, or stood in a reliable provisional response before it
        (RFC 3262 section 5, RFC 3261 section 13.2.1).

        Raises:
            SipError: 488, it can't be used.
        """
        return CallMedia.read(response.body or session.remote_description)

    def _picked_up(self, branches: Branches, letter: PickUp) -> Winner | None:
        description = pick_up.take(self._call, branches, letter)
        if description is None:
            return None
        lost = self._lost(branches, PLAIN)
        return Winner(letter.session, description, letter.line, lost, picked_up=True)

    def _ring_late(self, branches: Branches, binding: Binding) -> None:
        call = self._call
        branches.late(binding, call, call.opening.offer_to_called, call.now())

    def _offer_more(self, branches: Branches, session: Session) -> bool:
        """Ring one once more who may know other codecs than the caller's."""
        call, opening = self._call, self._call.opening
        offer = partial(opening.offer_to_called, wide=True)
        return opening.can_offer_more and branches.invite_again(session, call, offer, call.now())

    def _give_up(self, branches: Branches, letter: Any) -> Ending | None:
        call = self._call
        match letter:
            case sip_events.Cancelled(session) | sip_events.HungUp(session) if (
                session is call.parties.get("a")
            ):
                end = endings.given_up()
            case HangUp(ended_by):
                end = Ending(ended_by, 480, 41, rule="call: ended while ringing")
            case MediaLost():
                branches.cancel(call.now())
                raise Refusal(503, "media: the worker died", ended_by="operator")
            case _:
                return None
        branches.cancel(call.now())
        return end


def _greeted(call: Call, playing: asyncio.Future[Played]) -> None:
    if not playing.cancelled():
        playing.exception()  # a worker that died is told of by itself
    call.post(Greeted())
