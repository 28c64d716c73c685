"""Calls: `python -m benchmarks.calls [--quick] [--rate N]`.

A caller proves itself by digest, money is reserved, the trunk rings for 10 ms and answers, they
talk for 50 ms, the caller hangs up, the CDR is written and the call settled. Switch and media
worker share one core, SIPp's two sides the other.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.load import Loader, Say
from benchmarks.machine import Cores, describe
from benchmarks.sipp import Run, Sipp
from benchmarks.switchboard import Switchboard, login

RING_MS = 10
HOLD_MS = 50
FIRST_RATE = 200.0
FULL_SECONDS = 5.0
QUICK_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What calls cost and how many pass."""

    cpu_us_per_call: float
    calls_per_second: float
    """The highest rate that passed; 0 when it wasn't looked for."""

    def __str__(self) -> str:
        text = f"calls          {self.cpu_us_per_call:.0f} us CPU a call"
        if self.calls_per_second:
            text += f", {self.calls_per_second:.0f} calls/s on one core"
        return text


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

        return judge(Loader(board.pids, run, say), quick=quick, rate=rate, first=FIRST_RATE)


def judge(loader: Loader, *, quick: bool, rate: float | None, first: float) -> Figures:
    """Warm up, then the cost, then the maximum unless that is too long a work."""
    seconds = QUICK_SECONDS if quick else FULL_SECONDS
    warm = loader.trial(rate or first, QUICK_SECONDS)
    if rate is not None or quick:
        return Figures(loader.cost(rate or first, seconds, 1 if quick else 3), 0.0)
    highest = loader.highest(0.8e6 / warm.cpu_us, seconds)
    return Figures(loader.cost(highest / 2, seconds, 3), highest)


def main(measured: Callable[..., object] = measure, text: str | None = __doc__) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--rate", type=float, help="measure at this rate only")
    arguments = parser.parse_args()
    print(describe())
    print(measured(Cores.pick(), print, quick=arguments.quick, rate=arguments.rate))


if __name__ == "__main__":
    main()
