"""Registrations: `python -m benchmarks.registrations [--quick] [--rate N]`.

A phone registers, is challenged, and registers again with digest; the binding is kept in the
database, written behind.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.load import QUICK_SECONDS, Loader, Say, run_alone
from benchmarks.machine import Cores
from benchmarks.sipp import Run, Sipp
from benchmarks.switchboard import Switchboard, login

FIRST_RATE = 1000.0
FULL_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Figures:
    """The cost of registrations, and the rate that passes."""

    cpu_us: float
    per_second: float
    """The highest rate that passed; 0 when it wasn't looked for."""

    def __str__(self) -> str:
        text = f"registrations  {self.cpu_us:.0f} us CPU each"
        return text + (f", {self.per_second:.0f}/s on one core" if self.per_second else "")


def measure(cores: Cores, say: Say, *, quick: bool, rate: float | None = None) -> Figures:
    """Start a switch and register with it.

    Args:
        rate: measure there and look for no maximum.
    """
    sipp = Sipp(cores.generator)
    with Switchboard(cores.switch) as board:
        logins = [login(index) for index in range(board.count)]

        def run(wanted: float, seconds: float) -> Run:
            return sipp.run("registers.xml", board.port, wanted, seconds, logins)

        loader = Loader(board.pids, run, say)
        seconds = QUICK_SECONDS if quick else FULL_SECONDS
        return Figures(*loader.judge(rate or FIRST_RATE, seconds, quick=quick or rate is not None))


if __name__ == "__main__":
    run_alone(measure, __doc__)
