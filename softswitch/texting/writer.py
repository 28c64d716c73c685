"""Batched writes of texts: one transaction for all writes that came during the last one.

A write that fails is refused alone: the others of its transaction are repeated without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Engine

from softswitch.database.threads import Run

Answer = TypeVar("Answer")
MAX_TOGETHER = 500
"""Writes in one transaction: bounds how long the last of them waits."""


Tell = Callable[[], None]


class _Job:
    """A write with its callbacks.

    Args:
        do: writes; returns the function that reports the result.
        fail: reports the error that refused it.
    """

    def __init__(self, do: Callable[[Connection], Tell], fail: Callable[[Exception], None]) -> None:
        self.do = do
        self.fail = fail
        self.tell: Tell | None = None


class TextWriter:
    """The one writer of texts.

    Args:
        run: does what waits for the disk, away from the event loop.
    """

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop, run: Run) -> None:
        self._engine = engine
        self._loop = loop
        self._run = run
        self._jobs: list[_Job] = []
        self._writing: asyncio.Task[None] | None = None

    def submit(self, work: Callable[[Connection], Answer]) -> asyncio.Future[Answer]:
        """Have a write done in the next transaction.

        The future brings its answer once that is committed, or the error that refused it.
        """
        future: asyncio.Future[Answer] = self._loop.create_future()

        def do(connection: Connection) -> Tell:
            return partial(_set, future, work(connection))

        self._jobs.append(_Job(do, partial(_refuse, future)))
        if self._writing is None:
            self._writing = self._loop.create_task(self._write_all())
        return future

    async def close(self) -> None:
        """Wait until everything that was submitted is written."""
        while self._writing is not None:
            await asyncio.shield(self._writing)

    async def _write_all(self) -> None:
        while self._jobs:
            jobs, self._jobs = self._jobs[:MAX_TOGETHER], self._jobs[MAX_TOGETHER:]
            await self._run(self._write, jobs)
            for job in jobs:
                if job.tell is not None:
                    job.tell()
        self._writing = None

    def _write(self, jobs: list[_Job]) -> None:
        try:
            with self._engine.begin() as connection:
                for job in jobs:
                    job.tell = job.do(connection)
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].tell = partial(jobs[0].fail, error)
                return
            # One of them spoiled the transaction: each has one of its own.
            for job in jobs:
                self._write([job])


def _set(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)


def _refuse(future: asyncio.Future[Answer], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
