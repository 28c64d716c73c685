"""Rates: the price of calls to one prefix, with the changes of it that a call may live to see."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace


class Change(Struct, frozen=True, array_like=True, gc=False):
    """A change of a rate during a call: from an instant on (epoch milliseconds) the rate of another
    interval holds. Prices are micros of the tariff's currency."""

    at: int
    interval: str
    connect_fee_micros: int
    per_minute_micros: int
    initial_increment_seconds: int
    increment_seconds: int
    grace_seconds: int
    minimum_micros: int


class Rate(Struct, frozen=True):
    """The price of calls to one prefix from one date on.

    Args:
        prefix: digits without "+", ON_NET, or "@" and the name of a destination set.
        initial_increment_seconds: the first block; a shorter call costs it whole.
        increment_seconds: the blocks after it.
        effective_from: epoch milliseconds.
        grace_seconds: calls up to this long cost nothing.
        minimum_micros: no call that costs anything costs less.
        interval: when it counts; "" where the tariff has no other price for the time.
        changes: of a rate that a call was given: when it becomes which other one, as long as a
            call may last. A price can so be computed again whatever became of the tariff.
    """

    tariff: str
    prefix: str
    destination: str
    connect_fee_micros: int
    per_minute_micros: int
    initial_increment_seconds: int
    increment_seconds: int
    effective_from: int = 0
    grace_seconds: int = 0
    currency: str = ""
    minimum_micros: int = 0
    interval: str = ""
    changes: tuple[Change, ...] = ()

    @property
    def free(self) -> bool:
        """True if no call costs anything, whenever it is answered."""
        return not (
            self.connect_fee_micros or self.per_minute_micros or self.minimum_micros
        ) and not any(
            change.connect_fee_micros or change.per_minute_micros or change.minimum_micros
            for change in self.changes
        )

    @property
    def key(self) -> tuple[str, str, int]:
        """Prefix, interval and date; a tariff has one rate of each."""
        return self.prefix, self.interval, self.effective_from

    def change_at(self, at: int) -> Change:
        """The change of a call's rate when this one begins to hold."""
        return Change(
            at,
            self.interval,
            self.connect_fee_micros,
            self.per_minute_micros,
            self.initial_increment_seconds,
            self.increment_seconds,
            self.grace_seconds,
            self.minimum_micros,
        )

    def until(self, at: int) -> Rate:
        """The rate without the changes after an instant (epoch milliseconds)."""
        if not self.changes or self.changes[-1].at <= at:
            return self
        return replace(self, changes=tuple(change for change in self.changes if change.at <= at))
