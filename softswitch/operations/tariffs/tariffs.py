"""Tariffs: import with a dry run, list, show, quote."""

from __future__ import annotations

from collections.abc import Sequence

from billing.facts.authorization import ReplaceTariff, UndoTariff
from billing.facts.cdr import show_stamp
from billing.facts.money import format_amount
from billing.facts.product import Destinations
from billing.facts.rate import Rate
from billing.facts.tariff import ON_NET, SET, TariffDiff, Terms, diff
from billing.formats.rate_sheet import LineError, TariffImport, read_csv
from billing.stores import sales_store, tariff_store
from softswitch.admission.quoting import quote, quote_row
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.accounts.accounts import DEFAULT_TARIFF, tariff_name
from softswitch.operations.context import Context
from softswitch.operations.pages import rows_asked
from softswitch.operations.tariffs.tariff_terms import find_tariff, tariff_known, terms_row
from softswitch.operations.times import read_time
from softswitch.subscribers.refusal import Refusal

MAX_SHOWN_ERRORS = 50
MAX_SHOWN_CHANGES = 100_000
"""Rates of an import that are listed one by one; all of them count in the sums."""


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
    old = find_tariff(context, name)
    unit = currency or (old.currency if old is not None else context.config.switch.currency)
    terms = Terms(context.config.switch.time_zone) if old is None else old.terms
    read = read_csv(text, name, unit.upper(), terms.zone)
    old_rates = old.rates if old is not None else ()
    rates = merged(old_rates, read.rates, context.now_ms())
    errors = read.errors or _unknown(context, terms, read, rates)
    if errors:
        shown = tuple(f"{file_name}: {error}" for error in errors[:MAX_SHOWN_ERRORS])
        raise OperationError("import_file_failed", shown, file=file_name, count=len(errors))
    if not dry_run:
        note = f"import of {file_name}"
        context.do(ReplaceTariff(name, unit.upper(), rates, terms, context.now_ms(), note))
        context.changes.tariffs.add(name)
    found = diff(old_rates, rates)
    return {
        "tariff": name,
        "currency": unit.upper(),
        "rates": len(rates),
        "imported": 0 if dry_run else len(rates),
        **_counts(found),
    }


def _unknown(
    context: Context, terms: Terms, read: TariffImport, rates: Sequence[Rate]
) -> list[LineError]:
    """Rates whose interval or destination set isn't there, or that count in an interval only."""
    intervals = {"", *(interval.name for interval in terms.intervals)}
    with context.billing.reading() as connection:
        sets = {SET + name for name in sales_store.destinations(connection)}
    always = {rate.prefix for rate in rates if not rate.interval}
    errors = []
    for rate in read.rates:
        problem = None
        if rate.interval not in intervals:
            problem = f"there is no interval {rate.interval!r}: `softswitch tariff set` makes one"
        elif rate.prefix.startswith(SET) and rate.prefix not in sets:
            problem = f"there is no destination set {rate.prefix}: `destination set` makes one"
        elif rate.prefix not in always:
            problem = f"prefix {rate.prefix} has a price for {rate.interval} only, none for always"
        if problem is not None:
            errors.append(LineError(read.lines[rate.key], problem))
    return errors


def tariff_undo(context: Context, name: str = DEFAULT_TARIFF, dry_run: bool = False) -> Row:
    """Make a tariff what it was before its last import or change, as its next version; what
    priced calls stays as it was. Returns which rates change."""
    now = tariff_known(context, name)
    with context.billing.reading() as connection:
        back = tariff_store.before_last(connection, name)
    if back is None:
        raise OperationError("tariff_nothing_to_undo", tariff=name)
    undone, before = back
    if not dry_run:
        context.do(UndoTariff(name, undone.version, context.now_ms()))
        context.changes.tariffs.add(name)
    found = diff(now.rates, before.rates)
    return {
        "tariff": name,
        "undone": undone.note,
        "made_at": show_stamp(undone.made_at),
        "rates": len(before),
        **_counts(found),
    }


def tariff_versions(context: Context, name: str = DEFAULT_TARIFF) -> list[Row]:
    """Every version of a tariff, the oldest first."""
    tariff_known(context, name)
    with context.billing.reading() as connection:
        found = tariff_store.versions(connection, name)
    return [{"version": v.version, "made_at": show_stamp(v.made_at), "what": v.note} for v in found]


def merged(old: Sequence[Rate], new: Sequence[Rate], now_ms: int) -> list[Rate]:
    """The price list that is in force after importing `new` over `old`."""
    begins: dict[tuple[str, str], int] = {}
    for rate in new:
        what = rate.prefix, rate.interval
        begins[what] = min(rate.effective_from, begins.get(what, rate.effective_from))
    all_to_come = all(rate.effective_from > now_ms for rate in new)

    def stays(rate: Rate) -> bool:
        begin = begins.get((rate.prefix, rate.interval))
        return all_to_come if begin is None else rate.effective_from < begin

    return [*filter(stays, old), *new]


