"""Accounts: who pays, and what is there to pay with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

Status = Literal["registered", "approved", "active", "suspended", "disconnected", "closed"]

REGISTERED: Status = "registered"
"""Applied for; the applicant's identity isn't verified yet."""
APPROVED: Status = "approved"
"""Verified, and not yet connected."""
ACTIVE: Status = "active"
SUSPENDED: Status = "suspended"
"""Barred by the operator, for a debt above all."""
DISCONNECTED: Status = "disconnected"
"""Disconnected at the subscriber's own wish."""
CLOSED: Status = "closed"
"""Over, for good."""

TRANSITIONS: dict[str, frozenset[str]] = {
    REGISTERED: frozenset({APPROVED, CLOSED}),
    APPROVED: frozenset({REGISTERED, ACTIVE, CLOSED}),
    ACTIVE: frozenset({SUSPENDED, DISCONNECTED, CLOSED}),
    SUSPENDED: frozenset({ACTIVE, CLOSED}),
    DISCONNECTED: frozenset({ACTIVE, CLOSED}),
    CLOSED: frozenset(),
}
"""The statuses that may follow each status. A payment never lifts a disconnection at the
subscriber's wish, and a wish never lifts a suspension for a debt (C9)."""


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of an account's history, written once and never changed.

    Args:
        what: "status", or the name of what was changed.
        at: epoch milliseconds.
    """

    account_id: int
    at: int
    who: str
    what: str
    before: str
    after: str
    reason: str


class Account(Struct, frozen=True):
    """A payer. Balance and reserved sum are checked caches of the ledger and of live calls."""

    id: int
    name: str
    kind: str
    """person or company."""
    currency: str
    balance_micros: int
    reserved_micros: int
    credit_limit_micros: int | None
    """Micros that the balance may go below zero; None: without a limit (postpaid)."""
    status: str
    tariff: str
    version: int
    """Rises with each change; two writers never overwrite each other."""
    created_at: int

    @property
    def available_micros(self) -> int | None:
        """Micros that a new reservation may take; None: without a limit."""
        if self.credit_limit_micros is None:
            return None
        return self.balance_micros + self.credit_limit_micros - self.reserved_micros

    @property
    def is_active(self) -> bool:
        """True if the account may spend."""
        return self.status == ACTIVE
