"""Figures of sessions, ticks and workers, as a worker tells the switch.

Times are epoch milliseconds unless a name says otherwise.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class SideFigures(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Figures of the stream that came from one side (RFC 3550).

    Args:
        packets: RTP packets accepted.
        octets: their payload (RFC 3550 section 6.4.1).
        expected: highest extended sequence number minus the first, plus one (A.3).
        lost: expected minus packets; below zero when there were duplicates.
        jitter_ms: interarrival jitter (A.8).
        mos: 1 to 4.5 by the E-model; None without packets.
        first_packet_at, last_packet_at: epoch milliseconds; None without packets.
        strays: packets from elsewhere that were dropped. A latched port is closed to strangers by
            the kernel, which doesn't count.
        round_trip_ms: to that side's peer and back, by RTCP; None if it wasn't measured.
        one_way: for some seconds nothing came from it though it was spoken to.
        fax_packets: UDPTL packets of T.38 fax; none of the other figures counts them.
    """

    packets: int = 0
    octets: int = 0
    expected: int = 0
    lost: int = 0
    jitter_ms: float = 0.0
    mos: float | None = None
    first_packet_at: int | None = None
    last_packet_at: int | None = None
    strays: int = 0
    round_trip_ms: float | None = None
    one_way: bool = False
    fax_packets: int = 0

    def and_then(self, later: SideFigures) -> SideFigures:
        """These figures and later ones of the same side in another session. Counts are added up,
        the quality is weighed by packets, and of what was measured the last value is kept."""
        strays = self.strays + later.strays
        fax_packets = self.fax_packets + later.fax_packets
        if not self.packets:
            return msgspec.structs.replace(later, strays=strays, fax_packets=fax_packets)
        if not later.packets:
            return msgspec.structs.replace(self, strays=strays, fax_packets=fax_packets)
        packets = self.packets + later.packets
        mos = later.mos
        if self.mos is not None and later.mos is not None:
            mos = (self.mos * self.packets + later.mos * later.packets) / packets
        return SideFigures(
            packets=packets,
            octets=self.octets + later.octets,
            expected=self.expected + later.expected,
            lost=self.lost + later.lost,
            jitter_ms=later.jitter_ms,
            mos=mos,
            first_packet_at=self.first_packet_at,
            last_packet_at=later.last_packet_at,
            strays=strays,
            round_trip_ms=later.round_trip_ms or self.round_trip_ms,
            one_way=self.one_way or later.one_way,
            fax_packets=fax_packets,
        )


class SessionFigures(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Both sides of a session; `a` counts what the caller's side sent."""

    a: SideFigures = SideFigures()
    b: SideFigures = SideFigures()

    def and_then(self, later: SessionFigures) -> SessionFigures:
        """These figures and later ones of both sides; see :meth:`SideFigures.and_then`."""
        return SessionFigures(self.a.and_then(later.a), self.b.and_then(later.b))


Tier = Literal["kernel", "relay", "sound"]
"""The tier that passes a session's packets on: the kernel (in one direction at least), the worker
as they are, or the worker's tick, which makes or analyses sound."""


class Status(msgspec.Struct, tag=28, array_like=True, frozen=True, gc=False):
    """State of a worker: its sessions, lanes, ports and files.

    Args:
        sessions: open now.
        kernel_lanes, relay_lanes: directions of them that the kernel passes on, and the worker.
        ports_in_use, ports_resting, ports_free: pairs.
        ports_shared, ports_held: as in Started.
        files: descriptors open.
        fast_path: as in Started.
        interfaces: on which the kernel's program is.
        refused: why the last direction that wasn't handed to the kernel wasn't.
        relays_by: "io_uring" or "epoll", by which the worker passes on.
        niceness: nice level that it works at.
    """

    sessions: int
    kernel_lanes: int
    relay_lanes: int
    ports_in_use: int
    ports_resting: int
    ports_free: int
    ports_shared: int
    ports_held: int
    files: int
    fast_path: str
    interfaces: tuple[str, ...]
    refused: str
    relays_by: str
    niceness: int = 0


class TickFigures(msgspec.Struct, tag=64, array_like=True, frozen=True, gc=False):
    """Lateness of the last ticks, in milliseconds. All 0 before the first.

    Args:
        ticks: since the start.
        skipped: of them left out, because the worker was behind by too much.
        sides: that sound is made or listened for now.
    """

    ticks: int
    skipped: int
    sides: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    worst_ms: float
