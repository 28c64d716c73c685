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

    def accounts(self, keys: Iterable[int]) -> tuple[list[Account], list[int]]:
        """The accounts of these ids that are kept, and the ids of the others in their order."""
        found, missing, kept = [], [], self._accounts
        for key in keys:
            account = kept.get(key)
            if account is None:
                missing.append(key)
            else:
                found.append(account)
        return found, missing

    def calls(self, keys: Iterable[str]) -> tuple[list[LiveCall], list[str]]:
        """The live calls of these ids that are kept, and the ids of the others in their order."""
        found, missing, kept = [], [], self._calls
        for key in keys:
            call = kept.get(key)
            if call is None:
                missing.append(key)
            else:
                found.append(call)
        return found, missing

    def forget(self) -> None:
        """Keep nothing: another writer was there, or a batch failed half-way."""
        self._accounts.clear()
        self._calls.clear()

    def keep(self, book: Book) -> None:
        """Keep what a batch loaded and left, once it is committed."""
        loaded = book.loaded
        for key, account in book.accounts.items():
            # The row's version rose with the update.
            is_same = account is loaded.get(key)
            self._accounts[key] = account if is_same else _stored(account)
        for call_id in book.changed_calls:  # they are written, and many
            book.calls[call_id].dialogs = None
        self._calls.update(book.calls)
        for call_id in book.closed_calls:
            self._calls.pop(call_id, None)
        if len(self._accounts) > MAX_ACCOUNTS or len(self._calls) > MAX_CALLS:
            self.forget()


def _stored(account: Account) -> Account:
    return structs.replace(account, version=account.version + 1)
