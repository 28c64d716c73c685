"""What a call costs, and its inverse: how long a call an amount pays for."""

from __future__ import annotations

from dataclasses import dataclass

from billing.money import round_half_up
from billing.tariff import Rate


@dataclass(frozen=True, slots=True)
class Charge:
    """The price of a call."""

    billed_seconds: int
    price_micros: int


def charge(rate: Rate, duration_ms: int) -> Charge:
    """Price a call.

    The duration is billed in whole increments, the first one begun in full. The price is the
    connection fee plus the minute price of the billed seconds, rounded once, half up, to a
    millionth. A call of no duration, or within the grace seconds, costs nothing.

    Args:
        duration_ms: answer to end.
    """
    if duration_ms <= 0 or duration_ms <= rate.grace_seconds * 1000:
        return Charge(0, 0)
    billed = billed_seconds(rate, duration_ms)
    return Charge(billed, _price(rate, billed))


def billed_seconds(rate: Rate, duration_ms: int) -> int:
    """Whole increments that a duration begins."""
    initial = rate.initial_increment_seconds
    rest_ms = duration_ms - initial * 1000
    if rest_ms <= 0:
        return initial
    step_ms = rate.increment_seconds * 1000
    return initial + -(-rest_ms // step_ms) * rate.increment_seconds


def _price(rate: Rate, billed: int) -> int:
    return rate.connect_fee_micros + round_half_up(rate.per_minute_micros * billed, 60)


def affordable_seconds(rate: Rate, budget_micros: int) -> int | None:
    """The longest call, in whole seconds, that costs no more than the budget.

    None when there is no limit. The inverse of :func:`charge`: a call of this many seconds is
    within the budget, one of a second more is not.
    """
    if budget_micros < 0:
        return 0
    if rate.per_minute_micros == 0:
        return None if rate.connect_fee_micros <= budget_micros else rate.grace_seconds
    # The longest billed time whose rounded price fits: p*b/60 rounds to at most m exactly when
    # 2*p*b < 60*(2*m + 1).
    money = budget_micros - rate.connect_fee_micros
    if money < 0:
        return rate.grace_seconds
    longest = (60 * (2 * money + 1) - 1) // (2 * rate.per_minute_micros)
    initial, step = rate.initial_increment_seconds, rate.increment_seconds
    if longest < initial:
        return rate.grace_seconds
    return max(initial + (longest - initial) // step * step, rate.grace_seconds)
