"""Quotes: the price and the cost of a call, as `tariff quote` and `explain call` show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from billing.facts.coverage import NONE, Coverage, charge_covered, continued
from billing.facts.money import format_amount
from billing.facts.rate import Rate
from billing.facts.rating import Charge, answered, charge, parts
from softswitch.admission.least_cost import Costed
from softswitch.control.values import Row


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of a call that is answered at an instant (epoch milliseconds), and the cost of the
    trunk that is tried first; None where either is unknown."""

    rate: Rate
    seconds: int
    answered_at: int
    coverage: Coverage
    price: Charge
    trunk: str | None
    cost: Charge | None
    cost_currency: str

    @property
    def margin_micros(self) -> int | None:
        """The price less the cost; None if either is unknown, or if their currencies differ."""
        if self.cost is None or self.cost_currency != self.rate.currency:
            return None
        return self.price.price_micros - self.cost.price_micros


def quote(
    rate: Rate, seconds: int, at: int, coverage: Coverage = NONE, costs: Sequence[Costed] = ()
) -> Quote:
    """Price a call of this many seconds."""
    first = costs[0] if costs else None
    cost_rate = None if first is None else first.rate
    return Quote(
        answered(rate, at),
        seconds,
        at,
        coverage,
        charge_covered(rate, coverage, seconds * 1000, at),
        None if first is None else first.trunk.name,
        None if cost_rate is None else charge(cost_rate, seconds * 1000, at),
        "" if cost_rate is None else cost_rate.currency,
    )


def split(asked: Quote) -> str | None:
    """The billed seconds of each interval, as text; None for a call within one interval."""
    free, duration = asked.coverage.free_ms, asked.seconds * 1000
    rate, at = asked.rate, asked.answered_at
    if not rate.changes or duration <= free:
        return None
    if free:
        rate, at, duration = continued(rate), at + free, duration - free
    found = parts(rate, duration, at)
    if len(found) < 2:
        return None
    return ", ".join(
        f"{((part.end_ms or 0) - part.start_ms) / 1000:g} s "
        f"{part.interval or 'outside intervals'} at {format_amount(part.per_minute_micros)}"
        for part in found
    )


def quote_row(asked: Quote) -> Row:
    """A quote for people and scripts."""
    margin = asked.margin_micros
    return {
        "seconds": asked.seconds,
        "billed_seconds": asked.price.billed_seconds,
        "price": format_amount(asked.price.price_micros),
        "parts": split(asked),
        "package": asked.coverage.covers[0].product if asked.coverage.covers else None,
        "trunk": asked.trunk,
        "cost": None if asked.cost is None else format_amount(asked.cost.price_micros),
        "cost_currency": asked.cost_currency or None,
        "margin": None if margin is None else format_amount(margin),
    }
