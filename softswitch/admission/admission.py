"""All stages in their order: the one way from an INVITE to a priced route.

A call and `explain` both walk it, so that what is explained is what happens.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass, field

from msgspec import structs

from billing.facts.assignment import Assignments
from billing.facts.tariff import Tariff
from sip.message import Request
from sip.registrar import Binding
from sip.uri import Uri
from softswitch.admission.authentication import Caller, LineCaller
from softswitch.admission.caller_id import present
from softswitch.admission.credit import PricedRoute, price
from softswitch.admission.entitlement import Entitlements
from softswitch.admission.least_cost import BY_COST, LeastCost
from softswitch.admission.numbering import Dialled, NumberError, NumberPlan
from softswitch.admission.routing import (
    NOT_IN_SERVICE,
    Route,
    ToLine,
    ToService,
    ToTrunk,
    all_up,
    route,
    to_line,
    type_of_call,
)
from softswitch.subscribers.directory import Directory, Line, Trunk
from softswitch.subscribers.refusal import Refusal
from softswitch.subscribers.star_codes import StarCodes

BindingsOf = Callable[[Line], tuple[Binding, ...]]
"""The bindings of a line: the phones that are registered now."""

DEFAULT_STARS = StarCodes({}, "", "")
"""A switch without star codes."""
STAR_CODE = "star_code"
"""The name of the service that answers star codes."""
_STARS = ("*", "#")
PREMIUM = "premium"
"""The destination set whose numbers are of premium rate, beside those of the country's plan."""


def _none(_account: int) -> int:
    return 0


