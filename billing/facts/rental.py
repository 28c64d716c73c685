"""Numbers for rent: the inventory, rentals by anchor day, and what is asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from billing.facts.calendar import Term
from billing.facts.command import Command, SalesCommand, Touched
from billing.facts.money import round_half_up

STOCK = "stock"
TRIAL = "trial"
DOCUMENTS = "documents"
"""Chosen by a client whose documents aren't approved yet."""
RENTED = "rented"
QUARANTINE = "quarantine"
LENT = "lent"
"""An SMS number that waits for its one message."""
BURNED = "burned"
"""An SMS number that had it; it is never issued again."""

ACTIVE = "active"
CLOSING = "closing"
"""Given up too late: the next fee is still due."""
ENDED = "ended"

SMS = "sms"
KINDS = ("landline", "mobile", "tollfree", SMS)
TERMS = (1, 3, 6, 12)
"""Months that may be paid at once."""
VOLUME = 5
"""Numbers in one order from which on there is a discount."""
NOTICE = Term(24, "hours")
"""A number must be given up so long before the debit."""
TRIAL_TERM = Term(1, "hours")
QUARANTINE_TERM = Term(90, "days")
DOCUMENTS_TERM = Term(14, "days")
"""The time for which a number is kept until documents are approved, unless the operator set it
otherwise; the approval itself takes a day or two."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the inventory.

    Args:
        number: E.164 with "+".
        documents: the class of documents that the supplier wants; "" for none.
        service: of an SMS number, whose message it is for.
        monthly_micros: the rent of a month; of an SMS number the price of its message.
        account_id: the account that has it, or had it last while it is in quarantine.
        line: the number of the line at which it rings.
        until: when its state ends by itself; epoch milliseconds.
    """

    number: str
    country: str
    city: str | None
    kind: str
    supplier: str
    documents: str
    service: str | None
    currency: str
    monthly_micros: int
    state: str = STOCK
    account_id: int | None = None
    line: str | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Rental:
    """A number that an account rents.

    Args:
        id: of the order, so that ordering again changes nothing.
        fee_micros: for each period of `months`, discounts taken off.
        anchor_at: when it was connected; every debit has its day and hour.
        period: the present one, from 0.
        paid_until: when the next fee is debited.
        owing: a fee went into the minus, and the balance wasn't above zero since.
    """

    id: str
    account_id: int
    number: str
    currency: str
    fee_micros: int
    months: int
    zone: str
    anchor_at: int
    period: int
    paid_until: int
    owing: bool
    state: str

    @property
    def term(self) -> Term:
        """The length of a period."""
        return Term(self.months, "months")


@dataclass(frozen=True, slots=True)
class Wait:
    """An account's place on the wait list for a number of this kind."""

    id: str
    account_id: int
    country: str
    city: str | None
    kind: str
    since: int


def fee(monthly_micros: int, months: int, discount_percent: int) -> int:
    """Micros that a period costs; rounded once, half up."""
    return round_half_up(monthly_micros * months * (100 - discount_percent), 100)


def tried_key(account_id: int, number: str) -> str:
    """The id of the notice that an account tried a number, which it may once."""
    return f"number_tried:{account_id}:{number}"


def discount(percents: Mapping[str, int], months: int, numbers: int) -> int:
    """Percent off: for the months that are paid at once, and for several numbers in one order.

    Args:
        percents: by "3 months", "6 months", "12 months" and "5 numbers".
    """
    off = percents.get(f"{months} months", 0)
    if numbers >= VOLUME:
        off += percents.get(f"{VOLUME} numbers", 0)
    return min(100, off)


@dataclass(frozen=True, slots=True, kw_only=True)
class RentNumber(SalesCommand[Rental | None]):
    """Connect a number of the stock; answered by the Rental, or by None while documents are
    awaited. Charges the first period, or reserves it as long as there are documents to wait for.

    Args:
        approved: document classes that were approved for the account.
        documents_term: how long the number waits for them.
    """

    rental_id: str
    number: str
    line: str
    months: int
    discount_percent: int
    zone: str
    approved: frozenset[str] = frozenset()
    documents_term: Term = DOCUMENTS_TERM

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.numbers.add(self.number)
        touched.sales.rentals.add(self.rental_id)
        touched.sales.orders.add(self.rental_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRental(SalesCommand[Rental]):
    """A period is over; answered by the Rental."""

    rental: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.rentals.add(self.rental)


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUpNumber(SalesCommand[Rental]):
    """End a rental; answered by the Rental. Nothing is refunded."""

    rental: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.rentals.add(self.rental)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepNumber(SalesCommand[Rental]):
    """Take back a number that was given up, before what was paid for it ends; answered by the
    Rental, whose debits go on as before."""

    rental: str
    line: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.rentals.add(self.rental)


@dataclass(frozen=True, slots=True, kw_only=True)
class TryNumber(SalesCommand[Number]):
    """Lend a number for an hour; answered by the Number."""

    number: str
    line: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.numbers.add(self.number)
        touched.sales.notices.add(tried_key(self.account_id, self.number))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseNumber(SalesCommand[Number]):
    """A trial, a quarantine or the wait for documents is over; answered by the Number."""

    number: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.numbers.add(self.number)
        touched.sales.orders_with_documents_for.add(self.number)
        touched.sales.number_queue = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreNumber(SalesCommand[Rental]):
    """Take a number out of quarantine for the account that had it; answered by the Rental."""

    rental_id: str
    number: str
    line: str
    zone: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.numbers.add(self.number)
        touched.sales.rentals.add(self.rental_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuySmsNumber(SalesCommand[Number]):
    """Lend an SMS number for one message of a service; answered by the Number."""

    purchase_id: str
    number: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.numbers.add(self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnNumber(SalesCommand[Number]):
    """The one message came; answered by the Number. A second one is refused."""

    number: str
    service: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.numbers.add(self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitForNumber(SalesCommand[Wait]):
    """Join the wait list; answered by the Wait."""

    country: str
    city: str | None
    kind: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.number_queue = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWaiting(SalesCommand[bool]):
    """Leave the wait list; answered by False if the account doesn't wait there (any more)."""

    wait: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.number_queue = True


@dataclass(frozen=True, slots=True)
class StockOf:
    """Numbers in stock that are alike.

    Args:
        service: of SMS numbers, whose message they are for; `monthly_micros` is its price then.
    """

    country: str
    city: str | None
    kind: str
    documents: str
    service: str | None
    currency: str
    monthly_micros: int
    count: int


@dataclass(frozen=True, slots=True)
class AddNumbers(Command[list[Number]]):
    """New numbers for the stock; answered by those that are new. A number
    that is there already is left as it is."""

    numbers: tuple[Number, ...]
    at: int


@dataclass(frozen=True, slots=True)
class SetDiscounts(Command[None]):
    """Percents by "3 months", "6 months", "12 months", "5 numbers"."""

    percents: Mapping[str, int]
