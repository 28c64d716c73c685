"""Statements of an account: every posting, and every call both ways (A18, C1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from billing.facts.cdr import TYPES, Cdr, media_row, show_stamp
from billing.facts.ledger import Entry
from billing.facts.money import format_amount, parse_amount
from billing.facts.rental import ENDED
from billing.stores import cdr_search, rental_store
from billing.stores.paging import Page
from billing.stores.store import CdrFilter
from softswitch.control.errors import OperationError, one_of
from softswitch.control.values import Row
from softswitch.operations.context import Context, rented_numbers
from softswitch.operations.pages import page_at, read_cursor
from softswitch.operations.times import read_time
from softswitch.recordings.store import RecordingStore
from softswitch.scheduled.number_moves import NUMBER_OF_LINE

MAX_CALLS = 100_000
"""On one statement; more are several statements."""
MAX_ROUND = 1_000
"""Records that are read at once while a page fills up."""
_DIRECTIONS = ("incoming", "outgoing")
"""From the account's side."""
_SECONDS = ("seconds", "billed_seconds")


def account_ledger(
    context: Context,
    account: str,
    since: str | None = None,
    until: str | None = None,
    limit: int | None = None,
    before: str | None = None,
) -> list[Row]:
    """Its postings, oldest first, with the balance after each. From a time on, the first row is
    the balance with which it begins.

    Args:
        limit: the newest so many, the newest first; not with `since` and `until`.
        before: likewise, those before the last row of the page before ("AT,ID").
    """
    start, end = _times(context, since, until)
    balance = 0
    rows: list[Row] = []
    owner = context.account(account)
    page = page_at(limit, None if before is None else read_cursor(before))
    if page is not None:
        if start is not None or end is not None:
            raise OperationError("page_of_period")
        return [
            {"id": entry.id} | _posting(entry, after)
            for entry, after in context.billing.ledger_page(owner.id, page)
        ]
    opening = start is not None
    for entry in context.billing.ledger(owner.id):
        if end is not None and entry.at >= end:
            break
        if opening and start is not None and entry.at >= start:
            rows.append(_opening(start, balance, owner.currency))
            opening = False
        balance += entry.amount_micros
        if start is None or entry.at >= start:
            rows.append(_posting(entry, balance))
    if opening and start is not None:
        rows.append(_opening(start, balance, owner.currency))
    return rows


def _posting(entry: Entry, balance: int) -> Row:
    return {
        "at": show_stamp(entry.at),
        "kind": entry.kind,
        "amount": format_amount(entry.amount_micros),
        "balance": format_amount(balance),
        "currency": entry.currency,
        "cause": entry.transaction_id,
    }


def account_calls(
    context: Context,
    account: str,
    since: str | None = None,
    until: str | None = None,
    number: str | None = None,
    kind: str | None = None,
    limit: int | None = None,
    before: str | None = None,
    line: str | None = None,
    direction: str | None = None,
    answered: bool | None = None,
) -> list[Row]:
    """Calls of an account's lines in both directions, oldest first, as the subscriber may see
    them: a caller who withheld the number isn't named. A line user sees the calls of its lines.

    Args:
        limit: the newest so many, the newest first.
        before: likewise, those before the last row of the page before ("AT,ID").
        line: the number of one of its lines, as the caller or the called.
        direction: incoming or outgoing.
        answered: False: missed calls, and those that weren't taken.
    """
    start, end = _times(context, since, until)
    owner = context.account(account)
    page = page_at(limit, None if before is None else read_cursor(before))
    fits = _Filter(
        None if number is None else context.number(number),
        None if line is None else context.line(line).number,
        one_of("direction", _DIRECTIONS, direction),
        answered,
        _own_numbers(context) if context.actor.is_line_user else None,
    )
    wanted = CdrFilter(
        start=start, end=end, account=owner.id, type=one_of("type", TYPES, kind),
        limit=MAX_CALLS + 1,
    )  # fmt: skip
    if page is not None:
        return _calls_page(context, owner.id, wanted, page, fits)
    rows = _all_calls(context, owner.id, wanted)
    return [row for row in rows if fits(row)]


