"""The queue to carriers, with message centres on real sockets and real books."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select
from text_office import LARI, PRICE, Centre, Office, office

from smpp.bodies import Address, ShortMessage
from smpp.codes import MessageState, Status
from smpp.receipt import Receipt
from smpp.session import SessionError
from softswitch.texting import parts, settlement, store
from softswitch.texting.carrier import Carrier, Rate, routes
from softswitch.texting.charging import hold_of
from softswitch.texting.message import State, Text


def run(coroutine) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 60.0))


def carrier(number: int, *prefixes: str, **facts: object) -> Carrier:
    made = {"id": number, "name": f"c{number}", "host": "h", "system_id": "", "password": ""}
    return Carrier(**(made | {"prefixes": prefixes} | facts))


def test_the_longest_prefix_is_tried_first_then_the_lowest_priority():
    carriers = [
        carrier(1),
        carrier(2, "995", "49"),
        carrier(3, "99559", priority=20),
        carrier(4, "99559", priority=5),
        carrier(5, "99559", suspended=True),
        carrier(6, "7"),
    ]
    assert [one.id for one in routes(carriers, "+995599000001")] == [4, 3, 2, 1]
    assert [one.id for one in routes(carriers, "+12025550101")] == [1]


def test_a_rate_lets_its_burst_through_at_once_and_then_paces():
    rate = Rate(100, burst_seconds=1.0)
    for _ in range(100):
        assert rate.delay(7.0) == 0.0
        rate.take(7.0, 1)
    rate.take(7.0, 1)
    assert rate.delay(7.0) == pytest.approx(0.01)
    assert rate.delay(7.01) == 0.0


def test_texts_arrive_whole_and_are_paid_once(tmp_path: Path):
    long = "გამარჯობა " * 20

    async def talk() -> None:
        centre = Centre()
        async with office(tmp_path, centre) as desk:
            first, second = await desk.send("a", "Hello €"), await desk.send("b", long)
            await desk.until(lambda: desk.state(second) is State.SENT)
            assert centre.texts() == ["Hello €", long]
            assert [m.destination.digits for m in centre.got] == ["995599000001"] * 4
            assert {m.source for m in centre.got} == {Address(5, 0, "Citynet")}
            await desk.until(lambda: desk.sums() == (10 * LARI - 4 * PRICE, 0))
            # Receipts come with ids in the other number base; the last segment's decides.
            for message_id in centre.ids:
                centre.receipt(str(int(message_id, 16)))
            await desk.until(lambda: desk.state(second) is State.DELIVERED)
            assert desk.state(first) is State.DELIVERED

    run(talk())


def test_a_carrier_is_told_the_validity_that_the_sender_asked_for_and_no_other(tmp_path: Path):
    async def talk() -> None:
        centre = Centre()
        async with office(tmp_path, centre) as desk:
            await desk.send("a", has_validity=True, expires_at=4_102_444_799_000)
            last = await desk.send("b")
            await desk.until(lambda: desk.state(last) is State.SENT)
            told = [message.validity_period for message in centre.got]
            assert told == ["991231235959000+", ""]

    run(talk())


def test_one_segment_that_failed_makes_the_text_failed(tmp_path: Path):
    async def talk() -> None:
        centre = Centre()
        async with office(tmp_path, centre) as desk:
            text = await desk.send("a", "x" * 200)
            await desk.until(lambda: desk.state(text) is State.SENT)
            centre.receipt(centre.ids[0])
            centre.receipt(centre.ids[1], MessageState.UNDELIVERABLE)
            await desk.until(lambda: desk.state(text) is State.FAILED)
            centre.receipt(centre.ids[1])
            await asyncio.sleep(0.1)
            assert desk.state(text) is State.FAILED
            assert desk.sums() == (10 * LARI - 2 * PRICE, 0)

    run(talk())


def test_a_receipt_may_come_before_the_answer_that_names_its_id(tmp_path: Path):
    async def talk() -> None:
        centre = Centre()
        async with office(tmp_path, centre) as desk:
            await desk.until(lambda: bool(centre.connections))
            centre.receipt("1A")  # what the next answer will say
            await asyncio.sleep(0.2)
            text = await desk.send("a")
            await desk.until(lambda: desk.state(text) is State.DELIVERED)
            await desk.until(lambda: desk.sums() == (10 * LARI - PRICE, 0))

    run(talk())


def test_a_refused_text_goes_by_another_carrier(tmp_path: Path):
    async def talk() -> None:
        first, second = Centre(), Centre()
        first.answer = lambda message: Status.INVALID_DESTINATION
        async with office(tmp_path, first, second) as desk:
            await desk.until(lambda: bool(first.connections and second.connections))
            text = await desk.send("a")
            await desk.until(lambda: desk.state(text) is State.SENT)
            assert (len(first.got), len(second.got)) == (0, 1)

    run(talk())


def test_a_text_that_every_carrier_refuses_fails_and_costs_nothing(tmp_path: Path):
    async def talk() -> None:
        centre = Centre()
        centre.answer = lambda message: Status.INVALID_DESTINATION
        async with office(tmp_path, centre) as desk:
            text = await desk.send("a", "x" * 400)
            await desk.until(lambda: desk.state(text) is State.FAILED)
            await desk.until(lambda: desk.sums() == (10 * LARI, 0))
            assert desk.states[-1] == ("a", State.FAILED)

    run(talk())


def test_a_throttled_text_is_sent_again_and_arrives_once(tmp_path: Path):
    async def talk() -> None:
        centre = Centre()
        refusals = iter([Status.THROTTLED, Status.MESSAGE_QUEUE_FULL])
        centre.answer = lambda message: next(refusals, Status.OK)
        async with office(tmp_path, centre) as desk:
            text = await desk.send("a")
            await desk.until(lambda: desk.state(text) is State.SENT)
            assert len(centre.got) == 1

    run(talk())


def test_no_answer_is_an_unknown_outcome_and_nothing_is_sent_twice(tmp_path: Path):
    async def talk() -> None:
        centre = Centre()
        asked: list[ShortMessage] = []

        def silent(message: ShortMessage) -> None:
            asked.append(message)

        centre.answer = silent
        async with office(tmp_path, centre) as desk:
            text = await desk.send("a")
            await desk.until(lambda: len(asked) == 1)
            for connection in list(centre.connections):
                connection.abort()
            await desk.until(lambda: desk.state(text) is State.UNKNOWN)
            await desk.until(lambda: bool(centre.connections))
            await asyncio.sleep(0.2)
            assert len(asked) == 1
            assert desk.sums() == (10 * LARI - PRICE, 0)

    run(talk())


def test_the_queue_moves_within_a_second_of_the_carriers_return(tmp_path: Path):
    async def talk() -> None:
        centre = Centre()
        async with office(tmp_path, centre) as desk:
            await desk.until(lambda: bool(centre.connections))
            await centre.stop()
            texts = [await desk.send(str(n)) for n in range(5)]
            await asyncio.sleep(1.5)
            assert desk.state(texts[0]) is State.WAITING
            await centre.start()
            returned = time.monotonic()
            await desk.until(lambda: bool(centre.got))
            assert time.monotonic() - returned < 2.0
            await desk.until(lambda: desk.state(texts[-1]) is State.SENT)
            assert len(centre.got) == 5

    run(talk())


@pytest.mark.parametrize("window", [1, 50])
def test_hundreds_of_texts_go_in_order_within_the_window(tmp_path: Path, window: int):
    async def talk() -> None:
        centre = Centre()
        async with office(tmp_path, centre, window=window) as desk:
            sent = await asyncio.gather(*(desk.send(str(n), f"text {n}") for n in range(100)))
            await desk.until(lambda: len(centre.got) == 100, 30.0)
            await desk.until(lambda: desk.sums() == (10 * LARI - 100 * PRICE, 0))
            assert sorted(centre.texts()) == sorted(f"text {n}" for n in range(100))
            assert all(desk.state(text) is State.SENT for text in sent)
            if window == 1:
                order = sorted(sent, key=lambda text: text.id)
                assert centre.texts() == [text.text.body.decode() for text in order]

    run(talk())


@pytest.mark.parametrize("window", [1, 2])
def test_a_text_of_more_segments_than_the_window_arrives_whole(tmp_path: Path, window: int):
    async def talk() -> None:
        centre = Centre()
        async with office(tmp_path, centre, window=window) as desk:
            first, second = await desk.send("a", "x" * 700), await desk.send("b", "y" * 700)
            await desk.until(lambda: desk.state(second) is State.SENT)
            assert desk.state(first) is State.SENT
            assert sorted(centre.texts()) == ["x" * 700, "y" * 700]
            await desk.until(lambda: desk.sums() == (10 * LARI - 10 * PRICE, 0))

    run(talk())


def test_segments_that_are_throttled_after_others_went_out_follow_by_the_same_carrier(
    tmp_path: Path,
):
    async def talk() -> None:
        first, second = Centre(), Centre()
        answers = iter([Status.OK, Status.THROTTLED, Status.OK, Status.THROTTLED])
        first.answer = lambda message: next(answers, Status.OK)
        async with office(tmp_path, first, second) as desk:
            await desk.until(lambda: bool(first.connections and second.connections))
            text = await desk.send("a", "x" * 400)
            await desk.until(lambda: desk.state(text) is State.SENT)
            assert (first.texts(), second.got) == (["x" * 400], [])
            await desk.until(lambda: desk.sums() == (10 * LARI - 3 * PRICE, 0))

    run(talk())


def test_a_carrier_that_is_away_holds_up_no_other(tmp_path: Path):
    async def talk() -> None:
        there = Centre()
        async with office(tmp_path, there) as desk:
            carriers = [
                Carrier(id=number, name=name, host="127.0.0.1", port=port, system_id="us",
                        password="secret", prefixes=(prefix,))
                for number, name, port, prefix in (
                    (7, "away", 9, "995577"), (8, "there", there.port, "995599"))
            ]  # fmt: skip
            now = desk.now()
            stuck = [
                Text(origin=f"stuck {n}", kind="out", recipient="+995577000001", body=b"x",
                     segments=1, created_at=now, due_at=now, expires_at=now + 3_600_000)
                for n in range(3_000)
            ]  # fmt: skip
            await desk.writer.submit(lambda connection: store.add(connection, stuck))
            desk.outbound.use(carriers)
            text = await desk.send("a")
            await desk.until(lambda: desk.state(text) is State.SENT)
            assert len(desk.outbound._held) <= 1_001
            # When the carrier returns, all of them go, also those that memory had no room for.
            desk.outbound.use([replace(carriers[0], port=there.port, window=500), carriers[1]])
            await desk.until(lambda: len(there.got) == 3_001, 50.0)
            order = [m.destination.digits for m in there.got]
            assert order == ["995599000001"] + ["995577000001"] * 3_000

    run(talk())


def test_a_text_waits_if_the_connection_ends_before_it_is_sent(tmp_path: Path):
    async def talk() -> None:
        centre = Centre()
        async with office(tmp_path, centre) as desk:
            await desk.until(lambda: bool(centre.connections))
            (link,) = desk.outbound.links
            bound = dict(link._bound)
            link._bound.clear()
            with pytest.raises(SessionError):
                link.submit(ShortMessage(Address(), Address()), None)
            text = await desk.send("a")
            await asyncio.sleep(0.2)
            assert desk.state(text) is State.WAITING
            link._bound.update(bound)
            desk.outbound.ready()
            await desk.until(lambda: desk.state(text) is State.SENT)

    run(talk())


def test_what_is_out_is_answered_before_the_switch_stops(tmp_path: Path):
    async def talk() -> None:
        centre = Centre()
        centre.delay_seconds = 0.5
        async with office(tmp_path, centre) as desk:
            text = await desk.send("a")
            await desk.until(lambda: bool(centre.got))
            await desk.outbound.stop()
            await desk.until(lambda: desk.state(text) is State.SENT)

    run(talk())


def test_what_was_not_sent_yet_waits_when_the_switch_stops(tmp_path: Path):
    async def talk() -> None:
        centre = Centre()
        centre.delay_seconds = 0.5
        async with office(tmp_path, centre, window=1) as desk:
            first, second = await desk.send("a"), await desk.send("b")
            await desk.until(lambda: desk.state(second) is State.SENDING)
            await desk.until(lambda: len(centre.got) == 1)
            await desk.outbound.stop()
            await desk.writer.close()
            assert [desk.state(first), desk.state(second)] == [State.SENT, State.WAITING]

    run(talk())


def test_receipts_of_rising_numbers_find_their_own_messages(tmp_path: Path):
    async def talk() -> None:
        desk = Office(tmp_path, asyncio.get_running_loop())
        texts = [await desk.send(str(number)) for number in range(30)]
        with desk.books.engine.begin() as connection:
            store.claim(connection, [text.id for text in texts], "here", desk.now())
            for number, text in enumerate(texts, 1):
                parts.accepted(connection, text.id, 1, 1, "c1", str(number), desk.now())
            for number in (16, 10):
                parts.receipted(
                    connection, "c1", Receipt(str(number), MessageState.DELIVERED), desk.now()
                )
        delivered = [n for n, text in enumerate(texts, 1) if desk.state(text) is State.DELIVERED]
        assert delivered == [10, 16]
        await desk.close()

    run(talk())


def test_texts_whose_receipts_never_come_are_unknown_and_forgotten_in_the_end(tmp_path: Path):
    async def talk() -> None:
        desk = Office(tmp_path, asyncio.get_running_loop())
        texts = [await desk.send(str(number)) for number in range(25)]
        now = desk.now()
        with desk.books.engine.begin() as connection:
            store.claim(connection, [text.id for text in texts], "here", now)
            for number, text in enumerate(texts, 1):
                parts.accepted(connection, text.id, 1, 1, "c1", f"id-{number}", now)
            assert parts.give_up(connection, now + parts.RECEIPTS_AWAITED_MS, 100) == []
            after = now + parts.RECEIPTS_AWAITED_MS + 1
            given_up = parts.give_up(connection, after, 10) + parts.give_up(connection, after, 100)
            assert len(given_up) == 25
            assert {text.state for text in given_up} == {State.UNKNOWN}
            # Each round forgets others, although the texts themselves stay.
            assert [parts.forget(connection, after + 1, 10) for _ in range(4)] == [10, 10, 5, 0]
            assert connection.execute(select(parts.ids_table)).first() is None
        await desk.close()

    run(talk())


def test_what_a_crash_left_undone_is_done_at_the_start(tmp_path: Path):
    async def talk() -> None:
        desk = Office(tmp_path, asyncio.get_running_loop())
        caught, others = await desk.send("caught"), await desk.send("of another node")
        failed, waiting = await desk.send("failed"), await desk.send("waiting")
        await desk.charging.hold("text:never stored", desk.who, "money", PRICE)
        with desk.books.engine.begin() as connection:
            store.claim(connection, [caught.id], "here", desk.now())
            store.claim(connection, [others.id], "there", desk.now())
            store.move(connection, failed.id, State.FAILED, desk.now())
        assert [text.id for text in await desk.outbound.recover()] == [caught.id]

        def unsettled(before: int) -> list[tuple[str, State | None]]:
            with desk.books.reading() as connection:
                held = settlement.unsettled(connection, before, 10)
            desk.charging.reconcile(held)
            return [(one.id, None if text is None else text.state) for one, text in held]

        await desk.until(lambda: desk.sums()[0] == 10 * LARI - PRICE)
        assert unsettled(0) == [("text:failed", State.FAILED)]
        # Of the text that isn't stored, another process may be about to store it.
        await desk.until(lambda: desk.sums() == (10 * LARI - PRICE, 3 * PRICE))
        assert unsettled(desk.now() + 1) == [("text:never stored", None)]
        await desk.until(lambda: desk.sums() == (10 * LARI - PRICE, 2 * PRICE))
        assert [desk.state(text) for text in (others, waiting)] == [State.SENDING, State.WAITING]
        assert hold_of(caught) == "text:caught"
        await desk.close()

    run(talk())
