"""An answered call, until it ends: each letter, and each deadline, may end it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, assert_never

from msgspec import Struct, structs

from rtp.control import Digit
from rtp.session import MediaError
from sip import events as sip_events
from sip.errors import ParseError, SipError
from softswitch.call import ending as endings
from softswitch.call.charging.meter import NEVER
from softswitch.call.ending import Ending
from softswitch.call.established.attended_transfer import give_leg
from softswitch.call.established.hanging_up import hung_up
from softswitch.call.established.offerer import Offerer
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
from softswitch.call.media.keys import INFO_TYPES, MAX_INFO_BYTES, key_in
from softswitch.call.media.media import other

if TYPE_CHECKING:
    from sip.message import Request
    from sip.session import Session
    from softswitch.call.charging.money_warnings import MoneyWarnings
    from softswitch.call.established.renegotiation import Renegotiation
    from softswitch.call.established.transfer import Transfer
    from softswitch.call.ivr.service_leg import ServiceLeg
    from softswitch.call.legs import Legs

FIGURES_SECONDS = 1.0
"""The timeout for the worker's report of the caller's last packet, at the end of a call."""
SoundLetter = (
    sip_events.Reinvited
    | sip_events.Updated
    | sip_events.ReinviteAnswered
    | sip_events.ReinviteRefused
    | sip_events.Acknowledged
    | sip_events.InfoReceived
    | sip_events.InfoAnswered
    | Replace
    | PickUp
    | Digit
)
"""Letters about offers, answers and keys."""
_OF_A_PEER = (
    sip_events.Acknowledged,
    sip_events.Reinvited,
    sip_events.ReinviteAnswered,
    sip_events.InfoReceived,
    sip_events.Updated,
    sip_events.Referred,
)
"""Requests and responses of a leg that has the answer."""
_OF_EVERY_CALL = (
    sip_events.Refreshed,
    PaidTimeChanged,
    BalanceChanged,
    Silent,
    MediaLost,
    HangUp,
)
"""Letters that mean the same whether a service or another party talks with the caller."""


class EstablishedHost(Protocol):
    """The call that is established, as far as it makes parts that hardly any call needs."""

    @property
    def service_leg(self) -> ServiceLeg:
        """The switch itself as a party of the call."""

    def compose_transfer(self) -> Transfer:
        """Make the call's transfers."""


