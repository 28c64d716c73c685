"""One writer for everyone: commands queue, one transaction applies them, then all go on.

While a batch is being written the next one gathers, so that the busier the switch is, the less a
commit costs each call, and no command waits for a disk alone. A command says for how long it may
wait for company: a reservation not at all, what no party waits for some milliseconds. After a large
batch a reservation waits a little all the same, since most of what a batch costs is its transaction
and not its commands.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from queue import SimpleQueue
from typing import Protocol

from billing.facts.authorization import Authorization
from billing.facts.command import Answer, Apply, Command
from billing.stores.store import StoreError

MAX_BATCH = 500
"""Commands in one transaction: bounds how long the last of them waits."""

TOLD_AT_ONCE = 16
"""Answers of a batch that are told before everything else of the event loop has its turn."""

TOLD_SHARE = 4
"""At least one in so many answers that wait is told in a turn: under overload turns are long, and
calls must not wait here, where nothing sees that they do."""

PATIENCE_SECONDS = 0.01
"""The longest that a command waits for company where no party waits for its answer."""

SPACING_SECONDS = 0.0007
"""For each command of a batch, the time from its begin to the begin of the next one. A quiet
switch, whose batches are small, so lets hardly any reservation wait; at 1,400 commands a second and
more each batch makes the next one larger, up to the longest spacing."""

MAX_SPACING_SECONDS = 0.004
"""The longest time from the begin of a batch to that of the next one."""

_NEVER = float("inf")

AccountsChanged = Callable[[set[int]], None]
"""Called with the accounts whose available money may have risen."""


def _ignored(_accounts: set[int]) -> None:
    return


class Holder(Protocol):
    """The holder of a reservation."""

    def cut(self, authorization: Authorization) -> None:
        """The reservation is shorter now, because another call of the account was given what this
        one had not used."""


_Waiting = tuple[Command[object], asyncio.Future[object]]
"""A command that is to be applied, and the future of its answer."""
_Batch = list[_Waiting]
_command_of = itemgetter(0)


class _Writer:
    """The thread that waits for the disk. Made for one kind of work, since the pool and the futures
    of an executor cost as much as a batch's statements.

    Args:
        write: called in the thread; the answers to a batch.
        told: called in the event loop with the batch and its answers.
    """

    def __init__(
        self,
        write: Callable[[_Batch], Sequence[object]],
        loop: asyncio.AbstractEventLoop,
        told: Callable[[_Batch, Sequence[object]], None],
    ) -> None:
        self._write = write
        self._loop = loop
        self._told = told
        self.batches: SimpleQueue[_Batch | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="books", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; nothing may wait for it."""
        self.batches.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (batch := self.batches.get()) is not None:
            results: Sequence[object]
            try:
                results = self._write(batch)
            except Exception as error:  # a fault of ours: each caller hears of it
                results = [error] * len(batch)
            self._loop.call_soon_threadsafe(self._told, batch, results)


