"""Wallets beside money, and paying money out (B4, B11, B12)."""

from __future__ import annotations

import re

from billing.facts.account import Account
from billing.facts.cdr import show_stamp
from billing.facts.ledger import Entry
from billing.facts.money import format_amount
from billing.facts.wallet import (
    MONEY,
    ONE,
    RULES,
    BuyCredit,
    ChargeFee,
    PutOffer,
    Refund,
    Spend,
    TakeTrial,
    Wallet,
)
from billing.stores import wallet_store
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.accounts.accounts import account_row, read_amount, read_currency
from softswitch.operations.context import Context
from softswitch.operations.pages import cut, page_at, read_cursor

MAX_UNITS = 100_000_000
"""More SMS than a country's people are a slip of the pen."""
_ABOUT = re.compile(r"[\w .-]{1,64}")
_ID = re.compile(r"[\x21-\x7e]{1,128}")


def wallet_show(context: Context, account: str) -> list[Row]:
    """The balance of each wallet of an account, money first."""
    owner = context.account(account)
    with context.billing.reading() as connection:
        found = {item.name: item for item in wallet_store.of_accounts(connection, [owner.id])}
    rows = [_row(MONEY, owner.currency, owner.balance_micros)]
    for name, rules in RULES.items():
        if name != MONEY:
            held = found.get(name)
            rows.append(_row(name, rules.unit, 0 if held is None else held.balance_micros))
    return rows


