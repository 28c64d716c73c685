"""Accounts and live calls that stay in memory between the batches of one writer.

A call's reservation, answer and settlement are three batches about the same two rows. Where nothing
but this connection has written since the last batch, what that batch left is what the tables hold,
and nothing is read again. Several processes that share a server's database can't know that, so they
have no residents.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from billing.decisions.book import Book
from billing.facts.account import Account
from billing.facts.live_call import LiveCall

MAX_ACCOUNTS = 20_000
MAX_CALLS = 10_000
"""Rows of each kind that are kept, about 20 MB of calls: all are dropped when there are more."""


class Residents:
    """The rows that the batches of one connection left, by key."""

    def __init__(self) -> None:
        self._accounts: dict[int, Account] = {}
        self._calls: dict[str, LiveCall] = {}

    def accounts(self, keys: Iterable[int]) -> dict[int, Account]:
        """Those of these accounts that are kept, in the order of `keys`."""
        kept = self._accounts
        return {key: kept[key] for key in keys if key in kept}

    def calls(self, keys: Iterable[str]) -> dict[str, LiveCall]:
        """Those of these live calls that are kept, in the order of `keys`."""
        kept = self._calls
        return {key: kept[key] for key in keys if key in kept}

    def forget(self) -> None:
        """Keep nothing: another writer was there, or a batch failed half-way."""
        self._accounts.clear()
        self._calls.clear()

    def keep(self, book: Book, changed: Iterable[Account]) -> None:
        """Keep what a batch loaded and left.

        Args:
            changed: the accounts that it has written.
        """
        accounts, calls = self._accounts, self._calls
        accounts.update(book.loaded)
        for account in changed:  # their rows' versions rose with the update
            accounts[account.id] = structs.replace(account, version=account.version + 1)
        for call_id in book.changed_calls:  # they are written, and many
            book.calls[call_id].dialogs = None
        calls.update(book.calls)
        for call_id in book.closed_calls:
            calls.pop(call_id, None)
        if len(accounts) > MAX_ACCOUNTS or len(calls) > MAX_CALLS:
            self.forget()
