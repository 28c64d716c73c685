"""Rating: the price of a call, and its inverse, the longest call that an amount pays for.

A call is billed in blocks from its answer on. When it comes into another interval of the tariff
(night, weekend) each second costs what it costs in the interval in which it is, so that a block
that lies in both is charged by parts, split at that very instant. A block is as long as the
interval in which it begins says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from msgspec import Struct, structs

from billing.facts.money import round_half_up
from billing.facts.rate import Rate

_MINUTE_MS = 60_000


class Charge(Struct, frozen=True):
    """The price of a call."""

    billed_seconds: int
    price_micros: int


@dataclass(frozen=True, slots=True)
class Part:
    """The time of a call in one interval; milliseconds since the answer. `end_ms` is None for the
    last one."""

    interval: str
    start_ms: int
    end_ms: int | None
    per_minute_micros: int
    increment_ms: int

    def until(self, end_ms: int) -> int:
        """The part's end, or `end_ms` if that comes first; milliseconds since the answer."""
        return end_ms if self.end_ms is None else min(self.end_ms, end_ms)


def charge(rate: Rate, duration_ms: int, answered_at: int = 0) -> Charge:
    """Price a call.

    The duration is billed in whole increments, the first one begun in full. The price is the
    connection fee plus the minute price of the billed time, rounded once, half up, to a
    millionth, and not less than the minimum. A call of no duration, or within the grace seconds,
    costs nothing.

    Args:
        duration_ms: answer to end.
        answered_at: epoch milliseconds; matters where the rate changes by interval.
    """
    if rate.changes:
        rate = answered(rate, answered_at)
    if duration_ms <= 0 or duration_ms <= rate.grace_seconds * 1000:
        return Charge(0, 0)
    if not rate.changes:
        billed = billed_seconds(rate, duration_ms)
        minutes = round_half_up(rate.per_minute_micros * billed, 60)
    else:
        parts = list(_parts(rate, answered_at))
        billed_ms = _billed_ms(rate, parts, duration_ms)
        billed = billed_ms // 1000
        minutes = round_half_up(_cost(parts, billed_ms), _MINUTE_MS)
    return Charge(billed, max(rate.minimum_micros, rate.connect_fee_micros + minutes))


def without_excess(duration_ms: int, tolerance_ms: int) -> int:
    """A measured duration, in milliseconds, without what it exceeds a whole second by, if that is
    no more than the tolerance; a call of less than a second stays as it is.

    A caller who hangs up when the phone shows 6.000 s was measured at 6.004 s: the answer took its
    time to the phone, and the BYE back. Increments are whole seconds, so that no call that ends on
    a border of one, on the caller's clock, is billed for the next.
    """
    excess = duration_ms % 1000
    return duration_ms - excess if duration_ms >= 1000 and excess <= tolerance_ms else duration_ms


def answered(rate: Rate, at: int) -> Rate:
    """The rate as it is for a call that is answered then: what is in force, and the changes that
    are still to come."""
    if not rate.changes or rate.changes[0].at > at:
        return rate
    begun = [change for change in rate.changes if change.at <= at]
    now = begun[-1]
    return structs.replace(
        rate,
        interval=now.interval,
        connect_fee_micros=now.connect_fee_micros,
        per_minute_micros=now.per_minute_micros,
        initial_increment_seconds=now.initial_increment_seconds,
        increment_seconds=now.increment_seconds,
        grace_seconds=now.grace_seconds,
        minimum_micros=now.minimum_micros,
        changes=rate.changes[len(begun) :],
    )


