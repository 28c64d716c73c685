"""Decisions about wallets: buying, trial, spending, refunding."""

from __future__ import annotations

from dataclasses import replace

from billing.decisions.book import Book
from billing.facts.account import Account
from billing.facts.authorization import (
    AccountBlocked,
    BillingError,
    InsufficientFunds,
    PaymentConflict,
)
from billing.facts.ledger import Entry
from billing.facts.money import format_amount
from billing.facts.wallet import (
    MONEY,
    RULES,
    BuyCredit,
    ChargeFee,
    Counted,
    Refund,
    Spend,
    TakeTrial,
    Wallet,
    WalletRules,
    transaction_of,
)


def buy(book: Book, command: BuyCredit) -> Counted[Wallet]:
    """Money goes and credit comes in one transaction."""
    account = owner(book, command.account_id)
    key = transaction_of(command)
    if _done(book, key, account, command.credit_micros, -command.price_micros):
        return Counted(wallet_of(book, account.id, command.wallet), before=True)
    available = account.available_micros
    if available is not None and command.price_micros and available < command.price_micros:
        raise InsufficientFunds(
            f"account {account.id} has {format_amount(available)} {account.currency} available; "
            f"the credit costs {format_amount(command.price_micros)}"
        )
    if command.price_micros:
        price = -command.price_micros
        book.post(key, account.id, price, "credit", "revenue", command.at)
    amount = command.credit_micros
    after = move(book, key, account.id, command.wallet, amount, "credit", command.at)
    return Counted(after, before=False)


def take_trial(book: Book, command: TakeTrial) -> Wallet:
    """Give an account the trial units of a wallet.

    Raises:
        BillingError: the wallet has no trial, or the account had it before.
    """
    account, rules = owner(book, command.account_id), rules_of(command.wallet)
    if not rules.trial_micros:
        raise BillingError(f"the {command.wallet} wallet has no trial")
    key = transaction_of(command)
    if key in book.payments:
        raise BillingError(f"account {account.id} had its trial of {command.wallet} before")
    return move(book, key, account.id, command.wallet, rules.trial_micros, "trial",
                 command.at)  # fmt: skip


def spend(book: Book, command: Spend) -> Counted[Wallet]:
    """Take units out of a wallet.

    Raises:
        InsufficientFunds: there are fewer.
        BillingError: a phone may not spend them.
    """
    account, rules = owner(book, command.account_id), rules_of(command.wallet)
    key = transaction_of(command)
    wallet = wallet_of(book, account.id, command.wallet)
    if _done(book, key, account, -command.amount_micros):
        return Counted(wallet, before=True)
    if command.from_phone and not rules.from_phone:
        raise BillingError(f"{command.wallet} credit can't be used from a phone")
    if wallet.available_micros < command.amount_micros:
        raise InsufficientFunds(
            f"account {account.id} has {format_amount(wallet.available_micros)} {rules.unit}; "
            f"{format_amount(command.amount_micros)} are needed"
        )
    amount = -command.amount_micros
    after = move(book, key, account.id, command.wallet, amount, "spend", command.at)
    return Counted(after, before=False)


def charge_fee(book: Book, command: ChargeFee) -> Counted[Account]:
    """Prepaid: who can't pay for it doesn't get it."""
    account, key = owner(book, command.account_id), transaction_of(command)
    if _done(book, key, account, -command.amount_micros):
        return Counted(account, before=True)
    available = account.available_micros
    if available is not None and available < command.amount_micros:
        raise InsufficientFunds(
            f"account {account.id} has {format_amount(available)} {account.currency} available; "
            f"{command.about} costs {format_amount(command.amount_micros)}"
        )
    (book.payments[key], _) = book.post(
        key, account.id, -command.amount_micros, "fee", "revenue", command.at
    )
    return Counted(book.account(account.id), before=False)


def refund(book: Book, command: Refund) -> Counted[Account]:
    """Money only, and only what is there and held by no call."""
    account = book.account(command.account_id)
    if command.wallet != MONEY and not rules_of(command.wallet).refundable:
        raise BillingError(f"{command.wallet} credit isn't refunded")
    key = transaction_of(command)
    if _done(book, key, account, -command.amount_micros):
        return Counted(account, before=True)
    free = account.balance_micros - account.reserved_micros
    if free < command.amount_micros:
        raise InsufficientFunds(
            f"account {account.id} has {format_amount(free)} {account.currency} that can be "
            "refunded"
        )
    (book.payments[key], _) = book.post(
        key, account.id, -command.amount_micros, "refund", "cash", command.at
    )
    return Counted(book.account(account.id), before=False)


def owner(book: Book, account_id: int) -> Account:
    """The account, which must be active.

    Raises:
        UnknownAccount, AccountBlocked: it isn't there or isn't active.
    """
    account = book.account(account_id)
    if not account.is_active:
        raise AccountBlocked(f"account {account.id} is {account.status}")
    return account


def rules_of(name: str) -> WalletRules:
    """The rules of a wallet other than money.

    Raises:
        BillingError: there is no such wallet.
    """
    rules = RULES.get(name)
    if rules is None or name == MONEY:
        raise BillingError(f"there is no wallet {name}")
    return rules


def wallet_of(book: Book, account_id: int, name: str) -> Wallet:
    """The wallet of an account; an empty one if it has none."""
    return book.sales.wallets.get((account_id, name)) or Wallet(account_id, name, 0)


def _done(book: Book, transaction: str, account: Account, *amounts: int) -> bool:
    """True if it was posted before; its amount is one of those that the command would post.

    Raises:
        PaymentConflict: the id was used for something else.
    """
    before = book.payments.get(transaction)
    if before is None:
        return False
    if before.account_id != account.id or before.amount_micros not in amounts:
        raise PaymentConflict(
            f"{transaction} was used for {format_amount(before.amount_micros)} {before.currency} "
            f"of account {before.account_id}"
        )
    return True


def move(
    book: Book,
    transaction: str,
    account_id: int,
    name: str,
    micros: int,
    kind: str,
    at: int,
) -> Wallet:
    """Move units to a wallet (from it, if negative), against those that we have issued."""
    unit = rules_of(name).unit
    own, issued = f"wallet:{account_id}:{name}", f"issued:{unit}"
    entry = Entry(f"{transaction}/wallet", transaction, account_id, own, unit, micros, kind, at)
    book.new_entries += (
        entry,
        Entry(f"{transaction}/issued", transaction, None, issued, unit, -micros, kind, at),
    )
    book.payments[transaction] = entry
    before = wallet_of(book, account_id, name)
    after = replace(before, balance_micros=before.balance_micros + micros)
    book.sales.put_wallet(after)
    return after
