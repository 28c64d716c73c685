"""Lists of numbers that an operator offers to one account to choose from (E3), and discounts."""

from __future__ import annotations

from billing.facts.cdr import show_stamp
from billing.facts.money import format_amount
from billing.facts.rental import STOCK
from billing.facts.sales import Notice, Tell
from billing.stores import rental_store
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.numbers.numbers import rental_discounts
from softswitch.subscribers.offered_numbers import OfferedNumbers

MOST = 50
HOURS = 48
HOUR_MS = 3_600_000


def number_choice_offer(
    context: Context, account: str, numbers: list[str], hours: int = HOURS
) -> list[Row]:
    """Offer numbers of the stock to an account, in the place of the last list; the subscriber is
    told, and orders one in the cabinet. Nothing is reserved.

    Args:
        hours: how long the offer stands.
    """
    owner = context.account(account)
    keys = list(dict.fromkeys(context.number(one) for one in numbers))
    if not 0 < len(keys) <= MOST:
        raise OperationError("entries_too_many", most=MOST, what="numbers")
    if not 1 <= hours <= 24 * 30:
        raise OperationError("offer_hours", hours=hours, most=24 * 30)
    with context.billing.reading() as connection:
        found = rental_store.numbers_by_key(connection, keys)
    for key in keys:
        if key not in found or found[key].state != STOCK:
            raise OperationError("number_not_in_stock", number=key)
    now = context.now_ms()
    until = now + hours * HOUR_MS
    OfferedNumbers(context.billing.engine).put(owner.id, keys, until, now)
    about = show_stamp(until)[:16].replace("T", " ")
    key = f"numbers_offered:{owner.id}:{now}"
    context.do(Tell(Notice(key, owner.id, "numbers_offered", about, now)))
    return number_choice_list(context, str(owner.id))


def number_choice_list(context: Context, account: str) -> list[Row]:
    """The numbers that were offered to an account and are still to be had."""
    owner = context.account(account)
    offered = OfferedNumbers(context.billing.engine).of(owner.id, context.now_ms())
    with context.billing.reading() as connection:
        found = rental_store.numbers_by_key(connection, [number for number, _ in offered])
    return [
        {
            "number": number,
            "country": found[number].country,
            "city": found[number].city,
            "kind": found[number].kind,
            "monthly": format_amount(found[number].monthly_micros),
            "currency": found[number].currency,
            "until": show_stamp(until),
        }
        for number, until in offered
        if number in found and found[number].state == STOCK
    ]


def rental_discount_list(context: Context) -> list[Row]:
    """The discounts for several months and for several numbers in one order."""
    return [
        {"discount": str(row["for"]).replace(" ", "_"), **row} for row in rental_discounts(context)
    ]


def rental_discount_set(context: Context, what: str, percent: int) -> list[Row]:
    """Set one discount.

    Args:
        what: "3 months", "6 months", "12 months" or "5 numbers".
    """
    return rental_discounts(context, {what: percent})
