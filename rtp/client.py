"""The switch's side of its media workers: starts them, talks to them, replaces those that die."""

from __future__ import annotations

import asyncio
import time

from rtp.control import (
    Drain,
    Side,
    SideSpec,
    Start,
    Started,
)
from rtp.figures import Status, TickFigures
from rtp.latch import Address
from rtp.session import MediaError, MediaSession, MediaSettings, WorkerLost
from rtp.session_book import (
    LostCallback,
    OneWayCallback,
    SilentCallback,
    SourceCallback,
)
from rtp.worker_process import StartedCallback, WorkerProcess

__all__ = [
    "MediaError",
    "MediaSession",
    "MediaSettings",
    "MediaWorkers",
    "WorkerLost",
    "split_ports",
]


def split_ports(ports: tuple[int, int], parts: int) -> list[tuple[int, int]]:
    """A port range in parts of whole pairs.

    Raises:
        MediaError: not a pair for each part.
    """
    first, last = ports[0] + ports[0] % 2, ports[1]
    pairs = (last - first + 1) // 2
    if parts < 1 or pairs < parts:
        raise MediaError(f"{ports[0]}-{ports[1]} has no port pairs for {parts} media workers")
    bounds = [first + 2 * (pairs * part // parts) for part in range(parts + 1)]
    return [(bounds[part], bounds[part + 1] - 1) for part in range(parts)]


def ice_tcp_port_of(settings: MediaSettings, worker: int) -> int | None:
    """The port for ICE over TCP of the nth worker."""
    first = settings.ice_tcp_port
    return None if first is None else first + worker


class MediaWorkers:
    """Workers as processes, each with its part of the ports.

    Args:
        address: numeric address to bind media ports on.
        ports: first and last UDP port.
        workers: how many processes.
        on_silent: called when a session hears nothing from either side any more.
        on_one_way: called when a side isn't heard though it is spoken to, or is again.
        on_source: called when a latched side's sound comes from another port: it is heard there
            from now on, or it may not move now.
        on_lost: called for each session of a worker that died; its ports are gone.
        on_started: called when a worker is ready, at first and after each replacement.
    """

    def __init__(
        self,
        address: str,
        ports: tuple[int, int],
        workers: int = 1,
        settings: MediaSettings = MediaSettings(),
        *,
        on_silent: SilentCallback | None = None,
        on_one_way: OneWayCallback | None = None,
        on_source: SourceCallback | None = None,
        on_lost: LostCallback | None = None,
        on_started: StartedCallback | None = None,
    ) -> None:
        self.certificate = settings.certificate
        self.on_silent = on_silent
        self.on_one_way = on_one_way
        self.on_source = on_source
        self.on_lost = on_lost
        self.on_started = on_started
        self._epoch_offset_ms = round((time.time() - time.monotonic()) * 1000)
        self._last_session = 0
        self._workers = [
            WorkerProcess(
                Start(
                    address=address,
                    first_port=first,
                    last_port=last,
                    epoch_offset_ms=self._epoch_offset_ms,
                    latch_seconds=settings.latch_seconds,
                    silence_seconds=settings.silence_seconds,
                    hold_silence_seconds=settings.hold_silence_seconds,
                    quarantine_seconds=settings.quarantine_seconds,
                    fast_path=settings.fast_path,
                    batch_from=settings.batch_from,
                    certificate=settings.certificate,
                    ice_tcp_port=ice_tcp_port_of(settings, worker),
                    niceness=settings.niceness,
                ),
                settings.hung_seconds,
                self._silent,
                self._one_way,
                self._source,
                self._lost,
                self._started,
            )
            for worker, (first, last) in enumerate(split_ports(ports, workers))
        ]

    def _silent(self, session: MediaSession, last_packet_at: int | None) -> None:
        """Told from the loop, so that a fault in there doesn't lose the messages that follow."""
        if self.on_silent is not None:
            asyncio.get_running_loop().call_soon(self.on_silent, session, last_packet_at)

    def _one_way(self, session: MediaSession, side: Side, heard: bool) -> None:
        if self.on_one_way is not None:
            asyncio.get_running_loop().call_soon(self.on_one_way, session, side, heard)

    def _source(self, session: MediaSession, side: Side, source: Address, heard: bool) -> None:
        if self.on_source is not None:
            loop = asyncio.get_running_loop()
            loop.call_soon(self.on_source, session, side, source, heard)

    def _lost(self, session: MediaSession) -> None:
        if self.on_lost is not None:
            asyncio.get_running_loop().call_soon(self.on_lost, session)

    def _started(self, started: Started) -> None:
        if self.on_started is not None:
            asyncio.get_running_loop().call_soon(self.on_started, started)

    async def start(self) -> None:
        """Start the processes.

        Raises:
            MediaError: one can't work: a wrong address, an empty port range.
        """
        try:
            for worker in self._workers:
                await worker.start()
        except BaseException:
            await self.close()
            raise

    def open(
        self,
        a_signalling: str | None,
        b_signalling: str | None,
        *,
        beside: MediaSession | None = None,
    ) -> asyncio.Future[MediaSession]:
        """Open port pairs for both sides.

        Args:
            a_signalling, b_signalling: the IP address that each peer's SIP comes from, if known.
            beside: in the worker of this session, open or not, so that both can be in one room.

        The future fails with MediaError if there are no ports, descriptors or workers.
        """
        ready = [worker for worker in self._workers if worker.ready]
        if beside is not None:
            ready = [worker for worker in ready if beside.is_kept_by(worker.book)]
        return self._open(SideSpec(a_signalling), SideSpec(b_signalling), ready)

    def open_alone(
        self, signalling: str | None, *, together: bool = False
    ) -> asyncio.Future[MediaSession]:
        """Open a port pair for a caller whom the switch itself talks with, as side a.

        Args:
            together: in the worker where all such sessions are as long as it lives.

        The future fails as that of :meth:`open`.
        """
        ready = [worker for worker in self._workers if worker.ready]
        return self._open(SideSpec(signalling), None, ready[:1] if together else ready)

    def _open(
        self, side_a: SideSpec, side_b: SideSpec | None, ready: list[WorkerProcess]
    ) -> asyncio.Future[MediaSession]:
        if not ready:
            future: asyncio.Future[MediaSession] = asyncio.get_running_loop().create_future()
            future.set_exception(MediaError("no media worker is running"))
            return future
        self._last_session += 1
        worker = min(ready, key=lambda worker: (worker.overdue, len(worker)))
        return worker.book.open(self._last_session, side_a, side_b)

    def monotonic(self, epoch_ms: int) -> float:
        """A time stamp of a worker as seconds of the event loop's clock."""
        return (epoch_ms - self._epoch_offset_ms) / 1000

    async def tick_figures(self, seconds: float = 300.0) -> dict[int, TickFigures]:
        """Lateness of the workers' ticks of the last so many seconds, at most five minutes, by
        process id; of the workers that answer."""
        workers = [worker for worker in self._workers if worker.ready]
        pids = [worker.pid or 0 for worker in workers]
        asked = [worker.tick_figures(seconds) for worker in workers]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return {
            pid: answer
            for pid, answer in zip(pids, answers, strict=True)
            if isinstance(answer, TickFigures)
        }

    async def statuses(self) -> list[tuple[int, Status | None]]:
        """Process id and status of each worker that runs; None for one that dies meanwhile."""
        workers = [worker for worker in self._workers if worker.ready]
        pids = [worker.pid or 0 for worker in workers]
        asked = [worker.status() for worker in workers]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return [
            (pid, answer if isinstance(answer, Status) else None)
            for pid, answer in zip(pids, answers, strict=True)
        ]

    def drain(self, silence_seconds: float) -> None:
        """Have silent sessions reported sooner from now on; see :class:`Drain`."""
        for worker in self._workers:
            if worker.ready:
                worker.send(Drain(silence_seconds))

    @property
    def sessions(self) -> int:
        """Open now."""
        return sum(len(worker) for worker in self._workers)

    @property
    def opening(self) -> int:
        """Sessions among them whose ports are awaited."""
        return sum(worker.book.opening for worker in self._workers)

    @property
    def ready(self) -> int:
        """Workers that take calls; fewer than configured while one is being replaced."""
        return sum(worker.ready for worker in self._workers)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    async def close(self) -> None:
        """End the workers, and with them every session."""
        await asyncio.gather(*(worker.stop() for worker in self._workers))
