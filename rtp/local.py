"""The contract of :class:`rtp.client.MediaWorkers` with an engine in this process.

For a simulation: time is the event loop's, which may be virtual, and datagrams go over whatever
network is handed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from rtp.control import Side, SideSpec, Start, ToWorker
from rtp.disk import Disk, Result
from rtp.engine import Engine
from rtp.latch import Address
from rtp.ports import PortPool
from rtp.session import (
    LostCallback,
    MediaSession,
    MediaSettings,
    OneWayCallback,
    SessionBook,
    SilentCallback,
)
from rtp.sound import SoundTier


class Datagrams(Protocol):
    """A network; what it has for one of our ports it gives to :meth:`LocalMedia.receive`."""

    def send(self, local_port: int, data: bytes, target: Address) -> None: ...


class _NoSockets:
    """Every port of a virtual network is free."""

    def bind(self, rtp_port: int) -> None:
        return None

    def release(self, rtp_port: int) -> None:
        return None


class LocalMedia:
    """Sessions on a virtual network.

    Args:
        datagrams: carries what is sent.
        ports: first and last UDP port.
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
        address: str = "127.0.0.1",
        epoch_offset_ms: int = 0,
        shuffle: Callable[[list[int]], None] = lambda _: None,
        draw: Callable[[int], int] = lambda _: 1,
        on_silent: SilentCallback | None = None,
        on_one_way: OneWayCallback | None = None,
        on_lost: LostCallback | None = None,
    ) -> None:
        start = Start(
            address=address,
            first_port=ports[0],
            last_port=ports[1],
            epoch_offset_ms=epoch_offset_ms,
            latch_seconds=settings.latch_seconds,
            silence_seconds=settings.silence_seconds,
            hold_silence_seconds=settings.hold_silence_seconds,
            quarantine_seconds=settings.quarantine_seconds,
        )
        self._loop = loop
        self._datagrams = datagrams
        self._epoch_offset_ms = epoch_offset_ms
        self._pool = PortPool(ports[0], ports[1], shuffle, settings.quarantine_seconds)
        sound = SoundTier(Disk(self._disk_told), draw, epoch_offset_ms)
        self._engine = Engine(start, self._pool, _NoSockets(), sound)
        self._book = SessionBook(self._send, self._silent, self._one_way)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_at: float | None = None
        """Handles of other loops don't say it as asyncio's do: uvloop's in whole milliseconds."""
        self._last_session = 0
        self.on_silent = on_silent
        self.on_one_way = on_one_way
        self.on_lost = on_lost
        """Never called: an engine in this process doesn't die alone."""

    async def start(self) -> None:
        """Nothing has to be started."""

    def open(
        self,
        a_signalling: str | None,
        b_signalling: str | None,
        *,
        together: bool = False,
    ) -> asyncio.Future[MediaSession]:
        """As :meth:`rtp.client.MediaWorkers.open`."""
        return self._open(SideSpec(a_signalling), SideSpec(b_signalling))

    def open_alone(
        self, signalling: str | None, *, together: bool = False
    ) -> asyncio.Future[MediaSession]:
        """As :meth:`rtp.client.MediaWorkers.open_alone`."""
        return self._open(SideSpec(signalling), None)

    def _open(self, side_a: SideSpec, side_b: SideSpec | None) -> asyncio.Future[MediaSession]:
        self._last_session += 1
        return self._book.open(self._last_session, side_a, side_b)

    def receive(self, local_port: int, data: bytes, source: Address) -> None:
        """A datagram came to one of our ports."""
        forward = self._engine.receive(local_port, data, source, self._loop.time())
        if forward is not None:
            self._datagrams.send(*forward)
        self._settle()

    def monotonic(self, epoch_ms: int) -> float:
        """A time stamp of the engine as seconds of the loop's clock."""
        return (epoch_ms - self._epoch_offset_ms) / 1000

    @property
    def sessions(self) -> int:
        """Open now."""
        return len(self._book)

    @property
    def ports_in_use(self) -> int:
        """Port pairs; none is left when every session was closed."""
        return self._pool.in_use

    async def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self, message: ToWorker) -> None:
        self._engine.handle(message, self._loop.time())
        self._settle()

    def _settle(self) -> None:
        """Answers come later, as from a process; and one timer for all deadlines."""
        self._engine.take_changed()
        for message in self._engine.take_messages():
            self._loop.call_soon(self._book.take, message)
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

    def _one_way(self, session: MediaSession, side: Side, heard: bool) -> None:
        if self.on_one_way is not None:
            self.on_one_way(session, side, heard)

    def _silent(self, session: MediaSession, last_packet_at: int | None) -> None:
        if self.on_silent is not None:
            self.on_silent(session, last_packet_at)
