"""The machine of a measurement: its cores, its versions, and the resources that processes use."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

YARD_TURNS = 20_000
LIBRARIES = ("uvloop", "SQLAlchemy", "msgspec", "structlog")


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core the switch has to itself, and which one everything that loads it."""

    switch: int | None
    generator: int | None

    @classmethod
    def pick(cls) -> Cores:
        """The first two that we may use; none is pinned when there is only one."""
        allowed = sorted(os.sched_getaffinity(0))
        return cls(allowed[0], allowed[1]) if len(allowed) > 1 else cls(None, None)


def pin(core: int | None, pid: int = 0) -> None:
    """Keep a process, and what it starts afterwards, on a core."""
    if core is not None:
        os.sched_setaffinity(pid, {core})


def yardstick() -> float:
    """Nanoseconds that this Python needs now for one turn of a small loop. Other programs and
    other guests of the machine slow it down; figures of two runs compare by it."""
    best = float("inf")
    for _ in range(20):
        begin = time.thread_time_ns()
        table = {}
        for number in range(YARD_TURNS):
            table[b"%d" % (number & 1023)] = number
        best = min(best, time.thread_time_ns() - begin)
    return best / YARD_TURNS


def describe() -> str:
    """Machine and versions, for above the figures."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    return "\n".join(
        [
            f"machine   {_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB",
            f"system    {platform.system()} {platform.release()}, {platform.machine()}",
            f"python    {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {libraries}",
            f"generator {_sipp_version()}",
            f"load      {' '.join(f'{value:.2f}' for value in os.getloadavg())} (1, 5, 15 minutes)",
            f"yardstick {yardstick():.0f} ns",
        ]
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _sipp_version() -> str:
    if shutil.which("sipp") is None:
        return "no SIPp"
    text = subprocess.run(["sipp", "-v"], capture_output=True, text=True).stdout
    return text.strip().partition("\n")[0].rstrip(". ")


# Processes


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has just ended
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for known in found:
        found += children.get(known, [])
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes with all their threads, to the nanosecond."""
    total = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def resident_bytes(pids: Iterable[int]) -> int:
    """Memory that is these processes' own: what they share is counted in parts."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def percentile(values: Sequence[float], part: float) -> float:
    """The value that this part of the sample doesn't exceed; NaN for an empty sample."""
    if not values:
        return float("nan")
    return float(sorted(values)[min(len(values) - 1, int(len(values) * part))])
