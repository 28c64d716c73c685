"""Beats of nodes on PostgreSQL: who is dead, who takes whose calls, and who is told of it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import pytest
from msgspec import structs
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from billing.stores.store import Store
from softswitch.cluster import node_store
from softswitch.cluster.heartbeat import Heartbeat
from softswitch.cluster.lease import Lease, Node
from softswitch.control.claim import DatabaseClaim
from softswitch.control.server import AlreadyRunning

RUNS = itertools.count()
ROW = Node("", "", 0, "serving", "serve", "", "0.2.0", "udp:192.0.2.1:5060", 1, 1)


class Machine:
    """One node's process as far as the database sees it, with a clock that the test sets."""

    def __init__(self, url: str, name: str) -> None:
        self.store = Store(url)
        self.claim = DatabaseClaim(self.store.engine, None, "db", name)
        self.lease = Lease()
        self.now = 100.0
        self.name = name
        self.heartbeat = Heartbeat(
            self.store.engine, self.claim, self.row, self.lease, lambda: self.now, lambda: 5_000
        )

    def row(self) -> Node:
        return structs.replace(ROW, name=self.name, incarnation=f"run{next(RUNS)}")

    def begin(self) -> None:
        self.claim.take()
        assert self.heartbeat.join()

    def beat(self, now: float) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
        """What was lost, who was found dead, and whose calls are to be ended."""
        self.now = now
        told = self.heartbeat.beat("serving")
        return told.lost, told.found_dead, told.to_end

    def die(self) -> None:
        """As kill -9: the sessions end, and nothing is written."""
        self.claim.release()
        self.store.close()


@pytest.fixture
def pair(own_database: str) -> Iterator[tuple[Machine, Machine]]:
    first = Store(own_database)
    first.create()
    first.close()
    a, b = Machine(own_database, "a"), Machine(own_database, "b")
    a.begin()
    b.begin()
    yield a, b
    for machine in (a, b):
        with contextlib.suppress(SQLAlchemyError):
            machine.die()


QUIET = (False, (), ())


def until_dead(living: Machine) -> None:
    for second in range(101, 106):
        assert living.beat(float(second)) == QUIET
    assert living.beat(106.0) == (False, ("b",), ("b",))


def test_a_dead_node_is_found_by_one_that_lives_until_its_calls_are_ended(pair) -> None:
    a, b = pair
    b.die()
    until_dead(a)
    assert a.beat(107.0) == (False, (), ("b",))
    a.heartbeat.ended("b")
    assert a.beat(108.0) == QUIET


def test_a_node_that_beats_is_left_alone(pair) -> None:
    a, b = pair
    for second in range(101, 120):
        assert a.beat(float(second)) == b.beat(float(second)) == QUIET
    assert a.lease.holds(121.9) and not a.lease.holds(122.0)


def test_a_node_whose_calls_were_taken_hears_it_and_begins_anew_when_they_are_ended(pair) -> None:
    a, b = pair
    until_dead(a)  # b is frozen, and has lost nothing but time
    assert b.beat(200.0) == (True, (), ())
    assert not b.lease.holds(200.1)
    assert b.beat(201.0) == QUIET
    assert not b.lease.holds(201.1)
    a.heartbeat.ended("b")
    assert b.beat(202.0) == QUIET
    assert b.lease.holds(202.1)
    assert a.beat(107.0) == QUIET


def test_the_calls_of_a_dead_taker_and_of_whom_it_took_go_to_the_next(pair, own_database) -> None:
    a, b = pair
    c = Machine(own_database, "c")
    c.begin()
    b.die()
    for second in range(101, 107):
        a.beat(float(second))
        if second < 106:
            c.beat(float(second))
    a.die()
    found = [c.beat(float(second)) for second in range(106, 113)]
    assert (False, ("a",), ("a", "b")) in found
    c.die()


def test_a_process_that_starts_waits_for_the_taker_or_takes_its_own(pair, own_database) -> None:
    a, b = pair
    b.die()
    until_dead(a)
    again = Machine(own_database, "b")
    again.claim.take()
    assert not again.heartbeat.join()
    again.heartbeat.take_own()
    assert again.heartbeat.join() and again.lease.holds(100.1)
    again.die()


def test_a_lost_session_is_opened_again_with_the_claim(pair) -> None:
    a, b = pair
    with b.store.engine.connect() as connection, a.claim.connection() as held:
        pid = held.execute(text("SELECT pg_backend_pid()")).scalar_one()
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    with pytest.raises(SQLAlchemyError):
        a.beat(101.0)
    assert a.beat(102.0) == QUIET
    with pytest.raises(AlreadyRunning):
        DatabaseClaim(b.store.engine, None, "db", "a").take()


def test_a_node_whose_name_another_process_has_by_now_is_told(pair, own_database) -> None:
    a, _ = pair
    a.claim.release()  # its session was cut, and before it is back another process starts
    usurper = Machine(own_database, "a")
    usurper.begin()
    with pytest.raises(AlreadyRunning, match="as node 'a'"):
        a.beat(101.0)
    assert a.heartbeat.is_replaced()
    usurper.die()


def test_a_claim_that_the_server_holds_for_a_broken_connection_is_waited_for(pair) -> None:
    a, b = pair
    a.claim.release()  # at our end the connection is gone
    lingering = DatabaseClaim(b.store.engine, None, "db", "a")
    lingering.take()  # at the server's it isn't yet
    for second in (101.0, 102.0):
        with pytest.raises(AlreadyRunning):
            a.beat(second)
        assert not a.heartbeat.is_replaced()
    lingering.release()
    assert a.beat(103.0) == QUIET and a.lease.holds(103.1)


def test_operators_ask_a_living_node_to_drain_and_a_new_run_serves_again(pair) -> None:
    a, b = pair
    with b.store.engine.begin() as connection:
        assert node_store.want(connection, "a", "drain")
        assert not node_store.want(connection, "nobody", "drain")
    a.now = 101.0
    assert a.heartbeat.beat("serving").wanted == "drain"
    a.heartbeat.beat("draining")
    with b.store.engine.connect() as connection:
        assert [node.state for node in node_store.nodes(connection)] == ["draining", "serving"]
    a.heartbeat.stop()
    with b.store.engine.begin() as connection:
        assert not node_store.want(connection, "a", "drain")
    assert a.heartbeat.join()
    assert a.heartbeat.beat("serving").wanted == "serve"
