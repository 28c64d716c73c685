"""Media relays under load: `python -m benchmarks.relay --calls 100,500,1000`.

Two-way G.711 calls through one worker on one core, 50 packets a second each way from another core
(:mod:`benchmarks.rtp_generator`). Each load is measured with every relay in turn, since figures
compare only within one run: `--relays kernel,relay,epoll,rtpengine`. With `--most` the most calls
of each relay are looked for, at a 99th percentile of the added delay of 5 ms and 0.1 % of loss.

Delay is what the relay adds. Processor time is that of the relay's process: what the kernel tier
costs is spent by whoever receives the packet, here the generator.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass

from benchmarks.machine import Cores, cpu_seconds, resident_bytes
from benchmarks.relays import HOST, Relay, started
from benchmarks.rtp_generator import Traffic

RELAYS = ("kernel", "relay", "epoll", "rtpengine")
MAX_LOSS_PERCENT = 0.1
MAX_DELAY_P99_MS = 5.0
MAX_LATE_P99_MS = 2.0
"""The limit of the generator's own lateness: above it the figures are not the relay's."""
MAX_OFF = 0.1
"""The largest difference between the time over which CPU time is taken and that of the
measurement."""
MOST_FROM, MOST_STEP, MOST_LIMIT = 250, 1.25, 6000


@dataclass(frozen=True, slots=True)
class Measure:
    """One load on one relay."""

    relay: str
    calls: int
    packets_per_second: float
    cpu_us_per_packet: float
    cpu_percent: float
    cpu_percent_per_100_calls: float
    loss_percent: float
    delay_p50_ms: float
    delay_p99_ms: float
    generator_late_p99_ms: float
    resident_bytes_per_call: float

    @property
    def holds(self) -> bool:
        """True if the delay and the loss are acceptable."""
        return self.loss_percent <= MAX_LOSS_PERCENT and self.delay_p99_ms <= MAX_DELAY_P99_MS


async def measure(name: str, calls: int, seconds: float, cores: Cores) -> Measure:
    """One load on a fresh relay.

    Raises:
        LookupError: there is no such relay here.
    """
    async with started(name, cores.switch) as relay:
        before = resident_bytes([relay.pid])
        traffic, cpu, elapsed = await _drive(relay, calls, seconds, cores.generator)
        resident = resident_bytes([relay.pid]) - before
    if abs(elapsed - seconds) > MAX_OFF * seconds:
        cpu = float("nan")  # this process was kept from looking at the clock in time
    return Measure(
        relay=name,
        calls=calls,
        packets_per_second=round(traffic.received / seconds),
        cpu_us_per_packet=round(cpu / max(1, traffic.received) * 1e6, 2),
        cpu_percent=round(100 * cpu / elapsed, 1),
        cpu_percent_per_100_calls=round(100 * cpu / elapsed / calls * 100, 2),
        loss_percent=round(100 * (1 - traffic.received / max(1, traffic.sent)), 3),
        delay_p50_ms=round(traffic.delay_p50_ms, 3),
        delay_p99_ms=round(traffic.delay_p99_ms, 3),
        generator_late_p99_ms=round(traffic.late_p99_ms, 3),
        resident_bytes_per_call=round(resident / calls),
    )


async def _drive(
    relay: Relay, calls: int, seconds: float, core: int | None
) -> tuple[Traffic, float, float]:
    """Run the generator; what it saw, the relay's CPU seconds and the seconds between them."""
    arguments = [] if core is None else ["--core", str(core)]
    generator = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.rtp_generator", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    assert generator.stdin is not None
    assert generator.stdout is not None
    generator.stdin.write(json.dumps({"host": HOST, "calls": calls}).encode() + b"\n")
    targets = await relay.connect(json.loads(await generator.stdout.readline()))
    await asyncio.sleep(0.2)
    order = {"targets": targets, "seconds": seconds}
    generator.stdin.write(json.dumps(order).encode() + b"\n")
    await generator.stdout.readline()
    cpu, begin = cpu_seconds([relay.pid]), time.monotonic()
    await generator.stdout.readline()
    cpu, elapsed = cpu_seconds([relay.pid]) - cpu, time.monotonic() - begin
    traffic = Traffic(**json.loads(await generator.stdout.readline()))
    await generator.wait()
    return traffic, cpu, elapsed


def most(name: str, seconds: float, cores: Cores) -> list[Measure]:
    """Ever more calls, until people wouldn't be content any more, twice in a row."""
    measures = [asyncio.run(measure(name, MOST_FROM, seconds, cores))]
    while measures[-1].calls < MOST_LIMIT:
        calls = round(measures[-1].calls * MOST_STEP)
        measures.append(asyncio.run(measure(name, calls, seconds, cores)))
        if not (measures[-1].holds or measures[-2].holds):
            break
    return measures


def show(result: Measure, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(result)), flush=True)
        return
    late = result.generator_late_p99_ms > MAX_LATE_P99_MS
    print(
        f"{result.relay:9} {result.calls:5} calls: {result.packets_per_second:.0f} packets/s,"
        f" {result.cpu_us_per_packet} us CPU a packet,"
        f" {result.cpu_percent_per_100_calls} % CPU per 100 calls,"
        f" loss {result.loss_percent} %,"
        f" delay p50 {result.delay_p50_ms} ms p99 {result.delay_p99_ms} ms"
        f" (generator late p99 {result.generator_late_p99_ms} ms{', too late' if late else ''}),"
        f" {result.resident_bytes_per_call:.0f} bytes a call",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.relay", description=__doc__)
    parser.add_argument("--calls", default="100,500,1000", help="how many, comma separated")
    parser.add_argument("--relays", default=",".join(RELAYS), help="which, comma separated")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--most", action="store_true", help="look for the most calls of each")
    parser.add_argument("--json", action="store_true", help="a JSON line for each load")
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} cores")
    cores = Cores.pick()
    relays = arguments.relays.split(",")
    if arguments.most:
        for name in relays:
            try:
                for result in most(name, arguments.seconds, cores):
                    show(result, arguments.json)
            except LookupError as why:
                print(f"{name}: {why}", flush=True)
        return
    for calls in map(int, arguments.calls.split(",")):
        for name in relays:
            try:
                show(asyncio.run(measure(name, calls, arguments.seconds, cores)), arguments.json)
            except LookupError as why:
                print(f"{name}: {why}", flush=True)


if __name__ == "__main__":
    main()
