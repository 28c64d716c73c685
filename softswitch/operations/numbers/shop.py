"""The shop of numbers, as subscribers see it: places and prices, numbers in stock, quotes, trials.

From whom the operator buys a number, and who has it, is in none of its answers.
"""

from __future__ import annotations

from billing.facts.account import Account
from billing.facts.cdr import show_stamp
from billing.facts.money import format_amount
from billing.facts.rental import (
    DOCUMENTS,
    RENTED,
    SMS,
    STOCK,
    TERMS,
    TRIAL,
    TRIAL_TERM,
    VOLUME,
    Number,
    StockOf,
    StopWaiting,
    discount,
    fee,
)
from billing.stores import order_store, rental_store, sales_store
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.accounts.standing import approved_kinds
from softswitch.operations.context import Context
from softswitch.operations.numbers.number_fields import country_of, kind_of
from softswitch.operations.numbers.orders import MAX_COUNT, cheapest_offer
from softswitch.operations.pages import page_at

NUMBER_TRIED = "number_tried"
"""The notice of a trial; see `billing.facts.rental.tried_key`."""


def number_catalogue(
    context: Context,
    account: str | None = None,
    country: str | None = None,
    city: str | None = None,
    kind: str | None = None,
) -> list[Row]:
    """Numbers that can be had, by place, kind, documents and price: those in stock at once, others
    on order in some working days.

    Args:
        account: only numbers in its currency.
    """
    owner = None if account is None else context.account(account)
    place = None if country is None else country_of(country)
    wanted = None if kind is None else kind_of(kind)
    currency = None if owner is None else owner.currency
    with context.billing.reading() as connection:
        stock = rental_store.stock(connection, place, city, wanted, currency)
        offers = order_store.offers(connection)
    rows = [_stock_row(item) for item in stock]
    for offer in offers:
        fits = (
            place in (None, offer.country)
            and city in (None, offer.city)
            and wanted in (None, offer.kind)
            and currency in (None, offer.currency)
        )
        if fits:
            rows.append(
                {
                    "country": offer.country,
                    "city": offer.city,
                    "kind": offer.kind,
                    "service": None,
                    "documents": offer.documents or None,
                    "monthly": format_amount(offer.monthly_micros),
                    "currency": offer.currency,
                    "delivery": "order",
                    "stock": 0,
                    "working_days": f"{offer.days_from}-{offer.days_to}",
                }
            )
    return rows


def number_stock(
    context: Context,
    account: str | None = None,
    country: str | None = None,
    city: str | None = None,
    kind: str | None = None,
    limit: int | None = None,
    before: str | None = None,
    search: str | None = None,
) -> list[Row]:
    """Numbers in stock to choose from, the highest first.

    Args:
        account: only numbers in its currency.
        before: those below this number: the last of the page before.
        search: how the number begins.
    """
    owner = None if account is None else context.account(account)
    page = page_at(limit, None if before is None else (context.number(before),))
    with context.billing.reading() as connection:
        found = rental_store.numbers(
            connection,
            STOCK,
            None if country is None else country_of(country),
            city,
            None if kind is None else kind_of(kind),
            search=search,
            page=page,
            currency=None if owner is None else owner.currency,
        )
    return [_number_row(item) for item in found]


def rental_quote(
    context: Context,
    account: str,
    numbers: list[str] | None = None,
    country: str | None = None,
    city: str | None = None,
    kind: str = "landline",
    count: int = 1,
    months: int = 1,
) -> Row:
    """What renting numbers costs before they are rented, with the discounts, as `rental_order` or
    `order_add` would charge it; and the same for each number of months that can be paid at once.
    """
    owner = context.account(account)
    if months not in TERMS:
        raise OperationError(
            "not_one_of", field="months", choices=tuple(map(str, TERMS)), value=months
        )
    if not 1 <= count <= MAX_COUNT:
        raise OperationError("order_count", most=MAX_COUNT, count=count)
    monthly, facts = _quoted(context, owner, numbers, country, city, kind, count)
    with context.billing.reading() as connection:
        percents = rental_store.discounts(connection)

    def total(term: int) -> int:
        percent = discount(percents, term, len(monthly))
        return sum(fee(each, term, percent) for each in monthly)

    available, price = owner.available_micros, total(months)
    short = 0 if available is None else max(0, price - max(0, available))
    return facts | {
        "count": len(monthly),
        "months": months,
        "discount_percent": discount(percents, months, len(monthly)),
        "price": format_amount(price),
        "currency": owner.currency,
        "available": None if available is None else format_amount(available),
        "affordable": short == 0,
        "short": format_amount(short),
        "terms": [
            {
                "months": term,
                "discount_percent": discount(percents, term, len(monthly)),
                "price": format_amount(total(term)),
            }
            for term in TERMS
        ],
        "volume_from": VOLUME,
    }


