"""The switch itself as a party of a call: how a service answers, speaks and leaves it again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from softswitch.call import kept_dialogs
from softswitch.call.ending import Ending
from softswitch.call.ivr.service_session import ServiceSession
from softswitch.call.ivr.speaker import Speaker
from softswitch.call.letters import Letter, OfferAgain
from softswitch.call.media.media import other

if TYPE_CHECKING:
    from sip.flow import Flow
    from sip.message import Request
    from sip.session import Session
    from softswitch.admission.caller_id import Identity
    from softswitch.call.legs import Legs
    from softswitch.call.media.early_media import EarlyMedia
    from softswitch.conference.hall import Member
    from softswitch.prompts.announcer import Announcer
    from softswitch.subscribers.directory import Line
    from softswitch.trace.log import Log


class ServiceLeg(Struct, eq=False):
    """The service of one call, if it has one now."""

    _legs: Legs
    _early_media: EarlyMedia
    _announcer: Announcer
    _log: Log
    _session: ServiceSession | None = None
    _speaker: Speaker | None = None
    on_refer: Callable[[Session, Request, Flow], None] | None = None
    """Handles a REFER to the service; None: it is refused."""
    host: Line | None = None
    """The line whose mailbox answers."""

    @property
    def under_way(self) -> bool:
        """True while a service talks with the caller."""
        return self._legs.served

    @property
    def speaker(self) -> Speaker:
        """The voice towards the caller, in the language of the caller's line, or else of the line
        whose mailbox it is."""
        if self._speaker is None:
            legs = self._legs
            line = legs.line_of("a") or self.host
            language = None if line is None else line.language
            in_band = not legs.media.knows_events("a")
            self._speaker = Speaker(
                self._announcer, legs.id, legs.sound, "a", language, in_band=in_band
            )
        return self._speaker

    async def answer(self, service: Callable[[], Awaitable[None]]) -> None:
        """Have a service answer the caller.

        Raises:
            SipError: 488, there is no common codec.
            BillingError, StoreError: the answer can't be charged.
        """
        early_media = self._early_media
        early_media.stop_ringing()
        session = ServiceSession(
            self._legs,
            self,
            self._log,
            service,
            offer=early_media.offer,
            settled=early_media.settled,
        )
        self._begin(session)
        await session.answer()

    async def accept(self, description: bytes) -> None:
        """Charge the answer, then send it to the caller."""
        legs = self._legs
        answered = legs.now()
        dialogs = kept_dialogs.encoded(legs)
        await legs.payers.answered(answered, legs.clock.wall_ms(), dialogs)
        legs.answered_at = answered
        legs.changed()
        legs.leg("a").accept(description, legs.now())

    def hear(self, letter: Letter) -> Ending | None:
        """Handle a letter while a service talks."""
        assert self._session is not None
        return self._session.hear(letter)

    def connected(self, session: Session, line: Line | None, identity: Identity | None) -> None:
        """The number answered that the service had called; the service ends."""
        self.stop()
        sound = self._legs.sound
        sound.on_digit = None
        sound.stop_playing("a")
        sound.listen("a", digits=False)
        sound.hear("a", "peer")
        self._legs.put_leg("b", session, line, identity)

    def enter_conference(self, member: Member) -> None:
        """One side goes to a conference; the other, whose line has it, leaves the call."""
        legs, gone = self._legs, other(member.side)
        legs.parties.put(gone, legs.leg(gone), None, legs.identity(gone))
        legs.sound.set_remote(gone, None, 0, 0, "inactive")
        legs.follow_recording()
        self.bring(member)

    def bring(self, member: Member, *, anew: bool = True) -> None:
        """Connect a party to a conference; `anew` as in :meth:`ServiceSession.take_over`."""
        legs = self._legs
        session = ServiceSession(legs, self, self._log, partial(_attend, member), side=member.side)
        self._begin(session)
        session.take_over(anew=anew)
        legs.changed()

    def _begin(self, session: ServiceSession) -> None:
        self._session = session
        self._legs.served = True

    def referred(self, session: Session, request: Request, flow: Flow) -> None:
        """A REFER came while a service talks with the caller."""
        if self.on_refer is None:
            session.refuse_refer(403, flow, self._legs.now())
        else:
            self.on_refer(session, request, flow)

    def moved(self) -> None:
        """The sound of the call goes on in another relay session."""
        if self._speaker is not None:
            self._speaker.move(self._legs.sound)
        self._legs.post(OfferAgain())

    async def finish_speaking(self) -> None:
        """Let the phone play the end of what was said."""
        if self._speaker is not None:
            await self._speaker.finish()

    def stop(self) -> None:
        """End the service: a party has taken its place, or the call ends."""
        self._legs.served = False
        if self._session is not None:
            self._session.stop()
            self._session = None


async def _attend(member: Member) -> None:
    """Stay in the conference until it is over, which ends the member's call."""
    try:
        member.listen()
        await member.over.wait()
    finally:
        member.leave()
