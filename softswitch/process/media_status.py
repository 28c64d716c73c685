"""The status of the media workers, for operators of the running switch."""

from __future__ import annotations

import asyncio

from rtp.client import MediaWorkers
from rtp.figures import Status, TickFigures
from softswitch.control.errors import OperationError
from softswitch.control.values import Row

ANSWER_SECONDS = 2.0
"""The timeout for the workers' answers."""


async def media_rows(media: MediaWorkers, workers: int) -> list[Row]:
    """A row for each worker. Raises OperationError when one hangs.

    Args:
        workers: how many there should be.
    """
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            statuses = await media.statuses()
            ticks = await media.tick_figures()
    except TimeoutError:
        raise OperationError("media_worker_silent", seconds=int(ANSWER_SECONDS)) from None
    rows = [
        status_row(pid, status, ticks.get(pid)) for pid, status in statuses if status is not None
    ]
    missing: Row = {"worker": None, "state": "being replaced"}
    return rows + [missing] * (workers - len(rows))


def status_row(pid: int, status: Status, ticks: TickFigures | None = None) -> Row:
    """A worker's status for people and scripts.

    Args:
        ticks: the lateness of the sound tier's 20 ms ticks in the last five minutes.
    """
    return {
        "worker": pid,
        "state": "ready",
        "sessions": status.sessions,
        "fast_path": status.fast_path or "none",
        "kernel_lanes": status.kernel_lanes,
        "relay_lanes": status.relay_lanes,
        "relays_by": status.relays_by,
        "niceness": status.niceness,
        "interfaces": ",".join(status.interfaces),
        "ports_in_use": status.ports_in_use,
        "ports_resting": status.ports_resting,
        "ports_free": status.ports_free,
        "ports_shared": status.ports_shared,
        "ports_held": status.ports_held,
        "files": status.files,
        "why_not": status.refused,
        **_tick_row(ticks),
    }


def _tick_row(ticks: TickFigures | None) -> Row:
    """The columns of the sound tier; all None where it has nothing to do."""
    if ticks is None:
        ticks = TickFigures(0, 0, 0, 0.0, 0.0, 0.0, 0.0)
    return {
        "sounding": ticks.sides,
        "ticks": ticks.ticks,
        "ticks_skipped": ticks.skipped,
        "late_p50_ms": ticks.p50_ms,
        "late_p99_ms": ticks.p99_ms,
        "late_p999_ms": ticks.p999_ms,
        "late_worst_ms": ticks.worst_ms,
    }
