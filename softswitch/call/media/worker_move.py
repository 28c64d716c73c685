"""Moves the sound of a call to the media worker of the conference that it joins."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from softswitch.call.media.media import try_read
from softswitch.call.media.srtp_handover import hand_over_keys

if TYPE_CHECKING:
    from rtp.session import MediaSession
    from softswitch.call.legs import Legs
    from softswitch.call.media.media import Side


class WorkerMove:
    """Moves one call; its recording ends, and begins again for a line that wants it."""

    __slots__ = ("_legs",)

    def __init__(self, legs: Legs) -> None:
        self._legs = legs

    async def move_to_worker_of(self, side: Side, home: MediaSession) -> bool:
        """Move to the worker of another session.

        Args:
            side: of the call's one remaining party. Its phone is sent to from the new ports at
                once, and must be offered them.

        Returns:
            False if the call was there already.

        Raises:
            MediaError: that worker is gone, or has no ports.
        """
        legs = self._legs
        leg = legs.leg(side)
        if legs.sound.beside(home):
            return False
        await hand_over_keys(leg, legs.sound, side)
        session = await self._opened(leg.dialog.flow.peer[0], side, home)
        if legs.recording is not None:
            legs.recording.stop()
        await legs.relay.move(session)
        heard = try_read(leg.remote_description)
        if heard is not None:
            legs.media.learn(side, heard, leg.dialog.flow.peer[0])
        return True

    async def _opened(self, signalling: str, side: Side, home: MediaSession) -> MediaSession:
        a, b = (signalling, None) if side == "a" else (None, signalling)
        opening = self._legs.relay.pool.open(a, b, beside=home)
        try:
            return await opening
        except asyncio.CancelledError:
            # The call ended just when the ports were there: nothing else would close them.
            if not opening.cancelled() and opening.exception() is None:
                opening.result().close()
            raise