def tariff_list(context: Context) -> list[Row]:
    return [
        terms_row(tariff.name, tariff.currency, tariff.terms) | {"rates": len(tariff)}
        for tariff in context.billing.tariffs()
    ]


def tariff_show(
    context: Context,
    name: str = DEFAULT_TARIFF,
    limit: int | None = None,
    after: str | None = None,
    search: str | None = None,
) -> list[Row]:
    """The prices of a tariff by prefix.

    Args:
        after: prefixes that stand after this one: the last of the page before.
        search: how the prefix begins.
    """
    rows = None if limit is None else rows_asked(limit)
    rates = tariff_known(context, name).rates
    if limit is not None or after is not None:
        rates = tuple(sorted(rates, key=lambda rate: rate.prefix))
    wanted = (search or "").removeprefix("+")
    if search is not None:
        rates = tuple(rate for rate in rates if rate.prefix.startswith(wanted))
    if after is not None:
        rates = tuple(rate for rate in rates if rate.prefix > after)
    if rows is not None and rows < len(rates):
        # All rates of a prefix stand on one page, since the cursor is a prefix.
        last = rates[rows - 1].prefix
        rates = tuple(rate for rate in rates if rate.prefix <= last)
    return [rate_row(rate) for rate in rates]


def tariff_quote(
    context: Context,
    number: str,
    name: str = DEFAULT_TARIFF,
    seconds: int = 60,
    at: str | None = None,
    line: str | None = None,
) -> Row:
    """The price of a call of so many seconds to a number: by a tariff, or for a line, as it dials,
    by its own tariff, with its packages and the trunk that would be tried first."""
    at_ms = context.now_ms() if at is None else read_time(at, context.config.switch.time_zone)
    if line is not None:
        return _quote_line(context, line, number, at_ms, seconds)
    tariff = tariff_known(context, name)
    if number == ON_NET:
        e164, rate = ON_NET, tariff.find_on_net(at_ms)
    else:
        e164 = context.number(number)
        with context.billing.reading() as connection:
            sets = Destinations(sales_store.destinations(connection))
        rate = tariff.find(e164[1:], at_ms, sets)
    if rate is None:
        raise OperationError("rate_not_found", tariff=name, number=e164)
    asked = quote(rate, seconds, at_ms)
    row = {"number": e164, "tariff": name, **rate_row(asked.rate), **quote_row(asked)}
    return _for_audience(context, row | _tolerance(context))


def _quote_line(context: Context, line: str, number: str, at_ms: int, seconds: int) -> Row:
    from softswitch.operations.calls import explanation as explain

    found = context.line(line)
    try:
        row = explain.quote_call(context, found, number, at_ms=at_ms, seconds=seconds)
    except Refusal as refusal:
        raise OperationError(
            "call_refused",
            line=found.number,
            number=number,
            status=refusal.status,
            reason=refusal.reason,
            rule=refusal.rule,
        ) from None
    return _for_audience(context, row | _tolerance(context))


def _tolerance(context: Context) -> Row:
    """How far a call may exceed a whole second and still be billed as that: it decides the price at
    an increment's border."""
    return {"tolerance_ms": context.config.calls.tolerance_ms}


def _for_audience(context: Context, row: Row) -> Row:
    """A subscriber sees the price; by which trunk and for how much is the operator's own."""
    hidden = ("trunk", "cost", "cost_currency", "margin") if context.actor.is_subscriber else ()
    return {key: value for key, value in row.items() if key not in hidden}


def _counts(found: TariffDiff) -> Row:
    return {
        "new": len(found.new),
        "up": len(found.up),
        "down": len(found.down),
        "changed": len(found.changed),
        "closed": len(found.closed),
        "unchanged": found.unchanged,
        "changes": _changes(found)[:MAX_SHOWN_CHANGES],
    }


def _changes(found: TariffDiff) -> list[Row]:
    rows = [_change("new", rate) for rate in found.new]
    rows += [_change("up", new, old) for old, new in found.up]
    rows += [_change("down", new, old) for old, new in found.down]
    rows += [_change("changed", new, old) for old, new in found.changed]
    rows += [_change("closed", rate) for rate in found.closed]
    return rows


def _change(what: str, rate: Rate, old: Rate | None = None) -> Row:
    before = format_amount(old.per_minute_micros) if old is not None else None
    return {"change": what, **rate_row(rate), "old_per_minute": before}


def rate_row(rate: Rate) -> Row:
    """A rate as people and scripts read it."""
    return {
        "prefix": rate.prefix,
        "destination": rate.destination,
        "connect_fee": format_amount(rate.connect_fee_micros),
        "per_minute": format_amount(rate.per_minute_micros),
        "initial_increment": rate.initial_increment_seconds,
        "increment": rate.increment_seconds,
        "grace_seconds": rate.grace_seconds,
        "minimum": format_amount(rate.minimum_micros),
        "interval": rate.interval,
        "effective_from": show_stamp(rate.effective_from) if rate.effective_from else None,
        "currency": rate.currency,
    }
