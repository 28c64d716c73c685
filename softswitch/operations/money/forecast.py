"""The debits to come of an account, and the bonus of the day that lasts."""

from __future__ import annotations

from billing.decisions import bonus, forecast
from billing.decisions.forecast import Debit
from billing.facts.account import Account
from billing.facts.calendar import day_start
from billing.facts.cdr import show_stamp
from billing.facts.money import format_amount
from billing.stores import rental_store, sales_store
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.accounts.standing import today
from softswitch.operations.context import Context

MAX_DAYS = 400
DAY_MS = 86_400_000


def package_forecast(context: Context, account: str, days: int = 31) -> list[Row]:
    """The renewals of packages and the rents of numbers that are due within some days, the earliest
    first, with the money that is left after each.

    Args:
        days: 1 to 400.
    """
    if not 1 <= days <= MAX_DAYS:
        raise OperationError("days_out_of_range", most=MAX_DAYS)
    owner = context.account(account)
    return [debit_row(owner, debit) for debit in debits_of(context, owner, days)]


def debits_of(context: Context, owner: Account, days: int) -> list[Debit]:
    """The debits of an account within some days."""
    with context.billing.reading() as connection:
        subscriptions = sales_store.subscriptions(connection, [owner.id])
        products = sales_store.products(connection)
        rentals = rental_store.rented(connection, [owner.id])
    until = context.now_ms() + days * DAY_MS
    return list(forecast.debits(owner, subscriptions, products, rentals, until))


def debit_row(owner: Account, debit: Debit) -> Row:
    """A debit as people and scripts see it; `short` is the money that lacks."""
    left = debit.left_micros
    short = 0
    if not debit.paid and left is not None:
        short = -left if debit.kind == "rent" else debit.amount_micros - left
    return {
        "at": show_stamp(debit.at),
        "kind": debit.kind,
        "about": debit.about,
        "amount": format_amount(debit.amount_micros),
        "currency": owner.currency,
        "left": None if left is None else format_amount(left),
        "paid": debit.paid,
        "short": format_amount(short),
    }


def bonus_pending(context: Context, account: str) -> Row:
    """The bonus that today's incoming calls brought so far; it is posted at midnight."""
    return pending_row(context, context.account(account))


def pending_row(context: Context, owner: Account) -> Row:
    """The bonus of the day that lasts."""
    day, now = today(context), context.now_ms()
    start = day_start(day, context.config.switch.time_zone)
    with context.billing.reading() as connection:
        rate = bonus.rate_on(sales_store.bonus_rates(connection), owner.currency, day)
        found = sales_store.incoming_minutes(connection, start, now + 1, owner.id) if rate else {}
    _, minutes = found.get(owner.id, (owner.currency, 0))
    return {
        "day": day.isoformat(),
        "minutes": minutes,
        "per_minute": format_amount(rate),
        "amount": format_amount(minutes * rate),
        "currency": owner.currency,
    }
