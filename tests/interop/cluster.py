"""A cluster of real processes on one machine: PostgreSQL, nodes, and the edge as it is deployed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from switchboard import Switchboard, free_ports, until

ROOT = Path(__file__).parents[2]
EDGE_FILES = ROOT / "deploy" / "kamailio"
EDGE = "127.0.0.10"
NAMES = ("one", "two")
HOSTS = dict.fromkeys(NAMES, "127.0.0.1")
MODULES = sorted(Path("/usr/lib").glob("**/kamailio/modules"))


class Cluster:
    """Nodes on one database behind one edge.

    Args:
        folder: an empty one.
        url: an empty database.
        lines: login to number and balance.
        hosts: the nodes and their addresses.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        lines: dict[str, tuple[str, str]],
        hosts: Mapping[str, str] = HOSTS,
        edge: str = EDGE,
        **settings: str,
    ) -> None:
        self.folder = folder
        self.host = edge
        (self.port,) = free_ports(1, edge)
        self.messages_in_2s = 1_000_000
        """The edge's limit of what one address sends."""
        self.edge: subprocess.Popen | None = None
        os.environ["SOFTSWITCH_DATABASE__URL"] = url
        self.nodes: dict[str, Switchboard] = {}
        for name, host in hosts.items():
            home = folder / name
            home.mkdir()
            if not self.nodes:
                Switchboard.create(home, lines)
            else:
                first = next(iter(self.nodes.values()))
                shutil.copytree(first.folder, home, dirs_exist_ok=True)
            self.nodes[name] = Switchboard(
                home, host, SWITCH__NODE=name, CLUSTER__NODES=",".join(hosts), SIP__EDGES=edge,
                SIP__ALIASES=edge, GUARD__EXEMPT="", **settings,
            )  # fmt: skip

    def start(self) -> None:
        for board in self.nodes.values():
            board.start()
        self.start_edge()

    def start_edge(self) -> None:
        """Run the deployed edge, on a port of its own."""
        home = self.folder / "edge"
        shutil.copytree(EDGE_FILES, home, dirs_exist_ok=True)
        edge = (home / "edge.cfg").read_text()
        edge = edge.replace("EDGE_ADDRESS:5060", f"EDGE_ADDRESS:{self.port}")
        edge = edge.replace("listen=udp:127.0.0.1:5060\n", "")
        (home / "edge.cfg").write_text(edge)
        site = [
            f'#!substdef "!EDGE_ADDRESS!{self.host}!g"',
            f'#!substdef "!MODULE_FOLDER!{MODULES[0]}!g"',
            f'#!substdef "!DISPATCHER_LIST!{home}/dispatcher.list!g"',
            f'#!substdef "!CONTROL_SOCKET!{home}/ctl!g"',
            f'#!substdef "!MESSAGES_IN_2S!{self.messages_in_2s}!g"',
        ]
        (home / "edge-site.cfg").write_text("\n".join(site) + "\n")
        nodes = [f"1 sip:{node.host}:{node.port} 0 0\n" for node in self.nodes.values()]
        (home / "dispatcher.list").write_text("".join(nodes))
        with open(home / "edge.log", "w") as log:
            self.edge = subprocess.Popen(
                ["kamailio", "-f", str(home / "edge.cfg"), "-DD", "-E", "-M", "8", "-Y", str(home)],
                stdout=log, stderr=log,
            )  # fmt: skip
        until(lambda: f":{self.port:04X}" in Path("/proc/net/udp").read_text(), "the edge listens")

    def ask_edge(self, *command: str) -> str:
        """The answer of the edge to an operator's command."""
        return subprocess.run(
            ["kamcmd", "-s", f"unix:{self.folder}/edge/ctl", *command],
            capture_output=True, text=True, timeout=10,
        ).stdout  # fmt: skip

    def serving(self) -> set[str]:
        """The nodes to which the edge gives calls."""
        told = self.ask_edge("dispatcher.list")
        found = set()
        for part in told.split("URI:")[1:]:
            port = int(part.split()[0].split(";")[0].rpartition(":")[2])
            if "FLAGS: A" in part:
                found |= {name for name, node in self.nodes.items() if node.port == port}
        return found

    def kill(self, name: str) -> None:
        self.nodes[name].stop(signal.SIGKILL)

    @contextlib.contextmanager
    def running(self) -> Iterator[Cluster]:
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def stop(self) -> None:
        """End the edge and all nodes."""
        if self.edge is not None:
            self.edge.terminate()
            self.edge.wait(30)
        for board in self.nodes.values():
            if board.process is not None:
                board.stop()
