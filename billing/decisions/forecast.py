"""The debits to come of one account: renewals of packages and rents of numbers.

A forecast holds if nothing else happens: no call, no payment, no change. It decides as the due work
does, a package is renewed only with money for it, a rent is debited whether there is money or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count
from typing import Literal

from billing.decisions.packages import goes_on, next_term
from billing.facts import product as packages
from billing.facts import rental as rents
from billing.facts.account import Account
from billing.facts.product import Product, Subscription
from billing.facts.rental import Rental

MAX_DEBITS = 1_000
"""A package of an hour has more in a year than anybody reads."""


@dataclass(frozen=True, slots=True)
class Debit:
    """A debit that is due.

    Args:
        at: epoch milliseconds.
        about: the product, or the number.
        left_micros: available after it; None: the account has no limit.
        paid: False if the money doesn't do. A package then isn't renewed, and takes nothing; a rent
            goes into the minus.
    """

    at: int
    kind: Literal["package", "rent"]
    about: str
    amount_micros: int
    left_micros: int | None
    paid: bool


def debits(
    account: Account,
    subscriptions: Iterable[Subscription],
    products: Mapping[str, Product],
    rentals: Iterable[Rental],
    until: int,
) -> Iterator[Debit]:
    """The debits of an account until an instant, the earliest first."""
    order = count()
    due: list[tuple[int, int, Subscription | Rental]] = []

    def await_end(of: Subscription | Rental) -> None:
        at = of.paid_until if isinstance(of, Rental) else of.ends_at
        heappush(due, (at, next(order), of))

    for subscription in subscriptions:
        if subscription.state == packages.ACTIVE:
            await_end(subscription)
    for rental in rentals:
        if rental.state != rents.ENDED:
            await_end(rental)
    left = account.available_micros
    for _ in range(MAX_DEBITS):
        if not due or due[0][0] > until:
            return
        at, _, item = heappop(due)
        if isinstance(item, Rental):
            price = item.fee_micros
            paid = _is_paid(price, left)
            left = None if left is None else left - price
            if item.state == rents.ACTIVE:
                await_end(_next_period(item))
            yield Debit(at, "rent", item.number, price, left, paid)
            continue
        product = products.get(item.product, item.terms)
        if not goes_on(item, product):
            continue
        price = product.price_micros
        paid = _is_paid(price, left)
        if paid:
            left = None if left is None else left - price
            await_end(next_term(item, product))
        yield Debit(at, "package", product.name, price, left, paid)


def _is_paid(price: int, left: int | None) -> bool:
    return not price or left is None or left >= price


def _next_period(rental: Rental) -> Rental:
    period = rental.period + 1
    paid_until = rental.term.boundary(rental.anchor_at, period + 1, rental.zone)
    return replace(rental, period=period, paid_until=paid_until)
