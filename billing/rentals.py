"""Renting: decisions about numbers and their fees.

A fee is debited on the day and at the hour of the connection, month by month, whether there is
money or not. Who couldn't pay keeps the number, but it takes no calls until the balance is above
zero; and the next debit stays on its day.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from billing.account import Account
from billing.authorization import AccountBlocked, BillingError, CurrencyMismatch, InsufficientFunds
from billing.due import DueWork
from billing.money import format_amount
from billing.rental import (
    ACTIVE,
    BURNED,
    CLOSING,
    DOCUMENTS,
    DOCUMENTS_TERM,
    ENDED,
    LENT,
    NOTICE,
    QUARANTINE,
    QUARANTINE_TERM,
    RENTED,
    SMS,
    STOCK,
    TERMS,
    TRIAL,
    TRIAL_TERM,
    BurnNumber,
    BuySmsNumber,
    ChargeRental,
    GiveUpNumber,
    Number,
    ReleaseNumber,
    Rental,
    RentNumber,
    RestoreNumber,
    TryNumber,
    Wait,
    WaitForNumber,
    fee,
)
from billing.sales import Notice

if TYPE_CHECKING:
    from billing.book import Book

FEE_KIND = "rental"
NUMBER_KIND = "number"


class NumberTaken(BillingError):
    """The number isn't there to be had."""


def rent(book: Book, command: RentNumber) -> Rental | None:
    """Connect a number at once, or hold it until its documents are approved."""
    known = book.sales.rentals.get(command.rental_id)
    if known is not None:
        return known
    if command.months not in TERMS:
        raise BillingError(f"a rent is paid for {', '.join(map(str, TERMS))} months at once")
    account, number = book.account(command.account_id), _number(book, command.number)
    if number.kind == SMS:
        raise NumberTaken(f"{number.number} is for one message only: buy it as an SMS number")
    mine = number.account_id == account.id and number.state in (DOCUMENTS, TRIAL)
    if number.state != STOCK and not mine:
        raise NumberTaken(f"{number.number} isn't in stock: it is {number.state}")
    price = fee(number.monthly_micros, command.months, command.discount_percent)
    _check(account, number, price)
    if number.documents and number.documents not in command.approved:
        until = DOCUMENTS_TERM.boundary(command.at, 1, command.zone)
        _hold(book, number, DOCUMENTS, account.id, until)
        return None
    rental = Rental(
        id=command.rental_id,
        account_id=account.id,
        number=number.number,
        currency=account.currency,
        fee_micros=price,
        months=command.months,
        zone=command.zone,
        anchor_at=command.at,
        period=0,
        paid_until=command.at,
        owing=False,
        state=ACTIVE,
    )
    _hold(book, number, RENTED, account.id, None, command.line)
    _begin_period(book, replace(rental, period=-1))
    _tell(book, rental, "number_connected", f"connected:{rental.id}", command.at)
    return book.sales.rentals[rental.id]


def _check(account: Account, number: Number, price: int) -> None:
    if not account.is_active:
        raise AccountBlocked(f"account {account.id} is {account.status}")
    if number.currency != account.currency:
        raise CurrencyMismatch(
            f"account {account.id} is in {account.currency}, {number.number} in {number.currency}"
        )
    available = account.available_micros
    if price and available is not None and available < price:
        raise InsufficientFunds(
            f"account {account.id} has {format_amount(available)} {account.currency} available; "
            f"{number.number} costs {format_amount(price)}"
        )