def account_calls_total(
    context: Context,
    account: str,
    since: str | None = None,
    until: str | None = None,
    number: str | None = None,
    kind: str | None = None,
    line: str | None = None,
    direction: str | None = None,
    answered: bool | None = None,
) -> Row:
    """The sums of the calls that `account_calls` lists with the same filter; a price in each
    currency."""
    rows = account_calls(
        context, account, since, until, number, kind,
        line=line, direction=direction, answered=answered,
    )  # fmt: skip
    prices: dict[str, int] = {}
    for row in rows:
        if row["currency"] is not None:
            unit = str(row["currency"])
            prices[unit] = prices.get(unit, 0) + parse_amount(str(row["price"]))
    seconds, billed = (sum(int(str(row[key])) for row in rows) for key in _SECONDS)
    return {
        "calls": len(rows),
        "answered": sum(row["answered"] is True for row in rows),
        "missed": sum(row["answered"] is False and row["direction"] == "incoming" for row in rows),
        "seconds": seconds,
        "billed_seconds": billed,
        "prices": [
            {"currency": unit, "price": format_amount(micros)}
            for unit, micros in sorted(prices.items())
        ],
    }


def account_call(context: Context, account: str, call: str) -> Row:
    """A call of an account by its record's id, as the subscriber may see it: with its end, the
    sound of both sides and its recording.

    Raises OperationError with the same code for another account's call as for none.
    """
    owner = context.account(account)
    return _with_details(context, owner.id, *own_call(context, owner.id, call))


def own_call(context: Context, account_id: int, call: str) -> tuple[Cdr, Row]:
    """A record of an account's call, and its row in the list. Raises OperationError."""
    with context.billing.reading() as connection:
        records = cdr_search.of_call(connection, call.rpartition("-")[0])
    reached = _reached_by(context, account_id)
    for cdr in records:
        if cdr.id == call and _concerns(cdr, account_id, reached):
            row = _call(cdr, account_id, {had.number for had in reached})
            if not context.actor.is_line_user or row["line"] in _own_numbers(context):
                return cdr, row
    raise OperationError("account_call_not_found", account=account_id, call=call)


def _concerns(cdr: Cdr, account_id: int, reached: list[_Had]) -> bool:
    return cdr.account == account_id or any(
        cdr.called == had.number
        and (had.since is None or had.since <= cdr.setup_at)
        and (had.until is None or cdr.setup_at < had.until)
        for had in reached
    )


def _with_details(context: Context, account_id: int, cdr: Cdr, row: Row) -> Row:
    """What a call's own page shows beside the list's row."""
    own = {line.number for line in context.directory.lines_of([account_id])}
    kept = RecordingStore(context.billing.engine).of_call(
        cdr.call_id, own, cdr.setup_at, cdr.ended_at
    )
    ours = [one for one in kept if context.owns_line(context.line_of(one.line_id))]
    return (
        {"id": cdr.id}
        | row
        | {
            "dialled": cdr.called_dialled if row["direction"] == "outgoing" else None,
            "ringing_seconds": cdr.ring_ms // 1000,
            "ended_at": show_stamp(cdr.ended_at),
            "ended_by": cdr.ended_by,
            "sip_status": cdr.sip_status,
            "answered_by": cdr.answered_by,
            "sound": None if cdr.media is None else media_row(cdr.media),
            "recordings": [one.id for one in ours if one.state != "recording"],
        }
    )


def _all_calls(context: Context, account_id: int, wanted: CdrFilter) -> list[Row]:
    """Calls from the oldest on. Raises OperationError for too many."""
    start, end = wanted.start, wanted.end
    found = {cdr.id: cdr for cdr in context.billing.cdrs(wanted)}
    reached = _reached_by(context, account_id)
    for had in reached:  # calls from other lines of ours are records of who paid for them
        called = replace(
            wanted, account=None, called=had.number, start=_later(start, had.since),
            end=_earlier(end, had.until),
        )  # fmt: skip
        found.update((c.id, c) for c in context.billing.cdrs(called))
    if len(found) > MAX_CALLS:
        raise OperationError("calls_too_many", most=MAX_CALLS)
    return [
        _call(cdr, account_id, {had.number for had in reached})
        for cdr in sorted(found.values(), key=lambda cdr: (cdr.setup_at, cdr.id))
    ]


@dataclass(frozen=True, slots=True)
class _Filter:
    """A filter of rows as the account sees them; None: any.

    Args:
        lines: the numbers by which a line user calls and is called.
    """

    number: str | None
    line: str | None
    direction: str | None
    answered: bool | None
    lines: frozenset[str] | None

    def __call__(self, row: Row) -> bool:
        return (
            self.number in (None, row["number"])
            and self.line in (None, row["line"])
            and self.direction in (None, row["direction"])
            and (self.answered is None or self.answered == row["answered"])
            and (self.lines is None or row["line"] in self.lines)
        )


