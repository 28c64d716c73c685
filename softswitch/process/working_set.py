"""The working set: the part of the database that is held in memory, so that no call waits for a
query."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from billing.facts.account import Status
from billing.facts.assignment import Assignment, Assignments
from billing.facts.product import Destinations, Subscription
from billing.facts.tariff import Tariff
from billing.stores import sales_store, tariff_store
from billing.stores.store import Store
from softswitch.admission.entitlement import Entitlements
from softswitch.database.threads import Run
from softswitch.operations.context import Capped, Reload, capped, changed_numbers, rented_numbers
from softswitch.operations.installation.setup import epoch_ms
from softswitch.subscribers.directory import Directory, Line, Trunk
from softswitch.subscribers.directory_store import DirectoryStore
from softswitch.subscribers.rented import RentedNumber


@dataclass(frozen=True, slots=True)
class WorkingSet:
    """Lines and trunks, tariffs by name, the tariff of each account or line, and the packages of
    accounts."""

    directory: Directory = field(default_factory=Directory)
    tariffs: dict[str, Tariff] = field(default_factory=dict)
    assignments: Assignments = field(default_factory=Assignments)
    entitlements: Entitlements = field(default_factory=Entitlements)


@dataclass(frozen=True, slots=True)
class _Rest:
    """All but the lines and the terms of accounts, as one read of the database found it."""

    trunks: list[Trunk]
    tariffs: list[Tariff]
    assignments: Mapping[int, list[Assignment]]
    """Assignments by account; so are the next two."""
    subscriptions: Mapping[int, list[Subscription]]
    rented: Mapping[int, list[RentedNumber]]
    destinations: Destinations
    changed_numbers: dict[str, str]
    caps: list[Capped]
    read_at: int
    """Epoch milliseconds."""


_AccountTerms = tuple[int, Status, str]
"""The id, the status and the tariff of an account."""
LinesChanged = Callable[[Sequence[Line], Sequence[int]], None]
"""Takes the lines that changed, and the ids of those that were removed."""
SLICE = 500
"""The lines or accounts that are taken over between two turns of the event loop: a millisecond's
work."""


class WorkingSetLoader:
    """Fills a working set from the database, and keeps it up to date.

    Lines and accounts are read in parts, so that a million of them are never in memory twice. A
    reload of 100,000 lines takes seconds, during which calls go on: each part is read in a thread
    and taken over in slices; a change that was made meanwhile is newer and wins.
    """

    def __init__(self, store: Store, directory_store: DirectoryStore, known: WorkingSet) -> None:
        self._store = store
        self._directory_store = directory_store
        self._known = known
        self._again = asyncio.Lock()

    def load(self) -> None:
        """Read everything, before the switch serves."""
        rest = self._read_rest()
        for lines in self._directory_store.line_parts():
            self._known.directory.put_lines(lines)
        self._put_rest(rest)
        for accounts in self._store.account_terms():
            self._put_accounts(accounts, rest)

    async def load_again(self, run: Run, lines_changed: LinesChanged) -> None:
        """Reload everything while the switch serves.

        Raises:
            StoreError, SQLAlchemyError: the database is out of order; what was read until then
                counts, the rest is as it was.
        """
        async with self._again:
            known = self._known
            known.directory.touched, known.entitlements.touched = set(), set()
            try:
                rest = await run(self._read_rest)
                await self._take_lines(run, lines_changed)
                self._put_rest(rest)
                parts = self._store.account_terms()
                while accounts := await run(partial(next, parts, None)):
                    for start in range(0, len(accounts), SLICE):
                        self._put_accounts(accounts[start : start + SLICE], rest)
                        await asyncio.sleep(0)
            finally:
                known.directory.touched = known.entitlements.touched = None

    def put(self, reload: Reload) -> None:
        """Put the changes of an operation into the working set."""
        known = self._known
        reload.put_into(known.directory)
        for tariff in reload.tariffs:
            known.tariffs[tariff.name] = tariff
        for account in reload.accounts:
            known.assignments.put_account(account.id, account.tariff)
        accounts = [account.id for account in reload.accounts]
        known.assignments.put(reload.assignments, accounts)
        if reload.subscriptions is not None:
            known.entitlements.put(reload.subscriptions, accounts)
        if reload.destinations is not None:
            known.entitlements.destinations = reload.destinations

    def _read_rest(self) -> _Rest:
        read_at = epoch_ms()
        with self._store.reading() as connection:
            assignments = tariff_store.assignments(connection)
            subscriptions = sales_store.subscriptions(connection, None)
            rented = rented_numbers(connection)
            destinations = Destinations(sales_store.destinations(connection))
        return _Rest(
            self._directory_store.trunks(),
            list(self._store.tariffs()),
            _by_account(assignments),
            _by_account(subscriptions),
            _by_account(rented),
            destinations,
            changed_numbers(self._store),
            capped(self._store, self._directory_store, read_at),
            read_at,
        )

    async def _take_lines(self, run: Run, lines_changed: LinesChanged) -> None:
        """Put the lines that differ, and report only those."""
        directory = self._known.directory
        touched = set() if directory.touched is None else directory.touched
        parts, found = self._directory_store.line_parts(), set[int]()
        while lines := await run(partial(next, parts, None)):
            for start in range(0, len(lines), SLICE):
                some = lines[start : start + SLICE]
                found.update(line.id for line in some)
                changed = [
                    line for line in some if line.id not in touched and directory.differs(line)
                ]
                if changed:
                    lines_changed(changed, ())
                await asyncio.sleep(0)
        known = directory.line_ids()
        for start in range(0, len(known), SLICE):
            ids = known[start : start + SLICE]
            gone = [key for key in ids if key not in found and key not in touched]
            if gone:
                lines_changed((), gone)
            await asyncio.sleep(0)

    def _put_rest(self, found: _Rest) -> None:
        """Put all small tables: trunks, tariffs, destinations, changed numbers, caps."""
        known = self._known
        known.directory.set_trunks(found.trunks)
        tariffs = {tariff.name: tariff for tariff in found.tariffs}
        for name in known.tariffs.keys() - tariffs.keys():
            del known.tariffs[name]
        known.tariffs.update(tariffs)
        known.entitlements.destinations = found.destinations
        known.directory.changed_numbers = found.changed_numbers
        for caps, spent in found.caps:
            known.directory.caps.put(caps, spent, since=found.read_at)

    def _put_accounts(self, accounts: Sequence[_AccountTerms], found: _Rest) -> None:
        """Put the status, tariffs, packages and numbers of some accounts. Accounts that were
        changed since the read began keep the newer state."""
        known = self._known
        touched = known.entitlements.touched or ()
        ids = [account_id for account_id, _, _ in accounts if account_id not in touched]
        for account_id, status, tariff in accounts:
            if account_id not in touched:
                known.assignments.put_account(account_id, tariff)
                known.directory.put_account(account_id, status)
        known.assignments.put([a for key in ids for a in found.assignments.get(key, ())], ids)
        known.directory.rented.put([r for key in ids for r in found.rented.get(key, ())], ids)
        subscriptions = [s for key in ids for s in found.subscriptions.get(key, ())]
        known.entitlements.take(subscriptions, ids)


class _Owned(Protocol):
    @property
    def account_id(self) -> int: ...


Fact = TypeVar("Fact", bound=_Owned)


def _by_account(facts: Iterable[Fact]) -> dict[int, list[Fact]]:
    found: dict[int, list[Fact]] = {}
    for fact in facts:
        found.setdefault(fact.account_id, []).append(fact)
    return found