def _begin_period(book: Book, rental: Rental) -> None:
    """Debit the next period at the instant at which the last one ended."""
    period = rental.period + 1
    account = book.account(rental.account_id)
    available = account.available_micros
    short = available is not None and available < rental.fee_micros and rental.fee_micros > 0
    began = rental.paid_until
    if rental.fee_micros:
        book.post(
            f"rent:{rental.id}:{period}",
            rental.account_id,
            -rental.fee_micros,
            "rent",
            "revenue",
            began,
        )
    following = replace(
        rental,
        period=period,
        paid_until=rental.term.boundary(rental.anchor_at, period + 1, rental.zone),
        owing=rental.owing or short,
    )
    book.sales.put_rental(following)
    if short:
        _tell(book, following, "rent_unpaid", f"rent_unpaid:{rental.id}:{period}", began)
    book.sales.schedule(DueWork(FEE_KIND, rental.id, rental.account_id, following.paid_until))


def charge(book: Book, command: ChargeRental) -> Rental:
    """Debit the fee that is due; one that isn't due (any more) is left alone."""
    rental = _rental(book, command.account_id, command.rental)
    if command.at < rental.paid_until or rental.state == ENDED:
        return rental
    _begin_period(book, rental)
    if rental.state == CLOSING:
        _end(book, book.sales.rentals[rental.id])
    return book.sales.rentals[rental.id]


def give_up(book: Book, command: GiveUpNumber) -> Rental:
    """The number rests from now on. Given up less than a day before the debit, the next fee is
    due nevertheless."""
    rental = _rental(book, command.account_id, command.rental)
    if rental.state != ACTIVE:
        return rental
    if NOTICE.boundary(command.at, 1, rental.zone) > rental.paid_until:
        book.sales.put_rental(replace(rental, state=CLOSING))
    else:
        _end(book, rental)
    until = QUARANTINE_TERM.boundary(command.at, 1, rental.zone)
    _hold(book, _number(book, rental.number), QUARANTINE, rental.account_id, until)
    return book.sales.rentals[rental.id]


def _end(book: Book, rental: Rental) -> None:
    book.sales.put_rental(replace(rental, state=ENDED, owing=False))
    book.sales.unschedule(FEE_KIND, rental.id)


def after_rise(book: Book, account_id: int) -> None:
    """A balance above zero opens numbers that were shut for a debt; the debits stay on their
    days."""
    account = book.account(account_id)
    limit = account.credit_limit_micros
    if limit is not None and account.balance_micros + limit <= 0:
        return
    for rental in list(book.sales.rentals.values()):
        if rental.account_id == account_id and rental.owing:
            book.sales.put_rental(replace(rental, owing=False))


def try_out(book: Book, command: TryNumber) -> Number:
    """An hour's trial: of a number in stock, once for each client and number."""
    account, number = book.account(command.account_id), _number(book, command.number)
    if not account.is_active:
        raise AccountBlocked(f"account {account.id} is {account.status}")
    if number.kind == SMS:
        raise NumberTaken(f"{number.number} is an SMS number: those aren't lent")
    key = f"number_tried:{account.id}:{number.number}"
    if key in book.sales.told:
        raise NumberTaken(f"account {account.id} tried {number.number} before")
    if number.state != STOCK:
        raise NumberTaken(f"{number.number} isn't in stock: it is {number.state}")
    until = TRIAL_TERM.boundary(command.at, 1, "UTC")
    book.sales.tell(Notice(key, account.id, "number_tried", number.number, command.at))
    return _hold(book, number, TRIAL, account.id, until, command.line)


def release(book: Book, command: ReleaseNumber) -> Number:
    """A trial, a quarantine or the wait for documents ended: the number is in stock again, and
    who waits longest for one like it is told."""
    number = _number(book, command.number)
    if number.until is None or command.at < number.until:
        return number
    return into_stock(book, number, command.at)


def into_stock(book: Book, number: Number, at: int) -> Number:
    fresh = _hold(book, number, STOCK, None, None)
    waiting = sorted(
        (wait for wait in book.sales.waits.values() if _fits(wait, number)),
        key=lambda wait: (wait.since, wait.id),
    )
    if waiting:
        first = waiting[0]
        book.sales.end_wait(first)
        key = f"number_in_stock:{first.id}"
        book.sales.tell(Notice(key, first.account_id, "number_in_stock", number.number, at))
    return fresh


