"""Batches that go out through a real message centre, and what a crash leaves of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest
import structlog
from bulk import prepare, send, sms, texts_of
from text_office import Centre

from billing.facts.hold import HoldCredit
from billing.stores.group_commit import GroupCommit
from smpp.codes import Status
from softswitch.operations.context import Context, submitting
from softswitch.operations.texts import batches as operations
from softswitch.texting import batch_store, carrier_store, store
from softswitch.texting.batch_store import FED_AT_ONCE, PREPARED_MS, Batch, BatchState
from softswitch.texting.batches import PATIENCE, Batches
from softswitch.texting.charging import TextCharging
from softswitch.texting.link import Link
from softswitch.texting.message import FINAL, State, StoredText, Text
from softswitch.texting.outbound import Outbound
from softswitch.texting.store import NEVER
from softswitch.texting.writer import TextWriter


class Running:
    """The rooms of texts of a running switch on a context's database."""

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop) -> None:
        self.context = context
        context.now_ms = self.now
        log = structlog.get_logger()
        self.money = GroupCommit(context.billing.apply, loop)
        self.writer = TextWriter(context.billing.engine, loop, asyncio.to_thread)
        self.charging = TextCharging(self.money, context.config.sms.charge, log, wall_ms=self.now)
        self.outbound = Outbound(
            "here",
            self.writer,
            self.charging,
            loop,
            log,
            make_link=lambda carrier: Link(
                carrier,
                loop,
                log,
                answered=self.outbound.answered,
                unanswered=self.outbound.unanswered,
                delivered=lambda *_: None,
                ready=self.outbound.ready,
            ),
            on_state=self.moved,
            wall_ms=self.now,
        )
        self.batches = Batches(
            self.writer,
            self.charging,
            self.money,
            context.config.sms,
            loop,
            log,
            deferred=self.outbound.wake,
            wall_ms=self.now,
        )
        context.apply = submitting(loop, self.money.submit)

    def now(self) -> int:
        return int(time.time() * 1000)

    def moved(self, text: StoredText, _: State) -> None:
        self.batches.follow(text)

    async def do(self, operation: Callable[..., object], *arguments: object) -> object:
        """Perform an operation as the running switch does."""
        answer = await asyncio.to_thread(operation, self.context, *arguments)
        self.outbound.use(await self.writer.submit(carrier_store.carriers))
        await self.batches.look()
        return answer

    async def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds):
            while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - of other threads
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(context: Context) -> AsyncIterator[Running]:
    made = Running(context, asyncio.get_running_loop())
    apply = context.billing.apply
    try:
        yield made
    finally:
        made.batches.stop()
        await made.outbound.stop()
        await made.writer.close()
        await made.money.close()
        context.apply = apply
        assert context.billing.verify() == []


def go(coroutine) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 120.0))


def batch(context: Context, batch_id: str = "b1", **facts: object) -> Batch:
    """A batch of two texts."""
    known: dict[str, object] = {
        "id": batch_id, "account_id": 1, "sender": "AnasShop", "text": "Hi", "recipients": 2,
        "segments": 2, "price_micros": 2_000_000, "unit": "SMS", "created_by": "ana",
        "created_at": context.now_ms(), "due_at": context.now_ms(),
    }  # fmt: skip
    made = Batch(**(known | facts))  # type: ignore[arg-type]
    with context.billing.engine.begin() as connection:
        batch_store.add(connection, made)
    return made


def hold(context: Context, made: Batch) -> None:
    command = HoldCredit(
        account_id=1, at=1, hold_id=made.hold_id, wallet="sms", amount_micros=made.price_micros
    )
    assert not isinstance(context.billing.apply([command])[0], Exception)


def store_texts(context: Context, made: Batch, count: int, due: int = NEVER) -> None:
    with context.billing.engine.begin() as connection:
        store.add_new(
            connection,
            [
                Text(
                    origin=f"batch:{made.id}:{number}", kind="out", account_id=1,
                    sender="AnasShop", recipient=f"+99559900000{number}", body=b"Hi", segments=1,
                    price_micros=1_000_000, currency="SMS", created_at=made.created_at,
                    due_at=due, expires_at=made.created_at + 10**9, batch_id=made.id,
                )
                for number in range(count)
            ],
        )  # fmt: skip


def states(context: Context, batch_id: str = "b1") -> dict[State, int]:
    with context.billing.reading() as connection:
        return dict(batch_store.counts(connection, batch_id))


def state(context: Context, batch_id: str = "b1") -> tuple[BatchState, bool]:
    with context.billing.reading() as connection:
        found = batch_store.get(connection, batch_id)
    assert found is not None
    return found.state, found.settled


