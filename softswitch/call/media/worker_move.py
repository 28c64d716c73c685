"""A call's sound goes over to another media worker, where the conference is that it comes to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from softswitch.call.media.media import try_read
from softswitch.call.media.srtp_handover import hand_over_keys

if TYPE_CHECKING:
    from rtp.session import MediaSession
    from softswitch.call.call import Call
    from softswitch.call.media.media import Side


async def move_to_worker_of(call: Call, side: Side, home: MediaSession) -> bool:
    """Have the sound of a call's one remaining person in the worker of another session; whether
    it wasn't there. His phone is spoken to from the new ports at once, and must be offered them;
    a recording ends, and whoever wants it to go on begins another.

    Raises:
        MediaError: that worker is gone, or has no ports.
    """
    if call.sound.beside(home):
        return False
    await hand_over_keys(call.leg(side), call.sound, side)
    session = await _opened(call, side, home)
    call.recording.stop()
    await call.opening.move(session)
    heard = try_read(call.leg(side).remote_description)
    if heard is not None:
        call.media.learn(side, heard, call.leg(side).dialog.flow.remote[0])
    return True


async def _opened(call: Call, side: Side, home: MediaSession) -> MediaSession:
    signalling = call.leg(side).dialog.flow.remote[0]
    a, b = (signalling, None) if side == "a" else (None, signalling)
    opening = call.context.media.open(a, b, beside=home)
    try:
        return await opening
    except asyncio.CancelledError:
        # The call ended in the moment in which the ports were there.
        if not opening.cancelled() and opening.exception() is None:
            opening.result().close()
        raise
