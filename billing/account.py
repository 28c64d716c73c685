"""Accounts: who pays, and what is there to pay with."""

from __future__ import annotations

from dataclasses import dataclass

ACTIVE = "active"
SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Account:
    """A payer. Balance and reserved sum are checked caches of the ledger and of live calls."""

    id: int
    name: str
    kind: str
    """person or company."""
    currency: str
    balance_micros: int
    reserved_micros: int
    credit_limit_micros: int | None
    """How far the balance may go below zero; None: without a limit (postpaid)."""
    status: str
    tariff: str
    version: int
    """Rises with each change; two writers never overwrite each other."""
    created_at: int

    @property
    def available_micros(self) -> int | None:
        """What a new reservation may take; None: without a limit."""
        if self.credit_limit_micros is None:
            return None
        return self.balance_micros + self.credit_limit_micros - self.reserved_micros

    @property
    def is_active(self) -> bool:
        return self.status == ACTIVE
