"""Counters of ended calls."""

from billing.facts.cdr import Cdr
from softswitch.admission.decisions import Decisions
from softswitch.process.figures import COUNTED_AT_ONCE, Figures

MINUTE = 60_000


def leg(at: int, trunk: str | None, talk_ms: int) -> Cdr:
    """A leg that rang after 700 ms and ended at `at`."""
    setup_at = at - talk_ms - 3_000
    return Cdr(
        "call", "a", "outgoing", "international", 1, "+995322000001", "+995322000001",
        "+442071838750", "+442071838750", None, trunk, setup_at, setup_at + 700, at - talk_ms, at,
        2_300, talk_ms, 200, 16, "caller",
    )  # fmt: skip


def test_calls_are_counted_by_the_time_the_figures_are_read_however_many_they_are():
    figures = Figures()
    count = 2 * COUNTED_AT_ONCE + 5
    for number in range(count):
        answered = number % 2 == 0
        tried = Decisions(tried=(("one", 503), ("two", 200 if answered else 486), ("phones", 486)))
        now = 1_000 * MINUTE + number * 100
        figures.ended(200 if answered else 486, "" if answered else "trunk_answered", tried, now)
        figures.settled(leg(now, "two", 10_000 if answered else 0))
        if number == 0:
            assert (figures.totals.attempts, figures.totals.answers) == (1, 1)
    totals, answers = figures.totals, COUNTED_AT_ONCE + 3
    assert (totals.attempts, totals.answers) == (count, answers)
    assert totals.refusals == {"trunk_answered": count - answers}
    assert totals.trunks["one"].statuses == {503: count}
    assert totals.trunks["two"].statuses == {200: answers, 486: count - answers}
    assert totals.trunks["two"].talk_ms == answers * 10_000
    assert totals.trunks["two"].post_dial.cumulative()[:2] == [0, count]
    assert [row["trunk"] for row in totals.trunk_rows(1_000 * MINUTE)] == ["one", "two"]


def test_a_minute_is_counted_once_and_leaves_the_window_after_a_quarter_of_an_hour():
    figures = Figures()
    for minutes in (1_000, 1_000, 1_001):
        figures.ended(200, "", Decisions(tried=(("one", 200),)), minutes * MINUTE)
        figures.settled(leg(minutes * MINUTE, "one", 60_000))
    (row,) = figures.totals.trunk_rows(1_001 * MINUTE)
    assert (row["attempts"], row["answers"], row["acd_seconds"]) == (3, 3, 60.0)
    (row,) = figures.totals.trunk_rows(1_015 * MINUTE)
    assert row["attempts"] == 1
    assert figures.totals.trunk_rows(1_016 * MINUTE) == []
