"""Leases of nodes: how long a node may admit calls without its database, and when it is dead.

A node beats every second: it counts its row up in the table of nodes. Three rules keep two nodes
from owning the same calls:

1. A node admits calls for ADMITS_SECONDS after it *began* its last successful beat.
2. Another holds it for dead when it has seen the same beat for DEAD_SECONDS, which is longer.
3. It takes a dead node's calls by changing its row, if that still has that beat; so either the beat
   or the takeover comes first, and a node whose row was taken can't beat any more.

No clock is compared with that of another machine. Everything here is pure: `now` is in monotonic
seconds of the node that asks.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

BEAT_SECONDS = 1.0
"""The interval of beats."""
ADMITS_SECONDS = 3.0
"""How long a node admits calls after the beginning of its last beat."""
DEAD_SECONDS = 5.0
"""How long the same beat is seen before its node is dead."""
GAP_SECONDS = 3.0
"""A pause between two looks that says that the database was away, perhaps for all nodes."""
RETURN_SECONDS = 10.0
"""The time in which nodes find their way back to a database that was away, before it counts
against them that they don't beat."""

LIVING = ("serving", "draining")


class Node(Struct, frozen=True):
    """The row of a node.

    Args:
        incarnation: one run of the node's process; a takeover takes it away.
        beat: counted up by the node while it lives.
        state: serving, draining, stopped, dead (its calls are being ended) or ended.
        wanted: what operators want of it: serve or drain.
        taken_by: the node that ends its calls.
        version: of the program.
        listens: its SIP sockets, for people.
        started_at, alive_at: epoch milliseconds by the node's own clock.
    """

    name: str
    incarnation: str
    beat: int
    state: str
    wanted: str
    taken_by: str
    version: str
    listens: str
    started_at: int
    alive_at: int

    @property
    def lives(self) -> bool:
        """True if the node has neither stopped nor was found dead."""
        return self.state in LIVING


class Lease:
    """The right of this node to admit calls."""

    def __init__(self) -> None:
        self._held_from: float | None = None

    def renew(self, began_at: float) -> None:
        """A beat that began then has succeeded."""
        self._held_from = began_at

    def lose(self) -> None:
        """Another node has taken this node's calls over."""
        self._held_from = None

    def holds(self, now: float) -> bool:
        """True while no other node can have taken this node's calls over."""
        return self._held_from is not None and now - self._held_from < ADMITS_SECONDS


class Observer:
    """Watches the beats of the other nodes.

    Args:
        own: the name of this node.
    """

    def __init__(self, own: str) -> None:
        self._own = own
        self._looked_at: float | None = None
        self._returned_at: float | None = None
        """When the database was back after it had been away."""
        self._seen: dict[str, tuple[str, int, float]] = {}
        """Incarnation and beat of each node, and since when they have been the same."""

    def look(self, nodes: Iterable[Node], now: float) -> list[Node]:
        """The nodes that are dead.

        Args:
            now: after the nodes were read.
        """
        since = now
        if self._looked_at is not None and now - self._looked_at > GAP_SECONDS:
            self._returned_at = now
            self._seen.clear()
        if self._returned_at is not None and now - self._returned_at < RETURN_SECONDS:
            since = self._returned_at + RETURN_SECONDS
        self._looked_at = now
        found: dict[str, tuple[str, int, float]] = {}
        dead: list[Node] = []
        for node in nodes:
            if node.name == self._own or not node.lives:
                continue
            before = self._seen.get(node.name)
            if before is None or before[:2] != (node.incarnation, node.beat):
                before = (node.incarnation, node.beat, since)
            found[node.name] = before
            if now - before[2] >= DEAD_SECONDS:
                dead.append(node)
        self._seen = found
        return dead


def left_over(nodes: Iterable[Node], own: str) -> list[str]:
    """The dead nodes whose calls this node has to end: those that it took, and those that a node
    took which has died since."""
    known = list(nodes)
    living = {node.name for node in known if node.lives} - {own}
    return [node.name for node in known if node.state == "dead" and node.taken_by not in living]
