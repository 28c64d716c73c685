"""Texts in the database, and their writer, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from billing.stores.store import Store
from softswitch.texting import store
from softswitch.texting.message import FINAL, State, Text, next_state
from softswitch.texting.writer import TextWriter

NOW = 1_780_000_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/texts.db"
    else:
        url = request.getfixturevalue("own_database")
    books = Store(url)
    store.texts_table.create(books.engine)
    yield books.engine
    books.close()


def text(origin: str, **changed: object) -> Text:
    facts: dict[str, object] = {
        "origin": origin,
        "kind": "line",
        "from_line": 1,
        "to_line": 2,
        "sender": "+995322000101",
        "recipient": "+995322000102",
        "body": "გამარჯობა".encode(),
        "created_at": NOW,
        "due_at": NOW,
        "expires_at": NOW + 1000,
    }
    return Text(**(facts | changed))


def test_states_follow_each_other_and_final_ones_stay():
    assert next_state(State.WAITING, State.SENDING) is State.SENDING
    assert next_state(State.WAITING, State.SENT) is State.WAITING
    assert next_state(State.SENDING, State.WAITING) is State.WAITING
    assert next_state(State.SENT, State.DELIVERED) is State.DELIVERED
    assert next_state(State.SENT, State.CANCELLED) is State.SENT
    for final in FINAL:
        assert all(next_state(final, event) is final for event in State)


def test_a_text_is_stored_once_for_each_origin(engine: Engine):
    with engine.begin() as connection:
        first = store.add(connection, [text("a"), text("b"), text("a")])
    with engine.begin() as connection:
        again = store.add(connection, [text("b", body=b"other"), text("c")])
    assert [one.text.origin for one in first] == ["a", "b", "a"]
    assert first[0].id == first[2].id < first[1].id < again[1].id
    assert again[0] == first[1]
    assert again[0].text.body == "გამარჯობა".encode()
    assert again[0].state is State.WAITING


def test_a_removed_texts_id_is_not_given_again(engine: Engine):
    with engine.begin() as connection:
        (last,) = store.add(connection, [text("a")])
        store.move(connection, last.id, State.DELIVERED, NOW)
        assert store.forget_done(connection, NOW + 1, 10) == 1
        (after,) = store.add(connection, [text("b")])
    assert after.id > last.id


def test_what_waits_for_a_line_comes_in_order(engine: Engine):
    with engine.begin() as connection:
        found = store.add(connection, [text(str(n), to_line=2 + n % 2) for n in range(6)])
        store.move(connection, found[2].id, State.DELIVERED, NOW + 5)
        (later,) = store.add(connection, [text("later", to_line=4, due_at=NOW + 60_000)])
        waiting = store.waiting_for_line(connection, 2, NOW, 10)
        assert [one.text.origin for one in waiting] == ["0", "4"]
        assert store.count_waiting_for_line(connection, 2) == 2
        assert store.lines_waited_for(connection, NOW) == ({2, 3}, NOW + 60_000)
        assert store.waiting_for_line(connection, 4, NOW, 10) == []
        assert store.waiting_for_line(connection, 4, NOW + 60_000, 10) == [later]


def test_so_many_texts_are_kept_for_a_line_and_no_more(engine: Engine):
    with engine.begin() as connection:
        first = store.keep(connection, text("a"), 2)
        assert first is not None
        assert store.keep(connection, text("b"), 2) is not None
        assert store.keep(connection, text("c"), 2) is None
        assert store.keep(connection, text("a"), 2) == first
        assert store.keep(connection, text("c", to_line=3), 2) is not None


def test_one_of_two_nodes_takes_a_text_and_none_takes_one_that_expired(engine: Engine):
    with engine.begin() as connection:
        first, second = store.add(connection, [text("a"), text("b", expires_at=NOW + 5)])
        assert store.claim(connection, [first.id, second.id], "one", NOW + 5) == {first.id}
        assert store.claim(connection, [first.id], "two", NOW) == set()
        assert [one.id for one in store.expire(connection, NOW + 5, 10)] == [second.id]
        assert store.interrupted(connection, "two", NOW) == []
        assert [one.id for one in store.interrupted(connection, "one", NOW)] == [first.id]


def test_the_queue_is_read_on_behind_a_text(engine: Engine):
    with engine.begin() as connection:
        facts = {"kind": "out", "to_line": None}
        due = [3, 1, 2, 2, 5]
        store.add(connection, [text(str(n), due_at=NOW + at, **facts) for n, at in enumerate(due)])
        first = store.due_out(connection, NOW + 4, 2)
        assert [one.text.origin for one in first] == ["1", "2"]
        behind = store.Cursor(first[-1].text.due_at, first[-1].id)
        found = store.due_out(connection, NOW + 4, 10, behind)
        assert [one.text.origin for one in found] == ["3", "0"]


def test_what_is_due_goes_out_and_is_receipted_once(engine: Engine):
    with engine.begin() as connection:
        out = {"kind": "out", "to_line": None}
        later, now = store.add(
            connection, [text("later", due_at=NOW + 10, **out), text("now", **out)]
        )
        assert [one.id for one in store.due_out(connection, NOW, 10)] == [now.id]
        store.move(connection, now.id, State.SENDING, NOW + 1)
        assert store.due_out(connection, NOW, 10) == []
        sent = store.move(connection, now.id, State.SENT, NOW + 1, carrier="alpha")
        failed = store.move(connection, now.id, State.FAILED, NOW + 2, error="err\x00:034")
        again = store.move(connection, now.id, State.DELIVERED, NOW + 3)
        assert sent is not None
        assert (sent.state, sent.sent_at, sent.done_at) == (State.SENT, NOW + 1, None)
        assert failed is not None
        assert failed == again
        assert (failed.state, failed.done_at, failed.error) == (
            State.FAILED, NOW + 2, "err\ufffd:034",
        )  # fmt: skip
        assert failed.carrier == "alpha"
        assert [one.id for one in store.expire(connection, NOW + 1000, 10)] == [later.id]
        assert store.move(connection, 10**6, State.SENT, NOW) is None


def test_pages_go_both_ways(engine: Engine):
    with engine.begin() as connection:
        found = store.add(connection, [text(str(n), account_id=7) for n in range(5)])
        ids = [one.id for one in found]
        newest = store.page(connection, account_id=7, limit=2)
        assert [one.id for one in newest] == [ids[4], ids[3]]
        older = store.page(connection, lines=[1], before=ids[3], limit=2)
        assert [one.id for one in older] == [ids[2], ids[1]]
        since = store.page(connection, number="+995322000102", after=ids[2])
        assert [one.id for one in since] == [ids[3], ids[4]]
        assert store.page(connection, account_id=8) == []


def test_writes_are_gathered_and_a_bad_one_fails_alone(engine: Engine):
    async def write() -> None:
        loop = asyncio.get_running_loop()
        writer = TextWriter(engine, loop, asyncio.to_thread)

        def spoiled(connection: Connection) -> None:
            store.add(connection, [text("spoiled")])
            connection.execute(store.texts_table.insert(), store._values(text("0")))

        good = [writer.submit(lambda c, n=n: store.add(c, [text(str(n))])) for n in range(3)]
        bad = writer.submit(spoiled)
        last = writer.submit(lambda c: store.add(c, [text("last")]))
        found = [(await one)[0].text.origin for one in (*good, last)]
        assert found == ["0", "1", "2", "last"]
        with pytest.raises(IntegrityError):
            await bad
        await writer.close()

    asyncio.run(write())
    with engine.connect() as connection:
        origins = {one.text.origin for one in store.page(connection)}
    assert origins == {"0", "1", "2", "last"}
