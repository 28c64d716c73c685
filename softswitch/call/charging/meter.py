"""The paid time of a call: reserved ahead of use, extended while it talks, settled at the end.

A call has a meter for each payer: one for the caller, and one more for each leg that a line of ours
added by forwarding or transferring it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from billing.facts.authorization import AnswerCall, Authorization, ExtendCall, OpenCall
from rtp.figures import SessionFigures
from softswitch.admission.credit import PricedRoute
from softswitch.call.charging.accounting import RETRY_SECONDS, Record
from softswitch.call.ending import Ending
from softswitch.call.letters import PaidTimeChanged

if TYPE_CHECKING:
    from softswitch.call.charging.charging import Charging
    from softswitch.call.clock import Clock
    from softswitch.call.mailbox import Mailbox
    from softswitch.call.settings import Limits


class Meter:
    """The reservation of one payer, for one leg with a CDR of its own.

    Args:
        mailbox: of the call that goes on with it; gets :class:`Extended`.
    """

    __slots__ = (
        "_again_at",
        "_authorization",
        "_charging",
        "_clock",
        "_extending",
        "_limits",
        "_mailbox",
        "_opened",
        "answered_at",
        "priced",
        "record",
    )

    def __init__(
        self, charging: Charging, clock: Clock, limits: Limits, mailbox: Mailbox, record: Record
    ) -> None:
        self._charging = charging
        self._clock = clock
        self._limits = limits
        self._mailbox = mailbox
        self._authorization: Authorization | None = None
        self._extending = False
        self._again_at = 0.0
        """Not before then, since the store failed a moment ago."""
        self._opened = False
        self.record = record
        self.priced: PricedRoute
        """What admission decided; set by :meth:`reserve`."""
        self.answered_at: float | None = None
        """The loop's time."""

    @property
    def key(self) -> str:
        """By which the store knows it while it runs."""
        return self.record.key

    @property
    def open(self) -> bool:
        """Whether the store knows it, so that it wants proofs of life."""
        return self._opened

    @property
    def paid_seconds(self) -> int | None:
        """Talk time that the reservation pays for; None without a limit."""
        return None if self._authorization is None else self._authorization.paid_seconds

    @property
    def wants_balance(self) -> bool:
        """Whether there was nothing left to reserve when it asked last."""
        return self._authorization is not None and self._authorization.final

    async def reserve(self, priced: PricedRoute) -> None:
        """Have the first slice reserved; on disk before anybody's phone hears of the call.

        Raises:
            InsufficientFunds, AccountBlocked, StoreError: it can't be.
        """
        self.priced = priced
        money = self._charging.money
        command = OpenCall(
            self.key,
            priced.account_id,
            priced.rate,
            self.record.draft(),
            self._clock.wall_ms(),
            self._limits.reservation_seconds,
            priced.packages,
            self._charging.node,
        )
        money.holders[self.key] = self._cut
        try:
            self._authorization = await money.submit(command)
            self._opened = True
        finally:
            if not self._opened:
                money.holders.pop(self.key, None)

    async def answer(self, answered_at: float, wall: int) -> None:
        """Note the answer; on disk before the caller hears of it."""
        trunk, answered_by = self.record.trunk, self.record.answered_by
        command = AnswerCall(self.key, wall, trunk, self.priced.cost_of(trunk), answered_by)
        authorization = await self._charging.money.submit(command)
        if authorization is not None:
            self._authorization = authorization
        self.answered_at = answered_at
        self.record.answered(wall)

    def belongs_to(self, mailbox: Mailbox) -> None:
        """Another call goes on with it: an attended transfer joins two."""
        self._mailbox = mailbox

    # While it runs

    def alive_at(self) -> int:
        """Epoch milliseconds until which the leg has lived for certain: the answer's stamp and the
        talk time since, so that a crash bills the same when the wall clock was set meanwhile."""
        answered_wall = self.record.answered_at
        if self.answered_at is None or answered_wall is None:
            return self._clock.wall_ms()
        return answered_wall + round((self._clock.now() - self.answered_at) * 1000)

    def paid_until(self) -> float:
        """The loop's time of the paid second."""
        paid = self.paid_seconds
        if paid is None or self.answered_at is None:
            return float("inf")
        return self.answered_at + paid

    def ends_at(self) -> float:
        """The loop's time at which the money ends, as far as is known now: for certain once there
        is nothing left to reserve."""
        authorization = self._authorization
        if authorization is None or self.answered_at is None:
            return float("inf")
        longest = authorization.longest_seconds
        if authorization.final:
            longest = authorization.paid_seconds
        return float("inf") if longest is None else self.answered_at + longest

    @property
    def extending(self) -> bool:
        """Whether the store was asked for more and hasn't answered."""
        return self._extending

    def extend_at(self) -> float:
        """When to reserve more: well before the paid second, and not while an answer is due."""
        authorization = self._authorization
        if self._extending or authorization is None or authorization.final:
            return float("inf")
        lead = self._limits.extension_lead_seconds
        return max(self.paid_until() - lead, self._again_at)

    def extend(self) -> None:
        if self._extending or self._authorization is None:
            return
        self._extending = True
        future = self._charging.money.submit(
            ExtendCall(self.key, self._clock.wall_ms(), self._limits.reservation_seconds)
        )
        future.add_done_callback(self._on_extended)

    def _on_extended(self, future: asyncio.Future[Authorization]) -> None:
        self._extending = False
        if future.cancelled() or future.exception() is not None:
            self._again_at = self._clock.now() + RETRY_SECONDS
        else:
            self._authorization = future.result()
        self._mailbox.post(PaidTimeChanged())

    def _cut(self, authorization: Authorization) -> None:
        """Another call of the account was given what this one had not used. It counts at once, so
        that an extension that the store made later isn't overwritten."""
        self._authorization = authorization
        if self.answered_at is not None:
            self._mailbox.post(PaidTimeChanged())

    # The end

    async def settle(
        self,
        end: Ending,
        ended_at: float,
        ended_wall: int,
        figures: SessionFigures | None,
        codec: str | None,
    ) -> None:
        """Have the leg rated and its CDR written."""
        duration = 0.0 if self.answered_at is None else max(0.0, ended_at - self.answered_at)
        self._charging.money.holders.pop(self.key, None)
        cdr = self.record.cdr(end, ended_wall, round(duration * 1000), figures, codec)
        await self._charging.desk.settle(cdr, opened=self._opened)
