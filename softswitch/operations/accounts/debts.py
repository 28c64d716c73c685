"""Debtors: the sum, since when, and the day on which the account is suspended."""

from __future__ import annotations

from billing.facts.calendar import local_day
from billing.facts.cdr import show_stamp
from billing.facts.debt import Debt
from billing.facts.money import format_amount
from billing.stores import debt_search
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.scheduled.debt_work import suspends_at


def account_debts(context: Context) -> list[Row]:
    """Accounts that owe money, and those that the switch suspended for it; the oldest debts
    first."""
    with context.billing.reading() as connection:
        found = [*debt_search.debts(connection), *debt_search.suspended(connection)]
    return [_row(context, debt) for debt in sorted(found, key=lambda debt: debt.since)]


def _row(context: Context, debt: Debt) -> Row:
    owner = context.account(debt.account_id)
    zone, after = context.config.switch.time_zone, context.config.debt.suspend_after
    on = None
    if owner.is_active and after is not None:
        on = local_day(suspends_at(debt, after, zone), zone).isoformat()
    return {
        "account": owner.id,
        "name": owner.name,
        "status": owner.status,
        "owes": format_amount(debt.micros),
        "currency": owner.currency,
        "since": show_stamp(debt.since),
        "suspends_on": on,
    }
