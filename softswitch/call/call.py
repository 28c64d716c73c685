"""A call: two legs, their sound and their money, in one task from INVITE to CDR.

Everything that happens to the call is a letter in its mailbox; this task alone changes its state,
and each wait has a deadline. Whatever goes wrong ends in :meth:`Call._close`, which leaves no leg,
port, reservation or timer behind and writes exactly one CDR for each payer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from billing.authorization import BillingError
from billing.store import StoreError
from rtp.control import Played, PlayItem
from rtp.session import MediaError, MediaSession
from sip import events as sip_events
from sip.errors import ParseError, SipError
from sip.flow import Flow
from sip.message import Request, Response
from sip.sdp import SessionDescription
from sip.session import Session
from softswitch.admission.authentication import Caller, LineCaller
from softswitch.admission.caller_id import Identity, identity_of_number
from softswitch.admission.credit import PricedRoute
from softswitch.admission.refusal import Refusal
from softswitch.call import ending as endings
from softswitch.call import merging, pick_up
from softswitch.call.accounting import Record
from softswitch.call.apology import apologize
from softswitch.call.call_recording import CallRecording
from softswitch.call.call_tones import CallTones
from softswitch.call.context import CallContext
from softswitch.call.diversion import check_diversions
from softswitch.call.ending import Ending
from softswitch.call.keys import INFO_TYPES, MAX_INFO_BYTES, key_in
from softswitch.call.leg_security import LegSecurity
from softswitch.call.letters import BalanceChanged, HangUp, MediaLost, Silent
from softswitch.call.mailbox import Mailbox
from softswitch.call.media import CallMedia, Side, other, try_read
from softswitch.call.merging import HandOver
from softswitch.call.meter import Extended
from softswitch.call.money_warnings import MoneyWarnings
from softswitch.call.parties import Parties
from softswitch.call.payers import Payers, unpaid
from softswitch.call.pick_up import PickUp
from softswitch.call.renegotiation import Asker, Renegotiation
from softswitch.call.ringing import Ringing, Winner
from softswitch.call.serving import Serving
from softswitch.call.speaker import Speaker
from softswitch.call.transfer import Connect, GiveLeg, Given, Transfer
from softswitch.call.unanswered import leave_message
from softswitch.conference.hall import Member
from softswitch.directory import Line, Trunk
from softswitch.supplementary import ForwardKind

CLOSE_SECONDS = 2.0
"""How long a call waits for its worker's figures."""
_OF_EVERY_CALL = (Extended, BalanceChanged, Silent, MediaLost, HangUp)
"""Letters that mean the same whoever talks with the caller."""


