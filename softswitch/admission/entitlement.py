"""Entitlements: the packages that may pay for a line's calls, held in memory.

Admission only proposes them: the books decide, when money is reserved, if a package still has a
second left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from billing.facts.product import Destinations, Subscription, in_scope


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A subscription with the facts that admission needs."""

    subscription: str
    line: str | None
    """The number of its line; None: every line of the account."""
    scope: tuple[str, ...]
    service: str | None
    ends_at: int

    @classmethod
    def of(cls, subscription: Subscription) -> Entitlement:
        return cls(
            subscription.id,
            subscription.line,
            subscription.terms.scope,
            subscription.terms.service,
            subscription.ends_at,
        )


class Entitlements:
    """Entitlements by account; updated in place when a package was bought, renewed or ended."""

    def __init__(
        self, subscriptions: Iterable[Subscription] = (), destinations: Destinations | None = None
    ) -> None:
        self.destinations = destinations or Destinations()
        self._by_account: dict[int, tuple[Entitlement, ...]] = {}
        self.touched: set[int] | None = None
        """Accounts that were changed during a reload of everything; None: no reload is under
        way."""
        self.put(subscriptions)

    def put(self, subscriptions: Iterable[Subscription], accounts: Iterable[int] = ()) -> None:
        """Replace the entitlements of the accounts of these subscriptions, and of `accounts`."""
        changed = self.take(subscriptions, accounts)
        if self.touched is not None:
            self.touched |= changed

    def take(self, subscriptions: Iterable[Subscription], accounts: Iterable[int] = ()) -> set[int]:
        """Replace as :meth:`put` does, with the result of a reload; returns the accounts."""
        fresh: dict[int, list[Subscription]] = {}
        for item in subscriptions:
            fresh.setdefault(item.account_id, []).append(item)
        anew = {*accounts, *fresh}
        for account in anew - fresh.keys():
            self._by_account.pop(account, None)
        for account, items in fresh.items():
            ordered = sorted(items, key=lambda item: item.order)
            self._by_account[account] = tuple(map(Entitlement.of, ordered))
        return anew

    def for_call(self, account: int, line: str, number: str, on_net: bool) -> tuple[str, ...]:
        """Subscriptions whose scope includes a call, in the order of use.

        Args:
            line: the calling line's number.
            number: the called one, E.164 with "+".
        """
        mine = self._by_account.get(account)
        if not mine:
            return ()
        groups = self.destinations.of(number[1:])
        return tuple(
            item.subscription
            for item in mine
            if item.line in (None, line) and in_scope(item.scope, groups, on_net)
        )

    def service_ends_at(self, account: int, line: str, service: str, at: int) -> int | None:
        """The end of a service that a line has now (epoch milliseconds); None if it hasn't got
        it."""
        ends = [
            item.ends_at
            for item in self._by_account.get(account, ())
            if item.service == service and item.line in (None, line) and item.ends_at > at
        ]
        return max(ends, default=None)
