"""Buying and renewing: decisions about subscriptions."""

from __future__ import annotations

from dataclasses import replace

from billing.decisions import covered_calls
from billing.decisions.book import Book
from billing.facts.account import Account
from billing.facts.authorization import (
    AccountBlocked,
    BillingError,
    CurrencyMismatch,
    InsufficientFunds,
    PaymentConflict,
    Renewal,
)
from billing.facts.due import DueWork
from billing.facts.money import format_amount
from billing.facts.product import ACTIVE, ENDED, GRACE, Product, Subscription
from billing.facts.sales import BuyPackage, Notice, Purchase, RenewPackage, SetAutoRenew

DUE_KIND = "package"


class UnknownProduct(BillingError):
    """There is no such offer, or it isn't sold any more."""

    code = "product_unknown"


class UnknownSubscription(BillingError):
    """The account has no such subscription."""

    code = "subscription_unknown"


def buy(book: Book, command: BuyPackage) -> Purchase:
    """Sell a product for a term that begins now."""
    known = book.sales.subscriptions.get(command.purchase_id)
    if known is not None:
        return _bought_before(known, command)
    account = book.account(command.account_id)
    product = book.sales.products.get(command.product)
    if product is None or not product.sold:
        raise UnknownProduct(f"there is no product {command.product} on sale")
    for held in book.sales.of_account(account.id):
        if (held.product, held.line) == (product.name, command.line):
            if held.covers(command.at) and held.room_ms != 0:
                return Purchase(held, 0)
            _end(book, held)
    _check_spending(account, product)
    subscription = Subscription(
        id=command.purchase_id,
        account_id=account.id,
        line=command.line,
        product=product.name,
        terms=product,
        zone=command.zone,
        anchor_at=command.at,
        number=0,
        renewals=0,
        started_at=command.at,
        ends_at=product.term.boundary(command.at, 1, command.zone),
        used_ms=0,
        held_ms=0,
        auto_renew=command.auto_renew and product.renewable,
        state=ACTIVE,
    )
    _begin_term(book, subscription, f"purchase:{subscription.id}")
    return Purchase(subscription, product.price_micros)


def _bought_before(known: Subscription, command: BuyPackage) -> Purchase:
    if known.account_id != command.account_id:
        raise PaymentConflict(f"purchase id {known.id} was used before: choose another")
    if known.product != command.product:
        raise PaymentConflict(f"purchase id {known.id} was used for {known.product}")
    return Purchase(known, 0)


def _check_spending(account: Account, product: Product) -> None:
    if not account.is_active:
        raise AccountBlocked(f"account {account.id} is {account.status}")
    if product.currency != account.currency:
        raise CurrencyMismatch(
            f"account {account.id} is in {account.currency}, {product.name} in {product.currency}"
        )
    if not _can_pay(account, product):
        raise InsufficientFunds(
            f"account {account.id} has {format_amount(account.available_micros or 0)} "
            f"{account.currency} available; {product.name} costs "
            f"{format_amount(product.price_micros)}"
        )


def _can_pay(account: Account, product: Product, released_micros: int = 0) -> bool:
    """True if there is money for the product, or will be once calls gave back what they hold; a
    free one can be had at any balance."""
    available = account.available_micros
    price = product.price_micros
    return price == 0 or available is None or available + released_micros >= price


def _begin_term(book: Book, subscription: Subscription, transaction: str) -> None:
    """Charge the price of a term, and look again when it ends."""
    price = subscription.terms.price_micros
    if price:
        book.post(
            transaction,
            subscription.account_id,
            -price,
            "package",
            "revenue",
            subscription.started_at,
        )
    book.sales.put(subscription)
    _look_again(book, subscription, subscription.ends_at)


def _look_again(book: Book, subscription: Subscription, at: int) -> None:
    book.sales.schedule(DueWork(DUE_KIND, subscription.id, subscription.account_id, at))


def renew(book: Book, command: RenewPackage) -> Subscription:
    """Begin the next term of one that is over, give it grace, or end it.

    A term that was renewed already isn't over, so doing this again changes nothing."""
    subscription = _subscription(book, command.account_id, command.subscription)
    if subscription.state == GRACE:
        if command.at >= _grace_ends_at(subscription):
            _end(book, subscription, "package_ended", command.at)
    elif subscription.state == ACTIVE and command.at >= subscription.ends_at:
        _over(book, subscription, command.at)
    return book.sales.subscriptions[subscription.id]


