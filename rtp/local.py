"""The contract of :class:`rtp.client.MediaWorkers` with engines in this process.

For a simulation: time is the event loop's, which may be virtual, and datagrams go over whatever
network is handed in.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable
from typing import Protocol

from rtp.client import split_ports
from rtp.control import Drain, Side, SideSpec, Start, ToWorker
from rtp.disk import Disk, Result
from rtp.engine import Engine
from rtp.latch import Address
from rtp.ports import PortPool
from rtp.session import MediaSession, MediaSettings
from rtp.session_book import (
    LostCallback,
    OneWayCallback,
    SessionBook,
    SilentCallback,
    SourceCallback,
)
from rtp.sound import SoundTier


class Datagrams(Protocol):
    """A network; what it has for one of our ports it gives to :meth:`LocalMedia.receive`."""

    def send(self, local_port: int, data: bytes, target: Address) -> None:
        """Send a datagram out of a local port."""


class _NoSockets:
    """Every port of a virtual network is free."""

    def bind(self, rtp_port: int) -> None:
        return None

    def release(self, rtp_port: int) -> None:
        return None

    def keep_none(self) -> None:
        return None


class _LocalEngine:
    """One engine, in the place of a worker's process.

    Args:
        start: what a worker is told.
        datagrams: carries what is sent.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        datagrams: Datagrams,
        start: Start,
        shuffle: Callable[[list[int]], None],
        draw: Callable[[int], int],
        on_silent: SilentCallback,
        on_one_way: OneWayCallback,
        on_source: SourceCallback,
    ) -> None:
        self._loop = loop
        self._datagrams = datagrams
        self.pool = PortPool(start.first_port, start.last_port, shuffle, start.quarantine_seconds)
        sound = SoundTier(Disk(self._disk_told), draw, start.epoch_offset_ms)
        self._engine = Engine(start, self.pool, _NoSockets(), sound)
        self.book = SessionBook(self.send, on_silent, on_one_way, on_source)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_at: float | None = None
        """Handles of other loops don't say it as asyncio's do: uvloop's in whole milliseconds."""

    def receive(self, local_port: int, data: bytes, source: Address) -> None:
        forward = self._engine.receive(local_port, data, source, self._loop.time())
        if forward is not None:
            self._datagrams.send(*forward)
        self._settle()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def send(self, message: ToWorker) -> None:
        self._engine.handle(message, self._loop.time())
        self._settle()

    def _settle(self) -> None:
        """Answers come later, as from a process; and one timer for all deadlines."""
        self._engine.take_changed()
        for datagram in self._engine.take_datagrams():
            self._datagrams.send(*datagram)
        for message in self._engine.take_messages():
            self._loop.call_soon(self.book.take, message)
        deadline = self._engine.next_deadline()
        for due_at in (self._engine.tick_due_at, self._engine.watch_due_at):
            if due_at is not None and (deadline is None or due_at < deadline):
                deadline = due_at
        if self._timer is not None:
            if self._timer_due_at == deadline:
                return
            self._timer.cancel()
        self._timer_due_at = deadline
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = self._loop.time()
        self._engine.expire(now)
        self._engine.watch(now)
        for port, data, target in self._engine.tick(now):
            self._datagrams.send(port, data, target)
        self._settle()

    def _disk_told(self, result: Result) -> None:
        """Later, as from a thread."""
        self._loop.call_soon(self._take_from_disk, result)

    def _take_from_disk(self, result: Result) -> None:
        self._engine.disk_told(result, self._loop.time())
        self._settle()


