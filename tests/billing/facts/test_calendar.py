"""Terms on the calendar: the anchor's day, clamped to the month, whatever the clocks do."""

import calendar
import itertools
from datetime import UTC, date, datetime, timedelta

import pytest

from billing.facts.calendar import Term, add_months, day_start, instant, local_day, local_time

TBILISI = "Asia/Tbilisi"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize("day", [20, 28, 29, 30, 31])
def test_E13_each_anchor_day_over_400_years_follows_the_clamp_rule(day):
    anchor = date(2000, 1, day)
    for number in range(400 * 12):
        found = add_months(anchor, number)
        year, month = 2000 + number // 12, number % 12 + 1
        last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(1)).day
        assert (found.year, found.month, found.day) == (year, month, min(day, last))


def test_E13_a_year_after_29_february_is_the_28th_but_in_leap_years():
    anchor = date(2000, 2, 29)
    for years in range(401):
        found = add_months(anchor, 12 * years)
        assert found.year == 2000 + years
        assert (found.month, found.day) == (2, 29 if calendar.isleap(found.year) else 28)


def test_terms_follow_each_other_without_gap_or_overlap():
    for text in ("30 days", "1 month", "24 hours", "7 days"):
        term = Term.parse(text)
        anchor = at("2027-01-31T02:30:00+01:00")
        bounds = [term.boundary(anchor, n, "Europe/Berlin") for n in range(400)]
        assert bounds[0] == anchor
        assert all(a < b for a, b in itertools.pairwise(bounds))


def test_days_end_at_the_hour_they_began_through_both_changes_of_the_clocks():
    term = Term(1, "days")
    anchor = at("2027-03-27T12:00:00+01:00")
    days = [term.boundary(anchor, n, "Europe/Berlin") for n in range(400)]
    assert {local_time(day, "Europe/Berlin").hour for day in days} == {12}
    lengths = {b - a for a, b in itertools.pairwise(days)}
    assert lengths == {23 * 3_600_000, 24 * 3_600_000, 25 * 3_600_000}


def test_hours_are_exact():
    anchor = at("2027-03-28T01:30:00+01:00")
    assert Term(1, "hours").boundary(anchor, 1, "Europe/Berlin") == anchor + 3_600_000


def test_a_day_without_a_midnight_begins_when_its_clock_does():
    # Beirut's clocks went from 23:59:59 to 01:00 on 31 March 2024.
    start = day_start(date(2024, 3, 31), "Asia/Beirut")
    assert datetime.fromtimestamp(start / 1000, UTC) == datetime(2024, 3, 30, 22, tzinfo=UTC)
    assert local_day(start, "Asia/Beirut") == date(2024, 3, 31)
    assert local_day(start - 1, "Asia/Beirut") == date(2024, 3, 30)


def test_instants_and_local_times_are_inverses():
    for hour in range(24):
        moment = at(f"2027-05-05T{hour:02}:00:00+04:00") + 123
        local = local_time(moment, TBILISI)
        assert instant(local.date(), local.time(), TBILISI) == moment


@pytest.mark.parametrize(
    ("text", "term"),
    [("30 days", Term(30, "days")), ("1 Month", Term(1, "months")), ("1 year", Term(12, "months"))],
)
def test_terms_are_read_and_written(text, term):
    assert Term.parse(text) == term
    assert Term.parse(str(term)) == term


@pytest.mark.parametrize(
    "text", ["", "0 days", "1,5 days", "-1 day", "99999 days", "٣ days", "1 w"]
)
def test_what_is_no_term_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match=r"term|long"):
        Term.parse(text)
