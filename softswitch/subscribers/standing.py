"""Status and rights: which uses the status of a line or account permits; one table for all of
admission.

A line may do what both its own status and its account's permit. docs/services.md shows the table; a
status that isn't in it permits only emergency calls.
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
"""Kinds of use: `service` is a code that the switch answers itself, free of charge; a text sent
counts as `outgoing`, a text received as `incoming`."""

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
    """True if a status permits this kind of use."""
    return kind in PASSES.get(status, _NOTHING)  # type: ignore[call-overload]
