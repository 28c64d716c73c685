"""The garbage collector of a switch that serves: its pauses are short, and cycles don't stay."""

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


def test_cycles_are_collected_when_no_call_lives_and_little_happens(round_):
    round_.do(idle=True)
    knot = weakref.ref(Knot())
    round_.do(idle=False)
    assert knot() is not None
    round_.do(idle=True)
    assert knot() is None
