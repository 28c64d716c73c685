"""The edge that has the address of the pair dies, and the other takes it:

    python tests/interop/edge_failover.py --rounds 3

Two edges of deploy/ with keepalived, each in a network namespace of its own, PostgreSQL, two nodes
and phones in a third. The address moves within a second or two; a call placed meanwhile is answered
by the phone's own repetitions, calls that talk go on, and no phone registers again. Needs root.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import postgresql
from cluster import EDGE_FILES, MODULES, NAMES, ROOT
from stack_phone import StackPhone
from switchboard import BEKA, LINES, Switchboard

NETWORK = "10.77.0"
ADDRESS = f"{NETWORK}.5"
EDGES = {"sw-edge-1": 100, "sw-edge-2": 90}
"""Namespaces, and the priorities of their keepalived."""
NODES = "sw-nodes"
BRIDGE = "swbridge"
CALLS = 5
TRIES = 24
TRY_SECONDS = 0.25
WITHIN_SECONDS = 3.0


def ip(command: str) -> None:
    subprocess.run(f"ip {command}", shell=True, check=True, capture_output=True)


@contextlib.contextmanager
def network() -> Iterator[None]:
    """Three namespaces on one bridge."""
    ip(f"link add {BRIDGE} type bridge")
    ip(f"link set {BRIDGE} up")
    hosts = {NODES: (11, 12, 21, 22)} | dict(zip(EDGES, ((3,), (4,)), strict=True))
    try:
        for place, (name, numbers) in enumerate(hosts.items()):
            ip(f"netns add {name}")
            ip(f"link add swveth{place} type veth peer name eth0 netns {name}")
            ip(f"link set swveth{place} master {BRIDGE} up")
            ip(f"-n {name} link set lo up")
            ip(f"-n {name} link set eth0 up")
            for number in numbers:
                ip(f"-n {name} addr add {NETWORK}.{number}/24 dev eth0")
        yield
    finally:
        for name in hosts:
            with contextlib.suppress(subprocess.CalledProcessError):
                ip(f"netns del {name}")
        ip(f"link del {BRIDGE}")


class EdgeMachine:
    """One of the pair: Kamailio and keepalived in a namespace."""

    def __init__(self, folder: Path, name: str, nodes: list[Switchboard]) -> None:
        self.name = name
        self._folder = folder / name
        self._nodes = nodes
        self._processes: list[subprocess.Popen] = []

    def start(self) -> None:
        home = self._folder
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(EDGE_FILES, home)
        site = {"EDGE_ADDRESS": ADDRESS, "MODULE_FOLDER": MODULES[0],
                "DISPATCHER_LIST": home / "dispatcher.list", "CONTROL_SOCKET": home / "ctl",
                "MESSAGES_IN_2S": 100_000}  # fmt: skip
        text = "".join(f'#!substdef "!{name}!{value}!g"\n' for name, value in site.items())
        (home / "edge-site.cfg").write_text(text)
        nodes = "".join(f"1 sip:{node.host}:{node.port} 0 0\n" for node in self._nodes)
        (home / "dispatcher.list").write_text(nodes)
        deployed = ROOT / "deploy" / "keepalived"
        text = (deployed / "keepalived.conf").read_text()
        priority = EDGES[self.name]
        for before, after in {
            "192.0.2.5/24": f"{ADDRESS}/24",
            "script_user kamailio": "script_user root",
            "    enable_script_security\n": "",
            "/usr/local/bin/edge-answers": str(deployed / "edge-answers"),
            "/usr/sbin/kamcmd ": f"/usr/sbin/kamcmd -s unix:{home}/ctl ",
            "state MASTER": "state MASTER" if priority == max(EDGES.values()) else "state BACKUP",
            "priority 100": f"priority {priority}",
        }.items():
            text = text.replace(before, after)
        (home / "keepalived.conf").write_text(text)
        self._run("kamailio", "-f", home / "edge.cfg", "-DD", "-E", "-M", "8", "-Y",
                  home)  # fmt: skip
        pids = [f"{option}{home}/{option}.pid" for option in ("-p", "-r", "-c")]
        self._run("keepalived", "-n", "-l", "-f", home / "keepalived.conf", *pids)

    def _run(self, *command: object) -> None:
        with open(self._folder / "log", "a") as log:
            self._processes.append(
                subprocess.Popen(
                    ["ip", "netns", "exec", self.name, *map(str, command)],
                    stdout=log, stderr=log, start_new_session=True,
                )
            )  # fmt: skip

    @property
    def has_address(self) -> bool:
        told = subprocess.run(["ip", "-n", self.name, "addr"], capture_output=True, text=True)
        return f"{ADDRESS}/" in told.stdout

    def die(self) -> None:
        """As a machine that loses its power."""
        self.end(signal.SIGKILL)
        ip(f"-n {self.name} link set eth0 down")

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, how)
        self._processes.clear()

    def come_back(self) -> None:
        ip(f"-n {self.name} link set eth0 up")
        with contextlib.suppress(subprocess.CalledProcessError):
            ip(f"-n {self.name} addr del {ADDRESS}/24 dev eth0")
        self.start()


async def deaths(rounds: int, pair: list[EdgeMachine]) -> None:
    ana = StackPhone("ana", f"{NETWORK}.21", (ADDRESS, 5060))
    beka = StackPhone("beka", f"{NETWORK}.22", (ADDRESS, 5060))
    for phone in (ana, beka):
        await phone.start()
        assert await phone.register() == 200
    for number in range(rounds):
        finals = [ana.call(BEKA)[1] for _ in range(CALLS)]
        assert await asyncio.gather(*finals) == [200] * CALLS
        (victim,) = [edge for edge in pair if edge.has_address]
        died_at = time.monotonic()
        victim.die()

        async def attempt(died_at: float = died_at) -> tuple[float, int]:
            status = await ana.call(BEKA)[1]
            return time.monotonic() - died_at, status

        tries = []
        for _ in range(TRIES):
            tries.append(asyncio.create_task(attempt()))
            await asyncio.sleep(TRY_SECONDS)
        done = await asyncio.gather(*tries)
        first = min(at for at, status in done if status == 200)
        refused = [status for _, status in done if status != 200]
        going_on = len(ana.talking) - len(done) + len(refused)
        print(f"{number + 1}: {victim.name} died; a call was answered after {first:.2f} s; of "
              f"{TRIES} placed meanwhile {len(refused)} were refused; {going_on} of {CALLS} talk "
              "on", flush=True)  # fmt: skip
        assert first < WITHIN_SECONDS and not refused and going_on == CALLS
        ana.hang_up()
        victim.come_back()
        await asyncio.sleep(8.0)
    for phone in (ana, beka):
        await phone.close()


def serve(rounds: int, folder: Path, url: str) -> None:
    """Within the namespace of nodes and phones."""
    os.environ["SOFTSWITCH_DATABASE__URL"] = url
    nodes: list[Switchboard] = []
    for place, name in enumerate(NAMES):
        home = folder / name
        home.mkdir()
        if not nodes:
            logins = ("ana", "beka")
            Switchboard.create(home, {login: (LINES[login][0], "1000") for login in logins})
        else:
            shutil.copytree(nodes[0].folder, home, dirs_exist_ok=True)
        host = f"{NETWORK}.{11 + place}"
        nodes.append(
            Switchboard(
                home, host, SWITCH__NODE=name, CLUSTER__NODES=",".join(NAMES), SIP__EDGES=ADDRESS,
                SIP__ALIASES=ADDRESS, GUARD__EXEMPT="", CONFERENCE__MAX_OUTGOING="200",
            )
        )  # fmt: skip
    pair = [EdgeMachine(folder, name, nodes) for name in EDGES]
    try:
        for node in nodes:
            node.start()
        for edge in pair:
            edge.start()
        time.sleep(8.0)
        asyncio.run(deaths(rounds, pair))
    finally:
        for edge in pair:
            edge.end()
        for node in nodes:
            if node.process is not None:
                node.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--within", help="used by itself: a folder and a URL")
    given = parser.parse_args()
    if given.within:
        folder, _, url = given.within.partition(" ")
        serve(given.rounds, Path(folder), url)
        return
    folder = Path(tempfile.mkdtemp(prefix="edges"))
    with postgresql.server() as url, network():
        done = subprocess.run(
            ["ip", "netns", "exec", NODES, sys.executable, __file__, "--rounds",
             str(given.rounds), "--within", f"{folder} {url}"],
        )  # fmt: skip
    if done.returncode == 0:
        shutil.rmtree(folder)  # which stays if anything failed
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
