"""Wallets beside money, and paying money out (B4, B11, B12)."""

from __future__ import annotations

import re
from typing import Any

from billing import wallet_store
from billing.cdr import show_stamp
from billing.money import format_amount
from billing.wallet import MONEY, ONE, RULES, BuyCredit, Refund, Spend, TakeTrial, Wallet
from softswitch.operations.accounts import account_row, read_amount
from softswitch.operations.context import Context
from softswitch.operations.errors import OperationError

Row = dict[str, Any]

MAX_UNITS = 100_000_000
"""More SMS than a country's people are a slip of the pen."""
_ID = re.compile(r"[\x21-\x7e]{1,128}")


def wallet_show(context: Context, account: str) -> list[Row]:
    """What an account has, money first."""
    owner = context.account(account)
    with context.billing.reading() as connection:
        found = {item.name: item for item in wallet_store.of_accounts(connection, [owner.id])}
    rows = [_row(MONEY, owner.currency, owner.balance_micros)]
    for name, rules in RULES.items():
        if name != MONEY:
            held = found.get(name)
            rows.append(_row(name, rules.unit, 0 if held is None else held.balance_micros))
    return rows


def wallet_buy(
    context: Context, account: str, wallet: str, units: int, price: str, purchase_id: str
) -> Row:
    """Exchange money for units of a wallet; the same purchase id again changes nothing."""
    owner, micros = context.account(account), read_amount(price)
    if micros < 0:
        raise OperationError(f"a price is not negative: {price}")
    bought: Wallet = context.do(
        BuyCredit(
            account_id=owner.id,
            at=context.now_ms(),
            purchase_id=_id(purchase_id),
            wallet=wallet,
            credit_micros=_units(units),
            price_micros=micros,
        )
    )
    return _shown(bought)


def wallet_trial(context: Context, account: str, wallet: str) -> Row:
    """Give an account its trial units, once."""
    owner = context.account(account)
    command = TakeTrial(account_id=owner.id, at=context.now_ms(), wallet=wallet)
    return _shown(context.do(command))


def wallet_spend(context: Context, account: str, wallet: str, units: int, spend_id: str) -> Row:
    """Use units of a wallet; the same id again changes nothing."""
    owner = context.account(account)
    spent: Wallet = context.do(
        Spend(
            account_id=owner.id,
            at=context.now_ms(),
            spend_id=_id(spend_id),
            wallet=wallet,
            amount_micros=_units(units),
        )
    )
    return _shown(spent)


def wallet_ledger(context: Context, account: str, wallet: str) -> list[Row]:
    """A wallet's entries, oldest first, with what was in it after each."""
    owner = context.account(account)
    if wallet not in RULES:
        raise OperationError(f"wallet must be {', '.join(RULES)}, not {wallet!r}")
    balance, rows = 0, list[Row]()
    for entry in context.billing.ledger(owner.id, None if wallet == MONEY else wallet):
        balance += entry.amount_micros
        rows.append(
            {
                "at": show_stamp(entry.at),
                "kind": entry.kind,
                "amount": format_amount(entry.amount_micros),
                "balance": format_amount(balance),
                "unit": entry.currency,
                "cause": entry.transaction_id,
            }
        )
    return rows


def account_refund(
    context: Context, account: str, amount: str, refund_id: str, wallet: str = MONEY
) -> Row:
    """Pay out what is left on the balance; credit of other wallets isn't refunded."""
    owner, micros = context.account(account), read_amount(amount)
    if micros <= 0:
        raise OperationError(f"a refund must be above zero, not {amount}")
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
    return account_row(paid)


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
        raise OperationError(f"units must be from 1 to {MAX_UNITS}, not {units}")
    return units * ONE


def _id(text: str) -> str:
    if _ID.fullmatch(text) is None:
        raise OperationError("an id has 1 to 128 visible ASCII characters without spaces")
    return text
