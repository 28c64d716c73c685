"""DTMF by SIP INFO: keys for legs that take them in INFO, in whatever form the other side sends
them.

One INFO at a time: the next is sent when the last was answered, so that keys stay in order. The
result of an INFO concerns neither the other leg nor the call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec import Struct

from rtp.control import Digit
from softswitch.call.media.keys import RELAY_TYPE, relay_body
from softswitch.call.media.media import Side, other

if TYPE_CHECKING:
    from sip.session import Session
    from softswitch.call.legs import Legs
    from softswitch.trace.log import Log

MAX_WAITING = 64
"""The longest queue of keys for one leg; a person presses fewer."""
MILLISECONDS = 160
"""The duration that is written for each key: its end isn't known when the INFO is sent."""


_NO_SIDES: Mapping[Side, bool] = MappingProxyType({})


class InfoKeys(Struct, eq=False):
    """The INFO queues of one call, which is answered or about to be."""

    _legs: Legs
    _log: Log
    _listens: Mapping[Side, bool] = _NO_SIDES
    """The sides whose keys are detected, with True if also in the sound."""
    _waiting: dict[Session, deque[tuple[bytes, bytes]]] | None = None
    """Content types and bodies that wait for a leg; the first is under way. None: no key was ever
    passed on."""

    def follow(self) -> None:
        """Detect keys on each side whose peer takes them in INFO. Called when a side has another
        leg, or the abilities of its leg have changed."""
        legs, media = self._legs, self._legs.relay.media
        if media is None or legs.answered_at is None or legs.served:
            self._listens = _NO_SIDES  # a service listens by itself
            return
        a, b = media.sends_info("a"), media.sends_info("b")
        wanted: dict[Side, bool] = {}
        if a != b:
            side: Side = "b" if a else "a"
            wanted[side] = not media.knows_events(side)
        if wanted == self._listens:
            return
        for side in {*wanted, *self._listens}:
            in_band = wanted.get(side, False)
            media.session.listen(side, digits=side in wanted, in_band=in_band, withheld=True)
        media.session.on_digit = legs.post if wanted else None
        self._listens = wanted

    def heard(self, digit: Digit) -> None:
        """A key was pressed on a side whose keys are detected."""
        media = self._legs.relay.media
        if self._listens and media is not None and media.sends_info(other(digit.side)):
            self.pass_on(other(digit.side), RELAY_TYPE, relay_body(digit.digit, MILLISECONDS))

    def pass_on(self, side: Side, content_type: bytes, body: bytes) -> None:
        """Send a leg an INFO, after those that wait."""
        leg = self._legs.leg(side)
        if self._waiting is None:
            self._waiting = {}
        waiting = self._waiting.setdefault(leg, deque())
        if len(waiting) < MAX_WAITING:
            waiting.append((content_type, body))
            if len(waiting) == 1:
                leg.info(content_type, body, self._legs.now())

    def answered(self, leg: Session, status: int) -> None:
        """The INFO under way was answered: send the next."""
        waiting = None if self._waiting is None else self._waiting.get(leg)
        if self._waiting is None or not waiting:
            return
        if status >= 300:
            self._log.warning("a key told in INFO was not taken", call=self._legs.id, status=status)
        waiting.popleft()
        if waiting and leg in self._legs.parties:
            leg.info(*waiting[0], self._legs.now())
        else:
            del self._waiting[leg]
