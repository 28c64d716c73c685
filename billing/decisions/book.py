"""The working set of one batch: the rows that it loaded, and what its commands changed of them.

State only: the decisions are functions in the modules beside this one, by command in
:mod:`billing.decisions.table`. A refused command leaves the book as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct, field

from billing.decisions.sales import Sales
from billing.facts.account import Account, Change
from billing.facts.authorization import Authorization, UnknownAccount
from billing.facts.cdr import Cdr
from billing.facts.coverage import Coverage
from billing.facts.ledger import Entry, posting
from billing.facts.live_call import LiveCall
from billing.facts.rate import Rate
from billing.facts.reservation import Slice


class Book(Struct):
    """Accounts, live calls, CDRs and postings of a batch; what is sold is in `sales`."""

    accounts: dict[int, Account]
    """Accounts as the batch left them so far, by id."""
    calls: dict[str, LiveCall]
    cdrs: dict[str, Cdr]
    payments: dict[str, Entry]
    """An entry of each transaction that was posted before, by transaction id."""
    find_calls: Callable[[int], Iterable[LiveCall]]
    """The store's search for an account's live calls; the account is locked by then."""
    loaded: dict[int, Account] = field(default_factory=dict)
    """Accounts as they were loaded, by id."""
    stored_calls: set[str] = field(default_factory=set)
    """Ids of calls that have a row already."""
    changed_calls: set[str] = field(default_factory=set)
    closed_calls: set[str] = field(default_factory=set)
    new_cdrs: list[tuple[Cdr, Rate | None, Coverage | None, Rate | None]] = field(
        default_factory=list
    )
    """CDRs to be written, each with the rate, coverage and cost rate of its price."""
    new_entries: list[Entry] = field(default_factory=list)
    new_changes: list[Change] = field(default_factory=list)
    sales: Sales = field(default_factory=Sales)
    _accounts_with_calls: set[int] = field(default_factory=set)
    """Accounts whose live calls were searched for."""

    def __post_init__(self) -> None:
        self.loaded.update(self.accounts)
        self.stored_calls.update(self.calls)

    @property
    def changed_accounts(self) -> list[Account]:
        """Accounts that differ from what was loaded."""
        loaded = self.loaded
        return [a for key, a in self.accounts.items() if a is not loaded.get(key)]

    def account(self, account_id: int | None) -> Account:
        """The account as the batch left it so far.

        Raises:
            UnknownAccount: there is none of this id.
        """
        account = None if account_id is None else self.accounts.get(account_id)
        if account is None:
            raise UnknownAccount(f"there is no account {account_id}")
        return account

    def calls_of(self, account_id: int) -> list[LiveCall]:
        """The live calls of an account, those that hold the most first if there are very many.

        They are searched for when a decision asks for them: hardly any does."""
        if account_id not in self._accounts_with_calls:
            self._accounts_with_calls.add(account_id)
            for call in self.find_calls(account_id):
                if call.call_id not in self.calls and call.call_id not in self.closed_calls:
                    self.calls[call.call_id] = call
                    self.stored_calls.add(call.call_id)
        return [call for call in self.calls.values() if call.account_id == account_id]

    def balance_of(self, account_id: int | None) -> int | None:
        """The balance in micros; None without an account."""
        account = None if account_id is None else self.accounts.get(account_id)
        return None if account is None else account.balance_micros

    def reserve(self, account_id: int | None, micros: int) -> None:
        """Reserve money of an account, or release it (negative micros).

        Raises:
            UnknownAccount: there is no such account.
        """
        account = self.account(account_id)
        held = account.reserved_micros + micros
        self.accounts[account.id] = account.with_sums(account.balance_micros, held)

    def hold(self, call: LiveCall, held: Slice, coverage: Coverage | None) -> Authorization:
        """Put a reservation in the place of the one that a call has."""
        self.reserve(call.account_id, held.reserved_micros - call.reserved_micros)
        call.reserved_micros = held.reserved_micros
        call.paid_seconds = held.paid_seconds
        call.coverage = coverage
        self.changed_calls.add(call.call_id)
        return authorized(call.call_id, held)

    def post(
        self, transaction: str, account_id: int, micros: int, kind: str, against: str, at: int
    ) -> tuple[Entry, Entry]:
        """Post micros to an account (from it, if negative), against a book of our own.

        Args:
            against: the book of our own, such as "revenue" or "cash".
            at: epoch milliseconds.
        """
        account = self.account(account_id)
        made = posting(transaction, account.id, account.currency, micros, kind, against, at)
        self.new_entries += made
        balance = account.balance_micros + micros
        self.accounts[account.id] = account.with_sums(balance, account.reserved_micros)
        return made

    def record(
        self,
        cdr: Cdr,
        rate: Rate | None = None,
        coverage: Coverage | None = None,
        cost: Rate | None = None,
    ) -> None:
        """Have a CDR written, with all that its price and its cost can be computed from again."""
        self.cdrs[cdr.id] = cdr
        self.new_cdrs.append((cdr, rate, coverage, cost))


def authorized(call_id: str, held: Slice) -> Authorization:
    """The answer to a command that reserved this slice."""
    return Authorization(
        call_id, held.reserved_micros, held.paid_seconds, held.final, held.longest_seconds
    )
