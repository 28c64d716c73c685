"""The heartbeat of this node on a server's database: it holds the lease, watches the other nodes
and takes the calls of those that died.

It runs in a thread and on a connection of its own, the one that holds the claim, so that neither a
busy event loop nor a waiting writer delays it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass

from msgspec import structs
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from billing.stores.store import StoreError
from softswitch.cluster import node_store
from softswitch.cluster.lease import BEAT_SECONDS, Lease, Node, Observer, left_over
from softswitch.control.claim import DatabaseClaim
from softswitch.control.server import AlreadyRunning

TAKEOVER_SECONDS = 10.0
"""How long a node that starts waits for another to end the calls of its last run."""


@dataclass(frozen=True, slots=True)
class Round:
    """The outcome of one beat.

    Args:
        lost: another node has taken this node's calls over since the last beat.
        found_dead: nodes that this beat has found dead.
        to_end: dead nodes whose calls this node has to end.
        wanted: what operators want of this node: serve or drain.
    """

    lost: bool
    found_dead: tuple[str, ...]
    to_end: tuple[str, ...]
    wanted: str


class Heartbeat:
    """The beats of one node; nothing here waits but for the database.

    Args:
        engine: the database, by connections that hold no claim.
        new: the row of a run that begins, with a new incarnation each time.
        now: monotonic seconds.
        wall_ms: epoch milliseconds.
    """

    def __init__(
        self,
        engine: Engine,
        claim: DatabaseClaim,
        new: Callable[[], Node],
        lease: Lease,
        now: Callable[[], float],
        wall_ms: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._claim = claim
        self._new = new
        self._run = new()
        self._lease = lease
        self._now = now
        self._wall_ms = wall_ms
        self._observer = Observer(self._run.name)
        self._joined = False

    def join(self) -> bool:
        """Begin a run; False while another node ends the calls of the last one.

        Raises:
            AlreadyRunning, StoreError, SQLAlchemyError: another process has this node's name; the
                database fails.
        """
        began = self._now()
        with self._claim.connection() as connection:
            self._join(connection, began)
        return self._joined

    def take_own(self) -> None:
        """End the wait for another node to end the calls of the last run: this one will."""
        name = self._run.name
        with self._claim.connection() as connection:
            row = node_store.node(connection, name)
            if row is not None and row.state == "dead":
                node_store.take(connection, row, name)
                node_store.ended(connection, name)

    def beat(self, state: str) -> Round:
        """Renew the lease and look at the other nodes; begins a new run if the last was taken over
        and its calls are ended.

        Args:
            state: serving or draining.

        Raises:
            AlreadyRunning, StoreError, SQLAlchemyError: another process has this node's name; the
                database fails.
        """
        began, name = self._now(), self._run.name
        with self._claim.connection() as connection:
            lost = False
            if not self._joined:
                self._join(connection, began)
            elif node_store.beat(connection, name, self._run.incarnation, state, self._wall_ms()):
                self._lease.renew(began)
            else:
                lost, self._joined = True, False
                self._lease.lose()
            nodes = node_store.nodes(connection)
            dead = []
            if self._joined:
                dead = self._observer.look(nodes, self._now())
                dead = [node for node in dead if node_store.take(connection, node, name)]
            if dead:
                nodes = node_store.nodes(connection)
        wanted = next((node.wanted for node in nodes if node.name == name), "serve")
        names = tuple(node.name for node in dead)
        return Round(lost, names, tuple(left_over(nodes, name)), wanted)

    def is_replaced(self) -> bool:
        """True if another process has begun a run under this node's name. A claim that is held
        elsewhere doesn't say so: the server may still hold it for a connection of ours that broke.

        Raises:
            SQLAlchemyError: the database fails.
        """
        with self._engine.connect() as connection:
            row = node_store.node(connection, self._run.name)
        return row is not None and row.lives and row.incarnation != self._run.incarnation

    def ended(self, node: str) -> None:
        """The calls of a dead node are ended."""
        with self._claim.connection() as connection:
            node_store.ended(connection, node)

    def stop(self) -> None:
        """End the run: this node has no calls any more."""
        with self._claim.connection() as connection:
            node_store.stop(connection, self._run.name, self._run.incarnation)

    def _join(self, connection: Connection, began: float) -> None:
        before = node_store.node(connection, self._run.name)
        if before is not None and before.state == "dead":
            return
        self._run = structs.replace(self._new(), alive_at=self._wall_ms())
        self._joined = node_store.join(connection, self._run, before)
        if self._joined:
            self._lease.renew(began)


class HeartbeatThread:
    """Beats every second, and tells the event loop what came of it.

    Args:
        state: serving or draining; asked in the thread.
        told: called in the loop with each round.
        failed: called in the loop when the database can't be reached.
        ousted: called in the loop when another process serves under this node's name.
    """

    def __init__(
        self,
        heartbeat: Heartbeat,
        loop: asyncio.AbstractEventLoop,
        state: Callable[[], str],
        *,
        told: Callable[[Round], None],
        failed: Callable[[Exception], None],
        ousted: Callable[[AlreadyRunning], None],
    ) -> None:
        self._heartbeat = heartbeat
        self._loop = loop
        self._state = state
        self._told = told
        self._failed = failed
        self._ousted = ousted
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more; waits for a beat that is under way, but not for a database that hangs."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(2 * BEAT_SECONDS)

    def _run(self) -> None:
        while not self._stopping.wait(BEAT_SECONDS):
            try:
                told = self._heartbeat.beat(self._state())
            except AlreadyRunning as error:
                self._tell(self._ousted if self._is_replaced() else self._failed, error)
            except (StoreError, SQLAlchemyError) as error:
                self._tell(self._failed, error)
            else:
                self._tell(self._told, told)

    def _is_replaced(self) -> bool:
        try:
            return self._heartbeat.is_replaced()
        except SQLAlchemyError:
            return False

    def _tell(self, told: Callable[..., None], what: object) -> None:
        if not self._stopping.is_set():
            self._loop.call_soon_threadsafe(told, what)