def _over(book: Book, subscription: Subscription, at: int) -> None:
    product = book.sales.products.get(subscription.product, subscription.terms)
    account = book.account(subscription.account_id)
    if not goes_on(subscription, product):
        _end(book, subscription, "package_ended", at)
    elif account.is_active and _can_pay(
        account, product, covered_calls.held_beyond(book, subscription, product)
    ):
        following = next_term(subscription, product)
        _begin_term(book, following, _renewal(subscription))
        covered_calls.go_on_under(book, following)
    elif subscription.terms.grace is not None:
        waiting = replace(subscription, state=GRACE)
        book.sales.put(waiting)
        _look_again(book, waiting, _grace_ends_at(waiting))
        _tell(book, waiting, "package_unpaid", at)
    else:
        _end(book, subscription, "package_ended", at)


def goes_on(subscription: Subscription, product: Product) -> bool:
    """True if the subscriber wants another term, and the product is still sold."""
    return subscription.auto_renew and product.renewable and product.sold


def next_term(subscription: Subscription, product: Product) -> Subscription:
    """The term that begins in the instant in which the last one ended."""
    number = subscription.number + 1
    return replace(
        subscription,
        terms=product,
        number=number,
        renewals=subscription.renewals + 1,
        started_at=subscription.ends_at,
        ends_at=product.term.boundary(subscription.anchor_at, number + 1, subscription.zone),
        used_ms=0,
        held_ms=0,
        state=ACTIVE,
    )


def _renewal(subscription: Subscription) -> str:
    """The transaction of the next term: one for each, however often it is asked for."""
    return f"renewal:{subscription.id}:{subscription.renewals + 1}"


def _grace_ends_at(subscription: Subscription) -> int:
    grace = subscription.terms.grace
    if grace is None:
        return subscription.ends_at
    return grace.boundary(subscription.ends_at, 1, subscription.zone)


def after_payment(book: Book, account_id: int, at: int) -> list[Renewal]:
    """Renew, from this moment on, the packages of an account that wait in their grace for a
    payment."""
    renewed: list[Renewal] = []
    for waiting in book.sales.of_account(account_id):
        account = book.account(account_id)
        product = book.sales.products.get(waiting.product, waiting.terms)
        if waiting.state != GRACE or at >= _grace_ends_at(waiting):
            continue  # its end may be due, and not done yet
        if not (goes_on(waiting, product) and account.is_active and _can_pay(account, product)):
            continue
        again = replace(
            next_term(waiting, product),
            anchor_at=at,
            number=0,
            started_at=at,
            ends_at=product.term.boundary(at, 1, waiting.zone),
        )
        _begin_term(book, again, _renewal(waiting))
        renewed.append(Renewal(again.id, again.product, product.price_micros))
    return renewed


def set_auto_renew(book: Book, command: SetAutoRenew) -> Subscription:
    """Switch the renewal of a subscription on or off.

    Raises:
        UnknownSubscription, BillingError: it isn't the account's, is over, or can't renew itself.
    """
    subscription = _subscription(book, command.account_id, command.subscription)
    if subscription.state == ENDED:
        raise BillingError(f"subscription {subscription.id} is over")
    if command.on and not subscription.terms.renewable:
        raise BillingError(f"{subscription.product} doesn't renew itself")
    book.sales.put(replace(subscription, auto_renew=command.on))
    return book.sales.subscriptions[subscription.id]


def _end(
    book: Book, subscription: Subscription, what: str | None = None, at: int | None = None
) -> None:
    book.sales.put(replace(subscription, state=ENDED))
    book.sales.unschedule(DUE_KIND, subscription.id)
    if what is not None and at is not None:
        _tell(book, subscription, what, at)


def _tell(book: Book, subscription: Subscription, what: str, at: int) -> None:
    key = f"{what}:{subscription.id}:{subscription.renewals}"
    book.sales.tell(Notice(key, subscription.account_id, what, subscription.product, at))


def _subscription(book: Book, account_id: int, key: str) -> Subscription:
    found = book.sales.subscriptions.get(key)
    if found is None or found.account_id != account_id:
        raise UnknownSubscription(f"account {account_id} has no subscription {key}")
    return found
