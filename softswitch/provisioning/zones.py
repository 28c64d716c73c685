"""Time zones for phones: the offset from UTC and the rules of summer time, without a name.

Phones know few of the IANA names, each vendor others and under numbers of its own, but all of them
take an offset and rules. Both stand in the POSIX TZ string (POSIX.1-2017 section 8.3) that ends a
zone's file (RFC 8536 section 3.3), for instance "GMT0BST,M3.5.0/1,M10.5.0".
"""

from __future__ import annotations

import re

from msgspec import Struct

_NAME = r"(?:<[0-9A-Za-z+\-]+>|[A-Za-z]{3,})"
_TIME = r"[+\-]?[0-9]{1,3}(?::[0-9]{2}){0,2}"
_RULE = rf"M([0-9]{{1,2}})\.([1-5])\.([0-6])(?:/({_TIME}))?"
_POSIX = re.compile(rf"{_NAME}({_TIME})(?:{_NAME}({_TIME})?,{_RULE},{_RULE})?")


class Change(Struct, frozen=True):
    """The moment at which the clock is changed, each year."""

    month: int
    week: int
    """1 to 4, or 5 for the last."""
    weekday: int
    """0: Sunday."""
    minutes: int
    """Of local time, after midnight."""


class Summer(Struct, frozen=True):
    """Summer time."""

    start: Change
    end: Change
    saved_minutes: int


class Zone(Struct, frozen=True):
    """A time zone as phones are told of it."""

    posix: str
    offset_minutes: int
    """East of Greenwich, in winter."""
    summer: Summer | None

    @property
    def hours(self) -> str:
        """The offset as "+4", "+3:30" or "0"."""
        sign = "-" if self.offset_minutes < 0 else "+"
        hours, minutes = divmod(abs(self.offset_minutes), 60)
        if not hours and not minutes:
            return "0"
        return f"{sign}{hours}:{minutes:02}" if minutes else f"{sign}{hours}"


UTC = Zone("UTC0", 0, None)


def zone_of(posix: str) -> Zone:
    """The zone of a POSIX TZ string. Raises ValueError for one with rules by the day of the year,
    which no zone of today has."""
    found = _POSIX.fullmatch(posix)
    if found is None:
        raise ValueError(f"{posix!r} is no time zone that phones can be told of")
    # POSIX counts offsets west of Greenwich.
    offset = -_minutes(found[1])
    if found[3] is None:
        return Zone(posix, offset, None)
    summer = -_minutes(found[2]) if found[2] else offset + 60
    start = _change(found[3], found[4], found[5], found[6])
    end = _change(found[7], found[8], found[9], found[10])
    return Zone(posix, offset, Summer(start, end, summer - offset))


def _change(month: str, week: str, weekday: str, time: str | None) -> Change:
    return Change(int(month), int(week), int(weekday), _minutes(time or "2"))


def _minutes(time: str) -> int:
    sign = -1 if time.startswith("-") else 1
    hours, _, rest = time.lstrip("+-").partition(":")
    return sign * (int(hours) * 60 + int(rest[:2] or 0))