def _own_numbers(context: Context) -> frozenset[str]:
    """The numbers of the actor's lines, and those that ring there."""
    numbers = {line.number for line in context.own_lines()}
    with context.billing.reading() as connection:
        rented = rented_numbers(connection, [context.actor.account or 0])
    return frozenset(numbers | {one.number for one in rented if one.line in numbers})


def _calls_page(
    context: Context, account_id: int, wanted: CdrFilter, page: Page, fits: _Filter
) -> list[Row]:
    """Calls with the newest first. Each round reads the next records of every index that may hold
    some, until the page is full: what the account isn't shown leaves no gap."""
    reached = _reached_by(context, account_id)
    own = {had.number for had in reached}
    rows: list[Row] = []
    cursor = None if page.before is None else (int(page.before[0]), str(page.before[1]))
    count = page.limit
    while len(rows) < page.limit:
        found: dict[str, Cdr] = {}
        full = False
        asked = replace(wanted, newest_first=True, before=cursor, limit=count)
        for each in _questions(asked, reached, fits.number):
            some = context.billing.cdrs(each)
            full = full or len(some) == count
            found.update((cdr.id, cdr) for cdr in some)
        newest = sorted(found.values(), key=lambda cdr: (cdr.setup_at, cdr.id), reverse=True)
        newest = newest[:count]
        shown = ({"id": cdr.id} | _call(cdr, account_id, own) for cdr in newest)
        rows += [row for row in shown if fits(row)]
        if len(found) <= count and not full:
            break
        cursor, count = (newest[-1].setup_at, newest[-1].id), MAX_ROUND
    return rows[: page.limit]


def _questions(asked: CdrFilter, reached: list[_Had], other: str | None) -> Iterator[CdrFilter]:
    """The searches that together find the records of an account's calls.

    Args:
        other: the number at the other side; None: any. It was called, or it is what the called
            party saw.
    """
    if other is None:
        yield asked
    else:
        yield replace(asked, called=other)
        yield replace(asked, presented=other)
    for had in reached:
        yield replace(
            asked, account=None, called=had.number, presented=other,
            start=_later(asked.start, had.since), end=_earlier(asked.end, had.until),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Had:
    """A number by which an account could be called, from an instant on and until another; None:
    for ever. Who has it before or after is no business of the account's."""

    number: str
    since: int | None
    until: int | None = None


def _reached_by(context: Context, account_id: int) -> list[_Had]:
    """By the numbers that its lines have and had, and those that it rents and rented."""
    lines = context.directory.lines_of([account_id])
    had = [_Had(line.number, line.since) for line in lines]
    changed = {f"{NUMBER_OF_LINE} {line.id}": line.since for line in lines}
    for change in context.billing.changes(account_id):
        if change.what in changed:
            had.append(_Had(change.before, changed[change.what], change.at))
    with context.billing.reading() as connection:
        for rental in rental_store.rented(connection, [account_id], ended=True):
            until = rental.paid_until if rental.state == ENDED else None
            had.append(_Had(rental.number, rental.anchor_at, until))
    return had


def _later(first: int | None, second: int | None) -> int | None:
    return max((at for at in (first, second) if at is not None), default=None)


def _earlier(first: int | None, second: int | None) -> int | None:
    return min((at for at in (first, second) if at is not None), default=None)


def _call(cdr: Cdr, account_id: int, own: set[str]) -> Row:
    """From the account's side: what others paid for their calls isn't shown."""
    to_us = cdr.direction == "incoming" or cdr.called in own
    came = to_us and cdr.direction != "service" and cdr.calling not in own
    pays = cdr.account == account_id and not came
    return {
        "at": show_stamp(cdr.setup_at),
        "direction": "incoming" if came else "outgoing",
        "line": cdr.called if came else (cdr.line or cdr.calling),
        "number": cdr.presented if came else cdr.called,
        "type": cdr.type,
        "answered": cdr.answered_at is not None,
        "seconds": cdr.duration_ms // 1000,
        "billed_seconds": cdr.billed_seconds if pays else 0,
        "price": format_amount(cdr.price_micros if pays else 0),
        "currency": cdr.currency if pays else None,
        "package": cdr.package if pays else None,
    }


def _opening(start: int, balance: int, currency: str) -> Row:
    return {
        "at": show_stamp(start),
        "kind": "opening",
        "amount": format_amount(0),
        "balance": format_amount(balance),
        "currency": currency,
        "cause": "",
    }


def _times(context: Context, since: str | None, until: str | None) -> tuple[int | None, int | None]:
    zone = context.config.switch.time_zone
    return (
        None if since is None else read_time(since, zone),
        None if until is None else read_time(until, zone),
    )
