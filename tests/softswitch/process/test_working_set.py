"""Everything is read again while calls go on: in slices, and without undoing what is younger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from billing.facts.authorization import AddAccount
from billing.stores.store import Store
from sip.digest import Algorithm
from softswitch.operations.installation.setup import epoch_ms
from softswitch.process.working_set import SLICE, WorkingSet, WorkingSetLoader
from softswitch.subscribers.caps import Caps
from softswitch.subscribers.directory import Line
from softswitch.subscribers.directory_store import DirectoryStore
from softswitch.subscribers.refusal import Refusal

LINES = 1_200


def line(n: int) -> Line:
    secrets = dict.fromkeys(Algorithm, f"{n:032x}")
    return Line(0, f"+9953220{n:05d}", f"phone{n:05d}", 1, secrets)


class House:
    def __init__(self, folder: Path) -> None:
        self.store = Store(f"sqlite:///{folder}/switch.db")
        self.store.create()
        self.store.apply([AddAccount("a", "person", "GEL", 0, "default", 0)])
        self.lines = DirectoryStore(self.store.engine)
        self.ids = self.lines.add_lines([line(n) for n in range(LINES)])
        self.known = WorkingSet()
        self.loader = WorkingSetLoader(self.store, self.lines, self.known)
        self.loader.load()
        self.told: list[tuple[list[int], list[int]]] = []

    def line(self, n: int) -> Line:
        found = self.known.directory.line(self.ids[n])
        assert found is not None
        return found

    def lines_changed(self, lines, removed) -> None:
        self.told.append(([line.id for line in lines], list(removed)))
        self.known.directory.put_lines(lines)
        for line_id in removed:
            self.known.directory.forget_line(line_id)

    def load_again(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        async def run(work, *arguments):
            found = work(*arguments)
            meanwhile()
            return found

        asyncio.run(self.loader.load_again(run, self.lines_changed))


@pytest.fixture
def house(tmp_path: Path):
    made = House(tmp_path)
    yield made
    made.store.close()


def test_only_lines_that_differ_are_taken_over_and_told_of(house):
    changed = replace(house.line(3), display_name="Nino")
    house.lines.save_line(house.line(3), changed)
    house.lines.remove_line(house.line(7))
    gone = house.ids[7]
    house.load_again()
    assert house.told == [([changed.id], []), ([], [gone])]
    assert house.line(3).display_name == "Nino"
    assert house.known.directory.line(gone) is None


def test_nothing_is_told_when_nothing_has_changed(house):
    house.load_again()
    assert house.told == []


def test_many_changes_are_taken_over_in_slices(house):
    for n in range(LINES):
        house.known.directory.put_lines([replace(house.line(n), display_name="old")])
    house.load_again()
    assert [len(changed) for changed, _ in house.told] == [SLICE, SLICE, LINES - 2 * SLICE]


def test_a_line_that_is_changed_while_everything_is_read_stays_as_it_was_changed(house):
    younger = replace(house.line(5), display_name="younger")
    house.load_again(lambda: house.known.directory.put_lines([younger]))
    assert house.line(5).display_name == "younger"


def test_a_line_that_is_removed_while_everything_is_read_stays_away(house):
    house.load_again(lambda: house.known.directory.forget_line(house.ids[5]))
    assert house.known.directory.line(house.ids[5]) is None


def test_a_call_that_ends_while_everything_is_read_counts_against_its_cap(house):
    house.lines.save_caps(Caps(1, spend_day_micros=100))
    house.loader.load()
    caps, later = house.known.directory.caps, epoch_ms() + 60_000
    house.load_again(lambda: caps.spent(1, later, 100))
    with pytest.raises(Refusal, match="spent"):
        caps.check(1, "442012345678", frozenset(), lambda account: 0, later, False)
