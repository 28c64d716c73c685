"""A call: two legs, their sound and their money, in one task from INVITE to CDR.

Everything that happens to the call is a letter in its mailbox. Only the call's own task changes its
state, and each wait has a deadline. Every path ends in :meth:`Call._close`, which leaves no leg,
port, reservation or timer behind and writes exactly one CDR for each payer.

`Call` is the life of the call. Its data is in :mod:`softswitch.call.legs`; its behaviour is in
parts, each of which is given the legs and the sibling parts that it uses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

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
from softswitch.admission.routing import ToTrunk
from softswitch.call import kept_dialogs, transfers
from softswitch.call.charging.accounting import Record
from softswitch.call.charging.meter import Meter
from softswitch.call.charging.money_warnings import MoneyWarnings
from softswitch.call.charging.payers import Payers, unpaid
from softswitch.call.context import CallContext
from softswitch.call.ending import Ending
from softswitch.call.established.established_call import EstablishedCall
from softswitch.call.established.renegotiation import Renegotiation
from softswitch.call.established.transfer import Transfer
from softswitch.call.ivr import voicemail_diversion
from softswitch.call.ivr.refusal_announcement import RefusalAnnouncement
from softswitch.call.ivr.service_leg import ServiceLeg
from softswitch.call.ivr.speaker import Speaker
from softswitch.call.legs import Legs
from softswitch.call.letters import Connect, GiveLeg, Given, PickUp, Replace
from softswitch.call.mailbox import Mailbox
from softswitch.call.media.call_relay import CallRelay
from softswitch.call.media.early_media import EarlyMedia
from softswitch.call.media.hold_music import HoldMusic
from softswitch.call.media.leg_security import LegSecurity
from softswitch.call.media.media import CallMedia, Side
from softswitch.call.media.worker_move import WorkerMove
from softswitch.call.parallel_calls import check_parallel, is_parallel
from softswitch.call.parties import Parties, Party
from softswitch.call.ringing import pick_up
from softswitch.call.ringing.answer_confirmation import Confirmations
from softswitch.call.ringing.diversion import check_diversions
from softswitch.call.ringing.forking import Attempt
from softswitch.call.ringing.forwarding import Forwarding
from softswitch.call.ringing.rented_targets import RentedTargets
from softswitch.call.ringing.ringing import Ringing, Winner
from softswitch.subscribers.directory import Line, Trunk
from softswitch.subscribers.reach import Reach
from softswitch.subscribers.refusal import Refusal


class Call:
    """One attempt of a caller, and the conversation that it may become.

    Args:
        session: the caller's leg; None if the switch calls the caller itself.
    """

    task: asyncio.Task[None]  # which runs it, from LiveCalls.begin on
    ringing: Ringing | None = None
    """None unless something rings, or did until the call failed."""
    _established: EstablishedCall | None = None
    """None before the answer."""
    _service_leg: ServiceLeg | None = None

    def __init__(
        self, context: CallContext, caller: Caller, request: Request, session: Session | None
    ) -> None:
        clock, agent, live_calls = context.clock, context.signalling.agent, context.live_calls
        call_id = self.id = agent.stack.token()
        self.context, self.caller, self.request = context, caller, request
        record = self.record = Record.of(call_id, request, clock.wall_ms())
        record.caller(caller)
        mailbox = Mailbox(clock.loop, clock.deadlines)
        post = self.post = mailbox.post
        """Tells the call something; its own task handles it."""
        self.now = clock.now
        """Monotonic seconds."""
        line: Line | None = None
        party: Line | Trunk
        if isinstance(caller, LineCaller):
            party = line = caller.line
        else:
            party = caller.trunk
        if session is not None:
            session.sound = context.security.of_leg(party, session.dialog.flow)
        self.parties = Parties(Party(session, line))
        charging = context.charging
        self.payers = Payers(
            request, mailbox, charging, context.admission, live_calls,
            [Meter(charging, mailbox, record)], [record],
        )  # fmt: skip
        self.relay = CallRelay(
            context.media,
            context.media_address,
            agent.stack.pick(1 << 31),
            context.limits.transcodes,
        )
        legs = self.legs = Legs(
            call_id,
            caller,
            request,
            clock=clock,
            mailbox=mailbox,
            post=post,
            now=clock.now,
            record=record,
            parties=self.parties,
            payers=self.payers,
            relay=self.relay,
            security=context.security,
            recordings=context.features.recordings,
            news=context.news,
            log=context.log,
        )
        if context.tones.hold_music is not None:
            legs.hold_music = HoldMusic(legs, context.tones.hold_music, context.log)
        self.early_media = EarlyMedia(legs, context.tones)

    def _establish(self) -> EstablishedCall:
        """The call after the answer; its other parts are made when they are first needed."""
        if self._established is None:
            context, legs = self.context, self.legs
            limits, features = context.limits, context.features
            self._established = EstablishedCall(
                legs,
                self,
                Renegotiation(legs),
                MoneyWarnings(legs, features.announcer, limits.warnings_seconds),
                limits.max_duration_seconds,
            )
        return self._established

    @property
    def service_leg(self) -> ServiceLeg:
        """The switch itself as a party of the call."""
        if self._service_leg is None:
            announcer, log = self.context.features.announcer, self.context.log
            self._service_leg = ServiceLeg(self.legs, self.early_media, announcer, log)
        return self._service_leg

    @property
    def worker_move(self) -> WorkerMove:
        """The way of the call's sound to the media worker of a conference."""
        return WorkerMove(self.legs)

    @property
    def transfer(self) -> Transfer | None:
        """Transfers; None until the first is asked for."""
        return None if self._established is None else self._established.transfer

    def compose_transfer(self) -> Transfer:
        """Make the call's transfers, which hardly any call needs."""
        renegotiation = self._establish().renegotiation
        return transfers.compose(self.context, self.legs, renegotiation, self.service_leg)

    # What an operator sees

    @property
    def state(self) -> str:
        """setup, ringing or talking."""
        if self.legs.answered:
            return "talking"
        return "ringing" if self.ringing is not None else "setup"

    @property
    def answered(self) -> bool:
        """True from the answer on."""
        return self.legs.answered

    @property
    def over(self) -> bool:
        """True while the call closes."""
        return self.legs.closing

    @property
    def talk_seconds(self) -> int:
        """Seconds since the answer."""
        answered_at = self.legs.answered_at
        return 0 if answered_at is None else int(self.now() - answered_at)

    @property
    def codec(self) -> str | None:
        """The codec of both sides, or both codecs if they differ."""
        return None if self.relay.media is None else self.relay.media.codec

    @property
    def suites(self) -> dict[str, str | None]:
        """The SRTP suite of each side's sound; None: not encrypted."""
        media = self.relay.media
        sides: dict[str, Side] = {"caller": "a", "callee": "b"}
        return {who: None if media is None else media.suite(side) for who, side in sides.items()}

    @property
    def is_emergency(self) -> bool:
        """True if the call was routed as an emergency call."""
        priced = self.payers.records[0].routed_to
        return isinstance(priced, ToTrunk) and priced.emergency

    @property
    def line_ids(self) -> tuple[int, ...]:
        """The lines that have taken part, also those that were only rung."""
        return self.parties.line_ids

    # The call's life

    async def run(self) -> None:
        """From admission to the CDR; never raises."""
        try:
            end = await self._live()
        except Refusal as refusal:
            end = await self._refused(refusal)
        except BillingError as error:
            end = Ending.refused(unpaid(error))
        except StoreError as error:
            self.context.log.error(
                "call refused, the database failed", call=self.id, error=str(error)
            )
            end = Ending.refused(Refusal(503, "store_failed", why=error, ended_by="operator"))
        except MediaError as error:
            self.context.log.error("call refused, no media", call=self.id, error=str(error))
            end = Ending.refused(Refusal(503, "media_failed", why=error, ended_by="operator"))
        except SipError as error:
            end = Ending.refused(
                Refusal(error.status, "media_unusable", error.reason, why=error.reason)
            )
        except Exception:
            self.context.log.exception("call failed", call=self.id)
            end = Ending.refused(Refusal(500, "internal_error", ended_by="operator"))
        if self.legs.answered_at is None:
            end = await self._announce(end)
        await self._close(end)

    async def _live(self) -> Ending:
        if self.context.admission.stages.fetch is not None:
            await self._know_callee()
        priced = self._admit()
        if is_parallel(self):
            await check_parallel(self, priced)
        await self._authorize(priced)
        presented = priced.presented
        attempts = await self.context.dialer.attempts(
            presented.route, presented.identity, self.id, self.request
        )
        try:
            outcome = await self._ring(attempts)
        except Refusal as refusal:
            ended = await self._divert_to_voicemail(priced, refusal)
            if ended is None:
                raise
            return ended
        if isinstance(outcome, Ending):
            return outcome
        await self._answer(outcome)
        # Invitations and messages are not kept while the parties talk.
        del priced, presented, attempts, outcome
        return await self.talk()

    def talk(self) -> Awaitable[Ending]:
        """Run the answered call to its end."""
        return self._establish().run()

    async def _refused(self, refusal: Refusal) -> Ending:
        """The attempt failed, unless the switch has something to offer the caller."""
        try:
            end = await self.context.features.offer_completion(self, refusal)
        except (SipError, MediaError, StoreError) as error:
            self.context.log.error("nothing can be offered", call=self.id, why=str(error))
            end = None
        return Ending.refused(refusal) if end is None else end

    async def _announce(self, end: Ending) -> Ending:
        """Say to the caller why the call is refused."""
        context = self.context
        announcement = RefusalAnnouncement(
            self.legs,
            self.early_media,
            context.features.announcer,
            context.limits,
            context.tones,
            context.log,
        )
        return await announcement.announce(end)

    # Before it rings

    def _admit(self) -> PricedRoute:
        """The stages of admission up to credit; each may refuse."""
        self.early_media.read_offer()
        check_diversions(self.request)
        admission, parties = self.context.admission, self.parties
        digits = admission.stages.asked(parties.a.line, self.request.uri)
        priced = admission.admit(self.caller, digits, self.request, self.record)
        self.context.live_calls.admitted(self.id, self.record)
        parties.a.identity = priced.presented.identity
        parties.b.identity = identity_of_number(self.record.called)
        return priced

    async def _know_callee(self) -> None:
        """Have the phones of the called line known, which may be at another node."""
        stages = self.context.admission.stages
        await stages.know(stages.asked(self.parties.a.line, self.request.uri))

    async def _authorize(self, priced: PricedRoute) -> None:
        """Have the money reserved and the ports opened, both before a phone rings."""
        ports = self.order_ports(self.early_media.signalling)
        try:
            await self.payers.meters[0].reserve(priced)
        finally:
            # Also when the reservation failed: the ports are open, or soon will be, and must be
            # given back.
            self.relay.session = await ports
        self.early_media.begin()

    def order_ports(self, signalling: str) -> asyncio.Future[MediaSession]:
        """Ask for ports; the caller's SIP comes from `signalling`."""
        return self.context.media.open(signalling, None)

    # While it rings

    def _ring(self, attempts: list[Attempt]) -> Awaitable[Winner | Ending]:
        """Ring until a leg answers. Not a coroutine of its own, which would lie between the call
        and its mailbox as long as it rings.

        Raises:
            Refusal: no leg did.
        """
        context = self.context
        self.ringing = Ringing(
            self.legs,
            self.early_media,
            context.signalling.agent,
            self,
            context.features.voicemail.greeting_at,
        )
        return self.ringing.until_answered(attempts)

    def open_forwarding(self) -> Forwarding:
        """Make the call's forwardings."""
        context = self.context
        return Forwarding(
            self.legs,
            context.dialer,
            context.signalling.domain,
            context.limits.follows_redirects,
        )

    def open_targets(self, line: Line, number: str, reach: Reach) -> RentedTargets:
        """Make the targets of a rented number that rings at a line."""
        context = self.context
        confirmations = Confirmations(
            self.legs, context.features.announcer, context.security, context.signalling.agent
        )
        return RentedTargets(
            self.legs,
            context.admission.stages,
            context.dialer,
            confirmations,
            context.signalling.domain,
            context.log,
            line=line,
            number=number,
            reach=reach,
        )

    def progress(self, session: Session, response: Response, early: bool) -> None:
        """A called leg sent a provisional response; SDP in it is early media if `early`."""
        self.early_media.progress(session, response, early)

    async def _divert_to_voicemail(self, priced: PricedRoute, refusal: Refusal) -> Ending | None:
        """Have the called line's mailbox answer; None if it takes no such calls."""
        directory = self.context.admission.stages.directory
        found = voicemail_diversion.mailbox_for(self.legs, directory, priced, refusal)
        if found is None:
            return None
        line, kind = found
        ended = await voicemail_diversion.divert(self.legs, kind, refusal)
        if ended is not None:
            return ended
        self.service_leg.host = line
        return await self.serve(partial(self.context.features.take_message, self, line))

    # The answer

    async def _answer(self, winner: Winner) -> None:
        """The first answer wins. It is stored on disk before the caller receives the 200."""
        legs, heard = self.legs, winner.description
        media = legs.media
        await self._take(winner, media)
        self.ringing = None  # all other legs have ended; a call that talks keeps none of this
        early_media = self.early_media
        early_media.stop_ringing()
        answering = early_media.answering(heard)
        self.accept_caller(media.describe("a", heard, answering=answering, wide=True, fax=True))
        unsettled = early_media.settled is not None and answering is not early_media.settled
        established, offer = self._establish(), early_media.offer
        established.renegotiation.begin(
            offer, heard, self.now(), moves=winner.moves, unsettled=unsettled
        )
        if winner.picked_up:
            pick_up.answer(legs, established.renegotiation, offer, winner.session)
        legs.follow_recording()
        legs.follow_keys()

    async def _take(self, winner: Winner, media: CallMedia) -> None:
        """Put the leg that answered on the called side, and charge it from now on."""
        legs, session = self.legs, winner.session
        self.parties.answer(session, winner.line)
        if winner.picked_up:
            legs.secure(session, winner.line)
        media.join("b", LegSecurity.of(session))
        for meter, end in winner.lost:
            await self.payers.drop(meter, end)
        answered, wall = self.now(), self.context.clock.wall_ms()
        legs.learn("b", winner.description)
        await self.payers.answered(answered, wall, kept_dialogs.encoded(legs))
        legs.answered_at = answered
        legs.news.changed(legs)

    def accept_caller(self, description: bytes) -> None:
        """Answer the caller."""
        caller = self.parties.a.leg
        assert caller is not None
        caller.accept(description, self.now())

    # For services

    async def serve(self, service: Callable[[], Awaitable[None]]) -> Ending:
        """Have a service answer, and talk with the caller until either hangs up."""
        await self.service_leg.answer(service)
        return await self.talk()

    async def serve_unpaid(self, end: Ending, service: Callable[[], Awaitable[None]]) -> Ending:
        """Record the attempt as it ended; then have a service talk with the caller, free of charge.

        Raises:
            SipError: 488, there is no common codec.
        """
        for meter in list(self.payers.meters):
            await self.payers.drop(meter, end)
        await self.early_media.open_alone()
        return await self.serve(service)

    @property
    def speaker(self) -> Speaker:
        """The service's voice and keypad towards the caller."""
        return self.service_leg.speaker

    def connect(self, line: Line, number: str) -> asyncio.Future[bool]:
        """Have the caller talk to a number in the place of a service, which ends when the number
        answers; the result is False when it does not. The line pays, as if it had dialled."""
        told: asyncio.Future[bool] = self.context.clock.loop.create_future()
        self.post(Connect(line, number, told))
        return told

    async def until_hung_up(self) -> None:
        """Wait for the caller to hang up, which ends the service."""
        await self.context.clock.loop.create_future()

    def let_go_of(self, line: Line) -> None:
        """The line takes no part in the call any more."""
        self.parties.drop_line(line.id)
        self.context.live_calls.left(self, line)

    # The end

    async def _close(self, end: Ending) -> None:
        """Release everything that the call holds, in whatever state the call was."""
        legs, context = self.legs, self.context
        legs.closing = True
        self._return_what_came_late()
        now = ended_at = self.now()
        ended_wall = context.clock.wall_ms()
        if end.at is not None and end.at < now:
            ended_at = end.at
            ended_wall -= round((now - ended_at) * 1000)
        self._hang_up(end, now)
        relay = self.relay
        figures = await relay.close()
        codec = None if relay.media is None else relay.media.codec
        try:
            await self.payers.settle(end, ended_at, ended_wall, figures, codec)
        finally:
            context.news.ended(self, end)
            legs.let_go()
            self._established = None  # it refers back here

    def _hang_up(self, end: Ending, now: float) -> None:
        extra = ((b"Reason", b"Q.850;cause=%d" % end.cause),)
        if self.ringing is not None:
            self.ringing.stop(now)
            self.ringing = None
        if self._established is not None:
            self._established.stop(now)
        if self.legs.answered_at is None:
            self._turn_away(end, now)
        for leg in self.parties.legs:
            leg.bye(now, extra)

    def _turn_away(self, end: Ending, now: float) -> None:
        extra = ((b"Reason", b"Q.850;cause=%d" % end.cause),)
        self.parties.leg("a").reject(max(end.status, 400), now, end.reason, extra)

    def _return_what_came_late(self) -> None:
        """Answer letters that bring or want a leg when the call is over already."""
        for letter in self.legs.mailbox.rest():
            now = self.now()
            match letter:
                case GiveLeg(taker):
                    taker.post(Given(None))
                case Given(session, _, _, meters) if session is not None:
                    session.bye(now)
                    self.payers.adopt(meters)
                case Replace(_, session) | PickUp(session):
                    session.reject(481, now)
                case Connect():
                    letter.tell(False)
                case _:
                    pass  # nothing else needs an answer

    # Its legs

    def leg(self, side: Side) -> Session:
        """The session on a side; KeyError if there is none."""
        return self.parties.leg(side)

    def line_of(self, side: Side) -> Line | None:
        """The line whose phone a leg is; None for a trunk's."""
        return self.parties.line(side)

    def identity(self, side: Side) -> Identity:
        """The caller id of a side."""
        return self.parties.identity(side)

    @property
    def offer(self) -> SessionDescription | None:
        """The caller's first offer; None if its INVITE made none."""
        return self.early_media.offer

    @property
    def media(self) -> CallMedia:
        """Offers and answers; only once ports are open."""
        assert self.relay.media is not None
        return self.relay.media

    @property
    def sound(self) -> MediaSession:
        """The relay session, for services; the caller is side a."""
        return self.legs.sound

    # What rings

    @property
    def rung(self) -> list[Line]:
        """The lines whose phones ring now: for the call, or as a transfer target."""
        if self.over:
            return []
        if self.answered:
            return [] if self.transfer is None else self.transfer.lines
        return [] if self.ringing is None else self.ringing.lines

    def rings_in(self, dialog: DialogId) -> bool:
        """True if one of these phones rings in this dialog."""
        if self.over:
            return False
        if self.answered:
            return self.transfer is not None and self.transfer.has(dialog)
        return self.ringing is not None and self.ringing.has(dialog)

    def follow(self, line: Line, old: Flow, new: Flow) -> None:
        """A phone of the line is reached by another flow."""
        for leg in self.parties.of_line(line):
            self.context.signalling.agent.stack.follow(leg.dialog, old, new)
        if any(rung.id == line.id for rung in self.rung):
            if self.ringing is not None:
                self.ringing.follow(old, new)
            if self.transfer is not None:
                self.transfer.follow(old, new)
