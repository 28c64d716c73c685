"""Numbers for rent: the inventory, orders, rentals, trials, the wait list."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Mapping

from billing.facts.account import Account
from billing.facts.cdr import show_stamp
from billing.facts.money import format_amount
from billing.facts.rental import (
    ACTIVE,
    ENDED,
    QUARANTINE,
    SMS,
    STOCK,
    TERMS,
    VOLUME,
    AddNumbers,
    BuySmsNumber,
    GiveUpNumber,
    KeepNumber,
    Number,
    Rental,
    RentNumber,
    RestoreNumber,
    SetDiscounts,
    TryNumber,
    Wait,
    WaitForNumber,
    discount,
    fee,
)
from billing.stores import rental_store
from softswitch.admission import countries
from softswitch.admission.countries import may_be_of
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.accounts.accounts import read_amount, read_currency
from softswitch.operations.accounts.standing import approved_kinds
from softswitch.operations.context import Context
from softswitch.operations.numbers.number_fields import country_of, kind_of, line_of, word_of
from softswitch.operations.numbers.orders import order_key, serve_pool, without_supplier
from softswitch.operations.pages import cut, page_at, read_cursor

COLUMNS = ("number", "country", "city", "kind", "supplier", "documents", "service", "monthly")
MAX_IMPORT = 100_000
"""One import is one transaction."""
MAX_SHOWN_ERRORS = 50


def number_add(
    context: Context,
    number: str,
    country: str,
    kind: str,
    monthly: str,
    city: str | None = None,
    supplier: str = "own",
    documents: str = "",
    service: str | None = None,
    currency: str | None = None,
) -> Row:
    """Put a number into the stock; who ordered one like it gets it at once."""
    made = _number_of(
        context,
        currency,
        {
            "number": number,
            "country": country,
            "city": city or "",
            "kind": kind,
            "supplier": supplier,
            "documents": documents,
            "service": service or "",
            "monthly": monthly,
        },
    )
    if context.directory.line_by_number(made.number) is not None:
        raise OperationError("inventory_has_line", number=made.number)
    if not context.do(AddNumbers((made,), context.now_ms())):
        raise OperationError("inventory_exists", number=made.number)
    serve_pool(context)
    with context.billing.reading() as connection:
        return number_row(context, rental_store.number(connection, made.number) or made)


def number_import(
    context: Context, text: str, currency: str | None = None, dry_run: bool = False
) -> Row:
    """Put all numbers of a CSV file into the stock, or none when a line is wrong. Numbers that
    are there already stay as they are."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    header = [name.strip().lower() for name in reader.fieldnames or ()]
    if missing := [name for name in ("number", "country", "kind", "monthly") if name not in header]:
        raise OperationError("column_missing", column=missing[0], known=tuple(COLUMNS))
    reader.fieldnames = header
    found: list[Number] = []
    errors: list[str] = []
    lines, _ = context.directory.taken()
    for row in reader:
        try:
            cells = {key: (row.get(key) or "").strip() for key in COLUMNS}
            number = _number_of(context, currency, cells)
            if number.number in lines:
                raise OperationError("inventory_has_line", number=number.number)
            found.append(number)
        except OperationError as error:
            errors.append(f"line {reader.line_num}: {error}")
        if len(found) > MAX_IMPORT:
            raise OperationError("lines_too_many", most=MAX_IMPORT)
    if errors:
        raise OperationError("import_failed", errors[:MAX_SHOWN_ERRORS], count=len(errors))
    added = [] if dry_run else context.do(AddNumbers(tuple(found), context.now_ms()))
    if added:
        serve_pool(context)
    return {"numbers": len(found), "imported": len(added)}


def number_list(
    context: Context,
    state: str | None = None,
    country: str | None = None,
    city: str | None = None,
    kind: str | None = None,
    limit: int | None = None,
    before: str | None = None,
    search: str | None = None,
    account: str | None = None,
) -> list[Row]:
    """The inventory.

    Args:
        limit: the highest so many numbers, the highest first.
        before: likewise, those below this number: the last of the page before.
        search: how the number begins.
        account: numbers that it rents or tries.
    """
    owner = None if account is None else context.account(account).id
    page = page_at(limit, None if before is None else (context.number(before),))
    with context.billing.reading() as connection:
        found = rental_store.numbers(
            connection, state, country, city, kind,
            account_id=owner, search=search, page=page,
        )  # fmt: skip
    return [number_row(context, item) for item in found]


