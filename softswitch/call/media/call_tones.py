"""Tones and music of the switch's own in a call: ringback while the called side gives no sound, and
music for whoever is put on hold."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtp.control import Played, PlayItem, Side
from sip.offer_answer import media_target
from softswitch.call.media.media import other

if TYPE_CHECKING:
    from sip.sdp import SessionDescription
    from softswitch.call.call import Call

ON_HOLD = ("sendonly", "inactive")
"""What somebody says who puts the other one on hold (RFC 3264 section 8.4)."""


@dataclass(frozen=True, slots=True)
class Tones:
    """Which of them the switch gives, and of which country.

    Args:
        ringback: as early media, in the place of the phone's own.
        refusals: busy, congestion and special information tones before the status.
        hold_music: path of a WAV file.
    """

    country: str = ""
    ringback: bool = False
    refusals: bool = False
    hold_music: str | None = None


class CallTones:
    """Those of one call."""

    __slots__ = ("_call", "_held", "_rings", "_tones")

    def __init__(self, call: Call, tones: Tones) -> None:
        self._call = call
        self._tones = tones
        self._rings = False
        self._held: set[Side] = set()
        """Sides that have put the other one on hold."""

    def ring(self) -> bool:
        """The called side rings without sound of its own; whether the caller hears ours."""
        if not self._tones.ringback or self._rings:
            return self._rings
        item = PlayItem(tone="ringback", country=self._tones.country)
        playing = self._call.opening.speak([item], repeat=True)
        if playing is not None:
            playing.add_done_callback(self._over)
            self._rings = True
        return self._rings

    def stop_ringing(self) -> None:
        """Somebody answers, or is heard by himself."""
        if self._rings:
            self._rings = False
            self._call.sound.stop_playing("a")
            self._call.sound.hear("a", "peer")

    def heard(self, side: Side, description: SessionDescription) -> None:
        """A side of a call that talks said whether it listens."""
        if not self._call.answered or self._tones.hold_music is None:
            return
        target = media_target(description)
        holds = target is not None and target.direction in ON_HOLD
        if holds and side not in self._held:
            self._held.add(side)
            item = PlayItem(file=self._tones.hold_music)
            playing = self._call.sound.play(other(side), [item], repeat=True)
            playing.add_done_callback(self._over)
        elif not holds and side in self._held:
            self._held.discard(side)
            self._call.sound.stop_playing(other(side))

    def _over(self, playing: asyncio.Future[Played]) -> None:
        """A worker that died is told of by itself; a file that can't be played is named."""
        if playing.cancelled() or playing.exception() is not None:
            return
        if playing.result().reason == "failed":
            self._call.context.log.warning("a tone can't be played", why=playing.result().problem)
