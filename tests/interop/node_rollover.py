"""A rolling upgrade of a cluster under load: each node is drained, stopped and started again.

    python tests/interop/node_rollover.py --rate 5 --rounds 2

Real processes: PostgreSQL, two nodes, the edge of deploy/. Calls begin all the time and talk for
two seconds, and phones register again every second. No call may fail or be cut off, no registration
may be refused, and the books have a record for each call.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import postgresql
from cluster import NAMES, Cluster
from node_deaths import until
from stack_phone import StackPhone
from switchboard import LINES

from billing.stores.store import Store

TALK_SECONDS = 2.0
BEKA = LINES["beka"][0]


class Load:
    """Calls and registrations that go on until they are told to stop."""

    def __init__(self, port: int, rate: float) -> None:
        edge = ("127.0.0.10", port)
        self.ana = StackPhone("ana", "127.0.0.21", edge)
        self.beka = StackPhone("beka", "127.0.0.22", edge)
        self.rate = rate
        self.statuses: Counter[int] = Counter()
        self.registered: Counter[int] = Counter()
        self.cut_off = 0
        self.slowest_s = 0.0
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        for phone in (self.ana, self.beka):
            await phone.start()
            assert await phone.register() == 200
        self._spawn(self._calls())
        self._spawn(self._registrations())

    async def stop(self) -> None:
        self._stopping = True
        while self._tasks:
            await asyncio.wait(self._tasks)
        for phone in (self.ana, self.beka):
            await phone.close()

    def _spawn(self, work) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _calls(self) -> None:
        while not self._stopping:
            self._spawn(self._call())
            await asyncio.sleep(1 / self.rate)

    async def _call(self) -> None:
        began = time.monotonic()
        session, final = self.ana.call(BEKA)
        status = await asyncio.wait_for(final, 40)
        self.statuses[status] += 1
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        if status == 200:
            await asyncio.sleep(TALK_SECONDS)
            self.cut_off += not self.ana.end(session)

    async def _registrations(self) -> None:
        while not self._stopping:
            for phone in (self.ana, self.beka):
                self.registered[await phone.register()] += 1
            await asyncio.sleep(1.0)


def state(cluster: Cluster, by: str, name: str) -> tuple[str, int]:
    rows = cluster.nodes[by].ask("node_list")
    row = next(row for row in rows if row["node"] == name)
    return row["state"], row["calls"]


async def roll(cluster: Cluster, name: str) -> float:
    """Drain, stop and start a node; the seconds until it was empty."""
    other = next(each for each in NAMES if each != name)
    began = time.monotonic()
    await asyncio.to_thread(cluster.nodes[other].ask, "node_drain", node=name)
    await until(lambda: state(cluster, other, name) == ("draining", 0), "it is empty", 60)
    empty = time.monotonic() - began
    assert await asyncio.to_thread(cluster.nodes[name].stop) == 0
    assert state(cluster, other, name) == ("stopped", 0)
    await asyncio.to_thread(cluster.nodes[name].start)
    await until(lambda: cluster.serving() == set(NAMES), "the edge uses it again", 60)
    return empty


async def run(rate: float, rounds: int, folder: Path, url: str) -> None:
    lines = {login: (LINES[login][0], "1000") for login in ("ana", "beka")}
    cluster = Cluster(folder, url, lines, CONFERENCE__MAX_OUTGOING="200")
    with cluster.running():
        await until(lambda: cluster.serving() == set(NAMES), "both nodes serve")
        load = Load(cluster.port, rate)
        await load.start()
        await asyncio.sleep(3.0)
        for _ in range(rounds):
            for name in NAMES:
                empty = await roll(cluster, name)
                print(f"{name}: empty after {empty:.1f} s, calls so far {dict(load.statuses)}, "
                      f"{load.cut_off} cut off", flush=True)  # fmt: skip
                await asyncio.sleep(2.0)
        await load.stop()
        store = Store(url)
        await until(lambda: not store.live_calls(), "all calls are over")
        answered = [cdr for cdr in store.cdrs() if cdr.answered_at is not None]
        print(f"calls {dict(load.statuses)}, cut off {load.cut_off}, records {len(answered)}, "
              f"slowest answer {load.slowest_s:.2f} s; registrations {dict(load.registered)}; "
              f"books {store.verify() or 'exact'}")  # fmt: skip
        assert set(load.statuses) == {200} and set(load.registered) == {200}
        assert load.cut_off == 0 and len(answered) == load.statuses[200]
        assert store.verify() == []
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=5.0, help="calls a second")
    parser.add_argument("--rounds", type=int, default=1, help="upgrades of both nodes")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rollover"))
    with postgresql.server() as url:
        asyncio.run(run(given.rate, given.rounds, folder, url))
    shutil.rmtree(folder)  # which stays if anything failed


if __name__ == "__main__":
    main()
