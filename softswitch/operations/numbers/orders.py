"""Orders for numbers that aren't in stock or wait for documents, and what suppliers deliver."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from billing.facts.cdr import show_stamp
from billing.facts.due import DueWork, run
from billing.facts.money import format_amount
from billing.facts.order import (
    CANCELLED,
    MAX_LEAD_DAYS,
    POOL_KIND,
    REFUSED,
    ConnectOrder,
    DefineOffer,
    EndOrder,
    Offer,
    Order,
    PlaceOrder,
    ServeOrders,
    SubmitOrder,
)
from billing.facts.rental import SMS, STOCK, TERMS, Number, discount, fee
from billing.stores import order_store, rental_store
from billing.stores.sales_store import due_of_kind
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.accounts.accounts import read_amount, read_currency
from softswitch.operations.accounts.standing import (
    approved_kinds,
    coming_day,
    reason_given,
    today,
    who,
)
from softswitch.operations.context import Context
from softswitch.operations.numbers.number_fields import country_of, kind_of, line_of, word_of
from softswitch.operations.pages import cut, page_at, read_cursor
from softswitch.operations.refusals import refusal_of
from softswitch.scheduled import order_work

MAX_COUNT = 100
"""Numbers of one order."""
_DAYS = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", re.ASCII)
_ORDER_ID = re.compile(r"[A-Za-z0-9._-]{1,48}")
_REFERENCE = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,64}")


def number_offer(
    context: Context,
    country: str,
    kind: str = "landline",
    city: str | None = None,
    monthly: str | None = None,
    days: str = "5-15",
    supplier: str = "own",
    documents: str = "",
    currency: str | None = None,
) -> Row:
    """Offer numbers that a supplier delivers on order; without a price the offer is withdrawn."""
    if kind_of(kind) == SMS:
        raise OperationError("sms_number_not_ordered")
    price = 0 if monthly is None else read_amount(monthly)
    if price < 0:
        raise OperationError("amount_negative", what="monthly", amount=monthly)
    first, last = _lead(days)
    offer = Offer(
        country=country_of(country),
        city=word_of("city", city) or None,
        kind=kind,
        supplier=word_of("supplier", supplier) or "own",
        documents=word_of("documents", documents, 32),
        currency=read_currency(currency or context.config.switch.currency),
        monthly_micros=price,
        days_from=first,
        days_to=last,
    )
    had = context.do(DefineOffer(offer, withdrawn=monthly is None))
    if monthly is None and not had:
        raise OperationError("offer_not_found")
    return _offer_row(offer) | {"withdrawn": monthly is None}


def number_offers(context: Context) -> list[Row]:
    """Offers of suppliers, from which numbers are ordered."""
    with context.billing.reading() as connection:
        return [_offer_row(offer) for offer in order_store.offers(connection)]


def order_add(
    context: Context,
    account: str,
    line: str,
    country: str,
    city: str | None = None,
    kind: str = "landline",
    supplier: str | None = None,
    count: int = 1,
    months: int = 1,
    order_id: str | None = None,
) -> list[Row]:
    """Order numbers from a supplier: the cheapest offer whose documents the account has, or else
    the cheapest. The money for their first period is reserved until they are connected. The same
    order id again changes nothing."""
    owner, target = context.account(account), line_of(context, context.account(account).id, line)
    if months not in TERMS:
        raise OperationError(
            "not_one_of", field="months", choices=tuple(map(str, TERMS)), value=months
        )
    if not 1 <= count <= MAX_COUNT:
        raise OperationError("order_count", most=MAX_COUNT, count=count)
    key = order_key(order_id)
    papers = approved_kinds(context, owner.id)
    offer = cheapest_offer(context, country_of(country), city, kind_of(kind), supplier, papers)
    with context.billing.reading() as connection:
        percent = discount(rental_store.discounts(connection), months, count)
        known = {item.id for item in order_store.orders(connection, [owner.id], closed=True)}
        stock = rental_store.numbers(connection, STOCK, offer.country, offer.city, offer.kind)
    wanted = [f"{key}:{place}" for place in range(1, count + 1)]
    fresh = len(set(wanted) - known)
    if fresh and len(stock) >= fresh:
        raise OperationError("stock_suffices", stock=len(stock))
    total = fresh * fee(offer.monthly_micros, months, percent)
    available = owner.available_micros
    if available is not None and total > max(available, 0):
        raise OperationError(
            "order_not_affordable",
            cost_micros=total,
            currency=owner.currency,
            account=owner.id,
            available_micros=available,
        )
    commands = [
        PlaceOrder(
            account_id=owner.id,
            at=context.now_ms(),
            order_id=each,
            offer=offer,
            line=target,
            months=months,
            discount_percent=percent,
            zone=context.config.switch.time_zone,
            approved=papers,
            days=context.config.operator.calendar,
        )
        for each in wanted
    ]
    results = context.apply(commands)
    context.changes.accounts.add(owner.id)
    placed: list[Order] = []
    for result in results:
        if isinstance(result, Exception):
            raise refusal_of(result) from result
        placed.append(result)
    return [order_row(context, order) for order in placed]


def order_list(
    context: Context,
    account: str | None = None,
    late: bool = False,
    closed: bool = False,
    limit: int | None = None,
    before: str | None = None,
) -> list[Row]:
    """Open orders, the oldest first.

    Args:
        late: only those past the day that the supplier named.
        closed: also those that are over.
        limit: the newest so many, the newest first.
        before: likewise, those before the last one of the page before ("ORDERED_AT,ID").
    """
    owner = context.own_account(account)
    owners = None if owner is None else [owner]
    page = page_at(limit, None if before is None else read_cursor(before))
    with context.billing.reading() as connection:
        found = order_store.orders(connection, owners, closed=closed)
    if late:
        found = [order for order in found if order_row(context, order)["late"]]
    if page is not None:
        found = cut(page, found, lambda order: (order.ordered_at, order.id))
    return [order_row(context, order) for order in found]


def order_show(context: Context, order: str) -> Row:
    """An order with its steps."""
    found = _order(context, order)
    steps = [
        {"at": show_stamp(c.at), "who": c.who, "state": c.after, "reason": c.reason}
        for c in context.billing.changes(found.account_id)
        if c.what == f"order {found.id}"
    ]
    return order_row(context, found) | {"steps": steps}


def order_submit(
    context: Context,
    order: str,
    reference: str = "",
    expected: str | None = None,
    by: str = "operator",
) -> Row:
    """Note that the supplier was asked, and the day it named. Again: it named another."""
    found = _order(context, order)
    if _REFERENCE.fullmatch(reference) is None:
        raise OperationError("reference_malformed")
    command = SubmitOrder(
        account_id=found.account_id,
        at=context.now_ms(),
        order=found.id,
        reference=reference,
        expected_by=None if expected is None else coming_day(context, expected),
        who=who(by),
    )
    return order_row(context, context.do(command))


def order_connect(context: Context, order: str, number: str, by: str = "operator") -> Row:
    """The supplier delivered: the number comes into the inventory, if it isn't there, and is
    connected and charged now."""
    from softswitch.operations.numbers.numbers import rental_row

    found, key = _order(context, order), context.number(number)
    fresh = Number(
        number=key,
        country=found.country,
        city=found.city,
        kind=found.kind,
        supplier=found.supplier,
        documents=found.documents,
        service=None,
        currency=found.currency,
        monthly_micros=found.monthly_micros,
    )
    command = ConnectOrder(
        account_id=found.account_id,
        at=context.now_ms(),
        order=found.id,
        number=key,
        fresh=fresh,
        who=who(by),
    )
    rental = context.do(command)
    if rental is None:
        raise OperationError("number_given_meanwhile", number=key)
    context.changes.accounts.add(found.account_id)
    return rental_row(rental)


def order_refuse(context: Context, order: str, reason: str, by: str = "operator") -> Row:
    """It can't be had: the money is free again, and the subscriber is told."""
    if not reason.strip():
        raise OperationError("reason_needed")
    return _end(context, order, REFUSED, reason, by)


