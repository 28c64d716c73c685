"""Conference rooms: the number of members that one worker mixes on its core, and the lateness of
its ticks.

Each member sends a packet every 20 ms, is decoded, mixed with the others of the room, encoded again
and sent its mix. All of them speak at once, which costs more than members who listen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from benchmarks.machine import Cores, cpu_seconds, describe, pin
from benchmarks.relays import HOST, PORTS
from benchmarks.rtp_generator import Traffic
from rtp.client import MediaWorkers
from rtp.session import MediaSession

TICKS_A_SECOND = 50
MAX_LOSS_PERCENT = 0.1
MAX_LATE_P999_MS = 20.0
"""A tick that begins when the next one is due."""


async def measure(people: int, each: int, seconds: float, cores: Cores) -> None:
    """Measure a number of members, in rooms of `each`, in a fresh worker."""
    media = MediaWorkers(HOST, PORTS)
    await media.start()
    (pid,) = media.pids
    pin(cores.switch, pid)
    sessions: list[MediaSession] = []
    generator = await _generator(cores.generator)
    assert generator.stdin is not None
    assert generator.stdout is not None

    async def tell(what: dict[str, object]) -> None:
        assert generator.stdin is not None
        generator.stdin.write(json.dumps(what).encode() + b"\n")
        await generator.stdin.drain()

    await tell({"host": HOST, "calls": people // 2, "voices": True})
    phones = [port for pair in json.loads(await generator.stdout.readline()) for port in pair]
    for number, port in enumerate(phones):
        session = await media.open_alone(HOST)
        session.set_remote("a", HOST, port, port + 1, "sendrecv")
        session.hear("a", "room", 1 + number // each)
        sessions.append(session)
    targets = [session.a_port for session in sessions]
    await tell({"targets": list(zip(targets[::2], targets[1::2], strict=True)), "seconds": seconds})
    await generator.stdout.readline()
    ((_, before),) = (await media.tick_figures()).items()
    used = cpu_seconds([pid])
    await generator.stdout.readline()
    # Not of the time before, in which they all came in.
    ((_, after),) = (await media.tick_figures(seconds)).items()
    used = cpu_seconds([pid]) - used
    traffic = Traffic(**json.loads(await generator.stdout.readline()))
    await generator.wait()
    figures = await asyncio.gather(*(session.close() for session in sessions))
    await media.close()
    lost, expected = (sum(getattr(one.a, name) for one in figures) for name in ("lost", "expected"))
    ticks = max(1, after.ticks - before.ticks)
    share = used / ticks * TICKS_A_SECOND
    holds = (
        lost <= expected * MAX_LOSS_PERCENT / 100
        and after.skipped == before.skipped
        and after.p999_ms <= MAX_LATE_P999_MS
    )
    print(
        f"{people} people in rooms of {each}: {used / ticks / people * 1e6:.2f} us of CPU each a"
        f" tick, {share:.0%} of a core, so {people / share:.0f} a core; ticks late by p50"
        f" {after.p50_ms:.2f} p99 {after.p99_ms:.2f} p99.9 {after.p999_ms:.2f} ms,"
        f" {after.skipped - before.skipped} skipped of {ticks}; {lost} of {expected} packets lost;"
        f" {traffic.received / seconds:.0f} packets/s heard; {'holds' if holds else 'too many'}",
        flush=True,
    )


async def _generator(core: int | None) -> asyncio.subprocess.Process:
    arguments = [] if core is None else ["--core", str(core)]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.rtp_generator", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.conference", description=__doc__)
    parser.add_argument("--people", type=int, nargs="+", default=[300, 600, 900, 1200, 1500])
    parser.add_argument("--each", type=int, default=5, help="people in a room")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--quick", action="store_true", help="a few seconds, for a first look")
    arguments = parser.parse_args()
    print(describe())
    for people in [100] if arguments.quick else arguments.people:
        seconds = 3.0 if arguments.quick else arguments.seconds
        asyncio.run(measure(people, arguments.each, seconds, Cores.pick()))


if __name__ == "__main__":
    main()
