"""Products and subscriptions: define, buy, show, renew."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace

from billing.facts.calendar import Term
from billing.facts.cdr import show_stamp
from billing.facts.money import format_amount
from billing.facts.product import EVERYWHERE, ON_NET_SCOPE, Product, Subscription
from billing.facts.sales import (
    BuyPackage,
    DefineDestination,
    DefineProduct,
    Notice,
    Purchase,
    SetAutoRenew,
)
from billing.facts.tariff import MAX_PREFIX_DIGITS
from billing.stores import sales_store
from softswitch.control.errors import OperationError, check_international
from softswitch.control.values import Row
from softswitch.operations.accounts.accounts import read_amount, read_currency
from softswitch.operations.context import Context
from softswitch.operations.pages import cut, page_at, read_cursor

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PURCHASE_ID = re.compile(r"[\x21-\x7e]{1,100}")
_PREFIX = re.compile(r"!?[0-9]{1,15}", re.ASCII)
MAX_MINUTES = 1_000_000
"""More than a year has: such a number is a slip of the pen."""
MAX_PREFIXES = 10_000


def package_define(
    context: Context,
    name: str,
    price: str,
    term: str,
    scope: str = "",
    currency: str | None = None,
    service: str | None = None,
    free_minutes: int | None = None,
    fair_use_minutes: int | None = None,
    connect_fee: bool = False,
    weight: int = 0,
    renewable: bool = True,
    grace: str | None = None,
) -> Row:
    """Offer a product, or change the offer; what was sold stays as it was until it is renewed."""
    micros = read_amount(price)
    if micros < 0:
        raise OperationError("amount_negative", what="a price", amount=price)
    names = tuple(part for part in re.split(r"[\s,]+", scope) if part)
    _check_scope(context, names)
    if not names and service is None:
        raise OperationError("product_empty")
    product = Product(
        name=_name(name),
        currency=read_currency(currency or context.config.switch.currency),
        price_micros=micros,
        term=_term(term),
        scope=names,
        service=None if service is None else _name(service),
        free_seconds=_minutes("free minutes", free_minutes),
        fair_use_seconds=_minutes("fair-use minutes", fair_use_minutes),
        fee_waived=not connect_fee,
        weight=weight,
        renewable=renewable,
        grace=None if grace is None else _term(grace),
    )
    context.do(DefineProduct(product))
    return product_row(product)


def package_withdraw(context: Context, name: str) -> Row:
    """Sell and renew it no more; terms that were paid for go on to their end."""
    product = replace(_product(context, name), sold=False)
    context.do(DefineProduct(product))
    return product_row(product)


def package_list(context: Context, account: str | None = None) -> list[Row]:
    """Every offer by name; for an account, those that it can buy: on sale, in its currency."""
    owner = None if account is None else context.account(account)
    with context.billing.reading() as connection:
        found = sales_store.products(connection)
    return [
        product_row(product)
        for _, product in sorted(found.items())
        if owner is None or (product.sold and product.currency == owner.currency)
    ]


def package_buy(
    context: Context,
    account: str,
    product: str,
    line: str | None = None,
    auto_renew: bool = False,
    purchase_id: str | None = None,
) -> Row:
    """Buy a product for a term from now. The same purchase id again changes nothing, and neither
    does buying what is still active: its term is returned."""
    owner = context.account(account)
    key = purchase_id or secrets.token_hex(8)
    if _PURCHASE_ID.fullmatch(key) is None:
        raise OperationError("key_malformed", what="a purchase id", longest="100")
    number = None
    if line is not None:
        found = context.line(line)
        if found.account_id != owner.id:
            raise OperationError("line_of_other_account", line=found.number, account=owner.id)
        number = found.number
    purchase: Purchase = context.do(
        BuyPackage(
            account_id=owner.id,
            at=context.now_ms(),
            purchase_id=key,
            product=product,
            line=number,
            zone=context.config.switch.time_zone,
            auto_renew=auto_renew,
        )
    )
    context.changes.accounts.add(owner.id)
    return subscription_row(purchase.subscription) | {
        "charged": format_amount(purchase.charged_micros)
    }


def package_show(context: Context, account: str, ended: bool = False) -> list[Row]:
    """The packages of an account: their terms, and the seconds that are left."""
    owner = context.account(account)
    with context.billing.reading() as connection:
        found = sales_store.subscriptions(connection, [owner.id], ended)
    return [subscription_row(item) for item in found]


def package_auto_renew(context: Context, account: str, subscription: str, on: bool) -> Row:
    owner = context.account(account)
    changed = context.do(
        SetAutoRenew(account_id=owner.id, at=context.now_ms(), subscription=subscription, on=on)
    )
    return subscription_row(changed)


def destination_set(context: Context, name: str, prefixes: list[str]) -> Row:
    """Name a set of number prefixes; one that begins with "!" takes out what begins so."""
    if _name(name) in (ON_NET_SCOPE, EVERYWHERE):
        raise OperationError("name_reserved", name=name)
    read = tuple(dict.fromkeys(prefix.replace("+", "") for prefix in prefixes))
    for prefix in read:
        if _PREFIX.fullmatch(prefix) is None:
            raise OperationError("prefix_malformed", prefix=prefix, most=MAX_PREFIX_DIGITS)
        check_international(prefix.removeprefix("!"))
    if len(read) > MAX_PREFIXES:
        raise OperationError("prefixes_too_many", most=MAX_PREFIXES)
    context.do(DefineDestination(name, read))
    context.changes.destinations = True
    return {"name": name, "prefixes": list(read)}


def destination_list(context: Context) -> list[Row]:
    with context.billing.reading() as connection:
        found = sales_store.destinations(connection)
    return [{"name": name, "prefixes": prefixes} for name, prefixes in found.items()]


def account_notices(
    context: Context, account: str, limit: int | None = None, before: str | None = None
) -> list[Row]:
    """The notices to a subscriber, oldest first.

    Args:
        limit: the newest so many, the newest first.
        before: likewise, those before the last one of the page before ("AT,ID").
    """
    owner = context.account(account)
    page = page_at(limit, None if before is None else read_cursor(before))
    with context.billing.reading() as connection:
        found = sales_store.notices(connection, owner.id)
    if page is None:
        return [_notice_row(notice) for notice in found]
    shown = cut(page, found, lambda notice: (notice.at, notice.id))
    return [{"id": notice.id} | _notice_row(notice) for notice in shown]


def _notice_row(notice: Notice) -> Row:
    return {"at": show_stamp(notice.at), "what": notice.what, "about": notice.about}


def product_row(product: Product) -> Row:
    return {
        "name": product.name,
        "price": format_amount(product.price_micros),
        "currency": product.currency,
        "term": str(product.term),
        "scope": list(product.scope),
        "service": product.service,
        "free_minutes": _in_minutes(product.free_seconds),
        "fair_use_minutes": _in_minutes(product.fair_use_seconds),
        "connect_fee": not product.fee_waived,
        "weight": product.weight,
        "renewable": product.renewable,
        "grace": None if product.grace is None else str(product.grace),
        "sold": product.sold,
    }


def subscription_row(item: Subscription) -> Row:
    room = item.room_ms
    return {
        "id": item.id,
        "product": item.product,
        "account": item.account_id,
        "line": item.line,
        "state": item.state,
        "started_at": show_stamp(item.started_at),
        "ends_at": show_stamp(item.ends_at),
        "auto_renew": item.auto_renew,
        "used_seconds": item.used_ms // 1000,
        "left_seconds": None if room is None else room // 1000,
        "price": format_amount(item.terms.price_micros),
        "currency": item.terms.currency,
    }


def _product(context: Context, name: str) -> Product:
    with context.billing.reading() as connection:
        found = sales_store.products(connection).get(name)
    if found is None:
        raise OperationError("product_not_found", product=name)
    return found


def _check_scope(context: Context, names: tuple[str, ...]) -> None:
    with context.billing.reading() as connection:
        known = {ON_NET_SCOPE, EVERYWHERE, *sales_store.destinations(connection)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise OperationError(
            "destinations_not_found", name=unknown[0], on_net=ON_NET_SCOPE, everywhere=EVERYWHERE
        )


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise OperationError("name_malformed", what="name", longest="64", value=text)
    return text


def _term(text: str) -> Term:
    try:
        return Term.parse(text)
    except ValueError as error:
        raise OperationError("term_malformed", reason=error) from None


def _minutes(what: str, minutes: int | None) -> int | None:
    if minutes is None:
        return None
    if not 1 <= minutes <= MAX_MINUTES:
        raise OperationError("minutes_out_of_range", what=what, most=MAX_MINUTES, minutes=minutes)
    return minutes * 60


def _in_minutes(seconds: int | None) -> int | None:
    return None if seconds is None else seconds // 60
