"""Asking whoever answers a forwarded leg to press a key: a mobile's mailbox never does.

The leg is talked to over ports of its own, so that others may ring, and be asked, meanwhile; when
the call is accepted it is moved to the call's relay by a re-INVITE.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rtp.session import MediaError, MediaSession
from softswitch.call.ivr.speaker import Speaker
from softswitch.call.media.media import CallMedia
from softswitch.call.media.srtp_handover import hand_over_keys

if TYPE_CHECKING:
    from sip.flow import Flow
    from sip.sdp import SessionDescription
    from sip.session import Session
    from softswitch.call.call import Call
    from softswitch.call.media.leg_security import LegSecurity
    from softswitch.subscribers.directory import Line, Trunk

ACCEPT_KEY = "1"
SECONDS = 15.0
"""How long somebody may take to press the key; a mailbox's greeting is over by then."""
PAUSE_SECONDS = 2.0
"""Between two times that the question is put."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Who answered takes the call by what he answered; None: he doesn't."""

    session: Session
    description: SessionDescription | None


class AnswerConfirmation:
    """The question to one leg.

    Args:
        sound: a relay session of its own.
        language: in which the question is put.
    """

    __slots__ = ("_asking", "_call", "_language", "_media", "_sound")

    def __init__(self, call: Call, sound: MediaSession, language: str | None) -> None:
        address, origin = call.context.media_address, call.context.agent.stack.pick(1 << 31)
        self._call = call
        self._language = language
        self._sound = sound
        self._media = CallMedia(sound, {"a": address, "b": address}, origin)
        self._asking: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, call: Call, language: str | None) -> AnswerConfirmation:
        """Raises MediaError."""
        return cls(call, await call.context.media.open_alone(None), language)

    def offer(self, party: Line | Trunk | None, flow: Flow) -> tuple[bytes, LegSecurity]:
        """What the leg's INVITE offers, and what it says of SRTP."""
        security = self._call.context.security(party, flow)
        self._media.join("a", security)
        return self._media.offer_itself("a"), security

    def ask(self, session: Session, heard: SessionDescription) -> None:
        """The leg answered: ask it; a Confirmed comes.

        Raises:
            SipError: it answered something that can't be talked to.
        """
        self._media.learn("a", heard, session.dialog.flow.remote[0])
        self._asking = self._call.context.loop.create_task(self._ask(session, heard))

    def press(self, key: str) -> None:
        """The leg's phone said in signalling that a key was pressed."""
        self._sound.press("a", key)

    async def _ask(self, session: Session, heard: SessionDescription) -> None:
        key = None
        with contextlib.suppress(TimeoutError, MediaError):
            async with asyncio.timeout(SECONDS):
                key = await self._key()
        if key == ACCEPT_KEY:
            await hand_over_keys(session, self._sound, "a")
        self._call.post(Confirmed(session, heard if key == ACCEPT_KEY else None))

    async def _key(self) -> str:
        """The first key that is pressed."""
        call = self._call
        speaker = Speaker(call.context, call.id, self._sound, "a", self._language)
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
        self._sound.close().add_done_callback(_seen)


def _seen(future: asyncio.Future[Any]) -> None:
    """A worker that died took the ports with it."""
    if not future.cancelled():
        future.exception()
