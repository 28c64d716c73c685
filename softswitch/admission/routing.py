"""Routing: to a line's phones, to a service, or out by a trunk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from msgspec import Struct

from ivr_prompts.phrase import Digits
from sip.registrar import Binding
from softswitch.admission.authentication import Caller, LineCaller
from softswitch.admission.numbering import Dialled, NumberPlan
from softswitch.subscribers.directory import Directory, Line, Trunk
from softswitch.subscribers.mailbox import takes_at_once
from softswitch.subscribers.reach import Reach
from softswitch.subscribers.refusal import SUBSCRIBER_ABSENT, Refusal
from softswitch.subscribers.standing import Kind
from softswitch.subscribers.supplementary import ForwardKind

NO_CIRCUIT = 34
"""The Q.850 cause of a call for which no circuit is free."""
NOT_IN_SERVICE = ("refused-not-in-service",)
"""The announcement for a number that leads nowhere."""


class ToLine(Struct, frozen=True):
    """The route to a line: its phones ring all at once, or its forwarding, its mailbox or the
    targets of a rented number take the call."""

    number: str
    line: Line
    bindings: tuple[Binding, ...]
    forward: ForwardKind | None = None
    reach: tuple[Reach, str] | None = None
    """The targets, and the rented number that has them."""

    emergency: ClassVar[bool] = False
    direction: ClassVar[str] = "internal"
    """The CDR's `direction` for a line's call, here and below."""


class ToTrunk(Struct, frozen=True):
    """The route out by the first trunk that takes the call, in this order."""

    number: str
    trunks: tuple[Trunk, ...]
    emergency: bool = False
    left: tuple[tuple[str, str], ...] = ()
    """Trunks that aren't tried although they take the number, each with the reason."""

    direction: ClassVar[str] = "outgoing"


@dataclass(frozen=True, slots=True)
class ToService:
    """The route to a service of the switch, free of charge."""

    number: str
    """The code, as it was dialled."""
    name: str

    emergency: ClassVar[bool] = False
    direction: ClassVar[str] = "service"


Route = ToLine | ToTrunk | ToService


def all_up(trunk: Trunk) -> bool:
    """False for every trunk: their health and their calls are unknown."""
    return False


def route(
    caller: Caller,
    dialled: Dialled,
    line: Line | None,
    directory: Directory,
    bindings: tuple[Binding, ...] | None,
    *,
    parks: bool = False,
    is_down: Callable[[Trunk], bool] = all_up,
    is_full: Callable[[Trunk], bool] = all_up,
    service: str | None = None,
    why_busy: str | None = None,
) -> Route:
    """Choose the route.

    Args:
        line: the dialled one; None if the number isn't a line's.
        bindings: of that line.
        parks: a call to a line without phones waits for one to register.
        is_down: trunks that are passed over as long as another one is up.
        is_full: of a trunk with max_calls, True if it has as many calls.
        service: the name of what answers the dialled code.
        why_busy: why the dialled line takes no other call now.

    Raises:
        Refusal: 403 barred, 404 no such number or no trunk for it, 410 changed, 480 not
            registered, 486 busy, 503 every trunk for it is full.
    """
    if dialled.kind == "emergency":
        return _emergency(dialled.number, directory, is_down)
    if isinstance(caller, LineCaller):
        wants: Kind = "service" if dialled.kind == "code" else "outgoing"
        if (status := directory.bar(caller.line, wants)) is not None:
            raise Refusal(403, "caller_status", state=status, says=("refused-suspended",))
    if dialled.kind == "code":
        return _to_service(caller, dialled.number, service)
    rented = directory.rented.get(dialled.number)
    if rented is not None and rented.shut:
        raise Refusal(480, "rental_unpaid", says=NOT_IN_SERVICE)
    if line is None and (new := directory.changed_numbers.get(dialled.number)) is not None:
        says = ("number-changed", Digits(new))
        raise Refusal(410, "callee_number_changed", new=new, says=says)
    if line is not None:
        if (status := directory.bar(line, "incoming")) is not None:
            raise Refusal(480, "callee_status", state=status, says=NOT_IN_SERVICE)
        if rented is not None and rented.reach is not None:
            return ToLine(line.number, line, (), reach=(rented.reach, rented.number))
        return to_line(line, bindings or (), parks, why_busy)
    if not isinstance(caller, LineCaller):
        # A call from a trunk must not leave by a trunk: no account would pay for it.
        raise Refusal(404, "callee_not_ours")
    trunks = directory.trunks_for(dialled.number[1:])
    if not trunks:
        raise Refusal(404, "no_trunk_takes", says=NOT_IN_SERVICE)
    alive = _alive(trunks, is_down)
    left = () if alive is trunks else tuple((t.name, "down") for t in trunks if t not in alive)
    for trunk in alive:
        if trunk.max_calls is not None and is_full(trunk):
            left += ((trunk.name, "full"),)
            alive = tuple(other for other in alive if other is not trunk)
    if not alive:
        raise Refusal(503, "trunks_full", cause=NO_CIRCUIT, says=("refused-no-lines",))
    return ToTrunk(dialled.number, tuple(alive), left=left)


def _to_service(caller: Caller, code: str, name: str | None) -> ToService:
    if name is None or not isinstance(caller, LineCaller):
        raise Refusal(404, "service_code_unknown", number=code, says=NOT_IN_SERVICE)
    return ToService(code, name)


def to_line(line: Line, bindings: tuple[Binding, ...], parks: bool, why_busy: str | None) -> ToLine:
    """The route to a line whose status lets it be called.

    Raises:
        Refusal: 480 not registered, 486 busy.
    """
    reachable = bool(bindings) or parks
    busy = why_busy is not None
    forward = line.services.forwards_at_once(busy, reachable) or takes_at_once(
        line.mailbox, busy=busy, reachable=reachable
    )
    if forward is not None:
        return ToLine(line.number, line, (), forward)
    if why_busy is not None:
        raise Refusal(486, "callee_busy_because", why=why_busy)
    if not bindings and not parks:
        raise Refusal(480, "callee_not_registered", cause=SUBSCRIBER_ABSENT)
    return ToLine(line.number, line, bindings)


def _alive(trunks: Sequence[Trunk], is_down: Callable[[Trunk], bool]) -> Sequence[Trunk]:
    """The trunks without those that are down. If all are down, all of them: one may have just
    recovered."""
    if not any(map(is_down, trunks)):
        return trunks
    return [trunk for trunk in trunks if not is_down(trunk)] or trunks


def _emergency(number: str, directory: Directory, is_down: Callable[[Trunk], bool]) -> ToTrunk:
    """The route of an emergency call, which tries every trunk: those that take the number, then all
    others, and last those that are down."""
    trunks = [*directory.trunks_for(number)]
    trunks += [trunk for trunk in directory.trunks() if trunk.is_active and trunk not in trunks]
    if not trunks:
        raise Refusal(503, "no_emergency_trunk")
    return ToTrunk(number, tuple(sorted(trunks, key=is_down)), emergency=True)


def type_of_call(destination: Route, plan: NumberPlan) -> str:
    """The CDR's `type`."""
    if isinstance(destination, ToTrunk):
        return "special" if destination.emergency else plan.type_of(destination.number)
    return "on_net" if isinstance(destination, ToLine) else "service"


def direction_of_call(caller: Caller, destination: Route) -> str:
    """The CDR's `direction`."""
    return destination.direction if isinstance(caller, LineCaller) else "incoming"
