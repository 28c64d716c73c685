"""Announcements at once: how late their ticks are, and what a tick of one costs.

A worker plays a prompt over and over to callers who send nothing; what it sends goes to one socket
that throws it away.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.machine import cpu_seconds, describe
from rtp.client import MediaWorkers
from rtp.control import PlayItem
from rtp.wav import file_bytes

HOST = "127.0.0.1"
TICKS_A_SECOND = 50


async def measure(callers: int, seconds: float, media: MediaWorkers, prompt: Path) -> None:
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind((HOST, 0))
    sessions = []
    for _ in range(callers):
        session = await media.open_alone(HOST)
        session.set_remote("a", *sink.getsockname(), 9, "sendrecv")
        session.hear("a", "prompts")
        session.play("a", [PlayItem(file=str(prompt))], repeat=True)
        sessions.append(session)
    await asyncio.sleep(1.0)
    ((pid, before),) = (await media.tick_figures()).items()
    used = cpu_seconds([pid])
    await asyncio.sleep(seconds)
    ((_, after),) = (await media.tick_figures(seconds)).items()
    ticks = after.ticks - before.ticks
    cost = (cpu_seconds([pid]) - used) / max(ticks, 1) / callers
    print(
        f"{callers} announcements, {ticks} ticks, {after.skipped - before.skipped} skipped: late by"
        f" p50 {after.p50_ms:.2f} p99 {after.p99_ms:.2f} p99.9 {after.p999_ms:.2f}"
        f" worst {after.worst_ms:.2f} ms; {cost * 1e6:.2f} us of CPU each a tick,"
        f" {cost * callers * TICKS_A_SECOND:.0%} of a core"
    )
    await asyncio.gather(*(session.close() for session in sessions))
    sink.close()


async def run(callers: list[int], seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        prompt = Path(folder) / "prompt.wav"
        time = np.arange(8000 * 5) / 8000
        prompt.write_bytes(file_bytes((6000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)))
        for count in callers:
            media = MediaWorkers(HOST, (20_000, 29_999))
            await media.start()
            await measure(count, seconds, media, prompt)
            await media.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, nargs="+", default=[100, 500, 1000])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--quick", action="store_true", help="a few seconds, for a first look")
    arguments = parser.parse_args()
    print(describe())
    asyncio.run(run(arguments.callers, 5.0 if arguments.quick else arguments.seconds))


if __name__ == "__main__":
    main()
