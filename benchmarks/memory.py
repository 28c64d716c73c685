"""Memory: `python -m benchmarks.memory [--quick]`.

Bytes of an idle registration, of a ringing and of a talking call, in the switch and its media
worker together; and whether anything grows while calls come and go.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.calls import HOLD_MS, RING_MS
from benchmarks.load import Say, run_alone
from benchmarks.machine import Cores, resident_bytes
from benchmarks.sipp import Sipp
from benchmarks.switchboard import Switchboard, login

LINES = 20_000
QUICK_LINES = 1_000
LINES_BEFORE = 13_000
"""Lines that register before those that are measured: for as long as transactions remember, and
more than the switch keeps unpacked, so that what isn't a binding's is as large as it gets."""
CALLS = 500
QUICK_CALLS = 150
"""Twice so many: the second half is measured, when the first has shown the way."""
RATE = 100.0
LONG_MS = 120_000
"""Longer than any measurement: calls ring or talk until the generator is ended."""
GROWTH_CALLS = 50_000
WARM_UP_CALLS = 12_500
GROWTH_RATE = 250.0
FORGET_SECONDS = 36.0
"""Transactions remember for 32 s (RFC 3261 section 17)."""
SETTLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Bytes."""

    registration: float
    ringing: float
    talking: float
    growth: float
    """Between the end of the warm-up and the end, of all calls together."""
    calls: int

    def __str__(self) -> str:
        text = (
            f"memory         {self.registration:.0f} bytes an idle registration, "
            f"{self.ringing:.0f} a ringing call, {self.talking:.0f} a talking call"
        )
        if not self.calls:
            return text
        return f"{text}; {self.growth / 1024:+.0f} KiB over {self.calls} calls"


def measure(cores: Cores, say: Say, *, quick: bool, rate: float | None = None) -> Figures:
    """One switch for each figure, so that none has another's leavings."""
    sipp = Sipp(cores.generator)
    lines, calls = (QUICK_LINES, QUICK_CALLS) if quick else (LINES, CALLS)
    lines_before = QUICK_LINES if quick else LINES_BEFORE
    return Figures(
        registrations(cores, sipp, lines, lines_before, say),
        lasting_calls(cores, sipp, calls, (LONG_MS, 0), "ringing", say),
        lasting_calls(cores, sipp, calls, (RING_MS, LONG_MS), "talking", say),
        *((0.0, 0) if quick else growth(cores, sipp, rate or GROWTH_RATE, say)),
    )


def registrations(cores: Cores, sipp: Sipp, lines: int, before: int, say: Say) -> float:
    """Bytes of a line's one binding, beyond the line itself.

    Args:
        before: lines that register first.
    """
    with Switchboard(cores.switch, count=lines + before) as board:
        logins = [login(index) for index in range(board.count)]

        def register(names: list[str]) -> None:
            sipp.run("registers.xml", board.port, 4 * RATE, len(names) / (4 * RATE), names)

        register(logins[lines:])
        time.sleep(FORGET_SECONDS)
        resident = resident_bytes(board.pids)
        register(logins[:lines])
        time.sleep(FORGET_SECONDS)
        each = (resident_bytes(board.pids) - resident) / lines
        say(f"  {lines} registrations: {each:.0f} bytes each")
        return each


def lasting_calls(
    cores: Cores, sipp: Sipp, count: int, lengths_ms: tuple[int, int], what: str, say: Say
) -> float:
    """Bytes of a call while it rings or talks.

    Args:
        lengths_ms: of ringing and of talking.
    """
    ring_ms, hold_ms = lengths_ms
    # Traces of calls have a limit of their own, which the first calls reach.
    with (
        Switchboard(cores.switch, TRACE__MEGABYTES="1") as board,
        sipp.answering(board.trunk_port, ring_ms),
    ):
        callers = []
        sizes = []
        for half in (1, 2):
            caller = threading.Thread(target=_call, args=(sipp, board, count, hold_ms))
            caller.start()
            callers.append(caller)
            alive = _await(lambda: _alive(board), half * count)
            if alive != half * count:
                say(f"  only {alive} of {half * count} calls live: this figure is wrong")
            time.sleep(SETTLE_SECONDS)
            sizes.append(resident_bytes(board.pids))
        sipp.end_all()
        for caller in callers:
            caller.join()
    each = (sizes[1] - sizes[0]) / count
    say(f"  {count} {what} calls beside as many: {each:.0f} bytes each")
    return each


def _call(sipp: Sipp, board: Switchboard, count: int, hold_ms: int) -> None:
    logins = [login(index) for index in range(board.count)]
    sipp.run(
        "calls.xml",
        board.port,
        RATE,
        count / RATE,
        logins,
        hold_ms=hold_ms,
        patience_seconds=LONG_MS / 1000,
    )


def _alive(board: Switchboard) -> int:
    """The number of live calls."""
    found = board.ask("call", "list")
    return len(found) if isinstance(found, list) else 0


def _await(count: Callable[[], int], wanted: int) -> int:
    """Wait until there are so many, but not for ever."""
    until = time.monotonic() + wanted / RATE + 5 * SETTLE_SECONDS
    found = count()
    while found < wanted and time.monotonic() < until:
        time.sleep(SETTLE_SECONDS / 4)
        found = count()
    return found


def growth(cores: Cores, sipp: Sipp, rate: float, say: Say) -> tuple[float, int]:
    """The bytes that calls leave behind, and the number of the calls. The warm-up lasts as long as
    transactions do, so that memory has once been as full as it ever gets."""
    with (
        Switchboard(cores.switch) as board,
        sipp.answering(board.trunk_port, RING_MS) as called,
    ):
        logins = [login(index) for index in range(board.count)]

        def call(count: int) -> int:
            run = sipp.run(
                "calls.xml",
                board.port,
                rate,
                count / rate,
                logins,
                hold_ms=HOLD_MS,
                also=[called],
            )
            say(f"  {run}")
            time.sleep(FORGET_SECONDS)
            return resident_bytes(board.pids)

        before = call(WARM_UP_CALLS)
        return call(GROWTH_CALLS) - before, GROWTH_CALLS


if __name__ == "__main__":
    run_alone(measure, __doc__)