class Call:
    """One attempt of a caller, and the conversation that it may become."""

    def __init__(
        self, context: CallContext, caller: Caller, request: Request, session: Session | None
    ) -> None:
        self.id = context.agent.token()
        self.context = context
        self.caller = caller
        self.request = request
        self.mailbox = Mailbox(context.loop)
        self.record = Record(self.id, request, context.wall_ms())
        self.payers = Payers(context, self, request, self.record)
        self.line_ids: set[int] = set()
        """Of all lines that ever took part."""
        self.talks = Renegotiation(self)
        self._recording = CallRecording(self)
        self._transfer = Transfer(self)
        party = caller.line if isinstance(caller, LineCaller) else caller.trunk
        if session is not None:
            self.secure(session, party)
        line = caller.line if isinstance(caller, LineCaller) else None
        self.parties = Parties(session, line)
        self.ringing: Ringing | None = None
        """Who is rung, or was until the answer."""
        self._serving: Serving | None = None
        self._speaker: Speaker | None = None
        self.host: Line | None = None
        """The line whose mailbox answers."""
        self._warnings = MoneyWarnings(self, context.limits.warnings_seconds)
        self.tones = CallTones(self, context.tones)
        self._media: CallMedia | None = None
        self._relay: MediaSession | None = None
        self.offer: SessionDescription | None = None
        """The caller's first; None if his INVITE made none."""
        self._early: SessionDescription | None = None
        self._answered_at: float | None = None
        self.taken_as: ForwardKind | None = None
        """Why the called line's forwarding or mailbox took the call; None: they didn't."""
        self.over = False
        """It closes, and takes nothing on any more."""

    def post(self, letter: Any) -> None:
        """Tell the call something; it is dealt with in its own task."""
        self.mailbox.post(letter)

    # What an operator sees

    @property
    def state(self) -> str:
        """setup, ringing or talking."""
        if self._answered_at is not None:
            return "talking"
        return "ringing" if self.ringing is not None else "setup"

    @property
    def talk_seconds(self) -> int:
        """Since the answer."""
        return 0 if self._answered_at is None else int(self.now() - self._answered_at)

    @property
    def codec(self) -> str | None:
        return None if self._media is None else self._media.codec

    @property
    def suites(self) -> dict[str, str | None]:
        """By which SRTP suite each side's sound is encrypted; None: by none."""
        media = self._media
        sides: dict[str, Side] = {"caller": "a", "callee": "b"}
        return {who: None if media is None else media.suite(side) for who, side in sides.items()}

    @property
    def answered(self) -> bool:
        return self._answered_at is not None

    @property
    def has_early_media(self) -> bool:
        """Whether the caller was given a description of somebody's sound before an answer."""
        return self._early is not None

    @property
    def sound_session(self) -> MediaSession | None:
        """Its relay session, once there is one."""
        return self._relay

    # The call's life

    async def run(self) -> None:
        try:
            end = await self._live()
        except Refusal as refusal:
            end = await self._refused(refusal)
        except BillingError as error:
            end = Ending.refused(unpaid(error))
        except StoreError as error:
            self.context.log.error("call refused, the database failed", error=str(error))
            end = Ending.refused(Refusal(503, f"store: {error}", ended_by="operator"))
        except MediaError as error:
            self.context.log.error("call refused, no media", error=str(error))
            end = Ending.refused(Refusal(503, f"media: {error}", ended_by="operator"))
        except SipError as error:
            end = Ending.refused(Refusal(error.status, f"media: {error.reason}", error.reason))
        except Exception:
            self.context.log.exception("call failed", call=self.id)
            end = Ending.refused(Refusal(500, "call: internal error", ended_by="operator"))
        await self._close(await apologize(self, end))

    async def _live(self) -> Ending:
        priced = self._admit()
        await merging.check_parallel(self, priced)
        await self._authorize(priced)
        self.ringing = Ringing(self, await self.context.attempts(priced, self.request))
        try:
            outcome = await self.ringing.until_answered()
        except Refusal as refusal:
            ended = await leave_message(self, priced, refusal)
            if ended is None:
                raise
            return ended
        if isinstance(outcome, Ending):
            return outcome
        await self._answer(outcome)
        return await self._talk()

    async def _refused(self, refusal: Refusal) -> Ending:
        """The attempt came to nothing, unless the switch has something to offer the caller."""
        try:
            end = await self.context.offer(self, refusal)
        except (SipError, MediaError, StoreError) as error:
            self.context.log.error("nothing can be offered", call=self.id, why=str(error))
            end = None
        return Ending.refused(refusal) if end is None else end

    def _admit(self) -> PricedRoute:
        """The stages of admission up to credit; each may refuse."""
        if self.request.body:
            self.offer = CallMedia.read(self.request.body)
        check_diversions(self.request)
        digits = self.context.stages.wanted(self.line_of("a"), self.request.uri.user or "")
        priced = self.context.admit(self.caller, digits, self.request, self.record)
        self.context.admitted(self, self.record)
        self.parties.name("a", priced.presented.identity)
        self.parties.name("b", identity_of_number(self.record.called))
        return priced

    async def _authorize(self, priced: PricedRoute) -> None:
        """Have the money reserved and the ports opened, both before the callee's phone hears."""
        opening = self._open_media(self._signalling())
        try:
            await self.payers.meters[0].reserve(priced)
        finally:
            # Also when the money said no: the ports are there, or soon will be, and must go back.
            self._relay = await opening
        self._begin_media(self._relay)

    async def open_sound(self) -> None:
        """Have a way to the caller, also in a call that nobody was rung for.

        Raises:
            MediaError: there is none to be had.
        """
        if self._relay is None:
            self._relay = await self.context.media.open_alone(self._signalling())
        if self._media is None:
            self._begin_media(self._relay)

    def _begin_media(self, relay: MediaSession) -> None:
        relay.owner = self
        address = self.context.media_address
        origin = self.context.agent.pick(1 << 31)
        self._media = CallMedia(
            relay,
            {"a": address, "b": address},
            origin,
            self._caller_security(),
            transcodes=self.context.limits.transcodes,
        )
        if self.offer is not None:
            self.learn("a", self.offer)

    def _caller_security(self) -> LegSecurity | None:
        """None until a caller whom the switch calls itself has answered."""
        security: LegSecurity | None = self.leg("a").sound
        return security

    def _signalling(self) -> str:
        """Where the caller's SIP comes from."""
        return self.leg("a").dialog.flow.remote[0]

    def _open_media(self, signalling: str) -> asyncio.Future[MediaSession]:
        line = self.line_of("a")
        together = line is not None and self.context.hall.has_service(line)  # it may be merged
        return self.context.media.open(signalling, None, together=together)

    # Ringing

    def offer_to_called(
        self, party: Line | Trunk | None, flow: Flow, *, wide: bool = False
    ) -> tuple[bytes, LegSecurity]:
        """Our offer to a phone or trunk that is rung, empty when the caller made none; and what it
        says of SRTP.

        Args:
            wide: with codecs that the caller hasn't.
        """
        security = self.context.security(party, flow)
        if self.offer is None:
            return b"", security
        return self.media.describe("b", self.offer, wide=wide, security=security), security

    def secure(self, session: Session, party: Line | Trunk | None) -> None:
        """Have a leg that came by itself agree on SRTP as its line or trunk wants it."""
        if session.sound is None:
            session.sound = self.context.security(party, session.dialog.flow)

    @property
    def can_offer_more(self) -> bool:
        """Whether we know codecs for somebody who speaks none of the caller's."""
        return self.offer is not None and self.media.widens(self.offer)

    def progress(self, session: Session, response: Response, *, early: bool = True) -> None:
        """Pass a provisional response on; with SDP in it the caller hears early media, if `early`
        says so."""
        self.payers.rang(self.context.wall_ms())
        self.context.changed(self)
        body = b""
        heard = try_read(response.body) if early else None
        if heard is not None and self.offer is not None:
            self.tones.stop_ringing()
            self._early = heard
            self.media.join("b", session.sound)
            self.media.learn("b", heard, session.dialog.flow.remote[0])
            body = self.media.describe("a", heard, answering=self.offer)
        elif self._early is None and self.tones.ring():
            return
        status = response.status if response.status in (180, 181, 182, 183) else 183
        self.leg("a").progress(status, self.now(), body)

    def update_early(self, session: Session, body: bytes) -> None:
        """An UPDATE before the answer: the relay stands between, so the other side needn't
        hear that this one moved."""
        side: Side = "a" if session is self.leg("a") else "b"
        theirs = self._early if side == "a" else self.offer
        heard = try_read(body)
        if theirs is None or heard is None:
            session.answer_update(488, b"", self.now())
            return
        try:
            answer = self.media.describe(side, theirs, answering=heard)
            self.media.learn(side, heard, session.dialog.flow.remote[0])
        except SipError as error:
            session.answer_update(error.status, b"", self.now())
            return
        session.answer_update(200, answer, self.now())

    async def _answer(self, winner: Winner) -> None:
        """The first answer wins; it is on disk before the caller hears of it."""
        identity = self.identity("b") if winner.line is None else None
        self.parties.put("b", winner.session, winner.line, identity)
        self.secure(winner.session, winner.line)
        if winner.moves:
            winner.session.sound.renew()
        self.media.join("b", winner.session.sound)
        if winner.line is not None:
            self.line_ids.add(winner.line.id)
        for meter in winner.lost:
            await self.payers.drop(meter, endings.taken_elsewhere())
        answered, wall = self.now(), self.context.wall_ms()
        description = winner.description
        if self.offer is not None and not winner.moves:
            self.media.answered(self.offer, description)
        self.learn("b", description)
        await self.payers.answered(answered, wall)
        self._answered_at = answered
        self.context.changed(self)
        self.tones.stop_ringing()
        answer = self.media.describe("a", description, answering=self.offer, wide=True)
        self._accept_caller(answer)
        self.talks.begin(self.offer, description)
        if winner.picked_up:
            pick_up.answer(self, winner.session)
        if winner.moves:
            self.talks.align("b", self.now())
        self._recording.follow()
        self.context.drain()

    # Talking with the switch itself

    def speak_early(
        self, items: Sequence[PlayItem], *, repeat: bool = False
    ) -> asyncio.Future[Played] | None:
        """Have a caller hear something before anybody answers; None if they made no offer that
        we could answer. Afterwards they are to hear their peer again."""
        if self.offer is None:
            return None
        try:
            body = self.media.answer_itself("a", self.offer)
        except SipError:
            return None
        self.leg("a").progress(183, self.now(), body)
        self.sound.hear("a", "prompts")
        self.context.drain()
        return self.sound.play("a", items, repeat=repeat)

    @property
    def sound(self) -> MediaSession:
        """What a service plays to, and listens to; the caller is side a."""
        return self.media.session

    @property
    def speaker(self) -> Speaker:
        """Talks with the caller, in the language of the caller's line, or else of the line whose
        mailbox it is."""
        if self._speaker is None:
            line = self.line_of("a") or self.host
            language = None if line is None else line.language
            in_band = not self.media.knows_events("a")
            self._speaker = Speaker(
                self.context, self.id, self.sound, "a", language, in_band=in_band
            )
        return self._speaker

    def connect(self, line: Line, number: str) -> asyncio.Future[bool]:
        """Have the caller talk to somebody else in the place of a service of ours, which ends when
        he answers; the result is False when he doesn't. A line pays, as if it had dialled."""
        told: asyncio.Future[bool] = self.context.loop.create_future()
        self.post(Connect(line, number, told))
        return told

    def connected(self, session: Session, line: Line | None, identity: Identity | None) -> None:
        """Somebody answered whom a service of ours had called."""
        if self._serving is not None:
            self._serving.stop()
            self._serving = None
        sound = self.sound
        sound.on_digit = None
        sound.stop_playing("a")
        sound.listen("a", digits=False)
        sound.hear("a", "peer")
        self._put_leg("b", session, line, identity)

    def enter_conference(self, member: Member) -> None:
        """One side goes to a conference, and the other, whose line it is, leaves the call."""
        gone = other(member.side)
        self.parties.put(gone, self.leg(gone), None, self.identity(gone))
        self.sound.set_remote(gone, None, 0, 0, "inactive")
        self._recording.follow()
        self._serving = Serving(self, None, partial(merging.attend, member), member.side)
        self._serving.take_over()
        self.context.changed(self)

    async def finish_speaking(self) -> None:
        """Before a call ends in which something was said."""
        if self._speaker is not None:
            await self._speaker.finish()

    async def until_hung_up(self) -> None:
        """Wait for the caller to hang up, which ends the service."""
        await self.context.loop.create_future()

    def _accept_caller(self, description: bytes) -> None:
        self.leg("a").accept(description, self.now())

    async def talk_unpaid(self, end: Ending, service: Callable[[], Awaitable[None]]) -> Ending:
        """Record the attempt as it ended; then have a service of ours talk with the caller, which
        is never billed.

        Raises:
            SipError: 488, there is no codec that both speak.
        """
        for meter in list(self.payers.meters):
            await self.payers.drop(meter, end)
        await self.open_sound()
        return await self.serve(service)

    def let_go_of(self, line: Line) -> None:
        """The line takes no part in the call any more."""
        self.line_ids.discard(line.id)
        self.context.left(self, line)

    async def serve(self, service: Callable[[], Awaitable[None]]) -> Ending:
        """Have a service of ours answer, and talk with the caller until either has enough."""
        self.tones.stop_ringing()
        self._serving = Serving(self, self.offer, service)
        await self._serving.answer()
        return await self._talk()

    async def answered_by_switch(self, description: bytes) -> None:
        """Note our own answer, then give it to the caller."""
        answered, wall = self.now(), self.context.wall_ms()
        await self.payers.answered(answered, wall)
        self._answered_at = answered
        self.context.changed(self)
        self.leg("a").accept(description, self.now())
        self.context.drain()

    # Talking

    async def _talk(self) -> Ending:
        assert self._answered_at is not None
        cap = self._answered_at + self.context.limits.max_duration_seconds
        while True:
            letter = await self.mailbox.next(self._next_deadline(cap))
            ended = None
            if letter is not None:
                ended = await self._hear(letter)
            ended = ended or await self._expire(cap)
            self.context.drain()
            if ended is not None:
                return ended

    def _next_deadline(self, cap: float) -> float:
        return min(
            cap,
            self._transfer.until,
            self.talks.retry_at,
            self._warnings.next_at(),
            self.payers.next_deadline(),
        )

    async def _expire(self, cap: float) -> Ending | None:
        """What is due now."""
        now = self.now()
        if (ended := self.payers.expire(now)) is not None:
            return ended
        if now >= cap:
            return endings.cap_reached(cap)
        self._warnings.expire(now)
        if now >= self.talks.retry_at:
            self.talks.retry(now)
        if now >= self._transfer.until:
            return await self._transfer.expire()
        return None

    async def _hear(self, letter: Any) -> Ending | None:
        if self._transfer.concerns(letter):
            return await self._transfer.take(letter)
        if isinstance(letter, Connect):
            return await self._transfer.connect(letter)
        if self._serving is not None and not isinstance(letter, _OF_EVERY_CALL):
            return self._serving.hear(letter)
        match letter:
            case sip_events.HungUp() | sip_events.Cancelled():
                return self.hung_up(letter)
            case PickUp():
                pick_up.take_late(self, letter)
            case sip_events.InfoReceived(session, request):
                self._pass_info(session, request)
            case sip_events.Referred(session, request, flow):
                return await self._transfer.asked(session, request, flow)
            case GiveLeg():
                return self._give(letter)
            case HandOver():
                await merging.handed_over(self, letter)
            case Extended(meter, authorization):
                meter.extended(authorization)
            case BalanceChanged():
                self.payers.balance_changed()
            case Silent(last_packet_at):
                return endings.media_silent(last_packet_at or self._answered_at or self.now())
            case MediaLost():
                return Ending("media_timeout", 200, 41, rule="media: the worker died")
            case HangUp(ended_by):
                return Ending(ended_by, 200, 16, rule="call: ended by the operator")
            case Asker():
                self.talks.ask(letter, letter.offer, self.now())
            case _:
                return self._renegotiate(letter)
        return None

    def hung_up(self, letter: sip_events.HungUp | sip_events.Cancelled) -> Ending | None:
        """Whether a leg that hung up ends the call, and how."""
        if letter.session not in self.parties:
            return None  # a newcomer who gave up, or a leg that was replaced meanwhile
        if self._transfer.leaves(letter.session):
            return None
        by = "caller" if letter.session is self.leg("a") else "callee"
        if isinstance(letter, sip_events.Cancelled):  # as he was being answered
            return endings.hung_up(by)
        if letter.expired:
            return endings.not_refreshed()
        return endings.unreachable(by) if letter.status else endings.hung_up(by)

    def _renegotiate(self, letter: Any) -> Ending | None:
        """Offers and answers after the first; one that can't be understood ends nothing but
        itself, unless a delayed first answer is what is missing."""
        try:
            self.talks.take(letter, self.now())
        except (ParseError, SipError) as error:
            return Ending("callee", 200, 65, rule=f"media: {error.reason}")
        return None

    def _pass_info(self, session: Session, request: Request) -> None:
        """Keys pass from leg to leg; nothing else does."""
        content_type, side = request.content_type or "", self.side_of(session)
        key = key_in(content_type, request.body)
        if key is not None and self.media.press(side, key):
            return
        if content_type in INFO_TYPES and len(request.body) <= MAX_INFO_BYTES:
            peer = self.leg(other(side))
            peer.info(content_type.encode("ascii"), request.body, self.now())

    def _give(self, letter: GiveLeg) -> Ending | None:
        """Let another call have the person whom one of our legs talks to."""
        side = self.side_of(letter.session)
        kept = other(side)
        busy = self._transfer.under_way or self.talks.busy
        if busy or letter.taker.over or letter.session not in self.parties:
            letter.taker.post(Given(None))
            return None
        session, line, identity = self.parties.give(kept)
        session.owner = None
        session.sound.renew()
        letter.taker.post(Given(session, line, identity, self.payers.give()))
        return endings.hung_up("caller")

    # The end

    async def _close(self, end: Ending) -> None:
        """Leave nothing behind, whatever state the call was in."""
        self.over = True
        self._return_what_came_late()
        now = self.now()
        ended_at = now if end.at is None else min(end.at, now)
        ended_wall = self.context.wall_ms() - round((now - ended_at) * 1000)
        self._hang_up(end, now)
        self.context.drain()
        figures = None
        if self._relay is not None:
            self._relay.owner = None
            figures = await self.context.figures(self._relay, CLOSE_SECONDS)
        try:
            await self.payers.settle(end, ended_at, ended_wall, figures, self.codec)
        finally:
            self.context.ended(self, end)
            self._let_go()

    def _let_go(self) -> None:
        """Of the parts that refer back to the call: else only the garbage collector could free
        them, and it would have to look through everything that lives to find them."""
        self.ringing = None
        self._serving = None
        self._speaker = None
        del self.payers, self.talks, self._transfer, self._recording, self._warnings, self.tones

    def _hang_up(self, end: Ending, now: float) -> None:
        extra = ((b"Reason", b"Q.850;cause=%d" % end.cause),)
        if self.ringing is not None:
            self.ringing.stop(now)
        if self._serving is not None:
            self._serving.stop()
        self._transfer.stop(now)
        self.talks.stop(now)
        if self._answered_at is None:
            self._turn_away(end, now)
        for leg in self.parties:
            leg.bye(now, extra)

    def _turn_away(self, end: Ending, now: float) -> None:
        extra = ((b"Reason", b"Q.850;cause=%d" % end.cause),)
        self.leg("a").reject(max(end.status, 400), now, end.reason, extra)

    def _return_what_came_late(self) -> None:
        """Another call's leg, or a wish for one of ours, that came when this call was over."""
        for letter in self.mailbox.rest():
            match letter:
                case GiveLeg(taker):
                    taker.post(Given(None))
                case Given(session, _, _, meters) if session is not None:
                    session.bye(self.now())
                    self.payers.adopt(meters)
                case Asker():
                    letter.reject(481, self.now())
                case PickUp(newcomer):
                    newcomer.reject(481, self.now())

    # For the parts

    def leg(self, side: Side) -> Session:
        return self.parties.leg(side)

    def line_of(self, side: Side) -> Line | None:
        """Whose phone a leg is; None for a trunk's."""
        return self.parties.line(side)

    @property
    def rung(self) -> Line | None:
        """The line whose phones ring now."""
        if self.ringing is None or self._answered_at is not None or self.over:
            return None
        return self.ringing.line

    def is_held_by(self, session: Session, line: Line) -> bool:
        """Whether a leg is a phone of this line."""
        return session in self.parties.of_line(line)

    def joined(self, session: Session) -> None:
        """A leg begins, or comes over from another call."""
        self.context.joined(self, session)

    def replace_leg(
        self, side: Side, session: Session, line: Line | None, identity: Identity | None = None
    ) -> Session:
        """Put another in the place of a leg; the one who was there."""
        gone = self.leg(side)
        self._put_leg(side, session, line, identity)
        self._recording.follow()
        return gone

    def _put_leg(
        self, side: Side, session: Session, line: Line | None, identity: Identity | None
    ) -> None:
        session.owner = self
        self.joined(session)
        self.parties.put(side, session, line, identity)
        self.media.join(side, session.sound)
        if line is not None:
            self.line_ids.add(line.id)
        self.context.changed(self)

    def side_of(self, session: Session) -> Side:
        return self.parties.side_of(session)

    def identity(self, side: Side) -> Identity:
        """Who is on a side, for one whom the call is transferred to."""
        return self.parties.identity(side)

    @property
    def caller_identity(self) -> Identity:
        """Who the caller is, and what of it is shown."""
        return self.identity("a")

    def follow(self, line: Line, old: Flow, new: Flow) -> None:
        """A phone of the line is reached by another flow."""
        for leg in self.parties.of_line(line):
            self.context.agent.follow(leg.dialog, old, new)
        if self.rung is not None and self.rung.id == line.id and self.ringing is not None:
            self.ringing.follow(old, new)

    def learn(self, side: Side, heard: SessionDescription) -> None:
        """Teach the relay what a leg said."""
        self.media.learn(side, heard, self.leg(side).dialog.flow.remote[0])
        self.tones.heard(side, heard)

    @property
    def media(self) -> CallMedia:
        assert self._media is not None
        return self._media

    def now(self) -> float:
        return self.context.loop.time()
