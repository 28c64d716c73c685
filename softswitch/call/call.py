"""A call: two legs, their sound and their money, in one task from INVITE to CDR.

Everything that happens to the call is a letter in its mailbox; this task alone changes its state,
and each wait has a deadline. Whatever goes wrong ends in :meth:`Call._close`, which leaves no leg,
port, reservation or timer behind and writes exactly one CDR for each payer.
"""

from __future__ import annotations

import asyncio
from typing import Any

from billing.facts.authorization import BillingError
from billing.stores.store import StoreError
from rtp.session import MediaError, MediaSession
from sip.dialog import DialogId
from sip.errors import SipError
from sip.flow import Flow
from sip.message import Request, Response
from sip.sdp import SessionDescription
from sip.session import Session
from softswitch.admission.authentication import Caller, LineCaller
from softswitch.admission.caller_id import Identity, identity_of_number
from softswitch.admission.credit import PricedRoute
from softswitch.call.charging.accounting import Record
from softswitch.call.charging.money_warnings import MoneyWarnings
from softswitch.call.charging.payers import Payers, unpaid
from softswitch.call.context import CallContext
from softswitch.call.ending import Ending
from softswitch.call.established import merging
from softswitch.call.established.established_call import talk
from softswitch.call.established.renegotiation import Asker, Renegotiation
from softswitch.call.established.transfer import Connect, GiveLeg, Given, Transfer
from softswitch.call.ivr.refusal_announcement import announce_refusal
from softswitch.call.ivr.service_leg import ServiceLeg
from softswitch.call.ivr.speaker import Speaker
from softswitch.call.ivr.voicemail_diversion import divert_to_voicemail
from softswitch.call.mailbox import Mailbox
from softswitch.call.media.call_recording import CallRecording
from softswitch.call.media.call_tones import CallTones
from softswitch.call.media.early_media import Opening
from softswitch.call.media.info_keys import InfoKeys
from softswitch.call.media.keys import RELAY_TYPE
from softswitch.call.media.leg_security import LegSecurity
from softswitch.call.media.media import CallMedia, Side
from softswitch.call.parties import Parties
from softswitch.call.ringing import pick_up
from softswitch.call.ringing.diversion import check_diversions
from softswitch.call.ringing.pick_up import PickUp
from softswitch.call.ringing.ringing import Ringing, Winner
from softswitch.subscribers.directory import Line, Trunk
from softswitch.subscribers.refusal import Refusal
from softswitch.subscribers.supplementary import ForwardKind