def number_try(context: Context, account: str, number: str, line: str) -> Row:
    """Lend a number in stock for an hour, free of charge."""
    owner, key = context.account(account), context.number(number)
    _check_offered(context, key)
    command = TryNumber(
        account_id=owner.id,
        at=context.now_ms(),
        number=key,
        line=line_of(context, owner.id, line),
    )
    lent: Number = context.do(command)
    context.changes.accounts.add(owner.id)
    return number_row(context, lent)


def number_wait(
    context: Context, account: str, country: str, kind: str = "landline", city: str | None = None
) -> Row:
    """Have the account told when such a number appears in stock."""
    owner = context.account(account)
    wait: Wait = context.do(
        WaitForNumber(
            account_id=owner.id,
            at=context.now_ms(),
            country=country_of(country),
            city=city,
            kind=kind_of(kind),
        )
    )
    return _wait_row(wait)


def number_waits(
    context: Context,
    limit: int | None = None,
    before: str | None = None,
    account: str | None = None,
) -> list[Row]:
    """The wait list, the longest wait first.

    Args:
        limit: the newest so many, the newest first.
        before: likewise, those before the last one of the page before ("SINCE,ID").
    """
    owner = context.own_account(account)
    page = page_at(limit, None if before is None else read_cursor(before))
    with context.billing.reading() as connection:
        found = rental_store.waiting(connection, owner, page)
    return [_wait_row(wait) for wait in found]


def number_restore(context: Context, number: str, line: str) -> Row:
    """Give a number that rests back to who had it; a new month begins now."""
    key = context.number(number)
    with context.billing.reading() as connection:
        found = rental_store.number(connection, key)
    if found is None or found.account_id is None:
        raise OperationError("number_not_in_quarantine", number=key)
    rental: Rental = context.do(
        RestoreNumber(
            account_id=found.account_id,
            at=context.now_ms(),
            rental_id=secrets.token_hex(8),
            number=key,
            line=line_of(context, found.account_id, line),
            zone=context.config.switch.time_zone,
        )
    )
    context.changes.accounts.add(found.account_id)
    return rental_row(rental)


def number_sms(context: Context, account: str, service: str, country: str | None = None) -> Row:
    """Buy a number for exactly one message of a service."""
    owner = context.account(account)
    with context.billing.reading() as connection:
        stock = rental_store.numbers(connection, STOCK, country, None, SMS, service, limit=1)
    if not stock:
        raise OperationError("sms_number_none", service=service)
    key = stock[0].number
    command = BuySmsNumber(
        account_id=owner.id, at=context.now_ms(), purchase_id=f"sms:{key}", number=key
    )
    bought: Number = context.do(command)
    return number_row(context, bought)


def rental_order(
    context: Context,
    account: str,
    line: str,
    numbers: list[str] | None = None,
    country: str | None = None,
    city: str | None = None,
    kind: str = "landline",
    count: int = 1,
    months: int = 1,
    approved: list[str] | None = None,
    order_id: str | None = None,
) -> list[Row]:
    """Rent numbers: chosen ones, or any from the stock of a country and city. Each rings at
    `line`. The same order id again changes nothing.

    `approved` names classes of documents that were approved outside, beside those that the account
    has here; a number that wants another class is held until the order is repeated with it."""
    owner = context.account(account)
    if months not in TERMS:
        raise OperationError(
            "not_one_of", field="months", choices=tuple(map(str, TERMS)), value=months
        )
    key = order_key(order_id)
    target = line_of(context, owner.id, line)
    had = [item.number for item in _ordered(context, owner.id, key)]
    chosen = [context.number(text) for text in numbers or ()]
    if not chosen:
        chosen = had + _from_stock(context, owner, country, city, kind, count - len(had))
    fresh = [number for number in chosen if number not in had]
    for number in fresh:
        _check_offered(context, number)
    with context.billing.reading() as connection:
        percent = discount(rental_store.discounts(connection), months, len(chosen))
    _check_funds(context, owner, fresh, months, percent)
    papers = approved_kinds(context, owner.id).union(approved or ())
    commands = [
        RentNumber(
            account_id=owner.id,
            at=context.now_ms(),
            rental_id=f"{key}:{number}",
            number=number,
            line=target,
            months=months,
            discount_percent=percent,
            zone=context.config.switch.time_zone,
            approved=papers,
            documents_term=context.config.orders.documents_within,
        )
        for number in chosen
    ]
    results = context.apply(commands)
    context.changes.accounts.add(owner.id)
    refused = [str(result) for result in results if isinstance(result, Exception)]
    if refused:
        raise OperationError(
            "numbers_not_connected",
            refused,
            order=key,
            count=len(refused),
            wanted=len(chosen),
        )
    return [
        {"number": number, "state": "documents", "order": key}
        if rental is None
        else rental_row(rental)
        for number, rental in zip(chosen, results, strict=True)
        if not isinstance(rental, Exception)
    ]


