"""The parts of a switch that is a node of a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING

from billing.facts.cdr import Cdr
from billing.stores.store import Store
from sip.endpoint import Endpoint
from sip.events import Received
from sip.flow import Address
from sip.guard import Guard
from sip.message import Request
from sip.referral import parse_replaces
from sip.registrar import Registrar, Registration
from sip.user_agent import UserAgent
from softswitch.admission.admission import Stages
from softswitch.call.live_calls import LiveCalls
from softswitch.cluster.bindings import SharedBindings
from softswitch.cluster.cluster import Cluster, Rooms
from softswitch.cluster.events import (
    AccountsChanged,
    Attempted,
    Spent,
    TextKept,
    TextsDelivered,
)
from softswitch.cluster.forwarding import Forwarder, ForwardingEndpoint
from softswitch.cluster.live_calls import ClusterLiveCalls
from softswitch.cluster.neighbours import Neighbour
from softswitch.cluster.postgresql_bus import PostgresqlBus
from softswitch.cluster.reaching import Reach
from softswitch.cluster.registrations import ClusterRegistrations
from softswitch.completion.desk import CompletionDesk
from softswitch.conference.hall import ROOM, Key
from softswitch.config.config import Config
from softswitch.process.composition import Books, Machine
from softswitch.reception.registration import RegistrationDesk, Returned
from softswitch.services.answering import CONFERENCE
from softswitch.services.watchers import Watchers
from softswitch.subscribers.directory import Directory, Line
from softswitch.texting.lines import ALONE, TextNodes
from softswitch.texting.texting import Texting
from softswitch.trace.log import Log

if TYPE_CHECKING:
    from softswitch.process.switch import Switch


DOUBT_SECONDS = 2.5
"""A node that said nothing for so long may be dead: the calls of its callers are served here."""


def bus(
    config: Config, store: Store, loop: asyncio.AbstractEventLoop, log: Log
) -> PostgresqlBus | None:
    """The messages between the nodes of the cluster; None: this switch is no node of one."""
    if not config.cluster.nodes:
        return None
    return PostgresqlBus(store.engine, config.switch.node, loop, log)


def node_address(config: Config) -> Address:
    """The UDP socket at which other nodes reach this one."""
    listen = next((one for one in config.sip.listen if one.transport == "udp"), None)
    if listen is None:
        return config.media_address, 5060
    if not ip_address(listen.host).is_unspecified:
        return listen.host, listen.port
    advertised = config.sip.advertised_for("udp", listen.host)
    host = config.media_address if advertised is None else advertised.host
    return host, listen.port


@dataclass(frozen=True, slots=True)
class NodeRooms:
    """The rooms of a switch that hear of the other nodes.

    Args:
        drain: writes what the user agent wants written.
        accounts_changed: called with accounts whose money may have risen.
        conferences: the keys of those that are live here.
    """

    registrations: RegistrationDesk
    watchers: Watchers
    completion: CompletionDesk
    texting: Texting
    guard: Guard
    drain: Callable[[], None]
    accounts_changed: Callable[[Iterable[int]], None]
    conferences: Callable[[], Iterable[Key]]


@dataclass(slots=True)
class Node:
    """The switch as a node of a cluster: what it shares with the others."""

    cluster: Cluster
    live_calls: ClusterLiveCalls
    bindings: SharedBindings
    registrar: Registrar
    directory: Directory
    loop: asyncio.AbstractEventLoop
    endpoint: ForwardingEndpoint
    forwarder: Forwarder
    rooms: NodeRooms = field(init=False)
    """Set when the switch takes part."""

    def text_nodes(self) -> TextNodes:
        """The part of this node in the delivery of kept texts."""
        bus = self.cluster.bus
        return TextNodes(
            self._delivers,
            lambda line_id: bus.tell(TextKept(line_id)),
            lambda line_id: bus.tell(TextsDelivered(line_id)),
        )

    def _delivers(self, line: Line) -> bool:
        """True if the newest phone of a line registered here, or where nothing serves any more."""
        newest = self.bindings.newest_node(line.login)
        return newest is not None and self.cluster.takes_over_for(newest)

    def relieved(self, accounts: Iterable[int]) -> None:
        """The money of accounts may have risen here."""
        self.cluster.bus.tell(AccountsChanged(tuple(accounts)))

    def spent(self, cdr: Cdr) -> None:
        """A leg was settled here."""
        if cdr.account is not None and cdr.price_micros and self.directory.caps.counts(cdr.account):
            self.cluster.bus.tell(Spent(cdr.account, cdr.ended_at, cdr.price_micros))

    def count_own(self, now: float) -> int:
        """The number of phones that registered here, of the lines that are kept in memory."""
        node_of, node = self.bindings.node_of, self.cluster.node
        return sum(node_of(binding) == node for binding in self.registrar.all(now))

    async def fetch(self, line: Line) -> bool:
        """Have the phones of a line at all nodes known; False if the database doesn't tell them in
        time, and nothing is known of them."""
        await self.bindings.fetch([line.login])
        return self.bindings.knows(line.login)

    def hands_over(self, stages: Stages, received: Received) -> bool:
        """Pass an INVITE on to the node that must serve it: the one with the dial-in conferences,
        with the call that a phone picks up, or with the other calls of its caller, who may join
        them or transfer one to the other. False: this node serves it."""
        request, source = received.request, received.flow.remote[0]
        if request.get(b"record-route") is None or not self.endpoint.edges.trusts(source):
            return False  # no edge would lead the other node's requests to the phone
        owner, now = self._owner(stages, request), self.loop.time()
        passed = None
        if owner is not None:
            passed = self.forwarder.hand_over(request, received.flow, owner.address, now)
        if passed is None:
            self.forwarder.keep(request)
            return False
        # The edge would take this node for dead, too, if the other one doesn't answer in time.
        self.endpoint.write((bytes(request.respond(100)), received.flow))
        self.endpoint.write(passed)
        return True

    def _owner(self, stages: Stages, request: Request) -> Neighbour | None:
        neighbours = self.cluster.neighbours
        replaces = request.get(b"replaces")
        if replaces is not None:
            dialog, _ = parse_replaces(replaces)
            if self.live_calls.ringing_in(dialog) is not None:
                return None
            return neighbours.ringing_in(dialog)
        if stages.answering(request.uri.user or "") == CONFERENCE:
            return neighbours.get(self.cluster.conference_node())
        # The claim of a caller that isn't authenticated yet: the other node does that.
        claimed = request.from_.uri.user or ""
        line = self.directory.line_by_login(claimed) or self.directory.line_by_number(claimed)
        if line is None or self.live_calls.of_line(line):
            return None
        talks_at = neighbours.talking_of(line.id)
        if talks_at is None or self.loop.time() - talks_at.heard_at > DOUBT_SECONDS:
            return None
        return talks_at

    # What other nodes do

    def phones_changed(self, login: str, registration: Registration) -> None:
        """The phones of a line were read from the database."""
        now, rooms = self.loop.time(), self.rooms
        for binding in registration.added:
            rooms.guard.prove(binding.flow.peer[0], binding.username or login, now)
        rooms.registrations.changed_elsewhere(login, registration)

    def follows(self, login: str) -> bool:
        """True if a call, a text or a completion waits for phones of a line."""
        line, rooms = self.directory.line_by_login(login), self.rooms
        return line is not None and bool(
            self.live_calls.of_line(line)
            or rooms.texting.lines.waits_for(line.id)
            or rooms.completion.queue.waits_for(line.id)
            or rooms.completion.queue.of(line.id)
        )

    def _neighbour_lost(self, address: Address) -> None:
        """Answer for another node, to which this one has passed INVITEs on, or serve them."""
        for passed in self.forwarder.lost(address, self.loop.time()):
            self.endpoint.write(passed)
        self.endpoint.serve_returned(self.forwarder)

    def _lines_changed(self, lines: Iterable[int]) -> None:
        lines, rooms = tuple(lines), self.rooms
        if rooms.watchers.calls_changed(lines, self.loop.time()):
            rooms.drain()
        for line_id in lines:
            line = self.directory.line(line_id)
            if line is not None:
                rooms.completion.call_ended(line)

    # Taking part

    def join(self, rooms: NodeRooms, news: Callable[[], None]) -> None:
        """Take part in the cluster from now on.

        Args:
            news: called when another process has changed the database.
        """
        self.rooms = rooms
        bus, texts = self.cluster.bus, rooms.texting.lines
        self.directory.caps.on_attempt = lambda account, at: bus.tell(Attempted(account, at))
        hearing = Rooms(
            self.bindings,
            self.live_calls,
            self.directory.caps,
            self._lines_changed,
            rooms.accounts_changed,
            texts.kept_elsewhere,
            texts.delivered_elsewhere,
            lambda: any(kind == ROOM for kind, _ in rooms.conferences()),
            lambda address: self.endpoint.edges.add(address[0]),
            self._neighbour_lost,
        )
        self.cluster.start(hearing, news)

    async def leave(self) -> None:
        """Take part no more: the calls of this switch are over."""
        self.cluster.leave()
        await self.bindings.close()


def node(
    config: Config,
    machine: Machine,
    books: Books,
    registrar: Registrar,
    endpoint: Endpoint,
) -> Node | None:
    """This switch as a node of a cluster; None: it is alone."""
    bus = books.bus
    if bus is None:
        return None
    assert isinstance(endpoint, ForwardingEndpoint)
    name, directory = config.switch.node, books.working_set.directory
    cluster = Cluster(name, node_address(config), bus, machine.loop, machine.log)
    reach = Reach(
        name,
        endpoint.edges,
        lambda: endpoint.listening,
        lambda flow: flow.connection in endpoint.connections,
    )
    bindings = SharedBindings(
        books.store.engine,
        name,
        registrar,
        bus,
        kept_lines=config.cluster.kept_lines,
        here=reach.here,
        changed=lambda login, registration: made.phones_changed(login, registration),
        follows=lambda login: made.follows(login),
        run=machine.run,
        loop=machine.loop,
        wall_seconds=machine.wall_seconds,
        log=machine.log,
    )
    live_calls = ClusterLiveCalls(
        machine.loop, cluster.neighbours, bus, directory.line, config.switch.domain
    )
    forwarder = Forwarder(cluster.address, endpoint.edges, cluster.neighbours.has_address)
    endpoint.forwarder = forwarder
    made = Node(
        cluster,
        live_calls,
        bindings,
        registrar,
        directory,
        machine.loop,
        endpoint,
        forwarder,
    )
    return made


def join(switch: Switch, news: Callable[[], None]) -> None:
    """Have a switch take part in its cluster, if it is a node of one.

    Args:
        news: called when another process has changed the database.
    """
    if switch.node is not None:
        rooms = NodeRooms(
            switch.registrations,
            switch.watchers,
            switch.completion,
            switch.texting,
            switch.guard,
            switch.endpoint.drain,
            switch.accounts_changed,
            lambda: [conference.key for conference in switch.hall.conferences],
        )
        switch.node.join(rooms, news)


def handover(node: Node | None, stages: Stages) -> Callable[[Received], bool] | None:
    """Passes INVITEs on that another node must serve; None: there is none."""
    return None if node is None else partial(node.hands_over, stages)


def text_nodes(node: Node | None) -> TextNodes:
    """Which switch delivers kept texts."""
    return ALONE if node is None else node.text_nodes()


def live_calls(node: Node | None, loop: asyncio.AbstractEventLoop) -> LiveCalls:
    """The calls of this switch."""
    return LiveCalls(loop) if node is None else node.live_calls


def registration_desk(
    node: Node | None,
    machine: Machine,
    registrar: Registrar,
    books: Books,
    agent: UserAgent,
    watchers: Watchers,
    endpoint: Endpoint,
    calls: LiveCalls,
    *,
    returned: Returned,
    phones_changed: Callable[[str], None],
) -> RegistrationDesk:
    """The registrations of this switch, which a node shares with the others."""
    directory, release = books.working_set.directory, endpoint.connections.release
    if node is None:
        return RegistrationDesk(
            registrar,
            directory,
            books.bindings,
            agent,
            watchers,
            calls_of=calls.of_line,
            release=release,
            wall_seconds=machine.wall_seconds,
            returned=returned,
            phones_changed=phones_changed,
        )
    return ClusterRegistrations(
        registrar,
        directory,
        node.bindings,
        agent,
        watchers,
        calls_of=calls.of_line,
        release=release,
        wall_seconds=machine.wall_seconds,
        returned=returned,
        phones_changed=phones_changed,
        node=node.cluster.node,
        loop=machine.loop,
        drain=endpoint.drain,
    )