class EstablishedCall(Struct, eq=False):
    """Runs one answered call.

    Args:
        max_duration_seconds: the longest call.
    """

    _legs: Legs
    _host: EstablishedHost
    renegotiation: Renegotiation
    _warnings: MoneyWarnings
    _max_duration_seconds: float
    transfer: Transfer | None = None
    """None until the first is asked for."""
    _caller_heard: bool = False
    """The caller has sent a request since our 200, beside the ACK."""

    async def run(self) -> Ending:
        """Until a party hangs up, the money is used up, or anything else ends the call."""
        legs = self._legs
        assert legs.answered_at is not None
        cap = legs.answered_at + self._max_duration_seconds
        money_at = self._money_at()
        while True:
            transfer = self.transfer
            deadline = min(cap, money_at, self.renegotiation.retry_at)
            if transfer is not None:
                deadline = min(deadline, transfer.until)
            letter = await legs.mailbox.next(deadline)
            ended = None
            if letter is not None:
                if isinstance(letter, sip_events.HungUp) and transfer is None and not legs.served:
                    ended = hung_up(legs, letter)  # what every call hears needs no coroutine
                else:
                    ended = await self._hear(letter)
                if ended is not None and self._never_heard(letter):
                    ended = structs.replace(ended, at=await self._last_sound())
            due = legs.now() >= deadline
            if ended is None and due:
                ended = await self._expire(cap)
            if ended is not None:
                return ended
            # What the legs say to each other moves no deadline of the money.
            if due or self.transfer is not None or not isinstance(letter, _OF_A_PEER):
                money_at = self._money_at()
            letter = None  # nor is its message kept while the next one is awaited

    def _money_at(self) -> float:
        """The loop's time of the next deadline of the call's payers, warnings included."""
        until, warnings = NEVER, self._warnings
        for meter in self._legs.payers.meters:
            until = min(until, meter.next_deadline())
            until = min(until, warnings.due_at(meter, until))
        return until

    def _transfers(self) -> Transfer:
        """The call's transfers, made when they are first needed."""
        if self.transfer is None:
            self.transfer = self._host.compose_transfer()
        return self.transfer

    def stop(self, now: float) -> None:
        """The call ends: so do its service, a transfer and an exchange that is under way."""
        if self._legs.served:
            self._host.service_leg.stop()
        if self.transfer is not None:
            self.transfer.stop(now)
        self.renegotiation.stop(now)

    async def _expire(self, cap: float) -> Ending | None:
        """Do what is due."""
        now = self._legs.now()
        if (ended := self._legs.payers.expire(now)) is not None:
            return ended
        if now >= cap:
            return endings.cap_reached(cap)
        self._warnings.expire(now)
        if now >= self.renegotiation.retry_at:
            self.renegotiation.retry(now)
        if self.transfer is not None and now >= self.transfer.until:
            return await self.transfer.expire()
        return None

    def _never_heard(self, letter: Letter) -> bool:
        """True if a letter ends the leg of a caller that never acknowledged our 200, by a CANCEL
        that crossed it, or after 64*T1 without an ACK."""
        caller = self._legs.parties.a.leg
        if self._caller_heard or caller is None or caller.has_acknowledged:
            return False  # as in nearly every call
        match letter:
            case sip_events.Cancelled(session):
                return session is caller
            case sip_events.HungUp(session, status):
                return session is caller and status == 408
            case _:
                return False

    async def _last_sound(self) -> float:
        """The loop's time of the caller's last RTP packet, or of the answer if there was none: the
        last proof that the caller had the call, and the end of what is charged."""
        legs = self._legs
        answered_at, now = legs.answered_at or legs.now(), legs.now()
        try:
            async with asyncio.timeout(FIGURES_SECONDS):
                figures = await legs.sound.figures()
        except (TimeoutError, MediaError):
            return answered_at
        last = None if figures is None else figures.a.last_packet_at
        if last is None:
            return answered_at
        return min(now, max(answered_at, now - (legs.clock.wall_ms() - last) / 1000))

    async def _hear(self, letter: Letter) -> Ending | None:
        transfer = self.transfer
        if not self._caller_heard and isinstance(letter, _OF_A_PEER):
            self._caller_heard = letter.session is self._legs.parties.a.leg
        if transfer is not None and transfer.concerns(letter):
            return await transfer.take(letter)
        if isinstance(letter, Connect):
            await self._transfers().connect(letter)
            return None
        if self._legs.served and not isinstance(letter, _OF_EVERY_CALL):
            return self._host.service_leg.hear(letter)
        legs = self._legs
        match letter:
            case sip_events.HungUp(session) | sip_events.Cancelled(session):
                if transfer is not None and session in legs.parties and transfer.leaves(session):
                    return None
                return hung_up(legs, letter)
            case sip_events.Referred(session, request, flow):
                return await self._transfers().asked(session, request, flow)
            case GiveLeg():
                is_transferring = transfer is not None and transfer.under_way
                busy = is_transferring or self.renegotiation.busy
                return await give_leg(legs, letter, busy=busy)
            case Given():
                await self._give_back(letter)
            case HandOver():
                await self._transfers().merging.handed_over(letter)
            case sip_events.Refreshed(session):
                legs.relearn_sound(session)
            case PaidTimeChanged():
                pass  # the deadline is taken anew after it
            case BalanceChanged():
                legs.payers.balance_changed()
            case Silent(last_packet_at):
                return endings.media_silent(last_packet_at or legs.answered_at or legs.now())
            case MediaLost():
                return Ending("media_timeout", 200, 41, rule="media: the worker died")
            case HangUp(ended_by, rule):
                return Ending(ended_by, 200, 16, rule=rule)
            case (
                sip_events.Progress()
                | sip_events.Answered()
                | sip_events.Refused()
                | Registered()
                | Greeted()
                | Confirmed()
                | AnnouncementOver()
                | ServiceOver()
                | OfferAgain()
            ):
                pass  # of what rang before the answer, or of a service that is over
            case _:
                return self._hear_of_sound(letter)
        return None

    def _hear_of_sound(self, letter: SoundLetter) -> Ending | None:
        """Offers, answers and keys. An offer or answer that can't be used ends nothing but itself,
        unless the first answer, which was delayed, is missing."""
        renegotiation, now = self.renegotiation, self._legs.now()
        try:
            match letter:
                case sip_events.Acknowledged(session, request):
                    renegotiation.acknowledged(session, request.description, now)
                case sip_events.Reinvited(session, request):
                    self._ask(Offerer(self._legs.side_of(session), session), request)
                case sip_events.Updated(session, request):
                    self._ask(Offerer(self._legs.side_of(session), session, True), request)
                case sip_events.ReinviteAnswered(session, response):
                    renegotiation.answered(session, response.description, now)
                case sip_events.ReinviteRefused(session, status):
                    renegotiation.refused(session, status, now)
                case Replace(side, session, line):
                    newcomer = Offerer(side, session, line=line)
                    renegotiation.ask(newcomer, newcomer.offer, now)
                case PickUp():
                    self._pick_up_late(letter)
                case sip_events.InfoReceived(session, request):
                    self._pass_info(session, request)
                case sip_events.InfoAnswered(session, status):
                    self._legs.keys_in_info().answered(session, status)
                case Digit():
                    self._legs.keys_in_info().heard(letter)
                case _:
                    assert_never(letter)
        except (ParseError, SipError) as error:
            return Ending("callee", 200, 65, rule=f"media: {error.reason}")
        return None

    def _ask(self, offerer: Offerer, request: Request) -> None:
        self.renegotiation.ask(offerer, request.description, self._legs.now())

    def _pick_up_late(self, letter: PickUp) -> None:
        """The call was answered a moment before: a phone that only wants to pick up is told so,
        another one takes the place of the phone that answered."""
        session, now = letter.session, self._legs.now()
        if not letter.may_take(self._legs.line_of("b")):
            session.reject(481, now)
        elif letter.early_only:
            session.reject(486, now)
        else:
            newcomer = Offerer("b", session, line=letter.line)
            self.renegotiation.ask(newcomer, newcomer.offer, now)

    def _pass_info(self, session: Session, request: Request) -> None:
        """Pass keys from leg to leg; other INFO ends here."""
        legs = self._legs
        content_type, side = request.content_type or "", legs.side_of(session)
        key = key_in(content_type, request.body)
        legs.take_info(side)
        legs.follow_keys()
        if key is not None and legs.media.press(side, key):
            return
        if content_type in INFO_TYPES and len(request.body) <= MAX_INFO_BYTES:
            self._legs.keys_in_info().pass_on(
                other(side), content_type.encode("ascii"), request.body
            )

    async def _give_back(self, given: Given) -> None:
        """A leg came from another call after the transfer was given up: it ends, and is paid."""
        payers, now = self._legs.payers, self._legs.now()
        if given.session is not None:
            given.session.bye(now)
        payers.adopt(given.meters)
        for meter in given.meters:
            await payers.drop(meter, endings.hung_up("caller"))
