"""The writer that all calls share: the order of its answers, and how they are told."""

import asyncio
import time

import pytest

from billing.facts.authorization import ProveAlive
from billing.stores.group_commit import (
    MAX_SPACING_SECONDS,
    PATIENCE_SECONDS,
    SPACING_SECONDS,
    TOLD_AT_ONCE,
    GroupCommit,
)


class Slow:
    """Books that take 5 ms for a batch."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def apply(self, commands):
        time.sleep(0.005)
        self.batches.append(len(commands))
        return [command.calls for command in commands]


def command(number: int) -> ProveAlive:
    return ProveAlive(((str(number), number),))


def test_answers_come_in_the_order_of_the_commands_over_all_batches():
    async def run() -> tuple[list[int], list[int]]:
        books = Slow()
        money = GroupCommit(books.apply, asyncio.get_running_loop())
        told: list[int] = []
        for number in range(5 * TOLD_AT_ONCE):
            money.submit(command(number)).add_done_callback(
                lambda done, number=number: told.append(number)
            )
            if number % 7 == 0:
                await asyncio.sleep(0)
        await money.close()
        await asyncio.sleep(0.01)
        return told, books.batches

    told, batches = asyncio.run(run())
    assert told == list(range(5 * TOLD_AT_ONCE))
    assert len(batches) > 1


@pytest.mark.parametrize(
    ("count", "expected"), [(40, [16, 32, 40]), (200, [50, 87, 115, 136, 152, 168, 184, 200])]
)
def test_a_batch_is_told_in_slices_between_which_the_loop_turns(count, expected):
    """Slices of 16 answers, or of a quarter of many; what else is ready has its turn between."""

    async def run() -> list[int]:
        loop = asyncio.get_running_loop()
        money = GroupCommit(
            lambda commands: [command.calls for command in commands], loop, run_in_thread=False
        )
        futures = [money.submit(command(number)) for number in range(count)]
        done: list[int] = []
        while not done or done[-1] < count:
            await asyncio.sleep(0)
            done.append(sum(future.done() for future in futures))
        await money.close()
        return sorted({number for number in done if number})

    assert asyncio.run(run()) == expected


def test_a_failing_listener_keeps_no_answer_back():
    async def run() -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)
        futures = []

        class Relieving:
            relieved_account = 1

        def fail(accounts: set[int]) -> None:
            raise ValueError

        money = GroupCommit(
            lambda commands: list(range(len(commands))),
            loop,
            run_in_thread=False,
            on_accounts_changed=fail,
        )
        futures = [money.submit(Relieving()) for _ in range(40)]
        await asyncio.sleep(0.01)
        return sum(future.done() for future in futures)

    assert asyncio.run(run()) == 40


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer, so that waits are exact and nothing sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0

    def time(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.run_until_complete(asyncio.sleep(0))
        until = self.now + seconds
        while (timers := [h.when() for h in self._scheduled if not h.cancelled()]) and (
            min(timers) <= until
        ):
            self.now = max(self.now, min(timers))
            self.run_until_complete(asyncio.sleep(0))
            self.run_until_complete(asyncio.sleep(0))
        self.now = until


class Noted:
    """Books that note when each batch came and which commands it had."""

    def __init__(self) -> None:
        self.loop = Clock()
        self.batches: list[tuple[float, list[str]]] = []
        self.money = GroupCommit(self._apply, self.loop, run_in_thread=False)

    def _apply(self, commands):
        names = [command.calls[0][0] for command in commands]
        self.batches.append((round(self.loop.now - 100.0, 6), names))
        return [None for _ in commands]

    def close(self) -> None:
        self.loop.run_until_complete(self.money.close())
        self.loop.close()


def test_a_command_that_may_wait_joins_the_batch_of_the_next_one_that_does_not():
    books = Noted()
    books.money.submit(command(1), within_seconds=PATIENCE_SECONDS)
    books.money.submit(command(2), within_seconds=PATIENCE_SECONDS)
    books.loop.wait(0.003)
    assert books.batches == []
    books.money.submit(command(3))
    books.loop.wait(0.02)
    assert books.batches == [(0.003, ["1", "2", "3"])]
    books.close()


def test_commands_that_may_wait_begin_a_batch_when_the_first_of_them_can_wait_no_longer():
    books = Noted()
    books.money.submit(command(1), within_seconds=0.01)
    books.loop.wait(0.002)
    books.money.submit(command(2), within_seconds=0.005)
    books.money.submit(command(3), within_seconds=0.01)
    books.loop.wait(0.02)
    assert books.batches == [(0.007, ["1", "2", "3"])]
    books.close()


def test_a_command_waits_for_nothing_but_right_after_the_begin_of_another_batch():
    assert SPACING_SECONDS == 0.0007
    books = Noted()
    books.money.submit(command(1))
    books.loop.wait(0.0002)
    books.money.submit(command(2))
    books.loop.wait(0.0002)
    books.money.submit(command(3))
    books.loop.wait(0.0026)
    books.money.submit(command(4))
    books.loop.wait(0.001)
    assert books.batches == [(0.0, ["1"]), (0.0007, ["2", "3"]), (0.003, ["4"])]
    books.close()


def test_a_batch_keeps_the_next_one_off_for_longer_the_more_commands_it_has():
    assert MAX_SPACING_SECONDS == 0.004
    books = Noted()
    for number in range(3):
        books.money.submit(command(number))
    books.loop.wait(0.001)
    for number in range(10):
        books.money.submit(command(number))
    books.loop.wait(0.003)
    books.money.submit(command(10))
    books.loop.wait(0.01)
    sizes = [(at, len(names)) for at, names in books.batches]
    assert sizes == [(0.0, 3), (0.0021, 10), (0.0061, 1)]
    books.close()


def test_what_a_full_batch_leaves_over_waits_for_nothing():
    books = Noted()
    for number in range(501):
        books.money.submit(command(number))
    books.loop.wait(0.0)
    books.loop.wait(0.0)
    assert [(at, len(names)) for at, names in books.batches] == [(0.0, 500), (0.0, 1)]
    books.close()


def test_closing_waits_for_commands_that_may_wait():
    books = Noted()
    pending = books.money.submit(command(1), within_seconds=PATIENCE_SECONDS)
    books.close()
    assert pending.done()
    assert books.batches == [(0.0, ["1"])]
