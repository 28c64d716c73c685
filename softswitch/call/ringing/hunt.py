"""Hunting: attempts that are rung one after another, such as trunks in the order of their cost.

A call has one hunt, or one for each target of a rented number that rings at once; how one ends does
not touch the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from softswitch.admission.decisions import PHONES
from softswitch.call.deadlines import NEVER
from softswitch.call.ringing.forking import Attempt, Branches
from softswitch.call.ringing.rented_targets import NO_TRUNK

if TYPE_CHECKING:
    from sip.message import Response
    from sip.session import Session
    from sip.user_agent import UserAgent
    from softswitch.call.charging.accounting import Record
    from softswitch.call.charging.meter import Meter
    from softswitch.call.legs import Legs
    from softswitch.call.media.early_media import EarlyMedia
    from softswitch.subscribers.directory import Line
    from softswitch.subscribers.refusal import Refusal


class Hunt(Struct, eq=False):
    """One hunt; nothing rings before :meth:`begin`."""

    _legs: Legs
    _early_media: EarlyMedia
    _agent: UserAgent
    branches: Branches
    """The INVITEs of the attempt that rings, or rang last."""
    _left: Sequence[Attempt]
    """The attempts after it."""
    _record: Record
    """The record of the leg that pays for the current attempt."""
    _impatient_at: float = NEVER
    over: bool = False
    """True once all attempts have failed."""

    @property
    def attempt(self) -> Attempt:
        """The attempt that rings, or rang last."""
        return self.branches.attempt

    @property
    def line(self) -> Line | None:
        """The line whose phones ring."""
        phones = self.branches.attempt.phones
        return None if phones is None else phones.line

    @property
    def meters(self) -> set[Meter]:
        """The meters that pay for this attempt alone."""
        terms = self.branches.attempt.terms
        if not terms:
            return set()  # as nearly always
        return {one.meter for one in terms if one.meter is not None}

    @property
    def refusal(self) -> Refusal | None:
        """The failure of the last attempt, once all have failed. Made anew each time: an exception
        that was raised keeps its traceback, and so the whole call, alive."""
        return self.branches.refusal() if self.over else None

    @property
    def deadline(self) -> float:
        """The loop's time at which the current attempt is given up."""
        if self.over:
            return NEVER
        branches = self.branches
        deadline = branches.deadline
        if branches.attempt.phones is not None:
            deadline = min(deadline, branches.dead_at)
        if self._left and not branches.heard:  # the next attempt is tried when no response comes
            return min(deadline, self._impatient_at)
        return deadline

    def begin(self) -> None:
        """Ring the first attempt."""
        legs, branches = self._legs, self.branches
        attempt, now = branches.attempt, legs.now()
        payer = attempt.terms[0].meter if attempt.terms else legs.payers.meters[-1]
        if payer is None:
            self._record = legs.record
        else:
            record, trunk = payer.record, attempt.trunk
            self._record = record
            if trunk is not None and trunk.id != NO_TRUNK:
                record.trunk = trunk.name
        branches.invite(legs, self._early_media.offer_to_called, now)
        patience = attempt.silence_seconds
        self._impatient_at = NEVER if patience is None else now + patience
        legs.news.changed(legs)

    def note(self, status: int) -> None:
        """Note the result of the current attempt in the call's record."""
        trunk = self.branches.attempt.trunk
        tried = PHONES if trunk is None else trunk.name, status
        self._record.decisions.tried += (tried,)

    def expire(self, now: float) -> None:
        """The current attempt has timed out."""
        if now >= self.branches.dead_at:
            self.branches.drop_dead(now)
            self.go_on()
            return
        silent = self._left and not self.branches.heard and now >= self._impatient_at
        late = now >= self.branches.deadline
        self.branches.cancel(now)
        if silent and not late:
            self.branches.timed_out()
        self.go_on()

    def failed(self, session: Session, status: int, response: Response | None) -> None:
        """A called leg failed."""
        if self.branches.failed(session, status, response, self._legs.now()):
            self.go_on()

    def go_on(self) -> None:
        """Nothing rings any more: start the next attempt, or end the hunt. A phone's redirection,
        and the targets of a number, come first."""
        branches = self.branches
        if branches.outcome is not None:
            self.note(branches.outcome)
        sent_elsewhere = branches.redirection() is not None or self.attempt.reach is not None
        left = () if sent_elsewhere or not branches.tries_next() else branches.left_of(self._left)
        if left:
            self.branches, self._left = Branches(self._agent, left[0]), left[1:]
            self.begin()
        else:
            self.over = True
