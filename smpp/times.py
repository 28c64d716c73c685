"""Times of SMPP (section 7.1.1 of 3.4): absolute with a quarter-hour offset, or relative.

YYMMDDhhmmsstnnp    t tenths of a second, nn quarters of an hour from UTC, p "+" or "-"
YYMMDDhhmmss000R    that long after the SMS centre took the message
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

_DAYS_OF_A_YEAR, _DAYS_OF_A_MONTH = 365, 30


def parse(text: str, now: float) -> float | None:
    """Epoch seconds of a time, or None for an empty one. Raises ValueError."""
    if not text:
        return None
    if len(text) != 16 or not (text[:15].isascii() and text[:15].isdigit()):
        raise ValueError(f"{text!r} is no SMPP time")
    years, months, days, hours, minutes, seconds = (int(text[i : i + 2]) for i in range(0, 12, 2))
    if text[15] == "R":
        days += _DAYS_OF_A_YEAR * years + _DAYS_OF_A_MONTH * months
        return (
            now
            + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
        )
    if text[15] not in "+-" or int(text[13:15]) > 48:
        raise ValueError(f"{text!r} is no SMPP time")
    offset = timedelta(minutes=15 * int(text[13:15]))
    zone = timezone(offset if text[15] == "+" else -offset)
    when = datetime(2000 + years, months, days, hours, minutes, seconds, tzinfo=zone)
    return when.timestamp() + int(text[12]) / 10


def absolute(when: float) -> str:
    """A time in epoch seconds as SMPP writes it, in UTC."""
    return datetime.fromtimestamp(when, UTC).strftime("%y%m%d%H%M%S") + "000+"
