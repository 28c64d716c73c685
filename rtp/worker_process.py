"""One media worker as the switch sees it: its process, its control socket and its sessions."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

from rtp.control import (
    MAX_BATCH,
    MAX_RECORD_BYTES,
    FromWorker,
    Ping,
    Pong,
    Start,
    Started,
    StartFailed,
    TellStatus,
    TellTick,
    ToWorker,
    decode_from_worker,
    encode,
)
from rtp.figures import Status, TickFigures
from rtp.session import MediaError
from rtp.session_book import (
    LostCallback,
    OneWayCallback,
    SessionBook,
    SilentCallback,
    SourceCallback,
)

StartedCallback = Callable[[Started], None]

START_SECONDS = 10.0
"""A worker that isn't ready by then can't be used."""
STOP_SECONDS = 5.0
RESTART_SECONDS = 1.0
"""Between the death of a worker and its replacement, so that one that can't live costs little."""
PATIENCE_SECONDS = 0.005
"""The longest that a message waits for company on its way to the worker."""
RECORDS_AT_ONCE = 64
"""Records of a worker that are read before other work has its turn."""
PINGS_UNANSWERED = 4
"""Unanswered pings in a row, spread over the time after which a worker counts as hung."""


class WorkerProcess:
    """One process, its control socket and its sessions."""

    def __init__(
        self,
        start: Start,
        hung_seconds: float,
        on_silent: SilentCallback,
        on_one_way: OneWayCallback,
        on_source: SourceCallback,
        on_lost: LostCallback,
        on_started: StartedCallback,
    ) -> None:
        self._start = start
        self._ping_seconds = hung_seconds / PINGS_UNANSWERED
        self._on_lost = on_lost
        self._on_started = on_started
        self._queue: list[ToWorker] = []
        self._is_flushing = False
        """The queue is written at the end of this turn."""
        self._patience: asyncio.TimerHandle | None = None
        """Writes messages that have found no company."""
        self._backlog: deque[bytes] = deque()
        self._is_blocked = False
        """The channel is full, and the loop tells when it takes more."""
        self._buffer = bytearray(MAX_RECORD_BYTES)
        self._view = memoryview(self._buffer)
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._started: asyncio.Future[None] | None = None
        self._ticks_asked: deque[asyncio.Future[TickFigures]] = deque()
        self._status_asked: deque[asyncio.Future[Status]] = deque()
        self._replacing: asyncio.Task[None] | None = None
        self._ping_timer: asyncio.TimerHandle | None = None
        self._unanswered_pings = 0
        self._stopping = False
        self.ready = False
        self.book = SessionBook(self.send, on_silent, on_one_way, on_source, self.send_patiently)

    def __len__(self) -> int:
        return len(self.book)

    @property
    def overdue(self) -> bool:
        """It hasn't answered for a while: others get the next calls."""
        return self._unanswered_pings > 1

    @property
    def pid(self) -> int | None:
        """Process id; None while none runs."""
        return None if self._process is None else self._process.pid

    # Its life

    async def start(self) -> None:
        """Start the process and wait until it is ready.

        Raises:
            MediaError: it can't work.
        """
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._channel = ours
        try:
            with theirs:
                self._process = await loop.run_in_executor(None, _spawn, theirs)
        except OSError as error:
            self._hang_up()
            raise MediaError(f"a media worker can't be started: {error}") from None
        self._started = loop.create_future()
        loop.add_reader(ours, self._readable)
        self.send(self._start)
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._started
        except TimeoutError:
            await self._end()
            raise MediaError(f"a media worker wasn't ready in {START_SECONDS:.0f} s") from None
        except MediaError:
            await self._end()
            raise
        self.ready = True
        self._unanswered_pings = 0
        self._ping_timer = loop.call_later(self._ping_seconds, self._ping)

    async def stop(self) -> None:
        """End the process."""
        self._stopping = True
        if self._replacing is not None:
            self._replacing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._replacing
        await self._end()

    async def _end(self) -> None:
        """Close the control socket, at which the process ends."""
        self._hang_up()
        process, self._process = self._process, None
        if process is not None:
            await asyncio.get_running_loop().run_in_executor(None, _await_end, process)

    def _hang_up(self) -> None:
        self.ready = False
        if self._ping_timer is not None:
            self._ping_timer.cancel()
            self._ping_timer = None
        channel, self._channel = self._channel, None
        if channel is None:
            return
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        loop = asyncio.get_running_loop()
        loop.remove_reader(channel)
        loop.remove_writer(channel)
        self._is_blocked = False
        channel.close()
        self._queue.clear()
        self._backlog.clear()
        while self._ticks_asked:
            self._ticks_asked.popleft().cancel()
        while self._status_asked:
            self._status_asked.popleft().cancel()
        for session in self.book.lost():
            self._on_lost(session)

    def _died(self) -> None:
        """The control socket closed from the other end."""
        self._hang_up()
        if self._started is not None and not self._started.done():
            self._started.set_exception(MediaError("a media worker died while starting"))
        elif not self._stopping and self._replacing is None:
            self._replacing = asyncio.get_running_loop().create_task(self._replace())

    async def _replace(self) -> None:
        await self._end()
        while True:
            try:
                await self.start()
            except MediaError:
                await asyncio.sleep(RESTART_SECONDS)
                continue
            self._replacing = None
            return

    def _ping(self) -> None:
        """Kill a worker that hangs. Counts pings, not seconds: who was stopped itself has no right
        to call others late."""
        if self._unanswered_pings >= PINGS_UNANSWERED and self._process is not None:
            self._process.kill()
            return
        self._unanswered_pings += 1
        self.send(Ping())
        self._ping_timer = asyncio.get_running_loop().call_later(self._ping_seconds, self._ping)

    # Messages

    def tick_figures(self, seconds: float) -> asyncio.Future[TickFigures]:
        """Ask for them; cancelled if the process dies first."""
        future: asyncio.Future[TickFigures] = asyncio.get_running_loop().create_future()
        self._ticks_asked.append(future)
        self.send(TellTick(seconds))
        return future

    def status(self) -> asyncio.Future[Status]:
        """Ask for it; cancelled if the process dies first."""
        future: asyncio.Future[Status] = asyncio.get_running_loop().create_future()
        self._status_asked.append(future)
        self.send(TellStatus())
        return future

    def send(self, message: ToWorker) -> None:
        """Queue a message; all of one turn of the event loop leave together."""
        if self._channel is None:
            return
        if not self._is_flushing:
            self._is_flushing = True
            asyncio.get_running_loop().call_soon(self._flush)
        self._queue.append(message)

    def send_patiently(self, message: ToWorker) -> None:
        """Queue a message that leaves with the next one that may not wait, or soon by itself: each
        write wakes the worker, which costs both processes more than the message."""
        if self._channel is None:
            return
        if self._patience is None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(PATIENCE_SECONDS, self._lose_patience)
        self._queue.append(message)

    def _lose_patience(self) -> None:
        self._patience = None
        self._flush()

    def _flush(self) -> None:
        self._is_flushing = False
        queue, self._queue = self._queue, []
        for first in range(0, len(queue), MAX_BATCH):
            self._backlog.append(encode(queue[first : first + MAX_BATCH]))
        self._write()

    def _write(self) -> None:
        channel = self._channel
        if channel is None:
            return
        while self._backlog:
            try:
                channel.send(self._backlog[0])
            except BlockingIOError:
                self._is_blocked = True
                asyncio.get_running_loop().add_writer(channel, self._write)
                return
            except OSError:
                return  # it died, which the reader is told, too
            self._backlog.popleft()
        if self._is_blocked:
            self._is_blocked = False
            asyncio.get_running_loop().remove_writer(channel)

    def _readable(self) -> None:
        """Take all records that wait: one a turn wouldn't keep up with a worker whose turns are a
        millisecond each, while those of a busy switch are ten."""
        for _ in range(RECORDS_AT_ONCE):
            if self._channel is None:
                return
            try:
                size = self._channel.recv_into(self._buffer)
            except BlockingIOError:
                return
            except OSError:
                size = 0
            if not size:
                self._died()
                return
            for message in decode_from_worker(self._view[:size]):
                self._take(message)

    def _take(self, message: FromWorker) -> None:
        match message:
            case Pong():
                self._unanswered_pings = 0
            case TickFigures():
                asked = self._ticks_asked.popleft()
                if not asked.done():
                    asked.set_result(message)
            case Status():
                waiting = self._status_asked.popleft()
                if not waiting.done():
                    waiting.set_result(message)
            case Started():
                if self._started is not None and not self._started.done():
                    self._started.set_result(None)
                    self._on_started(message)
            case StartFailed(reason):
                if self._started is not None and not self._started.done():
                    self._started.set_exception(
                        MediaError(f"media on {self._start.address}: {reason}")
                    )
            case _:
                self.book.take(message)


def _spawn(channel: socket.socket) -> subprocess.Popen[bytes]:
    """Start a process that finds this package wherever this one did."""
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "rtp.worker", "--fd", str(channel.fileno())],
        pass_fds=[channel.fileno()],
        stdin=subprocess.DEVNULL,
        # One thread: numpy's linear algebra would start as many as there are cores.
        env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
    )


def _await_end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
