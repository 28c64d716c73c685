"""This node among the others: what it hears of them goes to its rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import assert_never

from sip.flow import Address
from softswitch.cluster.bindings import SharedBindings
from softswitch.cluster.events import (
    AccountsChanged,
    Alive,
    Attempted,
    BindingsChanged,
    Bus,
    CallChanged,
    CallEnded,
    Joined,
    Left,
    Message,
    NewsTold,
    Spent,
    TextKept,
    TextsDelivered,
)
from softswitch.cluster.live_calls import ClusterLiveCalls
from softswitch.cluster.neighbours import ALIVE_SECONDS, Neighbours
from softswitch.subscribers.caps import CapsWatch
from softswitch.trace.log import Log


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms of this node that hear of the others.

    Args:
        lines_changed: called with lines whose calls at another node have changed.
        accounts_changed: called with accounts whose money may have risen.
        text_kept: called with a line for whose phones another node keeps a text.
        texts_delivered: called with a line all of whose texts another node has delivered.
        hosts: True while this node has dial-in conferences.
        neighbour_found: called with the address of each node that serves.
        neighbour_lost: called with the address of each node that is away.
    """

    bindings: SharedBindings
    live_calls: ClusterLiveCalls
    caps: CapsWatch
    lines_changed: Callable[[Iterable[int]], None]
    accounts_changed: Callable[[Iterable[int]], None]
    text_kept: Callable[[int], None]
    texts_delivered: Callable[[int], None]
    hosts: Callable[[], bool]
    neighbour_found: Callable[[Address], None]
    neighbour_lost: Callable[[Address], None]


class Cluster:
    """The node's part in its cluster.

    Args:
        node: the name of this node.
        address: its UDP socket for other nodes.
    """

    def __init__(
        self, node: str, address: Address, bus: Bus, loop: asyncio.AbstractEventLoop, log: Log
    ) -> None:
        self.node = node
        self.address = address
        self.bus = bus
        self.neighbours = Neighbours()
        self._loop = loop
        self._log = log
        self._rooms: Rooms
        self._news: Callable[[], None]
        self._pulse: asyncio.TimerHandle | None = None

    # Taking part

    def start(self, rooms: Rooms, news: Callable[[], None]) -> None:
        """Take part from now on.

        Args:
            news: called when another process has changed the database.
        """
        self._rooms = rooms
        self._news = news
        self.bus.listen(self._heard, self._restored)
        self.bus.tell(Joined())
        self._beat()

    def leave(self) -> None:
        """Take part no more: this node stops, and its calls are over."""
        if self._pulse is not None:
            self._pulse.cancel()
            self._pulse = None
            self.bus.tell(Left())

    def takes_over_for(self, node: str) -> bool:
        """True if this node does what belongs to another: it is this one, or the other is away and
        this one comes first among those that serve."""
        if node == self.node:
            return True
        return self.neighbours.get(node) is None and self.first_serving() == self.node

    def first_serving(self) -> str:
        """The node that comes first among those that take calls."""
        others = [neighbour.name for neighbour in self.neighbours.serving()]
        return min(others if self._rooms.live_calls.draining and others else [self.node, *others])

    def conference_node(self) -> str:
        """The node of all dial-in conferences: the one that has some, else the first that takes
        calls."""
        hosts = [node.name for node in self.neighbours.serving() if node.hosts]
        if self._rooms.hosts():
            hosts.append(self.node)
        return min(hosts, default=None) or self.first_serving()

    def say_alive(self) -> None:
        """Say that this node serves, and what it has."""
        rooms = self._rooms
        self.bus.tell(Alive(self.address, rooms.live_calls.draining, rooms.hosts()))

    def _beat(self) -> None:
        """Say that this node serves, and notice those that don't any more."""
        self.say_alive()
        for node in self.neighbours.silent(self._loop.time()):
            self._log.warning("a node of the cluster is silent", node=node)
            self._gone(node)
        self._pulse = self._loop.call_later(ALIVE_SECONDS, self._beat)

    def _restored(self) -> None:
        """Messages may have been missed: ask for what they said."""
        self._rooms.bindings.doubt()
        self.bus.tell(Joined())
        self.say_alive()
        self._rooms.live_calls.tell_all()
        self._news()

    # Hearing

    def _heard(self, node: str, message: Message) -> None:
        rooms = self._rooms
        match message:
            case BindingsChanged(logins, refreshed):
                rooms.bindings.told(logins, refreshed)
            case CallChanged():
                self._lines_changed(self.neighbours.put(node, message))
            case CallEnded(call):
                self._lines_changed(self.neighbours.end(node, call))
            case AccountsChanged(accounts):
                rooms.accounts_changed(accounts)
            case Attempted(account, at):
                rooms.caps.attempted(account, at)
            case Spent(account, at, micros):
                rooms.caps.spent(account, at, micros)
            case TextKept(line):
                rooms.text_kept(line)
            case TextsDelivered(line):
                rooms.texts_delivered(line)
            case NewsTold():
                self._news()
            case Joined():
                self._lines_changed(self.neighbours.forget_calls(node))
                self.say_alive()
                rooms.live_calls.tell_all()
            case Alive():
                if self.neighbours.alive(node, message, self._loop.time()):
                    self._log.info("a node of the cluster serves", node=node)
                    rooms.neighbour_found(message.address)
            case Left():
                self._log.info("a node of the cluster has stopped", node=node)
                self._gone(node)
            case _:
                assert_never(message)

    def _gone(self, node: str) -> None:
        lost = self.neighbours.get(node)
        self._lines_changed(self.neighbours.gone(node))
        if lost is not None:
            self._rooms.neighbour_lost(lost.address)

    def _lines_changed(self, lines: Iterable[int]) -> None:
        if lines:
            self._rooms.lines_changed(lines)
