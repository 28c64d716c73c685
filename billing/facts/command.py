"""Commands: what the books are asked to do.

A command says with its type what it is answered with, and once, in :meth:`Command.touches`, which
rows it needs. Everything else follows from that: the stores load those rows, a decision changes
them in memory, and the stores write what it changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from msgspec import Struct, field

from billing.facts.cdr import Cdr

Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


class TouchedSales(Struct):
    """The rows of packages, numbers, orders and wallets that a batch of commands reads or changes.

    Fields as in :class:`Touched`.
    """

    subscriptions: set[str] = field(default_factory=set)
    """Subscriptions by id, whatever their state."""
    subscriptions_of: set[int] = field(default_factory=set)
    """Accounts whose subscriptions that aren't over are needed."""
    products: bool = False
    """True if the products on sale are needed."""
    bonuses: set[tuple[int, str]] = field(default_factory=set)
    """Bonuses by account id and ISO day."""
    numbers: set[str] = field(default_factory=set)
    """Numbers of the inventory, E.164 with "+". Their rows are locked, after the accounts'."""
    rentals: set[str] = field(default_factory=set)
    """Rentals by id, each with its number."""
    owing_rentals_of: set[int] = field(default_factory=set)
    """Accounts whose rentals are needed that are barred for an unpaid fee."""
    orders: set[str] = field(default_factory=set)
    """Orders by id, each with its rental and its number."""
    orders_with_documents_of: set[int] = field(default_factory=set)
    """Accounts whose orders are needed that wait for documents."""
    orders_with_documents_for: set[str] = field(default_factory=set)
    """Numbers whose orders are needed that wait for documents."""
    number_queue: bool = False
    """True if all open orders and the wait list are needed, since a number comes into stock."""
    wallets_of: set[int] = field(default_factory=set)
    """Accounts whose wallets are needed."""
    holds: set[str] = field(default_factory=set)
    """Holds of credit for texts, by id."""
    suspensions_of: set[int] = field(default_factory=set)
    """Accounts whose suspension for a debt is needed."""
    notices: set[str] = field(default_factory=set)
    """Notices by id; those that exist were given before."""


class Touched(Struct):
    """The rows that a batch of commands reads or changes, by table and key.

    Fields that end in `_of` name accounts whose rows are all needed.
    """

    accounts: set[int] = field(default_factory=set)
    """Accounts by id. Their rows are locked until the batch is written."""
    calls: set[str] = field(default_factory=set)
    """Live calls by call id."""
    opening: set[str] = field(default_factory=set)
    """Ids of calls that begin. They have a row only if the command is repeated."""
    covered_calls_of: set[int] = field(default_factory=set)
    """Accounts whose live calls under packages are needed."""
    closing: dict[str, Cdr] = field(default_factory=dict)
    """Call id to the CDR that stands in its place if the call is closed already."""
    cdrs: set[str] = field(default_factory=set)
    """CDRs by id."""
    payments: set[str] = field(default_factory=set)
    """Ledger transactions by id; posted ones show that a command is repeated."""
    sold: TouchedSales | None = None
    """Rows of anything but accounts and calls; None if none are needed."""

    @property
    def sales(self) -> TouchedSales:
        """Rows of packages, numbers, orders and wallets. Plain calls need none, so that these sets
        are made for the first command that does."""
        if self.sold is None:
            self.sold = TouchedSales()
        return self.sold

    def raises_balance(self, account_id: int) -> None:
        """Add what a risen balance may change: a suspension for a debt, and barred numbers."""
        self.accounts.add(account_id)
        self.sales.suspensions_of.add(account_id)
        self.sales.owing_rentals_of.add(account_id)

    def renews(self, account_id: int) -> None:
        """Add what a payment may renew: the account's packages in their grace."""
        self.sales.subscriptions_of.add(account_id)
        self.sales.products = True


class Command(Generic[Answer_co]):
    """A command whose answer has the type `Answer_co`.

    It may be repeated without changing anything twice. A refusal is a
    :class:`~billing.facts.authorization.BillingError`.
    """

    __slots__ = ()

    def touches(self, touched: Touched) -> None:
        """Add the rows that the command's decision reads or changes; none by default."""

    @property
    def relieved_account(self) -> int | None:
        """The account that may have more to spend once the command is applied; None for none."""
        return None


class Apply(Protocol):
    """The way to the books: for each command, in order, its answer, the BillingError that refused
    it, or the StoreError of a database that failed. An implementation that writes by itself may
    raise the StoreError instead: then nothing was applied."""

    def __call__(self, commands: Sequence[Command[Answer]], /) -> Sequence[Answer | Exception]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesCommand(Command[Answer_co]):
    """A command about one account, whose row is locked first.

    Args:
        at: epoch milliseconds; for due work the instant at which it was due.
    """

    account_id: int
    at: int

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)


def touched_by(commands: Sequence[Command[object]]) -> Touched:
    """All rows that these commands read or change."""
    touched = Touched()
    for command in commands:
        command.touches(touched)
    return touched
