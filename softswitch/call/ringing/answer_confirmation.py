"""Answer confirmation: a forwarded leg must press a key, which a mobile's mailbox never does.

The leg is talked to over ports of its own, so that others may ring, and be asked, meanwhile; when
the call is accepted it is moved to the call's relay by a re-INVITE.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtp.figures import SessionFigures
from rtp.session import MediaError, MediaSession
from softswitch.call.ivr.speaker import Speaker
from softswitch.call.letters import Confirmed
from softswitch.call.media.leg_security import LegSecurity, SecurityPolicy
from softswitch.call.media.media import CallMedia
from softswitch.call.media.srtp_handover import hand_over_keys

if TYPE_CHECKING:
    from sip.flow import Flow
    from sip.sdp import SessionDescription
    from sip.session import Session
    from sip.user_agent import UserAgent
    from softswitch.call.legs import Legs
    from softswitch.prompts.announcer import Announcer
    from softswitch.subscribers.directory import Line, Trunk

ACCEPT_KEY = "1"
SECONDS = 15.0
"""The timeout for the key; the greeting of a mailbox is over by then."""
PAUSE_SECONDS = 2.0
"""The pause between two repetitions of the question."""


@dataclass(frozen=True, slots=True)
class Confirmations:
    """Opens the questions of one call."""

    legs: Legs
    announcer: Announcer
    security: SecurityPolicy
    agent: UserAgent

    async def open(self, language: str | None) -> AnswerConfirmation:
        """A question in this language, with ports of its own.

        Raises:
            MediaError: there are no ports.
        """
        sound = await self.legs.relay.pool.open_alone(None)
        return AnswerConfirmation(self, sound, language)


class AnswerConfirmation:
    """The question to one leg.

    Args:
        sound: a relay session of its own.
        language: of the question.
    """

    __slots__ = ("_asking", "_language", "_legs", "_media", "_of_call", "_sound")

    def __init__(self, of_call: Confirmations, sound: MediaSession, language: str | None) -> None:
        address, origin = of_call.legs.relay.address, of_call.agent.stack.pick(1 << 31)
        self._of_call = of_call
        self._legs = of_call.legs
        self._language = language
        self._sound = sound
        self._media = CallMedia(sound, address, origin)
        self._asking: asyncio.Task[None] | None = None

    def offer(self, party: Line | Trunk | None, flow: Flow) -> tuple[bytes, LegSecurity]:
        """The offer of the leg's INVITE, and the keys of the leg."""
        security = self._of_call.security.of_leg(party, flow)
        self._media.join("a", security)
        return self._media.offer_itself("a"), security

    def ask(self, session: Session, heard: SessionDescription) -> None:
        """Ask the leg, which has answered; the call gets :class:`Confirmed`.

        Raises:
            SipError: its answer can't be used.
        """
        self._media.learn("a", heard, session.dialog.flow.peer[0])
        self._asking = self._legs.clock.loop.create_task(self._ask(session, heard))

    def press(self, key: str) -> None:
        """A key arrived from the leg's phone in INFO."""
        self._sound.press("a", key)

    async def _ask(self, session: Session, heard: SessionDescription) -> None:
        key = None
        with contextlib.suppress(TimeoutError, MediaError):
            async with asyncio.timeout(SECONDS):
                key = await self._key()
        if key == ACCEPT_KEY:
            await hand_over_keys(session, self._sound, "a")
        self._legs.post(Confirmed(session, heard if key == ACCEPT_KEY else None))

    async def _key(self) -> str:
        """The first key that is pressed."""
        announcer, call_id = self._of_call.announcer, self._legs.id
        speaker = Speaker(announcer, call_id, self._sound, "a", self._language)
        while True:
            await speaker.say("forwarding-accept")
            key = await speaker.keypad.next(PAUSE_SECONDS)
            if key is not None:
                return key

    def close(self) -> None:
        """Give the ports back; may be repeated."""
        if self._asking is not None:
            self._asking.cancel()
        self._sound.on_digit = None
        self._sound.close().add_done_callback(_ignore_failure)


def _ignore_failure(future: asyncio.Future[SessionFigures]) -> None:
    """Drop the result: a worker that died has taken the ports with it."""
    if not future.cancelled():
        future.exception()