def order_cancel(context: Context, order: str, reason: str = "", by: str = "operator") -> Row:
    """The subscriber doesn't want it any more: the money is free again."""
    return _end(context, order, CANCELLED, reason, by)


def serve_pool(context: Context) -> list[int]:
    """Connect numbers that came into stock to the orders that wait for them; returns the ids of
    their accounts."""

    def due(until: int, limit: int) -> Sequence[DueWork]:
        with context.billing.reading() as connection:
            return due_of_kind(connection, POOL_KIND, until, limit)

    handlers = {POOL_KIND: order_work.serve_pool(context.billing)}
    report = run(due, handlers, context.apply, context.now_ms())
    context.changes.accounts |= report.accounts
    return sorted(report.accounts)


def serve_orders(context: Context, account_id: int) -> list[Order]:
    """Go on with orders whose documents are approved now."""
    command = ServeOrders(
        account_id=account_id,
        at=context.now_ms(),
        approved=approved_kinds(context, account_id),
        days=context.config.operator.calendar,
    )
    served: list[Order] = context.do(command)
    if served:
        context.changes.accounts.add(account_id)
    return served


def order_key(order_id: str | None) -> str:
    """The id that a client gave its order, or a new one."""
    if order_id is None:
        return secrets.token_hex(4)
    if _ORDER_ID.fullmatch(order_id) is None:
        raise OperationError("order_id_malformed")
    return order_id


