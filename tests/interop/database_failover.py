"""The database of a cluster dies under load, and its standby is promoted:

    python tests/interop/database_failover.py --away 8

Real processes: a PostgreSQL primary with a synchronous standby, two nodes, the edge of deploy/. No
payment, call or record that was acknowledged may be missing afterwards; calls that talk go on; new
ones are refused with 503 until the standby takes writes, and are admitted within 30 s of that.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
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
from switchboard import BEKA, LINES

from billing.stores.store import Store

LONG_CALLS = 20
TALK_SECONDS = 1.0
BACK_SECONDS = 30.0


class Server:
    """One PostgreSQL server in a folder, reached by a socket in it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        owner = pwd.getpwnam(postgresql.OWNER)
        os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self.programs = postgresql.binaries()
        self.process: subprocess.Popen | None = None

    def run(self, *command: object) -> None:
        subprocess.run(
            [str(part) for part in command], check=True, capture_output=True, cwd=self.folder,
            user=postgresql.OWNER,
        )  # fmt: skip

    def create(self) -> None:
        self.run(self.programs / "initdb", "-D", self.folder / "data", "-U", postgresql.OWNER,
                 "-A", "trust", "-E", "UTF8", "--locale=C", "-N")  # fmt: skip

    def copy_of(self, primary: Server) -> None:
        self.run(self.programs / "pg_basebackup", "-D", self.folder / "data", "-h",
                 primary.folder, "-U", postgresql.OWNER, "-R", "-X", "stream")  # fmt: skip

    def start(self, **settings: str) -> None:
        chosen = {"listen_addresses": "", "max_connections": "60", "shared_buffers": "16MB",
                  "hot_standby": "on"} | settings  # fmt: skip
        options = [f"-c{key}={value}" for key, value in chosen.items()]
        with open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder,
                 *options],
                stdout=log, stderr=log, cwd=self.folder, user=postgresql.OWNER,
                start_new_session=True,
            )  # fmt: skip
        postgresql._wait(self.process, self.folder)

    def kill(self) -> None:
        """As a machine that loses its power."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def promote(self) -> None:
        self.run(self.programs / "pg_ctl", "promote", "-w", "-D", self.folder / "data")


class Traffic:
    """Long calls, short calls and payments."""

    def __init__(self, cluster: Cluster) -> None:
        edge = ("127.0.0.10", cluster.port)
        self.cluster = cluster
        self.ana = StackPhone("ana", "127.0.0.21", edge)
        self.beka = StackPhone("beka", "127.0.0.22", edge)
        self.cira = StackPhone("cira", "127.0.0.23", edge)
        self.outcomes: list[tuple[float, float, int]] = []
        """Of short calls: placed, decided, status."""
        self.answered: set[str] = set()
        self.paid: set[str] = set()
        self.unpaid = 0
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        for phone in (self.ana, self.beka, self.cira):
            await phone.start()
            assert await phone.register() == 200
        finals = [self.ana.call(BEKA)[1] for _ in range(LONG_CALLS)]
        assert await asyncio.gather(*finals) == [200] * LONG_CALLS
        for work in (self._short_calls(), self._payments()):
            self._spawn(work)

    def _spawn(self, work) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        self._stopping = True
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _short_calls(self) -> None:
        while not self._stopping:
            self._spawn(self._short_call())
            await asyncio.sleep(0.25)

    async def _short_call(self) -> None:
        placed = time.monotonic()
        session, final = self.cira.call(BEKA)
        status = await final
        self.outcomes.append((placed, time.monotonic(), status))
        if status == 200:
            self.answered.add(session.dialog.call_id)
            await asyncio.sleep(TALK_SECONDS)
            self.cira.end(session)

    async def _payments(self) -> None:
        number = 0
        while not self._stopping:
            number += 1
            key, node = f"pay{number}", self.cluster.nodes[NAMES[number % 2]]
            try:
                await asyncio.to_thread(
                    node.ask, "account_topup", account="1", amount="1", payment_id=key
                )
            except Exception:
                self.unpaid += 1
            else:
                self.paid.add(key)
            await asyncio.sleep(0.1)


def check_books(store: Store, traffic: Traffic, cluster: Cluster) -> None:
    entries = {entry.transaction_id for entry in store.ledger(1)}
    missing = [key for key in traffic.paid if f"payment:{key}" not in entries]
    known = {cdr.sip_call_id for cdr in store.cdrs()}
    lost = traffic.answered - known
    journalled = set()
    for node in cluster.nodes.values():
        for path in (node.folder / "var" / "cdr").glob("*"):
            rows = map(json.loads, path.read_text().splitlines())
            journalled |= {str(row.get("id") or row["call_id"]) for row in rows}
    print(f"payments acknowledged {len(traffic.paid)}, missing {len(missing)}, failed aloud "
          f"{traffic.unpaid}; calls answered {len(traffic.answered)}, without a record "
          f"{len(lost)}; "
          f"journal lines {len(journalled)}; books {store.verify() or 'exact'}")  # fmt: skip
    assert not missing and not lost and store.verify() == []


async def run(away: float, folder: Path, primary: Server, standby: Server) -> None:
    url = (f"postgresql://{postgresql.OWNER}@/postgres?host={primary.folder}"
           f"&host={standby.folder}&target_session_attrs=read-write&connect_timeout=3")  # fmt: skip
    lines = {login: (LINES[login][0], "1000") for login in ("ana", "beka", "cira")}
    home = folder / "cluster"
    home.mkdir()
    cluster = Cluster(home, url, lines, CONFERENCE__MAX_OUTGOING="200")
    with cluster.running():
        await until(lambda: cluster.serving() == set(NAMES), "both nodes serve")
        traffic = Traffic(cluster)
        await traffic.start()
        await asyncio.sleep(5.0)
        died_at = time.monotonic()
        await asyncio.to_thread(primary.kill)
        await asyncio.sleep(away)
        await asyncio.to_thread(standby.promote)
        promoted_at = time.monotonic()
        await until(
            lambda: any(placed > promoted_at and status == 200
                        for placed, _, status in traffic.outcomes),
            "a call is admitted", BACK_SECONDS,
        )  # fmt: skip
        back = min(at for placed, at, status in traffic.outcomes
                   if placed > promoted_at and status == 200)  # fmt: skip
        await asyncio.sleep(12.0)
        await traffic.stop()
        during = Counter(status for placed, _, status in traffic.outcomes
                         if died_at + 3.5 < placed < promoted_at)  # fmt: skip
        later = Counter(status for placed, _, status in traffic.outcomes if placed > back + 2.0)
        talking = len(traffic.ana.talking)
        print(f"away {promoted_at - died_at:.1f} s; calls placed meanwhile {dict(during)}; first "
              f"answer {back - promoted_at:.1f} s after the promotion; later {dict(later)}; "
              f"{talking} of {LONG_CALLS} calls talk on")  # fmt: skip
        traffic.ana.hang_up()
        store = Store(url)
        await until(lambda: not store.live_calls(), "all calls are over")
        await until(lambda: len({c.sip_call_id for c in store.cdrs()} & traffic.answered)
                    == len(traffic.answered), "all records")  # fmt: skip
        check_books(store, traffic, cluster)
        assert talking == LONG_CALLS and set(during) <= {503} and set(later) == {200}
        store.close()
        for phone in (traffic.ana, traffic.beka, traffic.cira):
            await phone.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--away", type=float, default=8.0, help="seconds until the promotion")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="failover"))
    folder.chmod(0o755)
    primary, standby = Server(folder, "primary"), Server(folder, "standby")
    primary.create()
    primary.start(wal_level="replica", max_wal_senders="5")
    standby.copy_of(primary)
    standby.start()
    # From here on a commit is acknowledged when both disks have it.
    with contextlib.closing(Store(f"postgresql://{postgresql.OWNER}@/postgres?host="
                                  f"{primary.folder}")) as store:  # fmt: skip
        connection = store.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        connection.close()
    try:
        asyncio.run(run(given.away, folder, primary, standby))
    finally:
        for server in (primary, standby):
            if server.process.poll() is None:
                os.killpg(server.process.pid, signal.SIGKILL)
    shutil.rmtree(folder)  # which stays if anything failed


if __name__ == "__main__":
    main()
