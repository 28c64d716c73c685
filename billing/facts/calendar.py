"""Terms and days as people count them, to the instants at which they begin.

A month after 31 January is the last day of February, and a month after that is 31 March again:
every boundary is counted from the anchor, never from the boundary before it.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_HOUR_MS = 3_600_000
_TERM = re.compile(r"([1-9][0-9]{0,3}) ?(hour|day|month|year)s?", re.ASCII)
MAX_DAYS_LOOKED_AT = 3660
"""For some hundred working days, if people work on one day of the week."""
MAX_TERM = {"hours": 8784, "days": 3660, "months": 120}
"""Ten years, or a year of hours: longer is a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Term:
    """A length of time: hours are exact; days and months are counted on the calendar, so
    that they end at the hour at which they began, whatever the clocks did meanwhile."""

    count: int
    unit: str
    """hours, days or months."""

    @classmethod
    def parse(cls, text: str) -> Term:
        """ "30 days", "1 month", "1 year". Raises ValueError with one line."""
        found = _TERM.fullmatch(text.strip(" ").lower())
        if found is None:
            raise ValueError(f"{text!r} is no term: write it like 30 days, 1 month or 24 hours")
        count, unit = int(found[1]), f"{found[2]}s"
        if unit == "years":
            count, unit = 12 * count, "months"
        if count > MAX_TERM[unit]:
            raise ValueError(f"{text!r} is too long: at most {MAX_TERM[unit]} {unit}")
        return cls(count, unit)

    def __str__(self) -> str:
        return f"{self.count} {self.unit if self.count > 1 else self.unit[:-1]}"

    def boundary(self, anchor_at: int, number: int, zone: str) -> int:
        """The instant at which the `number`-th term after the anchor begins.

        Args:
            anchor_at: epoch milliseconds of the beginning of term 0.
            zone: IANA name of the zone whose calendar counts.
        """
        if number == 0:
            return anchor_at
        if self.unit == "hours":
            return anchor_at + number * self.count * _HOUR_MS
        local = local_time(anchor_at, zone)
        if self.unit == "days":
            day = local.date() + timedelta(days=number * self.count)
        else:
            day = add_months(local.date(), number * self.count)
        return instant(day, local.time(), zone)


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """On which days people work.

    Args:
        week: days of the week, Monday is 0.
        holidays: "2027-01-07", or "01-07" for every year.
    """

    week: frozenset[int] = frozenset(range(5))
    holidays: frozenset[str] = frozenset()

    def is_one(self, day: date) -> bool:
        """True if a day is a working day."""
        text = day.isoformat()
        return day.weekday() in self.week and self.holidays.isdisjoint({text, text[5:]})

    def after(self, day: date, count: int) -> date:
        """The `count`-th working day after a day.

        Raises:
            ValueError: there aren't so many within the days that are looked at.
        """
        for _ in range(MAX_DAYS_LOOKED_AT):
            if count <= 0:
                return day
            day += timedelta(days=1)
            count -= self.is_one(day)
        raise ValueError("the calendar has hardly any working days")


WEEKDAYS = WorkingDays()
"""Monday to Friday, without holidays."""


def add_months(anchor: date, months: int) -> date:
    """The anchor's day that many months later; a shorter month's last day where it has none."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(anchor.day, last))


def local_time(at: int, zone: str) -> datetime:
    """Epoch milliseconds on the zone's clock."""
    return (_EPOCH + at * _MILLISECOND).astimezone(_zone(zone))


def local_day(at: int, zone: str) -> date:
    """The calendar day of an instant (epoch milliseconds) in a time zone."""
    return local_time(at, zone).date()


def instant(day: date, clock: time, zone: str) -> int:
    """Epoch milliseconds of a time on the zone's clock: the first one where the clock shows it
    twice, the moment of the jump or as much after it where it never does."""
    return (datetime.combine(day, clock, _zone(zone)).astimezone(UTC) - _EPOCH) // _MILLISECOND


def day_start(day: date, zone: str) -> int:
    """Epoch milliseconds of a day's first moment."""
    return instant(day, time(0), zone)


def next_midnight(after: int, zone: str) -> int:
    """Epoch milliseconds of the first moment of the following day."""
    return day_start(local_day(after, zone) + timedelta(days=1), zone)


@lru_cache(64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