def numbers_tried(context: Context, account: str) -> list[Row]:
    """The numbers that an account tries or tried, the latest first. Each can be tried once."""
    owner, now = context.account(account), context.now_ms()
    with context.billing.reading() as connection:
        notices = sales_store.notices(connection, owner.id)
        tried = [notice for notice in notices if notice.what == NUMBER_TRIED]
        numbers = rental_store.numbers_by_key(connection, [notice.about for notice in tried])
    rows: list[Row] = []
    for notice in reversed(tried):
        number = numbers.get(notice.about)
        mine = number is not None and number.account_id == owner.id
        on = number is not None and mine and number.state == TRIAL
        until = TRIAL_TERM.boundary(notice.at, 1, "UTC")
        rows.append(
            {
                "number": notice.about,
                "line": number.line if number is not None and on else None,
                "tried_at": show_stamp(notice.at),
                "until": show_stamp(until),
                "ends_in_seconds": max(0, (until - now) // 1000) if on else 0,
                "state": "trial" if on else "ended",
                "rentable": number is not None and (on or number.state == STOCK),
            }
        )
    return rows


def number_sms_list(context: Context, account: str) -> list[Row]:
    """The numbers that an account bought for one text each, the highest first: `lent` waits for
    its text, `burned` had it."""
    owner = context.account(account)
    with context.billing.reading() as connection:
        found = rental_store.numbers(connection, kind=SMS, account_id=owner.id)
    return [
        {
            "number": item.number,
            "country": item.country,
            "service": item.service,
            "state": item.state,
        }
        for item in reversed(found)
    ]


def number_unwait(context: Context, wait_id: str, account: str | None = None) -> Row:
    """Leave the wait list; `wait_id` is the id that `number_waits` shows."""
    owner = context.own_account(account)
    with context.billing.reading() as connection:
        found = [
            wait for wait in rental_store.waiting(connection, owner, None) if wait.id == wait_id
        ]
    if not found:
        raise OperationError("wait_not_found", wait=wait_id)
    wait = found[0]
    command = StopWaiting(account_id=wait.account_id, at=context.now_ms(), wait=wait.id)
    if not context.do(command):
        raise OperationError("wait_not_found", wait=wait_id)
    return {"id": wait.id, "account": wait.account_id, "result": "left"}


def _quoted(
    context: Context,
    owner: Account,
    numbers: list[str] | None,
    country: str | None,
    city: str | None,
    kind: str,
    count: int,
) -> tuple[list[int], Row]:
    """The monthly micros of each number, and how the numbers are delivered."""
    if numbers:
        chosen = [_to_be_had(context, owner, context.number(text)) for text in numbers]
        return [item.monthly_micros for item in chosen], _delivery([*chosen])
    if country is None:
        raise OperationError("numbers_unspecified")
    place = country_of(country)
    with context.billing.reading() as connection:
        stock = rental_store.numbers(
            connection, STOCK, place, city, kind_of(kind), currency=owner.currency
        )
    if len(stock) >= count:
        return [item.monthly_micros for item in stock[:count]], _delivery(stock[:count])
    papers = approved_kinds(context, owner.id)
    offer = cheapest_offer(context, place, city, kind, None, papers)
    return [offer.monthly_micros] * count, {
        "delivery": "order",
        "documents": [offer.documents] if offer.documents else [],
        "working_days": f"{offer.days_from}-{offer.days_to}",
    }


def _delivery(numbers: list[Number]) -> Row:
    return {
        "delivery": "at_once",
        "documents": sorted({item.documents for item in numbers} - {""}),
        "working_days": None,
    }


def _to_be_had(context: Context, owner: Account, number: str) -> Number:
    with context.billing.reading() as connection:
        found = rental_store.number(connection, number)
    if found is None or (found.state != STOCK and not _is_held_by(owner, found)):
        raise OperationError("number_not_offered", number=number)
    return found


def _is_held_by(owner: Account, number: Number) -> bool:
    return number.account_id == owner.id and number.state in (TRIAL, DOCUMENTS, RENTED)


def _stock_row(item: StockOf) -> Row:
    return {
        "country": item.country,
        "city": item.city,
        "kind": item.kind,
        "service": item.service,
        "documents": item.documents or None,
        "monthly": format_amount(item.monthly_micros),
        "currency": item.currency,
        "delivery": "at_once",
        "stock": item.count,
        "working_days": None,
    }


def _number_row(item: Number) -> Row:
    return {
        "number": item.number,
        "country": item.country,
        "city": item.city,
        "kind": item.kind,
        "service": item.service,
        "documents": item.documents or None,
        "monthly": format_amount(item.monthly_micros),
        "currency": item.currency,
    }
