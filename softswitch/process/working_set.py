"""What the switch keeps of its database in memory, so that no call waits for a query."""

from __future__ import annotations

from billing.facts.assignment import Assignments
from billing.facts.product import Destinations
from billing.stores import sales_store, tariff_store
from billing.stores.store import Store
from softswitch.admission.entitlement import Entitlements
from softswitch.operations.context import Reload, capped, changed_numbers, rented_numbers
from softswitch.operations.installation.setup import epoch_ms
from softswitch.subscribers.directory_store import DirectoryStore


class WorkingSet:
    """Lines and trunks, tariffs, and what accounts have bought and rent: all of it, at first."""

    def __init__(self, store: Store, directory_store: DirectoryStore) -> None:
        self._store = store
        self._directory_store = directory_store
        self.directory = directory_store.load()
        self.tariffs = {tariff.name: tariff for tariff in store.tariffs()}
        self.assignments = Assignments()
        self.entitlements = Entitlements()
        self._load_accounts()

    def load_again(self) -> None:
        """Read everything anew."""
        self.directory.replace(self._directory_store.lines(), self._directory_store.trunks())
        self.tariffs.clear()
        self.tariffs.update((tariff.name, tariff) for tariff in self._store.tariffs())
        self._load_accounts()

    def put(self, reload: Reload) -> None:
        """Take over what an operation changed."""
        reload.put_into(self.directory)
        for tariff in reload.tariffs:
            self.tariffs[tariff.name] = tariff
        for account in reload.accounts:
            self.assignments.put_account(account.id, account.tariff)
        accounts = [account.id for account in reload.accounts]
        self.assignments.put(reload.assignments, accounts)
        if reload.subscriptions is not None:
            self.entitlements.put(reload.subscriptions, accounts)
        if reload.destinations is not None:
            self.entitlements.destinations = reload.destinations

    def _load_accounts(self) -> None:
        """What accounts are, bought and rent."""
        directory = self.directory
        accounts = self._store.accounts()
        for account in accounts:
            self.assignments.put_account(account.id, account.tariff)
        with self._store.reading() as connection:
            assigned = tariff_store.assignments(connection)
            subscriptions = sales_store.subscriptions(connection, None)
            rented = rented_numbers(connection)
            self.entitlements.destinations = Destinations(sales_store.destinations(connection))
        self.assignments.put(assigned, (account.id for account in accounts))
        self.entitlements.clear()
        self.entitlements.put(subscriptions)
        directory.changed_numbers = changed_numbers(self._store)
        directory.rented.clear()
        directory.rented.put(rented)
        directory.account_status.update((account.id, account.status) for account in accounts)
        for caps, spent in capped(self._store, self._directory_store, epoch_ms()):
            directory.caps.put(caps, spent)
