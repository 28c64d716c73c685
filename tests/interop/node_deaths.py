"""kill -9 of a node of a cluster in the middle of its calls, again and again:

    python tests/interop/node_deaths.py --rounds 50

Real processes: PostgreSQL, two nodes, the edge of deploy/. After each death the phones of all its
calls have to hear BYE and the records to be there within 10 s, a phone has to answer a new call
within 5 s, and the calls of the other node go on. At the end the books add up: one record for each
call that was answered, and none is billed beyond what was proven.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import postgresql
from cluster import NAMES, Cluster
from stack_phone import StackPhone
from switchboard import LINES

from billing.stores.store import Store

CALLS = 40
"""Placed in each round; the edge spreads them over both nodes, so that about half die."""
BEKA = LINES["beka"][0]
CIRA = LINES["cira"][0]
TRY_SECONDS = 0.25
"""The interval of calls after a death."""
WITHIN_SECONDS = 10.0
ANSWERS_SECONDS = 5.0


@dataclass
class Death:
    """What came of one."""

    node: str
    calls: int
    byes_s: float
    """Until the last phone had heard BYE."""
    records_s: float
    answered_s: float
    """From the death to the answer of the first call that was placed after it."""
    slowest_call_s: float
    """The longest that one of these calls waited for its answer."""
    refused: list[int]
    bystanders: int
    """Calls of the other node, which went on."""


class Deaths:
    """Rounds of calls and deaths."""

    def __init__(self, cluster: Cluster, store: Store, rng: random.Random) -> None:
        self.cluster = cluster
        self.store = store
        self.rng = rng
        edge = ("127.0.0.10", cluster.port)
        self.ana = StackPhone("ana", "127.0.0.21", edge)
        self.beka = StackPhone("beka", "127.0.0.22", edge)
        self.cira = StackPhone("cira", "127.0.0.23", edge)
        self.answered = 0

    async def start(self) -> None:
        for phone in (self.ana, self.beka, self.cira):
            await phone.start()
            assert await phone.register() == 200
        await until(lambda: self.cluster.serving() == set(NAMES), "both nodes serve")
        await asyncio.sleep(1.0)  # registrations reach the other node when they are written

    async def round(self, number: int) -> Death:
        victim = NAMES[number % 2]
        finals = [self.ana.call(BEKA)[1] for _ in range(CALLS)]
        statuses = await asyncio.gather(*finals)
        assert statuses == [200] * CALLS, statuses
        self.answered += CALLS
        await until(lambda: len(self.beka.talking) == CALLS, "all talk")
        await asyncio.sleep(self.rng.uniform(0.2, 4.0))
        doomed = {call.call_id for call in self.store.live_calls(victim)}
        talking = set(self.ana.talking) | set(self.beka.talking)
        died_at = time.monotonic()
        self.cluster.kill(victim)
        answered_s, slowest, refused = await self._until_reachable(died_at)
        await until(lambda: not self.store.live_calls(victim), "the records", WITHIN_SECONDS)
        records_s = time.monotonic() - died_at
        await until(
            lambda: len(self._hung_up(talking)) >= 2 * len(doomed), "BYE at both ends",
            WITHIN_SECONDS,
        )  # fmt: skip
        byes = self._hung_up(talking)
        bystanders = CALLS - len(doomed)
        assert len(self.ana.talking) == bystanders, (len(self.ana.talking), bystanders)
        self._check_records(doomed, died_at)
        self.ana.hang_up()
        self.cira.hang_up()
        await until(lambda: not self.store.live_calls(), "the others are over")
        assert self.store.verify() == []
        self.cluster.nodes[victim].start()
        await until(lambda: self.cluster.serving() == set(NAMES), "it serves again", 30)
        return Death(
            victim, len(doomed), max(byes, default=died_at) - died_at, records_s, answered_s,
            slowest, refused, bystanders,
        )  # fmt: skip

    def _hung_up(self, talking: set[str]) -> list[float]:
        """When BYE came, at either end of calls that went on when the node died."""
        return [
            at for phone in (self.ana, self.beka) for key, at in phone.ended.items()
            if key in talking
        ]  # fmt: skip

    async def _until_reachable(self, died_at: float) -> tuple[float, float, list[int]]:
        """Cira calls Beka every quarter of a second, whichever node the edge chooses."""
        calls: list[asyncio.Task[tuple[float, float, int]]] = []
        while time.monotonic() - died_at < ANSWERS_SECONDS - 1:
            calls.append(asyncio.create_task(self._try()))
            await asyncio.sleep(TRY_SECONDS)
        tried = await asyncio.gather(*calls)
        answers = [at for _, at, status in tried if status == 200]
        self.answered += len(answers)
        waited = max(at - placed for placed, at, status in tried if status == 200)
        refused = [status for _, _, status in tried if status != 200]
        return min(answers) - died_at, waited, refused

    async def _try(self) -> tuple[float, float, int]:
        placed = time.monotonic()
        status = await asyncio.wait_for(self.cira.call(BEKA)[1], WITHIN_SECONDS)
        return placed, time.monotonic(), status

    def _check_records(self, doomed: set[str], died_at: float) -> None:
        records = {cdr.call_id: cdr for cdr in self.store.cdrs() if cdr.call_id in doomed}
        assert records.keys() == doomed
        assert {cdr.ended_by for cdr in records.values()} <= {"restart"}
        wall_died_ms = round((time.time() - (time.monotonic() - died_at)) * 1000)
        for cdr in records.values():
            assert cdr.recovered and cdr.ended_at <= wall_died_ms + 50
            assert cdr.billed_seconds * 1000 <= cdr.duration_ms + 1000


async def until(true, what: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not await asyncio.to_thread(true):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.05)


async def run(rounds: int, seed: int, folder: Path, url: str) -> None:
    lines = {login: (LINES[login][0], "1000") for login in ("ana", "beka", "cira")}
    cluster = Cluster(folder, url, lines, CONFERENCE__MAX_OUTGOING="200")
    with cluster.running():
        store = Store(url)
        deaths = Deaths(cluster, store, random.Random(seed))
        await deaths.start()
        found: list[Death] = []
        for number in range(rounds):
            found.append(await deaths.round(number))
            print(number + 1, found[-1], flush=True)
        assert len(store.cdrs()) >= deaths.answered
        answered = [cdr for cdr in store.cdrs() if cdr.answered_at is not None]
        assert len(answered) == deaths.answered, (len(answered), deaths.answered)
        spent = sum(cdr.price_micros for cdr in answered)
        held = store.accounts()
        left = sum(account.balance_micros for account in held)
        assert left == 3 * 1_000_000_000 - spent and not any(a.reserved_micros for a in held)
        store.close()
        for phone in (deaths.ana, deaths.beka, deaths.cira):
            await phone.close()
    report(found, deaths.answered)


def report(found: list[Death], answered: int) -> None:
    def figures(name: str) -> str:
        values = [getattr(death, name) for death in found]
        return f"median {statistics.median(values):.2f}, longest {max(values):.2f}"

    print(
        f"\n{len(found)} deaths in {sum(d.calls for d in found)} calls; {answered} answered calls,"
    )
    print(f"as many records; {sum(d.bystanders for d in found)} calls of the other node went on")
    print(f"s until the last phone heard BYE    {figures('byes_s')}")
    print(f"s until the records were written    {figures('records_s')}")
    print(f"s a call placed meanwhile waited    {figures('slowest_call_s')}")
    print(f"calls refused after a death         {sum(len(d.refused) for d in found)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="deaths"))
    with postgresql.server() as url:
        asyncio.run(run(given.rounds, given.seed, folder, url))
    shutil.rmtree(folder)  # which stays if anything failed


if __name__ == "__main__":
    main()
