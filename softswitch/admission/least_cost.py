"""Least-cost routing: of the trunks that take a number, the cheapest is tried first. Trunks that
cost more than the call's price are left out, unless the operator allows them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import structs

from billing.facts.product import Destinations
from billing.facts.rate import Rate
from billing.facts.rating import charge
from billing.facts.tariff import Tariff
from softswitch.admission.routing import ToTrunk
from softswitch.subscribers.directory import Trunk
from softswitch.subscribers.refusal import Refusal

AtALoss = Literal["last", "refuse", "allow"]


@dataclass(frozen=True, slots=True)
class LeastCost:
    """The policy by which trunks are compared.

    Args:
        at_a_loss: the handling of trunks that cost more than the call's price: tried last,
            refused, or not considered.
        seconds: the length of the call by which costs and prices are compared.
    """

    at_a_loss: AtALoss = "last"
    seconds: int = 180


BY_COST = LeastCost()


@dataclass(frozen=True, slots=True)
class Costed:
    """A trunk with its cost; `cost_micros` is the cost of a call of the usual length, None where
    the trunk has no tariff, or one in another currency."""

    trunk: Trunk
    rate: Rate | None
    cost_micros: int | None
    at_a_loss: bool


def order(
    policy: LeastCost,
    destination: ToTrunk,
    price: Rate,
    tariffs: Mapping[str, Tariff],
    sets: Destinations,
    at: int,
) -> tuple[ToTrunk, tuple[Costed, ...]]:
    """Put a call's trunks in order: the longest prefix of the trunk, those that cost less than the
    call's price, least cost, priority, and by weight among equals. A trunk whose tariff has no
    price for the number doesn't take it.

    Args:
        price: what the caller pays.

    Raises:
        Refusal: 503, no trunk is left.
    """
    trunks = destination.trunks
    if len(trunks) == 1 and trunks[0].tariff is None:
        return destination, ()  # the only way, at an unknown cost
    number = destination.number[1:]
    if all(trunk.tariff is None for trunk in trunks):
        return _weighed(destination, number, at), ()
    income = charge(price, policy.seconds * 1000, at).price_micros
    found = [_costed(trunk, number, price, income, policy, tariffs, sets, at) for trunk in trunks]
    costed = [item for item in found if item is not None]
    if not costed:
        raise Refusal(503, "trunk_price_unknown", says=("refused-no-lines",))
    if policy.at_a_loss == "refuse":
        costed = [item for item in costed if not item.at_a_loss]
    if not costed:
        raise Refusal(503, "trunks_too_dear", says=("refused-no-lines",))
    draw = _draw(number, at, [item.trunk for item in costed])
    guarded = policy.at_a_loss == "last"

    def rank(item: Costed) -> tuple[bool, int, int, int, int]:
        trunk, cost = item.trunk, item.cost_micros
        return (
            guarded and item.at_a_loss,
            -_matched(trunk, number),
            income if cost is None else cost,  # unknown: after all that leave a margin
            trunk.priority,
            draw[trunk.id],
        )

    costed.sort(key=rank)
    taken = tuple(item.trunk for item in costed)
    left = destination.left
    if len(taken) != len(found):
        left += tuple(_left(trunks, found, taken))
    return structs.replace(destination, trunks=taken, left=left), tuple(costed)


def _left(
    trunks: Sequence[Trunk], found: Sequence[Costed | None], taken: Sequence[Trunk]
) -> Iterator[tuple[str, str]]:
    """The trunks that were left out for their cost, with the reason for each."""
    for trunk, item in zip(trunks, found, strict=True):
        if item is None:
            yield trunk.name, "no price"
        elif trunk not in taken:
            yield trunk.name, "at a loss"


def _costed(
    trunk: Trunk,
    number: str,
    price: Rate,
    income: int,
    policy: LeastCost,
    tariffs: Mapping[str, Tariff],
    sets: Destinations,
    at: int,
) -> Costed | None:
    """The cost of a trunk; None if its tariff has no price for the number."""
    if trunk.tariff is None:
        return Costed(trunk, None, None, False)
    tariff = tariffs.get(trunk.tariff)
    rate = None if tariff is None else tariff.find(number, at, sets)
    if rate is None:
        return None
    if rate.currency != price.currency:
        return Costed(trunk, rate, None, False)
    cost = charge(rate, policy.seconds * 1000, at).price_micros
    return Costed(trunk, rate, cost, policy.at_a_loss != "allow" and cost > income)


def _weighed(destination: ToTrunk, number: str, at: int) -> ToTrunk:
    """The route without costs: trunks stay in their order, and equals are drawn by weight."""
    trunks = destination.trunks
    if len(trunks) == 1 or len({trunk.weight for trunk in trunks}) == 1:
        return destination
    draw = _draw(number, at, trunks)
    ranked = sorted(trunks, key=lambda t: (-_matched(t, number), t.priority, draw[t.id]))
    return structs.replace(destination, trunks=tuple(ranked))


def _matched(trunk: Trunk, number: str) -> int:
    return max((len(prefix) for prefix in trunk.prefixes if number.startswith(prefix)), default=0)


def _draw(number: str, at: int, trunks: Sequence[Trunk]) -> dict[int, int]:
    """A random place for each trunk; a heavier one comes first more often.

    The draw is a hash of the number and the instant, so that it needs no source of chance and is
    repeatable."""
    left, places = sorted(trunks, key=lambda trunk: trunk.id), dict[int, int]()
    seed = zlib.crc32(f"{number} {at}".encode())
    while left:
        total = sum(trunk.weight for trunk in left)
        point = seed % total if total else 0
        for trunk in left:
            point -= trunk.weight
            if point < 0 or trunk is left[-1]:
                break
        places[trunk.id] = len(places)
        left.remove(trunk)
        seed = zlib.crc32(seed.to_bytes(4, "big"))
    return places
