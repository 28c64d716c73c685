"""What is sold, as a batch works on it: commands, and the part of the working set beside calls.

Like :mod:`billing.decisions.book` it is pure: the store loads what the commands touch and writes
what became of it, with the accounts, in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from billing.facts.due import DueWork
from billing.facts.product import Product, Subscription

if TYPE_CHECKING:
    from billing.facts.debt import Suspension
    from billing.facts.order import Order
    from billing.facts.rental import Number, Rental, Wait
    from billing.facts.wallet import Wallet


NOTICE_KIND = "notice"
"""The kind of work that tells a subscriber something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesCommand:
    """A command about one account, which is locked first.

    Args:
        at: epoch milliseconds; of work that is due, when it was due.
    """

    account_id: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuyPackage(SalesCommand):
    """Buy a product for a term; answered by a Purchase. A repeated purchase id changes nothing,
    and neither does buying what is still active."""

    purchase_id: str
    product: str
    line: str | None
    zone: str
    auto_renew: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewPackage(SalesCommand):
    """A term is over, or its grace; answered by the Subscription."""

    subscription: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAutoRenew(SalesCommand):
    """Answered by the Subscription."""

    subscription: str
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PostBonus(SalesCommand):
    """What a day's incoming minutes come to; answered by the amount that is posted now. What was
    posted for the day before is taken off, so that repeating it changes nothing.

    Args:
        day: ISO date in the operator's zone.
        minutes: whole minutes of the whole day, as far as they are known.
    """

    day: str
    minutes: int
    micros_per_minute: int


@dataclass(frozen=True, slots=True)
class MoveDue:
    """A work of nobody's account was done: it is due again, or never (None).

    Nothing happens when somebody else moved it already."""

    work: DueWork
    to: int | None


@dataclass(frozen=True, slots=True)
class ScheduleWork:
    """From now on the work of this key is due then, or never (None)."""

    key: str
    work: DueWork | None


@dataclass(frozen=True, slots=True)
class EnsureWork:
    """Have a work done that nobody has scheduled yet; one that is scheduled stays as it is."""

    work: DueWork


@dataclass(frozen=True, slots=True)
class Tell:
    """Have a subscriber told something, once."""

    notice: Notice


@dataclass(frozen=True, slots=True)
class DefineProduct:
    """Put an offer in the place of the one of this name; what was sold stays as it was sold."""

    product: Product


@dataclass(frozen=True, slots=True)
class DefineDestination:
    """Put a set of prefixes in the place of the one of this name; an empty one removes it."""

    name: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DefineBonus:
    """What an incoming minute brings from a day on (ISO date), and when it is posted first."""

    currency: str
    day: str
    micros_per_minute: int
    work: DueWork


@dataclass(frozen=True, slots=True)
class Purchase:
    """What buying came to."""

    subscription: Subscription
    charged_micros: int
    """0: it was bought before, or is free."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a subscriber must be told; how is somebody else's business.

    Args:
        id: follows from the cause: nobody is told twice.
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
    """What was posted for a day."""

    account_id: int
    day: str
    minutes: int
    amount_micros: int


@dataclass(slots=True)
class Changes:
    """What the store has to write."""

    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    bonuses: dict[tuple[int, str], Bonus] = field(default_factory=dict)
    due: dict[str, DueWork | None] = field(default_factory=dict)
    notices: dict[str, Notice] = field(default_factory=dict)
    numbers: dict[str, Number] = field(default_factory=dict)
    rentals: dict[str, Rental] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    suspensions: dict[int, Suspension | None] = field(default_factory=dict)
    waits: dict[str, Wait | None] = field(default_factory=dict)
    wallets: dict[tuple[int, str], Wallet] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(getattr(self, item.name) for item in fields(self))


class Sales:
    """What a batch loaded of what is sold, and what it changed."""

    def __init__(
        self,
        products: Mapping[str, Product] | None = None,
        subscriptions: Iterable[Subscription] = (),
        bonuses: Iterable[Bonus] = (),
    ) -> None:
        self.products = products or {}
        self.subscriptions = {item.id: item for item in subscriptions}
        self.stored = frozenset(self.subscriptions)
        self.bonuses = {(bonus.account_id, bonus.day): bonus for bonus in bonuses}
        self.numbers: dict[str, Number] = {}
        self.stored_numbers: frozenset[str] = frozenset()
        self.rentals: dict[str, Rental] = {}
        self.stored_rentals: frozenset[str] = frozenset()
        self.orders: dict[str, Order] = {}
        self.stored_orders: frozenset[str] = frozenset()
        self.waiting_orders: list[Order] = []
        """All that a number of the stock may be for, as they were read; others may change them
        meanwhile."""
        self.suspensions: dict[int, Suspension] = {}
        self.waits: dict[str, Wait] = {}
        self.wallets: dict[tuple[int, str], Wallet] = {}
        self.told: set[str] = set()
        """Notices that were given before, of those that a command asks for."""
        self.changes = Changes()

    def of_account(self, account_id: int) -> list[Subscription]:
        """Those that aren't over, in the order of use."""
        found = [s for s in self.subscriptions.values() if s.account_id == account_id]
        return sorted(found, key=lambda item: item.order)

    def put(self, subscription: Subscription) -> None:
        self.subscriptions[subscription.id] = subscription
        self.changes.subscriptions[subscription.id] = subscription

    def put_bonus(self, bonus: Bonus) -> None:
        self.bonuses[bonus.account_id, bonus.day] = bonus
        self.changes.bonuses[bonus.account_id, bonus.day] = bonus

    def put_number(self, number: Number) -> None:
        self.numbers[number.number] = self.changes.numbers[number.number] = number

    def put_rental(self, rental: Rental) -> None:
        self.rentals[rental.id] = self.changes.rentals[rental.id] = rental

    def put_order(self, order: Order) -> None:
        self.orders[order.id] = self.changes.orders[order.id] = order

    def put_suspension(self, account_id: int, suspension: Suspension | None) -> None:
        """None: the account's status is somebody else's doing from now on."""
        self.suspensions.pop(account_id, None)
        if suspension is not None:
            self.suspensions[account_id] = suspension
        self.changes.suspensions[account_id] = suspension

    def put_wait(self, wait: Wait) -> None:
        self.waits[wait.id] = self.changes.waits[wait.id] = wait

    def end_wait(self, wait: Wait) -> None:
        del self.waits[wait.id]
        self.changes.waits[wait.id] = None

    def put_wallet(self, wallet: Wallet) -> None:
        key = (wallet.account_id, wallet.name)
        self.wallets[key] = self.changes.wallets[key] = wallet

    def schedule(self, work: DueWork) -> None:
        """From now on it is due then."""
        self.changes.due[work.key] = work

    def unschedule(self, kind: str, subject: str) -> None:
        self.changes.due[f"{kind}:{subject}"] = None

    def tell(self, notice: Notice) -> None:
        """Have a subscriber told; the work that is due at once sends it on its way."""
        self.schedule(DueWork(NOTICE_KIND, notice.id, notice.account_id, notice.at))
        self.told.add(notice.id)
        self.changes.notices[notice.id] = notice
