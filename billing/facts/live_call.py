"""Live calls: what the books keep of a call until it is settled."""

from __future__ import annotations

from msgspec import Struct

from billing.facts.coverage import Coverage
from billing.facts.rate import Rate


class StoredDialogs(Struct, frozen=True):
    """The SIP dialogs of a live call's ends, as octets that the switch reads.

    Args:
        call_id: the key of the leg that pays.
        trunk: the name of the trunk that answered.
    """

    call_id: str
    trunk: str | None
    dialogs: bytes


class LiveCall(Struct):
    """The row of a call that isn't settled yet. Stamps are epoch milliseconds.

    Args:
        paid_seconds: talk time that the reservation pays for; None: without a limit.
        facts: the CDR as far as it is known, as JSON.
    """

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
    """The service that answered instead of a phone; None: a phone, or none yet."""
    trunk: str | None = None
    """Name of the trunk that answered."""
    cost: Rate | None = None
    """The rate by which that trunk charges us; None: unknown."""
    coverage: Coverage | None = None
    """Packages that may pay for it; None: only money does."""
    dialogs: bytes | None = None
    """The SIP dialogs of both ends, if they are to be written; a row that was read has none."""
