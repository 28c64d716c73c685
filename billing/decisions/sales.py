"""The part of the working set beside accounts and calls: packages, numbers, orders, wallets.

State only, as :mod:`billing.decisions.book`: the stores load what the commands touch and write
what became of it, with the accounts, in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from billing.facts.debt import Suspension
from billing.facts.due import DueWork
from billing.facts.hold import Hold
from billing.facts.order import Order
from billing.facts.product import Product, Subscription
from billing.facts.rental import Number, Rental, Wait
from billing.facts.sales import NOTICE_KIND, Bonus, Notice
from billing.facts.wallet import Wallet


class Changes(Struct):
    """The rows that the stores have to write."""

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
    holds: dict[str, Hold] = field(default_factory=dict)


class Sales(Struct):
    """The rows that a batch loaded of packages, numbers, orders and wallets, and their changes."""

    products: Mapping[str, Product] = field(default_factory=dict)
    """Products on sale, by name."""
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    stored_subscriptions: frozenset[str] = frozenset()
    bonuses: dict[tuple[int, str], Bonus] = field(default_factory=dict)
    """Bonuses by account id and ISO day."""
    numbers: dict[str, Number] = field(default_factory=dict)
    stored_numbers: frozenset[str] = frozenset()
    rentals: dict[str, Rental] = field(default_factory=dict)
    stored_rentals: frozenset[str] = frozenset()
    orders: dict[str, Order] = field(default_factory=dict)
    stored_orders: frozenset[str] = frozenset()
    waiting_orders: list[Order] = field(default_factory=list)
    """All that a number of the stock may be for, as they were read; others may change them
    meanwhile."""
    suspensions: dict[int, Suspension] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)
    wallets: dict[tuple[int, str], Wallet] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    stored_holds: frozenset[str] = frozenset()
    told: set[str] = field(default_factory=set)
    """Notices that were given before, of those that a command asks for."""
    changes: Changes = field(default_factory=Changes)

    def of_account(self, account_id: int) -> list[Subscription]:
        """The subscriptions of an account that aren't over, in the order of use."""
        found = [s for s in self.subscriptions.values() if s.account_id == account_id]
        return sorted(found, key=lambda item: item.order)

    def put(self, subscription: Subscription) -> None:
        """Put a subscription in the place of the one of its id."""
        self.subscriptions[subscription.id] = subscription
        self.changes.subscriptions[subscription.id] = subscription

    def put_bonus(self, bonus: Bonus) -> None:
        """Put a bonus in the place of the one of its account and day."""
        self.bonuses[bonus.account_id, bonus.day] = bonus
        self.changes.bonuses[bonus.account_id, bonus.day] = bonus

    def put_number(self, number: Number) -> None:
        """Put a number in the place of its row."""
        self.numbers[number.number] = self.changes.numbers[number.number] = number

    def put_rental(self, rental: Rental) -> None:
        """Put a rental in the place of the one of its id."""
        self.rentals[rental.id] = self.changes.rentals[rental.id] = rental

    def put_order(self, order: Order) -> None:
        """Put an order in the place of the one of its id."""
        self.orders[order.id] = self.changes.orders[order.id] = order

    def put_suspension(self, account_id: int, suspension: Suspension | None) -> None:
        """Put or remove (None) the suspension of an account for a debt."""
        self.suspensions.pop(account_id, None)
        if suspension is not None:
            self.suspensions[account_id] = suspension
        self.changes.suspensions[account_id] = suspension

    def put_wait(self, wait: Wait) -> None:
        """Put an entry on the wait list."""
        self.waits[wait.id] = self.changes.waits[wait.id] = wait

    def end_wait(self, wait: Wait) -> None:
        """Take an entry off the wait list."""
        del self.waits[wait.id]
        self.changes.waits[wait.id] = None

    def put_wallet(self, wallet: Wallet) -> None:
        """Put a wallet in the place of the one of its account and name."""
        key = (wallet.account_id, wallet.name)
        self.wallets[key] = self.changes.wallets[key] = wallet

    def put_hold(self, hold: Hold) -> None:
        """Put a hold in the place of the one of its id."""
        self.holds[hold.id] = self.changes.holds[hold.id] = hold

    def schedule(self, work: DueWork) -> None:
        """Set when a work is due, in the place of its row if it has one."""
        self.changes.due[work.key] = work

    def unschedule(self, kind: str, subject: str) -> None:
        """Remove the work of a kind and subject."""
        self.changes.due[f"{kind}:{subject}"] = None

    def tell(self, notice: Notice) -> None:
        """Have a subscriber told; the work that is due at once sends it on its way."""
        self.schedule(DueWork(NOTICE_KIND, notice.id, notice.account_id, notice.at))
        self.told.add(notice.id)
        self.changes.notices[notice.id] = notice
