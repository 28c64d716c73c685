"""Quiet hours by the clock of the country where a text goes."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.texting.quiet_hours import QuietHours, zones_of

NIGHT = QuietHours("22:00-08:00")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("number", "asked", "due"),
    [
        ("+995599000001", "2026-06-05T21:59+04:00", "2026-06-05T21:59+04:00"),
        ("+995599000001", "2026-06-05T22:00+04:00", "2026-06-06T08:00+04:00"),
        ("+995599000001", "2026-06-06T03:00+04:00", "2026-06-06T08:00+04:00"),
        ("+995599000001", "2026-06-06T08:00+04:00", "2026-06-06T08:00+04:00"),
        # The clocks go forward in the night: it ends an hour earlier.
        ("+4915123456789", "2026-03-29T00:30+01:00", "2026-03-29T08:00+02:00"),
        ("+442079460000", "2026-10-25T00:30+01:00", "2026-10-25T08:00+00:00"),
        # The night of New York begins before that of Honolulu has ended.
        ("+12025550101", "2026-06-05T09:00-04:00", "2026-06-05T08:00-10:00"),
        # +7 is Kazakhstan, too, which has one time.
        ("+77012345678", "2026-06-05T23:00+05:00", "2026-06-06T08:00+05:00"),
    ],
)
def test_a_text_waits_until_the_quiet_hours_end_there(number: str, asked: str, due: str) -> None:
    assert NIGHT.due(number, at(asked)) == at(due)


def test_without_quiet_hours_nothing_waits() -> None:
    assert QuietHours("").due("+995599000001", 5) == 5
    assert not QuietHours("08:00-08:00")


@pytest.mark.parametrize("text", ["22-08", "24:00-08:00", "22:00-08:60", "x"])
def test_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="22:00-08:00"):
        QuietHours(text)


def test_zones_are_those_of_the_numbers_country() -> None:
    assert zones_of("+995599000001") == ("Asia/Tbilisi",)
    assert "America/New_York" in zones_of("+12025550101")
    assert "Asia/Almaty" in zones_of("+77012345678")
    assert zones_of("+999123") == ("UTC",)


@given(
    st.sampled_from(["+995599000001", "+12025550101", "+4915123456789", "+79161234567"]),
    st.integers(at("2026-01-01T00:00+00:00"), at("2027-12-31T00:00+00:00")),
)
def test_no_text_goes_before_its_time_nor_waits_longer_than_two_days(
    number: str, asked: int
) -> None:
    due = NIGHT.due(number, asked)
    assert asked <= due <= asked + 2 * 86_400_000
    assert NIGHT.due(number, due) == due