def test_ten_thousand_go_out_once_each_and_are_paid_exactly(context: Context) -> None:
    async def talk() -> None:
        centre = Centre()
        await centre.start()
        prepare(context, 12_000, f"127.0.0.1:{centre.port}")
        table = "phone,name\n" + "".join(f"+9955991{n:05},N{n}\n" for n in range(10_000))
        async with running(context) as desk:
            begin = time.perf_counter()
            made = await desk.do(lambda at: send(at, "Dear {name}", everyone=False, to=table))
            assert isinstance(made, dict)
            known = str(made["id"])
            await desk.until(lambda: len(centre.got) > 1_000)
            paused = await desk.do(operations.sms_batch_pause, known)
            assert isinstance(paused, dict) and paused["state"] == "paused"
            await asyncio.sleep(0.5)
            stood = len(centre.got)
            assert stood < 10_000
            await asyncio.sleep(0.3)
            assert len(centre.got) == stood
            await desk.do(operations.sms_batch_resume, known)
            await desk.until(lambda: state(context, known) == (BatchState.DONE, True))
            print(f"10,000 texts with a pause in {time.perf_counter() - begin:.1f} s")
            assert states(context, known) == {State.SENT: 10_000}
            sent = Counter(message.destination.digits for message in centre.got)
            assert len(sent) == 10_000 and max(sent.values()) == 1
            assert sms(context) == ("2000.00", 0)
        await centre.stop()

    go(talk())


def test_a_batch_cancelled_while_it_goes_out_pays_what_went_and_no_more(context: Context) -> None:
    async def talk() -> None:
        centre = Centre()
        await centre.start()
        prepare(context, 3_000, f"127.0.0.1:{centre.port}", rate=500)
        table = "phone\n" + "".join(f"+9955991{n:05}\n" for n in range(3_000))
        async with running(context) as desk:
            made = await desk.do(lambda at: send(at, "Hi", everyone=False, to=table))
            assert isinstance(made, dict)
            known = str(made["id"])
            await desk.until(lambda: len(centre.got) > 300)
            await desk.do(operations.sms_batch_cancel, known)
            await desk.until(lambda: state(context, known) == (BatchState.CANCELLED, True))
            found = states(context, known)
            assert set(found) == {State.SENT, State.CANCELLED}
            assert found[State.SENT] == len(centre.got) < 3_000
            assert sms(context) == (f"{3_000 - len(centre.got)}.00", 0)
        await centre.stop()

    go(talk())


def test_a_batch_whose_texts_all_fail_costs_nothing(context: Context) -> None:
    async def talk() -> None:
        centre = Centre()
        centre.answer = lambda message: Status.INVALID_DESTINATION
        await centre.start()
        prepare(context, 100, f"127.0.0.1:{centre.port}")
        async with running(context) as desk:
            made = await desk.do(send)
            assert isinstance(made, dict)
            await desk.until(lambda: state(context, str(made["id"])) == (BatchState.DONE, True))
            assert states(context, str(made["id"])) == {State.FAILED: 2}
            assert sms(context) == ("100.00", 0)
        await centre.stop()

    go(talk())


@pytest.mark.parametrize(("held", "stored"), [(False, 0), (True, 0), (True, 1), (True, 2)])
def test_a_crash_before_a_batch_ran_leaves_nothing_of_it(
    context: Context, held: bool, stored: int
) -> None:
    prepare(context)
    made = batch(context, created_at=context.now_ms() - PREPARED_MS - 1)
    if held:
        hold(context, made)
        store_texts(context, made, stored)

    async def talk() -> None:
        async with running(context) as desk:
            await desk.batches.look()

    go(talk())
    assert state(context) == (BatchState.CANCELLED, True)
    assert set(states(context)) <= {State.CANCELLED}
    assert sms(context) == ("100.00", 0)


def test_a_batch_that_is_being_stored_is_left_alone(context: Context) -> None:
    prepare(context)

    async def talk() -> None:
        async with running(context) as desk:
            made = batch(context)
            hold_of_it = asyncio.to_thread(hold, context, made)
            await hold_of_it
            await desk.batches.look()

    go(talk())
    assert state(context) == (BatchState.PREPARING, False)


