"""The working set of one batch: rows that were loaded, and what its commands changed of them.

State only: the decisions are functions in the modules beside this one, by command in
:mod:`billing.decisions.table`. A refused command leaves the book as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct, field, structs

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
    """Accounts, live calls, CDRs and postings of a batch."""

    accounts: dict[int, Account]
    """Accounts as the batch left them so far, by id: all that it touches, and those that earlier
    batches left in memory."""
    calls: dict[str, LiveCall]
    """Live calls by call id; as with the accounts."""
    cdrs: dict[str, Cdr]
    payments: dict[str, Entry]
    """An entry of each transaction that was posted before, by transaction id."""
    find_call: Callable[[str], LiveCall | None]
    """The store's search for the call of an id."""
    find_calls: Callable[[int], Iterable[LiveCall]]
    """The store's search for an account's live calls; the account is locked by then."""
    changed_accounts: dict[int, Account] = field(default_factory=dict)
    """Accounts that differ from their rows, by id."""
    new_calls: dict[str, LiveCall] = field(default_factory=dict)
    """Calls that have no row yet, by call id."""
    changed_calls: dict[str, LiveCall] = field(default_factory=dict)
    """Calls whose rows are to be updated; a new one's is right after it was inserted, which writes
    only what is known when a call begins."""
    closed_calls: list[str] = field(default_factory=list)
    """Ids of calls whose rows are to be deleted."""
    new_cdrs: list[tuple[Cdr, Rate | None, Coverage | None, Rate | None]] = field(
        default_factory=list
    )
    """CDRs to be written, each with the rate, coverage and cost rate of its price."""
    new_entries: list[Entry] = field(default_factory=list)
    new_changes: list[Change] = field(default_factory=list)
    sold: Sales | None = None
    """Anything but accounts and calls; None if none of it was loaded or may have changed."""
    _found: dict[int, list[str]] = field(default_factory=dict)
    """The ids of live calls that were searched for, by account."""

    @property
    def sales(self) -> Sales:
        """What is sold, and its changes; made when it is first asked for."""
        if self.sold is None:
            self.sold = Sales()
        return self.sold

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
        found = self._found.get(account_id)
        if found is None:
            rows = [c for c in self.find_calls(account_id) if c.call_id not in self.closed_calls]
            for call in rows:
                self.calls.setdefault(call.call_id, call)
            found = self._found[account_id] = [call.call_id for call in rows]
        # The batch may have closed some of them since, and opened others.
        keys = dict.fromkeys([*found, *self.new_calls])
        live = [self.calls[key] for key in keys if key in self.calls]
        return [call for call in live if call.account_id == account_id]

    def balance_of(self, account_id: int | None) -> int | None:
        """The balance in micros; None without an account."""
        account = None if account_id is None else self.accounts.get(account_id)
        return None if account is None else account.balance_micros

    def put(self, account: Account) -> None:
        """Put an account in the place of the one of its id."""
        self.accounts[account.id] = self.changed_accounts[account.id] = account

    def reserve(self, account_id: int | None, micros: int) -> None:
        """Reserve money of an account, or release it (negative micros).

        Raises:
            UnknownAccount: there is no such account.
        """
        self.reserve_of(self.account(account_id), micros)

    def reserve_of(self, account: Account, micros: int) -> None:
        """Reserve money of an account, which is as the batch left it so far, or release it."""
        self.put(structs.replace(account, reserved_micros=account.reserved_micros + micros))

    def hold(self, call: LiveCall, held: Slice, coverage: Coverage | None) -> Authorization:
        """Put a reservation in the place of the one that a call has."""
        self.reserve(call.account_id, held.reserved_micros - call.reserved_micros)
        call.reserved_micros = held.reserved_micros
        call.paid_seconds = held.paid_seconds
        call.coverage = coverage
        self.changed_calls[call.call_id] = call
        return authorized(call.call_id, held)

    def remove(self, call: LiveCall) -> None:
        """Remove a call that has ended."""
        key = call.call_id
        del self.calls[key]
        self.changed_calls.pop(key, None)
        if self.new_calls.pop(key, None) is None:
            self.closed_calls.append(key)

    def post(
        self,
        transaction: str,
        account_id: int,
        micros: int,
        kind: str,
        against: str,
        at: int,
        reserved_micros: int = 0,
    ) -> tuple[Entry, Entry]:
        """Post micros to an account (from it, if negative), against a book of our own.

        Args:
            against: the book of our own, such as "revenue" or "cash".
            at: epoch milliseconds.
            reserved_micros: to be released with it, in one step.
        """
        account = self.account(account_id)
        made = posting(transaction, account.id, account.currency, micros, kind, against, at)
        self.new_entries += made
        balance, held = account.balance_micros + micros, account.reserved_micros - reserved_micros
        self.put(structs.replace(account, balance_micros=balance, reserved_micros=held))
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
