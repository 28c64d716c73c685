"""The use of the machine's processors by the processes of a cluster, from /proc, so that figures of
a loaded cluster say if the machine was full."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from pathlib import Path

INTERVAL_SECONDS = 1.0
_PROCESSORS = os.cpu_count() or 1


class Processor:
    """Ticks of processor time since the start, by part: "one", "one's sound", "edge", "PostgreSQL",
    "phones" (this process and its own), "others" and "idle".

    Args:
        folder: of the cluster; its nodes serve in folders within it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ticks: Counter[str] = Counter()
        self._last: dict[int, int] = {}
        self._parts: dict[int, str] = {}
        self._machine = (0, 0)
        self._read()
        self.ticks.clear()

    async def go_on(self) -> None:
        """Read often enough that little of a process that ends is missed."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            self._read()

    def since(self, before: Counter[str]) -> str:
        """The shares of the time after the given ticks, in percent of one processor."""
        spent = self.ticks - before
        total = sum(spent.values()) or 1
        shares = {part: 100 * _PROCESSORS * ticks / total for part, ticks in spent.most_common()}
        told = ", ".join(f"{part} {share:.0f}" for part, share in shares.items() if share >= 1)
        return f"of {100 * _PROCESSORS} % of {_PROCESSORS} processors: {told}"

    def _read(self) -> None:
        found: dict[int, int] = {}
        known: Counter[str] = Counter()
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            pid = int(name)
            with contextlib.suppress(OSError):
                parent, found[pid] = _spent(pid)
                part = self._part(pid, parent)
                if part != "others":
                    known[part] += max(0, found[pid] - self._last.get(pid, 0))
        busy, idle = _machine()
        known["others"] = max(0, busy - self._machine[0] - known.total())
        known["idle"] = max(0, idle - self._machine[1])
        self._last, self._machine = found, (busy, idle)
        self._parts = {pid: part for pid, part in self._parts.items() if pid in found}
        self.ticks += known

    def _part(self, pid: int, parent: int) -> str:
        if pid not in self._parts:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            part = self._parts.get(parent, "others")
            if pid == os.getpid():
                part = "phones"
            elif "-m softswitch serve" in command:
                home = Path(os.readlink(f"/proc/{pid}/cwd"))
                part = home.name if home.parent == self._folder else "others"
            elif "-m rtp.worker" in command and part != "others":
                part = f"{part}'s sound"
            elif str(self._folder / "edge") in command:
                part = "edge"
            elif "postgres" in command and part == "phones":
                part = "PostgreSQL"
            self._parts[pid] = part
        return self._parts[pid]


def _spent(pid: int) -> tuple[int, int]:
    """The parent of a process, and its ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1]), int(fields[11]) + int(fields[12])


def _machine() -> tuple[int, int]:
    """The machine's ticks at work, and idle."""
    user, nice, system, idle, waiting, *more = (
        int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return user + nice + system + sum(more), idle + waiting