class Call:
    """One attempt of a caller, and the conversation that it may become."""

    def __init__(
        self, context: CallContext, caller: Caller, request: Request, session: Session | None
    ) -> None:
        self.id = context.agent.stack.token()
        self.context = context
        self.caller = caller
        self.request = request
        self.mailbox = Mailbox(context.loop)
        self.record = Record(self.id, request, context.wall_ms())
        self.record.caller(caller)
        self.payers = Payers(context, self, request, self.record)
        self.line_ids: set[int] = set()
        """Of all lines that ever took part."""
        self.renegotiation = Renegotiation(self)
        self.recording = CallRecording(self)
        self.transfer = Transfer(self)
        party = caller.line if isinstance(caller, LineCaller) else caller.trunk
        if session is not None:
            self.secure(session, party)
        line = caller.line if isinstance(caller, LineCaller) else None
        self.parties = Parties(session, line)
        self.ringing: Ringing | None = None
        """Who is rung, or was until the answer."""
        self.opening = Opening(self)
        self.service_leg = ServiceLeg(self)
        self.info_keys = InfoKeys(self)
        self.warnings = MoneyWarnings(self, context.limits.warnings_seconds)
        self.tones = CallTones(self, context.tones)
        self.answered_at: float | None = None
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
        if self.answered_at is not None:
            return "talking"
        return "ringing" if self.ringing is not None else "setup"

    @property
    def talk_seconds(self) -> int:
        """Since the answer."""
        return 0 if self.answered_at is None else int(self.now() - self.answered_at)

    @property
    def codec(self) -> str | None:
        return None if self.opening.media is None else self.opening.media.codec

    @property
    def suites(self) -> dict[str, str | None]:
        """By which SRTP suite each side's sound is encrypted; None: by none."""
        media = self.opening.media
        sides: dict[str, Side] = {"caller": "a", "callee": "b"}
        return {who: None if media is None else media.suite(side) for who, side in sides.items()}

    @property
    def answered(self) -> bool:
        return self.answered_at is not None

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
            end = Ending.refused(Refusal(503, "store_failed", why=error, ended_by="operator"))
        except MediaError as error:
            self.context.log.error("call refused, no media", error=str(error))
            end = Ending.refused(Refusal(503, "media_failed", why=error, ended_by="operator"))
        except SipError as error:
            end = Ending.refused(
                Refusal(error.status, "media_unusable", error.reason, why=error.reason)
            )
        except Exception:
            self.context.log.exception("call failed", call=self.id)
            end = Ending.refused(Refusal(500, "internal_error", ended_by="operator"))
        await self._close(await announce_refusal(self, end))

    async def _live(self) -> Ending:
        priced = self._admit()
        await merging.check_parallel(self, priced)
        await self._authorize(priced)
        self.ringing = Ringing(self, await self.context.attempts(priced, self.request))
        try:
            outcome = await self.ringing.until_answered()
        except Refusal as refusal:
            ended = await divert_to_voicemail(self, priced, refusal)
            if ended is None:
                raise
            return ended
        if isinstance(outcome, Ending):
            return outcome
        await self._answer(outcome)
        return await talk(self)

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
        self.opening.read_offer()
        check_diversions(self.request)
        digits = self.context.stages.wanted(self.line_of("a"), self.request.uri.user or "")
        priced = self.context.admit(self.caller, digits, self.request, self.record)
        self.context.admitted(self, self.record)
        self.parties.name("a", priced.presented.identity)
        self.parties.name("b", identity_of_number(self.record.called))
        return priced

    async def _authorize(self, priced: PricedRoute) -> None:
        """Have the money reserved and the ports opened, both before the callee's phone hears."""
        ports = self.opening.order()
        try:
            await self.payers.meters[0].reserve(priced)
        finally:
            # Also when the money said no: the ports are there, or soon will be, and must go back.
            self.opening.session = await ports
        self.opening.begin(self.opening.session)

    def order_ports(self, signalling: str) -> asyncio.Future[MediaSession]:
        """Ask for ports; the caller's SIP comes from `signalling`."""
        return self.context.media.open(signalling, None)

    def secure(self, session: Session, party: Line | Trunk | None) -> None:
        """Have a leg that came by itself agree on SRTP as its line or trunk wants it."""
        if session.sound is None:
            session.sound = self.context.security(party, session.dialog.flow)

    # The answer

    def progress(self, session: Session, response: Response, *, early: bool = True) -> None:
        """Whoever is rung says something on the way; the caller hears early media in it, if `early`
        says so."""
        self.opening.progress(session, response, early=early)

    async def _answer(self, winner: Winner) -> None:
        """The first answer wins; it is on disk before the caller hears of it."""
        await self._take(winner)
        self.tones.stop_ringing()
        heard, opening = winner.description, self.opening
        answering = opening.answering(heard)
        self.accept_caller(self.media.describe("a", heard, answering=answering, wide=True))
        unsettled = opening.settled is not None and answering is not opening.settled
        self.renegotiation.begin(
            self.offer, heard, self.now(), moves=winner.moves, unsettled=unsettled
        )
        if winner.picked_up:
            pick_up.answer(self, winner.session)
        self.recording.follow()
        self.info_keys.follow()
        self.context.drain()

    async def _take(self, winner: Winner) -> None:
        """Whoever answered is on the called side from now on, and is paid for."""
        identity = self.identity("b") if winner.line is None else None
        self.parties.put("b", winner.session, winner.line, identity)
        self.secure(winner.session, winner.line)
        self.media.join("b", LegSecurity.of(winner.session))
        if winner.line is not None:
            self.line_ids.add(winner.line.id)
        for meter, end in winner.lost:
            await self.payers.drop(meter, end)
        answered, wall = self.now(), self.context.wall_ms()
        if self.offer is not None and not winner.moves:
            self.media.answered(self.offer, winner.description)
        self.learn("b", winner.description)
        await self.payers.answered(answered, wall)
        self.answered_at = answered
        self.context.changed(self)

    def accept_caller(self, description: bytes) -> None:
        self.leg("a").accept(description, self.now())

    # For the services that talk with the caller

    @property
    def sound(self) -> MediaSession:
        """What a service plays to, and listens to; the caller is side a."""
        return self.media.session

    @property
    def speaker(self) -> Speaker:
        """Talks with the caller."""
        return self.service_leg.speaker

    def connect(self, line: Line, number: str) -> asyncio.Future[bool]:
        """Have the caller talk to somebody else in the place of a service of ours, which ends when
        he answers; the result is False when he doesn't. A line pays, as if it had dialled."""
        told: asyncio.Future[bool] = self.context.loop.create_future()
        self.post(Connect(line, number, told))
        return told

    async def until_hung_up(self) -> None:
        """Wait for the caller to hang up, which ends the service."""
        await self.context.loop.create_future()

    def let_go_of(self, line: Line) -> None:
        """The line takes no part in the call any more."""
        self.line_ids.discard(line.id)
        self.context.left(self, line)

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
        figures = await self.opening.close()
        try:
            await self.payers.settle(end, ended_at, ended_wall, figures, self.codec)
        finally:
            self.context.ended(self, end)
            self._let_go()

    def _let_go(self) -> None:
        """Of the parts that refer back to the call: else only the garbage collector could free
        them, and it would have to look through everything that lives to find them."""
        self.ringing = None
        self.opening.let_go()
        del self.service_leg, self.payers, self.renegotiation, self.transfer, self.recording
        del self.warnings, self.tones, self.info_keys

    def _hang_up(self, end: Ending, now: float) -> None:
        extra = ((b"Reason", b"Q.850;cause=%d" % end.cause),)
        if self.ringing is not None:
            self.ringing.stop(now)
        self.service_leg.stop()
        self.transfer.stop(now)
        self.renegotiation.stop(now)
        if self.answered_at is None:
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
    def rung(self) -> list[Line]:
        """The lines whose phones ring now: to take the call, or a transferred person."""
        if self.ringing is None or self.over:
            return []
        return self.ringing.lines if self.answered_at is None else self.transfer.lines

    def rings_in(self, dialog: DialogId) -> bool:
        """Whether one of these phones rings in this dialog."""
        if self.ringing is None or self.over:
            return False
        if self.answered_at is None:
            return self.ringing.has(dialog)
        return self.transfer.has(dialog)

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
        self.put_leg(side, session, line, identity)
        self.recording.follow()
        return gone

    def put_leg(
        self, side: Side, session: Session, line: Line | None, identity: Identity | None
    ) -> None:
        session.owner = self
        self.joined(session)
        self.parties.put(side, session, line, identity)
        self.media.join(side, LegSecurity.of(session))
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

    def relearn_sound(self, session: Session) -> None:
        """Let a leg's sound come from a new port: it refreshed its session or registered again, and
        a NAT may have moved it meanwhile."""
        relay = self.opening.session
        if relay is not None and session in self.parties:
            relay.relearn(self.side_of(session), session.dialog.flow.remote[0])

    def follow(self, line: Line, old: Flow, new: Flow) -> None:
        """A phone of the line is reached by another flow."""
        for leg in self.parties.of_line(line):
            self.context.agent.stack.follow(leg.dialog, old, new)
        if self.ringing is not None and any(rung.id == line.id for rung in self.rung):
            self.ringing.follow(old, new)
            self.transfer.follow(old, new)

    def learn(self, side: Side, heard: SessionDescription) -> None:
        """Teach the relay what a leg said."""
        self.take_info(side)
        self.media.learn(side, heard, self.leg(side).dialog.flow.remote[0])
        self.tones.heard(side, heard)
        self.info_keys.follow()

    def take_info(self, side: Side) -> None:
        """Know whether a leg takes keys in INFO, as far as it has said so."""
        self.media.takes_info[side] = RELAY_TYPE in self.leg(side).info_types

    @property
    def offer(self) -> SessionDescription | None:
        """The caller's first; None if his INVITE made none."""
        return self.opening.offer

    @property
    def media(self) -> CallMedia:
        assert self.opening.media is not None
        return self.opening.media

    def now(self) -> float:
        return self.context.loop.time()
