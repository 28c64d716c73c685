"""Times as operators write them."""

from __future__ import annotations

import datetime
import zoneinfo

from softswitch.control.errors import OperationError

YEARS = 1971, 9998
"""A stamp before the epoch, or one that a zone takes beyond the calendar, can't be shown."""


def read_time(text: str, time_zone: str) -> int:
    """RFC 3339, or a date or date and time in the switch's zone; epoch milliseconds. Raises
    OperationError."""
    try:
        read = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise OperationError("time_malformed", value=text) from None
    if not YEARS[0] <= read.year <= YEARS[1]:
        raise OperationError("time_out_of_range", value=text, first=YEARS[0], last=YEARS[1])
    if read.tzinfo is None:
        read = read.replace(tzinfo=zoneinfo.ZoneInfo(time_zone))
    return round(read.timestamp() * 1000)
