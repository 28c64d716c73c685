"""Asking whoever answers a forwarded leg to press a key: a mobile's mailbox never does.

The leg is talked to over ports of its own, so that others may ring, and be asked, meanwhile; when
the call is accepted it is moved to the call's relay by a re-INVITE.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rtp.control import Digit, PlayItem
from rtp.session import MediaSession
from softswitch.call.media import CallMedia

if TYPE_CHECKING:
    from sip.sdp import SessionDescription
    from sip.session import Session
    from softswitch.call.call import Call

ACCEPT_KEY = "1"
SECONDS = 15.0
"""How long somebody may take to press the key; a mailbox's greeting is over by then."""
PROMPT = (PlayItem(tone="entry"), PlayItem(milliseconds=1500))


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Who answered takes the call by what he answered; None: he doesn't."""

    session: Session
    description: SessionDescription | None


class Confirming:
    """The question to one leg.

    Args:
        media: a relay session of its own.
    """

    __slots__ = ("_call", "_media", "_session", "_timer", "offer")

    def __init__(self, call: Call, media: MediaSession) -> None:
        address = call.context.media_address
        self._call = call
        self._session = media
        self._media = CallMedia(
            media, {"a": address, "b": address}, call.context.agent.pick(1 << 31)
        )
        self._timer: asyncio.TimerHandle | None = None
        self.offer = self._media.offer_itself("a")
        """What the leg's INVITE offers."""

    @classmethod
    async def open(cls, call: Call) -> Confirming:
        """Raises MediaError."""
        return cls(call, await call.context.media.open_alone(None))

    def ask(self, session: Session, heard: SessionDescription) -> None:
        """The leg answered: ask it; a Confirmed comes.

        Raises:
            SipError: it answered something that can't be talked to.
        """
        call, sound = self._call, self._session
        self._media.learn("a", heard, session.dialog.flow.remote[0])
        sound.on_digit = partial(self._pressed, session, heard)
        sound.hear("a", "prompts")
        sound.listen("a")
        sound.play("a", PROMPT, repeat=True)
        self._timer = call.context.loop.call_later(SECONDS, call.post, Confirmed(session, None))

    def press(self, key: str) -> None:
        """The leg's phone said in signalling that a key was pressed."""
        self._session.press("a", key)

    def _pressed(self, session: Session, heard: SessionDescription, digit: Digit) -> None:
        self._call.post(Confirmed(session, heard if digit.digit == ACCEPT_KEY else None))

    def close(self) -> None:
        """Give the ports back; may be repeated."""
        if self._timer is not None:
            self._timer.cancel()
        self._session.on_digit = None
        self._session.close().add_done_callback(_seen)


def _seen(future: asyncio.Future[Any]) -> None:
    """A worker that died took the ports with it."""
    if not future.cancelled():
        future.exception()
