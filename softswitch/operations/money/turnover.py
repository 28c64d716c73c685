"""The turnover of a month: what accounts were given and charged, by kind of entry."""

from __future__ import annotations

import re
from datetime import timedelta

from billing.facts.bill import month_days
from billing.facts.calendar import day_start, local_day
from billing.facts.money import format_amount
from billing.stores import turnover
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context

_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")


def ledger_turnover(context: Context, month: str | None = None) -> list[Row]:
    """What the accounts of subscribers were given and charged in a month, by kind of entry and
    currency. Payments that were taken back are a kind of their own.

    Args:
        month: of the operator's calendar, such as 2027-01; by default the present one.
    """
    name, start, end = month_between(context, month)
    with context.billing.reading() as connection:
        found = turnover.turnover(connection, start, end)
    return [
        {
            "month": name,
            "kind": one.kind,
            "currency": one.currency,
            "entries": one.entries,
            "credits": format_amount(one.credits_micros),
            "debits": format_amount(one.debits_micros),
            "amount": format_amount(one.credits_micros + one.debits_micros),
        }
        for one in found
    ]


def month_between(context: Context, month: str | None) -> tuple[str, int, int]:
    """The name of a month, its first instant and that of the next one (epoch milliseconds).

    Args:
        month: None: the present one.

    Raises:
        OperationError: it isn't written like 2027-01.
    """
    zone = context.config.switch.time_zone
    name = f"{local_day(context.now_ms(), zone):%Y-%m}" if month is None else month
    if _MONTH.fullmatch(name) is None:
        raise OperationError("month_malformed", value=name)
    first, last = month_days(name)
    return name, day_start(first, zone), day_start(last + timedelta(days=1), zone)
