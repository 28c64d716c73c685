"""The transferor: the leg that sent a REFER, and is told by NOTIFY how it goes (RFC 3515)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softswitch.call.ending import Ending, hung_up
from softswitch.call.media.media import Side, other

if TYPE_CHECKING:
    from sip.session import Session
    from softswitch.admission.caller_id import Identity
    from softswitch.call.legs import Legs
    from softswitch.subscribers.directory import Line


class Transferor:
    """One transferor; the other party of the call is the transferee.

    Args:
        line: whose phone it is; it pays for a new call.
    """

    __slots__ = ("_left", "_legs", "line", "side")

    def __init__(self, legs: Legs, side: Side, line: Line) -> None:
        self._legs = legs
        self.side: Side = side
        self.line = line
        self._left = False

    @property
    def transferee(self) -> Side:
        """The side that stays."""
        return other(self.side)

    def tell(self, status: int, reason: str) -> None:
        """Send the status of the transfer; 100 has been sent."""
        referral = self._legs.leg(self.side).referral
        if referral is not None and status > 100:
            referral.tell(status, self._legs.now(), reason)

    def leaves(self, session: Session) -> bool:
        """True if it is this leg that hung up: then the transferee waits for the target."""
        if session is not self._legs.leg(self.side):
            return False
        self._left = True
        return True

    def failed(self) -> Ending | None:
        """The end of the call after a transfer that failed: only if the transferor has left."""
        if not self._left:
            return None
        return hung_up("caller" if self.side == "a" else "callee")

    def replace(self, session: Session, line: Line | None, identity: Identity | None) -> None:
        """Put the target in the place of the transferor, whose leg ends."""
        self.tell(200, "OK")
        self._legs.replace_leg(self.side, session, line, identity).bye(self._legs.now())
