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
    from softswitch.call.clock import Clock
    from softswitch.call.mailbox import Mailbox
    from softswitch.call.media.call_relay import CallRelay
    from softswitch.call.parties import Parties
    from softswitch.call.state import CallState
    from softswitch.trace.log import Log

MAX_WAITING = 64
"""Keys for one leg; more are no person's."""
MILLISECONDS = 160
"""How long a key is said to last: when it is told, its end isn't known."""
_SIDES: tuple[Side, Side] = ("a", "b")


class InfoKeys:
    """The INFO queues of one call.

    Args:
        call_id: for the log.
        mailbox: gets the keys of sides that are listened to.
    """

    __slots__ = (
        "_call_id",
        "_clock",
        "_listens",
        "_log",
        "_mailbox",
        "_parties",
        "_relay",
        "_state",
        "_waiting",
    )

    def __init__(
        self,
        call_id: str,
        parties: Parties,
        relay: CallRelay,
        state: CallState,
        mailbox: Mailbox,
        clock: Clock,
        log: Log,
    ) -> None:
        self._call_id = call_id
        self._parties = parties
        self._relay = relay
        self._state = state
        self._mailbox = mailbox
        self._clock = clock
        self._log = log
        self._listens: dict[Side, bool] = {}
        """Sides that are listened to, and whether to their sound, too."""
        self._waiting: dict[Session, deque[tuple[bytes, bytes]]] = {}
        """Types and bodies for a leg, the first one under way."""

    def follow(self) -> None:
        """Listen for keys on each side whose peer wants them in INFO; to be called when a side
        has another leg, or its leg can do more or less."""
        media = self._relay.media
        if media is None or not self._state.answered or self._state.served:
            self._listens = {}  # a service listens by itself
            return
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
            media.session.listen(side, digits=side in wanted, in_band=in_band, withheld=True)
        media.session.on_digit = self._mailbox.post if wanted else None
        self._listens = wanted

    def heard(self, digit: Digit) -> None:
        """A key was pressed on a side that is listened to."""
        media = self._relay.media
        if self._listens and media is not None and media.way_of_keys(other(digit.side)) == "info":
            self.pass_on(other(digit.side), RELAY_TYPE, relay_body(digit.digit, MILLISECONDS))

    def pass_on(self, side: Side, content_type: bytes, body: bytes) -> None:
        """Send a leg an INFO, after those that wait."""
        leg = self._parties.leg(side)
        waiting = self._waiting.setdefault(leg, deque())
        if len(waiting) < MAX_WAITING:
            waiting.append((content_type, body))
            if len(waiting) == 1:
                leg.info(content_type, body, self._clock.now())

    def answered(self, leg: Session, status: int) -> None:
        """The INFO under way was; the next may go."""
        waiting = self._waiting.get(leg)
        if not waiting:
            return
        if status >= 300:
            self._log.warning("a key told in INFO was not taken", call=self._call_id, status=status)
        waiting.popleft()
        if waiting and leg in self._parties:
            leg.info(*waiting[0], self._clock.now())
        else:
            del self._waiting[leg]
