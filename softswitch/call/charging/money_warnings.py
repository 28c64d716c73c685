"""Low-balance warnings: tell the payer of a call, if the payer talks in it, that the money ends
soon.

The end of the money is certain only when nothing more can be reserved; until then there is an
estimate from the books. So more is reserved before each warning: either the warning is then right,
or there is still time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct, field

from ivr_prompts.phrase import Duration
from rtp.control import Played, PlayItem, Side
from softswitch.call.charging.meter import NEVER

if TYPE_CHECKING:
    from softswitch.call.charging.meter import Meter
    from softswitch.call.legs import Legs
    from softswitch.prompts.announcer import Announcer
    from softswitch.subscribers.directory import Line

SAME_END_SECONDS = 5.0
"""An end that moves by less than this is the same end, which is announced only once."""
ASK_AGAIN_SECONDS = 2.0
"""The pause after a reservation that the database failed to make."""
BEEP = PlayItem(tone="entry")
"""Played if there is no recording of the warning."""


class MoneyWarnings(Struct, eq=False):
    """The warnings of one call.

    Args:
        seconds: how long before the end each is given, the longest first.
    """

    _legs: Legs
    _announcer: Announcer
    _seconds: tuple[int, ...]
    _given: dict[tuple[str, int], float] = field(default_factory=dict)
    """The announced end of the money, by meter key and warning seconds."""
    _asked: dict[str, tuple[float, int | None]] = field(default_factory=dict)
    """The time of the last reservation and the seconds paid for at that time, by meter key."""

    def expire(self, now: float) -> None:
        """Give the warnings that are due."""
        for meter in self._legs.payers.meters:
            if now >= self.due_at(meter):
                self._warn(meter, now)

    def due_at(self, meter: Meter, until: float = NEVER) -> float:
        """The loop's time of the next warning of a payer, or of the reservation before it; NEVER if
        it isn't before `until`."""
        end, answered_at = NEVER if meter.extending else meter.ends_at(), meter.answered_at
        if answered_at is None or not self._seconds or end - self._seconds[0] >= until:
            return NEVER  # as nearly always
        talk_seconds, nothing_given = end - answered_at, not self._given
        for seconds in self._seconds:  # the longest that the call is long enough for
            if seconds < talk_seconds and (nothing_given or self._is_news(seconds, meter, end)):
                break
        else:
            return NEVER
        due_at = end - seconds
        if not self._asked or (asked := self._asked.get(meter.key)) is None:
            return due_at  # as nearly always
        asked_at, paid = asked
        got_nothing = paid == meter.paid_seconds and not meter.wants_balance
        return max(due_at, asked_at + ASK_AGAIN_SECONDS) if got_nothing else due_at

    def _is_news(self, seconds: int, meter: Meter, end: float) -> bool:
        """True for a warning that this end of the money has not had."""
        given = self._given
        return not given or abs(end - given.get((meter.key, seconds), 0.0)) > SAME_END_SECONDS

    def _warn(self, meter: Meter, now: float) -> None:
        if not meter.wants_balance:
            self._asked[meter.key] = now, meter.paid_seconds
            meter.extend()
            return
        end, answered_at = meter.ends_at(), meter.answered_at
        assert answered_at is not None
        due = [
            seconds
            for seconds in self._seconds
            if now >= end - seconds
            and seconds < end - answered_at
            and self._is_news(seconds, meter, end)
        ]
        for seconds in due:
            self._given[meter.key, seconds] = end
        payer = self._payer(meter)
        if due and payer is not None:
            self._say(*payer, round(end - now))

    def _payer(self, meter: Meter) -> tuple[Side, Line] | None:
        """The side on which the payer talks, and the payer's line; None if the payer is on neither
        side."""
        sides: tuple[Side, Side] = ("a", "b")
        for side in sides:
            line = self._legs.line_of(side)
            if line is not None and line.number == meter.record.line:
                return side, line
        return None

    def _say(self, side: Side, line: Line, seconds: int) -> None:
        """Mix the warning into the sound that the payer hears; the other side does not hear it."""
        said = self._announcer.announce(line.language, ("money-ends-in", Duration(seconds)))
        self._announcer.note(self._legs.id, side, said)
        items = said.items if said.language else (BEEP,)
        self._legs.sound.play(side, items, over=True).add_done_callback(_ignore_failure)


def _ignore_failure(playing: asyncio.Future[Played]) -> None:
    """Drop the result: a worker that died is reported by the pool of workers."""
    if not playing.cancelled():
        playing.exception()
