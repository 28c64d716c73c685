"""Payments by day and method, and taking back one that was entered by mistake."""

from __future__ import annotations

from datetime import timedelta

from billing.facts.authorization import ReversePayment
from billing.facts.calendar import day_start, local_day
from billing.facts.cdr import show_stamp
from billing.facts.ledger import METHODS
from billing.facts.money import format_amount
from billing.stores import payment_store
from billing.stores.paging import Page
from billing.stores.payment_store import Paid
from softswitch.control.errors import OperationError, one_of
from softswitch.control.values import Row
from softswitch.operations.accounts.accounts import account_row
from softswitch.operations.accounts.standing import reason_given, who
from softswitch.operations.context import Context
from softswitch.operations.money.turnover import month_between
from softswitch.operations.money.wallets import counted
from softswitch.operations.pages import DEFAULT_ROWS, page_at, read_cursor
from softswitch.subscribers import profile


def payment_list(
    context: Context,
    account: str | None = None,
    day: str | None = None,
    method: str | None = None,
    limit: int | None = None,
    before: str | None = None,
) -> list[Row]:
    """Payments, the newest first.

    Args:
        day: of the operator's calendar, such as 2027-01-04.
        method: cash, card, bank, terminal or online; "" for those that came without one.
        before: those before the last row of the page before ("AT,ID").
    """
    owner = None if account is None else context.account(account).id
    if method:
        one_of("method", METHODS, method)
    page = page_at(limit, None if before is None else read_cursor(before)) or Page(DEFAULT_ROWS)
    start, end = (None, None) if day is None else _day(context, day)
    with context.billing.reading() as connection:
        found = payment_store.payments(connection, page, owner, start, end, method)
    return [_row(paid) for paid in found]


def payment_sums(context: Context, month: str | None = None) -> list[Row]:
    """What came in on each day of a month by each method, without what was taken back; at the end
    the sums of the month.

    Args:
        month: of the operator's calendar, such as 2027-01; by default the present one.
    """
    zone = context.config.switch.time_zone
    name, start, end = month_between(context, month)
    found: dict[tuple[str, str, str], list[int]] = {}
    with context.billing.reading() as connection:
        for method in ("", *METHODS):
            for at, currency, micros in payment_store.flows(connection, start, end, method):
                for day in (local_day(at, zone).isoformat(), name):
                    sums = found.setdefault((day, method, currency), [0, 0])
                    sums[0] += 1 if micros > 0 else 0
                    sums[1] += micros
    ordered = sorted(found.items(), key=lambda one: (one[0][0] == name, *one[0]))
    return [
        {
            "day": None if day == name else day,
            "month": name,
            "method": method or None,
            "currency": currency,
            "payments": count,
            "amount": format_amount(micros),
        }
        for (day, method, currency), (count, micros) in ordered
    ]


def payment_reverse(
    context: Context, account: str, payment_id: str, reason: str, by: str = "operator"
) -> Row:
    """Take a payment back that was entered by mistake, by an entry of its own: the ledger keeps
    both. The balance may fall below zero; nothing that the payment brought about is undone. The
    same again changes nothing, and says so."""
    owner = context.account(account)
    if not reason.strip():
        raise OperationError("reversal_reason_needed")
    with context.billing.reading() as connection:
        paid = payment_store.payment(connection, payment_id)
    command = ReversePayment(
        owner.id,
        payment_id,
        context.now_ms(),
        who(by),
        reason_given(reason),
        "" if paid is None else paid.method,
    )
    after = context.do(command)
    context.changes.accounts.add(owner.id)
    return account_row(after.account) | counted(after.counted_before)


def _day(context: Context, text: str) -> tuple[int, int]:
    """The first moment of a day, and that of the next one."""
    zone = context.config.switch.time_zone
    try:
        day = profile.read_date(text, "day")
    except profile.FieldError as error:
        raise OperationError.of(error) from None
    return day_start(day, zone), day_start(day + timedelta(days=1), zone)


def _row(paid: Paid) -> Row:
    entry = paid.entry
    return {
        "id": entry.id,
        "at": show_stamp(entry.at),
        "account": entry.account_id,
        "payment_id": paid.payment_id,
        "amount": format_amount(entry.amount_micros),
        "currency": entry.currency,
        "method": paid.method or None,
        "reversed_at": None if paid.reversed_at is None else show_stamp(paid.reversed_at),
    }
