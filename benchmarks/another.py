"""Calls through this switch and another, by turns: `python -m benchmarks.another COMMAND`.

COMMAND starts the other switch in the foreground. In it {port} stands for the UDP port on which it
must listen, and {called} for the port of the called side, to which it must pass every call. Its
callers prove nothing; this switch asks for a digest, reserves money, relays the sound and stores
the CDR all the same. Both run on the same core.

    python -m benchmarks.another "b2bua_simple -f -l 127.0.0.1 -p {port} -n 127.0.0.1:{called}"
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import statistics
import subprocess
import tempfile
from collections.abc import Iterator

from benchmarks import calls
from benchmarks.load import Loader, Say
from benchmarks.machine import Cores, describe, pin
from benchmarks.sipp import Run, Sipp, await_open
from benchmarks.switchboard import free_port, login

LOGINS = [login(index) for index in range(1000)]


@contextlib.contextmanager
def started(command: str, core: int | None, port: int, called: int) -> Iterator[int]:
    """The other switch on a core of its own, by its process id.

    Raises:
        RuntimeError: it doesn't listen on the port.
    """
    words = [word.format(port=port, called=called) for word in shlex.split(command)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            preexec_fn=lambda: pin(core),
        )  # fmt: skip
        try:
            await_open(port)
            yield process.pid
        finally:
            process.kill()
            process.wait()


def measure(
    command: str, cores: Cores, say: Say, *, quick: bool, rate: float | None
) -> tuple[float, float]:
    """CPU microseconds of a call through the other switch, and the highest rate that passed, as
    :meth:`Loader.judge` finds them."""
    sipp = Sipp(cores.generator)
    port, trunk_port = free_port(), free_port()
    with (
        sipp.answering(trunk_port, calls.RING_MS) as called,
        started(command, cores.switch, port, trunk_port) as pid,
    ):

        def run(wanted: float, seconds: float) -> Run:
            return sipp.run(
                "unproven_calls.xml", port, wanted, seconds, LOGINS,
                hold_ms=calls.HOLD_MS, proven=False, also=[called],
            )  # fmt: skip

        return Loader([pid], run, say).judge(
            rate or calls.FIRST_RATE, calls.FULL_SECONDS, quick=quick
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", help="starts the other switch")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (3)")
    parser.add_argument("--rate", type=float, help="measure at this rate, and look for no maximum")
    arguments = parser.parse_args()
    print(describe(), flush=True)
    cores, quick = Cores.pick(), arguments.rate is not None

    def say(line: str) -> None:
        print(line, flush=True)

    costs: dict[str, list[tuple[float, float]]] = {"this switch": [], "the other": []}
    for _ in range(arguments.rounds):
        ours = calls.measure(cores, say, quick=quick, rate=arguments.rate)
        costs["this switch"].append((ours.cpu_us, ours.per_second))
        costs["the other"].append(
            measure(arguments.command, cores, say, quick=quick, rate=arguments.rate)
        )
    for name, found in costs.items():
        cpu_us, highest = map(statistics.median, zip(*found, strict=True))
        at_most = f", {highest:.0f}/s on one core" if highest else ""
        print(f"{name:<14} {cpu_us:.0f} us CPU each{at_most} (medians of {len(found)})")


if __name__ == "__main__":
    main()
