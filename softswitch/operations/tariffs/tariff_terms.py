"""Terms of tariffs beside their rates, and their assignment to accounts and lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar
from zoneinfo import ZoneInfo

from billing.facts.assignment import Assignment
from billing.facts.authorization import AssignTariff, ReplaceTariff
from billing.facts.cdr import show_stamp
from billing.facts.intervals import MAX_HOLIDAYS, MAX_INTERVALS, Interval, read_holiday
from billing.facts.tariff import Tariff, Terms
from billing.stores import tariff_store
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.accounts.accounts import read_currency, tariff_name
from softswitch.operations.context import Context
from softswitch.operations.times import read_time

T = TypeVar("T")


def tariff_set(
    context: Context,
    name: str,
    time_zone: str | None = None,
    intervals: Sequence[str] | None = None,
    holidays: Sequence[str] | None = None,
    fee_deductible: bool | None = None,
    currency: str | None = None,
) -> Row:
    """Change what a tariff says beside its rates, as its next version; a new tariff is made.
    What isn't given stays; [""] takes all intervals or holidays away."""
    known = find_tariff(context, tariff_name(name))
    terms = Terms(context.config.switch.time_zone) if known is None else known.terms
    if time_zone is not None:
        terms = replace(terms, zone=_zone(time_zone))
    if intervals is not None:
        terms = replace(
            terms, intervals=_each(intervals, Interval.parse, MAX_INTERVALS, "intervals")
        )
    if holidays is not None:
        terms = replace(terms, holidays=_each(holidays, read_holiday, MAX_HOLIDAYS, "holidays"))
    if fee_deductible is not None:
        terms = replace(terms, fee_deductible=fee_deductible)
    _keep_used(known, terms)
    unit = read_currency(currency or (known.currency if known else context.config.switch.currency))
    rates = () if known is None else known.rates
    if known is not None and unit != known.currency and rates:
        raise OperationError("tariff_prices_currency", tariff=name, currency=known.currency)
    context.do(ReplaceTariff(name, unit, rates, terms, context.now_ms(), "terms set"))
    context.changes.tariffs.add(name)
    return terms_row(name, unit, terms)


def tariff_assign(
    context: Context, account: str, tariff: str, line: str | None = None, start: str | None = None
) -> Row:
    """Let calls of an account, or of one line, go by another tariff from an instant on."""
    owner, now = context.account(account), context.now_ms()
    unit = tariff_known(context, tariff).currency
    if unit != owner.currency:
        raise OperationError(
            "tariff_account_currency",
            account=owner.id,
            currency=owner.currency,
            tariff=tariff,
            unit=unit,
        )
    number = None
    if line is not None:
        found = context.line(line)
        if found.account_id != owner.id:
            raise OperationError("line_of_other_account", line=found.number, account=owner.id)
        number = found.number
    from_at = now if start is None else read_time(start, context.config.switch.time_zone)
    made = context.do(AssignTariff(owner.id, number, tariff, from_at, now))
    context.changes.accounts.add(owner.id)
    return _assignment_row(made)


def tariff_assignments(context: Context, account: str) -> list[Row]:
    """Assignments of tariffs to an account and its lines, in the order in which they were made."""
    owner = context.account(account)
    with context.billing.reading() as connection:
        found = tariff_store.assignments(connection, [owner.id])
    first = Assignment(owner.id, None, owner.tariff, 0)
    return [_assignment_row(item) for item in (first, *found)]


def find_tariff(context: Context, name: str) -> Tariff | None:
    with context.billing.reading() as connection:
        return next(iter(tariff_store.tariffs(connection, name)), None)


def tariff_known(context: Context, name: str) -> Tariff:
    """Raises OperationError if there is none."""
    found = find_tariff(context, name)
    if found is None:
        raise OperationError("tariff_not_found", tariff=name)
    return found


def terms_row(name: str, currency: str, terms: Terms) -> Row:
    return {
        "name": name,
        "currency": currency,
        "time_zone": terms.zone,
        "intervals": [str(interval) for interval in terms.intervals],
        "holidays": list(terms.holidays),
        "fee_deductible": terms.fee_deductible,
    }


def _assignment_row(item: Assignment) -> Row:
    return {
        "account": item.account_id,
        "line": item.line,
        "tariff": item.tariff,
        "from": show_stamp(item.from_at) if item.from_at else None,
    }


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise OperationError("time_zone_unknown", name=name) from None
    return name


def _each(texts: Sequence[str], read: Callable[[str], T], most: int, what: str) -> tuple[T, ...]:
    texts = [text for text in texts if text.strip()]
    if len(texts) > most:
        raise OperationError("entries_too_many", most=most, what=what)
    try:
        return tuple(map(read, texts))
    except ValueError as error:
        raise OperationError("interval_malformed", reason=error) from None


def _keep_used(known: Tariff | None, terms: Terms) -> None:
    """An interval that rates name can't go away."""
    names = {interval.name for interval in terms.intervals}
    for rate in () if known is None else known.rates:
        if rate.interval and rate.interval not in names:
            raise OperationError("interval_in_use", prefix=rate.prefix, interval=rate.interval)
