"""Tariffs: prices by number prefix and date, and how a price list in CSV is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from msgspec import structs

from billing.facts.intervals import Interval, Timetable
from billing.facts.money import format_amount
from billing.facts.product import NO_SETS, Destinations
from billing.facts.rate import Change, Rate
from billing.facts.rate_table import RateTable, newest

ON_NET = "on_net"
"""Stands in the prefix column for calls between our own lines."""
SET = "@"
"""Stands there before the name of a destination set."""
LONGEST_CALL_MS = 2 * 86_400_000
"""So far ahead a call is told when its rate changes; no call lasts longer."""
MAX_PREFIX_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a tariff beside its rates.

    Args:
        zone: IANA name of the time zone whose clock decides about intervals.
        intervals: of several that it is at once the first counts.
        holidays: "2027-01-07", or "01-07" for every year.
        fee_deductible: the connection fee is no fee beside the minutes, but the least that a call
            costs: the minutes are deducted from it.
    """

    zone: str = "UTC"
    intervals: tuple[Interval, ...] = ()
    holidays: tuple[str, ...] = ()
    fee_deductible: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """A price list as it was made at an instant (epoch milliseconds)."""

    tariff: str
    version: int
    currency: str
    terms: Terms
    made_at: int
    note: str


class Tariff:
    """All rates of one price list, found by longest prefix in a microsecond or two."""

    def __init__(
        self, name: str, currency: str, rates: Iterable[Rate], terms: Terms = Terms()
    ) -> None:
        self.name = name
        self.currency = currency
        self.terms = terms
        self._timetable = Timetable(terms.zone, terms.intervals, terms.holidays)
        self._by_interval: dict[str, dict[str, list[Rate]]] = {}
        """Prices that count in an interval only, by prefix and name."""
        self._table = RateTable(self._set_aside(rates))
        self._sets = tuple(word for word in self._table.words() if word.startswith(SET))
        self._is_plain = not (self._sets or self._by_interval or terms.fee_deductible)
        """True if the rate of the longest prefix is the call's without any change."""

    def _set_aside(self, rates: Iterable[Rate]) -> Iterator[Rate]:
        """Keep rates of intervals, let the others pass."""
        for rate in rates:
            if rate.interval:
                other = self._by_interval.setdefault(rate.prefix, {}).setdefault(rate.interval, [])
                other.append(rate)
                other.sort(key=lambda rate: rate.effective_from)
            else:
                yield rate

    @property
    def rates(self) -> tuple[Rate, ...]:
        """All of them, put together anew: by prefix, interval and date."""
        others = [rate for listed in self._intervals() for rate in listed]
        return tuple(sorted([*self._table, *others], key=lambda rate: rate.key))

    def __len__(self) -> int:
        return len(self._table) + sum(map(len, self._intervals()))

    def _intervals(self) -> Iterator[list[Rate]]:
        for named in self._by_interval.values():
            yield from named.values()

    def find(self, number: str, at: int, sets: Destinations = NO_SETS) -> Rate | None:
        """The rate of the longest prefix that is in force.

        A prefix of a destination set counts like one of the tariff's own; of two equally long ones
        the tariff's own wins.

        Args:
            number: E.164 digits without "+".
            at: epoch milliseconds.
            sets: the destination sets that rates may name.
        """
        found = self._table.longest(number, at)
        if self._is_plain:
            return found
        matched = 0 if found is None else len(found.prefix)
        for word in self._sets:
            length = sets.length_in(word[len(SET) :], number)
            if length > matched:
                rate = self._table.at(word, at)
                if rate is not None:
                    matched, found = length, rate
        if found is None:
            return None
        dressed = self._dressed(found, at)
        if found.prefix.startswith(SET):
            return structs.replace(dressed, prefix=number[:matched])
        return dressed

    def find_on_net(self, at: int) -> Rate | None:
        """The rate of calls between our own lines, if the tariff has one."""
        found = self._table.at(ON_NET, at)
        return None if found is None else self._dressed(found, at)

    def _dressed(self, found: Rate, at: int) -> Rate:
        """The rate as a call gets it: of the interval that it is, with the changes to come."""
        others = self._by_interval.get(found.prefix)
        if others is None or not self.terms.intervals:
            return _deductible(found) if self.terms.fee_deductible else found
        rates = {name: newest(listed, at) for name, listed in others.items()}
        rate = rates.get(self._timetable.name_at(at)) or found
        changes: list[Change] = []
        before = rate
        for instant, name in self._timetable.switches(at, at + LONGEST_CALL_MS):
            after = rates.get(name) or found
            if after is not before:
                shown = _deductible(after) if self.terms.fee_deductible else after
                changes.append(shown.change_at(instant))
                before = after
        if self.terms.fee_deductible:
            rate = _deductible(rate)
        return structs.replace(rate, changes=tuple(changes))