def _no_calls(_trunk: str) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Stages:
    """The data and settings that admission needs.

    Args:
        calls_of: how many calls a line takes part in now.
        parks: a call to a line without phones waits for one to register.
        wakes: such a call waits if the line has apps that a push message wakes.
        is_down: True if a trunk should be avoided.
        assignments: the tariff of each account and line.
        entitlements: the packages of accounts.
    """

    directory: Directory
    plan: NumberPlan
    tariffs: Mapping[str, Tariff]
    assignments: Assignments
    bindings_of: BindingsOf
    calls_of: Callable[[Line], int]
    entitlements: Entitlements
    parks: bool = False
    wakes: bool = False
    is_down: Callable[[Trunk], bool] = all_up
    outgoing_of: Callable[[int], int] = _none
    """The number of calls that an account pays for now."""
    calls_of_trunk: Callable[[str], int] = _no_calls
    """The number of calls that a trunk of this name has now."""
    services: Mapping[str, str] = field(default_factory=dict)
    """Service codes to the names of their services."""
    stars: StarCodes = DEFAULT_STARS
    last_caller: str = ""
    """The code that returns the last call."""
    least_cost: LeastCost = BY_COST
    fetch: Callable[[Line], Awaitable[bool]] | None = None
    """Has the phones of a line known that registered at another node of a cluster; False: they
    can't be read now. None: there is no other node."""

    async def know(self, dialled: str) -> None:
        """Have the phones of a dialled line known, before :meth:`route` asks for them.

        Raises:
            Refusal: 503, the database doesn't tell them in time: another node may know more.
        """
        if self.fetch is None:
            return
        try:
            line = self.directory.line_by_number(self.number(dialled).number)
        except Refusal:  # which is raised again where it is answered
            return
        if line is not None and not await self.fetch(line):
            raise Refusal(503, "store_failed", why="the called line's phones can't be read")

    def answering(self, dialled: str) -> str | None:
        """The name of the service for a code; None if there is none."""
        name = self.services.get(dialled)
        if name is None and dialled[:1] in _STARS and self.stars.parse(dialled) is not None:
            return STAR_CODE
        return name

    def asked(self, line: Line | None, uri: Uri) -> str:
        """The number that a Request-URI asks for: its user part, or what that means by
        :meth:`wanted`; the emergency number for urn:service:sos.

        Raises:
            Refusal: as :meth:`wanted`.
        """
        dialled = self.plan.emergency_number if uri.is_emergency else uri.user
        if dialled and dialled != self.last_caller:
            return dialled
        return self.wanted(line, dialled or "")

    def wanted(self, line: Line | None, dialled: str) -> str:
        """The number for an empty INVITE, or for the code that returns the last call.

        Raises:
            Refusal: 404, there was no call, or its caller withheld the number.
        """
        if line is None or (dialled and dialled != self.last_caller):
            return dialled
        if not dialled:
            hot_line = line.services["hot_line"]
            return hot_line.numbers[0] if hot_line.active else ""
        last = self.directory.last_calls.of(line.id)
        if last is None or last.shown is None:
            raise Refusal(404, "last_caller_unknown", says=("last-caller-none",))
        return last.shown

    def number(self, dialled: str) -> Dialled:
        """Read what was dialled.

        Raises:
            Refusal: 484 incomplete, 404 no number.
        """
        number, withheld = dialled, None
        if dialled[:1] in _STARS and dialled not in self.services:
            if self.stars.parse(dialled) is not None:
                return Dialled("code", dialled)
            number, withheld = self.stars.once(dialled)
        try:
            read = self.plan.read(number, self.directory.is_line)
            return read if withheld is None else structs.replace(read, withheld=withheld)
        except NumberError as error:
            says = ("refused-incomplete",) if error.status == 484 else NOT_IN_SERVICE
            raise Refusal(
                error.status, "number_not_dialable", why=error.reason, says=says
            ) from None

    def presumed(self, caller: Caller, dialled: Dialled) -> tuple[str, str]:
        """The likely direction and type of a call, by its digits alone: for the CDR of a call that
        is refused before it has a route."""
        if not isinstance(caller, LineCaller):
            direction = "incoming"
        elif dialled.kind == "code":
            direction = "service"
        else:
            direction = "internal" if self._is_ours(dialled) else "outgoing"
        if dialled.kind == "code":
            return direction, "service"
        if self._is_ours(dialled):
            return direction, "on_net"
        return direction, self.plan.type_of(dialled.number)

    def _is_ours(self, dialled: Dialled) -> bool:
        return dialled.kind == "e164" and self.directory.is_line(dialled.number)

    def route(self, caller: Caller, dialled: Dialled) -> Route:
        """Choose where the call goes; see :func:`softswitch.admission.routing.route`."""
        line = bindings = why_busy = service = None
        parks = False
        if dialled.kind == "e164":
            line = self.directory.line_by_number(dialled.number)
        elif dialled.kind == "code":
            service = self.answering(dialled.number)
        if line is not None:
            bindings = self.bindings_of(line)
            parks, why_busy = self._parks(line), self._why_busy(line)
        destination = route(
            caller,
            dialled,
            line,
            self.directory,
            bindings,
            parks=parks,
            is_down=self.is_down,
            is_full=self._is_full_trunk,
            service=service,
            why_busy=why_busy,
        )
        if isinstance(caller, LineCaller):
            calling = caller.line
            if calling.max_calls is not None or calling.services.bars:  # as hardly any line
                self._limit(calling, destination)
        return destination

    def _limit(self, line: Line, destination: Route) -> None:
        """Refuse a line that has as many calls as it may have, and numbers that it has barred.
        Emergency calls and services always pass."""
        if destination.emergency or isinstance(destination, ToService):
            return
        if line.max_calls is not None and self.calls_of(line) >= line.max_calls:
            raise Refusal(
                480,
                "caller_max_calls",
                cause=42,
                ended_by="operator",
                says=("refused-too-many-calls",),
            )
        if line.services.bars:
            premium = isinstance(destination, ToTrunk) and self._is_premium(destination.number)
            line.services.bar(type_of_call(destination, self.plan), premium)

    def _is_premium(self, number: str) -> bool:
        groups = self.entitlements.destinations.of(number[1:])
        return PREMIUM in groups or self.plan.is_premium(number)

    def to_line(self, number: str, already: Container[int] = ()) -> ToLine:
        """The route to a line to which a call is forwarded.

        Args:
            already: ids of the lines that take part in that call.

        Raises:
            Refusal: 404 no line, 480 not registered, 486 busy.
        """
        line = self.directory.line_by_number(number)
        if line is None:
            raise Refusal(404, "callee_gone")
        if (status := self.directory.bar(line, "incoming")) is not None:
            raise Refusal(480, "callee_status", state=status)
        why_busy = self._why_busy(line, int(line.id in already))
        return to_line(line, self.bindings_of(line), self._parks(line), why_busy)

    def _parks(self, line: Line) -> bool:
        return self.parks or (self.wakes and line.has_apps_to_wake)

    def _why_busy(self, line: Line, besides: int = 0) -> str | None:
        calls = self.calls_of(line) - besides
        if line.max_calls is not None and calls >= line.max_calls:
            return "the called line has its max_calls"
        return line.services.why_busy(calls)

    def _is_full_trunk(self, trunk: Trunk) -> bool:
        return trunk.max_calls is not None and self.calls_of_trunk(trunk.name) >= trunk.max_calls

    def _cap(self, caller: Caller, destination: Route, at: int) -> int | None:
        """Check a line's call against its account's caps; returns the cap on calls at once, which
        the books check again. Emergency calls always pass; service calls cost nothing and pass
        too."""
        if not isinstance(caller, LineCaller):
            return None
        if destination.emergency or isinstance(destination, ToService):
            return None
        account, number, caps = caller.line.account_id, destination.number[1:], self.directory.caps
        on_net = isinstance(destination, ToLine)
        groups = self.entitlements.destinations.of(number)
        return caps.check(account, number, groups, self.outgoing_of, at, on_net)

    def _is_own(self, number: str) -> bool:
        return self.directory.line_by_number(number) is not None

    def price(
        self,
        caller: Caller,
        destination: Route,
        request: Request,
        at: int,
        withheld: bool | None = None,
    ) -> PricedRoute:
        """Decide the caller id and the price, and refuse a caller whom the called line blocks.

        Args:
            withheld: the presentation that the caller dialled for this call; None: none was
                dialled.
        """
        presented = present(
            caller,
            destination,
            request,
            self.plan,
            self.directory.rented,
            withheld,
            self._is_own,
        )
        if isinstance(destination, ToLine):
            destination.line.services.screen(presented.calling, presented.presented)
        most_calls = self._cap(caller, destination, at)
        priced = price(
            caller,
            presented,
            self.tariffs,
            self.assignments,
            self.entitlements,
            at,
            self.least_cost,
        )
        return priced if most_calls is None else structs.replace(priced, most_calls=most_calls)
