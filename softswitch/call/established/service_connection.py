"""Connecting the caller of a service, such as directory enquiries, with a number.

The number takes the place of the switch itself, which talks with the caller until then. It is a
call of the line that the service names, as if that line had dialled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from softswitch.admission.caller_id import identity_of
from softswitch.call.established.target_call import TargetAnswered, TargetCall, TargetRings
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from softswitch.call.established.renegotiation import Renegotiation
    from softswitch.call.established.target_call import Outcome
    from softswitch.call.ivr.service_leg import ServiceLeg
    from softswitch.call.legs import Legs
    from softswitch.call.letters import Connect, Letter


class ServiceConnection:
    """At most one connection at a time."""

    __slots__ = ("_legs", "_renegotiation", "_service_leg", "_target", "request")

    def __init__(
        self,
        legs: Legs,
        renegotiation: Renegotiation,
        target: TargetCall,
        service_leg: ServiceLeg,
    ) -> None:
        self._legs = legs
        self._renegotiation = renegotiation
        self._target = target
        self._service_leg = service_leg
        self.request: Connect | None = None
        """The service's request; None while none is under way."""

    async def begin(self, request: Connect) -> None:
        """Ring the number. It sees the line that calls it, from wherever its mailbox is open."""
        self.request = request
        person = identity_of(request.line)
        refusal = await self._target.place("b", request.line, request.digits, person)
        await self._go_on(request, refusal)

    async def take(self, request: Connect, letter: Letter) -> None:
        """Handle a letter about the number."""
        await self._go_on(request, await self._target.take(letter))

    async def expire(self, request: Connect) -> None:
        """The number has not answered in time."""
        await self._go_on(request, self._target.expire())

    async def _go_on(self, request: Connect, outcome: Outcome | None) -> None:
        match outcome:
            case None | TargetRings():
                pass  # the service plays ringback
            case TargetAnswered(session, line, identity):
                self.request = None
                self._service_leg.connected(session, line, identity)
                request.tell(True)
                self._target.joined(outcome)
                self._renegotiation.align("a", self._legs.now())
            case Refusal():
                request.tell(False)
                await self._target.give_up(outcome)
                self.request = None
