"""Latency of ringing: `python -m benchmarks.latency [--quick] [--rate N]`.

Milliseconds from a caller's INVITE, the challenge included, to the 180 that the caller receives,
while other calls load the switch at half of its capacity; and the pauses of the garbage collector.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from benchmarks.calls import FULL_SECONDS, HOLD_MS, RING_MS
from benchmarks.load import QUICK_SECONDS, Loader, Say, run_alone
from benchmarks.machine import Cores, percentile
from benchmarks.sipp import Run, Sipp
from benchmarks.switchboard import Switchboard, login

DEFAULT_RATE = 250.0
PROBES_PER_SECOND = 50.0
BEFORE_SECONDS = 0.5
"""The load begins this much earlier."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds."""

    rate: float
    calls: int
    p50_ms: float
    p99_ms: float
    longest_pause_ms: float

    def __str__(self) -> str:
        return (
            f"ringing        p50 {self.p50_ms:.2f} ms, p99 {self.p99_ms:.2f} ms from INVITE to 180 "
            f"at {self.rate:.0f} calls/s ({self.calls} probes); longest garbage collection "
            f"{self.longest_pause_ms:.1f} ms"
        )


def measure(cores: Cores, say: Say, *, quick: bool, rate: float | None = None) -> Figures:
    """Start a switch, load it, and probe."""
    sipp = Sipp(cores.generator)
    load = rate or DEFAULT_RATE
    seconds = QUICK_SECONDS if quick else 2 * FULL_SECONDS
    samples: list[float] = []
    with (
        Switchboard(cores.switch) as board,
        sipp.answering(board.trunk_port, RING_MS) as called,
    ):
        logins = [login(index) for index in range(1, board.count)]

        def run(wanted: float, length: float) -> Run:
            prober = probing(cores, board.port, length - BEFORE_SECONDS)
            done = sipp.run(
                "calls.xml", board.port, wanted, length, logins, hold_ms=HOLD_MS, also=[called]
            )
            samples[:] = json.loads(prober.communicate()[0])
            return done

        loader = Loader(board.pids, run, say)
        loader.trial(min(load, 100.0), QUICK_SECONDS)
        loader.trial(load, seconds)
    return Figures(
        load,
        len(samples),
        percentile(samples, 0.5),
        percentile(samples, 0.99),
        board.longest_pause_ms,
    )


def probing(cores: Cores, port: int, seconds: float) -> subprocess.Popen[str]:
    """A probe beside the load, which prints its milliseconds when it ends."""
    pinned = [] if cores.generator is None else ["taskset", "-c", str(cores.generator)]
    arguments = [str(port), login(0), str(PROBES_PER_SECOND), str(seconds)]
    return subprocess.Popen(
        [*pinned, sys.executable, "-m", "benchmarks.probe", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    run_alone(measure, __doc__)
