"""Calls that packages pay for: which part of a call is free, and what the rest costs.

A call is paid for by packages from its answer on, one after the other without a gap, and by the
tariff from the instant at which they end. Talk time of a package with a limit is held like
money: taken slice by slice before it is used, so that two calls never use the same second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from billing.facts.product import Subscription
from billing.facts.rate import Rate
from billing.facts.rating import Charge, affordable_seconds, answered, charge
from billing.facts.reservation import Slice

LEAST_MS = 1000
"""Less than this of a package isn't taken: calls are authorized by whole seconds."""
MOST_MS = 86_400_000
"""A package without a limit is held to its term's end, or for a day."""


@dataclass(frozen=True, slots=True)
class Cover:
    """A piece of a call under one term of a package.

    Args:
        renewals: which term of the subscription.
        held_ms: talk time; what was held while the call runs, what was used once it is over.
    """

    subscription: str
    renewals: int
    product: str
    held_ms: int
    fee_waived: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """The packages of a call.

    Args:
        candidates: subscriptions that may pay for it, in the order of use.
        covers: what they pay for, from the answer on.
    """

    candidates: tuple[str, ...]
    covers: tuple[Cover, ...] = ()

    @property
    def free_ms(self) -> int:
        """Milliseconds of the call that packages pay for."""
        return sum(cover.held_ms for cover in self.covers)

    @property
    def fee_waived(self) -> bool:
        """True if the first package waives the connection fee."""
        return bool(self.covers) and self.covers[0].fee_waived


NONE = Coverage(())


def grown(
    coverage: Coverage, subscriptions: Sequence[Subscription], answered_at: int, until_ms: int
) -> tuple[Coverage, list[Subscription]]:
    """Hold more talk time for a call, as far as its packages have it.

    Args:
        subscriptions: the candidates as they are now, in the order of use.
        answered_at: epoch milliseconds of the answer, or of now while the call isn't answered.
        until_ms: how long after the answer the call should be covered.

    Returns:
        The coverage, and the subscriptions that changed.
    """
    changed: dict[str, Subscription] = {}
    while coverage.free_ms < until_ms:
        boundary = answered_at + coverage.free_ms
        for known in subscriptions:
            subscription = changed.get(known.id, known)
            span = _span(subscription, boundary, until_ms - coverage.free_ms)
            if span >= LEAST_MS:
                break
        else:
            break
        coverage = _with(coverage, subscription, span)
        held = subscription.held_ms + span
        changed[subscription.id] = replace(subscription, held_ms=held)
    return coverage, list(changed.values())


def _span(subscription: Subscription, boundary: int, wanted_ms: int) -> int:
    if not subscription.covers(boundary):
        return 0
    left, room = subscription.ends_at - boundary, subscription.room_ms
    return min(left, MOST_MS) if room is None else min(left, room, max(wanted_ms, LEAST_MS))


def _with(coverage: Coverage, subscription: Subscription, span: int) -> Coverage:
    *before, last = coverage.covers or (None,)
    if last is not None and (last.subscription, last.renewals) == (
        subscription.id,
        subscription.renewals,
    ):
        longer = replace(last, held_ms=last.held_ms + span)
        return replace(coverage, covers=(*filter(None, before), longer))
    more = Cover(
        subscription.id,
        subscription.renewals,
        subscription.product,
        span,
        subscription.terms.fee_waived,
    )
    return replace(coverage, covers=(*coverage.covers, more))


def used(coverage: Coverage, duration_ms: int) -> Coverage:
    """The part of its held talk time that a call of this length (milliseconds) used."""
    covers = []
    left = duration_ms
    for cover in coverage.covers:
        part = min(left, cover.held_ms)
        if part > 0:
            covers.append(replace(cover, held_ms=part))
        left -= part
    return replace(coverage, covers=tuple(covers))


def given_back(
    subscription: Subscription, coverage: Coverage, consumed: Coverage = NONE
) -> Subscription:
    """The subscription after a call let go what it held and took what it consumed. A term that is
    over meanwhile is left alone: the new one owes nothing for it."""
    held = _of_term(subscription, coverage)
    taken = _of_term(subscription, consumed)
    if not held and not taken:
        return subscription
    return replace(
        subscription,
        held_ms=subscription.held_ms - held,
        used_ms=subscription.used_ms + taken,
    )