def order_row(context: Context, item: Order) -> Row:
    late = item.is_open and item.expected_by is not None
    row: Row = {
        "id": item.id,
        "account": item.account_id,
        "country": item.country,
        "city": item.city,
        "kind": item.kind,
        "state": item.state,
        "number": item.number,
        "line": item.line,
        "supplier": item.supplier,
        "documents": item.documents or None,
        "reference": item.reference or None,
        "reserved": format_amount(item.held_micros),
        "fee": format_amount(fee(item.monthly_micros, item.months, item.discount_percent)),
        "currency": item.currency,
        "months": item.months,
        "ordered_at": show_stamp(item.ordered_at),
        "expected_from": item.expected_from,
        "expected_by": item.expected_by,
        "late": late and (item.expected_by or "") < today(context).isoformat(),
    }
    return without_supplier(context, row)


def without_supplier(context: Context, row: Row) -> Row:
    """From whom the operator buys is no business of a subscriber's."""
    hidden = ("supplier", "reference") if context.actor.is_subscriber else ()
    return {key: value for key, value in row.items() if key not in hidden}


def _end(context: Context, order: str, state: str, reason: str, by: str) -> Row:
    found = _order(context, order)
    command = EndOrder(
        account_id=found.account_id,
        at=context.now_ms(),
        order=found.id,
        state=state,
        reason=reason_given(reason),
        who=who(by),
    )
    ended: Order = context.do(command)
    context.changes.accounts.add(found.account_id)
    serve_pool(context)
    return order_row(context, ended)


def _order(context: Context, key: str) -> Order:
    with context.billing.reading() as connection:
        found = order_store.order(connection, key)
    if found is None or not context.owns(found.account_id):
        raise OperationError("order_not_found", order=key)
    return found


def cheapest_offer(
    context: Context,
    country: str,
    city: str | None,
    kind: str,
    supplier: str | None,
    approved: frozenset[str],
) -> Offer:
    with context.billing.reading() as connection:
        offers = order_store.offers(connection)
    fitting = [
        offer
        for offer in offers
        if (offer.country, offer.city, offer.kind) == (country, city, kind)
        and supplier in (None, offer.supplier)
    ]
    if not fitting:
        place = ", ".join(filter(None, (kind, city, country)))
        raise OperationError("place_not_delivered", place=place)
    held = approved | {""}
    return min(fitting, key=lambda offer: (offer.documents not in held, offer.monthly_micros))


def _lead(text: str) -> tuple[int, int]:
    found = _DAYS.fullmatch(text)
    first, last = (0, -1) if found is None else (int(found[1]), int(found[2] or found[1]))
    if not first <= last <= MAX_LEAD_DAYS:
        raise OperationError("lead_days_malformed", most=MAX_LEAD_DAYS, value=text)
    return first, last


def _offer_row(offer: Offer) -> Row:
    return {
        "country": offer.country,
        "city": offer.city,
        "kind": offer.kind,
        "supplier": offer.supplier,
        "documents": offer.documents or None,
        "monthly": format_amount(offer.monthly_micros),
        "currency": offer.currency,
        "working_days": f"{offer.days_from}-{offer.days_to}",
    }
