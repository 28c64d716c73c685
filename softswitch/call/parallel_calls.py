"""The limit of a line's simultaneous outgoing calls (A7, A8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softswitch.admission.authentication import LineCaller
from softswitch.admission.routing import ToLine, ToService
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from softswitch.admission.credit import PricedRoute
    from softswitch.call.call import Call
    from softswitch.subscribers.directory import Line


def is_parallel(call: Call) -> bool:
    """True if the caller's line takes part in another call, as hardly any does."""
    line = call.parties.a.line
    return line is not None and call.context.live_calls.count_of_line(line) > 1


async def check_parallel(call: Call, priced: PricedRoute) -> None:
    """Check a new call of a line against the line's other outgoing calls.

    Raises:
        Refusal: the line has no conference service and this would be its second call (A7, where the
            configuration wants it so), or it would be the fifth (A8, in every mode).
        StoreError: the database is out of order.
    """
    live_calls, hall = call.context.live_calls, call.context.features.hall
    line, route = call.parties.a.line, priced.presented.route
    if line is None or isinstance(route, ToService):
        return
    if not isinstance(route, ToLine) and route.emergency:
        return
    others = [one for one in live_calls.of_line(line) if one is not call and _makes(one, line)]
    if not others:
        return
    if hall.settings.parallel_calls == "service" and not await hall.may_hold(line):
        raise Refusal(
            403,
            "conference_needed",
            ended_by="operator",
            says=("conf-service-needed",),
        )
    if len(others) >= hall.settings.max_outgoing:
        raise Refusal(
            480,
            "parallel_calls_too_many",
            cause=42,
            ended_by="operator",
            says=("refused-too-many-calls",),
        )


def _makes(call: Call, line: Line) -> bool:
    """True if a call is an outgoing one of the line's."""
    caller = call.caller
    mine = isinstance(caller, LineCaller) and caller.line.id == line.id
    return mine and not call.over and call.record.direction != "service"
