"""The rate and the payer of a call: the last stage before money is reserved."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, structs

from billing.facts.assignment import Assignments
from billing.facts.rate import Rate
from billing.facts.tariff import Tariff
from softswitch.admission.authentication import Caller, LineCaller
from softswitch.admission.caller_id import PresentedRoute
from softswitch.admission.entitlement import Entitlements
from softswitch.admission.least_cost import BY_COST, Costed, LeastCost, order
from softswitch.admission.routing import ToLine, ToService
from softswitch.subscribers.refusal import Refusal


class PricedRoute(Struct, frozen=True):
    """A route with its payer and price."""

    presented: PresentedRoute
    account_id: int
    """The account of the call in its CDR; pays if there is a rate."""
    rate: Rate | None
    """None: free of charge, and possible at any balance."""
    packages: tuple[str, ...] = ()
    """Subscriptions that may pay for the call before money does, in the order of use."""
    costs: tuple[Costed, ...] = ()
    """The costs of its trunks where any has a tariff, in the order in which they are tried."""
    most_calls: int | None = None
    """Paid calls that the account may have at once; None: any number. The books count them."""

    def cost_of(self, trunk: str | None) -> Rate | None:
        """The rate at which a trunk charges us for the call."""
        for item in self.costs:
            if item.trunk.name == trunk:
                return item.rate
        return None


def price(
    caller: Caller,
    presented: PresentedRoute,
    tariffs: Mapping[str, Tariff],
    assignments: Assignments,
    entitlements: Entitlements,
    at: int,
    least_cost: LeastCost = BY_COST,
) -> PricedRoute:
    """Find the rate.

    Calls from a trunk are free for the called line; emergency and service calls are free for every
    caller. A call between our lines goes by the tariff's "on_net" row; without one by its number
    like any other, and is free if the tariff doesn't know the number.

    Args:
        assignments: the tariff of each account and line.
        entitlements: the packages of accounts.
        at: epoch milliseconds.

    Raises:
        Refusal: 403, the tariff has no price for this destination; 503, every trunk would cost
            more than the call brings in.
    """
    destination = presented.route
    if not isinstance(caller, LineCaller):
        if not isinstance(destination, ToLine):
            raise Refusal(403, "trunk_pays_nothing")
        return PricedRoute(presented, destination.line.account_id, None)
    line, number, sets = caller.line, destination.number, entitlements.destinations
    account_id = line.account_id
    if destination.emergency or isinstance(destination, ToService):
        return PricedRoute(presented, account_id, None)
    on_net = isinstance(destination, ToLine)
    name = assignments.tariff_of(account_id, line.number, at)
    tariff, rate = tariffs.get(name), None
    if tariff is not None:
        rate = tariff.find_on_net(at) if on_net else None
        if rate is None:
            rate = tariff.find(number[1:], at, sets)
    if rate is None:
        if on_net:
            return PricedRoute(presented, account_id, None)
        raise Refusal(403, "price_unknown", tariff=name, number=number, says=("refused-no-price",))
    packages = entitlements.for_call(account_id, line.number, number, on_net)
    if packages and rate.free:
        packages = ()
    costs: tuple[Costed, ...] = ()
    if not isinstance(destination, ToLine):
        ordered, costs = order(least_cost, destination, rate, tariffs, sets, at)
        if ordered is not destination:
            presented = structs.replace(presented, route=ordered)
    return PricedRoute(presented, account_id, rate, packages, costs)
