"""Value added tax: rates of the operator and of accounts, by month."""

from __future__ import annotations

import re

from billing.facts.money import MICROS, MoneyError, format_amount, parse_amount
from billing.facts.tax import EVERYBODY, WHOLE, SetTax, TaxRate
from billing.stores import bill_store, tax_store
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])", re.ASCII)


def tax_set(
    context: Context,
    percent: str,
    month: str,
    account: str | None = None,
    on_top: bool = False,
) -> Row:
    """From a month on bills have this tax: as part of their prices, or on top of them."""
    owner = _owner(context, account)
    rate = TaxRate(owner, _month(context, month), _basis_points(percent), not on_top)
    context.do(SetTax(owner, rate.month, rate))
    return _row(rate)


def tax_remove(context: Context, month: str, account: str | None = None) -> Row:
    """Take back a rate that hasn't been billed: the one before it goes on."""
    owner = _owner(context, account)
    if not context.do(SetTax(owner, _month(context, month), None)):
        raise OperationError("tax_not_found", month=month)
    return {"month": month, "account": owner or None, "removed": True}


def tax_list(context: Context) -> list[Row]:
    """The rates: that of all accounts, then those of single ones."""
    with context.billing.reading() as connection:
        return [_row(rate) for rate in tax_store.rates(connection)]


def _owner(context: Context, account: str | None) -> int:
    return EVERYBODY if account is None else context.account(account).id


def _month(context: Context, text: str) -> str:
    if _MONTH.fullmatch(text) is None:
        raise OperationError("month_malformed", value=text)
    with context.billing.reading() as connection:
        billed = bill_store.last_month(connection)
    if billed is not None and text <= billed:
        raise OperationError("tax_month_billed", month=billed)
    return text


def _basis_points(text: str) -> int:
    try:
        micros = parse_amount(text)
    except MoneyError:
        micros = -1
    points, rest = divmod(micros * 100, MICROS)
    if rest or not 0 <= points <= WHOLE:
        raise OperationError("tax_rate_malformed", value=text)
    return points


def _row(rate: TaxRate) -> Row:
    return {
        "month": rate.month,
        "account": rate.account_id or None,
        "percent": format_amount(rate.basis_points * 10_000),
        "prices": "include it" if rate.included else "are without it",
    }
