"""Statistics of the running switch: attempts, answers and refusals since the start, and each
trunk's figures of the last quarter of an hour."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from billing.facts.cdr import Cdr
from softswitch.admission.decisions import ANSWERED, PHONES, Decisions
from softswitch.control.values import Row

WINDOW_MINUTES = 15
MINUTE_MS = 60_000


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


@dataclass(slots=True)
class Figures:
    """Counters of ended calls. `now` is in epoch milliseconds."""

    attempts: int = 0
    answers: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    """The count of refusals by the code of the rule."""
    worst_lag_ms: float = 0.0
    """The worst lateness of the event loop since the figures were last read."""
    _trunks: dict[str, deque[Minute]] = field(default_factory=dict)

    def ended(self, status: int, code: str, tried: Decisions, now: int) -> None:
        """A call is over.

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
                minute = self._minute(name, now)
                minute.attempts += 1
                minute.answers += trunk_status == ANSWERED

    def settled(self, cdr: Cdr) -> None:
        """A leg is settled: its trunk's talk time and post-dial delay are known."""
        if cdr.trunk is None or cdr.direction == "incoming":
            return
        minute = self._minute(cdr.trunk, cdr.ended_at)
        minute.talk_ms += cdr.duration_ms
        first = cdr.answered_at if cdr.ringing_at is None else cdr.ringing_at
        if first is not None:
            minute.rang += 1
            minute.post_dial_ms += max(0, first - cdr.setup_at)

    def _minute(self, trunk: str, now: int) -> Minute:
        minutes = self._trunks.get(trunk)
        if minutes is None:
            minutes = self._trunks[trunk] = deque(maxlen=WINDOW_MINUTES)
        at = now // MINUTE_MS
        if not minutes or minutes[-1].at < at:
            minutes.append(Minute(at))
        return minutes[-1]

    def trunk_rows(self, now: int) -> list[Row]:
        """ASR in percent, ACD and PDD in seconds of each trunk that had calls in the window."""
        since = now // MINUTE_MS - WINDOW_MINUTES
        rows: list[Row] = []
        for trunk, minutes in self._trunks.items():
            recent = [minute for minute in minutes if minute.at > since]
            attempts = sum(minute.attempts for minute in recent)
            if not attempts:
                continue
            answers = sum(minute.answers for minute in recent)
            talk_ms = sum(minute.talk_ms for minute in recent)
            rang = sum(minute.rang for minute in recent)
            post_dial_ms = sum(minute.post_dial_ms for minute in recent)
            rows.append(
                {
                    "trunk": trunk,
                    "attempts": attempts,
                    "answers": answers,
                    "asr_percent": round(100 * answers / attempts, 1),
                    "acd_seconds": round(talk_ms / answers / 1000, 1) if answers else None,
                    "pdd_seconds": round(post_dial_ms / rang / 1000, 2) if rang else None,
                }
            )
        return rows