def billed_seconds(rate: Rate, duration_ms: int) -> int:
    """Whole increments that a duration begins, where the rate doesn't change."""
    initial = rate.initial_increment_seconds
    rest_ms = duration_ms - initial * 1000
    if rest_ms <= 0:
        return initial
    step_ms = rate.increment_seconds * 1000
    return initial + -(-rest_ms // step_ms) * rate.increment_seconds


def parts(rate: Rate, duration_ms: int, answered_at: int) -> list[Part]:
    """The intervals that the billed time of a call lies in."""
    rate = answered(rate, answered_at)
    every = list(_parts(rate, answered_at))
    billed_ms = _billed_ms(rate, every, duration_ms)
    return [replace(p, end_ms=p.until(billed_ms)) for p in every if p.start_ms < billed_ms]


def _parts(rate: Rate, answered_at: int) -> Iterator[Part]:
    """All intervals from the answer on."""
    interval, start = rate.interval, 0
    price, increment = rate.per_minute_micros, rate.increment_seconds
    for change in rate.changes:
        end = change.at - answered_at
        yield Part(interval, start, end, price, increment * 1000)
        interval, start = change.interval, end
        price, increment = change.per_minute_micros, change.increment_seconds
    yield Part(interval, start, None, price, increment * 1000)


def _billed_ms(rate: Rate, parts: list[Part], duration_ms: int) -> int:
    """The end of the block in which a call ends."""
    end = rate.initial_increment_seconds * 1000
    for part in parts:
        if duration_ms <= end:
            break
        if part.end_ms is None or part.end_ms > end:
            last = part.until(duration_ms)
            end += -(-(last - end) // part.increment_ms) * part.increment_ms
    return end


def _cost(parts: list[Part], billed_ms: int) -> int:
    """Micros times the milliseconds of a minute, not rounded yet."""
    return sum(
        part.per_minute_micros * (part.until(billed_ms) - part.start_ms)
        for part in parts
        if part.start_ms < billed_ms
    )


def affordable_seconds(rate: Rate, budget_micros: int, answered_at: int = 0) -> int | None:
    """The longest call, in whole seconds, that costs no more than the budget.

    None when there is no limit. The inverse of :func:`charge`: a call of this many seconds is
    within the budget, one of a second more is not.
    """
    if budget_micros < 0:
        return 0
    if rate.changes:
        rate = answered(rate, answered_at)
    money = budget_micros - rate.connect_fee_micros
    if money < 0 or budget_micros < rate.minimum_micros:
        return rate.grace_seconds
    if not rate.changes:
        return _affordable_at_one_price(rate, money)
    parts = list(_parts(rate, answered_at))
    longest_ms = _payable_ms(parts, money)
    if longest_ms is None:
        return None
    return max(_whole_blocks_ms(rate, parts, longest_ms) // 1000, rate.grace_seconds)


def _affordable_at_one_price(rate: Rate, money: int) -> int | None:
    """The common case of :func:`affordable_seconds`: a rate that doesn't change during the call.

    p*b/60 rounds to at most m exactly when 2*p*b < 60*(2*m + 1)."""
    if rate.per_minute_micros == 0:
        return None
    longest = (60 * (2 * money + 1) - 1) // (2 * rate.per_minute_micros)
    initial, step = rate.initial_increment_seconds, rate.increment_seconds
    if longest < initial:
        return rate.grace_seconds
    return max(initial + (longest - initial) // step * step, rate.grace_seconds)


def _payable_ms(parts: list[Part], money: int) -> int | None:
    """The longest billed time whose rounded price fits; None without a limit.

    A cost c rounds to at most m micros exactly when 2*c < 60000*(2*m + 1).
    """
    left = (_MINUTE_MS * (2 * money + 1) - 1) // 2
    for part in parts:
        price = part.per_minute_micros
        if part.end_ms is None:
            return None if price == 0 else part.start_ms + left // price
        whole = price * (part.end_ms - part.start_ms)
        if whole > left:
            return part.start_ms + left // price
        left -= whole
    raise AssertionError("the last part has no end")


def _whole_blocks_ms(rate: Rate, parts: list[Part], longest_ms: int) -> int:
    """The end of the last block that lies within; 0 if not even the first one does."""
    end = rate.initial_increment_seconds * 1000
    if longest_ms < end:
        return 0
    for part in parts:
        if part.end_ms is not None and part.end_ms <= end:
            continue
        step = part.increment_ms
        if part.end_ms is not None:
            begun = -(-(part.end_ms - end) // step)
            if end + begun * step <= longest_ms:
                end += begun * step
                continue
        return end + (longest_ms - end) // step * step
    return end
