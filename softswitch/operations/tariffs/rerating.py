"""Re-rating: prices of a period by the tariffs as they are now, and the corrections that follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from billing.facts.cdr import show_stamp
from billing.facts.money import format_amount
from billing.facts.product import Destinations
from billing.facts.rate import Rate
from billing.facts.rerating import CorrectPrice, RatedCall, rate_by
from billing.facts.tariff import Tariff
from billing.stores import rerating_store, sales_store, tariff_store
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.tariffs.tariff_terms import tariff_known
from softswitch.operations.times import read_time

PAGE = 500
"""Calls that are corrected together: a batch that locks their accounts only shortly."""
MAX_SHOWN_CALLS = 1000
"""Changed calls that are listed one by one; all of them count in the sums."""


@dataclass
class _Sums:
    """Sums over the calls of one account by one tariff."""

    calls: int = 0
    changed: int = 0
    before_micros: int = 0
    after_micros: int = 0


@dataclass
class _Report:
    sums: dict[tuple[int, str, str], _Sums] = field(default_factory=dict)
    changes: list[Row] = field(default_factory=list)
    unpriced: int = 0
    posted: int = 0
    refused: list[str] = field(default_factory=list)


def rerate(
    context: Context,
    since: str,
    until: str,
    account: str | None = None,
    tariff: str | None = None,
    by_tariff: str | None = None,
    dry_run: bool = False,
    note: str = "",
) -> Row:
    """Price a period's calls again by their tariffs as they are now, or by another one, and post
    each difference as a correction. CDRs and entries of before stay as they are; doing it again
    changes nothing, and after a crash it goes on where it was.

    Args:
        since: of the calls' setup.
        until: not included.
        tariff: only calls that were priced by it.
        by_tariff: the tariff to price by; None: each call's own.
    """
    zone = context.config.switch.time_zone
    start, end = read_time(since, zone), read_time(until, zone)
    if end <= start:
        raise OperationError("times_reversed", until=until, since=since)
    owner = None if account is None else context.account(account).id
    for name in (tariff, by_tariff):
        if name is not None:
            tariff_known(context, name)
    report = _Report()
    for calls in _pages(context, start, end, owner, tariff):
        _correct(context, calls, by_tariff, dry_run, note, report)
    return _row(report, dry_run)


def cdr_corrections(context: Context, account: str | None = None) -> list[Row]:
    """Prices that were corrected, the oldest first."""
    owner = None if account is None else context.account(account).id
    with context.billing.reading() as connection:
        found = rerating_store.made(connection, owner)
    return [
        {
            "at": show_stamp(item.at),
            "cdr": item.cdr_id,
            "number": item.number,
            "account": item.account_id,
            "price": format_amount(item.price_micros),
            "posted": format_amount(item.posted_micros),
            "note": item.note,
        }
        for item in found
    ]


def _pages(
    context: Context, start: int, end: int, account: int | None, tariff: str | None
) -> Iterator[list[RatedCall]]:
    after = None
    while True:
        with context.billing.reading() as connection:
            calls = rerating_store.rated_calls(connection, start, end, account, tariff, after, PAGE)
        if not calls:
            return
        yield calls
        after = calls[-1].cdr


def _correct(
    context: Context,
    calls: list[RatedCall],
    by_tariff: str | None,
    dry_run: bool,
    note: str,
    report: _Report,
) -> None:
    """A page of calls: sum them up, and post what differs."""
    with context.billing.reading() as connection:
        names = {by_tariff or call.rate.tariff for call in calls}
        tariffs = {
            name: found[0] for name in names if (found := tariff_store.tariffs(connection, name))
        }
        sets = Destinations(sales_store.destinations(connection))
    commands: list[CorrectPrice] = []
    for call in calls:
        rate = _right(call, tariffs.get(by_tariff or call.rate.tariff), sets)
        if rate is None:
            report.unpriced += 1
        elif _changes(call, rate, report):
            assert call.cdr.account is not None
            commands.append(
                CorrectPrice(
                    account_id=call.cdr.account,
                    at=context.now_ms(),
                    cdr_id=call.cdr.id,
                    rate=rate,
                    note=note,
                )
            )
    if dry_run or not commands:
        return
    for command, result in zip(commands, context.apply(commands), strict=True):
        if isinstance(result, Exception):
            report.refused.append(f"{command.cdr_id}: {result}")
        elif result is not None:
            report.posted += 1
            context.changes.accounts.add(command.account_id)


def _right(call: RatedCall, tariff: Tariff | None, sets: Destinations) -> Rate | None:
    return None if tariff is None else rate_by(tariff, call.cdr, sets)


def _changes(call: RatedCall, rate: Rate, report: _Report) -> bool:
    """Sum a call up; whether it costs something else by this rate."""
    cdr, price = call.cdr, call.charge(rate).price_micros
    key = (cdr.account or 0, rate.tariff, rate.currency)
    sums = report.sums.setdefault(key, _Sums())
    sums.calls += 1
    sums.before_micros += call.price_micros
    sums.after_micros += price
    if price == call.price_micros:
        return False
    sums.changed += 1
    if len(report.changes) < MAX_SHOWN_CALLS:
        report.changes.append(
            {
                "cdr": cdr.id,
                "account": cdr.account,
                "called": cdr.called,
                "setup_at": show_stamp(cdr.setup_at),
                "tariff": rate.tariff,
                "prefix": rate.prefix,
                "price": format_amount(call.price_micros),
                "right": format_amount(price),
            }
        )
    return True


def _row(report: _Report, dry_run: bool) -> Row:
    accounts: list[Row] = [
        {
            "account": account,
            "tariff": tariff,
            "calls": sums.calls,
            "changed": sums.changed,
            "price": format_amount(sums.before_micros),
            "right": format_amount(sums.after_micros),
            "difference": format_amount(sums.after_micros - sums.before_micros),
            "currency": currency,
        }
        for (account, tariff, currency), sums in sorted(report.sums.items())
    ]
    return {
        "calls": sum(sums.calls for sums in report.sums.values()) + report.unpriced,
        "changed": sum(sums.changed for sums in report.sums.values()),
        "without_price": report.unpriced,
        "posted": report.posted,
        "dry_run": dry_run,
        "refused": report.refused,
        "accounts": accounts,
        "changes": report.changes,
    }