class GroupCommit:
    """The asyncio side of the books.

    Args:
        apply: :meth:`billing.stores.store.Store.apply`.
        run_in_thread: True for a disk; False applies in the loop itself, as a simulation needs.
        gather_seconds: how long every command may wait for company.
        on_accounts_changed: called after each batch that relieved an account.
    """

    def __init__(
        self,
        apply: Apply,
        loop: asyncio.AbstractEventLoop,
        *,
        run_in_thread: bool = True,
        gather_seconds: float = 0.0,
        on_accounts_changed: AccountsChanged = _ignored,
    ) -> None:
        self._apply = apply
        self._loop = loop
        self._now = loop.time
        self._create_future = loop.create_future
        self._gather_seconds = gather_seconds
        self._waiting: _Batch = []
        self._due = _NEVER
        """The loop's time until which all that waits may wait for company."""
        self._spaced_until = 0.0
        """The loop's time before which no other batch begins."""
        self._begin: asyncio.Handle | None = None
        """Begins the next batch; None while one is written."""
        self._untold: deque[tuple[_Waiting, object]] = deque()
        """Commands that are written, with the answers that aren't told yet."""
        self._is_writing = False
        self._done: asyncio.Future[None] | None = None
        """Told when nothing is under way any more; None while nothing waits for that."""
        self._writer = _Writer(self._write, loop, self._finish) if run_in_thread else None
        self._on_accounts_changed = on_accounts_changed
        self.holders: dict[str, Holder] = {}
        """By call id. A call that has ended has none."""
        self.batches = 0
        self.commands = 0

    def submit(
        self, command: Command[Answer], *, within_seconds: float = 0.0
    ) -> asyncio.Future[Answer]:
        """Have a command applied; the future brings its answer, the BillingError that refused it,
        or the StoreError of the batch.

        Args:
            within_seconds: how long the command may wait for company. It joins the next batch in
                any case, in its place.
        """
        future = self._create_future()
        self._waiting.append((command, future))
        now = self._now()
        due = now + (within_seconds or self._gather_seconds)
        if due < self._due:
            self._due = due
            if not self._is_writing:
                self._arm(now)
        return future

    @property
    def waiting(self) -> int:
        """Commands that the next batch will take."""
        return len(self._waiting)

    async def close(self) -> None:
        """Wait until everything that was submitted is applied."""
        self._due = self._spaced_until = 0.0
        if self._waiting and not self._is_writing:
            self._arm(self._now())
        if self._waiting or self._is_writing or self._untold:
            self._done = self._done or self._loop.create_future()
            await self._done
        if self._writer is not None:
            self._writer.close()

    def _arm(self, now: float) -> None:
        """Have the next batch begin when it is due."""
        if self._begin is not None:
            self._begin.cancel()
        due, spaced = self._due, self._spaced_until
        at = due if due > spaced else spaced
        if at > now:
            self._begin = self._loop.call_at(at, self._start)
        else:
            self._begin = self._loop.call_soon(self._start)

    def _start(self) -> None:
        batch, self._waiting = self._waiting, []
        self._begin, self._due = None, _NEVER
        spacing = SPACING_SECONDS * len(batch)
        if spacing > MAX_SPACING_SECONDS:
            spacing = MAX_SPACING_SECONDS
            if len(batch) > MAX_BATCH:
                # What is left over takes part in the next batch, which waits for nothing.
                self._waiting, self._due, spacing = batch[MAX_BATCH:], 0.0, 0.0
                del batch[MAX_BATCH:]
        self._spaced_until = self._now() + spacing
        if self._writer is None:
            self._finish(batch, self._write(batch))
        else:
            self._is_writing = True
            self._writer.batches.put(batch)

    def _write(self, batch: _Batch) -> Sequence[object]:
        """The answers to a batch, or its error for each."""
        try:
            return self._apply(list(map(_command_of, batch)))
        except StoreError as error:
            return [error] * len(batch)

    def _finish(self, batch: _Batch, results: Sequence[object]) -> None:
        """Begin with what waits meanwhile, and tell what is written."""
        self.batches += 1
        self.commands += len(batch)
        self._is_writing = False
        if self._waiting:
            self._arm(self._now())
        told = zip(batch, results, strict=True)
        if self._untold:
            self._untold.extend(told)
        elif len(batch) > TOLD_AT_ONCE:
            self._untold.extend(told)
            self._tell_some()
        else:
            self._tell(told)

    def _tell_some(self) -> None:
        """Tell some of what is written. The rest is told when those have gone on and the sockets
        have had their turn: woken all at once, the calls of a batch would wait for each other."""
        untold = self._untold
        count = max(TOLD_AT_ONCE, len(untold) // TOLD_SHARE)
        some = [untold.popleft() for _ in range(min(count, len(untold)))]
        if untold:
            self._loop.call_soon(self._tell_some)
        self._tell(some)

    def _tell(self, told: Iterable[tuple[_Waiting, object]]) -> None:
        relieved: set[int] = set()
        for (command, future), result in told:
            if isinstance(result, BaseException):
                if not future.done():
                    future.set_exception(result)
                continue
            if not future.done():
                future.set_result(result)
            account = command.relieved_account
            if account is not None:
                relieved.add(account)
            if isinstance(result, Authorization) and result.cut:
                # In its turn among the answers, so that the latest reservation is heard of last.
                self._loop.call_soon(self._tell_holders, result.cut)
        if self._done is not None and not (self._waiting or self._is_writing or self._untold):
            self._done.set_result(None)
            self._done = None
        if relieved:
            self._on_accounts_changed(relieved)

    def _tell_holders(self, cut: Sequence[Authorization]) -> None:
        for authorization in cut:
            holder = self.holders.get(authorization.call_id)
            if holder is not None:
                holder.cut(authorization)
