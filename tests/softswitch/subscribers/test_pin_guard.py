"""Tries of PINs: counted one by one, on disk, each PIN by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from billing.stores.store import Store, StoreError
from softswitch.subscribers import pins
from softswitch.subscribers.pin_guard import PinGuard
from softswitch.subscribers.pin_tries import LOCKED_MS, PinTries, Secret

MAILBOX, LINE, ROOM = Secret("mailbox", "1"), Secret("line", "1"), Secret("room", "100")
WRONG = ""
"""Counts as any other, but costs no slow hash."""
KEPT = pins.hashed("2580", b"salt")


class Log:
    def __init__(self) -> None:
        self.warnings: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **values: Any) -> None:
        self.warnings.append((event, values))


class Desk:
    """A guard on a database; time stands still unless somebody moves it."""

    def __init__(self, folder: Path) -> None:
        self.now = 1_780_000_000_000
        self.store = Store(f"sqlite:///{folder}/switch.db")
        self.store.create()
        self.log = Log()
        self.tries = PinTries(self.store.engine)
        self.begin()

    def begin(self) -> None:
        """As a process does that has just started."""
        self.guard = PinGuard(self.tries, asyncio.to_thread, lambda: self.now, self.log)

    def fits(self, pin: str, secret: Secret = LINE) -> bool | None:
        """None: locked."""
        try:
            return asyncio.run(self.guard.fits(secret, pin, KEPT))
        except pins.Locked:
            return None


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.store.close()


def lock(desk: Desk, secret: Secret = LINE) -> None:
    assert [desk.fits(WRONG, secret) for _ in range(pins.MAX_WRONG)] == [False] * pins.MAX_WRONG


def test_after_five_wrong_ones_in_a_row_none_is_looked_at_for_a_while(desk: Desk) -> None:
    lock(desk)
    assert desk.fits("2580") is None
    desk.now += LOCKED_MS - 1
    assert desk.fits("2580") is None
    desk.now += 1
    assert desk.fits("2580") is True
    event, values = desk.log.warnings[0]
    assert (event, values) == ("a PIN was guessed at", {"kind": "line", "owner": "1"})


def test_after_a_lock_there_are_five_tries_again(desk: Desk) -> None:
    lock(desk)
    desk.now += LOCKED_MS
    lock(desk)
    assert desk.fits("2580") is None


def test_the_right_one_begins_the_count_anew(desk: Desk) -> None:
    for _ in range(3):
        assert [desk.fits(WRONG) for _ in range(pins.MAX_WRONG - 1)].count(False) == 4
        assert desk.fits("2580") is True
    assert desk.tries.all() == []


def test_wrong_ones_days_apart_are_in_a_row_too(desk: Desk) -> None:
    for _ in range(pins.MAX_WRONG):
        assert desk.fits(WRONG) is False
        desk.now += 86_400_000
    desk.now -= 86_400_000
    assert desk.fits("2580") is None


def test_a_restart_forgets_nothing(desk: Desk) -> None:
    assert [desk.fits(WRONG) for _ in range(3)] == [False] * 3
    desk.begin()
    assert [desk.fits(WRONG) for _ in range(2)] == [False] * 2
    desk.begin()
    assert desk.fits("2580") is None


def test_each_pin_has_its_own_count(desk: Desk) -> None:
    lock(desk, MAILBOX)
    assert desk.fits("2580", LINE) is True and desk.fits("2580", ROOM) is True
    assert desk.fits("2580", MAILBOX) is None


def test_tries_at_once_are_five_as_well(desk: Desk) -> None:
    async def guess() -> list[object]:
        tries = [desk.guard.fits(LINE, WRONG, KEPT) for _ in range(20)]
        return await asyncio.gather(*tries, return_exceptions=True)

    outcomes = asyncio.run(guess())
    assert sum(outcome is False for outcome in outcomes) == pins.MAX_WRONG
    assert sum(isinstance(outcome, pins.Locked) for outcome in outcomes) == 20 - pins.MAX_WRONG


def test_no_pin_fits_where_there_is_none(desk: Desk) -> None:
    assert asyncio.run(desk.guard.fits(LINE, "2580", None)) is False
    assert desk.fits("0815") is False
    assert desk.tries.of(LINE).wrong == 2


@pytest.mark.parametrize("step", [-86_400_000, 86_400_000])
def test_a_clock_that_is_set_makes_no_lock_longer_than_its_term(desk: Desk, step: int) -> None:
    lock(desk)
    desk.now += step
    assert desk.fits("2580") is True


def test_a_database_that_is_out_of_order_lets_nobody_in(desk: Desk) -> None:
    with desk.store.engine.begin() as connection:
        connection.execute(text("DROP TABLE pin_tries"))
    with pytest.raises(StoreError):
        desk.fits("2580")
