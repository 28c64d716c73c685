"""Quiet hours: when texts of batches wait, by the clock of the recipient's country.

A country with several time zones is quiet while it is in any of them, since a number doesn't say
where its phone is.
"""

from __future__ import annotations

import datetime
import re
import zoneinfo
from functools import cache, lru_cache
from importlib import resources

import phonenumbers

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_TRIES = 8
"""Turns over a country's zones; one whose zones leave no hour open has its first zone's."""


class QuietHours:
    """The hours of a day in which no text of a batch goes.

    Args:
        text: "22:00-08:00", or "" for none. Raises ValueError for anything else.
    """

    def __init__(self, text: str) -> None:
        self._start = self._end = 0
        if text:
            found = _HOURS.fullmatch(text)
            if found is None:
                raise ValueError(f"{text!r}: write quiet hours like 22:00-08:00")
            hours = [int(part) for part in found.groups()]
            self._start, self._end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
        self._opening = lru_cache(maxsize=4096)(self._open_at)

    def __bool__(self) -> bool:
        return self._start != self._end

    def due(self, number: str, at: int) -> int:
        """When a text to a number may go that is to go at an instant; epoch milliseconds."""
        return self._opening(zones_of(number), at) if self else at

    def _open_at(self, zones: tuple[str, ...], at: int) -> int:
        moment = at
        for _ in range(_TRIES):
            ends = [end for zone in zones if (end := self._end_of_quiet(zone, moment)) is not None]
            if not ends:
                return moment
            moment = max(ends)
        return self._open_at(zones[:1], at) if len(zones) > 1 else moment

    def _end_of_quiet(self, zone: str, at: int) -> int | None:
        """When the quiet hours end that an instant is in; None: it is in none."""
        there = datetime.datetime.fromtimestamp(at / 1000, zoneinfo.ZoneInfo(zone))
        minute = there.hour * 60 + there.minute
        over_midnight = self._start > self._end
        if over_midnight:
            quiet = minute >= self._start or minute < self._end
        else:
            quiet = self._start <= minute < self._end
        if not quiet:
            return None
        day = there.date()
        if over_midnight and minute >= self._start:
            day += datetime.timedelta(days=1)
        clock = datetime.time(self._end // 60, self._end % 60)
        end = datetime.datetime.combine(day, clock, zoneinfo.ZoneInfo(zone))
        # An end that a change of the clocks leaves out is passed over with the hour.
        return max(round(end.timestamp() * 1000), at + 60_000)


def zones_of(number: str) -> tuple[str, ...]:
    """The time zones of an E.164 number's country; UTC if it has none."""
    return _zones_by_region().get(_region_of(number[:8], len(number)), ("UTC",))


@lru_cache(maxsize=65_536)
def _region_of(beginning: str, length: int) -> str:
    """The country of numbers that begin so (+1 and +7 have several countries)."""
    number = beginning + "0" * max(0, length - len(beginning))
    try:
        read = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ""
    region = phonenumbers.region_code_for_number(read)
    if region is None and read.country_code is not None:
        region = phonenumbers.region_code_for_country_code(read.country_code)
    return region or ""


@cache
def _zones_by_region() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    table = resources.files("tzdata").joinpath("zoneinfo/zone.tab").read_text("utf-8")
    for line in table.splitlines():
        if line and not line.startswith("#"):
            region, _, zone, *_ = line.split("\t")
            found.setdefault(region, []).append(zone)
    return {region: tuple(zones) for region, zones in found.items()}
