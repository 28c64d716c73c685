"""The requests for completion in memory, by callee and by caller; changes are written behind.

A change is on disk before its caller is told of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from sqlalchemy.exc import SQLAlchemyError

from softswitch.completion.store import CompletionStore
from softswitch.completion.waiting import MAX_FOR_A_CALLEE, MAX_OF_A_CALLER, Waiting
from softswitch.database.threads import Run
from softswitch.trace.log import Log

RETRY_SECONDS = 1.0
"""The pause before a write is retried while the database is out of order."""


class WaitingQueue:
    """Requests in the order of arrival.

    Args:
        run: runs a function that waits for the database in a thread.
    """

    def __init__(
        self,
        store: CompletionStore,
        run: Run,
        loop: asyncio.AbstractEventLoop,
        log: Log,
    ) -> None:
        self._store = store
        self._run = run
        self._loop = loop
        self._log = log
        self._for: dict[int, dict[str, Waiting]] = {}
        self._of: dict[int, dict[str, Waiting]] = {}
        self._changes: dict[str, Waiting | None] = {}
        self._writing: asyncio.Task[None] | None = None

    def restore(self, found: Iterable[Waiting]) -> None:
        """Take over stored requests, the oldest first."""
        for waiting in found:
            self._index(waiting)

    async def take_over(self, node: str) -> int:
        """Take over the requests of a node that died; how many they are.

        Raises:
            SQLAlchemyError: the database fails.
        """
        found = await self._run(self._store.load, node)
        for waiting in found:
            self.put(waiting)
        await self.written()
        return len(found)

    def __iter__(self) -> Iterator[Waiting]:
        return (waiting for found in list(self._for.values()) for waiting in list(found.values()))

    def __bool__(self) -> bool:
        return bool(self._for)

    def get(self, waiting: Waiting) -> Waiting | None:
        """The current state of a request; None: it is over."""
        return self._for.get(waiting.callee_id, {}).get(waiting.id)

    def concerns(self, line_id: int) -> bool:
        """True if a line waits, or is waited for."""
        return line_id in self._for or line_id in self._of

    def waits_for(self, callee_id: int) -> list[Waiting]:
        """The requests for a callee, in the order of service."""
        return list(self._for.get(callee_id, {}).values())

    def of(self, caller_id: int) -> list[Waiting]:
        """The requests of a caller."""
        return list(self._of.get(caller_id, {}).values())

    def between(self, caller_id: int, callee_id: int) -> Waiting | None:
        """The request of one line for another: there is at most one."""
        mine = self._of.get(caller_id, {}).values()
        return next((waiting for waiting in mine if waiting.callee_id == callee_id), None)

    def takes(self, caller_id: int, callee_id: int) -> bool:
        """True if there is room for one more request."""
        if self.between(caller_id, callee_id) is not None:
            return True
        mine, theirs = self._of.get(caller_id, ()), self._for.get(callee_id, ())
        return len(mine) < MAX_OF_A_CALLER and len(theirs) < MAX_FOR_A_CALLEE

    def put(self, waiting: Waiting) -> None:
        """Add or change a request. A new attempt of the same caller takes the old one's place, at
        the end."""
        before = self.between(waiting.caller_id, waiting.callee_id)
        if before is not None and before.id != waiting.id:
            self.remove(before)
        self._index(waiting)
        self._changed(waiting.id, waiting)

    def remove(self, waiting: Waiting) -> None:
        """Remove a request."""
        if self.get(waiting) is None:
            return
        for index, key in ((self._for, waiting.callee_id), (self._of, waiting.caller_id)):
            index[key].pop(waiting.id, None)
            if not index[key]:
                del index[key]
        self._changed(waiting.id, None)

    async def written(self) -> None:
        """Wait until all changes are on disk."""
        while self._writing is not None:
            await asyncio.shield(self._writing)

    def _index(self, waiting: Waiting) -> None:
        self._for.setdefault(waiting.callee_id, {})[waiting.id] = waiting
        self._of.setdefault(waiting.caller_id, {})[waiting.id] = waiting

    def _changed(self, key: str, waiting: Waiting | None) -> None:
        self._changes[key] = waiting
        if self._writing is None:
            self._writing = self._loop.create_task(self._write())

    async def _write(self) -> None:
        while self._changes:
            changes, self._changes = self._changes, {}
            try:
                await self._run(self._store.write, changes)
            except SQLAlchemyError as error:
                self._log.error("call completion can't be kept", why=str(error))
                self._changes = {**changes, **self._changes}
                await asyncio.sleep(RETRY_SECONDS)
        self._writing = None
