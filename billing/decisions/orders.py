"""Orders: decisions about numbers that aren't in stock, and about those that wait for documents.

The money for the first period is reserved when a number is ordered and charged when it is
connected, so that an order that waits three weeks can be paid, and no account pays for a number
that it hasn't got.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from billing.decisions import order_moves, rentals
from billing.decisions.book import Book
from billing.facts.authorization import BillingError, PaymentConflict
from billing.facts.order import (
    CONNECTED,
    DOCUMENTS,
    LATE_KIND,
    POOL_KIND,
    REQUESTED,
    SUBMITTED,
    ConnectOrder,
    EndOrder,
    Order,
    PlaceOrder,
    ServeOrders,
    SubmitOrder,
    TellLate,
)
from billing.facts.rental import SMS, STOCK, TERMS, Number, Rental, fee


def place(book: Book, command: PlaceOrder) -> Order:
    """Take an order, if its first period can be paid for."""
    known = book.sales.orders.get(command.order_id)
    if known is not None:
        if known.account_id != command.account_id:
            raise PaymentConflict(f"order id {known.id} was used before: choose another")
        return known
    offer, account = command.offer, book.account(command.account_id)
    if command.months not in TERMS:
        raise BillingError(f"a rent is paid for {', '.join(map(str, TERMS))} months at once")
    if offer.kind == SMS:
        raise BillingError("SMS numbers aren't delivered on order")
    order = Order(
        id=command.order_id,
        account_id=account.id,
        country=offer.country,
        city=offer.city,
        kind=offer.kind,
        supplier=offer.supplier,
        documents=offer.documents,
        number=None,
        line=command.line,
        currency=offer.currency,
        monthly_micros=offer.monthly_micros,
        months=command.months,
        discount_percent=command.discount_percent,
        zone=command.zone,
        held_micros=fee(offer.monthly_micros, command.months, command.discount_percent),
        state=DOCUMENTS,
        ordered_at=command.at,
        changed_at=command.at,
        days_from=offer.days_from,
        days_to=offer.days_to,
    )
    rentals.check(account, _as_number(order), order.held_micros)
    if offer.documents and offer.documents not in command.approved:
        return order_moves.open_order(book, order, "switch", "documents_needed")
    order = order_moves.expected(replace(order, state=REQUESTED), command.at, command.days)
    return order_moves.open_order(book, order, "switch", "order_placed")


def submit(book: Book, command: SubmitOrder) -> Order:
    """Note that the supplier was asked; the supplier may have named a day."""
    order = _order(book, command.account_id, command.order)
    order = replace(order, reference=command.reference or order.reference)
    if command.expected_by is not None:
        first = min(order.expected_from or command.expected_by, command.expected_by)
        order = replace(order, expected_from=first, expected_by=command.expected_by)
    return order_moves.move(book, order, SUBMITTED, command.at, command.who)


def connect(book: Book, command: ConnectOrder) -> Rental | None:
    """Give an order its number. If another order was quicker, the switch leaves it;
    an operator is told."""
    known = book.sales.rentals.get(command.order)
    if known is not None:
        return known
    order = _order(book, command.account_id, command.order)
    number = book.sales.numbers.get(command.number, command.fresh)
    if command.who == "switch" and (
        number is None or number.state != STOCK or order.state not in (REQUESTED, SUBMITTED)
    ):
        return None
    if order.state == DOCUMENTS:
        raise BillingError(f"order {order.id} waits for documents of the class {order.documents}")
    if number is None:
        raise rentals.NumberTaken(f"{command.number} isn't in the inventory")
    if number.state != STOCK:
        raise rentals.NumberTaken(f"{number.number} isn't in stock: it is {number.state}")
    return _begin(book, order, number, command.at, command.who)


def serve(book: Book, command: ServeOrders) -> list[Order]:
    """Orders that waited for documents go on; a number that is kept for one is connected."""
    if not book.account(command.account_id).is_active:
        return []
    served: list[Order] = []
    for order in sorted(book.sales.orders.values(), key=lambda each: (each.ordered_at, each.id)):
        mine = order.account_id == command.account_id and order.state == DOCUMENTS
        if not mine or order.documents not in command.approved:
            continue
        if order.number is None:
            order = order_moves.expected(order, command.at, command.days)
            served.append(order_moves.move(book, order, REQUESTED, command.at, "switch"))
        else:
            number = rentals.find(book, order.number)
            with contextlib.suppress(BillingError):  # it can't be paid for: it waits on
                _begin(book, order, number, command.at, "switch")
                served.append(book.sales.orders[order.id])
    return served


def end(book: Book, command: EndOrder) -> Order:
    """Nothing is charged; a number that was kept for the order is in stock again."""
    order = _order(book, command.account_id, command.order)
    if order.state == command.state:
        return order
    kept = order.number if order.state == DOCUMENTS else None
    after = order_moves.move(book, order, command.state, command.at, command.who, command.reason)
    if kept is not None:
        rentals.into_stock(book, rentals.find(book, kept), command.at)
    return after


def tell_late(book: Book, command: TellLate) -> Order:
    """Say once for each day that was named that it has passed."""
    order = _order(book, command.account_id, command.order)
    book.sales.unschedule(LATE_KIND, order.id)
    if order.is_open:
        order_moves.tell_late(book, order, command.at)
    return order


def _begin(book: Book, order: Order, number: Number, at: int, who: str) -> Rental:
    """The order's price is the highest that its number may cost."""
    account, price = book.account(order.account_id), order.price_of(number)
    rentals.check(account, number, price, order.held_micros)
    order_moves.move(book, replace(order, number=number.number), CONNECTED, at, who)
    book.sales.unschedule(POOL_KIND, number.number)
    terms = (order.months, price, order.zone)
    return rentals.connect(book, order.id, account, number, order.line, terms, at)


def _as_number(order: Order) -> Number:
    return Number(
        number=f"a number of {order.place}",
        country=order.country,
        city=order.city,
        kind=order.kind,
        supplier=order.supplier,
        documents=order.documents,
        service=None,
        currency=order.currency,
        monthly_micros=order.monthly_micros,
    )


def _order(book: Book, account_id: int, key: str) -> Order:
    found = book.sales.orders.get(key)
    if found is None or found.account_id != account_id:
        raise BillingError(f"account {account_id} has no order {key}")
    return found