def _deductible(rate: Rate) -> Rate:
    least = max(rate.minimum_micros, rate.connect_fee_micros)
    return structs.replace(rate, connect_fee_micros=0, minimum_micros=least)


Key = tuple[str, str, int]
"""Prefix, interval and date: what there is one rate of in a tariff."""


@dataclass(frozen=True, slots=True)
class TariffDiff:
    """The changes that an import would make; the same prefix and date are compared."""

    new: tuple[Rate, ...] = ()
    up: tuple[tuple[Rate, Rate], ...] = ()
    down: tuple[tuple[Rate, Rate], ...] = ()
    closed: tuple[Rate, ...] = ()
    unchanged: int = 0
    changed: tuple[tuple[Rate, Rate], ...] = field(default=())
    """Same price of a minute, but something else differs."""


def diff(old: Iterable[Rate], new: Iterable[Rate]) -> TariffDiff:
    """Compare two price lists. A rate of a date that the old one doesn't have is compared with what
    the old one had in force by then."""
    before = {rate.key: rate for rate in old}
    after = {rate.key: rate for rate in new}
    listed: dict[tuple[str, str], list[Rate]] = {}
    for rate in sorted(before.values(), key=lambda rate: rate.effective_from):
        listed.setdefault((rate.prefix, rate.interval), []).append(rate)

    def was(rate: Rate) -> Rate | None:
        same = before.get(rate.key)
        of_before = listed.get((rate.prefix, rate.interval), ())
        return same or newest(of_before, rate.effective_from)

    pairs = [(was(rate), rate) for rate in after.values()]
    both = [(a, b) for a, b in pairs if a is not None and not (a.key == b.key and same_facts(a, b))]
    return TariffDiff(
        tuple(b for a, b in pairs if a is None),
        tuple((a, b) for a, b in both if b.per_minute_micros > a.per_minute_micros),
        tuple((a, b) for a, b in both if b.per_minute_micros < a.per_minute_micros),
        tuple(rate for key, rate in before.items() if key not in after),
        sum(same_facts(rate, before.get(rate.key)) for rate in after.values()),
        tuple((a, b) for a, b in both if b.per_minute_micros == a.per_minute_micros),
    )


def same_facts(rate: Rate, other: Rate | None) -> bool:
    """True if two rates say the same, whichever tariff they are of."""
    return other is not None and _facts(rate) == _facts(other)


_facts = attrgetter(*(f.name for f in structs.fields(Rate) if f.name not in ("tariff", "currency")))


def describe(rate: Rate) -> str:
    """A rate in words for a person."""
    least = rate.minimum_micros
    return (
        f"{rate.destination} ({rate.prefix}): {format_amount(rate.per_minute_micros)} "
        f"{rate.currency} a minute{f' ({rate.interval})' if rate.interval else ''}, "
        f"{format_amount(rate.connect_fee_micros)} to connect, "
        + (f"{format_amount(least)} at least, " if least else "")
        + f"{rate.initial_increment_seconds}/{rate.increment_seconds} s"
    )
