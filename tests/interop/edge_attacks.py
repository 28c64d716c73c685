"""Attackers behind the edge of a cluster, and honest phones beside them:

    python tests/interop/edge_attacks.py --packets 10000 --guesses 100 --seconds 30

Two nodes and the edge of deploy/ in one network namespace, 50 attackers' addresses and the phones'
in another. Scanners send requests that name themselves, guessers try passwords of honest phones.
Scanners must hear nothing, each guesser must end up banned from the lines that it tried, and no
honest phone may notice: neither its calls nor its registrations may fail. Needs root.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

import postgresql
from cluster import HOSTS, Cluster
from crowd import DOMAIN, Crowd, Station, credentials
from namespaces import Machines
from node_deaths import until
from switchboard import LINES

from benchmarks.lines import fill
from billing.stores.store import Store

EDGE = "10.99.0.10"
NODES = dict(zip(HOSTS, ("10.99.0.1", "10.99.0.2"), strict=True))
ATTACKERS = [f"10.97.1.{place}" for place in range(1, 51)]
GUESSERS = 10
"""Of the attackers; the others are scanners."""
PHONES = 200
"""Each at an address of its own."""
DEPLOYED_MESSAGES_IN_2S = 60
SCANNERS = ("friendly-scanner", "sipvicious", "pplsip")


@contextmanager
def network() -> Iterator[Machines]:
    """The operator's machine and the street, on one cable."""
    made = Machines()
    try:
        made.add("operator")
        made.add("street")
        for address in (EDGE, *NODES.values()):
            made.ip("operator", "address", "add", f"{address}/32", "dev", "lo")
        made.cable("operator", ["10.97.0.1/16"], "street", ["10.97.0.2/16"])
        made.ip("street", "route", "add", "10.99.0.0/24", "via", "10.97.0.1")
        for address in (*ATTACKERS, *map(phone_host, range(PHONES))):
            made.ip("street", "address", "add", f"{address}/32", "dev", "lo")
        yield made
    finally:
        made.remove()


def phone_host(place: int) -> str:
    return f"10.97.{2 + place // 200}.{place % 200 + 1}"