def _fits(wait: Wait, number: Number) -> bool:
    return (wait.country, wait.kind) == (number.country, number.kind) and (
        wait.city in (None, number.city)
    )


def restore(book: Book, command: RestoreNumber) -> Rental:
    """The operator gives a resting number back to who had it; it begins a new month today."""
    known = book.sales.rentals.get(command.rental_id)
    if known is not None:
        return known
    number = _number(book, command.number)
    if number.state != QUARANTINE or number.account_id != command.account_id:
        raise NumberTaken(
            f"{number.number} doesn't rest for account {command.account_id}: it is {number.state}"
        )
    _hold(book, number, STOCK, None, None)
    connect = RentNumber(
        account_id=command.account_id,
        at=command.at,
        rental_id=command.rental_id,
        number=number.number,
        line=command.line,
        months=1,
        discount_percent=0,
        zone=command.zone,
        approved=frozenset({number.documents}),
    )
    rental = rent(book, connect)
    assert rental is not None
    key = f"number_restored:{number.number}:{command.at}"
    _tell(book, rental, "number_restored", key, command.at)
    return rental


def buy_sms(book: Book, command: BuySmsNumber) -> Number:
    """An SMS number for one message of its service."""
    account, number = book.account(command.account_id), _number(book, command.number)
    if number.state == LENT and number.account_id == account.id:
        return number
    if number.kind != SMS or number.state != STOCK:
        raise NumberTaken(f"{number.number} is no SMS number in stock: it is {number.state}")
    _check(account, number, number.monthly_micros)
    if number.monthly_micros:
        transaction = f"purchase:{command.purchase_id}"
        price = -number.monthly_micros
        book.post(transaction, account.id, price, "sms_number", "revenue", command.at)
    return _hold(book, number, LENT, account.id, None)


def burn(book: Book, command: BurnNumber) -> Number:
    """Exactly one message, of the service it was bought for."""
    number = _number(book, command.number)
    if number.state != LENT or number.account_id != command.account_id:
        raise NumberTaken(f"{number.number} waits for no message: it is {number.state}")
    if number.service != command.service:
        raise NumberTaken(f"{number.number} is for {number.service}, not for {command.service}")
    return _hold(book, number, BURNED, command.account_id, None)


def wait_for(book: Book, command: WaitForNumber) -> Wait:
    """Join the wait list, once for each kind of number."""
    place = f"{command.country}:{command.city or ''}:{command.kind}"
    for known in book.sales.waits.values():
        if known.account_id == command.account_id and known.id.startswith(f"{place}:"):
            return known
    wait = Wait(
        f"{place}:{command.account_id}:{command.at}",
        book.account(command.account_id).id,
        command.country,
        command.city,
        command.kind,
        command.at,
    )
    book.sales.put_wait(wait)
    return wait


def _number(book: Book, number: str) -> Number:
    found = book.sales.numbers.get(number)
    if found is None:
        raise NumberTaken(f"{number} isn't in the inventory")
    return found


def _rental(book: Book, account_id: int, key: str) -> Rental:
    found = book.sales.rentals.get(key)
    if found is None or found.account_id != account_id:
        raise BillingError(f"account {account_id} has no rental {key}")
    return found


def _hold(
    book: Book,
    number: Number,
    state: str,
    account_id: int | None,
    until: int | None,
    line: str | None = None,
) -> Number:
    """Change a number's state, and look again when that ends by itself."""
    after = replace(number, state=state, account_id=account_id, line=line, until=until)
    book.sales.put_number(after)
    if until is None or account_id is None:
        book.sales.unschedule(NUMBER_KIND, number.number)
    else:
        book.sales.schedule(DueWork(NUMBER_KIND, number.number, account_id, until))
    return after


def _tell(book: Book, rental: Rental, what: str, key: str, at: int) -> None:
    book.sales.tell(Notice(key, rental.account_id, what, rental.number, at))
