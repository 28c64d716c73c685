"""Reservations: money of a call that isn't over, taken slice by slice before it is used.

A reservation is pending until the call ends; then what was used is posted and the rest is voided.
After a crash it is settled at the last proof of life. The functions here decide and change
nothing.
"""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from billing.facts.rate import Rate
from billing.facts.rating import affordable_seconds, answered, charge

SLICE_SECONDS = 60
"""Long enough that extending costs little, short enough that one call can't hold a balance that
another could use."""


class Slice(Struct, frozen=True):
    """A reservation, and the talk time that it pays for.

    Args:
        reserved_micros: the whole reservation of the call.
        paid_seconds: talk time that it pays for; None without a limit.
        final: nothing more could be reserved now.
        longest_seconds: talk time that all the money there is now would pay for; None: unknown, or
            without a limit.
    """

    reserved_micros: int
    paid_seconds: int | None
    final: bool
    longest_seconds: int | None = None


FREE = Slice(0, None, False)
PRICES_KEPT = 1024
"""Prices that are kept: nearly all calls of a rate reserve slices of the same lengths."""


def first_slice(
    rate: Rate, available_micros: int | None, slice_seconds: int, at: int = 0
) -> Slice | None:
    """The reservation of a call before it rings; None if not even its first block can be paid.

    Args:
        at: epoch milliseconds of the answer, or of now while the call isn't answered.
    """
    if rate.changes:
        rate = answered(rate, at)
    wanted = max(slice_seconds, rate.initial_increment_seconds)
    return _slice(rate, 0, wanted, available_micros, at)


def next_slice(
    rate: Rate,
    reserved_micros: int,
    paid_seconds: int,
    available_micros: int | None,
    slice_seconds: int,
    answered_at: int = 0,
) -> Slice | None:
    """The whole reservation of a call with another slice; None if nothing more can be reserved.

    `available_micros` is what is free beside the call's own reservation.
    """
    budget = None if available_micros is None else available_micros + reserved_micros
    return _slice(rate, paid_seconds, paid_seconds + slice_seconds, budget, answered_at)


def _slice(rate: Rate, paid: int, wanted: int, budget: int | None, at: int) -> Slice | None:
    if rate.changes:
        rate = answered(rate, at)
    if budget is None:
        return Slice(*_price_of(rate, wanted, at), False)
    longest = affordable_seconds(rate, budget, at)
    if longest is not None and longest <= max(paid, rate.grace_seconds):
        return None
    seconds = wanted if longest is None else min(wanted, longest)
    if rate.changes:
        price, covered = _price_of(rate, seconds, at)
    else:
        price, covered = _kept_price_of(rate, seconds)
    final = longest is not None and covered is not None and covered >= longest
    return Slice(price, covered, final, longest)


def _price_of(rate: Rate, seconds: int, at: int = 0) -> tuple[int, int | None]:
    """The price of so many seconds, and the talk time that it pays for: whole blocks, or None
    without a limit."""
    price = charge(rate, seconds * 1000, at).price_micros
    return price, affordable_seconds(rate, price, at)


_kept_price_of = lru_cache(maxsize=PRICES_KEPT)(_price_of)
"""As :func:`_price_of`, for a rate that doesn't change during a call, so that the time of the
answer doesn't matter."""
