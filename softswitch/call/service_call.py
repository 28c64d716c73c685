"""A call that the switch answers itself: an echo test, an announcement, a mailbox.

It is admitted, journalled and recorded like every other call, and costs nothing. What happens in it
is an ordinary coroutine, which ends when the call does; when it ends by itself, the call does, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rtp.session import MediaSession
from sip import events as sip_events
from sip.errors import ParseError, SipError
from sip.sdp import SessionDescription
from softswitch.call import ending as endings
from softswitch.call.call import Call
from softswitch.call.ending import Ending
from softswitch.call.keys import key_in
from softswitch.call.letters import HangUp, MediaLost, Silent
from softswitch.call.media import CallMedia

if TYPE_CHECKING:
    from sip.message import Request
    from sip.session import Session
    from softswitch.admission.authentication import Caller
    from softswitch.call.context import CallContext


@dataclass(frozen=True, slots=True)
class ServiceOver:
    """The service has nothing more to say; `error` if it failed."""

    error: BaseException | None


class ServiceCall(Call):
    """A call with one leg.

    Args:
        service: what answers.
    """

    def __init__(
        self,
        context: CallContext,
        caller: Caller,
        request: Request,
        session: Session,
        service: Service,
    ) -> None:
        super().__init__(context, caller, request, session)
        self._service = service
        self._serving: asyncio.Task[None] | None = None

    # For services

    @property
    def sound(self) -> MediaSession:
        """What to play to, and to listen to; the caller is side a."""
        return self.media.session

    async def until_hung_up(self) -> None:
        """Wait for the caller to hang up, which ends the service."""
        await self.context.loop.create_future()

    # Its life

    def _open_media(self, signalling: str) -> asyncio.Future[MediaSession]:
        return self.context.media.open_alone(signalling)

    async def _live(self) -> Ending:
        await self._authorize(self._admit())
        ended = await self._given_up()
        if ended is not None:
            return ended
        if self._offer is None:
            answer = self.media.offer_itself("a")
        else:
            answer = self.media.answer_itself("a", self._offer)
        await self._answer_itself(answer)
        if self._offer is not None:
            self._serve()
        try:
            return await self._talk()
        finally:
            if self._serving is not None:
                self._serving.cancel()

    async def _given_up(self) -> Ending | None:
        """Whether the caller has, while the call was admitted."""
        while (letter := await self.mailbox.next(self.now())) is not None:
            match letter:
                case sip_events.Cancelled() | sip_events.HungUp():
                    return endings.given_up()
                case sip_events.Updated(session):
                    session.answer_update(488, b"", self.now())
                case HangUp(ended_by):
                    return Ending(ended_by, 480, 41, rule="call: ended before the answer")
        return None

    async def _answer_itself(self, answer: bytes) -> None:
        answered, wall = self.now(), self.context.wall_ms()
        await self.meters[0].answer(answered, wall)
        self._answered_at = answered
        self.context.changed(self)
        self.leg("a").accept(answer, self.now())
        self.context.drain()

    def _serve(self) -> None:
        """Begin; the caller can be spoken to now."""
        self._serving = self.context.loop.create_task(_run(self._service(self)))
        self._serving.add_done_callback(self._served)

    def _served(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self.post(ServiceOver(task.exception()))

    # Talking

    async def _hear(self, letter: Any) -> Ending | None:
        match letter:
            case sip_events.HungUp():
                return self._hung_up(letter)
            case sip_events.Cancelled():
                return endings.given_up()
            case sip_events.Reinvited(session, request):
                self._renegotiated(session, request, update=False)
            case sip_events.Updated(session, request):
                self._renegotiated(session, request, update=True)
            case sip_events.InfoReceived(_, request):
                key = key_in(request.content_type or "", request.body)
                if key is not None:
                    self.sound.press("a", key)
            case sip_events.Acknowledged(_, request):
                return self._acknowledged(request)
            case sip_events.Referred(session, _, flow):
                session.refuse_refer(403, flow, self.now())
            case ServiceOver(error):
                return self._over(error)
            case Silent(last_packet_at):
                return endings.media_silent(last_packet_at or self._answered_at or self.now())
            case MediaLost():
                return Ending("media_timeout", 200, 41, rule="media: the worker died")
            case HangUp(ended_by):
                return Ending(ended_by, 200, 16, rule="call: ended by the operator")
        return None

    def _over(self, error: BaseException | None) -> Ending:
        if error is None:
            return endings.hung_up("callee")
        self.context.log.error("a service failed", call=self.id, exc_info=error)
        return Ending("operator", 200, 41, rule="service: internal error")

    def _renegotiated(self, session: Session, request: Request, *, update: bool) -> None:
        """Hold, resume, a changed address: between the caller and us alone."""
        now = self.now()
        try:
            offer = CallMedia.read(request.body) if request.body else None
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
        if offer is None:
            return self.media.offer_itself("a")
        answer = self.media.answer_itself("a", offer)
        self.learn("a", offer)
        return answer

    def _acknowledged(self, request: Request) -> Ending | None:
        """An ACK brings the answer to an offer of ours, and to nothing else."""
        if not request.body:
            return None
        try:
            description = CallMedia.read(request.body)
            self.media.answer_itself("a", description)  # whether there is a codec for both
        except (ParseError, SipError) as error:
            return Ending("callee", 200, 65, rule=f"media: {error.reason}")
        self.learn("a", description)
        if self._serving is None:
            self._serve()
        return None


Service = Callable[[ServiceCall], Awaitable[None]]


async def _run(service: Awaitable[None]) -> None:
    await service
