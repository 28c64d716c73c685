"""The health of a trunk: what its answers to OPTIONS and to calls say, and how slowly we change our
mind. Of OPTIONS:

up --2 of the last 10 bad--> degraded --3 lost in a row--> down
up <--5 good in a row------- degraded <--2 answered in a row-- down
up ----------------------3 lost in a row-----------------> down
"""

from __future__ import annotations

from collections import deque
from typing import Literal

Health = Literal["up", "degraded", "down"]

DOWN_AFTER_LOST = 3
"""Lost pings in a row. With fewer, a burst of packet loss would take a trunk down."""
BACK_AFTER_ANSWERED = 2
DEGRADED_AT_BAD = 2
"""Lost or slow pings among the last `WINDOW`."""
WINDOW = 10
UP_AFTER_GOOD = 5
SLOW_SECONDS = 1.0
"""An answer that takes longer was retransmitted, or comes from an overloaded gateway."""


BAD_ANSWERS = 3
"""Calls in a row that a trunk answered without a usable description, until it rests."""
REST_SECONDS = 60.0
"""Calls go by other trunks for so long; the next call then tries it again."""


class TrunkAnswers:
    """The answers of one trunk to calls. A gateway may answer every OPTIONS, and yet send a 200 to
    INVITE whose description can't be used; `now` is monotonic seconds."""

    __slots__ = ("bad", "rests_until")

    def __init__(self) -> None:
        self.bad = 0
        """Unusable answers in a row."""
        self.rests_until = 0.0

    def failed(self, now: float) -> bool:
        """Count an unusable answer; True if the trunk begins to rest."""
        self.bad += 1
        rested = self.rests(now)
        if self.bad >= BAD_ANSWERS:
            self.rests_until = now + REST_SECONDS
        return not rested and self.rests(now)

    def rests(self, now: float) -> bool:
        """True while calls go by other trunks."""
        return now < self.rests_until

    def end_rest(self, now: float) -> bool:
        """True once after each rest."""
        ended = 0.0 < self.rests_until <= now
        if ended:
            self.rests_until = 0.0
        return ended


class TrunkHealth:
    """The health of one trunk; `now` is in epoch seconds and only noted."""

    __slots__ = ("_answered", "_good", "_lost", "_recent", "round_trip", "since", "state")

    def __init__(self, now: float) -> None:
        self.state: Health = "up"
        """A trunk that was never pinged counts as up."""
        self.since = now
        self.round_trip: float | None = None
        """The seconds of the last answer; None when none came."""
        self._recent: deque[bool] = deque(maxlen=WINDOW)
        """True for each of the last pings that was answered in time."""
        self._answered = self._good = self._lost = 0
        """Counters of results in a row."""

    @property
    def lost(self) -> int:
        """The number of lost or slow pings among the last `WINDOW`."""
        return self._recent.count(False)

    def answered(self, round_trip: float, now: float) -> bool:
        """Note a ping that was answered after this many seconds; True if the state has changed."""
        good = round_trip <= SLOW_SECONDS
        self.round_trip = round_trip
        self._recent.append(good)
        self._lost = 0
        self._answered += 1
        self._good = self._good + 1 if good else 0
        return self._become(self._after_answer(), now)

    def failed(self, now: float) -> bool:
        """Note a lost ping, or a 503; True if the state has changed."""
        self.round_trip = None
        self._recent.append(False)
        self._answered = self._good = 0
        self._lost += 1
        return self._become(self._after_loss(), now)

    def _after_answer(self) -> Health:
        if self.state == "down":
            return "degraded" if self._answered >= BACK_AFTER_ANSWERED else "down"
        if self.state == "degraded":
            return "up" if self._good >= UP_AFTER_GOOD else "degraded"
        return "degraded" if self.lost >= DEGRADED_AT_BAD else "up"

    def _after_loss(self) -> Health:
        if self.state == "down" or self._lost >= DOWN_AFTER_LOST:
            return "down"
        return "degraded" if self.lost >= DEGRADED_AT_BAD else self.state

    def _become(self, state: Health, now: float) -> bool:
        if state == self.state:
            return False
        self.state, self.since = state, now
        if state == "up":
            self._recent.clear()  # the losses that made it degraded are forgotten
        return True
