"""Statistics of the running switch: counters since the start, and each trunk's figures of the last
quarter of an hour."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import accumulate

from billing.facts.cdr import Cdr
from softswitch.admission.decisions import ANSWERED, PHONES, Decisions
from softswitch.control.values import Row

WINDOW_MINUTES = 15
MINUTE_MS = 60_000

POST_DIAL_MS = (500, 1_000, 1_500, 2_000, 3_000, 5_000, 8_000, 13_000, 20_000)
COUNTED_AT_ONCE = 64
"""Settled legs that wait to be counted."""
LAG_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000)


class Histogram:
    """Values counted by their size.

    Args:
        bounds: the upper bounds of the buckets, ascending; each includes its bound.
    """

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: tuple[int, ...]) -> None:
        self.bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total: float = 0
        """The sum of all values."""

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def add_many(self, value: float, times: int) -> None:
        """Count a value that came so many times."""
        self._counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def cumulative(self) -> list[int]:
        """How many values were within each bound; the last is their number."""
        return list(accumulate(self._counts))


@dataclass(slots=True)
class Minute:
    """The calls of a trunk that ended in one minute."""

    at: int
    """Epoch minutes."""
    attempts: int = 0
    answers: int = 0
    talk_ms: int = 0
    rang: int = 0
    post_dial_ms: int = 0


class TrunkFigures:
    """Counters of one trunk since the start, and its last minutes."""

    __slots__ = ("_minute", "minutes", "post_dial", "statuses", "talk_ms")

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        """Seizures: calls offered to the trunk, by the final status it gave; 408 for no answer."""
        self.talk_ms = 0
        self.post_dial = Histogram(POST_DIAL_MS)
        self.minutes: deque[Minute] = deque(maxlen=WINDOW_MINUTES)
        self._minute = Minute(0)
        """The last of them."""

    def minute(self, now: int) -> Minute:
        """The minute that holds `now`, in epoch milliseconds."""
        at, minute = now // MINUTE_MS, self._minute
        if minute.at < at:
            minute = self._minute = Minute(at)
            self.minutes.append(minute)
        return minute


class TrunkTable(dict[str, TrunkFigures]):
    """The figures of trunks by their names, made when a trunk is first asked for."""

    def __missing__(self, name: str) -> TrunkFigures:
        made = self[name] = TrunkFigures()
        return made


@dataclass(slots=True)
class Totals:
    """Counters of ended calls. `now` is in epoch milliseconds."""

    attempts: int = 0
    answers: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    """The count of refusals by the code of the rule."""
    trunks: TrunkTable = field(default_factory=TrunkTable)
    caller_mos: Counter[int | None] = field(default_factory=Counter)
    """Settled legs by the MOS, in hundredths, of the sound from the caller; None: no sound came."""
    callee_mos: Counter[int | None] = field(default_factory=Counter)
    """The same of the sound from the called side."""
    one_way: int = 0
    """Settled legs of which a side wasn't heard."""

    def count_call(self, status: int, code: str, tried: Decisions, now: int) -> None:
        """Count a call that is over.

        Args:
            status: of the caller's leg; 200 once it was answered.
            code: of the refusal; "" for none.
            tried: the decisions of the leg, for the trunks that were tried.
        """
        self.attempts += 1
        if status == ANSWERED:
            self.answers += 1
        elif code:
            self.refusals[code] += 1
        for name, trunk_status in tried.tried:
            if name != PHONES:
                trunk = self.trunks[name]
                trunk.statuses[trunk_status] += 1
                minute = trunk.minute(now)
                minute.attempts += 1
                if trunk_status == ANSWERED:
                    minute.answers += 1

    def count_leg(self, cdr: Cdr) -> None:
        """Count a settled leg: its sound, and its trunk's talk time and post-dial delay."""
        media = cdr.media
        if media is not None:
            caller, callee = media.caller, media.callee
            self.caller_mos[caller.mos_hundredths] += 1
            self.callee_mos[callee.mos_hundredths] += 1
            if caller.one_way or callee.one_way:
                self.one_way += 1
        if cdr.trunk is None or cdr.direction == "incoming":
            return
        trunk, talk_ms = self.trunks[cdr.trunk], cdr.duration_ms
        minute = trunk.minute(cdr.ended_at)
        trunk.talk_ms += talk_ms
        minute.talk_ms += talk_ms
        first = cdr.answered_at if cdr.ringing_at is None else cdr.ringing_at
        if first is not None:
            delay_ms = max(0, first - cdr.setup_at)
            trunk.post_dial.add(delay_ms)
            minute.rang += 1
            minute.post_dial_ms += delay_ms

    def trunk_rows(self, now: int) -> list[Row]:
        """ASR in percent, ACD and PDD in seconds of each trunk that had calls in the window."""
        since = now // MINUTE_MS - WINDOW_MINUTES
        rows: list[Row] = []
        for name, trunk in self.trunks.items():
            recent = [minute for minute in trunk.minutes if minute.at > since]
            attempts = sum(minute.attempts for minute in recent)
            if not attempts:
                continue
            answers = sum(minute.answers for minute in recent)
            talk_ms = sum(minute.talk_ms for minute in recent)
            rang = sum(minute.rang for minute in recent)
            post_dial_ms = sum(minute.post_dial_ms for minute in recent)
            rows.append(
                {
                    "trunk": name,
                    "attempts": attempts,
                    "answers": answers,
                    "asr_percent": round(100 * answers / attempts, 1),
                    "acd_seconds": round(talk_ms / answers / 1000, 1) if answers else None,
                    "pdd_seconds": round(post_dial_ms / rang / 1000, 2) if rang else None,
                }
            )
        return rows


class Figures:
    """Counters of calls and texts, and the lateness of the event loop.

    Calls wait until their figures are read, or until they are many: counted one after another they
    take a third of the time.
    """

    __slots__ = ("_ended", "_settled", "_totals", "lag", "texts", "worst_lag_ms")

    def __init__(self) -> None:
        self._totals = Totals()
        self._ended: list[tuple[int, str, Decisions, int]] = []
        self._settled: list[Cdr] = []
        self.texts: Counter[tuple[str, str]] = Counter()
        """Texts that came into a state, by kind and state."""
        self.lag = Histogram(LAG_MS)
        """The lateness of the event loop, in milliseconds."""
        self.worst_lag_ms = 0.0
        """The worst lateness of the event loop since the figures were last read."""

    @property
    def totals(self) -> Totals:
        """The counters, with every call that has ended."""
        self.count()
        return self._totals

    def ended(self, status: int, code: str, tried: Decisions, now: int) -> None:
        """A call is over; the arguments are those of :meth:`Totals.count_call`."""
        self._ended.append((status, code, tried, now))

    def settled(self, cdr: Cdr) -> None:
        """A leg is settled, as every leg of every call is."""
        settled = self._settled
        settled.append(cdr)
        if len(settled) >= COUNTED_AT_ONCE:
            self.count()

    def count(self) -> None:
        """Count the calls that wait."""
        for ended in self._ended:
            self._totals.count_call(*ended)
        for cdr in self._settled:
            self._totals.count_leg(cdr)
        self._ended.clear()
        self._settled.clear()

    def late(self, lag_ms: float) -> None:
        """The event loop ran a due timer this much too late."""
        self.lag.add(max(0.0, lag_ms))
        self.worst_lag_ms = max(self.worst_lag_ms, lag_ms)
