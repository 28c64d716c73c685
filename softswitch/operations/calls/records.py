"""CDRs and the ledger's own check."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import func, or_, select

from billing.facts.calendar import day_start
from billing.facts.cdr import DIRECTIONS, TYPES, show_stamp
from billing.facts.ledger import call_transaction
from billing.facts.money import format_amount
from billing.stores import cdr_search, schema
from billing.stores.store import CdrFilter
from softswitch.admission.numbering import NumberError
from softswitch.control.errors import OperationError, one_of
from softswitch.control.values import Row
from softswitch.operations.accounts.standing import today
from softswitch.operations.context import Context
from softswitch.operations.pages import DEFAULT_ROWS, read_cursor, rows_asked
from softswitch.operations.times import read_time
from softswitch.subscribers.caps import Caps
from softswitch.subscribers.profile import FieldError, read_date

DAY_MS = 86_400_000
MAX_RECORDS = 1_000_000
"""The records that one answer holds."""
MAX_SPENDERS = 200


def cdr_list(
    context: Context,
    since: str | None = None,
    until: str | None = None,
    number: str | None = None,
    kind: str | None = None,
    account: str | None = None,
    limit: int | None = None,
    line: str | None = None,
    direction: str | None = None,
    after: str | None = None,
    newest: bool = False,
    before: str | None = None,
) -> list[Row]:
    """Records in the order of their setup: from `since`, before `until`, of a `number` on either
    side, a `kind`, an `account`, a `line`, a `direction`; at most `limit`, those after the last
    record of the page before (`after`: its setup_at and id).

    Args:
        newest: the latest first.
        before: likewise, those before the last record of the page before.
    """
    wanted = _filter(context, since, until, number, kind, account, limit, line, direction, after)
    if newest or before is not None:
        if after is not None:
            raise OperationError("cursors_two")
        cursor = None if before is None else read_cursor(before)
        wanted = replace(wanted, newest_first=True, before=cursor, limit=limit or DEFAULT_ROWS)
    return [cdr.to_row() for cdr in context.billing.cdrs(wanted)]


def cdr_export(
    context: Context,
    format: str,
    since: str | None = None,
    until: str | None = None,
    number: str | None = None,
    kind: str | None = None,
    account: str | None = None,
    limit: int | None = None,
    line: str | None = None,
    direction: str | None = None,
    after: str | None = None,
) -> str:
    """Records as another program writes them: asterisk, freeswitch, acc or cgrates."""
    from billing.formats.export import FORMATS, export

    one_of("format", tuple(FORMATS), format)
    wanted = _filter(context, since, until, number, kind, account, limit, line, direction, after)
    return export(context.billing.cdrs(wanted), format)


def cdr_show(context: Context, call: str) -> Row:
    """A call by its id, or a record's: the records of its legs, the money that is reserved for it
    while it lasts, and its entries in the ledger, both sides of each."""
    call_id = call.strip()
    if call_id[-2:-1] == "-":
        call_id = call_id[:-2]
    with context.billing.reading() as connection:
        legs = cdr_search.of_call(connection, call_id)
        reserved = connection.execute(
            select(schema.live_calls).where(schema.live_calls.c.call_id == call_id)
        ).all()
        payers = [call_transaction(call_id), *(call_transaction(cdr.id) for cdr in legs)]
        columns = schema.entries.c
        posted = connection.execute(
            select(schema.entries)
            .where(or_(*(columns.id.startswith(f"{payer}/", autoescape=True) for payer in payers)))
            .order_by(columns.at, columns.id)
        ).all()
    if not legs and not reserved:
        raise OperationError("cdr_not_found", call=call)
    return {
        "call": call_id,
        "records": [cdr.to_row() for cdr in legs],
        "reservations": [
            {
                "account": row.account_id,
                "reserved": format_amount(row.reserved_micros),
                "paid_seconds": row.paid_seconds,
                "opened_at": show_stamp(row.opened_at),
            }
            for row in reserved
        ],
        "postings": [
            {
                "at": show_stamp(row.at),
                "book": row.book,
                "account": row.account_id,
                "kind": row.kind,
                "amount": format_amount(row.amount_micros),
                "currency": row.currency,
                "cause": row.transaction_id,
            }
            for row in posted
        ],
    }


def cdr_spenders(context: Context, day: str | None = None, limit: int = 20) -> list[Row]:
    """The accounts that spent most on the calls of a day, today unless it is given, each with its
    cap of a day."""
    zone = context.config.switch.time_zone
    try:
        start = day_start(today(context) if day is None else read_date(day, "day"), zone)
    except FieldError as error:
        raise OperationError.of(error) from None
    columns = schema.cdrs.c
    spent = func.sum(columns.price_micros)
    query = (
        select(columns.account, columns.currency, spent, func.count())
        .where(columns.setup_at >= start, columns.setup_at < start + DAY_MS)
        .where(columns.price_micros > 0, columns.account.is_not(None))
        .group_by(columns.account, columns.currency)
        .order_by(spent.desc())
        .limit(rows_asked(limit, MAX_SPENDERS))
    )
    with context.billing.reading() as connection:
        found = connection.execute(query).all()
    caps = {one.account_id: one for one in context.directory.caps([row[0] for row in found])}
    return [
        {
            "account": account,
            "calls": calls,
            "spent": format_amount(int(micros)),
            "currency": currency,
            "spend_day": _cap(caps.get(account)),
        }
        for account, currency, micros, calls in found
    ]


def _cap(caps: Caps | None) -> str | None:
    micros = None if caps is None else caps.spend_day_micros
    return None if micros is None else format_amount(micros)


def ledger_verify(context: Context) -> Row:
    """The differences between balances, postings and CDRs; empty if the books agree."""
    differences = context.billing.verify()
    with context.billing.reading() as connection:
        query = select(func.count()).select_from(schema.accounts)
        counted = connection.execute(query).scalar_one()
    return {
        "accounts": counted,
        "ok": not differences,
        "differences": [
            {
                "what": difference.what,
                "key": difference.key,
                "expected": format_amount(difference.expected),
                "found": format_amount(difference.found),
            }
            for difference in differences
        ],
    }


def _filter(
    context: Context,
    since: str | None,
    until: str | None,
    number: str | None,
    kind: str | None,
    account: str | None,
    limit: int | None,
    line: str | None,
    direction: str | None,
    after: str | None,
) -> CdrFilter:
    zone = context.config.switch.time_zone
    return CdrFilter(
        start=None if since is None else read_time(since, zone),
        end=None if until is None else read_time(until, zone),
        number=None if number is None else _as_recorded(context, number),
        type=one_of("type", TYPES, kind),
        account=None if account is None else context.account(account).id,
        limit=None if limit is None else rows_asked(limit, MAX_RECORDS),
        line=None if line is None else context.number(line),
        direction=one_of("direction", DIRECTIONS, direction),
        after=None if after is None else read_cursor(after),
    )


def _as_recorded(context: Context, number: str) -> str:
    """E.164 when it can be read so; a refused call's record holds what was dialled."""
    try:
        return context.plan.read(number).number
    except NumberError:
        return number
