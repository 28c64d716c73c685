"""The bonus of incoming calls: what a minute brings, and what it brought."""

from __future__ import annotations

from billing.decisions import bonus
from billing.facts.calendar import local_day
from billing.facts.money import format_amount
from billing.facts.sales import DefineBonus
from billing.stores import sales_store
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.accounts.accounts import read_amount, read_currency
from softswitch.operations.context import Context


def bonus_set(context: Context, amount: str, currency: str | None = None) -> Row:
    """Set the bonus for a whole minute of an incoming call from another network, from today on."""
    micros = read_amount(amount)
    if micros < 0:
        raise OperationError("amount_negative", what="a bonus", amount=amount)
    unit = read_currency(currency or context.config.switch.currency)
    zone, now = context.config.switch.time_zone, context.now_ms()
    day = local_day(now, zone).isoformat()
    context.do(DefineBonus(unit, day, micros, bonus.first_work(now, zone)))
    return {"per_minute": format_amount(micros), "currency": unit, "from": day}


def bonus_rates(context: Context) -> list[Row]:
    """The bonus for a minute, with the day from which each rate holds."""
    with context.billing.reading() as connection:
        rates = sales_store.bonus_rates(connection)
    return [
        {"from": day, "per_minute": format_amount(micros), "currency": currency}
        for currency, day, micros in rates
    ]


def bonus_list(context: Context, account: str) -> list[Row]:
    """The bonuses that an account got, day by day."""
    owner = context.account(account)
    with context.billing.reading() as connection:
        found = sales_store.bonuses_of(connection, owner.id)
    return [
        {
            "day": item.day,
            "minutes": item.minutes,
            "amount": format_amount(item.amount_micros),
            "currency": owner.currency,
        }
        for item in found
    ]
