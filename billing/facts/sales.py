"""Packages, bonuses, notices and due work: commands, and their answers."""

from __future__ import annotations

from dataclasses import dataclass

from billing.facts.command import Command, SalesCommand, Touched
from billing.facts.due import DueWork
from billing.facts.product import Product, Subscription

NOTICE_KIND = "notice"
"""The kind of work that tells a subscriber something."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """The outcome of a purchase."""

    subscription: Subscription
    charged_micros: int
    """0: it was bought before, or is free."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A message that a subscriber must get; due work puts it into a mail.

    Args:
        id: follows from the cause, so that no subscriber is told twice.
        what: package_ended, package_unpaid, ...
        about: the thing's name.
    """

    id: str
    account_id: int
    what: str
    about: str
    at: int


@dataclass(frozen=True, slots=True)
class Bonus:
    """The bonus that was posted for a day."""

    account_id: int
    day: str
    minutes: int
    amount_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuyPackage(SalesCommand[Purchase]):
    """Buy a product for a term; answered by a Purchase. A repeated purchase id changes nothing,
    and neither does buying what is still active."""

    purchase_id: str
    product: str
    line: str | None
    zone: str
    auto_renew: bool = False

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.subscriptions.add(self.purchase_id)
        touched.renews(self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewPackage(SalesCommand[Subscription]):
    """A term is over, or its grace; answered by the Subscription."""

    subscription: str

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.subscriptions.add(self.subscription)
        touched.covered_calls_of.add(self.account_id)
        touched.sales.products = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAutoRenew(SalesCommand[Subscription]):
    """Answered by the Subscription."""

    subscription: str
    on: bool

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.subscriptions.add(self.subscription)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostBonus(SalesCommand[int]):
    """Post the bonus of a day's incoming minutes; answered by the micros that are posted now. An
    earlier posting for the day is deducted, so that repeating it changes nothing.

    Args:
        day: ISO date in the operator's zone.
        minutes: whole minutes of the whole day, as far as they are known.
    """

    day: str
    minutes: int
    micros_per_minute: int

    def touches(self, touched: Touched) -> None:
        touched.sales.bonuses.add((self.account_id, self.day))
        touched.raises_balance(self.account_id)

    @property
    def relieved_account(self) -> int | None:
        return self.account_id


@dataclass(frozen=True, slots=True)
class MoveDue(Command[bool]):
    """Move a work on that belongs to no account: it is due again, or never (None).

    Nothing happens if another process moved it already."""

    work: DueWork
    to: int | None


@dataclass(frozen=True, slots=True)
class ScheduleWork(Command[None]):
    """Set when the work of this key is due; None removes it."""

    key: str
    work: DueWork | None


@dataclass(frozen=True, slots=True)
class EnsureWork(Command[None]):
    """Schedule a work unless one of its key is scheduled already."""

    work: DueWork


@dataclass(frozen=True, slots=True)
class Tell(Command[None]):
    """Have a subscriber told something, once."""

    notice: Notice


@dataclass(frozen=True, slots=True)
class DefineProduct(Command[Product]):
    """Put an offer in the place of the one of this name; what was sold stays as it was sold."""

    product: Product


@dataclass(frozen=True, slots=True)
class DefineDestination(Command[int]):
    """Put a set of prefixes in the place of the one of this name; an empty one removes it."""

    name: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DefineBonus(Command[None]):
    """Set the bonus of an incoming minute from a day on (ISO date), and the work that posts it."""

    currency: str
    day: str
    micros_per_minute: int
    work: DueWork
