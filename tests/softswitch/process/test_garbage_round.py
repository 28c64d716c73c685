"""The garbage collector of a switch that serves: its pauses are short, and cycles don't stay."""

import asyncio
import collections
import gc
import time
import weakref

import pytest

from softswitch.process.housekeeping import GarbageRound


class Knot:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def round_():
    before = gc.get_threshold()
    made = GarbageRound()
    made.begin()
    yield made
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_lives_at_the_start_is_never_scanned_again(round_):
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[0] == 5_000
    assert gc.get_threshold()[1] == gc.get_threshold()[2] == 1 << 30


def test_under_load_only_the_young_are_scanned_each_time_within_10_ms(round_):
    old = gc.get_stats()[1]["collections"], gc.get_stats()[2]["collections"]
    pauses, began = [], [0.0]

    def note(phase: str, info: dict) -> None:
        if phase == "start":
            began[0] = time.thread_time()
        else:
            pauses.append(time.thread_time() - began[0])

    gc.callbacks.append(note)
    try:
        kept = [{"call": index, "legs": [index]} for index in range(200_000)]
    finally:
        gc.callbacks.remove(note)
    assert len(kept) == 200_000 and len(pauses) >= 40
    assert (gc.get_stats()[1]["collections"], gc.get_stats()[2]["collections"]) == old
    assert sorted(pauses)[len(pauses) // 2] < 0.010


def test_the_young_stay_few_where_as_many_old_objects_are_freed_as_new_ones_are_made(round_):
    """As under steady load: without it Python's own count reaches the threshold too late."""
    living = collections.deque([{"call": -1}] for _ in range(50_000))
    gc.collect(0)
    for turn in range(20):
        for index in range(1_000):
            living.popleft()
            living.append([{"call": index, "turn": turn}])
        assert len(gc.get_objects(generation=0)) < 10_000
        asyncio.run(round_.scan_young())
    assert len(gc.get_objects(generation=0)) < 1_000


@pytest.mark.parametrize(
    ("calls", "transactions", "made"), [(1, 0, 0), (0, 1_000, 0), (0, 0, 4_000)]
)
def test_everything_is_not_collected_while_much_happens(round_, calls, transactions, made):
    round_.do(0, 0)
    tied = Knot()
    gc.collect(0)  # it isn't young any more
    knot = weakref.ref(tied)
    del tied
    kept = [[index] for index in range(made)]
    asyncio.run(round_.scan_young())
    kept += [[index] for index in range(made)]
    round_.do(calls, transactions)
    assert knot() is not None
    round_.do(0, 0)
    assert knot() is None


def test_cycles_are_collected_when_no_call_lives_and_little_happens(round_):
    round_.do(0, 0)
    knot = weakref.ref(Knot())
    round_.do(1, 0)
    assert knot() is not None
    round_.do(0, 0)
    assert knot() is None
