"""A call to a rented number: its targets rung at once or in turn, each leg paid as it must be.

A leg to one of our lines, a SIP URI or an IP address costs nothing; one to a telephone number is a
call of the line at which the number rings, at its owner's expense.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from billing.authorization import BillingError
from rtp.session import MediaError
from softswitch.admission.refusal import Refusal
from softswitch.admission.routing import Route, ToTrunk
from softswitch.call.confirming import Confirming
from softswitch.call.diversion import Diversion
from softswitch.call.ending import Ending
from softswitch.call.forking import Attempt, Part
from softswitch.directory import Line, Trunk
from softswitch.reach import Reach, ReachError, Target, sip_uri

if TYPE_CHECKING:
    from softswitch.call.call import Call
    from softswitch.call.meter import Meter

NO_TRUNK = 0
"""The id of what stands for a foreign server; trunks are numbered from 1."""
OWN_HOPS = 2
"""To the number, and on from it."""
REACHED_BY = 301
"""The status that tells others why the call comes to them: it goes there always."""


class Reaching:
    """The targets of one call that are still to be rung.

    Args:
        line: at which the number rings, and which pays for legs to the telephone network.
        number: the rented one.
    """

    __slots__ = ("_call", "_line", "_number", "_payers", "_steps")

    def __init__(self, call: Call, line: Line, number: str, reach: Reach) -> None:
        self._call = call
        self._line = line
        self._number = number
        self._payers = len(call.payers.meters)
        """Those there were before any target had one."""
        steps = [(target,) for target in reach.targets] if reach.in_turn else [reach.targets]
        self._steps: deque[tuple[Target, ...]] = deque(steps)

    async def next(self, refusal: Refusal) -> list[Attempt]:
        """What to ring after the last targets didn't take the call; nothing when none is left.

        Args:
            refusal: why they didn't.
        """
        for meter in self._call.payers.meters[self._payers :]:
            await self._call.payers.drop(meter, Ending.refused(refusal))
        attempts: list[Attempt] = []
        while self._steps and not attempts:
            targets = self._steps.popleft()
            found = [await self._ring(target) for target in targets]
            attempts = found[0] if len(found) == 1 else _together(found)
        return attempts

    async def _ring(self, target: Target) -> list[Attempt]:
        """How one target is rung; nothing if it can't be."""
        try:
            return await self._attempts(target)
        except (Refusal, BillingError, MediaError, ReachError) as error:
            self._call.context.log.info(
                "a target can't be had", number=self._number, target=target.value, why=str(error)
            )
            return []

    async def _attempts(self, target: Target) -> list[Attempt]:
        call, line, meter = self._call, None, None
        if target.kind == "number":
            meter = await call.payers.add(self._line, target.value, call.caller_identity)
            route: Route = meter.priced.presented.route
        elif target.kind == "line":
            found = call.context.stages.to_line(target.value, call.line_ids)
            route, line = found, found.line
            call.line_ids.add(line.id)
        else:
            route = self._to_server(target.value)
        fields = Diversion(self._number, REACHED_BY).fields(route.number, call.context.domain)
        rung = await call.context.ring(route, call.caller_identity, call.request, fields, OWN_HOPS)
        return [await self._timed(attempt, target, line, meter) for attempt in rung]

    async def _timed(
        self, attempt: Attempt, target: Target, line: Line | None, meter: Meter | None
    ) -> Attempt:
        parts = [Part(line, meter, await self._question(target)) for _ in attempt.invitations]
        seconds = min(attempt.seconds, target.seconds)
        if meter is not None and attempt.trunk is not None and meter.record.trunk is None:
            meter.record.trunk = attempt.trunk.name
        return replace(attempt, seconds=seconds, parts=tuple(parts))

    async def _question(self, target: Target) -> Confirming | None:
        """A caller who offered nothing can't be moved to what was agreed with us."""
        if not target.confirm or self._call.offer is None:
            return None
        return await Confirming.open(self._call, self._line.language)

    def _to_server(self, target: str) -> ToTrunk:
        """A foreign server, which is told the rented number where its URI names no user."""
        uri = sip_uri(target)
        server = Trunk(NO_TRUNK, uri.host, bytes(uri).decode("utf-8"), ())
        return ToTrunk(uri.user or self._number, (server,))


def _together(found: list[list[Attempt]]) -> list[Attempt]:
    """The first attempt of each target, as one."""
    firsts = [attempts[0] for attempts in found if attempts and attempts[0].invitations]
    if not firsts:
        return []
    phones = next((first.phones for first in firsts if first.phones is not None), None)
    return [
        Attempt(
            tuple(invitation for first in firsts for invitation in first.invitations),
            max(first.seconds for first in firsts),
            phones=phones,
            rings_seconds=max(first.rings_seconds for first in firsts),
            parts=tuple(part for first in firsts for part in first.parts),
        )
    ]
