"""Calls that the switch places itself: the one that completes a call, and the short ring.

A completing call is an ordinary call of the caller, whose first leg the switch has called instead
of being called by it: admitted, reserved and paid as if the caller had dialled again (D8).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import structs

from ivr_prompts.phrase import Digits
from rtp.control import Played, PlayItem
from rtp.session import MediaSession
from sip import events as sip_events
from sip.message import Request, Response
from sip.session import Session
from softswitch.admission.authentication import LineCaller
from softswitch.admission.caller_id import Identity, identity_of
from softswitch.admission.routing import ToLine
from softswitch.call import ending as endings
from softswitch.call.call import Call
from softswitch.call.ending import Ending
from softswitch.call.ivr.giving_up import gave_up
from softswitch.call.letters import HangUp, Letter, MediaLost
from softswitch.call.media.leg_security import LegSecurity
from softswitch.call.media.media import CallMedia
from softswitch.call.ringing.forking import Branches, Offer, no_answer
from softswitch.completion.waiting import Waiting
from softswitch.subscribers.directory import Line, Trunk
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from sip.flow import Flow
    from softswitch.call.context import CallContext
    from softswitch.call.media.leg_security import LegSecurity

ENDED_BY_SWITCH = frozenset({"restart", "operator"})


class PlacedCall(Call):
    """A call that the switch places by itself.

    Args:
        caller, callee: its lines, as the directory has them now.
    """

    def __init__(self, context: CallContext, waiting: Waiting, caller: Line, callee: Line) -> None:
        request = _request(context, waiting, caller)
        super().__init__(context, LineCaller(caller), request, None)
        self.waiting = waiting
        self.callee = callee
        self.done = True
        """True if the waiting is over when the call ends."""
        self._branches: Branches | None = None
        self.record.caller(self.caller)
        self.record.called = waiting.number
        self.record.routed("service", "service")

    async def _refused(self, refusal: Refusal) -> Ending:
        """Keep the refusal: there is no caller to offer completion to."""
        return Ending.refused(refusal)

    async def _until_answered(
        self, line: Line, identity: Identity, offer: Offer, seconds: float
    ) -> tuple[Session, Response] | Ending:
        """Ring a line's phones of the highest q.

        Raises:
            Refusal: the line can't be rung, or no phone answers.
        """
        stages = self.context.admission.stages
        await stages.know(line.number)
        destination = stages.to_line(line.number, self.line_ids)
        if destination.forward is not None or not destination.bindings:
            raise Refusal(480, "completion_no_phone")
        attempts = await self.context.dialer.attempts(destination, identity, self.id, self.request)
        attempt = structs.replace(attempts[0], seconds=seconds)
        self._branches = branches = Branches(self.context.signalling.agent, attempt)
        self.parties.add_line(line.id)
        branches.invite(self.legs, offer, self.now())
        self.legs.changed()
        while True:
            letter = await self.legs.mailbox.next(branches.deadline)
            if letter is None:
                if self.now() >= branches.deadline:
                    raise no_answer()
                continue
            outcome = self._heard(branches, letter)
            if outcome is not None:
                return outcome

    def _heard(
        self, branches: Branches, letter: Letter
    ) -> tuple[Session, Response] | Ending | None:
        match letter:
            case sip_events.Answered(session, response) if session in branches:
                branches.won(session, self.now())
                return session, response
            case sip_events.Refused(session, status, response) if session in branches:
                if branches.failed(session, status, response, self.now()):
                    raise branches.refusal()
            case HangUp(ended_by):
                return Ending(ended_by, 480, 41, rule="completion: ended while ringing")
            case MediaLost():
                raise Refusal(503, "media_worker_died", ended_by="operator")
            case _:
                return gave_up(self.legs, letter)
        return None

    def _turn_away(self, end: Ending, now: float) -> None:
        """End the legs: there is no INVITE to answer, and a phone that still rings is cancelled."""
        if self._branches is not None:
            self._branches.cancel(now)


class CallbackCall(PlacedCall):
    """Calls the caller back; when the caller answers, the callee.

    Args:
        seconds: how long the caller is rung.
    """

    def __init__(
        self, context: CallContext, waiting: Waiting, caller: Line, callee: Line, seconds: float
    ) -> None:
        super().__init__(context, waiting, caller, callee)
        self._seconds = seconds

    async def _live(self) -> Ending:
        # Until a phone rings, a failure may be temporary: the caller goes on waiting.
        self.done = False
        priced = self.context.admission.admit(
            self.caller, self.waiting.number, self.request, self.record
        )
        route = priced.presented.route
        if not isinstance(route, ToLine) or route.line.id != self.callee.id:
            self.done = True
            raise Refusal(404, "completion_number_moved")
        self.context.live_calls.admitted(self.id, self.record)
        self.done = True
        await self._authorize(priced)
        ended = await self._call_back(priced.presented.identity)
        if ended is not None:
            self.done = ended.ended_by not in ENDED_BY_SWITCH
            return ended
        presented = priced.presented
        outcome = await self._ring(
            await self.context.dialer.attempts(
                presented.route, presented.identity, self.id, self.request
            )
        )
        if isinstance(outcome, Ending):
            self.done = outcome.ended_by not in ENDED_BY_SWITCH
            return outcome
        await self._answer(outcome)
        return await self.talk()

    def order_ports(self, signalling: str) -> asyncio.Future[MediaSession]:
        return self.context.media.open(None, None)

    async def _call_back(self, identity: Identity) -> Ending | None:
        """Ring the caller, with the caller id of the callee; how the call ended if it failed.

        Args:
            identity: of the caller, for the callee.
        """
        line = self._line()
        shown = identity_of(self.callee)
        answered = await self._until_answered(line, shown, self._offer_to_caller, self._seconds)
        if isinstance(answered, Ending):
            return answered
        session, response = answered
        self.parties.put("a", session, line, identity)
        self.media.join("a", LegSecurity.of(session))
        self.parties.name("b", shown)
        self.early_media.offer = CallMedia.read(response.description or session.remote_description)
        self.legs.learn("a", self.early_media.offer)
        self._sound_of_ringing(line)
        return None

    def _offer_to_caller(self, party: Line | Trunk | None, flow: Flow) -> tuple[bytes, LegSecurity]:
        """Our own offer, since no caller has made one."""
        security = self.context.security.of_leg(party, flow)
        self.media.join("a", security)
        return self.media.offer_itself("a"), security

    def _line(self) -> Line:
        assert isinstance(self.caller, LineCaller)
        return self.caller.line

    def _sound_of_ringing(self, line: Line) -> None:
        """Play the announcement and ringback until the callee answers."""
        announcer = self.context.features.announcer
        phrase = ("cc-callback", Digits(self.waiting.number))
        said = announcer.announce(line.language, phrase)
        self.context.log.info(
            "announcement", call=self.id, side="a", language=said.language,
            tokens=" ".join(said.tokens),
        )  # fmt: skip
        self.sound.hear("a", "prompts")
        self.sound.play("a", said.items).add_done_callback(_ignore_failure)
        self.sound.play("a", [PlayItem(tone="ringback")], repeat=True).add_done_callback(
            _ignore_failure
        )

    def progress(self, session: Session, response: Response, early: bool) -> None:
        """Do nothing: the caller hears ringback already."""
        self.payers.rang(self.context.clock.wall_ms())
        self.legs.changed()

    def accept_caller(self, description: bytes) -> None:
        """Do nothing: the caller answered before, with the description that was agreed then."""
        self.sound.stop_playing("a")
        self.sound.hear("a", "peer")


class ShortRing(PlacedCall):
    """Rings the callee so briefly that its phone lists a missed call (D4).

    Args:
        shown: the number that the phone lists.
    """

    def __init__(
        self,
        context: CallContext,
        waiting: Waiting,
        caller: Line,
        callee: Line,
        shown: Identity,
        seconds: float,
    ) -> None:
        super().__init__(context, waiting, caller, callee)
        self._shown = shown
        self._seconds = seconds

    async def _live(self) -> Ending:
        try:
            answered = await self._until_answered(
                self.callee, self._shown, self._no_offer, self._seconds
            )
        except Refusal as refusal:
            return Ending("timer", 487, 16, rule=refusal.rule)
        if isinstance(answered, Ending):
            self.done = answered.ended_by not in ENDED_BY_SWITCH
            return answered
        answered[0].bye(self.now())
        return endings.hung_up("caller")

    def _no_offer(self, party: Line | Trunk | None, flow: Flow) -> tuple[bytes, LegSecurity]:
        """An empty offer: there is no sound."""
        return b"", self.context.security.of_leg(party, flow)


def _request(context: CallContext, waiting: Waiting, caller: Line) -> Request:
    """The INVITE that the caller would have sent."""
    uri = b"sip:%s@%s" % (waiting.number.encode("ascii"), context.signalling.domain)
    own = b"<sip:%s@%s>" % (caller.number.encode("ascii"), context.signalling.domain)
    fields = [
        (b"From", own + b";tag=completion"),
        (b"To", b"<" + uri + b">"),
        (b"Call-ID", f"completion-{waiting.id}".encode("ascii")),
        (b"CSeq", b"1 INVITE"),
        (b"Max-Forwards", b"70"),
    ]
    if not waiting.shown:
        fields.append((b"Privacy", b"id"))
    return Request.build("INVITE", uri, fields)


def _ignore_failure(future: asyncio.Future[Played]) -> None:
    if not future.cancelled():
        future.exception()  # a worker that died is reported by itself
