"""Orders for numbers: what isn't in stock, or waits for documents; facts, states and commands."""

from __future__ import annotations

from dataclasses import dataclass

from billing.facts.calendar import WorkingDays
from billing.facts.command import Command, SalesCommand, Touched
from billing.facts.rental import Number, Rental, fee

DOCUMENTS = "documents"
"""Waits until the documents that the supplier wants are approved."""
REQUESTED = "requested"
"""The operator has to order it from the supplier."""
SUBMITTED = "submitted"
"""Ordered from the supplier."""
CONNECTED = "connected"
REFUSED = "refused"
"""It can't be had."""
CANCELLED = "cancelled"

OPEN = (DOCUMENTS, REQUESTED, SUBMITTED)
ORDER_TRANSITIONS: dict[str, frozenset[str]] = {
    DOCUMENTS: frozenset({REQUESTED, CONNECTED, REFUSED, CANCELLED}),
    REQUESTED: frozenset({SUBMITTED, CONNECTED, REFUSED, CANCELLED}),
    SUBMITTED: frozenset({SUBMITTED, CONNECTED, REFUSED, CANCELLED}),
    CONNECTED: frozenset(),
    REFUSED: frozenset(),
    CANCELLED: frozenset(),
}
"""The states that may follow each state; a supplier may be asked anew."""

POOL_KIND = "pool"
"""The kind of work that gives a number of the stock to an order that waits for one like it."""
LATE_KIND = "order_late"
"""The kind of work that tells of an order that should have been connected by now."""
MAX_LEAD_DAYS = 120
"""Working days: nearly half a year, longer than any supplier says."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A kind of number that a supplier delivers on order.

    Args:
        documents: the class of documents that the supplier wants; "" for none.
        days_from, days_to: working days until it is connected.
    """

    country: str
    city: str | None
    kind: str
    supplier: str
    documents: str
    currency: str
    monthly_micros: int
    days_from: int
    days_to: int

    @property
    def id(self) -> str:
        """The primary key: place, kind, supplier and documents."""
        place = f"{self.country}:{self.city or ''}:{self.kind}"
        return f"{place}:{self.supplier}:{self.documents}"


@dataclass(frozen=True, slots=True)
class Order:
    """An order for one number.

    Args:
        id: becomes the rental's, so that connecting twice changes nothing.
        number: the one that was chosen from the stock, or the one that it became.
        monthly_micros: the price agreed on; a number of the pool that costs less is charged less.
        held_micros: what is reserved on the account for the first period.
        ordered_at: the earliest order is served first; epoch milliseconds.
        expected_from, expected_by: days of the operator's calendar (ISO), the last one included;
            None while documents are awaited.
        reference: the supplier's own id of it.
    """

    id: str
    account_id: int
    country: str
    city: str | None
    kind: str
    supplier: str
    documents: str
    number: str | None
    line: str
    currency: str
    monthly_micros: int
    months: int
    discount_percent: int
    zone: str
    held_micros: int
    state: str
    ordered_at: int
    changed_at: int
    days_from: int = 0
    days_to: int = 0
    expected_from: str | None = None
    expected_by: str | None = None
    reference: str = ""

    @property
    def is_open(self) -> bool:
        """True until the order is connected, refused or cancelled."""
        return self.state in OPEN

    @property
    def place(self) -> str:
        """The number if it is known, otherwise city and country, as subscribers are told."""
        return self.number or ", ".join(filter(None, (self.city, self.country)))

    def price_of(self, number: Number) -> int:
        """Micros that the first period of a number costs under this order."""
        monthly = min(self.monthly_micros, number.monthly_micros)
        return fee(monthly, self.months, self.discount_percent)


def fits(order: Order, number: Number) -> bool:
    """True if a number of the stock is what was ordered, at no higher price and with no other
    documents."""
    return (
        order.state in (REQUESTED, SUBMITTED)
        and (order.country, order.kind, order.currency)
        == (number.country, number.kind, number.currency)
        and order.city in (None, number.city)
        and number.documents in ("", order.documents)
        and number.monthly_micros <= order.monthly_micros
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder(SalesCommand[Order]):
    """Order a number of an offer; answered by the Order. The first period's money is reserved
    until it is connected, refused or cancelled. A repeated id changes nothing.

    Args:
        approved: document classes that were approved for the account.
        days: the operator's calendar, by which the supplier's days are counted.
    """

    order_id: str
    offer: Offer
    line: str
    months: int
    discount_percent: int
    zone: str
    approved: frozenset[str]
    days: WorkingDays

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.orders.add(self.order_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOrder(SalesCommand[Order]):
    """The supplier was asked; answered by the Order.

    Args:
        expected_by: the day that the supplier named (ISO); None keeps the one there is.
    """

    order: str
    reference: str
    expected_by: str | None
    who: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.orders.add(self.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOrder(SalesCommand[Rental | None]):
    """Connect an order with a number; answered by the Rental, or by None when the number or the
    order was gone meanwhile (then nothing changed).

    Args:
        fresh: what to put into the inventory when the number isn't there.
    """

    order: str
    number: str
    fresh: Number | None = None
    who: str = "switch"

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.orders.add(self.order)
        touched.sales.numbers.add(self.number)
        touched.sales.rentals.add(self.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOrder(SalesCommand[Order]):
    """Refuse or cancel an order, and give its money free; answered by the Order."""

    order: str
    state: str
    reason: str
    who: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.orders.add(self.order)
        touched.sales.number_queue = True

    @property
    def relieved_account(self) -> int | None:
        return self.account_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOrders(SalesCommand[list[Order]]):
    """Documents were approved: connect what waits only for them, and have the rest ordered;
    answered by the Orders that went on."""

    approved: frozenset[str]
    days: WorkingDays

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.orders_with_documents_of.add(self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class TellLate(SalesCommand[Order]):
    """An order wasn't connected by its day; answered by the Order."""

    order: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.orders.add(self.order)


@dataclass(frozen=True, slots=True)
class OfferNumber(Command[None]):
    """No order took a number of the stock: who waits longest for one like it is told."""

    number: str
    at: int


@dataclass(frozen=True, slots=True)
class DefineOffer(Command[bool]):
    """Put an offer in the place of the one of its id, or withdraw it."""

    offer: Offer
    withdrawn: bool = False
