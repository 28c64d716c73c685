"""This process as one of the nodes on its database: it beats, drains when it is asked to, and takes
over from nodes that died."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

import softswitch
from billing.stores.store import StoreError
from softswitch.cluster import node_store
from softswitch.cluster.heartbeat import TAKEOVER_SECONDS, Heartbeat, HeartbeatThread, Round
from softswitch.cluster.lease import BEAT_SECONDS, Lease, Node
from softswitch.config.config import Config
from softswitch.control.claim import DatabaseClaim
from softswitch.control.server import AlreadyRunning
from softswitch.operations.installation.setup import epoch_ms
from softswitch.process.switch import Switch
from softswitch.trace.log import Log

LOOK_SECONDS = 0.2
"""The interval of looks while another node ends the calls of this node's last run."""


class Membership:
    """The node of this process. A database in a file has one node, which needs no lease.

    Args:
        end: ends this process: another one serves under its name.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        log: Log,
        end: Callable[[], None],
    ) -> None:
        self._config = config
        self._engine = engine
        self._loop = loop
        self._log = log
        self._end = end
        self._switch: Switch
        self._closing = False
        self._lease: Lease | None = None
        self._thread: HeartbeatThread | None = None
        self._is_away = False
        self._takeovers: dict[str, asyncio.Task[None]] = {}
        self._incarnation = ""
        self._claim = DatabaseClaim(
            engine, config.database_file, config.database_name, config.switch.node
        )
        if config.database_file is None:
            self._lease = Lease()
            self._heartbeat = Heartbeat(
                engine, self._claim, self._new, self._lease, time.monotonic, epoch_ms
            )

    def admits(self) -> bool:
        """True if calls may begin: no other node can have taken this node's calls over."""
        return self._lease is None or self._lease.holds(time.monotonic())

    async def join(self, switch: Switch) -> None:
        """Claim the database, or this node's name in it, and begin to take part once the calls of
        the last run are nobody else's.

        Raises:
            AlreadyRunning, StoreError, SQLAlchemyError: another process has this node's name; the
                database fails.
        """
        self._switch = switch
        self._claim.take()
        if self._lease is None:
            with self._engine.begin() as connection:
                before = node_store.node(connection, self._config.switch.node)
                node_store.join(connection, self._new(), before)
            return
        patience = time.monotonic() + TAKEOVER_SECONDS
        while not self._heartbeat.join():
            if time.monotonic() > patience:
                self._heartbeat.take_own()
            await asyncio.sleep(LOOK_SECONDS)
        self._thread = HeartbeatThread(
            self._heartbeat,
            self._loop,
            self._state,
            told=self._told,
            failed=self._failed,
            ousted=self._ousted,
        )
        self._thread.start()

    async def look(self) -> None:
        """Do what operators want of the only node of a database in a file, which doesn't beat.

        Raises:
            SQLAlchemyError: the database fails.
        """
        if self._lease is not None:
            return
        row = await asyncio.to_thread(self._read)
        if row is not None:
            self._want(row.wanted)
            if row.state != self._state():
                await asyncio.to_thread(self._write, self._state())

    def close(self) -> None:
        """No call may begin any more: the process stops."""
        self._closing = True

    def leave(self) -> None:
        """Take part no more; all calls are over."""
        if self._thread is not None:
            self._thread.stop()
        try:
            if self._lease is not None:
                self._heartbeat.stop()
            else:
                with self._engine.begin() as connection:
                    node_store.stop(connection, self._config.switch.node, self._incarnation)
        except (AlreadyRunning, StoreError, SQLAlchemyError) as error:
            self._log.error("the end of this node wasn't written down", why=str(error))
        self._claim.release()

    def _new(self) -> Node:
        listens = (f"{at.transport}:{at.host}:{at.port}" for at in self._config.sip.listen)
        self._incarnation, now = secrets.token_hex(8), epoch_ms()
        return Node(
            self._config.switch.node,
            self._incarnation,
            0,
            "serving",
            "serve",
            "",
            softswitch.version()[:32],
            " ".join(listens)[:400],
            now,
            now,
        )

    def _state(self) -> str:
        return "draining" if self._switch.live_calls.draining else "serving"

    def _read(self) -> Node | None:
        with self._engine.execution_options(reading=True).connect() as connection:
            return node_store.node(connection, self._config.switch.node)

    def _write(self, state: str) -> None:
        with self._engine.begin() as connection:
            node = self._config.switch.node
            node_store.beat(connection, node, self._incarnation, state, epoch_ms())

    # What the heartbeat tells

    def _told(self, told: Round) -> None:
        if self._is_away:
            self._is_away = False
            self._log.info("the database is back: calls are admitted again")
        if told.lost:
            self._lost()
        for node in told.found_dead:
            self._log.warning("a node is dead", node=node)
        for node in told.to_end:
            if node not in self._takeovers:
                task = self._loop.create_task(self._take(node))
                self._takeovers[node] = task
        self._want(told.wanted)

    def _failed(self, error: Exception) -> None:
        if not self._is_away and not self.admits():
            self._is_away = True
            self._log.error("no call is admitted: the database is away", why=str(error))

    def _ousted(self, error: AlreadyRunning) -> None:
        self._log.error("this switch ends: another has its place", why=str(error))
        self._end()

    def _lost(self) -> None:
        """Another node has ended this node's calls, while this one was away from the database."""
        switch = self._switch
        self._log.error("another node took this node's calls over", calls=len(switch.calls))
        for call_id in list(switch.calls):
            switch.hang_up(call_id, "restart")

    async def _take(self, node: str) -> None:
        try:
            await self._switch.takeover.take(node)
            await asyncio.to_thread(self._heartbeat.ended, node)
        except (AlreadyRunning, StoreError, SQLAlchemyError) as error:
            self._log.error("a dead node waits for the database", node=node, why=str(error))
            await asyncio.sleep(BEAT_SECONDS)
        finally:
            del self._takeovers[node]

    def _want(self, wanted: str) -> None:
        """Drain or serve, as operators want."""
        calls = self._switch.live_calls
        drains = wanted == "drain"
        if self._closing or calls.draining == drains:
            return
        calls.draining = drains
        self._log.info("draining" if drains else "serving again", calls=len(self._switch.calls))
