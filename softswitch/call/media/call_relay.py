"""The relay session of a call and the offers and answers that go through it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from rtp.figures import SessionFigures
from rtp.session import MediaError, MediaSession
from softswitch.call.media.media import CallMedia

if TYPE_CHECKING:
    from rtp.control import Certificate
    from softswitch.call.legs import Legs
    from softswitch.call.media.leg_security import LegSecurity

CLOSE_SECONDS = 2.0
"""The timeout for the figures of a call's media worker."""


class Media(Protocol):
    """The relay: worker processes, or an engine in this process."""

    @property
    def certificate(self) -> Certificate | None:
        """The certificate by which browsers know it; None: no side can be one."""
        ...

    def open(
        self,
        a_signalling: str | None,
        b_signalling: str | None,
        *,
        beside: MediaSession | None = None,
    ) -> asyncio.Future[MediaSession]:
        """A session with ports for both sides.

        Args:
            a_signalling, b_signalling: where each side's SIP comes from, if known.
            beside: a session in whose worker the new one is to be.
        """
        ...

    def open_alone(
        self, signalling: str | None, *, together: bool = False
    ) -> asyncio.Future[MediaSession]:
        """A session with ports for side a only, whose other side is the switch.

        Args:
            together: in the worker of the conferences.
        """
        ...


class CallRelay(Struct, eq=False):
    """At most one relay session at a time; a conference may move it to another worker.

    Args:
        pool: opens relay sessions.
        address: the switch's IP in its SDP.
        origin_id: the session id in the switch's SDP (RFC 8866 section 5.2).
        transcodes: True if sides without a common codec may talk by way of the sound tier.
    """

    pool: Media
    address: str
    origin_id: int
    _transcodes: bool
    session: MediaSession | None = None
    """None until ports are open."""
    media: CallMedia | None = None
    """None until the call begins to use its ports."""
    _before: SessionFigures | None = None
    """Figures of sessions that the call has left."""

    def begin(self, owner: Legs, caller: LegSecurity | None) -> None:
        """Use the session, which is open.

        Args:
            owner: hears of silence and of a lost worker.
            caller: the keys of the caller's leg, if there is one yet.
        """
        assert self.session is not None
        self.session.owner = owner
        self.media = CallMedia(self.session, self.address, self.origin_id, self._transcodes)
        if caller is not None:
            self.media.join("a", caller)

    async def move(self, session: MediaSession) -> None:
        """Go on in another session; the figures of the first are kept."""
        assert self.session is not None and self.media is not None
        left, self.session = self.session, session
        session.owner, left.owner = left.owner, None
        self.media.move(session)
        self._before = await _figures(left, self._before)

    async def close(self) -> SessionFigures | None:
        """Give the ports back; the figures of all sessions, None if there are none."""
        session = self.session
        if session is None:
            return self._before
        session.owner = None
        return await _figures(session, self._before)


async def _figures(session: MediaSession, before: SessionFigures | None) -> SessionFigures | None:
    """Close a session; its figures together with those from before it. Only those if its worker
    does not answer in time."""
    closing = session.close()
    timer = closing.get_loop().call_later(CLOSE_SECONDS, _give_up, closing)
    try:
        figures = await closing
    except MediaError:
        return before
    finally:
        timer.cancel()
    return figures if before is None else before.and_then(figures)


def _give_up(closing: asyncio.Future[SessionFigures]) -> None:
    if not closing.done():
        closing.set_exception(MediaError(f"no figures in {CLOSE_SECONDS:.0f} s"))
