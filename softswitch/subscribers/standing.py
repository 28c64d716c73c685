"""What the status of an account or a line lets pass on the phone: one table, asked at admission.

A line may do what both its own status and its account's let pass. docs/services.md shows the
table; a status that isn't in it lets only emergency calls pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from billing.facts.account import (
    ACTIVE,
    APPROVED,
    CLOSED,
    DISCONNECTED,
    REGISTERED,
    SUSPENDED,
    Status,
)

Kind = Literal["emergency", "registration", "service", "outgoing", "incoming"]
"""What somebody wants to do: `service` is a code that the switch answers itself, free of charge;
texts go as `outgoing` and come as `incoming`."""

KINDS: tuple[Kind, ...] = ("emergency", "registration", "service", "outgoing", "incoming")

PASSES: Mapping[Status, frozenset[Kind]] = {
    REGISTERED: frozenset({"emergency"}),
    APPROVED: frozenset({"emergency", "registration", "service"}),
    ACTIVE: frozenset(KINDS),
    SUSPENDED: frozenset({"emergency", "registration", "service"}),
    DISCONNECTED: frozenset({"emergency", "registration", "service"}),
    CLOSED: frozenset({"emergency"}),
}

_NOTHING: frozenset[Kind] = frozenset({"emergency"})


def passes(status: str, kind: Kind) -> bool:
    """Whether a status lets a kind of call pass."""
    return kind in PASSES.get(status, _NOTHING)  # type: ignore[call-overload]
