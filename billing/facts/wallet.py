"""Wallets beside money: what an account holds for one purpose only, each by rules of its own.

An account's money is its balance. A wallet of another kind counts in a unit of its own (one SMS is
1,000,000 micros of the unit SMS), has its own book in the ledger, and never mixes with money.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from billing.facts.account import Account
from billing.facts.command import Command, SalesCommand, Touched

Kept = TypeVar("Kept")

MONEY = "money"
SMS = "sms"
TRIAL_MESSAGES = 10
"""B4."""
ONE = 1_000_000
"""Micros of a unit."""


@dataclass(frozen=True, slots=True)
class WalletRules:
    """The rules of a kind of wallet.

    Args:
        unit: what it counts, as the ledger names it; of money the account's own currency.
        refundable: whether what is left may be paid out.
        from_phone: whether something a phone does may spend it.
        trial_micros: given once to who asks for it.
    """

    unit: str
    refundable: bool
    from_phone: bool
    trial_micros: int = 0


RULES: Mapping[str, WalletRules] = {
    MONEY: WalletRules("", refundable=True, from_phone=True),
    SMS: WalletRules("SMS", refundable=False, from_phone=False, trial_micros=TRIAL_MESSAGES * ONE),
}


@dataclass(frozen=True, slots=True)
class Wallet:
    """A wallet's balance, and the part of it that is held for texts; checked caches of ledger and
    holds."""

    account_id: int
    name: str
    balance_micros: int
    held_micros: int = 0

    @property
    def available_micros(self) -> int:
        """Micros that can be spent or held."""
        return self.balance_micros - self.held_micros


@dataclass(frozen=True, slots=True)
class Offer:
    """A package of units and its price (B5)."""

    wallet: str
    currency: str
    units: int
    price_micros: int

    def is_dearer_than(self, other: Offer) -> bool:
        """True if a unit of this costs as much as one of the other, or more."""
        return self.price_micros * other.units >= other.price_micros * self.units


@dataclass(frozen=True, slots=True)
class Counted(Generic[Kept]):
    """The outcome of a posting that has an id of its own.

    Args:
        after: the account or the wallet after it.
        before: the id was counted before; nothing was changed now.
    """

    after: Kept
    before: bool


@dataclass(frozen=True, slots=True)
class PutOffer(Command[Offer | None]):
    """Put an offer in the place of the one of so many units; answered by the Offer. One without a
    price is withdrawn."""

    wallet: str
    currency: str
    units: int
    price_micros: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeFee(SalesCommand[Counted[Account]]):
    """Take a fee for something that is done once; answered by the Counted Account.
    A repeated id changes nothing.

    Args:
        about: what it is for, as the bill names it.
    """

    fee_id: str
    about: str
    amount_micros: int

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.payments.add(transaction_of(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class BuyCredit(SalesCommand[Counted[Wallet]]):
    """Exchange money for the units of a wallet; answered by the Counted Wallet. A
    repeated purchase id changes nothing."""

    purchase_id: str
    wallet: str
    credit_micros: int
    price_micros: int

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.payments.add(transaction_of(self))
        touched.sales.wallets_of.add(self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeTrial(SalesCommand[Wallet]):
    """The trial units of a wallet, once for each account; answered by the Wallet."""

    wallet: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.payments.add(transaction_of(self))
        touched.sales.wallets_of.add(self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend(SalesCommand[Counted[Wallet]]):
    """Use units of a wallet; answered by the Counted Wallet. A repeated spend id changes nothing.

    Args:
        from_phone: whether a phone asks for it.
    """

    spend_id: str
    wallet: str
    amount_micros: int
    from_phone: bool = False

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.payments.add(transaction_of(self))
        touched.sales.wallets_of.add(self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund(SalesCommand[Counted[Account]]):
    """Pay out what is left of a wallet; answered by the Counted Account. A
    repeated refund id changes nothing."""

    refund_id: str
    wallet: str
    amount_micros: int

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.payments.add(transaction_of(self))


def transaction_of(command: BuyCredit | TakeTrial | Spend | Refund | ChargeFee) -> str:
    """The transaction that a command posts, from its own id."""
    match command:
        case ChargeFee(fee_id=key, about=about):
            return f"fee:{key}:{about}"
        case BuyCredit(purchase_id=key):
            return f"credit:{key}"
        case TakeTrial(account_id=account_id, wallet=wallet):
            return f"trial:{wallet}:{account_id}"
        case Spend(spend_id=key):
            return f"spend:{key}"
        case Refund(refund_id=key):
            return f"refund:{key}"
