"""Load put on a process, what it costs, and the highest rate that it bears."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.machine import Cores, cpu_seconds, describe
from benchmarks.sipp import Run

RETRIES = 2
"""The number of times that a run is repeated that failed by the generator's own fault."""
SETTLE_SECONDS = 1.0
STEP = 1.4
CLOSE_ENOUGH = 1.06
"""The search ends when the ratio of the lowest rate that failed to the highest that passed is below
this."""

QUICK_SECONDS = 3.0
FULL_REPEATS = 3

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """A run and what it cost who was measured."""

    run: Run
    cpu_us: float
    """The CPU time of each request that succeeded."""


class Loader:
    """Puts runs on processes, and charges them for it.

    Args:
        pids: who is measured.
        run: a rate and seconds to a run.
    """

    def __init__(self, pids: Sequence[int], run: Callable[[float, float], Run], say: Say) -> None:
        self._pids = pids
        self._run = run
        self._say = say

    def trial(self, rate: float, seconds: float) -> Trial:
        """One run; again when the generator failed."""
        for _ in range(RETRIES + 1):
            before = cpu_seconds(self._pids)
            run = self._run(rate, seconds)
            self._drain(run)
            used = cpu_seconds(self._pids) - before
            trial = Trial(run, used / max(1, run.successful) * 1e6)
            self._say(f"  {run}, {trial.cpu_us:.0f} us CPU each")
            if not run.generator_failed:
                break
        return trial

    def _drain(self, run: Run) -> None:
        """Let them finish; who was overrun gets time to work off what waits."""
        for _ in range(1 if run.passed else 20):
            before = cpu_seconds(self._pids)
            time.sleep(SETTLE_SECONDS)
            if cpu_seconds(self._pids) - before < 0.1 * SETTLE_SECONDS:
                return

    def cost(self, rate: float, seconds: float, times: int) -> float:
        """CPU microseconds of each, the median of several runs."""
        return statistics.median(self.trial(rate, seconds).cpu_us for _ in range(times))

    def highest(self, start: float, seconds: float) -> float:
        """The highest rate that passes, by steps and halving; 0 when none does."""
        passed, failed, rate = 0.0, 0.0, start
        while True:
            if self.trial(rate, seconds).run.passed:
                passed = rate
            else:
                failed = rate
            if failed and (failed < 2 or (passed and failed / passed < CLOSE_ENOUGH)):
                return passed
            if passed and failed:
                rate = (passed * failed) ** 0.5
            else:
                rate = rate * STEP if passed else rate / STEP

    def judge(self, rate: float, seconds: float, *, quick: bool) -> tuple[float, float]:
        """CPU microseconds of each and the highest rate; 0 for the latter when `quick`, which
        measures at `rate` only. Otherwise the cost is that at half of the highest rate."""
        warm = self.trial(rate, QUICK_SECONDS)
        if quick:
            return self.cost(rate, seconds, 1), 0.0
        highest = self.highest(0.7e6 / warm.cpu_us, seconds)
        return self.cost(max(highest / 2, 1.0), seconds, FULL_REPEATS), highest


def run_alone(measure: Callable[..., object], text: str | None) -> None:
    """The command line of one measurement."""
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--rate", type=float, help="measure at this rate, and look for no maximum")
    arguments = parser.parse_args()
    print(describe(), flush=True)

    def say(line: str) -> None:
        print(line, flush=True)

    print(measure(Cores.pick(), say, quick=arguments.quick, rate=arguments.rate))
