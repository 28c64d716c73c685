"""Periodic work of the serving switch."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace

from sqlalchemy.exc import SQLAlchemyError

from billing.facts.due import DueReport
from billing.facts.sales import NOTICE_KIND
from billing.stores.store import StoreError
from softswitch.database.changes import Changes
from softswitch.database.news import News
from softswitch.operations.context import Context, Reload
from softswitch.scheduled.due import (
    INACTIVITY_KIND,
    LEASE_KIND,
    NUMBER_CHANGE_KIND,
    due_settings,
    run_due,
)
from softswitch.scheduled.notice_sending import LeaveText
from softswitch.scheduled.number_moves import NumberMoves
from softswitch.trace.log import Log

GC_THRESHOLD = 5_000
"""Allocations, less what was freed, between collections of the young generation: scanning so few
takes a millisecond or two. Survivors are scanned only in a quiet moment, since the call path makes
no cycles."""
GC_NEVER = 1 << 30
FEW_TRANSACTIONS = 1_000
"""So many hold few enough objects for a full collection."""


AGAIN_SECONDS = 0.05


class Rounds:
    """Periodic tasks. A task that fails runs again after its interval."""

    def __init__(self, loop: asyncio.AbstractEventLoop, log: Log) -> None:
        self._loop = loop
        self._log = log
        self._tasks: list[asyncio.Task[None]] = []

    def every(self, seconds: float, work: Callable[[], Coroutine[object, None, object]]) -> None:
        async def repeat() -> None:
            while True:
                await asyncio.sleep(seconds)
                try:
                    await work()
                except Exception:
                    self._log.exception("housekeeping failed", work=work.__qualname__)

        self._tasks.append(self._loop.create_task(repeat()))

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()


class DueRound:
    """Renewals, rents and bonuses; at the start also those that a downtime left undone.

    Args:
        reload: puts changes into the running switch.
        accounts_changed: called with the accounts whose money or services may have changed.
        leave: stores notices that go as texts.
    """

    def __init__(
        self,
        context: Context,
        reload: Callable[[Reload], None],
        accounts_changed: Callable[[set[int]], None],
        leave: LeaveText,
        log: Log,
    ) -> None:
        self._context = context
        self._reload = reload
        self._accounts_changed = accounts_changed
        self._leave = leave
        self._log = log
        self._refused: set[str] = set()

    async def do(self) -> None:
        context = self._context
        zone = context.config.switch.time_zone
        try:
            settings = due_settings(context.config)
            report = await asyncio.to_thread(
                run_due,
                context.billing,
                context.apply,
                context.now_ms(),
                zone,
                settings,
                self._leave,
            )
        except (StoreError, SQLAlchemyError) as error:
            self._log.error("due work waits for the database", why=str(error))
            return
        for work, refusal in report.failures:
            if work.key not in self._refused:
                self._refused.add(work.key)
                self._log.error("due work was refused", work=work.key, why=str(refusal))
        if report.done:
            self._log.info("due work done", works=report.done, accounts=len(report.accounts))
            changed = replace(context, changes=Changes())
            self._reload(await asyncio.to_thread(_read_again, changed, report))
            self._accounts_changed(report.accounts)


def _read_again(context: Context, report: DueReport) -> Reload:
    """The parts of the directory to reload after due work."""
    changes = context.changes
    changes.accounts.update(report.accounts)
    if LEASE_KIND in report.kinds:
        changes.lines.update(line.id for line in context.directory.lines_of(report.accounts))
    if INACTIVITY_KIND in report.kinds:
        resting = NumberMoves(context.billing.engine).resting()
        changes.lines.update(line.line_id for line in resting)
    changes.moves = NUMBER_CHANGE_KIND in report.kinds
    changes.texts = NOTICE_KIND in report.kinds
    if changes.any():
        context.tell()
    return context.reload()


class NewsRound:
    """Takes over changes that other processes made in the database.

    Args:
        reload: puts changes into the running switch.
        reload_all: reads everything anew.
        accounts_changed: called with the accounts whose money or services may have changed.
    """

    def __init__(
        self,
        context: Context,
        news: News,
        reload: Callable[[Reload], None],
        reload_all: Callable[[], Awaitable[None]],
        accounts_changed: Callable[[set[int]], None],
        log: Log,
    ) -> None:
        self._context = context
        self._news = news
        self._reload = reload
        self._reload_all = reload_all
        self._accounts_changed = accounts_changed
        self._log = log
        self._waiting: Changes | None = Changes()
        """Changes that were announced and not yet read; None: everything."""
        self._hearing = asyncio.Lock()
        self._soon: asyncio.Task[None] | None = None

    async def do(self) -> None:
        """Take over what is new."""
        async with self._hearing:
            try:
                await self._hear()
            except (StoreError, SQLAlchemyError) as error:
                self._log.error("news of others wait for the database", why=str(error))

    def do_soon(self) -> None:
        """Take over what is new at once: another process says that there is something."""
        if self._soon is None or self._soon.done():
            self._soon = asyncio.get_running_loop().create_task(self._do_twice())

    async def _do_twice(self) -> None:
        """Read; and once more a little later, for what was told while it was read."""
        await self.do()
        await asyncio.sleep(AGAIN_SECONDS)
        await self.do()

    async def _hear(self) -> None:
        heard = await asyncio.to_thread(self._news.hear)
        if heard is None or self._waiting is None:
            self._waiting = None
            await self._reload_all()
            self._waiting = Changes()
            return
        self._waiting.add(heard)
        if not self._waiting.any():
            return
        changed = replace(self._context, changes=self._waiting)
        self._reload(await asyncio.to_thread(changed.reload))
        self._accounts_changed(self._waiting.accounts)
        self._waiting = Changes()


class GarbageRound:
    """Runs the garbage collections of a switch, so that none of them takes long."""

    YOUNG_SECONDS = 0.05
    """The young generation is scanned as often as this, too. Transactions live for 32 s: under
    steady load as many old objects are freed as new ones are made, Python's count stays near
    nothing, and the young would be half a million before it reached the threshold."""

    def __init__(self) -> None:
        self._made = 0
        """Objects made, less those freed, each time since the young were scanned last."""

    def begin(self) -> None:
        """Freeze all objects that exist now: no collection scans them again."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, GC_NEVER, GC_NEVER)

    async def scan_young(self) -> None:
        """Collect the young generation; to be done every YOUNG_SECONDS."""
        self._made += gc.get_count()[0]
        gc.collect(0)

    def do(self, calls: int, transactions: int) -> None:
        """Collect everything if no call lives and few objects were made since the last time.

        Args:
            calls, transactions: under way now.
        """
        made, self._made = self._made + gc.get_count()[0], 0
        if not calls and transactions < FEW_TRANSACTIONS and made < GC_THRESHOLD:
            gc.collect()
            gc.freeze()
