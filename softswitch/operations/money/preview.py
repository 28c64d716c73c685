"""A preview of what is due: debits, renewals, bills and suspensions to come."""

from __future__ import annotations

import datetime
import zoneinfo

from billing.facts.cdr import show_stamp
from billing.facts.money import format_amount
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.times import read_time
from softswitch.scheduled.due import due_settings
from softswitch.scheduled.rehearsal import Happening, rehearse

MAX_DAYS = 800
"""Two years and a bit: what is sold by then has other prices."""
DAY_MS = 86_400_000


def preview(context: Context, until: str, account: str | None = None) -> list[Row]:
    """What will be debited, renewed, billed and suspended until a date (its whole day) or a time,
    and when, if there is no call, payment or change. Nothing is written."""
    zone, now = context.config.switch.time_zone, context.now_ms()
    end = _end(until, zone)
    if end <= now:
        raise OperationError("preview_end_past", until=until)
    if end > now + MAX_DAYS * DAY_MS:
        raise OperationError("preview_too_long", days=MAX_DAYS, until=until)
    owner = None if account is None else context.account(account).id
    settings = due_settings(context.config)
    return [_row(each) for each in rehearse(context.billing, now, end, zone, settings, owner)]


def _end(until: str, zone: str) -> int:
    """Epoch milliseconds; of a date the end of its day."""
    start = read_time(until, zone)
    try:
        day = datetime.date.fromisoformat(until.strip())
    except ValueError:
        return start
    following = day + datetime.timedelta(days=1)
    midnight = datetime.datetime.combine(following, datetime.time(), zoneinfo.ZoneInfo(zone))
    return round(midnight.timestamp() * 1000) - 1


def _row(each: Happening) -> Row:
    return {
        "at": show_stamp(each.at),
        "account": each.account_id,
        "what": each.what,
        "kind": each.kind,
        "about": each.about,
        "amount": None if each.amount_micros is None else format_amount(each.amount_micros),
        "balance": None if each.balance_micros is None else format_amount(each.balance_micros),
        "currency": each.currency,
    }
