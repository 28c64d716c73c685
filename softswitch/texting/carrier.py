"""Carriers of texts, and the choice among them for a number."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from smpp.codes import Npi, Status, Ton
from smpp.receipt import Written

MAX_WINDOW = 1000
MAX_BINDS = 16


class Carrier(Struct, frozen=True, kw_only=True):
    """A message centre that takes texts of ours.

    Args:
        host, port, tls: where it listens.
        system_id, password, system_type: what we bind with.
        prefixes: beginnings of numbers, digits without "+", that it takes; none: all numbers.
        priority: among carriers with equally long prefixes the lower is tried first.
        binds: connections kept at once.
        window: requests that wait for their answers at once, for each connection.
        rate: segments a second, over all connections; 0: no limit of ours.
        suspended: True if it isn't used now.
        receipt_ids: how its receipts write the ids of its answers.
    """

    id: int
    name: str
    host: str
    port: int = 2775
    tls: bool = False
    system_id: str
    password: str
    system_type: str = ""
    prefixes: tuple[str, ...] = ()
    priority: int = 10
    binds: int = 1
    window: int = 10
    rate: int = 0
    suspended: bool = False
    receipt_ids: Written = "any"


def routes(carriers: Iterable[Carrier], number: str) -> list[Carrier]:
    """Carriers that take texts to a number in E.164, in the order in which they are tried."""
    digits = number.removeprefix("+")
    found: list[tuple[int, int, str, Carrier]] = []
    for carrier in carriers:
        lengths = [len(prefix) for prefix in carrier.prefixes or ("",) if digits.startswith(prefix)]
        if lengths and not carrier.suspended:
            found.append((-max(lengths), carrier.priority, carrier.name, carrier))
    return [carrier for *_, carrier in sorted(found, key=lambda one: one[:3])]


def address_type(sender: str) -> tuple[Ton, Npi]:
    """Type and plan of a sender: E.164 digits, a short code, or a name of letters."""
    if sender.startswith("+"):
        return Ton.INTERNATIONAL, Npi.E164
    if sender.isascii() and sender.isdigit():
        return (Ton.NETWORK_SPECIFIC, Npi.UNKNOWN) if len(sender) < 7 else (Ton.UNKNOWN, Npi.E164)
    return Ton.ALPHANUMERIC, Npi.UNKNOWN


TEMPORARY = frozenset(
    {
        Status.THROTTLED,
        Status.MESSAGE_QUEUE_FULL,
        Status.SYSTEM_ERROR,
        Status.RECEIVER_TEMPORARY_ERROR,
        Status.INVALID_BIND_STATUS,
    }
)
"""Refusals that may pass: the text waits, or goes by another carrier."""
SLOWING = frozenset({Status.THROTTLED, Status.MESSAGE_QUEUE_FULL})
"""Refusals that ask us to send less for a while."""


class Rate:
    """A token bucket: so many segments a second.

    Args:
        per_second: 0 for no limit.
        burst_seconds: so many seconds' worth may go at once.
    """

    def __init__(self, per_second: int, burst_seconds: float = 0.1) -> None:
        self._per_second = per_second
        self._burst_seconds = burst_seconds
        self._even_at = 0.0
        self._quiet_until = 0.0

    def delay(self, now: float) -> float:
        """Seconds until a segment may be sent; 0: now."""
        wait = self._quiet_until - now
        if self._per_second:
            wait = max(wait, self._even_at - now - self._burst_seconds)
        return max(0.0, wait)

    def take(self, now: float, count: int) -> None:
        """Count segments that are sent now."""
        if self._per_second:
            self._even_at = max(self._even_at, now) + count / self._per_second

    def slow_down(self, now: float, seconds: float = 1.0) -> None:
        """Send nothing for a while: the carrier asked for it."""
        self._quiet_until = max(self._quiet_until, now + seconds)
