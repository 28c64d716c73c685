"""Live calls: what the books keep of a call until it is settled."""

from __future__ import annotations

from dataclasses import dataclass

from billing.facts.coverage import Coverage
from billing.facts.rate import Rate


@dataclass(slots=True)
class LiveCall:
    """A call that isn't over, as the store keeps it."""

    call_id: str
    account_id: int | None
    rate: Rate | None
    reserved_micros: int
    paid_seconds: int | None
    opened_at: int
    answered_at: int | None
    last_alive_at: int
    facts: bytes
    node: str = ""
    """The switch that admitted it; only that one ends it after a crash, unless it is dead."""
    answered_by: str | None = None
    """What answered in the place of a person; None: one did, or nobody has yet."""
    trunk: str | None = None
    """By which it was answered."""
    cost: Rate | None = None
    """What that trunk charges us; None: unknown."""
    coverage: Coverage | None = None
    """Packages that may pay for it; None: only money does."""
