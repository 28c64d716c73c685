"""Rentals: decisions about numbers and their fees.

A fee is debited on the day and at the hour of the connection, month by month, whether there is
money or not. An account that can't pay keeps the number, but it takes no calls until the balance is
above zero; and the next debit stays on its day.
"""

from __future__ import annotations

from dataclasses import replace

from billing.decisions import order_moves
from billing.decisions.book import Book
from billing.facts import order as order_states
from billing.facts.account import Account
from billing.facts.authorization import (
    AccountBlocked,
    BillingError,
    CurrencyMismatch,
    InsufficientFunds,
    PaymentConflict,
)
from billing.facts.due import DueWork
from billing.facts.money import format_amount
from billing.facts.rental import (
    ACTIVE,
    BURNED,
    CLOSING,
    DOCUMENTS,
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
    KeepNumber,
    Number,
    ReleaseNumber,
    Rental,
    RentNumber,
    RestoreNumber,
    StopWaiting,
    TryNumber,
    Wait,
    WaitForNumber,
    fee,
    tried_key,
)
from billing.facts.sales import Notice

FEE_KIND = "rental"
NUMBER_KIND = "number"


class NumberTaken(BillingError):
    """The number isn't there to be had."""

    code = "number_taken"


def rent(book: Book, command: RentNumber) -> Rental | None:
    """Connect a number at once, or hold it until its documents are approved."""
    known = book.sales.rentals.get(command.rental_id)
    if known is not None:
        if known.account_id != command.account_id:
            raise PaymentConflict(f"rental id {known.id} was used before: choose another")
        return known
    if command.months not in TERMS:
        raise BillingError(f"a rent is paid for {', '.join(map(str, TERMS))} months at once")
    account, number = book.account(command.account_id), find(book, command.number)
    if number.kind == SMS:
        raise NumberTaken(f"{number.number} is for one message only: buy it as an SMS number")
    mine = number.account_id == account.id and number.state in (DOCUMENTS, TRIAL)
    if number.state != STOCK and not mine:
        raise NumberTaken(f"{number.number} isn't in stock: it is {number.state}")
    order = book.sales.orders.get(command.rental_id)
    price = fee(number.monthly_micros, command.months, command.discount_percent)
    check(account, number, price, 0 if order is None else order.held_micros)
    if number.documents and number.documents not in command.approved:
        if order is None:
            _wait_for_documents(book, command, number, price)
        return None
    if order is not None:
        order_moves.move(book, order, order_states.CONNECTED, command.at, "switch")
    terms = (command.months, price, command.zone)
    return connect(book, command.rental_id, account, number, command.line, terms, command.at)


def _wait_for_documents(book: Book, command: RentNumber, number: Number, price: int) -> None:
    """The number is kept, and its first period's money reserved."""
    until = command.documents_term.boundary(command.at, 1, command.zone)
    hold(book, number, DOCUMENTS, command.account_id, until)
    order = order_states.Order(
        id=command.rental_id,
        account_id=command.account_id,
        country=number.country,
        city=number.city,
        kind=number.kind,
        supplier=number.supplier,
        documents=number.documents,
        number=number.number,
        line=command.line,
        currency=number.currency,
        monthly_micros=number.monthly_micros,
        months=command.months,
        discount_percent=command.discount_percent,
        zone=command.zone,
        held_micros=price,
        state=order_states.DOCUMENTS,
        ordered_at=command.at,
        changed_at=command.at,
    )
    order_moves.open_order(book, order, "switch", "documents_needed")


def connect(
    book: Book,
    key: str,
    account: Account,
    number: Number,
    line: str,
    terms: tuple[int, int, str],
    at: int,
) -> Rental:
    """Begin a rental, and charge its first period.

    Args:
        key: the rental's id.
        terms: months paid at once, what they cost, the zone whose days count.
    """
    months, price, zone = terms
    rental = Rental(
        id=key,
        account_id=account.id,
        number=number.number,
        currency=account.currency,
        fee_micros=price,
        months=months,
        zone=zone,
        anchor_at=at,
        period=-1,
        paid_until=at,
        owing=False,
        state=ACTIVE,
    )
    hold(book, number, RENTED, account.id, None, line)
    _begin_period(book, rental)
    _tell(book, rental, "number_connected", f"connected:{rental.id}", at)
    return book.sales.rentals[rental.id]


def check(account: Account, number: Number, price: int, held: int = 0) -> None:
    """Check that an account may have a number and can pay for its first period.

    Args:
        held: what is reserved for it already.

    Raises:
        BillingError: why not.
    """
    if not account.is_active:
        raise AccountBlocked(f"account {account.id} is {account.status}")
    if number.currency != account.currency:
        raise CurrencyMismatch(
            f"account {account.id} is in {account.currency}, {number.number} in {number.currency}"
        )
    available = None if account.available_micros is None else account.available_micros + held
    if price and available is not None and available < price:
        raise InsufficientFunds(
            f"account {account.id} has {format_amount(available)} {account.currency} available; "
            f"{number.number} costs {format_amount(price)}"
        )


def _begin_period(book: Book, rental: Rental) -> None:
    """Debit the next period at the instant at which the last one ended."""
    period = rental.period + 1
    account = book.account(rental.account_id)
    short = _is_short(account, rental.fee_micros)
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


def _is_short(account: Account, price: int) -> bool:
    """True if a fee goes into the minus: what is available doesn't pay it (some of the balance may
    be held for calls), and the balance isn't above zero afterwards."""
    available, limit = account.available_micros, account.credit_limit_micros
    if available is None or limit is None or not price:
        return False
    return available < price and account.balance_micros + limit <= price


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
    hold(book, find(book, rental.number), QUARANTINE, rental.account_id, until)
    return book.sales.rentals[rental.id]


