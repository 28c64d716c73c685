"""The switch itself is the called side, from the start or in somebody's place: how a service of
ours comes into a call, speaks, and goes out of it again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from softswitch.call.ending import Ending
from softswitch.call.established import merging
from softswitch.call.established.established_call import talk
from softswitch.call.ivr.service_session import OfferAnew, ServiceSession
from softswitch.call.ivr.speaker import Speaker
from softswitch.call.media.media import other

if TYPE_CHECKING:
    from sip.flow import Flow
    from sip.message import Request
    from sip.session import Session
    from softswitch.admission.caller_id import Identity
    from softswitch.call.call import Call
    from softswitch.conference.hall import Member
    from softswitch.subscribers.directory import Line


class ServiceLeg:
    """What one call has of it."""

    __slots__ = ("_call", "_session", "_speaker", "host", "on_refer")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._session: ServiceSession | None = None
        self._speaker: Speaker | None = None
        self.on_refer: Callable[[Session, Request, Flow], None] | None = None
        """What a REFER asks a service for; None: it does nothing for others."""
        self.host: Line | None = None
        """The line whose mailbox answers."""

    @property
    def under_way(self) -> bool:
        """Whether a service talks with the caller now."""
        return self._session is not None

    @property
    def speaker(self) -> Speaker:
        """Talks with the caller, in the language of the caller's line, or else of the line whose
        mailbox it is."""
        if self._speaker is None:
            call = self._call
            line = call.line_of("a") or self.host
            language = None if line is None else line.language
            in_band = not call.media.knows_events("a")
            self._speaker = Speaker(
                call.context, call.id, call.sound, "a", language, in_band=in_band
            )
        return self._speaker

    async def serve(self, service: Callable[[], Awaitable[None]]) -> Ending:
        """Have a service of ours answer, and talk with the caller until either has enough."""
        self._call.tones.stop_ringing()
        self._session = ServiceSession(self._call, self._call.offer, service)
        await self._session.answer()
        return await talk(self._call)

    async def accept(self, description: bytes) -> None:
        """Note our own answer, then give it to the caller."""
        call = self._call
        answered, wall = call.now(), call.context.wall_ms()
        await call.payers.answered(answered, wall)
        call.answered_at = answered
        call.context.changed(call)
        call.accept_caller(description)
        call.context.drain()

    async def serve_unpaid(self, end: Ending, service: Callable[[], Awaitable[None]]) -> Ending:
        """Record the attempt as it ended; then have a service of ours talk with the caller, which
        is never billed.

        Raises:
            SipError: 488, there is no codec that both speak.
        """
        for meter in list(self._call.payers.meters):
            await self._call.payers.drop(meter, end)
        await self._call.opening.alone()
        return await self.serve(service)

    def hear(self, letter: Any) -> Ending | None:
        """What the caller does while a service talks with him."""
        assert self._session is not None
        return self._session.hear(letter)

    def connected(self, session: Session, line: Line | None, identity: Identity | None) -> None:
        """Somebody answered whom a service of ours had called."""
        self.stop()
        sound = self._call.sound
        sound.on_digit = None
        sound.stop_playing("a")
        sound.listen("a", digits=False)
        sound.hear("a", "peer")
        self._call.put_leg("b", session, line, identity)

    def enter_conference(self, member: Member) -> None:
        """One side goes to a conference, and the other, whose line it is, leaves the call."""
        call, gone = self._call, other(member.side)
        call.parties.put(gone, call.leg(gone), None, call.identity(gone))
        call.sound.set_remote(gone, None, 0, 0, "inactive")
        call.recording.follow()
        self.bring(member)

    def bring(self, member: Member, *, anew: bool = True) -> None:
        """Have somebody in a conference; `anew` as in :meth:`ServiceSession.take_over`."""
        call = self._call
        self._session = ServiceSession(call, None, partial(merging.attend, member), member.side)
        self._session.take_over(anew=anew)
        call.context.changed(call)

    def referred(self, session: Session, request: Request, flow: Flow) -> None:
        """A REFER came while a service talks with the caller."""
        if self.on_refer is None:
            session.refuse_refer(403, flow, self._call.now())
        else:
            self.on_refer(session, request, flow)

    def moved(self) -> None:
        """The sound of a call goes on in another session, while a service of ours talks."""
        if self._speaker is not None:
            self._speaker.move(self._call.sound)
        self._call.post(OfferAnew())

    async def finish_speaking(self) -> None:
        """Before a call ends in which something was said."""
        if self._speaker is not None:
            await self._speaker.finish()

    def stop(self) -> None:
        """The service is over: somebody else talks with the caller now, or nobody."""
        if self._session is not None:
            self._session.stop()
            self._session = None
