"""Attended transfer: a REFER with Replaces joins two calls of a line (RFC 5589 section 7).

The call that has the REFER takes the far leg of the other one in the place of the transferor; the
payers of both go on paying.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from softswitch.call import ending as endings
from softswitch.call.legs import Legs
from softswitch.call.letters import GiveLeg, Given
from softswitch.call.media.media import other
from softswitch.call.media.srtp_handover import hand_over_keys
from softswitch.call.ringing.forking import no_answer
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from sip.dialog import DialogId
    from sip.session import Session
    from sip.user_agent import UserAgent
    from softswitch.call.ending import Ending
    from softswitch.call.established.renegotiation import Renegotiation
    from softswitch.call.established.transferor import Transferor
    from softswitch.subscribers.directory import Line

SURRENDER_SECONDS = 5.0
"""The timeout for the other call to give up its leg."""
NEVER = float("inf")


class AttendedTransfer:
    """At most one attended transfer at a time."""

    __slots__ = ("_agent", "_legs", "_renegotiation", "transferor", "until")

    def __init__(self, legs: Legs, renegotiation: Renegotiation, agent: UserAgent) -> None:
        self._legs = legs
        self._renegotiation = renegotiation
        self._agent = agent
        self.transferor: Transferor | None = None
        """None while no attended transfer is under way."""
        self.until = NEVER
        """The loop's time at which the other call must have given its leg."""

    def find(self, replaces: DialogId, line: Line) -> tuple[Session, Legs]:
        """The transferor's leg of the other call, and that call's legs.

        Raises:
            Refusal: there is no such call, or it is another line's.
        """
        held = self._agent.session(replaces)
        owner = None if held is None else held.owner
        if held is None or not isinstance(owner, Legs) or owner is self._legs:
            raise Refusal(481, "transfer_call_unknown")
        if not owner.is_held_by(held, line):
            raise Refusal(403, "transfer_call_of_other")
        return held, owner

    def begin(self, transferor: Transferor, held: Session, owner: Legs) -> None:
        """Ask the other call for its far leg."""
        self.transferor = transferor
        owner.post(GiveLeg(self._legs, held))
        self.until = self._legs.now() + SURRENDER_SECONDS

    def take(self, transferor: Transferor, given: Given) -> Ending | None:
        """The other call has answered."""
        if given.session is None:
            return self._fail(transferor, Refusal(491, "transfer_call_busy"))
        self._clear()
        self._legs.payers.adopt(given.meters)
        transferor.replace(given.session, given.line, given.identity)
        self._renegotiation.align(transferor.side, self._legs.now(), onward=True)
        return None

    def expire(self, transferor: Transferor) -> Ending | None:
        """The other call has not answered in time."""
        return self._fail(transferor, no_answer())

    def _fail(self, transferor: Transferor, refusal: Refusal) -> Ending | None:
        transferor.tell(refusal.status, refusal.reason)
        self._clear()
        return transferor.failed()

    def _clear(self) -> None:
        self.transferor = None
        self.until = NEVER


async def give_leg(legs: Legs, letter: GiveLeg, *, busy: bool) -> Ending | None:
    """Give the far leg of a call, with its payers, to another call.

    Args:
        busy: an offer or a transfer is under way here.

    Returns:
        The end of this call; None if the leg was refused.
    """
    taker = letter.taker
    if busy or taker.closing or letter.session not in legs.parties:
        taker.post(Given(None))
        return None
    kept = other(legs.side_of(letter.session))
    await hand_over_keys(legs.leg(kept), legs.sound, kept)
    session, line, identity = legs.parties.give(kept)
    session.owner = None
    taker.post(Given(session, line, identity, legs.payers.give()))
    return endings.hung_up("caller")
