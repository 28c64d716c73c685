"""Batches in the running switch: followed until nothing of them is left to send or to pay.

A batch's texts go out like others. Once none of them may go out any more, and the books know of all
that did, the rest of its hold is released. Every step can be done again, so a crash between two of
them is mended by the next look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from billing.facts.authorization import BillingError
from billing.facts.hold import ReleaseCredit
from billing.stores.group_commit import GroupCommit
from billing.stores.store import StoreError
from softswitch.config.sms import SmsSection
from softswitch.texting import batch_store
from softswitch.texting.batch_store import (
    FED_AT_ONCE,
    PREPARED_MS,
    Batch,
    BatchState,
    Rest,
)
from softswitch.texting.charging import TextCharging
from softswitch.texting.message import StoredText
from softswitch.texting.quiet_hours import QuietHours
from softswitch.texting.writer import TextWriter
from softswitch.trace.log import Log

DAY_MS = 86_400_000
ALIGNED_AT_ONCE = 2_000
LOOK_SECONDS = 0.1
"""How soon after a text moved its batch is looked at."""
PATIENCE = 100
"""Looks at a batch whose captures the books haven't written yet, before they are asked again."""


class Batches:
    """Follows batches.

    Args:
        deferred: called when texts are due at other times than before.
        wall_ms: epoch milliseconds.
    """

    def __init__(
        self,
        writer: TextWriter,
        charging: TextCharging,
        money: GroupCommit,
        settings: SmsSection,
        loop: asyncio.AbstractEventLoop,
        log: Log,
        *,
        deferred: Callable[[], None],
        wall_ms: Callable[[], int],
    ) -> None:
        self._writer = writer
        self._charging = charging
        self._money = money
        self._charge = settings.charge
        self._kept_ms = settings.kept_days * DAY_MS
        self._quiet = QuietHours(settings.quiet_hours)
        self._loop = loop
        self._log = log
        self._deferred = deferred
        self._wall_ms = wall_ms
        self._moved: set[str] = set()
        """Batches whose texts moved since the last look."""
        self._waits: dict[str, int] = {}
        """Looks at a batch that waited for its captures."""
        self._timer: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None

    def follow(self, text: StoredText) -> None:
        """A text has another state: its batch may be done."""
        if text.text.batch_id is not None:
            self._moved.add(text.text.batch_id)
            self._look_later()

    async def look(self, only: frozenset[str] | None = None) -> None:
        """Bring texts in line with their batches, and release what is left of those that are done.

        Args:
            only: ids of batches; None: all that aren't settled.
        """
        found = await self._writer.submit(batch_store.unsettled)
        running = sum(batch.state is BatchState.RUNNING for batch in found)
        fed = max(1, FED_AT_ONCE // max(1, running))
        for batch in found:
            if only is None or batch.id in only:
                try:
                    await self._look_at(batch, fed)
                except (BillingError, StoreError, SQLAlchemyError) as error:
                    self._log.error("a batch can't be settled", batch=batch.id, why=str(error))

    async def defer(self) -> None:
        """Let texts wait that are due while it is quiet where they go."""
        if not self._quiet:
            return
        moved, now = 0, self._wall_ms()
        for batch in await self._writer.submit(batch_store.unsettled):
            if batch.state is BatchState.RUNNING:
                moved += await self._writer.submit(
                    partial(
                        batch_store.defer,
                        batch=batch,
                        now=now,
                        kept_ms=self._kept_ms,
                        due=self._quiet.due,
                    )
                )
        if moved:
            self._deferred()

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._start)

    def _start(self) -> None:
        self._timer = None
        if self._looking is not None and not self._looking.done():
            self._look_later()
            return
        moved, self._moved = frozenset(self._moved), set()
        self._looking = self._loop.create_task(self.look(moved))

    async def _look_at(self, batch: Batch, fed: int) -> None:
        if batch.state is BatchState.PREPARING:
            if batch.created_at > self._wall_ms() - PREPARED_MS:
                return
            await self._writer.submit(partial(_give_up, batch_id=batch.id))
            self._log.warning("a batch was interrupted before it was stored", batch=batch.id)
        found: Batch | None = batch
        aligned = -1
        while aligned and found is not None:
            found, aligned = await self._writer.submit(
                partial(self._align, batch_id=batch.id, fed=fed)
            )
            if aligned:
                self._deferred()
        if found is not None:
            await self._settle(found)

    def _align(self, connection: Connection, batch_id: str, fed: int) -> tuple[Batch | None, int]:
        batch = batch_store.get(connection, batch_id)
        if batch is None:
            return None, 0
        now = self._wall_ms()
        aligned = batch_store.align(
            connection, batch, ALIGNED_AT_ONCE, now, self._kept_ms, self._quiet.due, fed
        )
        return batch, aligned

    async def _settle(self, batch: Batch) -> None:
        rest = await self._writer.submit(
            partial(batch_store.rest, batch=batch, charge=self._charge)
        )
        if rest is None:
            return
        if rest.uncaptured_micros > 0:
            await self._wait_for_captures(batch)
            return
        self._waits.pop(batch.id, None)
        release = release_of(batch, rest, self._wall_ms())
        if release is not None:
            await self._money.submit(release)
        done = partial(batch_store.settle, batch_id=batch.id, at=self._wall_ms())
        await self._writer.submit(done)

    async def _wait_for_captures(self, batch: Batch) -> None:
        """Look again soon; captures that a crash lost are made again."""
        waits = self._waits[batch.id] = self._waits.get(batch.id, 0) + 1
        if waits % PATIENCE == 0:
            after = 0
            while True:
                texts = await self._writer.submit(
                    partial(
                        batch_store.charged,
                        batch=batch,
                        charge=self._charge,
                        after=after,
                        limit=ALIGNED_AT_ONCE,
                    )
                )
                for text in texts:
                    self._charging.capture(text)
                if len(texts) < ALIGNED_AT_ONCE:
                    break
                after = texts[-1].id
        self._moved.add(batch.id)
        self._look_later()


def release_of(batch: Batch, rest: Rest, now: int) -> ReleaseCredit | None:
    """The command that gives back the rest of a batch's hold; None if there is none."""
    if rest.hold is None or not rest.hold.is_open:
        return None
    return ReleaseCredit(account_id=batch.account_id, at=now, hold_id=batch.hold_id)


def _give_up(connection: Connection, batch_id: str) -> None:
    batch_store.move(connection, batch_id, (BatchState.PREPARING,), BatchState.CANCELLED)