def rental_list(
    context: Context,
    account: str | None = None,
    ended: bool = False,
    limit: int | None = None,
    before: str | None = None,
) -> list[Row]:
    """Rentals by account and number, each with its place and the line at which it rings.

    Args:
        ended: also those that have ended.
        limit: the newest so many, the newest first.
        before: likewise, those before the last one of the page before ("CONNECTED_AT,ID").
    """
    owner = context.own_account(account)
    owners = None if owner is None else [owner]
    page = page_at(limit, None if before is None else read_cursor(before))
    with context.billing.reading() as connection:
        found = rental_store.rented(connection, owners, ended)
        if page is not None:
            found = cut(page, found, lambda rental: (rental.anchor_at, rental.id))
        places = rental_store.numbers_by_key(connection, [item.number for item in found])
    return [rental_row(item) | _place_row(item, places.get(item.number)) for item in found]


def rental_give_up(context: Context, number: str) -> Row:
    """End a rental. Less than a day before the debit the next fee is due nevertheless; nothing is
    refunded."""
    key = context.number(number)
    with context.billing.reading() as connection:
        found = [
            r
            for r in rental_store.rented(connection)
            if r.number == key and context.owns(r.account_id)
        ]
    if not found:
        raise OperationError("rental_not_found", number=key)
    rental = found[-1]
    ended: Rental = context.do(
        GiveUpNumber(account_id=rental.account_id, at=context.now_ms(), rental=rental.id)
    )
    context.changes.accounts.add(rental.account_id)
    return rental_row(ended)


def rental_keep(context: Context, number: str, line: str) -> Row:
    """Take back a number that was given up, as long as it is paid for and rests; its debits go on
    as before.

    Args:
        line: at which it rings.
    """
    key = context.number(number)
    with context.billing.reading() as connection:
        found = [
            r
            for r in rental_store.rented(connection, None, True)
            if r.number == key and context.owns(r.account_id)
        ]
    if not found:
        raise OperationError("rental_not_found", number=key)
    rental = max(found, key=lambda one: one.anchor_at)
    command = KeepNumber(
        account_id=rental.account_id, at=context.now_ms(), rental=rental.id,
        line=line_of(context, rental.account_id, line),
    )  # fmt: skip
    kept: Rental = context.do(command)
    context.changes.accounts.add(rental.account_id)
    return rental_row(kept)


def rental_discounts(context: Context, percents: dict[str, int] | None = None) -> list[Row]:
    """Show the discounts, or set some: by "3 months", "6 months", "12 months", "5 numbers"."""
    known = [*(f"{months} months" for months in TERMS[1:]), f"{VOLUME} numbers"]
    for what, percent in (percents or {}).items():
        if what not in known or not 0 <= percent <= 100:
            raise OperationError("discount_malformed", known=tuple(known))
    if percents:
        context.do(SetDiscounts(percents))
    with context.billing.reading() as connection:
        found = rental_store.discounts(connection)
    return [{"for": what, "percent": found.get(what, 0)} for what in known]


def number_row(context: Context, item: Number) -> Row:
    row: Row = {
        "number": item.number,
        "country": item.country,
        "city": item.city,
        "kind": item.kind,
        "supplier": item.supplier,
        "documents": item.documents or None,
        "service": item.service,
        "monthly": format_amount(item.monthly_micros),
        "currency": item.currency,
        "state": item.state,
        "account": item.account_id,
        "line": item.line,
        "until": None if item.until is None else show_stamp(item.until),
    }
    return without_supplier(context, row)


