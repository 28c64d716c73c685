"""Products sold for a term: packages of calls, and services such as the conference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from billing.facts.calendar import Term

ON_NET_SCOPE = "on_net"
"""In a scope: calls between our own lines."""
EVERYWHERE = "all"
"""In a scope: every destination."""
_NO_SETS: frozenset[str] = frozenset()
CACHED_NUMBERS = 4096
"""The numbers whose destination sets are remembered; half a megabyte at most."""

ACTIVE = "active"
GRACE = "grace"
"""The term is over and wasn't paid for anew; a top-up within the grace renews it."""
ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Product:
    """An offer.

    Args:
        scope: destination groups whose calls it pays for; empty for a service alone.
        service: what it switches on ("conference"), if that is what is sold.
        free_seconds: talk time of a term; None: unlimited.
        fair_use_seconds: where "unlimited" ends; None: nowhere.
        fee_waived: whether its calls cost no connection fee.
        weight: of two packages that would pay for a call, the heavier is used first.
        renewable: whether it may be renewed by itself at the end of its term.
        grace: how long after an unpaid end a top-up still renews it; None: not at all.
        sold: whether it can be bought and renewed.
    """

    name: str
    currency: str
    price_micros: int
    term: Term
    scope: tuple[str, ...] = ()
    service: str | None = None
    free_seconds: int | None = None
    fair_use_seconds: int | None = None
    fee_waived: bool = True
    weight: int = 0
    renewable: bool = True
    grace: Term | None = None
    sold: bool = True

    @property
    def limit_ms(self) -> int | None:
        """Talk time of a term that it pays for; None without a limit."""
        limits = [x for x in (self.free_seconds, self.fair_use_seconds) if x is not None]
        return min(limits) * 1000 if limits else None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A product that an account bought.

    Args:
        id: of the purchase, so that buying it again changes nothing.
        line: the number it is for; None: every line of the account.
        terms: the product as it was bought or last renewed.
        zone: whose calendar counts the terms.
        anchor_at: where the terms are counted from.
        number: of the present term, from the anchor.
        renewals: terms that were paid for before this one; names its posting.
        used_ms: talk time that ended calls took from this term.
        held_ms: talk time that running calls have reserved of it.
    """

    id: str
    account_id: int
    line: str | None
    product: str
    terms: Product
    zone: str
    anchor_at: int
    number: int
    renewals: int
    started_at: int
    ends_at: int
    used_ms: int
    held_ms: int
    auto_renew: bool
    state: str

    @property
    def room_ms(self) -> int | None:
        """Talk time that a call may still take; None without a limit."""
        limit = self.terms.limit_ms
        return None if limit is None else max(0, limit - self.used_ms - self.held_ms)

    def covers(self, at: int) -> bool:
        """True if the present term is paid for and includes the instant (epoch milliseconds)."""
        return self.state == ACTIVE and self.started_at <= at < self.ends_at

    @property
    def order(self) -> tuple[int, int, str]:
        """Sort key of the order of use: the heavier first, then the one that ends sooner."""
        return (-self.terms.weight, self.ends_at, self.id)


class Destinations:
    """Named sets of number prefixes, as scopes use them.

    Args:
        groups: name to prefixes (digits without "+"); one that begins with "!" takes out what
            begins so.
    """

    def __init__(self, groups: Mapping[str, Iterable[str]] = {}) -> None:
        self._marks: dict[str, dict[str, bool]] = {}
        for name, prefixes in groups.items():
            for prefix in prefixes:
                self._marks.setdefault(prefix.removeprefix("!"), {})[name] = prefix[:1] != "!"
        self._lengths = sorted({len(prefix) for prefix in self._marks})
        self.of = lru_cache(maxsize=CACHED_NUMBERS)(self._of)
        """The sets that hold a number (digits without "+"); the longest prefix decides. A call asks
        up to three times."""

    def _of(self, number: str) -> frozenset[str]:
        found: dict[str, bool] = {}
        for length in self._lengths:
            if length <= len(number):
                found.update(self._marks.get(number[:length], {}))
        # Of most numbers there is none, and each empty set would take 216 octets of its own.
        return frozenset(name for name, held in found.items() if held) or _NO_SETS

    def length_in(self, name: str, number: str) -> int:
        """Length of the set's longest prefix of a number, in digits; 0 if it has none."""
        matched = 0
        for length in self._lengths:
            held = self._marks.get(number[:length], {}).get(name)
            if held is not None and length <= len(number):
                matched = length if held else 0
        return matched


NO_SETS = Destinations()


def in_scope(scope: Iterable[str], groups: frozenset[str], on_net: bool) -> bool:
    """True if a scope includes a call.

    Args:
        groups: the destination groups of the called number.
        on_net: whether it goes to a line of ours; such a call belongs to no other group, whatever
            its number looks like.
    """
    if on_net:
        return ON_NET_SCOPE in scope or EVERYWHERE in scope
    return EVERYWHERE in scope or not groups.isdisjoint(scope)
