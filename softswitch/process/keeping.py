"""Write-behind storage of registrations and the CDR journal: no call waits for it.

Both lag a moment behind the switch; neither is money. Both write in a thread, gather while they
write, and keep what a full disk refuses.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from billing.facts.cdr import Cdr
from billing.stores.journal import CdrJournal
from sip.registrar import Binding, Registration
from softswitch.subscribers.directory_store import DirectoryStore
from softswitch.trace.log import Log

GATHER_SECONDS = 0.5
"""The registrations of this many seconds are lost in a crash; phones refresh them anyway."""
JOURNAL_SECONDS = 0.1
"""The time for which lines are gathered for the CDR journal: one write and one sync then serve many
calls."""


class BindingKeeper:
    """Stores bindings, which so survive a restart.

    Args:
        node: this switch among several on one database.
    """

    def __init__(
        self, store: DirectoryStore, node: str, loop: asyncio.AbstractEventLoop, log: Log
    ) -> None:
        self._store = store
        self._node = node
        self._loop = loop
        self._log = log
        self._changed: dict[str, tuple[Binding, ...]] = {}
        self._renewed: set[str] = set()
        """Those of them that were only refreshed, as nearly all."""
        self._task: asyncio.Task[None] | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="bindings")

    def changed(self, aor: str, registration: Registration) -> None:
        if registration.added or registration.removed:
            self._renewed.discard(aor)
        elif aor not in self._changed:
            self._renewed.add(aor)
        self._changed[aor] = registration.bindings
        if self._task is None:
            self._task = self._loop.create_task(self._write())

    async def close(self) -> None:
        """Write all that is pending."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._save()
        self._executor.shutdown()

    async def _write(self) -> None:
        while self._changed:
            await asyncio.sleep(GATHER_SECONDS)
            await self._save()
        self._task = None

    async def _save(self) -> None:
        changed, self._changed = self._changed, {}
        renewed, self._renewed = self._renewed, set()
        if not changed:
            return
        try:
            await self._loop.run_in_executor(
                self._executor, self._store.save_bindings, changed, self._node, renewed
            )
        except SQLAlchemyError as error:
            self._log.error("registrations can't be kept", why=str(error))
            self._again(changed)
        except asyncio.CancelledError:
            self._again(changed)
            raise

    def _again(self, changed: dict[str, tuple[Binding, ...]]) -> None:
        """Save these with the next ones, and for certain all that they have lost."""
        self._changed = {**changed, **self._changed}
        self._renewed.clear()


class JournalKeeper:
    """Writes the CDR journal."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop, log: Log) -> None:
        self._journal = CdrJournal(folder)
        self._loop = loop
        self._log = log
        self._gathered: list[Cdr] = []
        self._writing: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal")

    def append(self, cdr: Cdr) -> None:
        """Queue a CDR for the next write."""
        self._gathered.append(cdr)
        self._start()

    def retry(self) -> None:
        """Retry the lines that a full disk refused."""
        if self._journal.waiting:
            self._start()

    async def close(self) -> None:
        """Write all that is pending."""
        self._hurry.set()
        while self._writing is not None:
            await self._writing
            await asyncio.sleep(0)
        self._executor.shutdown()

    def _start(self) -> None:
        if self._writing is None:
            self._writing = self._loop.create_task(self._write())

    async def _write(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), JOURNAL_SECONDS)
            cdrs, self._gathered = self._gathered, []
            error = await self._loop.run_in_executor(self._executor, self._journal.append, cdrs)
            if error is not None:
                self._log.error(
                    "the CDR journal waits", why=str(error), lines=self._journal.waiting
                )
            if not self._gathered:
                break
        self._writing = None
