"""Call recordings while the switch serves: a row first, then the sound, then the outcome.

A recording never disturbs its call: failures are logged and noted, and the call goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from rtp.control import Recorded
from rtp.disk import PART_SUFFIX, complete
from rtp.samples import CLOCK_RATE
from rtp.session import MediaError
from rtp.wav import HEADER_BYTES, SAMPLE_BYTES, WavError
from softswitch.config.recording import RecordingSection
from softswitch.database.threads import Run
from softswitch.recordings.store import RecordedCall, RecordingStore
from softswitch.subscribers.directory import Line
from softswitch.trace.log import Log
from softswitch.voicemail.shelf import Shelf

DAY_MS = 86_400_000
CLOSE_SECONDS = 5.0
COPY_SECONDS = 3_600
"""How long a copy of what a bucket keeps stays on the disk: hardly any is heard at once."""
_CHANNELS = 2


class RecordingDesk:
    """Recordings as calls and the server use them.

    Args:
        run: runs a function that waits for store or shelf in a thread.
        randbits: for ids.
        wall_ms: epoch milliseconds.
    """

    def __init__(
        self,
        store: RecordingStore,
        shelf: Shelf,
        settings: RecordingSection,
        run: Run,
        *,
        randbits: Callable[[int], int],
        wall_ms: Callable[[], int],
        log: Log,
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._run = run
        self._randbits = randbits
        self._wall_ms = wall_ms
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()
        self.settings = settings

    async def begin(self, call_id: str, line: Line, calling: str, called: str) -> str | None:
        """Add the row of a recording that is about to begin; returns its id, or None if it must not
        begin."""
        try:
            return await self._run(self._begin, call_id, line, calling, called)
        except (OSError, SQLAlchemyError) as error:
            self._log.error("a call isn't recorded", call=call_id, line=line.number, why=str(error))
            return None

    def _begin(self, call_id: str, line: Line, calling: str, called: str) -> str | None:
        if not self._shelf.make_room(self.settings.min_free_megabytes << 20):
            self._log.error(
                "a call isn't recorded, the disk is nearly full", call=call_id, line=line.number
            )
            return None
        now = self._wall_ms()
        recording = RecordedCall(
            f"{self._randbits(128):032x}",
            call_id,
            line.id,
            line.number,
            calling,
            called,
            "recording",
            "",
            now,
            0,
            now + self.settings.days_kept * DAY_MS,
        )
        self._store.begin(recording)
        return recording.id

    def path(self, recording_id: str) -> str:
        """The path of its sound."""
        return str(self._shelf.path(recording_id))

    def keep(self, recording_id: str, recorded: asyncio.Future[Recorded] | None) -> None:
        """Publish a recording when it ends, however that happens; None: it never began."""
        self._spawn(self._keep(recording_id, recorded))

    async def _keep(self, recording_id: str, recorded: asyncio.Future[Recorded] | None) -> None:
        problem = ""
        if recorded is not None:
            try:
                problem = (await recorded).problem
            except MediaError as error:
                problem = str(error)
        if problem:
            self._log.error("a recording was cut short", recording=recording_id, why=problem)
        try:
            await self._run(self._finish, recording_id, problem)
        except (OSError, SQLAlchemyError) as error:
            # Its row says that it is being recorded, so the next start finishes it.
            self._log.error(
                "a recording waits for the next start", recording=recording_id, why=str(error)
            )

    def _finish(self, recording_id: str, problem: str) -> bool:
        """Complete the file of a recording; True if there is sound in it."""
        path = self._shelf.path(recording_id)
        part = Path(f"{path}{PART_SUFFIX}")
        try:
            if part.exists() and not path.exists():
                complete(str(part))
            size = path.stat().st_size - HEADER_BYTES
        except (FileNotFoundError, WavError) as error:
            self._shelf.remove(recording_id)
            self._store.ended(recording_id, "failed", 0, problem or str(error) or "no sound")
            return False
        self._shelf.keep(recording_id)
        duration_ms = size // (_CHANNELS * SAMPLE_BYTES) * 1000 // CLOCK_RATE
        self._store.ended(recording_id, "kept", duration_ms, problem)
        return True

    def _spawn(self, work: Coroutine[object, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for recordings that are being finished; those that take too long are finished at the
        next start."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)

    def recover(self) -> tuple[int, int]:
        """Finish the recordings that a crash broke off; called before anything records. Returns the
        number of recordings kept, and of files without a row that were removed. Raises
        SQLAlchemyError, OSError."""
        broken = self._store.unfinished()
        kept = sum(self._finish(one.id, "broken off by a crash") for one in broken)
        return kept, self._shelf.sweep(self._store.ids())

    async def expire(self) -> int:
        """Delete recordings whose time is over; returns how many."""
        return int(await self._run(self._expire))

    def _expire(self) -> int:
        expired = self._store.expired(self._wall_ms())
        for one in expired:
            self._store.delete(one.id)
            self._shelf.remove(one.id)
        unfinished = [one.id for one in self._store.unfinished()]
        self._shelf.forget_copies(unfinished, self._wall_ms() / 1000 - COPY_SECONDS)
        return len(expired)