@dataclass
class Attack:
    """Scanners and guessers, and what they were answered."""

    edge: tuple[str, int]
    sent: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    tried: set[tuple[str, str]] = field(default_factory=set)
    """Guessers' addresses and the logins that they tried."""

    async def scan(self, hosts: list[str], packets: int, seconds: float) -> None:
        """Send OPTIONS, REGISTER and INVITE of scanners from all hosts in turn."""
        loop = asyncio.get_running_loop()
        stations = []
        for host in hosts:
            _, heard = await loop.create_datagram_endpoint(
                lambda: _Ears(self), local_addr=(host, 0)
            )
            stations.append(heard)
        began = loop.time()
        for number in range(packets):
            station = stations[number % len(stations)]
            method = ("OPTIONS", "REGISTER", "INVITE")[number // len(stations) % 3]
            station.send(method, number, SCANNERS[number % len(SCANNERS)])
            self.sent["scans"] += 1
            if number % 20 == 19:
                await asyncio.sleep(max(0.0, began + number * seconds / packets - loop.time()))

    async def guess(self, hosts: list[str], rate: float, seconds: float) -> None:
        """Try wrong passwords of a line that has a phone from each host."""
        loop = asyncio.get_running_loop()
        stations = []
        for host in hosts:
            _, station = await loop.create_datagram_endpoint(
                lambda: Station(self.edge, 1.0), local_addr=(host, 0)
            )
            stations.append(station)
        began, tasks = loop.time(), set()
        for number in range(round(rate * seconds)):
            place = number % len(stations)
            self.tried.add((stations[place].host, login := f"line{place + 1}"))
            tasks.add(loop.create_task(self._guess(stations[place], login)))
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guess(self, station: Station, login: str) -> None:
        self.sent["guesses"] += 1
        unique = f"{station.port}x{self.sent['guesses']}"
        given = ""
        for number in (1, 2):
            branch = f"z9hG4bKg{unique}x{number}".encode()
            text = (
                f"REGISTER sip:{DOMAIN} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {station.host}:{station.port};rport;branch={branch.decode()}\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:{login}@{DOMAIN}>;tag=g\r\n"
                f"To: <sip:{login}@{DOMAIN}>\r\nCall-ID: g{unique}\r\nCSeq: {number} REGISTER\r\n"
                f"Contact: <sip:{login}@{station.host}:{station.port}>\r\n{given}"
                "Content-Length: 0\r\n\r\n"
            )
            final = await station.ask("REGISTER", branch, text.encode())
            status = "none" if final is None else final[8:11].decode()
            self.answered[f"guess {number}: {status}"] += 1
            if final is None or status != "401":
                return
            given = credentials(final, login, "REGISTER", f"sip:{DOMAIN}", "wrong")


class _Ears(asyncio.DatagramProtocol):
    """A scanner's socket."""

    def __init__(self, attack: Attack) -> None:
        self._attack = attack

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport
        self.host, self.port = transport.get_extra_info("sockname")

    def send(self, method: str, number: int, agent: str) -> None:
        text = (
            f"{method} sip:{100 + number}@{DOMAIN} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.host}:{self.port};rport;branch=z9hG4bKs{number}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{100 + number}@{DOMAIN}>;tag=s\r\n"
            f"To: <sip:{100 + number}@{DOMAIN}>\r\nCall-ID: s{number}\r\nCSeq: 1 {method}\r\n"
            f"Contact: <sip:x@{self.host}:{self.port}>\r\nUser-Agent: {agent}\r\n"
            "Content-Length: 0\r\n\r\n"
        )
        self._transport.sendto(text.encode(), self._attack.edge)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data.startswith(b"SIP/2.0 "):
            self._attack.answered[f"scan: {data[8:11].decode()}"] += 1


def banned(cluster: Cluster) -> set[tuple[str, str]]:
    """The bans of both nodes: an address, and the login that it may not try any more."""
    return {
        (row["source"], row["line"] or "")
        for node in cluster.nodes.values()
        for row in node.ask("guard_list")
    }


async def measured(crowd: Crowd, seconds: float) -> str:
    """The honest phones' figures of some time, of which nothing may be amiss."""
    crowd.forget()
    await asyncio.sleep(seconds)
    return (
        f"calls {dict(crowd.calls)}, registrations {dict(crowd.registrations)}, slowest answer "
        f"{crowd.slowest_answer_seconds:.2f} s"
    )


async def run(given: argparse.Namespace, cluster: Cluster) -> None:
    edge = (EDGE, cluster.port)
    await until(lambda: cluster.serving() == NODES.keys(), "both nodes serve", 60)
    crowd = Crowd(edge, [*map(phone_host, range(PHONES))], ring_seconds=0.5, talk_seconds=2.0)
    await crowd.start([(f"line{n}", f"+995{n:09d}") for n in range(1, PHONES + 1)])
    await crowd.register_all(given.registrations)
    assert set(crowd.registrations) == {"200"}, crowd.registrations
    crowd.load(given.rate, given.registrations, 1)
    print("before:", await measured(crowd, 8.0), flush=True)
    attack = Attack(edge)
    scanners, guessers = ATTACKERS[GUESSERS:], ATTACKERS[:GUESSERS]
    under_attack = asyncio.gather(
        attack.scan(scanners, given.packets, given.seconds),
        attack.guess(guessers, given.guesses, given.seconds),
    )
    during = await measured(crowd, given.seconds)
    await under_attack
    calls, registrations = Counter(crowd.calls), Counter(crowd.registrations)
    found = banned(cluster)
    print("during:", during, flush=True)
    print(f"attackers sent {dict(attack.sent)}, were answered {dict(attack.answered)}")
    print(f"banned: {len(found & attack.tried)} of {len(attack.tried)} guessers, "
          f"{len(found - attack.tried)} others")  # fmt: skip
    await crowd.stop()
    for trouble in itertools.islice(crowd.troubles, 10):
        print(" ", trouble)
    crowd.close()
    assert set(calls) == {"good"} and set(registrations) == {"200"}
    assert found == attack.tried
    assert not [what for what in attack.answered if what.startswith("scan")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packets", type=int, default=10_000, help="of scanners")
    parser.add_argument("--guesses", type=float, default=100.0, help="passwords a second")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the attack")
    parser.add_argument("--rate", type=float, default=5.0, help="honest calls a second")
    parser.add_argument("--registrations", type=float, default=20.0, help="honest ones a second")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="attacks"))
    with postgresql.server() as url, network() as machines:
        with machines.on("operator"):
            cluster = Cluster(folder, url, {"ana": (LINES["ana"][0], "10")}, NODES, EDGE)
            cluster.messages_in_2s = DEPLOYED_MESSAGES_IN_2S
            store = Store(url)
            fill(store.engine, PHONES, DOMAIN, 1_000_000_000)
            store.close()
            cluster.start()
        try:
            with machines.on("street"):
                asyncio.run(run(given, cluster))
        finally:
            cluster.stop()
    shutil.rmtree(folder)  # which stays if anything failed


if __name__ == "__main__":
    main()
