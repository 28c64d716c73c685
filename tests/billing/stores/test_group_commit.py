"""The writer that all calls share: the order of its answers, and how they are told."""

import asyncio
import time

from billing.facts.authorization import ProveAlive
from billing.stores.group_commit import PATIENCE_SECONDS, TOLD_AT_ONCE, GroupCommit


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


def test_a_batch_is_told_in_slices_between_which_the_loop_turns():
    """Of 40 answers 16 are told at once; whatever else is ready has its turn, then 16 more."""

    async def run() -> list[int]:
        loop = asyncio.get_running_loop()
        money = GroupCommit(
            lambda commands: [command.calls for command in commands], loop, run_in_thread=False
        )
        futures = [money.submit(command(number)) for number in range(40)]
        done: list[int] = []
        while not done or done[-1] < 40:
            await asyncio.sleep(0)
            done.append(sum(future.done() for future in futures))
        await money.close()
        return sorted({count for count in done if count})

    assert asyncio.run(run()) == [16, 32, 40]


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


def test_a_patient_command_joins_the_batch_of_the_next_urgent_one_and_keeps_its_place():
    async def run() -> tuple[list[list[str]], list[bool]]:
        applied: list[list[str]] = []

        def apply(commands):
            applied.append([command.calls[0][0] for command in commands])
            return [None for _ in commands]

        money = GroupCommit(apply, asyncio.get_running_loop(), run_in_thread=False)
        first = money.submit(command(1), patient=True)
        second = money.submit(command(2), patient=True)
        await asyncio.sleep(0.001)
        before = [first.done(), second.done()]
        await money.submit(command(3))
        await asyncio.gather(first, second)
        await money.close()
        return applied, before

    applied, before = asyncio.run(run())
    assert before == [False, False]
    assert applied == [["1", "2", "3"]]


def test_a_patient_command_waits_for_company_for_ten_milliseconds_at_most():
    async def run() -> float:
        loop = asyncio.get_running_loop()
        money = GroupCommit(lambda commands: [None for _ in commands], loop, run_in_thread=False)
        begun = loop.time()
        await asyncio.wait_for(money.submit(command(1), patient=True), 2.0)
        waited = loop.time() - begun
        await money.close()
        return waited

    assert PATIENCE_SECONDS == 0.01
    assert asyncio.run(run()) >= 0.009


def test_closing_waits_for_patient_commands():
    async def run() -> bool:
        loop = asyncio.get_running_loop()
        money = GroupCommit(lambda commands: [None for _ in commands], loop, run_in_thread=False)
        pending = money.submit(command(1), patient=True)
        await money.close()
        return pending.done()

    assert asyncio.run(run())
