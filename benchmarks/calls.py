"""Calls: `python -m benchmarks.calls [--quick] [--rate N]`.

A caller proves itself by digest, money is reserved, the trunk rings for 10 ms and answers, they
talk for 50 ms, the caller hangs up, the CDR is written and the call settled. Switch and media
worker share one core, SIPp's two sides the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.load import QUICK_SECONDS, Loader, Say, run_alone
from benchmarks.machine import Cores
from benchmarks.sipp import Run, Sipp
from benchmarks.switchboard import Switchboard, login

RING_MS = 10
HOLD_MS = 50
FIRST_RATE = 200.0
FULL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Figures:
    """The cost of calls, and the rate that passes."""

    cpu_us: float
    per_second: float
    """The highest rate that passed; 0 when it wasn't looked for."""
    longest_pause_ms: float
    """The longest pause of the garbage collector, at any of the rates."""

    def __str__(self) -> str:
        text = f"calls          {self.cpu_us:.0f} us CPU each"
        text += f", {self.per_second:.0f}/s on one core" if self.per_second else ""
        return f"{text}; garbage collection stopped them for {self.longest_pause_ms:.1f} ms at most"


def measure(cores: Cores, say: Say, *, quick: bool, rate: float | None = None) -> Figures:
    """Start a switch and call through it.

    Args:
        rate: measure there and look for no maximum.
    """
    sipp = Sipp(cores.generator)
    with (
        Switchboard(cores.switch) as board,
        sipp.answering(board.trunk_port, RING_MS) as called,
    ):
        logins = [login(index) for index in range(board.count)]

        def run(wanted: float, seconds: float) -> Run:
            return sipp.run(
                "calls.xml", board.port, wanted, seconds, logins, hold_ms=HOLD_MS, also=[called]
            )

        loader = Loader(board.pids, run, say)
        seconds = QUICK_SECONDS if quick else FULL_SECONDS
        found = loader.judge(rate or FIRST_RATE, seconds, quick=quick or rate is not None)
    return Figures(*found, board.longest_pause_ms)


if __name__ == "__main__":
    run_alone(measure, __doc__)
