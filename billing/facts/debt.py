"""Debts: since when an account owes money, and what suspends it for that."""

from __future__ import annotations

from dataclasses import dataclass

from billing.facts.account import Account
from billing.facts.command import SalesCommand, Touched

WATCH_KIND = "debt"
"""The kind of work that looks for debts, at every midnight."""


@dataclass(frozen=True, slots=True)
class Debt:
    """The debt of an account.

    Args:
        since: when its balance fell below what it may, or the oldest bill was made that isn't
            paid; epoch milliseconds.
        micros: what pays it.
        billed_micros: as far as it is of bills; payments since are taken off.
    """

    account_id: int
    since: int
    micros: int
    billed_micros: int


@dataclass(frozen=True, slots=True)
class Suspension:
    """An account that the switch suspended for a debt. A change of its status ends the suspension.

    Args:
        owed_micros: what is still to be paid of its bills.
    """

    account_id: int
    since: int
    suspended_at: int
    owed_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendForDebt(SalesCommand[Account]):
    """A debt is too old; answered by the Account. One that isn't active stays as it is."""

    debt: Debt

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftSuspension(SalesCommand[Account]):
    """The debt was made up for otherwise than by a payment; answered by the Account."""

    def touches(self, touched: Touched) -> None:
        touched.accounts.add(self.account_id)
        touched.sales.suspensions_of.add(self.account_id)


def suspended_key(debt: Debt) -> str:
    """The notice of it: a debt suspends once, even if the suspension is lifted."""
    return f"debt_suspended:{debt.account_id}:{debt.since}"


def warned_key(debt: Debt) -> str:
    """The id of the notice that warns of a debt's suspension."""
    return f"debt_warning:{debt.account_id}:{debt.since}"
