"""The switch itself talks with the caller: it answers, runs a service, and hears what comes.

A service is an ordinary coroutine, which ends when the call does; when it ends by itself, the call
does, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sip import events as sip_events
from sip.errors import ParseError, SipError
from sip.sdp import SessionDescription
from sip.session import Glare
from softswitch.call import ending as endings
from softswitch.call.ending import Ending
from softswitch.call.established.established_call import hung_up
from softswitch.call.established.renegotiation import RETRY_SECONDS, Asker
from softswitch.call.established.transfer import GiveLeg, Given
from softswitch.call.media.keys import key_in
from softswitch.call.media.media import CallMedia, Side

if TYPE_CHECKING:
    from sip.message import Request
    from sip.session import Session
    from softswitch.call.call import Call


@dataclass(frozen=True, slots=True)
class ServiceOver:
    """The service has nothing more to say; `error` if it failed."""

    error: BaseException | None


@dataclass(frozen=True, slots=True)
class OfferAnew:
    """Our offer crossed another one: it is time for a second try."""


class ServiceSession:
    """What a call does whose called side is the switch.

    Args:
        service: what answers; begun when the caller can be spoken to.
        side: whom it talks with; another than the caller only in a conference.
    """

    __slots__ = ("_call", "_offer", "_service", "_side", "_task", "_unsettled")

    def __init__(
        self,
        call: Call,
        offer: SessionDescription | None,
        service: Callable[[], Awaitable[None]],
        side: Side = "a",
    ) -> None:
        self._call = call
        self._offer = offer
        self._service = service
        self._side: Side = side
        self._unsettled = False
        """The caller expects a codec that we don't speak."""
        self._task: asyncio.Task[None] | None = None

    async def answer(self) -> None:
        """Answer the caller, and begin; without an offer of theirs, when they have answered ours.

        Raises:
            SipError: 488, there is no codec that both speak.
        """
        call = self._call
        if self._offer is None:
            description = call.media.offer_itself("a")
        else:
            description = self._answer(self._offer)
        await call.service_leg.accept(description)
        if self._offer is not None:
            self._serve()

    def _answer(self, offer: SessionDescription) -> bytes:
        """By a codec that the caller expects, if we speak one; else he is offered ours later."""
        call = self._call
        settled = call.opening.settled
        if settled is None or not call.media.speaks(settled):
            self._unsettled = settled is not None
            return call.media.answer_itself("a", offer)
        call.learn("a", settled)
        return call.media.answer_itself("a", settled)

    def take_over(self, *, anew: bool = True) -> None:
        """Begin with somebody who answers us, or talked to another person until now; that one is
        perhaps on hold, or has a codec that we don't speak, and so is offered our own `anew`."""
        self._serve()
        if anew:
            self._offer_anew()

    def _offer_anew(self) -> None:
        call = self._call
        leg = call.leg(self._side)
        try:
            leg.reinvite(call.media.offer_itself(self._side), call.now())
        except Glare:
            call.context.loop.call_later(RETRY_SECONDS, call.post, OfferAnew())
        except SipError:
            return  # he has hung up

    def stop(self) -> None:
        """The call ends, and the service with it."""
        if self._task is not None:
            self._task.cancel()

    def _serve(self) -> None:
        self._task = self._call.context.loop.create_task(_run(self._call, self._service()))
        self._task.add_done_callback(self._served)

    def _served(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._call.post(ServiceOver(task.exception()))

    def hear(self, letter: Any) -> Ending | None:
        """What the caller does meanwhile."""
        call = self._call
        match letter:
            case sip_events.HungUp():
                return hung_up(call, letter)
            case sip_events.Cancelled():  # as we answered: he never had our 200
                at = call.payers.meters[0].answered_at if call.payers.meters else None
                return replace(endings.given_up(), at=at)
            case sip_events.Reinvited(session, request):
                self._renegotiated(session, request, update=False)
            case sip_events.Updated(session, request):
                self._renegotiated(session, request, update=True)
            case sip_events.InfoReceived(_, request):
                key = key_in(request.content_type or "", request.body)
                if key is not None:
                    call.sound.press(self._side, key)
            case sip_events.Acknowledged(_, request):
                return self._acknowledged(request)
            case sip_events.Referred(session, request, flow):
                call.service_leg.referred(session, request, flow)
            case sip_events.ReinviteAnswered(_, response):
                self._answered(response.description)
            case sip_events.ReinviteRefused(_, status) if status == 491:
                call.context.loop.call_later(RETRY_SECONDS, call.post, OfferAnew())
            case OfferAnew():
                self._offer_anew()
            case ServiceOver(error):
                return self._over(error)
            case GiveLeg(taker):
                taker.post(Given(None))  # nobody is here but the caller
            case Asker():
                letter.reject(481, call.now())
        return None

    def _answered(self, body: bytes) -> None:
        """An offer of ours was; what can't be used leaves the sound as it was."""
        try:
            self._call.learn(self._side, CallMedia.read(body))
        except (ParseError, SipError) as error:
            self._call.context.log.warning(
                "an answer can't be used", call=self._call.id, why=str(error)
            )

    def _over(self, error: BaseException | None) -> Ending:
        if error is None:
            return endings.hung_up("callee")
        call = self._call
        call.context.log.error("a service failed", call=call.id, exc_info=error)
        return Ending("operator", 200, 41, rule="service: internal error")

    def _renegotiated(self, session: Session, request: Request, *, update: bool) -> None:
        """Hold, resume, a changed address: between the caller and us alone."""
        now = self._call.now()
        try:
            media = self._call.media
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
        media = self._call.media
        if offer is None:
            return media.offer_itself(self._side)
        answer = media.answer_itself(self._side, offer)
        self._call.learn(self._side, offer)
        return answer

    def _acknowledged(self, request: Request) -> Ending | None:
        """An ACK brings the answer to an offer of ours, and to nothing else."""
        if self._unsettled:
            self._unsettled = False
            self._offer_anew()
        if not request.description:
            return None
        call = self._call
        try:
            description = CallMedia.read(request.description)
            call.media.answer_itself(self._side, description)  # whether there is a codec for both
        except (ParseError, SipError) as error:
            return Ending("callee", 200, 65, rule=f"media: {error.reason}")
        call.learn(self._side, description)
        if self._task is None:
            self._serve()
        return None


async def _run(call: Call, service: Awaitable[None]) -> None:
    await service
    await call.service_leg.finish_speaking()