def wallet_offer(
    context: Context, wallet: str, units: int, price: str | None, currency: str | None = None
) -> list[Row]:
    """Offer a package of units at a price, or withdraw it (without a price). The larger a package,
    the lower the price of a unit."""
    if wallet not in RULES or wallet == MONEY:
        raise OperationError("wallet_not_found", wallet=wallet)
    micros = None if price is None else read_amount(price)
    if micros is not None and micros < 0:
        raise OperationError("amount_negative", what="a price", amount=price)
    unit = read_currency(currency or context.config.switch.currency)
    context.do(PutOffer(wallet, unit, _units(units) // ONE, micros))
    return wallet_offers(context, wallet)


def wallet_offers(context: Context, wallet: str | None = None) -> list[Row]:
    """Packages of units and their prices."""
    with context.billing.reading() as connection:
        found = wallet_store.offers(connection, wallet)
    return [
        {
            "wallet": offer.wallet,
            "units": offer.units,
            "price": format_amount(offer.price_micros),
            "currency": offer.currency,
        }
        for offer in found
    ]


def wallet_buy(
    context: Context,
    account: str,
    wallet: str,
    units: int,
    purchase_id: str,
    price: str | None = None,
) -> Row:
    """Exchange money for units of a wallet, at the price of the offer if none is given; the same
    purchase id again changes nothing."""
    owner = context.account(account)
    micros = _offered(context, owner, wallet, units) if price is None else read_amount(price)
    if micros < 0:
        raise OperationError("amount_negative", what="a price", amount=price)
    bought = context.do(
        BuyCredit(
            account_id=owner.id,
            at=context.now_ms(),
            purchase_id=_id(purchase_id),
            wallet=wallet,
            credit_micros=_units(units),
            price_micros=micros,
        )
    )
    return _shown(bought.after) | counted(bought.before)


def wallet_trial(context: Context, account: str, wallet: str) -> Row:
    """Give an account its trial units, once."""
    owner = context.account(account)
    command = TakeTrial(account_id=owner.id, at=context.now_ms(), wallet=wallet)
    return _shown(context.do(command))


def wallet_spend(context: Context, account: str, wallet: str, units: int, spend_id: str) -> Row:
    """Use units of a wallet; the same id again changes nothing."""
    owner = context.account(account)
    spent = context.do(
        Spend(
            account_id=owner.id,
            at=context.now_ms(),
            spend_id=_id(spend_id),
            wallet=wallet,
            amount_micros=_units(units),
        )
    )
    return _shown(spent.after) | counted(spent.before)


def wallet_ledger(
    context: Context,
    account: str,
    wallet: str,
    limit: int | None = None,
    before: str | None = None,
) -> list[Row]:
    """A wallet's entries, oldest first, with what was in it after each.

    Args:
        limit: the newest so many, the newest first.
        before: likewise, those before the last one of the page before ("AT,ID").
    """
    owner = context.account(account)
    if wallet not in RULES:
        raise OperationError("not_one_of", field="wallet", choices=tuple(RULES), value=wallet)
    page = page_at(limit, None if before is None else read_cursor(before))
    balance, found = 0, list[tuple[Entry, int]]()
    for entry in context.billing.ledger(owner.id, None if wallet == MONEY else wallet):
        balance += entry.amount_micros
        found.append((entry, balance))
    if page is not None:
        found = cut(page, found, lambda item: (item[0].at, item[0].id))
    return [_entry_row(entry, after) for entry, after in found]


def _entry_row(entry: Entry, after: int) -> Row:
    return {
        "id": entry.id,
        "at": show_stamp(entry.at),
        "kind": entry.kind,
        "amount": format_amount(entry.amount_micros),
        "balance": format_amount(after),
        "unit": entry.currency,
        "cause": entry.transaction_id,
    }


def account_refund(
    context: Context, account: str, amount: str, refund_id: str, wallet: str = MONEY
) -> Row:
    """Pay out what is left on the balance; credit of other wallets isn't refunded."""
    owner, micros = context.account(account), read_amount(amount)
    if micros <= 0:
        raise OperationError("amount_not_positive", what="a refund", amount=amount)
    paid = context.do(
        Refund(
            account_id=owner.id,
            at=context.now_ms(),
            refund_id=_id(refund_id),
            wallet=wallet,
            amount_micros=micros,
        )
    )
    context.changes.accounts.add(owner.id)
    return account_row(paid.after) | counted(paid.before)


def account_fee(context: Context, account: str, amount: str, about: str, fee_id: str) -> Row:
    """Take a fee for something that is done once; it stands on the bill by its name."""
    owner, micros = context.account(account), read_amount(amount)
    if micros <= 0:
        raise OperationError("amount_not_positive", what="a fee", amount=amount)
    if _ABOUT.fullmatch(about) is None:
        raise OperationError("fee_subject_malformed")
    charged = context.do(
        ChargeFee(
            account_id=owner.id,
            at=context.now_ms(),
            fee_id=_id(fee_id),
            about=about,
            amount_micros=micros,
        )
    )
    context.changes.accounts.add(owner.id)
    return account_row(charged.after) | counted(charged.before)


def counted(before: bool) -> Row:
    """Tells a posting that was made now from one whose id was counted before."""
    return {"counted": "counted before" if before else "counted now"}


def _offered(context: Context, owner: Account, wallet: str, units: int) -> int:
    with context.billing.reading() as connection:
        for offer in wallet_store.offers(connection, wallet):
            if (offer.currency, offer.units) == (owner.currency, units):
                return offer.price_micros
    raise OperationError(
        "wallet_units_not_offered", units=units, wallet=wallet, currency=owner.currency
    )


def _shown(wallet: Wallet) -> Row:
    return {"account": wallet.account_id} | _row(
        wallet.name, RULES[wallet.name].unit, wallet.balance_micros
    )


def _row(name: str, unit: str, micros: int) -> Row:
    rules = RULES[name]
    return {
        "wallet": name,
        "balance": format_amount(micros),
        "unit": unit,
        "refundable": rules.refundable,
        "from_phone": rules.from_phone,
    }


def _units(units: int) -> int:
    if not 1 <= units <= MAX_UNITS:
        raise OperationError("units_out_of_range", most=MAX_UNITS, units=units)
    return units * ONE


def _id(text: str) -> str:
    if _ID.fullmatch(text) is None:
        raise OperationError("key_malformed", what="an id", longest="128")
    return text