def keep(book: Book, command: KeepNumber) -> Rental:
    """A number that rests for its account rings again; nothing is charged before the day on which
    the next fee would have been due."""
    rental = _rental(book, command.account_id, command.rental)
    if rental.state == ACTIVE:
        return rental
    account, number = book.account(command.account_id), find(book, rental.number)
    if not account.is_active:
        raise AccountBlocked(f"account {account.id} is {account.status}")
    if number.state != QUARANTINE or number.account_id != account.id:
        raise NumberTaken(
            f"{number.number} doesn't rest for account {account.id}: it is {number.state}"
        )
    if command.at >= rental.paid_until:
        raise NumberTaken(f"{number.number} isn't paid for any more: order it again")
    book.sales.put_rental(replace(rental, state=ACTIVE))
    book.sales.schedule(DueWork(FEE_KIND, rental.id, rental.account_id, rental.paid_until))
    hold(book, number, RENTED, account.id, None, command.line)
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
    account, number = book.account(command.account_id), find(book, command.number)
    if not account.is_active:
        raise AccountBlocked(f"account {account.id} is {account.status}")
    if number.kind == SMS:
        raise NumberTaken(f"{number.number} is an SMS number: those aren't lent")
    key = tried_key(account.id, number.number)
    if key in book.sales.told:
        raise NumberTaken(f"account {account.id} tried {number.number} before")
    if number.state != STOCK:
        raise NumberTaken(f"{number.number} isn't in stock: it is {number.state}")
    until = TRIAL_TERM.boundary(command.at, 1, "UTC")
    book.sales.tell(Notice(key, account.id, "number_tried", number.number, command.at))
    return hold(book, number, TRIAL, account.id, until, command.line)


def release(book: Book, command: ReleaseNumber) -> Number:
    """A trial, a quarantine or the wait for documents ended: the number is in stock again, and
    who waits longest for one like it is told."""
    number = find(book, command.number)
    if number.until is None or command.at < number.until:
        return number
    for order in list(book.sales.orders.values()):
        if order.number == number.number and order.state == order_states.DOCUMENTS:
            why = "the documents weren't approved in time"
            order_moves.move(book, order, order_states.CANCELLED, command.at, "switch", why)
    return into_stock(book, number, command.at)


def into_stock(book: Book, number: Number, at: int) -> Number:
    """A number is to be had. Orders come first; without any for one like it, who waits longest
    for one is told."""
    fresh = hold(book, number, STOCK, None, None)
    if any(order_states.fits(order, fresh) for order in book.sales.waiting_orders):
        book.sales.schedule(DueWork(order_states.POOL_KIND, number.number, None, at))
    else:
        tell_waiting(book, fresh, at)
    return fresh


def tell_waiting(book: Book, number: Number, at: int) -> None:
    """First come, first served: one number, one notice."""
    waiting = sorted(
        (wait for wait in book.sales.waits.values() if _fits(wait, number)),
        key=lambda wait: (wait.since, wait.id),
    )
    if waiting:
        first = waiting[0]
        book.sales.end_wait(first)
        key = f"number_in_stock:{first.id}"
        book.sales.tell(Notice(key, first.account_id, "number_in_stock", number.number, at))


def _fits(wait: Wait, number: Number) -> bool:
    return (wait.country, wait.kind) == (number.country, number.kind) and (
        wait.city in (None, number.city)
    )


def restore(book: Book, command: RestoreNumber) -> Rental:
    """The operator gives a resting number back to who had it; it begins a new month today."""
    known = book.sales.rentals.get(command.rental_id)
    if known is not None:
        return known
    number = find(book, command.number)
    if number.state != QUARANTINE or number.account_id != command.account_id:
        raise NumberTaken(
            f"{number.number} doesn't rest for account {command.account_id}: it is {number.state}"
        )
    hold(book, number, STOCK, None, None)
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
    account, number = book.account(command.account_id), find(book, command.number)
    if number.state == LENT and number.account_id == account.id:
        return number
    if number.kind != SMS or number.state != STOCK:
        raise NumberTaken(f"{number.number} is no SMS number in stock: it is {number.state}")
    check(account, number, number.monthly_micros)
    if number.monthly_micros:
        transaction = f"purchase:{command.purchase_id}"
        price = -number.monthly_micros
        book.post(transaction, account.id, price, "sms_number", "revenue", command.at)
    return hold(book, number, LENT, account.id, None)


def burn(book: Book, command: BurnNumber) -> Number:
    """Exactly one message, of the service it was bought for."""
    number = find(book, command.number)
    if number.state != LENT or number.account_id != command.account_id:
        raise NumberTaken(f"{number.number} waits for no message: it is {number.state}")
    if number.service != command.service:
        raise NumberTaken(f"{number.number} is for {number.service}, not for {command.service}")
    return hold(book, number, BURNED, command.account_id, None)


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


def stop_waiting(book: Book, command: StopWaiting) -> bool:
    """Take an account off the wait list."""
    wait = book.sales.waits.get(command.wait)
    if wait is None or wait.account_id != command.account_id:
        return False
    book.sales.end_wait(wait)
    return True


def find(book: Book, number: str) -> Number:
    """Raises NumberTaken when it isn't in the inventory."""
    found = book.sales.numbers.get(number)
    if found is None:
        raise NumberTaken(f"{number} isn't in the inventory")
    return found


def _rental(book: Book, account_id: int, key: str) -> Rental:
    found = book.sales.rentals.get(key)
    if found is None or found.account_id != account_id:
        raise BillingError(f"account {account_id} has no rental {key}")
    return found


def hold(
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
