"""Several switches on one wire and one database, behind an edge that spreads what comes."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

from exchange import Exchange
from phones import Phone
from sqlalchemy import Connection
from world import Address, VirtualLoop

from sip.flow import Flow
from softswitch.cluster.events import Message, OnMessage, packed, unpacked
from softswitch.process import clustering
from softswitch.subscribers.directory import Line

EDGE: Address = ("192.0.2.100", 5060)
NAMES = ("one", "two", "three")
ADDRESSES = {name: (f"192.0.2.{place}", 5060) for place, name in enumerate(NAMES, 1)}
BUS_SECONDS = 0.003


class Hub:
    """The bus of all nodes: what one tells, the others hear a moment later, in order."""

    def __init__(self) -> None:
        self.loop: VirtualLoop
        self.members: dict[str, NodeBus] = {}

    def pass_on(self, sender: str, payload: str) -> None:
        for name, member in self.members.items():
            if name != sender:
                self.loop.call_later(BUS_SECONDS, member.hear, payload)


class NodeBus:
    """A node's end of the bus, in the form that goes through PostgreSQL."""

    def __init__(self, hub: Hub, node: str) -> None:
        self.hub, self.node = hub, node
        self._on_message: OnMessage | None = None

    def tell(self, message: Message) -> None:
        if self._on_message is not None:
            for payload in packed(self.node, [message]):
                self.hub.pass_on(self.node, payload)

    def tell_within(self, connection: Connection, message: Message) -> None:
        self.tell(message)

    def listen(self, on_message: OnMessage, on_restored: Callable[[], None]) -> None:
        self._on_message = on_message
        self.hub.members[self.node] = self
        on_restored()

    def hear(self, payload: str) -> None:
        if self._on_message is not None:
            node, messages = unpacked(payload)
            for message in messages:
                self._on_message(node, message)

    def cut(self) -> None:
        self._on_message = None
        self.hub.members.pop(self.node, None)


class Edge:
    """A proxy in front of all nodes, as Kamailio with `force_rport`, `record_route`,
    `add_path_received` and a dispatcher: by the Call-ID, to a node that lives."""

    def __init__(self, first: Exchange) -> None:
        self.wire = first.wire
        self.alive: list[Address] = []
        self.chosen: dict[str, Address] = {}
        self.pins: dict[str, Address] = {}
        """Where the requests of a phone's host go, in the place of what the Call-ID says."""
        self.phones: dict[str, Address] = {}
        self.wire.attach(EDGE, self._receive)

    def _receive(self, data: bytes, source: Address) -> None:
        text = data.decode("latin-1")
        if source[0] in {host for host, _ in ADDRESSES.values()}:
            target, text = self._from_node(text)
        else:
            target, text = self._to_node(text, source)
        if target is not None:
            self.wire.send(text.encode("latin-1"), EDGE, target)

    def _to_node(self, text: str, source: Address) -> tuple[Address | None, str]:
        if text.startswith("SIP/2.0"):
            text = re.sub(r"\r\nVia: [^\r]*", "", text, count=1)
            via = re.search(r"\r\nVia: SIP/2.0/UDP ([0-9.]+):([0-9]+)", text)
            return (via[1], int(via[2])), text
        line, _, rest = text.partition("\r\n")
        call = _call_id(text)
        self.phones[call] = source
        named = re.search(r"@?(192\.0\.2\.[123]):5060", line)
        target = (named[1], 5060) if named else self._choose(call, line, source)
        if target is None:
            return None, text
        host, port = source
        rest = re.sub(r"\r\nRoute: [^\r]*", "", "\r\n" + rest)
        rest = re.sub(
            r"(\r\nVia: [^\r]*?);rport", rf"\1;received={host};rport={port}", rest, count=1
        )
        branch = re.search(r"branch=([^;\r]*)", text)[1]
        own = f"\r\nVia: SIP/2.0/UDP {EDGE[0]}:{EDGE[1]};branch={branch}edge"
        if line.startswith("REGISTER"):
            own += f"\r\nPath: <sip:{EDGE[0]};lr;received=sip:{host}:{port}>"
        elif line.startswith("INVITE"):
            own += f"\r\nRecord-Route: <sip:{EDGE[0]};lr>"
        return target, line + own + rest

    def _choose(self, call: str, line: str, source: Address) -> Address | None:
        method = line.partition(" ")[0]
        if method in ("ACK", "CANCEL") and call in self.chosen:
            return self.chosen[call]
        if not self.alive:
            return None
        place = zlib.crc32(call.encode()) % len(self.alive)
        target = self.pins.get(source[0], self.alive[place])
        if target not in self.alive:
            target = self.alive[place]
        self.chosen[call] = target
        return target

    def _from_node(self, text: str) -> tuple[Address | None, str]:
        if text.startswith("SIP/2.0"):
            text = re.sub(r"\r\nVia: [^\r]*", "", text, count=1)
            via = re.search(r"\r\nVia: [^\r]*received=([0-9.]+);rport=([0-9]+)", text)
            return (via[1], int(via[2])) if via else None, text
        route = re.search(r"\r\nRoute: [^\r]*received=sip:([0-9.]+):([0-9]+)", text)
        call = _call_id(text)
        target = (route[1], int(route[2])) if route else self.phones.get(call)
        if target is None:
            return None, text
        self.phones[call] = target
        line, _, rest = text.partition("\r\n")
        rest = re.sub(r"\r\nRoute: [^\r]*", "", "\r\n" + rest)
        branch = re.search(r"branch=([^;\r]*)", text)[1]
        own = f"\r\nVia: SIP/2.0/UDP {EDGE[0]}:{EDGE[1]};branch={branch}edge"
        if line.startswith("INVITE"):
            own += f"\r\nRecord-Route: <sip:{EDGE[0]};lr>"
        return target, line + own + rest


