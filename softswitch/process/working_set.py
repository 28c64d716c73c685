"""What the switch keeps of its database in memory, so that no call waits for a query."""

from __future__ import annotations

from dataclasses import dataclass, field

from billing.facts.assignment import Assignments
from billing.facts.product import Destinations
from billing.facts.tariff import Tariff
from billing.stores import sales_store, tariff_store
from billing.stores.store import Store
from softswitch.admission.entitlement import Entitlements
from softswitch.operations.context import Reload, capped, changed_numbers, rented_numbers
from softswitch.operations.installation.setup import epoch_ms
from softswitch.subscribers.directory import Directory
from softswitch.subscribers.directory_store import DirectoryStore


@dataclass(frozen=True, slots=True)
class WorkingSet:
    """Lines and trunks, tariffs by name, which account or line has which tariff, and the packages
    that accounts have bought."""

    directory: Directory = field(default_factory=Directory)
    tariffs: dict[str, Tariff] = field(default_factory=dict)
    assignments: Assignments = field(default_factory=Assignments)
    entitlements: Entitlements = field(default_factory=Entitlements)


class WorkingSetLoader:
    """Fills a working set from the database, and keeps it up to date."""

    def __init__(self, store: Store, directory_store: DirectoryStore, known: WorkingSet) -> None:
        self._store = store
        self._directory_store = directory_store
        self._known = known

    def load(self) -> None:
        """Read everything; what was known before is replaced."""
        known = self._known
        known.directory.replace(self._directory_store.lines(), self._directory_store.trunks())
        known.tariffs.clear()
        known.tariffs.update((tariff.name, tariff) for tariff in self._store.tariffs())
        self._load_accounts()

    def put(self, reload: Reload) -> None:
        """Take over what an operation changed."""
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

    def _load_accounts(self) -> None:
        """Read the status, tariffs, packages and numbers of all accounts."""
        known = self._known
        directory = known.directory
        accounts = self._store.accounts()
        for account in accounts:
            known.assignments.put_account(account.id, account.tariff)
        with self._store.reading() as connection:
            assigned = tariff_store.assignments(connection)
            subscriptions = sales_store.subscriptions(connection, None)
            rented = rented_numbers(connection)
            known.entitlements.destinations = Destinations(sales_store.destinations(connection))
        known.assignments.put(assigned, (account.id for account in accounts))
        known.entitlements.clear()
        known.entitlements.put(subscriptions)
        directory.changed_numbers = changed_numbers(self._store)
        directory.rented.clear()
        directory.rented.put(rented)
        directory.account_status.update((account.id, account.status) for account in accounts)
        for caps, spent in capped(self._store, self._directory_store, epoch_ms()):
            directory.caps.put(caps, spent)
