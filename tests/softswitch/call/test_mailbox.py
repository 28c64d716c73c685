"""The mailbox of a call: letters in order, deadlines kept, and few timers."""

import asyncio

import pytest

from softswitch.call.deadlines import FEW, NEVER, Deadlines
from softswitch.call.letters import BalanceChanged, PaidTimeChanged
from softswitch.call.mailbox import Mailbox

ONE, OTHER = PaidTimeChanged(), BalanceChanged()


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts the timers that are set."""

    def __init__(self) -> None:
        super().__init__()
        self.set = 0

    def call_at(self, *args, **given):
        self.set += 1
        return super().call_at(*args, **given)


@pytest.fixture
def loop():
    made = CountingLoop()
    yield made
    made.close()


def test_letters_come_in_order_and_none_at_the_deadline(loop):
    async def read():
        mailbox = Mailbox(loop, Deadlines(loop))
        mailbox.post(ONE)
        mailbox.post(OTHER)
        soon = loop.time() + 0.01
        read = [await mailbox.next(soon) for _ in range(3)]
        return read, loop.time() >= soon

    assert loop.run_until_complete(read()) == ([ONE, OTHER, None], True)


def test_one_timer_serves_all_waits_for_a_deadline_that_stays_or_moves_away(loop):
    async def read():
        mailbox = Mailbox(loop, Deadlines(loop))
        for seconds in (60, 60, 70):
            loop.call_soon(mailbox.post, ONE)
            assert await mailbox.next(loop.time() + seconds) is ONE
        mailbox.rest()

    loop.run_until_complete(read())
    assert loop.set == 1


def test_a_timer_that_is_left_from_an_earlier_deadline_ends_no_later_wait(loop):
    async def read():
        mailbox = Mailbox(loop, Deadlines(loop))
        soon = loop.time() + 0.01
        loop.call_soon(mailbox.post, ONE)
        assert await mailbox.next(soon) is ONE
        loop.call_at(soon + 0.02, mailbox.post, OTHER)
        return await mailbox.next(loop.time() + 60)

    assert loop.run_until_complete(read()) is OTHER


def test_a_deadline_before_the_timer_is_kept(loop):
    async def read():
        mailbox = Mailbox(loop, Deadlines(loop))
        loop.call_soon(mailbox.post, ONE)
        assert await mailbox.next(loop.time() + 60) is ONE
        return await mailbox.next(loop.time() + 0.01)

    assert loop.run_until_complete(asyncio.wait_for(read(), 30)) is None


def test_deadlines_that_nobody_waits_for_any_more_are_cleared_away(loop):
    deadlines = Deadlines(loop)

    async def read(mailbox):
        loop.call_soon(mailbox.post, ONE)
        await mailbox.next(loop.time() + 60)
        mailbox.post(OTHER)
        assert mailbox.rest() == (OTHER,)

    for _ in range(10 * FEW):
        loop.run_until_complete(read(Mailbox(loop, deadlines)))
    assert len(deadlines) <= FEW
    assert loop.set == 1


def test_each_of_many_mailboxes_is_woken_at_its_own_deadline_by_one_timer_at_a_time(loop):
    deadlines, woken = Deadlines(loop), []

    async def read(number, seconds):
        assert await Mailbox(loop, deadlines).next(loop.time() + seconds) is None
        woken.append(number)

    async def all_of_them():
        await asyncio.gather(read(1, 0.03), read(2, 0.01), read(3, 0.02), read(4, 0.01))

    loop.run_until_complete(all_of_them())
    assert woken == [2, 4, 3, 1]
    assert len(deadlines) == 0


def test_a_deadline_that_was_left_wakes_nobody(loop):
    deadlines = Deadlines(loop)
    left, other = Mailbox(loop, deadlines), Mailbox(loop, deadlines)

    async def read():
        loop.call_soon(left.post, ONE)
        soon = loop.time() + 0.01
        await left.next(soon)
        left.rest()
        return await other.next(soon), await asyncio.wait_for(other.next(soon + 0.01), 30)

    assert loop.run_until_complete(read()) == (None, None)
    assert len(deadlines) == 0


class FaultySleeper:
    """A sleeper that can't be woken."""

    wakes_at = NEVER

    def wake(self) -> None:
        raise RuntimeError("a fault")


def test_a_sleeper_that_fails_keeps_no_other_from_being_woken(loop):
    deadlines, faults = Deadlines(loop), []
    loop.set_exception_handler(lambda _, context: faults.append(str(context["exception"])))

    async def read():
        soon = loop.time() + 0.01
        deadlines.put(soon, FaultySleeper())
        waits = (Mailbox(loop, deadlines).next(soon + more) for more in (0.0, 0.01))
        return await asyncio.wait_for(asyncio.gather(*waits), 30)

    assert loop.run_until_complete(read()) == [None, None]
    assert faults == ["a fault"]


def test_a_letter_after_a_reader_that_was_cancelled_is_kept_for_the_next(loop):
    async def read():
        mailbox = Mailbox(loop, Deadlines(loop))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(mailbox.next(loop.time() + 60), 0.01)
        mailbox.post(ONE)
        return await mailbox.next(loop.time() + 60)

    assert loop.run_until_complete(read()) is ONE
