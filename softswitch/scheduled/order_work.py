"""Due work for number orders: numbers of the pool are given to the orders that wait, kept numbers
are connected when their documents were approved in time, and late orders are reported."""

from __future__ import annotations

from billing.facts.calendar import WorkingDays, local_day
from billing.facts.command import Command
from billing.facts.due import DueWork, Handler
from billing.facts.order import ConnectOrder, OfferNumber, ServeOrders, TellLate, fits
from billing.facts.rental import DOCUMENTS, STOCK, ReleaseNumber
from billing.facts.sales import MoveDue
from billing.stores import order_store, rental_store
from billing.stores.store import Store
from softswitch.subscribers.subscriber_store import SubscriberStore


def serve_pool(store: Store) -> Handler:
    """Give a number of the stock to the first order that it fits.

    Connecting ends this work; until then it runs again for the first order, since a line may have
    been cancelled meanwhile."""

    def handle(work: DueWork) -> list[Command[object]]:
        with store.reading() as connection:
            number = rental_store.number(connection, work.subject)
            waiting = order_store.waiting(connection)
        if number is None or number.state != STOCK:
            return [MoveDue(work, None)]
        first = next((order for order in waiting if fits(order, number)), None)
        if first is None:
            return [OfferNumber(number.number, work.due_at), MoveDue(work, None)]
        return [
            ConnectOrder(
                account_id=first.account_id, at=work.due_at, order=first.id, number=number.number
            )
        ]

    return handle


def release(store: Store, zone: str, days: WorkingDays) -> Handler:
    """End a state of a number whose term is over. A number that waited for documents is connected
    if they were approved but not yet acted upon."""

    def handle(work: DueWork) -> list[Command[object]]:
        assert work.account_id is not None
        mine = (work.account_id, work.due_at)
        over = ReleaseNumber(account_id=mine[0], at=mine[1], number=work.subject)
        with store.reading() as connection:
            number = rental_store.number(connection, work.subject)
        if number is None or number.state != DOCUMENTS:
            return [over]
        approved = approved_kinds(store, work.account_id, work.due_at, zone)
        return [ServeOrders(account_id=mine[0], at=mine[1], approved=approved, days=days), over]

    return handle


def tell_late(work: DueWork) -> list[Command[object]]:
    assert work.account_id is not None
    return [TellLate(account_id=work.account_id, at=work.due_at, order=work.subject)]


def approved_kinds(store: Store, account_id: int, now: int, zone: str) -> frozenset[str]:
    """The classes of documents that an account has approved and valid on a day."""
    day = local_day(now, zone).isoformat()
    found = SubscriberStore(store.engine).documents(account_id)
    return frozenset(document.kind for document in found if document.counts(day))
