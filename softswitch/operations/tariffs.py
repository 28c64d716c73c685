"""Tariffs: import with a dry run, list, show, quote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from billing.authorization import ReplaceTariff
from billing.cdr import show_stamp
from billing.money import format_amount
from billing.rating import charge
from billing.tariff import ON_NET, Rate, Tariff, TariffDiff, diff, read_csv
from softswitch.operations.accounts import DEFAULT_TARIFF, tariff_name
from softswitch.operations.context import Context
from softswitch.operations.errors import OperationError
from softswitch.operations.times import read_time

Row = dict[str, Any]

MAX_SHOWN_ERRORS = 50


def tariff_import(
    context: Context,
    text: str,
    file_name: str = "tariff",
    name: str = DEFAULT_TARIFF,
    currency: str | None = None,
    dry_run: bool = False,
) -> Row:
    """Put a price list in the place of the tariff `name`; returns how many rates change, and
    each of them under "changes".

    A rate that the file's dates supersede later stays until then. A prefix that the file doesn't
    have is closed, unless the whole file is still to come."""
    name = tariff_name(name)
    old = _tariff(context, name)
    unit = currency or (old.currency if old is not None else context.config.switch.currency)
    read = read_csv(text, name, unit.upper())
    if read.errors:
        shown = tuple(f"{file_name}: {error}" for error in read.errors[:MAX_SHOWN_ERRORS])
        raise OperationError(
            f"nothing was imported from {file_name}: {len(read.errors)} faults; mend them and "
            "import again",
            shown,
        )
    old_rates = old.rates if old is not None else ()
    rates = merged(old_rates, read.rates, context.now_ms())
    if not dry_run:
        context.do(ReplaceTariff(name, unit.upper(), rates))
        context.changes.tariffs.add(name)
    found = diff(old_rates, rates)
    return {
        "tariff": name,
        "currency": unit.upper(),
        "rates": len(rates),
        "imported": 0 if dry_run else len(rates),
        "new": len(found.new),
        "up": len(found.up),
        "down": len(found.down),
        "changed": len(found.changed),
        "closed": len(found.closed),
        "unchanged": found.unchanged,
        "changes": _changes(found),
    }


def merged(old: Sequence[Rate], new: Sequence[Rate], now_ms: int) -> list[Rate]:
    """The price list that is in force after importing `new` over `old`."""
    begins: dict[str, int] = {}
    for rate in new:
        begins[rate.prefix] = min(rate.effective_from, begins.get(rate.prefix, rate.effective_from))
    all_to_come = all(rate.effective_from > now_ms for rate in new)
    kept = [
        rate
        for rate in old
        if (rate.effective_from < begins[rate.prefix] if rate.prefix in begins else all_to_come)
    ]
    return [*kept, *new]


def tariff_list(context: Context) -> list[Row]:
    return [
        {"name": tariff.name, "currency": tariff.currency, "rates": len(tariff.rates)}
        for tariff in context.billing.tariffs()
    ]


def tariff_show(context: Context, name: str = DEFAULT_TARIFF) -> list[Row]:
    return [_rate_row(rate) for rate in _known(context, name).rates]


def tariff_quote(
    context: Context,
    number: str,
    name: str = DEFAULT_TARIFF,
    seconds: int = 60,
    at: str | None = None,
) -> Row:
    """What a call of so many seconds to a number costs."""
    tariff = _known(context, name)
    at_ms = context.now_ms() if at is None else read_time(at, context.config.switch.time_zone)
    if number == ON_NET:
        e164, rate = ON_NET, tariff.find_on_net(at_ms)
    else:
        e164 = context.number(number)
        rate = tariff.find(e164[1:], at_ms)
    if rate is None:
        raise OperationError(f"tariff {name!r} has no rate for {e164} at that time")
    cost = charge(rate, seconds * 1000)
    return {
        "number": e164,
        **_rate_row(rate),
        "seconds": seconds,
        "billed_seconds": cost.billed_seconds,
        "price": format_amount(cost.price_micros),
    }


def _tariff(context: Context, name: str) -> Tariff | None:
    return next((tariff for tariff in context.billing.tariffs() if tariff.name == name), None)


def _known(context: Context, name: str) -> Tariff:
    found = _tariff(context, name)
    if found is None:
        raise OperationError(f"there is no tariff {name!r}; `softswitch tariff list` shows them")
    return found


def _changes(found: TariffDiff) -> list[Row]:
    rows = [_change("new", rate) for rate in found.new]
    rows += [_change("up", new, old) for old, new in found.up]
    rows += [_change("down", new, old) for old, new in found.down]
    rows += [_change("changed", new, old) for old, new in found.changed]
    rows += [_change("closed", rate) for rate in found.closed]
    return rows


def _change(what: str, rate: Rate, old: Rate | None = None) -> Row:
    before = format_amount(old.per_minute_micros) if old is not None else None
    return {"change": what, **_rate_row(rate), "old_per_minute": before}


def _rate_row(rate: Rate) -> Row:
    return {
        "prefix": rate.prefix,
        "destination": rate.destination,
        "connect_fee": format_amount(rate.connect_fee_micros),
        "per_minute": format_amount(rate.per_minute_micros),
        "initial_increment": rate.initial_increment_seconds,
        "increment": rate.increment_seconds,
        "grace_seconds": rate.grace_seconds,
        "effective_from": show_stamp(rate.effective_from) if rate.effective_from else None,
        "currency": rate.currency,
    }
