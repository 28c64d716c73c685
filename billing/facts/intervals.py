"""Intervals of the week in which other prices count: nights, weekends, holidays.

What decides is what a clock on the wall shows in the tariff's own time zone. When clocks are set
back an interval that begins in the repeated hour begins, ends and begins again; when they are set
forward one that begins in the hour that isn't there begins with the jump.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from billing.facts.calendar import local_time

HOLIDAY = "holiday"
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_INTERVALS = 32
"""More intervals than this are a slip of the pen."""
MAX_HOLIDAYS = 1000
DAY_MS = 86_400_000
_DAY_MINUTES = 1440
_MAX_DAYS_KNOWN = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_INTERVAL = re.compile(
    r"([a-z][a-z0-9_-]{0,31}) ([a-z,-]+) "
    r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])",
    re.ASCII,
)
_HOLIDAY = re.compile(r"(?:([0-9]{4})-)?([0-9]{2})-([0-9]{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Interval:
    """A time of the day on some days of the week.

    Args:
        days: 0 is Monday.
        holidays: whether it counts on holidays too, whatever day of the week they are.
        start: minute of the day.
        end: minute of the day, excluded; if it isn't after the start it is the next day's.
    """

    name: str
    days: tuple[int, ...]
    holidays: bool
    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Interval:
        """ "night mon-fri 22:00-06:00", "weekend sat,sun 00:00-24:00", "feast holiday
        00:00-24:00". Raises ValueError with one line."""
        found = _INTERVAL.fullmatch(" ".join(text.lower().split()))
        if found is None:
            raise ValueError(f"{text!r} is no interval: write it like night mon-fri 22:00-06:00")
        start, end = int(found[3]) * 60 + int(found[4]), int(found[5]) * 60 + int(found[6])
        if end > _DAY_MINUTES:
            raise ValueError(f"{text!r}: a day ends at 24:00")
        days, holidays = read_days(found[2])
        return cls(found[1], days, holidays, start, end)

    def __str__(self) -> str:
        days = [WEEK[day] for day in self.days] + [HOLIDAY] * self.holidays
        return f"{self.name} {','.join(days)} {_clock(self.start)}-{_clock(self.end)}"


def read_days(text: str) -> tuple[tuple[int, ...], bool]:
    """ "mon-fri,holiday" to days of the week (0 is Monday), and whether holidays are meant too.
    Raises ValueError with one line."""
    days: set[int] = set()
    holidays = False
    for part in text.split(","):
        first, _, last = part.partition("-")
        if part == HOLIDAY:
            holidays = True
        elif first in WEEK and (not last or last in WEEK):
            begin, end = WEEK.index(first), WEEK.index(last or first)
            days |= {day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)}
        else:
            known = f"{', '.join(WEEK)}, mon-fri or {HOLIDAY}"
            raise ValueError(f"{part!r} is no day: write {known}")
    return tuple(sorted(days)), holidays


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def read_holiday(text: str) -> str:
    """ "2027-01-07", or "01-07" for every year. Raises ValueError with one line."""
    found = _HOLIDAY.fullmatch(text.strip())
    try:
        if found is not None:
            date(int(found[1] or 2000), int(found[2]), int(found[3]))
            return text.strip()
    except ValueError:
        pass
    raise ValueError(f"{text!r} is no holiday: write it like 2027-01-07, or 01-07 for every year")


class Timetable:
    """The intervals of a tariff as a timetable: which one holds at an instant, and when the next
    begins.

    Args:
        zone: IANA name.
        intervals: of several that it is at once the first counts.
        holidays: as :func:`read_holiday` takes them.
    """

    def __init__(
        self, zone: str, intervals: Sequence[Interval], holidays: Iterable[str] = ()
    ) -> None:
        self._zone = zone
        self._intervals = tuple(intervals)
        self._holidays = frozenset(holidays)
        edges = {edge % _DAY_MINUTES for i in self._intervals for edge in (i.start, i.end)}
        self._clocks = [time(edge // 60, edge % 60) for edge in sorted({0, *edges})]
        self._known: dict[int, list[tuple[int, str]]] = {}

    def name_at(self, at: int) -> str:
        """The interval's name; "" outside all of them. `at` in epoch milliseconds."""
        local = local_time(at, self._zone)
        today, minute = local.date(), local.hour * 60 + local.minute
        for interval in self._intervals:
            if interval.start < interval.end:
                if interval.start <= minute < interval.end and self._falls_on(interval, today):
                    return interval.name
            elif minute >= interval.start:
                if self._falls_on(interval, today):
                    return interval.name
            elif minute < interval.end and self._falls_on(interval, today - timedelta(days=1)):
                return interval.name
        return ""

    def switches(self, at: int, until: int) -> list[tuple[int, str]]:
        """When, after an instant, which other interval begins."""
        found: list[tuple[int, str]] = []
        name = self.name_at(at)
        for day in range(at // DAY_MS, until // DAY_MS + 1):
            for instant, other in self._of_day(day):
                if at < instant <= until and other != name:
                    found.append((instant, other))
                    name = other
        return found

    def _falls_on(self, interval: Interval, day: date) -> bool:
        if day.weekday() in interval.days:
            return True
        return interval.holidays and not self._holidays.isdisjoint(
            (day.isoformat(), day.isoformat()[5:])
        )

    def _of_day(self, day: int) -> list[tuple[int, str]]:
        """The intervals of a day of UTC, each with the instant from which it holds."""
        known = self._known.get(day)
        if known is None:
            if len(self._known) >= _MAX_DAYS_KNOWN:
                self._known.clear()
            start = day * DAY_MS
            instants = sorted({start, *self._edges(start, start + DAY_MS)})
            known = self._known[day] = [(at, self.name_at(at)) for at in instants]
        return known

    def _edges(self, start: int, end: int) -> set[int]:
        """Every instant at which it could become another interval: a clock time of an edge, both
        of them where clocks show it twice, and the moment at which clocks are set."""
        zone = ZoneInfo(self._zone)
        first, last = local_time(start, self._zone).date(), local_time(end, self._zone).date()
        found = set()
        for offset in range((last - first).days + 1):
            day = first + timedelta(days=offset)
            for clock in self._clocks:
                for fold in (0, 1):
                    local = datetime.combine(day, clock.replace(fold=fold), zone)
                    found.add((local.astimezone(UTC) - _EPOCH) // _MILLISECOND)
        jump = self._jump(start, end)
        if jump is not None:
            found.add(jump)
        return {at for at in found if start <= at < end}

    def _jump(self, start: int, end: int) -> int | None:
        """The instant of a day at which the clocks are set; None if they aren't."""
        before = local_time(start, self._zone).utcoffset()
        if local_time(end, self._zone).utcoffset() == before:
            return None
        while end - start > 1:
            middle = (start + end) // 2
            if local_time(middle, self._zone).utcoffset() == before:
                start = middle
            else:
                end = middle
        return end
