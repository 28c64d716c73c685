"""A session of the caller with a service of the switch: the answer, the service, and what the
caller sends meanwhile.

A service is an ordinary coroutine, which ends when the call does; when it ends by itself, the call
does, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, assert_never

from msgspec import structs

from rtp.control import Digit
from sip import events as sip_events
from sip.errors import Glare, ParseError, SipError
from sip.sdp import SessionDescription
from softswitch.call import ending as endings
from softswitch.call.ending import Ending
from softswitch.call.established.hanging_up import hung_up
from softswitch.call.established.renegotiation import RETRY_SECONDS
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
from softswitch.call.media.media import CallMedia, Side

if TYPE_CHECKING:
    from sip.message import Request
    from sip.session import Session
    from softswitch.call.ivr.service_leg import ServiceLeg
    from softswitch.call.legs import Legs
    from softswitch.subscribers.directory import Line
    from softswitch.trace.log import Log


class ServiceSession:
    """One session.

    Args:
        service_leg: answers the caller.
        offer: the caller's; None if its INVITE had none.
        settled: see :class:`softswitch.call.media.early_media.EarlyMedia`.
        service: the coroutine that answers; started when the caller can be spoken to.
        side: the side that it talks with; b only in a conference.
    """

    __slots__ = (
        "_legs",
        "_log",
        "_offer",
        "_service",
        "_service_leg",
        "_settled",
        "_side",
        "_task",
        "_unsettled",
    )

    def __init__(
        self,
        legs: Legs,
        service_leg: ServiceLeg,
        log: Log,
        service: Callable[[], Awaitable[None]],
        *,
        offer: SessionDescription | None = None,
        settled: SessionDescription | None = None,
        side: Side = "a",
    ) -> None:
        self._legs = legs
        self._service_leg = service_leg
        self._log = log
        self._offer = offer
        self._settled = settled
        self._service = service
        self._side: Side = side
        self._unsettled = False
        """The caller expects a codec that we don't speak."""
        self._task: asyncio.Task[None] | None = None

    async def answer(self) -> None:
        """Answer the caller, and begin; if the caller made no offer, when it has answered ours.

        Raises:
            SipError: 488, there is no codec that both speak.
        """
        if self._offer is None:
            description = self._legs.media.offer_itself("a")
        else:
            description = self._answer(self._offer)
        await self._service_leg.accept(description)
        if self._offer is not None:
            self._serve()

    def _answer(self, offer: SessionDescription) -> bytes:
        """Answer with a codec that the caller expects, if we speak one; otherwise ours are offered
        later."""
        legs, settled = self._legs, self._settled
        if settled is None or not legs.media.speaks(settled):
            self._unsettled = settled is not None
            return legs.media.answer_itself("a", offer)
        legs.learn("a", settled)
        return legs.media.answer_itself("a", settled)

    def take_over(self, *, anew: bool = True) -> None:
        """Begin with a party that has been answered already.

        Args:
            anew: offer it our own codecs, for it may be on hold, or have a codec that we do not
                speak.
        """
        self._serve()
        if anew:
            self._offer_anew()

    def _offer_anew(self) -> None:
        legs = self._legs
        try:
            legs.leg(self._side).reinvite(legs.media.offer_itself(self._side), legs.now())
        except Glare:
            legs.mailbox.post_later(RETRY_SECONDS, OfferAgain())
        except SipError:
            return  # the leg has hung up

    def stop(self) -> None:
        """The call ends, and the service with it."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _serve(self) -> None:
        self._task = self._legs.clock.loop.create_task(self._run())
        self._task.add_done_callback(self._served)

    async def _run(self) -> None:
        await self._service()
        await self._service_leg.finish_speaking()

    def _served(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._legs.post(ServiceOver(task.exception()))

    def hear(self, letter: Letter) -> Ending | None:
        """Handle a letter while the service talks; letters about money, the relay and the end are
        the call's own."""
        legs = self._legs
        match letter:
            case sip_events.HungUp():
                return hung_up(legs, letter)
            case sip_events.Cancelled():  # it crossed our 200, which the caller never had
                at = legs.payers.meters[0].answered_at if legs.payers.meters else None
                return structs.replace(endings.given_up(), at=at)
            case sip_events.Reinvited(session, request):
                self._renegotiated(session, request, update=False)
            case sip_events.Updated(session, request):
                self._renegotiated(session, request, update=True)
            case sip_events.InfoReceived(_, request):
                key = key_in(request.content_type or "", request.body)
                if key is not None:
                    legs.sound.press(self._side, key)
            case sip_events.Acknowledged(_, request):
                return self._acknowledged(request)
            case sip_events.Referred(session, request, flow):
                self._service_leg.referred(session, request, flow)
            case sip_events.ReinviteAnswered(_, response):
                self._answered(response.description)
            case sip_events.ReinviteRefused(_, status):
                if status == 491:
                    legs.mailbox.post_later(RETRY_SECONDS, OfferAgain())
            case OfferAgain():
                self._offer_anew()
            case ServiceOver(error):
                return self._over(error)
            case GiveLeg(taker):
                taker.post(Given(None))  # there is no other party than the caller
            case Replace(side, session, line):
                self._replace(side, session, line)
            case PickUp(session):
                session.reject(481, legs.now())
            case Given(session):
                if session is not None:
                    session.bye(legs.now())
            case (
                sip_events.Progress()
                | sip_events.Answered()
                | sip_events.Refused()
                | sip_events.Refreshed()
                | sip_events.InfoAnswered()
                | Digit()
                | Silent()
                | MediaLost()
                | BalanceChanged()
                | PaidTimeChanged()
                | Registered()
                | Greeted()
                | Confirmed()
                | AnnouncementOver()
                | HandOver()
                | Connect()
                | HangUp()
            ):
                pass
            case _:
                assert_never(letter)
        return None

    def _replace(self, side: Side, session: Session, line: Line) -> None:
        """Go on with another phone of the same line: a page that was loaded again. What the service
        says is for this line alone, so that other lines of the account are refused."""
        legs, now = self._legs, self._legs.now()
        held_by = legs.line_of(side)
        if side != self._side or held_by is None or held_by.id != line.id:
            session.reject(481, now)
            return
        body = b"" if session.incoming is None else session.incoming.request.description
        try:
            offer = CallMedia.read(body) if body else None
            security = legs.secure(session, line)
            if offer is not None:
                security.check(offer)
                if not legs.media.speaks(offer):
                    raise SipError(488, "Not Acceptable Here")
        except (ParseError, SipError) as error:
            session.reject(error.status, now)
            return
        legs.replace_leg(side, session, line, legs.identity(side)).bye(now)
        session.accept(self._description(offer), now)

    def _answered(self, body: bytes) -> None:
        """Take the answer to our offer; one that can't be used leaves the sound as it was."""
        try:
            self._legs.learn(self._side, CallMedia.read(body))
        except (ParseError, SipError) as error:
            self._log.warning("an answer can't be used", call=self._legs.id, why=str(error))

    def _over(self, error: BaseException | None) -> Ending:
        if error is None:
            return endings.hung_up("callee")
        self._log.error("a service failed", call=self._legs.id, exc_info=error)
        return Ending("operator", 200, 41, rule="service: internal error")

    def _renegotiated(self, session: Session, request: Request, *, update: bool) -> None:
        """Hold, resume, a changed address: between the caller and us alone."""
        now = self._legs.now()
        try:
            media = self._legs.media
            offer = (
                media.read_again(self._side, request.description) if request.description else None
            )
            body = self._description(offer)
        except (ParseError, SipError) as error:
            if update:
                session.answer_update(error.status, b"", now)
            else:
                session.reject(error.status, now)
            return
        if update:
            session.answer_update(200, body, now)
        else:
            session.accept(body, now)

    def _description(self, offer: SessionDescription | None) -> bytes:
        """Our answer, by which sound goes from now on; or our offer, answered in the ACK."""
        media = self._legs.media
        if offer is None:
            return media.offer_itself(self._side)
        answer = media.answer_itself(self._side, offer)
        self._legs.learn(self._side, offer)
        return answer

    def _acknowledged(self, request: Request) -> Ending | None:
        """An ACK brings the answer to an offer of ours, and to nothing else."""
        if self._unsettled:
            self._unsettled = False
            self._offer_anew()
        if not request.description:
            return None
        legs = self._legs
        try:
            description = CallMedia.read(request.description)
            legs.media.answer_itself(self._side, description)  # raises if there is no common codec
        except (ParseError, SipError) as error:
            return Ending("callee", 200, 65, rule=f"media: {error.reason}")
        legs.learn(self._side, description)
        if self._task is None:
            self._serve()
        return None
