"""A node loses its database while the other keeps it, and finds it again:

    python tests/interop/node_split.py --away 20

Real processes: PostgreSQL, two nodes, the edge of deploy/. Node two reaches the database by a relay
that swallows everything for a while, as a broken network does. It has to refuse calls before its
own may be taken, the other node ends them, and no call is billed or owned twice.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

import postgresql
from cluster import NAMES, Cluster
from node_deaths import until
from stack_phone import StackPhone
from switchboard import BEKA, LINES

from billing.stores.store import Store

CALLS = 20
SOCKET = ".s.PGSQL.5432"


class Relay:
    """A way to the database that can be cut: then nothing arrives, and nothing is refused."""

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder = folder
        self._server = server
        self.open = asyncio.Event()
        self.open.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await asyncio.start_unix_server(self._accept, self.folder / SOCKET)

    async def _accept(self, reader, writer) -> None:
        await self.open.wait()
        there, back = await asyncio.open_unix_connection(self._server / SOCKET)
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, source, target) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                await self.open.wait()
                target.write(data)
        target.close()


async def run(away: float, folder: Path, url: str) -> None:
    relay = Relay(folder / "relay", Path(parse_qs(urlsplit(url).query)["host"][0]))
    relay.folder.mkdir()
    await relay.start()
    lines = {login: (LINES[login][0], "1000") for login in ("ana", "beka", "cira")}
    home = folder / "cluster"
    home.mkdir()
    settings = {"CONFERENCE__MAX_OUTGOING": "200", "MEDIA__SILENCE_SECONDS": "600"}
    cluster = await asyncio.to_thread(lambda: Cluster(home, url, lines, **settings))
    two = cluster.nodes["two"]
    two.environment["SOFTSWITCH_DATABASE__URL"] = (
        f"postgresql://postgres@/postgres?host={relay.folder}"
    )
    await asyncio.to_thread(cluster.start)
    try:
        await until(lambda: cluster.serving() == set(NAMES), "both nodes serve")
        await split(away, cluster, relay, url)
    finally:
        relay.open.set()
        await asyncio.to_thread(stop, cluster)


async def split(away: float, cluster: Cluster, relay: Relay, url: str) -> None:
    edge = ("127.0.0.10", cluster.port)
    ana, beka = StackPhone("ana", "127.0.0.21", edge), StackPhone("beka", "127.0.0.22", edge)
    cira = StackPhone("cira", "127.0.0.23", ("127.0.0.1", cluster.nodes["two"].port))
    for phone in (ana, beka, cira):
        await phone.start()
    for phone in (ana, beka):
        assert await phone.register() == 200
    store = Store(url)
    finals = [ana.call(BEKA)[1] for _ in range(CALLS)]
    assert await asyncio.gather(*finals) == [200] * CALLS
    await asyncio.sleep(2.0)
    cut_off = {call.call_id for call in store.live_calls("two")}
    began = time.monotonic()
    relay.open.clear()
    refused_s = taken_s = None
    while time.monotonic() - began < away:
        now = time.monotonic() - began
        if refused_s is None and await asyncio.to_thread(lambda: "two" not in cluster.serving()):
            refused_s = now
        if taken_s is None and not store.live_calls("two"):
            taken_s = now
        await asyncio.sleep(0.1)
    assert refused_s is not None and taken_s is not None, (refused_s, taken_s)
    ended = list(ana.ended)
    direct = await asyncio.wait_for(cira.call(BEKA)[1], 20)
    through_edge = await asyncio.wait_for(ana.call(BEKA)[1], 20)
    relay.open.set()
    await until(lambda: cluster.serving() == set(NAMES), "node two serves again", 60)
    await until(lambda: not cluster.nodes["two"].ask("call_list"), "and has no call left", 60)
    print(f"{len(cut_off)} of {CALLS} calls at the node that was cut off; the edge passed it over "
          f"after {refused_s:.1f} s, its calls were taken after {taken_s:.1f} s; {len(ended)} "
          f"callers heard BYE by then; a call sent to it straight got {direct}, one by the edge "
          f"{through_edge}")  # fmt: skip
    assert refused_s < taken_s and len(ended) == len(cut_off)
    assert (direct, through_edge) == (503, 200)
    ana.hang_up()
    await until(lambda: not store.live_calls(), "all calls are over")
    await asyncio.sleep(2.0)
    cdrs = [cdr for cdr in store.cdrs() if cdr.answered_at is not None]
    assert len(cdrs) == CALLS + 1 and store.verify() == []
    recovered = {cdr.call_id for cdr in cdrs if cdr.recovered}
    assert recovered == cut_off
    assert not any(account.reserved_micros for account in store.accounts())
    print(f"{len(cdrs)} records of {CALLS + 1} answered calls, {len(recovered)} of them ended at "
          "their last proof of life; books exact")  # fmt: skip
    store.close()
    for phone in (ana, beka, cira):
        await phone.close()


def stop(cluster: Cluster) -> None:
    if cluster.edge is not None:
        cluster.edge.terminate()
        cluster.edge.wait(10)
    for board in cluster.nodes.values():
        if board.process is not None:
            board.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--away", type=float, default=20.0, help="seconds without the database")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="split"))
    os.environ.setdefault("PGUSER", "postgres")
    with postgresql.server() as url:
        asyncio.run(run(given.away, folder, url))
    shutil.rmtree(folder)  # which stays if anything failed


if __name__ == "__main__":
    main()