def _of_term(subscription: Subscription, coverage: Coverage) -> int:
    return sum(
        cover.held_ms
        for cover in coverage.covers
        if (cover.subscription, cover.renewals) == (subscription.id, subscription.renewals)
    )


def continued(rate: Rate) -> Rate:
    """The tariff of a call that goes on after its packages: it was connected long ago, so there
    is neither fee nor first block nor grace nor minimum any more."""
    return structs.replace(
        rate,
        connect_fee_micros=0,
        initial_increment_seconds=rate.increment_seconds,
        grace_seconds=0,
        minimum_micros=0,
        changes=tuple(
            structs.replace(
                change,
                connect_fee_micros=0,
                initial_increment_seconds=change.increment_seconds,
                grace_seconds=0,
                minimum_micros=0,
            )
            for change in rate.changes
        ),
    )


def charge_covered(
    rate: Rate, coverage: Coverage, duration_ms: int, answered_at: int = 0
) -> Charge:
    """Price a call of which packages pay for the beginning; see :func:`rating.charge`."""
    free = coverage.free_ms
    if free == 0:
        return charge(rate, duration_ms, answered_at)
    rate = answered(rate, answered_at)
    if duration_ms <= 0 or duration_ms <= rate.grace_seconds * 1000:
        return Charge(0, 0)
    rest = charge(continued(rate), max(0, duration_ms - free), answered_at + free)
    fee, least = _fee(rate, coverage)
    covered_seconds = -(-min(duration_ms, free) // 1000)
    return Charge(covered_seconds + rest.billed_seconds, max(least, fee + rest.price_micros))


def _fee(rate: Rate, coverage: Coverage) -> tuple[int, int]:
    """Connection fee and minimum of a call that packages began to pay for."""
    if coverage.fee_waived:
        return 0, 0
    return rate.connect_fee_micros, rate.minimum_micros


def affordable_covered_ms(
    rate: Rate, coverage: Coverage, budget_micros: int, answered_at: int = 0
) -> int | None:
    """The inverse of :func:`charge_covered`: the longest call that costs no more than the budget;
    None when there is no limit."""
    free = coverage.free_ms
    if free == 0:
        seconds = affordable_seconds(rate, budget_micros, answered_at)
        return None if seconds is None else seconds * 1000
    rate = answered(rate, answered_at)
    fee, least = _fee(rate, coverage)
    if budget_micros < max(fee, least):
        return rate.grace_seconds * 1000
    seconds = affordable_seconds(continued(rate), budget_micros - fee, answered_at + free)
    return None if seconds is None else max(free + seconds * 1000, rate.grace_seconds * 1000)


def covered_slice(
    rate: Rate,
    coverage: Coverage,
    paid_seconds: int,
    slice_seconds: int,
    budget: int | None,
    answered_at: int,
) -> Slice | None:
    """The whole reservation of a call with its first slice or another one; None if neither packages
    nor money have any. `budget` is what the account has for this call; None without a limit.

    As long as packages paid for all that was asked for, they may have more."""
    rate = answered(rate, answered_at)
    wanted = paid_seconds + slice_seconds
    if coverage.free_ms == 0 and paid_seconds == 0:
        wanted = max(wanted, rate.initial_increment_seconds)
    packages_have_more = coverage.free_ms >= wanted * 1000
    longest = None if budget is None else affordable_covered_ms(rate, coverage, budget, answered_at)
    if longest is not None:
        if longest // 1000 <= max(paid_seconds, rate.grace_seconds):
            return None
        wanted = min(wanted, longest // 1000)
    wanted = max(wanted, coverage.free_ms // 1000)
    price = charge_covered(rate, coverage, wanted * 1000, answered_at).price_micros
    covered = affordable_covered_ms(rate, coverage, price, answered_at)
    if covered is None:
        return Slice(price, None, False)
    final = longest is not None and covered >= longest and not packages_have_more
    known = None if longest is None or packages_have_more else longest // 1000
    return Slice(price, covered // 1000, final, known)
