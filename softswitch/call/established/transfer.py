"""REFER and the other ways in which a party of an established call is replaced by a new one.

Blind transfer, attended transfer and the connection for a service each have a module; this one
decides which a REFER is, and lets only one be under way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip.errors import ParseError
from sip.referral import ReferTo
from softswitch.call.established.merging import FOCUS
from softswitch.call.established.transferor import Transferor
from softswitch.call.letters import Connect, Given, Letter
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from sip.dialog import DialogId
    from sip.flow import Flow
    from sip.message import Request
    from sip.session import Session
    from softswitch.admission.admission import Stages
    from softswitch.admission.caller_id import Identity
    from softswitch.call.ending import Ending
    from softswitch.call.established.attended_transfer import AttendedTransfer
    from softswitch.call.established.blind_transfer import BlindTransfer
    from softswitch.call.established.merging import Merging
    from softswitch.call.established.renegotiation import Renegotiation
    from softswitch.call.established.service_connection import ServiceConnection
    from softswitch.call.established.target_call import TargetCall
    from softswitch.call.legs import Legs
    from softswitch.subscribers.directory import Line


class Transfer:
    """At most one transfer or connection under way in a call."""

    __slots__ = (
        "_attended",
        "_blind",
        "_connection",
        "_legs",
        "_renegotiation",
        "_stages",
        "_target",
        "merging",
    )

    def __init__(
        self,
        legs: Legs,
        stages: Stages,
        renegotiation: Renegotiation,
        merging: Merging,
        target: TargetCall,
        blind: BlindTransfer,
        attended: AttendedTransfer,
        connection: ServiceConnection,
    ) -> None:
        self._legs = legs
        self._stages = stages
        self._renegotiation = renegotiation
        self.merging = merging
        self._target = target
        self._blind = blind
        self._attended = attended
        self._connection = connection

    @property
    def under_way(self) -> bool:
        """True while one is under way."""
        return self._transferor is not None or self._connection.request is not None

    @property
    def _transferor(self) -> Transferor | None:
        return self._blind.transferor or self._attended.transferor

    @property
    def until(self) -> float:
        """The loop's time at which :meth:`expire` is due."""
        return min(self._target.until, self._attended.until)

    # What watchers see

    @property
    def lines(self) -> list[Line]:
        """The lines whose phones ring as a target."""
        return self._target.lines

    @property
    def dialog(self) -> DialogId | None:
        """The early dialog of a target's phone."""
        return self._target.dialog

    @property
    def person(self) -> Identity:
        """The caller id that the target sees."""
        return self._target.person

    def has(self, dialog: DialogId) -> bool:
        """True if a target's phone rings in this dialog."""
        return self._target.has(dialog)

    def follow(self, old: Flow, new: Flow) -> None:
        """A target's phone is reached by another flow."""
        self._target.follow(old, new)

    # What happens

    async def asked(self, session: Session, request: Request, flow: Flow) -> Ending | None:
        """A REFER came."""
        legs = self._legs
        now = legs.now()
        side = legs.side_of(session)
        line = legs.line_of(side)
        if self.under_way or self._renegotiation.busy:
            session.refuse_refer(491, flow, now)
            return None
        if line is None:  # a trunk's peer would have us call at the expense of no line
            session.refuse_refer(403, flow, now)
            return None
        try:
            refer_to = ReferTo.parse(request)
        except ParseError as error:
            session.refuse_refer(error.status, flow, now)
            return None
        digits = refer_to.uri.user or ""
        if self._stages.answering(digits) == FOCUS and refer_to.replaces is None:
            await self.merging.referred(session, flow)
            return None
        session.accept_refer(flow, now)
        transferor = Transferor(legs, side, line)
        if refer_to.replaces is None:
            return await self._blind.begin(transferor, digits)
        return await self._attend(transferor, refer_to.replaces, digits)

    async def _attend(
        self, transferor: Transferor, replaces: DialogId, digits: str
    ) -> Ending | None:
        try:
            held, owner = self._attended.find(replaces, transferor.line)
        except Refusal as refusal:
            transferor.tell(refusal.status, refusal.reason)
            return transferor.failed()
        if not owner.answered:
            # It still rings there, so the target is called anew when the phone gives that up.
            return await self._blind.begin(transferor, digits)
        self._attended.begin(transferor, held, owner)
        return None

    async def connect(self, request: Connect) -> None:
        """A service wants its caller to talk to a number."""
        if self.under_way:
            request.tell(False)
        else:
            await self._connection.begin(request)

    def concerns(self, letter: Letter) -> bool:
        """True if a letter is about the transfer that is under way."""
        if isinstance(letter, Given):
            return self._attended.transferor is not None
        return self._target.concerns(letter)

    async def take(self, letter: Letter) -> Ending | None:
        """Handle a letter about the transfer that is under way."""
        if isinstance(letter, Given):
            attended = self._attended.transferor
            return None if attended is None else self._attended.take(attended, letter)
        if self._blind.transferor is not None:
            return await self._blind.take(self._blind.transferor, letter)
        if self._connection.request is not None:
            await self._connection.take(self._connection.request, letter)
        return None

    async def expire(self) -> Ending | None:
        """No answer in time."""
        if self._attended.transferor is not None:
            return self._attended.expire(self._attended.transferor)
        if self._blind.transferor is not None:
            return await self._blind.expire(self._blind.transferor)
        if self._connection.request is not None:
            await self._connection.expire(self._connection.request)
        return None

    def leaves(self, session: Session) -> bool:
        """True if the leg that hung up is the transferor: the transferee waits for the target."""
        transferor = self._transferor
        return transferor is not None and transferor.leaves(session)

    def stop(self, now: float) -> None:
        """The call ends."""
        self._target.stop(now)