def rental_row(item: Rental) -> Row:
    return {
        "id": item.id,
        "number": item.number,
        "account": item.account_id,
        "state": item.state,
        "fee": format_amount(item.fee_micros),
        "currency": item.currency,
        "months": item.months,
        "connected_at": show_stamp(item.anchor_at),
        "paid_until": show_stamp(item.paid_until),
        "next_debit_at": None if item.state == ENDED else show_stamp(item.paid_until),
        "owing": item.owing,
    }


def _place_row(rental: Rental, number: Number | None) -> Row:
    """Of a number that isn't the rental's any more nothing is told but where it was."""
    if number is None:
        return {"country": None, "city": None, "kind": None, "line": None, "resting": False}
    own = rental.state == ACTIVE and number.account_id == rental.account_id
    return {
        "country": number.country,
        "city": number.city,
        "kind": number.kind,
        "line": number.line if own else None,
        "resting": number.state == QUARANTINE and number.account_id == rental.account_id,
    }


def _wait_row(wait: Wait) -> Row:
    return {
        "id": wait.id,
        "account": wait.account_id,
        "country": wait.country,
        "city": wait.city,
        "kind": wait.kind,
        "since": show_stamp(wait.since),
    }


def _check_offered(context: Context, number: str) -> None:
    """A subscriber isn't told whose a number is that it can't have."""
    if not context.actor.is_subscriber:
        return
    with context.billing.reading() as connection:
        found = rental_store.number(connection, number)
    if found is None or (found.state != STOCK and not context.owns(found.account_id)):
        raise OperationError("number_not_offered", number=number)


def _check_funds(
    context: Context, owner: Account, numbers: list[str], months: int, percent: int
) -> None:
    """An order that can't be paid for as a whole connects nothing."""
    with context.billing.reading() as connection:
        found = [rental_store.number(connection, number) for number in numbers]
    total = sum(fee(item.monthly_micros, months, percent) for item in found if item is not None)
    available = owner.available_micros
    if available is not None and total > max(available, 0):
        raise OperationError(
            "order_not_affordable",
            cost_micros=total,
            currency=owner.currency,
            account=owner.id,
            available_micros=available,
        )


def _ordered(context: Context, account_id: int, order: str) -> list[Rental]:
    with context.billing.reading() as connection:
        mine = rental_store.rented(connection, [account_id], ended=True)
    return [item for item in mine if item.id.startswith(f"{order}:")]


def _from_stock(
    context: Context,
    owner: Account,
    country: str | None,
    city: str | None,
    kind: str,
    count: int,
) -> list[str]:
    if count <= 0:
        return []
    if country is None:
        raise OperationError("numbers_unspecified")
    with context.billing.reading() as connection:
        stock = rental_store.numbers(
            connection,
            STOCK,
            country_of(country),
            city,
            kind_of(kind),
            currency=owner.currency,
        )
    if len(stock) < count:
        raise OperationError("stock_too_small", stock=len(stock), count=count)
    return [item.number for item in stock[:count]]


def _number_of(context: Context, currency: str | None, cells: Mapping[str, str]) -> Number:
    kind = kind_of(cells["kind"])
    service = cells["service"] or None
    if (kind == SMS) != (service is not None):
        raise OperationError("sms_service_needed")
    monthly = read_amount(cells["monthly"])
    if monthly < 0:
        raise OperationError("amount_negative", what="monthly", amount=cells["monthly"])
    for key, longest in (("city", 64), ("supplier", 64), ("documents", 32), ("service", 64)):
        word_of(key, cells[key], longest)
    number, country = context.number(cells["number"]), country_of(cells["country"])
    if not may_be_of(number, country):
        found = countries.country_of(number) or "another country"
        raise OperationError("country_of_number", number=number, country=country, found=found)
    return Number(
        number=number,
        country=country,
        city=cells["city"] or None,
        kind=kind,
        supplier=cells["supplier"] or "own",
        documents=cells["documents"],
        service=service,
        currency=read_currency(currency or context.config.switch.currency),
        monthly_micros=monthly,
    )