@pytest.mark.parametrize(
    ("after", "due", "found"),
    [
        (BatchState.RUNNING, NEVER, State.WAITING),
        (BatchState.PAUSED, 5, State.WAITING),
        (BatchState.CANCELLED, 5, State.CANCELLED),
    ],
)
def test_a_crash_between_a_batchs_state_and_its_texts_is_mended(
    context: Context, after: BatchState, due: int, found: State
) -> None:
    prepare(context)
    made = batch(context, state=after)
    hold(context, made)
    store_texts(context, made, 2, due)

    async def talk() -> None:
        async with running(context) as desk:
            await desk.batches.look()

    go(talk())
    texts = texts_of(context, {"id": "b1"})
    assert {text.state for text in texts} == {found}
    if after is not BatchState.CANCELLED:
        waits = after is BatchState.PAUSED
        assert all((text.text.due_at == NEVER) is waits for text in texts)
    assert sms(context)[1] == (0 if after is BatchState.CANCELLED else 2)


def test_captures_that_a_crash_lost_are_made_before_the_rest_is_released(context: Context) -> None:
    prepare(context)
    made = batch(context, state=BatchState.RUNNING)
    hold(context, made)
    store_texts(context, made, 2, 5)
    went, failed = texts_of(context, {"id": "b1"})
    with context.billing.engine.begin() as connection:
        for text, last in ((went, State.SENT), (failed, State.FAILED)):
            store.move(connection, text.id, State.SENDING, 6)
            store.move(connection, text.id, last, 7, carrier="centre")

    async def talk() -> None:
        async with running(context) as desk:
            assert sms(context) == ("100.00", 2)
            for _ in range(PATIENCE):  # the desk's own timer may look a few times more
                await desk.batches.look()
            await desk.until(lambda: state(context) == (BatchState.DONE, True))
            await desk.batches.look()

    go(talk())
    assert sms(context) == ("99.00", 0)


def test_a_receipt_that_comes_after_the_end_costs_nothing_more(context: Context) -> None:
    async def talk() -> None:
        centre = Centre()
        await centre.start()
        prepare(context, 100, f"127.0.0.1:{centre.port}")
        async with running(context) as desk:
            made = await desk.do(send)
            assert isinstance(made, dict)
            known = str(made["id"])
            await desk.until(lambda: state(context, known) == (BatchState.DONE, True))
            for text in texts_of(context, made):
                moved = await desk.writer.submit(
                    lambda connection, text_id=text.id: store.move(
                        connection, text_id, State.DELIVERED, desk.now()
                    )
                )
                assert moved is not None and moved.state in FINAL
                desk.outbound.follow(moved)
            await asyncio.sleep(0.2)
            assert sms(context) == ("98.00", 0)
        await centre.stop()

    go(talk())


def test_texts_that_became_due_in_quiet_hours_wait_for_the_morning(context: Context) -> None:
    now = time.gmtime()
    # Any hour of the day is quiet in Georgia, but for the one that ended an hour ago there.
    hour = (now.tm_hour + 4) % 24
    quiet = f"{hour:02}:00-{(hour + 23) % 24:02}:00"
    section = context.config.sms.model_copy(update={"quiet_hours": quiet})
    context.config = context.config.model_copy(update={"sms": section})
    prepare(context)

    async def talk() -> None:
        async with running(context) as desk:
            made = batch(context, state=BatchState.RUNNING)
            await asyncio.to_thread(hold, context, made)
            await asyncio.to_thread(store_texts, context, made, 2, 5)
            await desk.batches.defer()
            for text in texts_of(context, {"id": "b1"}):
                assert text.text.due_at > desk.now()
                assert text.text.due_at % 3_600_000 == 0

    go(talk())


def test_a_batch_is_fed_to_the_queue_so_that_no_person_waits_behind_it(context: Context) -> None:
    async def talk() -> None:
        centre = Centre()
        await centre.start()
        prepare(context, 3_000, f"127.0.0.1:{centre.port}", rate=500)
        table = "phone\n" + "".join(f"+9955991{n:05}\n" for n in range(3_000))
        async with running(context) as desk:
            made = await desk.do(lambda at: send(at, "Hi", everyone=False, to=table))
            assert isinstance(made, dict)
            await desk.until(lambda: len(centre.got) > 100)
            due = {text.text.due_at == NEVER for text in texts_of(context, made)}
            assert due == {True, False}
            now = desk.now()
            person = Text(
                origin="person", kind="out", account_id=1, sender="+995322000001",
                recipient="+995599999999", body=b"Me", segments=1, created_at=now, due_at=now,
                expires_at=now + 10**9,
            )  # fmt: skip
            await desk.writer.submit(lambda connection: store.add(connection, [person]))
            before = len(centre.got)
            desk.outbound.wake()
            await desk.until(
                lambda: any(one.destination.digits == "995599999999" for one in centre.got)
            )
            order = [one.destination.digits for one in centre.got]
            assert order.index("995599999999") <= before + FED_AT_ONCE < 3_000
            await desk.until(lambda: state(context, str(made["id"])) == (BatchState.DONE, True))
        await centre.stop()

    go(talk())
