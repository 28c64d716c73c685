"""Nodes of a cluster restart under load, one after the other:

    python tests/interop/node_restart.py --rate 300 --registrations 1000 --lines 100000

Real processes: PostgreSQL, two nodes, the edge of deploy/. Phones register and call each other all
the time while each node is drained, stopped and started (--how drain), stopped at once (--how stop)
or killed with -9 and started again (--how kill). Outcomes are counted by their kind. No call may
come to nothing, no registration be refused, no binding of a phone vanish; a node that is ready may
leave nobody without an answer for more than 100 ms, beside what the machine does to any process.
Calls that talk when their node is stopped at once or killed are cut off: the phones hear BYE.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

import postgresql
import stalls
from cluster import NAMES, Cluster
from crowd import Crowd
from node_deaths import until
from node_rollover import state
from processor import Processor
from sqlalchemy import text
from switchboard import LINES

from benchmarks.lines import fill
from billing.stores.store import Store

RING_SECONDS = 0.5
TALK_SECONDS = 3.0
STATIONS = 200
PORTS = ("20000-26399", "26400-32767")
"""For the sound of 1,600 calls at each node, below the ports that the system gives away."""
SETTLES_SECONDS = 10.0
"""How long the nodes are loaded before the first restart and after each."""
STALL_MS = 100.0
ATTEMPTS = 5
ENDS = {
    "drain": {"good"},
    "stop": {"good", "cut off"},
    "kill": {"good", "cut off", "BYE 408 Request Timeout", "refused 503 Node Died"},
}
"""The ends that calls may have. Those of a node that is killed end with it: the edge says so to a
caller whose call rings, and to one who hangs up before the other node does. Where a phone is
answered between the death and the edge's notice of it, or in the moment before the answer is on the
disk, it hears nothing: it gives up by itself, by want of an ACK after 32 s or by want of sound."""


class Watch:
    """The bindings of the phones in the database, counted all the time."""

    def __init__(self, store: Store, phones: int) -> None:
        self._store = store
        self.phones = phones
        self.fewest = phones

    def count(self) -> int:
        with self._store.engine.connect() as connection:
            return connection.execute(
                text("SELECT count(DISTINCT aor) FROM bindings WHERE expires_at > :now"),
                {"now": time.time()},
            ).scalar_one()

    async def go_on(self) -> None:
        while True:
            self.fewest = min(self.fewest, await asyncio.to_thread(self.count))
            await asyncio.sleep(0.5)


async def restart(cluster: Cluster, name: str, how: str) -> tuple[float, float]:
    """Restart a node; when it was ready and when the edge used it (epoch seconds)."""
    other = next(each for each in NAMES if each != name)
    node = cluster.nodes[name]
    match how:
        case "drain":
            await asyncio.to_thread(cluster.nodes[other].ask, "node_drain", node=name)
            await until(lambda: state(cluster, other, name) == ("draining", 0), "it is empty", 60)
            assert await asyncio.to_thread(node.stop) == 0
        case "stop":
            await asyncio.to_thread(node.stop)
        case _:
            await asyncio.to_thread(node.stop, signal.SIGKILL)
            await asyncio.sleep(3.0)  # as a supervisor waits
    await asyncio.to_thread(node.start)
    ready = time.time()
    await until(lambda: cluster.serving() == set(NAMES), "the edge uses it again", 120)
    return ready, time.time()


async def crowded(cluster: Cluster, given: argparse.Namespace) -> Crowd:
    """All phones, registered; those that are refused while the nodes begin come again."""
    edge = ("127.0.0.10", cluster.port)
    hosts = [f"127.1.{place // 200}.{place % 200 + 1}" for place in range(STATIONS)]
    crowd = Crowd(edge, hosts, ring_seconds=RING_SECONDS, talk_seconds=TALK_SECONDS)
    await crowd.start([(f"line{n}", f"+995{n:09d}") for n in range(1, given.phones + 1)])
    for _ in range(ATTEMPTS):
        await crowd.register_all(given.registrations)
        registrations = dict(crowd.registrations)
        print(f"registered: {registrations}", flush=True)
        crowd.forget()
        if set(registrations) == {"200"}:
            return crowd
    raise AssertionError("the machine doesn't bear so many registrations")


async def restarts(
    cluster: Cluster,
    crowd: Crowd,
    slow: stalls.Stalls,
    processor: Processor,
    given: argparse.Namespace,
) -> float:
    """Restart each node; the longest that one left a request beside what the machine did (ms)."""
    addresses = [f"{node.host}:{node.port}" for node in cluster.nodes.values()]
    worst = 0.0
    for name, address in [*zip(NAMES, addresses, strict=True)] * given.rounds:
        before = processor.ticks.copy()
        ready, used = await restart(cluster, name, given.how)
        print(f"restarting: {processor.since(before)}", flush=True)
        before = processor.ticks.copy()
        await asyncio.sleep(SETTLES_SECONDS)
        longest = {each: slow.longest_ms(each, ready, time.time()) for each in addresses}
        machine = slow.longest_ms("machine", ready, time.time())
        worst = max(worst, max(longest.values()) - machine)
        print(
            f"{time.strftime('%H:%M:%S')} {name} was ready, and in use {used - ready:.1f} s later; "
            f"it left a request for at most {longest.pop(address):.0f} ms since, the other for "
            f"{max(longest.values()):.0f}, the machine itself for {machine:.0f}; calls "
            f"{dict(crowd.calls)}, registrations {dict(crowd.registrations)}; "
            f"{processor.since(before)}",
            flush=True,
        )
    return worst


async def run(given: argparse.Namespace, folder: Path, url: str) -> None:
    cluster = Cluster(folder, url, {"ana": (LINES["ana"][0], "1000")}, GUARD__BUSY_MS="400")
    for name, ports in zip(NAMES, PORTS, strict=True):
        cluster.nodes[name].environment["SOFTSWITCH_MEDIA__PORTS"] = ports
    store = Store(url)
    fill(store.engine, given.lines, "127.0.0.1", 1_000_000_000)
    addresses = [f"{node.host}:{node.port}" for node in cluster.nodes.values()]
    began = time.time()
    with cluster.running(), stalls.watched(addresses) as slow:
        took = time.time() - began
        print(f"{given.lines} lines: both nodes ready after {took:.1f} s", flush=True)
        await until(lambda: cluster.serving() == set(NAMES), "both nodes serve", 60)
        crowd = await crowded(cluster, given)
        watch = Watch(store, given.phones)
        counting = asyncio.create_task(watch.go_on())
        processor = Processor(folder)
        measuring = asyncio.create_task(processor.go_on())
        crowd.load(given.rate, given.registrations, given.seed)
        await asyncio.sleep(SETTLES_SECONDS)
        print(f"both nodes: {processor.since(Counter())}")
        before = {each: slow.longest_ms(each, began + took, time.time()) for each in slow.found}
        print(f"before: a request was left for at most, ms: {before}", flush=True)
        worst = await restarts(cluster, crowd, slow, processor, given)
        await crowd.stop()
        counting.cancel()
        measuring.cancel()
        print(f"the edge's memory: {' '.join(cluster.ask_edge('core.shmmem').split())}")
        report(crowd, watch, store, given.how)
        crowd.close()
    store.close()
    assert worst <= STALL_MS, f"a node left a request for {worst:.0f} ms"


def report(crowd: Crowd, watch: Watch, store: Store, how: str) -> None:
    """Say the figures, and fail if anything is amiss."""
    stations = crowd.stations
    left = sum(len(station.taken) for station in stations)
    unacknowledged = sum(station.unacknowledged for station in stations)
    now, books = watch.count(), store.verify()
    print(f"calls {dict(crowd.calls)}; registrations {dict(crowd.registrations)}")
    print(f"rang {sum(station.rang for station in stations)}, never ended {left}, never "
          f"acknowledged {unacknowledged}, requests sent again "
          f"{sum(station.sent_again for station in stations)}, slowest answer "
          f"{crowd.slowest_answer_seconds:.1f} s")  # fmt: skip
    print(f"bindings: at the least {watch.fewest} of {watch.phones}, now {now}; "
          f"books {books or 'exact'}")  # fmt: skip
    for trouble in crowd.troubles[:20]:
        print(f"  {trouble}")
    assert set(crowd.calls) <= ENDS[how] and set(crowd.registrations) == {"200"}
    assert (watch.fewest, now) == (watch.phones, watch.phones)
    died = crowd.calls["refused 503 Node Died"] if how == "kill" else 0
    assert left + unacknowledged <= died, (left, unacknowledged, died)
    assert books == []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=20.0, help="calls a second")
    parser.add_argument("--registrations", type=float, default=50.0, help="REGISTERs a second")
    parser.add_argument("--lines", type=int, default=100_000, help="in the database")
    parser.add_argument("--phones", type=int, default=2_000, help="of them, that are registered")
    parser.add_argument("--rounds", type=int, default=1, help="restarts of both nodes")
    parser.add_argument("--how", choices=("drain", "stop", "kill"), default="drain")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="restart"))
    with postgresql.server({"shared_buffers": "128MB"}) as url:
        asyncio.run(run(given, folder, url))
    shutil.rmtree(folder)  # which stays if anything failed


if __name__ == "__main__":
    main()