class LocalMedia:
    """Sessions on a virtual network.

    Args:
        datagrams: carries what is sent.
        ports: first and last UDP port.
        workers: how many engines, each with its part of the ports.
        epoch_offset_ms: epoch milliseconds at which the loop's clock was 0.
        shuffle: shuffles a list in place.
        draw: random numbers of so many bits.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        datagrams: Datagrams,
        ports: tuple[int, int],
        settings: MediaSettings = MediaSettings(),
        *,
        workers: int = 1,
        address: str = "127.0.0.1",
        epoch_offset_ms: int = 0,
        shuffle: Callable[[list[int]], None] = lambda _: None,
        draw: Callable[[int], int] = lambda _: 1,
        on_silent: SilentCallback | None = None,
        on_one_way: OneWayCallback | None = None,
        on_source: SourceCallback | None = None,
        on_lost: LostCallback | None = None,
    ) -> None:
        self.certificate = settings.certificate
        self._epoch_offset_ms = epoch_offset_ms
        parts = split_ports(ports, workers) if workers > 1 else [ports]
        self._engines = [
            _LocalEngine(
                loop,
                datagrams,
                Start(
                    address=address,
                    first_port=first,
                    last_port=last,
                    epoch_offset_ms=epoch_offset_ms,
                    latch_seconds=settings.latch_seconds,
                    silence_seconds=settings.silence_seconds,
                    hold_silence_seconds=settings.hold_silence_seconds,
                    quarantine_seconds=settings.quarantine_seconds,
                    certificate=settings.certificate,
                ),
                shuffle,
                draw,
                self._silent,
                self._one_way,
                self._source,
            )
            for first, last in parts
        ]
        self._last_ports = [last for _, last in parts]
        self._last_session = 0
        self.on_silent = on_silent
        self.on_one_way = on_one_way
        self.on_source = on_source
        self.on_lost = on_lost
        """Never called: an engine in this process doesn't die alone."""

    async def start(self) -> None:
        """Do nothing: there is no process to start."""

    def open(
        self,
        a_signalling: str | None,
        b_signalling: str | None,
        *,
        beside: MediaSession | None = None,
    ) -> asyncio.Future[MediaSession]:
        """As :meth:`rtp.client.MediaWorkers.open`."""
        engines = self._engines
        if beside is not None:
            engines = [engine for engine in engines if beside.is_kept_by(engine.book)]
        return self._open(SideSpec(a_signalling), SideSpec(b_signalling), engines)

    def open_alone(
        self, signalling: str | None, *, together: bool = False
    ) -> asyncio.Future[MediaSession]:
        """As :meth:`rtp.client.MediaWorkers.open_alone`."""
        engines = self._engines[:1] if together else self._engines
        return self._open(SideSpec(signalling), None, engines)

    def _open(
        self, side_a: SideSpec, side_b: SideSpec | None, engines: list[_LocalEngine]
    ) -> asyncio.Future[MediaSession]:
        self._last_session += 1
        engine = min(engines, key=lambda engine: len(engine.book))
        return engine.book.open(self._last_session, side_a, side_b)

    def receive(self, local_port: int, data: bytes, source: Address) -> None:
        """A datagram came to one of our ports."""
        engine = self._engines[
            min(bisect_left(self._last_ports, local_port), len(self._engines) - 1)
        ]
        engine.receive(local_port, data, source)

    def monotonic(self, epoch_ms: int) -> float:
        """A time stamp of an engine as seconds of the loop's clock."""
        return (epoch_ms - self._epoch_offset_ms) / 1000

    def drain(self, silence_seconds: float) -> None:
        """As :meth:`rtp.client.MediaWorkers.drain`."""
        for engine in self._engines:
            engine.send(Drain(silence_seconds))

    @property
    def sessions(self) -> int:
        """Open now."""
        return sum(self.loads)

    @property
    def loads(self) -> list[int]:
        """Sessions of each engine."""
        return [len(engine.book) for engine in self._engines]

    @property
    def ports_in_use(self) -> int:
        """Port pairs; none is left when every session was closed."""
        return sum(engine.pool.in_use for engine in self._engines)

    async def close(self) -> None:
        """Stop the timers."""
        for engine in self._engines:
            engine.stop()

    def _one_way(self, session: MediaSession, side: Side, heard: bool) -> None:
        if self.on_one_way is not None:
            self.on_one_way(session, side, heard)

    def _source(self, session: MediaSession, side: Side, source: Address, heard: bool) -> None:
        if self.on_source is not None:
            self.on_source(session, side, source, heard)

    def _silent(self, session: MediaSession, last_packet_at: int | None) -> None:
        if self.on_silent is not None:
            self.on_silent(session, last_packet_at)
