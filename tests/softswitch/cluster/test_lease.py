"""Leases in any weather: no node admits a call while another may take its calls over."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

import pytest
from msgspec import structs

from softswitch.cluster.lease import DEAD_SECONDS, Lease, Node, Observer, left_over

FIRST = Node("", "", 0, "serving", "serve", "", "0.2.0", "", 0, 0)


def row(name: str, beat: int = 0, **more: str) -> Node:
    return structs.replace(FIRST, name=name, beat=beat, **{"incarnation": f"{name}1"} | more)


def test_a_lease_holds_three_seconds_from_the_beginning_of_its_last_beat() -> None:
    lease = Lease()
    assert not lease.holds(0.0)
    lease.renew(10.0)
    assert lease.holds(12.9) and not lease.holds(13.0)
    lease.renew(14.0)
    lease.lose()
    assert not lease.holds(14.1)


def test_a_node_is_dead_when_its_beat_has_stood_for_five_seconds() -> None:
    observer = Observer("a")
    for second in range(5):
        assert observer.look([row("a"), row("b", 7)], 100.0 + second) == []
    (dead,) = observer.look([row("a"), row("b", 7)], 105.0)
    assert dead.name == "b"


def test_a_beat_or_another_run_of_the_node_begins_the_count_anew() -> None:
    observer = Observer("a")
    seen = [row("b", 7)] * 4 + [row("b", 8)] * 4 + [row("b", 8, incarnation="b2")] * 5
    for second, node in enumerate(seen):
        assert observer.look([node], 100.0 + second) == []


def test_nodes_have_ten_seconds_more_after_the_database_was_away() -> None:
    observer = Observer("a")
    observer.look([row("b", 7)], 100.0)
    died = next(second for second in range(130, 160) if observer.look([row("b", 7)], float(second)))
    assert died == 130 + 10 + 5


def test_nodes_that_stopped_or_are_dead_already_are_not_watched() -> None:
    observer = Observer("a")
    gone = [row("b", state="stopped"), row("c", state="dead"), row("d", state="ended")]
    for second in range(10):
        assert observer.look(gone, 100.0 + second) == []


def test_calls_are_left_over_to_the_taker_and_to_all_others_when_that_has_died() -> None:
    nodes = [row("a"), row("b", state="dead", taken_by="c"), row("c")]
    assert (left_over(nodes, "a"), left_over(nodes, "c")) == ([], ["b"])
    nodes[2] = row("c", state="dead", taken_by="a")
    assert left_over(nodes, "a") == ["b", "c"]


class Weather:
    """Nodes on one table in simulated time: statements arrive late, answers arrive later or never,
    processes freeze and die."""

    def __init__(self, seed: int, names: str) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.due: list[tuple[float, int, Callable[[], None]]] = []
        self.rows = {name: row(name) for name in names}
        self.nodes = [SimulatedNode(self, name) for name in names]
        self.taken = 0
        self.away_until = 0.0

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        heapq.heappush(self.due, (self.now + seconds, self.rng.getrandbits(60), work))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.due and self.due[0][0] <= end:
            self.now, _, work = heapq.heappop(self.due)
            work()
            self.check()
        self.now = end

    def delay(self) -> float:
        """Mostly milliseconds, sometimes longer than any patience."""
        chance = self.rng.random()
        return self.rng.uniform(0.0, 9.0 if chance < 0.02 else 1.0 if chance < 0.1 else 0.05)

    def check(self) -> None:
        for node in self.nodes:
            if node.lease.holds(self.now) and node.lives:
                own = self.rows[node.name]
                assert own.lives and own.incarnation == node.incarnation, (self.now, node.name)


class SimulatedNode:
    """A node whose beats take their time on the way to the table and back."""

    def __init__(self, weather: Weather, name: str) -> None:
        self.weather = weather
        self.name = name
        self.incarnation = f"{name}1"
        self.lease = Lease()
        self.observer = Observer(name)
        self.lives = True
        self.runs = 1
        self.frozen_until = 0.0
        weather.later(weather.rng.random(), self.begin_beat)

    def begin_beat(self) -> None:
        weather, began = self.weather, self.weather.now
        if not self.lives:
            return
        if weather.rng.random() < 0.005:
            self.lives = False
            weather.later(weather.rng.uniform(0.0, 60.0), self.restart)
            return
        to, back = weather.delay(), weather.delay()
        if began < weather.away_until or weather.rng.random() < 0.02:
            weather.later(1.0 + weather.delay(), self.begin_beat)  # an error, or no connection
            return
        weather.later(to, lambda: self.at_table(began, back))

    def at_table(self, began: float, back: float) -> None:
        weather, incarnation = self.weather, self.incarnation
        own = weather.rows[self.name]
        beaten = own.incarnation == incarnation and own.lives
        if beaten:
            weather.rows[self.name] = structs.replace(own, beat=own.beat + 1)
        read = list(weather.rows.values())
        weather.later(back, lambda: self.answered(began, beaten, read, incarnation))

    def answered(self, began: float, beaten: bool, read: list[Node], incarnation: str) -> None:
        weather = self.weather
        if not self.lives or incarnation != self.incarnation:
            return
        if not beaten:
            self.lease.lose()
            self.restart()
            return
        self.lease.renew(began)
        for dead in self.observer.look(read, weather.now):
            weather.later(weather.delay(), lambda dead=dead: self.take(dead))
        weather.later(1.0, self.begin_beat)

    def take(self, dead: Node) -> None:
        own = self.weather.rows[dead.name]
        if (own.incarnation, own.beat, own.lives) == (dead.incarnation, dead.beat, True):
            self.weather.rows[dead.name] = structs.replace(
                own, state="dead", incarnation="", taken_by=self.name
            )
            self.weather.taken += 1

    def restart(self) -> None:
        weather = self.weather
        self.runs += 1
        self.incarnation = f"{self.name}{self.runs}"
        self.lease, self.observer, self.lives = Lease(), Observer(self.name), True
        weather.rows[self.name] = row(self.name, incarnation=self.incarnation)
        weather.later(0.1, self.begin_beat)


@pytest.mark.parametrize("seed", range(20))
def test_no_node_admits_a_call_once_its_calls_may_be_taken(seed: int) -> None:
    weather = Weather(seed, "abc")
    for _ in range(10):
        weather.run(400.0)
        weather.away_until = weather.now + weather.rng.uniform(0.0, 40.0)
    assert weather.taken > 10  # the simulation has deaths, true and false ones


def test_a_dead_node_is_taken_within_seven_seconds_of_its_last_beat() -> None:
    nodes, table = {name: Observer(name) for name in "ab"}, {"a": row("a"), "b": row("b")}
    died_at = taken_at = None
    for tick in range(400):
        now = tick / 10
        if tick % 10 == 0:
            table["a"] = structs.replace(table["a"], beat=table["a"].beat + 1)
            if nodes["a"].look(table.values(), now):
                taken_at = now
                break
        if tick % 10 == 9 and now < 20.0:
            table["b"], died_at = structs.replace(table["b"], beat=table["b"].beat + 1), now
    assert died_at is not None and taken_at is not None
    assert DEAD_SECONDS <= taken_at - died_at < 7.0
