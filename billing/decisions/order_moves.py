"""Effects of an order's change of state: money held, work scheduled, subscribers told.

The decisions about numbers (:mod:`rentals`) and about orders (:mod:`orders`) use it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from billing.decisions.book import Book
from billing.facts.account import Change
from billing.facts.authorization import BillingError
from billing.facts.calendar import WorkingDays, day_start, local_day
from billing.facts.due import DueWork
from billing.facts.order import CANCELLED, LATE_KIND, ORDER_TRANSITIONS, REFUSED, Order
from billing.facts.sales import Notice

_TOLD = {REFUSED: "order_refused", CANCELLED: "order_cancelled"}
_DATED = frozenset({"order_placed", "order_late"})
"""Notices that name the day by which the number is connected."""


def open_order(book: Book, order: Order, who: str, what: str) -> Order:
    """Put a new order into the books: its money is held from now on.

    Args:
        what: the notice that tells of it.
    """
    book.reserve(order.account_id, order.held_micros)
    _note(book, order, "", who, "")
    _tell(book, order, what, order.changed_at)
    return _put(book, order)


def move(book: Book, order: Order, state: str, at: int, who: str, reason: str = "") -> Order:
    """Bring an order a step on, with what else became known of it. One that is over holds no money
    any more.

    Raises:
        BillingError: no such step leads on from its state.
    """
    if state not in ORDER_TRANSITIONS[order.state]:
        may = ", ".join(sorted(ORDER_TRANSITIONS[order.state])) or "nothing"
        raise BillingError(f"order {order.id} is {order.state}; {may} may follow")
    after = replace(order, state=state, changed_at=at)
    if not after.is_open:
        book.reserve(order.account_id, -order.held_micros)
        after = replace(after, held_micros=0)
    _note(book, after, order.state, who, reason)
    if state in _TOLD:
        _tell(book, order, _TOLD[state], at)
    return _put(book, after)


def expected(order: Order, at: int, days: WorkingDays) -> Order:
    """With the days on which it may be connected if it goes to the supplier now."""
    today = local_day(at, order.zone)
    first, last = (days.after(today, count) for count in (order.days_from, order.days_to))
    return replace(order, expected_from=first.isoformat(), expected_by=last.isoformat())


def tell_late(book: Book, order: Order, at: int) -> None:
    """Tell the subscriber, once for each day that was named, that an order is late."""
    _tell(book, order, "order_late", at, f":{order.expected_by}")


def _put(book: Book, order: Order) -> Order:
    book.sales.put_order(order)
    if order.is_open and order.expected_by is not None:
        following = date.fromisoformat(order.expected_by) + timedelta(days=1)
        late_at = day_start(following, order.zone)
        book.sales.schedule(DueWork(LATE_KIND, order.id, order.account_id, late_at))
    else:
        book.sales.unschedule(LATE_KIND, order.id)
    return order


def _note(book: Book, order: Order, before: str, who: str, reason: str) -> None:
    what = f"order {order.id}"[:64]
    change = Change(order.account_id, order.changed_at, who, what, before, order.state, reason)
    book.new_changes.append(change)


def _tell(book: Book, order: Order, what: str, at: int, more: str = "") -> None:
    key = f"{what}:{order.id}{more}"
    dated = what in _DATED and order.expected_by is not None
    about = f"{order.place}, {order.expected_by}" if dated else order.place
    book.sales.tell(Notice(key, order.account_id, what, about, at))
