"""The paid time of a call: reserved before the call needs it, extended while the parties talk,
settled at the end.

A call has a meter for each payer: one for the caller, and one for each leg that a line of ours
added by forwarding or transferring the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from msgspec import Struct

from billing.facts.authorization import AnswerCall, Authorization, ExtendCall, OpenCall
from billing.facts.cdr import Cdr
from billing.stores.group_commit import PATIENCE_SECONDS
from billing.stores.store import StoreError
from rtp.figures import SessionFigures
from softswitch.admission.credit import PricedRoute
from softswitch.call.charging.accounting import RETRY_SECONDS, Record
from softswitch.call.ending import Ending
from softswitch.call.letters import BalanceChanged, PaidTimeChanged

if TYPE_CHECKING:
    from softswitch.call.charging.charging import Charging
    from softswitch.call.mailbox import Mailbox

NEVER = float("inf")
ANSWER_PATIENCE_SECONDS = 0.005
"""The longest that an answer waits for the transaction of another call's reservation. The caller
receives the 200 so much later, and sound already passes."""


class Meter(Struct, eq=False):
    """The reservation of one payer for one leg, which has a CDR of its own.

    Args:
        mailbox: of the call that the leg is in; receives :class:`Extended`.
    """

    _charging: Charging
    _mailbox: Mailbox
    record: Record
    _authorization: Authorization | None = None
    extending: bool = False
    """True while an extension that was asked for is unanswered."""
    _again_at: float = 0.0
    """The loop's time before which no extension is asked for: the store has just failed."""
    _opened: bool = False
    _priced: PricedRoute | None = None
    answered_at: float | None = None
    """The loop's time of the answer."""

    @property
    def priced(self) -> PricedRoute:
        """The price that admission decided; only once it was to be reserved."""
        assert self._priced is not None
        return self._priced

    @property
    def key(self) -> str:
        """The key of the leg in the journal of live calls."""
        return self.record.key

    @property
    def open(self) -> bool:
        """True while the store holds a reservation, and so must be told that the leg still
        lives."""
        return self._opened

    @property
    def paid_seconds(self) -> int | None:
        """The talk time that the reservation pays for; None without a limit."""
        return None if self._authorization is None else self._authorization.paid_seconds

    @property
    def wants_balance(self) -> bool:
        """True if the last request for an extension found no money to reserve."""
        return self._authorization is not None and self._authorization.final

    async def reserve(self, priced: PricedRoute) -> None:
        """Reserve the first slice. It is on disk before any phone hears of the call.

        Raises:
            InsufficientFunds, AccountBlocked, TooManyCalls, StoreError: nothing was reserved.
        """
        self._priced = priced
        charging, record = self._charging, self.record
        key = record.key
        if not charging.admits():
            raise StoreError("the database is away, and another node may take over")
        command = OpenCall(
            key,
            priced.account_id,
            priced.rate,
            record.draft(),
            charging.clock.wall_ms(),
            charging.limits.reservation_seconds,
            priced.packages,
            charging.node,
            priced.most_calls,
        )
        charging.money.holders[key] = self
        try:
            authorization = self._authorization = await charging.money.submit(command)
            self._opened = True
            if authorization.final:
                charging.short.note(priced.account_id, self)
        finally:
            if not self._opened:
                charging.money.holders.pop(key, None)

    async def answer(self, answered_at: float, wall: int, dialogs: bytes | None = None) -> None:
        """Note the answer. It is on disk before the caller receives the 200."""
        record, priced, trunk = self.record, self._priced, self.record.trunk
        assert priced is not None
        cost = priced.cost_of(trunk) if priced.costs else None
        command = AnswerCall(record.key, wall, trunk, cost, record.answered_by, dialogs)
        authorization = await self._charging.money.submit(
            command, within_seconds=ANSWER_PATIENCE_SECONDS
        )
        if authorization is not None:
            self._authorized(authorization)
        self.answered_at, record.answered_at = answered_at, wall

    def _authorized(self, authorization: Authorization) -> None:
        """The books have changed the reservation."""
        self._authorization, charging = authorization, self._charging
        # Of a meter that is being settled, an extension may still be answered.
        if authorization.final and self.record.key in charging.money.holders:
            charging.short.note(self.priced.account_id, self)

    def belongs_to(self, mailbox: Mailbox) -> None:
        """Move the meter to another call: an attended transfer joins two."""
        self._mailbox = mailbox

    # While it runs

    def alive_at(self) -> int:
        """Epoch milliseconds until which the leg has certainly lived: the answer's stamp plus the
        talk time since. So a crash bills the same when the wall clock was set meanwhile."""
        answered_wall = self.record.answered_at
        if self.answered_at is None or answered_wall is None:
            return self._charging.clock.wall_ms()
        return answered_wall + round((self._charging.clock.now() - self.answered_at) * 1000)

    def paid_until(self) -> float:
        """The loop's time at which the reserved seconds are used up."""
        authorization, answered_at = self._authorization, self.answered_at
        if authorization is None or answered_at is None or authorization.paid_seconds is None:
            return NEVER
        return answered_at + authorization.paid_seconds

    def ends_at(self) -> float:
        """The loop's time at which the money ends, as far as is known now: it is final once there
        is nothing left to reserve."""
        authorization = self._authorization
        if authorization is None or self.answered_at is None:
            return NEVER
        longest = authorization.longest_seconds
        if authorization.final:
            longest = authorization.paid_seconds
        return NEVER if longest is None else self.answered_at + longest

    def next_deadline(self) -> float:
        """The loop's time at which to end the call, or to extend before: well before the paid
        seconds are used up, and not while another extension is unanswered."""
        authorization, answered_at = self._authorization, self.answered_at
        if authorization is None or answered_at is None or authorization.paid_seconds is None:
            return NEVER
        until = answered_at + authorization.paid_seconds
        if self.extending or authorization.final:
            return until
        extend_at = until - self._charging.limits.extension_lead_seconds
        return extend_at if extend_at >= self._again_at else min(until, self._again_at)

    def extend(self) -> None:
        if self.extending or self._authorization is None:
            return
        self.extending = True
        future = self._charging.money.submit(
            ExtendCall(
                self.key, self._charging.clock.wall_ms(), self._charging.limits.reservation_seconds
            ),
            within_seconds=PATIENCE_SECONDS,
        )
        future.add_done_callback(self._on_extended)

    def _on_extended(self, future: asyncio.Future[Authorization]) -> None:
        self.extending = False
        if future.cancelled() or future.exception() is not None:
            self._again_at = self._charging.clock.now() + RETRY_SECONDS
        else:
            self._authorized(future.result())
        self._mailbox.post(PaidTimeChanged())

    def retry(self) -> None:
        """There may be money again: have the call ask for an extension."""
        self._mailbox.post(BalanceChanged())

    def cut(self, authorization: Authorization) -> None:
        """Shorten the reservation, because another call of the account was given what this one had
        not used. The cut counts at once, so that it does not overwrite an extension that the store
        made later."""
        self._authorized(authorization)
        if self.answered_at is not None:
            self._mailbox.post(PaidTimeChanged())

    # The end

    def settle(
        self,
        end: Ending,
        ended_at: float,
        ended_wall: int,
        figures: SessionFigures | None,
        codec: str | None,
    ) -> Awaitable[Cdr]:
        """Rate the leg and write its CDR."""
        charging, record, answered_at = self._charging, self.record, self.answered_at
        talk_ms = 0 if answered_at is None else max(0, round((ended_at - answered_at) * 1000))
        key = record.key
        charging.money.holders.pop(key, None)
        if charging.short and self._priced is not None:
            charging.short.forget(self._priced.account_id, self)
        cdr = record.cdr(end, ended_wall, talk_ms, figures, codec)
        return charging.desk.settle(cdr, key if self._opened else None)
