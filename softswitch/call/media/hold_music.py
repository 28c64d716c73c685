"""Music on hold: played to a side that the other side has put on hold."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rtp.control import Played, PlayItem, Side
from sip.offer_answer import media_target
from softswitch.call.media.media import other

if TYPE_CHECKING:
    from sip.sdp import SessionDescription
    from softswitch.call.legs import Legs
    from softswitch.trace.log import Log

ON_HOLD = ("sendonly", "inactive")
"""The directions that put the other side on hold (RFC 3264 section 8.4)."""


class HoldMusic:
    """The music on hold of one call.

    Args:
        file: path of a WAV file.
    """

    __slots__ = ("_file", "_holding", "_legs", "_log")

    def __init__(self, legs: Legs, file: str, log: Log) -> None:
        self._legs = legs
        self._file = file
        self._log = log
        self._holding: set[Side] = set()
        """Sides that have put the other side on hold."""

    def heard(self, side: Side, description: SessionDescription) -> None:
        """Start or stop the music after a side's offer or answer in an answered call."""
        session = self._legs.relay.session
        if not self._legs.answered or session is None:
            return
        target = media_target(description)
        holds = target is not None and target.direction in ON_HOLD
        if holds and side not in self._holding:
            self._holding.add(side)
            playing = session.play(other(side), [PlayItem(file=self._file)], repeat=True)
            playing.add_done_callback(self._over)
        elif not holds and side in self._holding:
            self._holding.discard(side)
            session.stop_playing(other(side))

    def _over(self, playing: asyncio.Future[Played]) -> None:
        log_failed_tone(playing, self._log)


def log_failed_tone(playing: asyncio.Future[Played], log: Log) -> None:
    """Log a file that cannot be played; a worker that died is reported by itself."""
    if playing.cancelled() or playing.exception() is not None:
        return
    if playing.result().reason == "failed":
        log.warning("a tone can't be played", why=playing.result().problem)