def _call_id(text: str) -> str:
    return re.search(r"\r\nCall-ID: ([^\r]*)", text)[1]


class Nodes:
    """A cluster in virtual time.

    Args:
        config: further lines of each node's configuration, after [sip].
        more: for each Exchange.
    """

    def __init__(self, seed: int, names=NAMES[:2], *, config: str = "", **more) -> None:
        self.names = names
        self._config, self._seed, self._more = config, seed, more
        self.nodes: dict[str, Exchange] = {}
        self.ended: list[Exchange] = []
        self._hub = Hub()
        self._lines: list[Line] = []
        for name in names:
            self.start(name)
        self.edge = Edge(self.first)
        self.edge.alive = [ADDRESSES[name] for name in names]

    @property
    def first(self) -> Exchange:
        return next(iter(self.nodes.values()))

    @property
    def cdrs(self) -> list:
        return self.first.cdrs

    def __getitem__(self, name: str) -> Exchange:
        return self.nodes[name]

    def start(self, name: str) -> Exchange:
        """Start a node, anew after it has crashed."""
        beside = ([*self.nodes.values()] or self.ended or [None])[0]
        listed = ", ".join(f'"{one}"' for one in self.names)
        config = (
            f'edges = ["{EDGE[0]}"]\n{self._config}\n[cluster]\nnodes = [{listed}]\n'
            f'[database]\nurl = "postgresql:///none"\n'
        )
        bus = NodeBus(self._hub, name)
        made = Exchange(
            self._seed,
            config=config,
            store=None if beside is None else beside.store,
            address=ADDRESSES[name],
            beside=beside,
            bus=bus,
            node=name,
            **self._more,
        )
        self._hub.loop = made.loop
        made.cdrs += made.store.recover(name)
        endpoint, address = made.switch.endpoint, made.address
        made.wire.attach(
            address, lambda data, source: endpoint.arrived(data, Flow("udp", address, source))
        )
        made.directory.put_lines(self._lines)
        made.load()
        self.nodes[name] = made
        clustering.join(made.switch, lambda: None)
        if hasattr(self, "edge") and made.address not in self.edge.alive:
            self.edge.alive.append(made.address)
        return made

    def crash(self, name: str) -> None:
        """End a node as `kill -9` does: nothing that it would do happens any more."""
        gone = self.nodes.pop(name)
        self.ended.append(gone)
        gone.bus.cut()
        gone.die()
        self.edge.alive.remove(gone.address)

    # Setting up

    def account(self, balance_micros: int) -> int:
        account = self.first.account(balance_micros)
        for node in self.nodes.values():
            node.load()
        return account

    def line(self, number: str, account: int, **more) -> Line:
        made, *_ = [node.line(number, account, **more) for node in self.nodes.values()]
        self._lines.append(made)
        return made

    def phone(self, line: Line, host: str, port: int = 5060) -> Phone:
        """A phone whose messages go through the edge; its address is a host's of its own."""
        first = self.first
        phone = Phone(first, line.login, (host, port))
        phone.flow = Flow("udp", phone.address, EDGE)
        return phone

    def pin(self, phone: Phone, name: str) -> None:
        """Have the edge send what a phone begins to one node."""
        self.edge.pins[phone.address[0]] = ADDRESSES[name]

    def run(self, seconds: float) -> None:
        self.first.run(seconds)

    def close(self) -> None:
        for node in (*self.nodes.values(), *self.ended):
            node.folder.cleanup()
        self.first.close()
