"""What the return of somebody sets off, to the millisecond."""

from __future__ import annotations

from dataclasses import replace

import pytest

from billing.stores.store import Store
from softswitch.completion.store import CompletionStore
from softswitch.completion.waiting import State, Waiting, Windows
from softswitch.config.completion import CompletionSection

WINDOWS = Windows.of(CompletionSection())
HALF_HOUR, TWO_HOURS, WEEK = 1_800_000, 7_200_000, 7 * 86_400_000


def test_the_windows_of_the_configuration_are_those_of_the_rules() -> None:
    assert WINDOWS == Windows() == Windows(TWO_HOURS, HALF_HOUR, WEEK)


@pytest.mark.parametrize(
    ("state", "age", "action"),
    [
        ("accepted", 0, "connect"),
        ("accepted", TWO_HOURS, "connect"),
        ("accepted", TWO_HOURS + 1, "tell"),
        ("accepted", WEEK + 1, "forget"),
        ("declined", 0, "ring"),
        ("declined", HALF_HOUR - 1, "ring"),
        ("declined", HALF_HOUR, "tell"),
        ("declined", WEEK, "tell"),
        ("declined", WEEK + 1, "forget"),
        ("to_offer", TWO_HOURS * 3, "offer"),
        ("offered", TWO_HOURS, "wait"),
        ("offered", TWO_HOURS + 1, "forget"),
    ],
)
def test_d3_d4_d5_d7_what_a_return_sets_off(state: State, age: int, action: str) -> None:
    asked = 1_800_000_000_000
    waiting = Waiting("w", 1, 2, "+995322000002", True, "busy", state, asked, asked)
    assert waiting.action(asked + age, WINDOWS) == action


def test_d6_the_window_of_an_offer_by_text_begins_with_its_acceptance() -> None:
    asked = 1_800_000_000_000
    waiting = Waiting("w", 1, 2, "+995322000002", True, "busy", "accepted", asked, asked)
    later = replace(waiting, since=asked + 3 * TWO_HOURS)
    assert later.action(asked + 4 * TWO_HOURS, WINDOWS) == "connect"


def test_each_node_takes_up_its_own_and_operators_see_all() -> None:
    store = Store("sqlite://")
    store.create()
    nodes = [CompletionStore(store.engine, node) for node in ("a", "b")]
    for number, node in enumerate(nodes):
        key = f"w{number}"
        node.write({key: Waiting(key, 1, 2, "+995322000002", True, "busy", "accepted", 5, 5)})
    assert [[row.id for row in node.load()] for node in nodes] == [["w0"], ["w1"]]
    assert [row.id for row in CompletionStore(store.engine).load()] == ["w0", "w1"]
    nodes[0].write({"w0": None})
    assert nodes[0].load() == []
    store.close()
