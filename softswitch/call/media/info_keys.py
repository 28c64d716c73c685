"""Keys for legs that hear of them in INFO, whatever way the other side tells them.

One INFO after the other: the next leaves when the last was answered, so that keys stay in their
order. What becomes of one is no other's business, nor the call's.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from rtp.control import Digit
from softswitch.call.media.keys import RELAY_TYPE, relay_body
from softswitch.call.media.media import Side, other

if TYPE_CHECKING:
    from sip.session import Session
    from softswitch.call.call import Call

MAX_WAITING = 64
"""Keys for one leg; more are no person's."""
MILLISECONDS = 160
"""How long a key is said to last: when it is told, its end isn't known."""
_SIDES: tuple[Side, Side] = ("a", "b")


class InfoKeys:
    """Those of one call."""

    __slots__ = ("_call", "_listens", "_waiting")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._listens: dict[Side, bool] = {}
        """Sides that are listened to, and whether to their sound, too."""
        self._waiting: dict[Session, deque[tuple[bytes, bytes]]] = {}
        """Types and bodies for a leg, the first one under way."""

    def follow(self) -> None:
        """Who is on the sides, or what they can, is different now: hear the keys of whoever talks
        with a leg that wants them in INFO."""
        call = self._call
        if not call.answered or call.service_leg.under_way:
            self._listens = {}  # whoever talks with the caller has seen to it
            return
        media = call.media
        ways = {side: media.way_of_keys(side) for side in _SIDES}
        wanted = {
            side: not media.knows_events(side)
            for side in _SIDES
            if ways[other(side)] == "info" and ways[side] != "info"
        }
        if wanted == self._listens:
            return
        for side in {*wanted, *self._listens}:
            in_band = wanted.get(side, False)
            call.sound.listen(side, digits=side in wanted, in_band=in_band, withheld=True)
        call.sound.on_digit = call.post if wanted else None
        self._listens = wanted

    def heard(self, digit: Digit) -> None:
        """A key was pressed on a side that is listened to."""
        if self._listens and self._call.media.way_of_keys(other(digit.side)) == "info":
            self.pass_on(other(digit.side), RELAY_TYPE, relay_body(digit.digit, MILLISECONDS))

    def pass_on(self, side: Side, content_type: bytes, body: bytes) -> None:
        """Send a leg an INFO, after those that wait."""
        leg = self._call.leg(side)
        waiting = self._waiting.setdefault(leg, deque())
        if len(waiting) < MAX_WAITING:
            waiting.append((content_type, body))
            if len(waiting) == 1:
                leg.info(content_type, body, self._call.now())

    def answered(self, leg: Session, status: int) -> None:
        """The INFO under way was; the next may go."""
        waiting = self._waiting.get(leg)
        if not waiting:
            return
        if status >= 300:
            self._call.context.log.warning(
                "a key told in INFO was not taken", call=self._call.id, status=status
            )
        waiting.popleft()
        if waiting and leg in self._call.parties:
            leg.info(*waiting[0], self._call.now())
        else:
            del self._waiting[leg]
