"""Blind transfer: a REFER to a number (RFC 5589 section 6).

It is a call that the transferor's line makes for the transferee. Until the target has answered the
old parties talk; if it does not, they go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from softswitch.call.established.target_call import TargetAnswered, TargetCall, TargetRings
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from softswitch.call.ending import Ending
    from softswitch.call.established.renegotiation import Renegotiation
    from softswitch.call.established.target_call import Outcome
    from softswitch.call.established.transferor import Transferor
    from softswitch.call.legs import Legs
    from softswitch.call.letters import Letter


class BlindTransfer:
    """At most one blind transfer at a time."""

    __slots__ = ("_legs", "_renegotiation", "_target", "transferor")

    def __init__(self, legs: Legs, renegotiation: Renegotiation, target: TargetCall) -> None:
        self._legs = legs
        self._renegotiation = renegotiation
        self._target = target
        self.transferor: Transferor | None = None
        """None while no blind transfer is under way."""

    async def begin(self, transferor: Transferor, digits: str) -> Ending | None:
        """Ring the target; the end of the call if it can't be rung and the transferor has left."""
        self.transferor = transferor
        person = self._legs.identity(transferor.transferee)
        refusal = await self._target.place(transferor.side, transferor.line, digits, person)
        return None if refusal is None else await self._fail(transferor, refusal)

    async def take(self, transferor: Transferor, letter: Letter) -> Ending | None:
        """Handle a letter about the target."""
        return await self._go_on(transferor, await self._target.take(letter))

    async def expire(self, transferor: Transferor) -> Ending | None:
        """The target has not answered in time."""
        return await self._go_on(transferor, self._target.expire())

    async def _go_on(self, transferor: Transferor, outcome: Outcome | None) -> Ending | None:
        match outcome:
            case None:
                return None
            case TargetRings(status, reason):
                transferor.tell(status, reason)
                return None
            case TargetAnswered(session, line, identity):
                self.transferor = None
                transferor.replace(session, line, identity)
                self._target.joined(outcome)
                self._renegotiation.align(transferor.transferee, self._legs.now())
                return None
            case Refusal():
                return await self._fail(transferor, outcome)

    async def _fail(self, transferor: Transferor, refusal: Refusal) -> Ending | None:
        transferor.tell(refusal.status, refusal.reason)
        await self._target.give_up(refusal)
        self.transferor = None
        return transferor.failed()
