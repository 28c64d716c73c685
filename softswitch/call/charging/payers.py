"""The payers of a call: the caller, and each line that adds a leg by forwarding or transferring
it."""

from __future__ import annotations

import string
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from billing.facts.authorization import AccountBlocked, BillingError, TooManyCalls
from softswitch.call import ending as endings
from softswitch.call.charging.accounting import Record
from softswitch.call.charging.meter import Meter
from softswitch.call.ending import Ending
from softswitch.subscribers.caps import too_many_calls
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from rtp.figures import SessionFigures
    from sip.message import Request
    from softswitch.admission.caller_id import Identity
    from softswitch.call.call_admission import CallAdmission
    from softswitch.call.charging.charging import Charging
    from softswitch.call.live_calls import LiveCalls
    from softswitch.call.mailbox import Mailbox
    from softswitch.subscribers.directory import Line

MAX_LEGS = len(string.ascii_lowercase)
"""Payers of one call, over all its forwardings and transfers."""


class Payers(Struct, eq=False):
    """The meters of one call."""

    _request: Request
    _mailbox: Mailbox
    _charging: Charging
    _admission: CallAdmission
    _live_calls: LiveCalls
    meters: list[Meter]
    """One meter for each payer. The caller's own is first, unless another call took it."""
    records: list[Record]
    """The records of all legs that were ever admitted."""
    _legs_begun: int = 1

    # What an operator sees

    @property
    def paid_seconds(self) -> int | None:
        """The talk time that the first payer's reservation pays for; None without a limit."""
        return self.meters[0].paid_seconds if self.meters else None

    # Coming and going

    async def add(self, line: Line, digits: str, person: Identity) -> Meter:
        """Admit and reserve a leg that a line adds to the call and pays for.

        Raises:
            Refusal, BillingError, StoreError: the line may not call, or can't pay; the CDR of the
                attempt is written.
        """
        if self._legs_begun >= MAX_LEGS:
            raise Refusal(482, "legs_too_many")
        name = string.ascii_lowercase[self._legs_begun]
        self._legs_begun += 1
        call_id = self.records[0].call_id
        record = Record.of(call_id, self._request, self._charging.clock.wall_ms(), name, digits)
        meter = Meter(self._charging, self._mailbox, record)
        self.meters.append(meter)
        self.records.append(record)
        try:
            first = self.records[0]
            claim = first.calling if first.decisions.claimed else ""
            await self._admission.stages.know(digits)
            priced = self._admission.admit_onward(
                line, digits, self._request, record, person, claim
            )
            self._live_calls.admitted(call_id, record)
            await meter.reserve(priced)
        except Refusal as refusal:
            await self.drop(meter, Ending.refused(refusal))
            raise
        except BillingError as error:
            await self.drop(meter, Ending.refused(unpaid(error)))
            raise
        return meter

    async def drop(self, meter: Meter, end: Ending) -> None:
        """Settle a leg that ended without an answer."""
        self.meters.remove(meter)
        await meter.settle(
            end, self._charging.clock.now(), self._charging.clock.wall_ms(), None, None
        )

    def adopt(self, meters: Iterable[Meter]) -> None:
        """Take over the payers of another call."""
        for meter in meters:
            meter.belongs_to(self._mailbox)
            self.meters.append(meter)
            self.records.append(meter.record)
            self._live_calls.admitted(self.records[0].call_id, meter.record)

    def give(self) -> tuple[Meter, ...]:
        """Give all payers to another call."""
        meters, self.meters = tuple(self.meters), []
        return meters

    # While it rings and talks

    def rang(self, wall: int) -> None:
        """Note that a phone rings."""
        for meter in self.meters:
            meter.record.rang(wall)

    async def answered(self, at: float, wall: int, dialogs: bytes) -> None:
        """Note the answer for each payer, with the dialogs of both legs. It is on disk before the
        caller receives the 200."""
        for meter in self.meters:
            await meter.answer(at, wall, dialogs)

    def expire(self, now: float) -> Ending | None:
        """Extend the reservations that are due; the end of the call if the money of a payer is used
        up."""
        for meter in self.meters:
            if now >= meter.paid_until():
                return endings.credit_used_up(meter.paid_until())
            if now >= meter.next_deadline():
                meter.extend()
        return None

    def balance_changed(self) -> None:
        """Retry the extensions that found no money."""
        for meter in self.meters:
            if meter.wants_balance:
                meter.extend()

    # The end

    async def settle(
        self,
        end: Ending,
        ended_at: float,
        ended_wall: int,
        figures: SessionFigures | None,
        codec: str | None,
    ) -> None:
        """Rate every leg and write its CDR. A leg that still rang when an answered call ended, such
        as a transfer target, counts as given up."""
        for meter in self.meters:
            gave_up = meter.answered_at is None and end.status == 200
            leg_end = endings.abandoned(end) if gave_up else end
            await meter.settle(leg_end, ended_at, ended_wall, figures, codec)


def unpaid(error: BillingError) -> Refusal:
    """The refusal of a call that can't be paid: no money, a blocked account, or one that has its
    calls at once."""
    if isinstance(error, TooManyCalls):
        return too_many_calls(error.most)
    if isinstance(error, AccountBlocked):
        says = ("refused-suspended",)
        return Refusal(403, "call_not_payable", why=error, ended_by="operator", says=says)
    return Refusal(
        402, "call_not_payable", why=error, ended_by="credit", says=("refused-no-credit",)
    )
