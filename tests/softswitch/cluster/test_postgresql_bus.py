"""Messages between two nodes over PostgreSQL's NOTIFY."""

import asyncio

import pytest
import structlog

from billing.stores.store import Store
from softswitch.cluster.events import (
    BindingsChanged,
    CallChanged,
    CallEnded,
    LinePart,
    NewsTold,
    TextKept,
    packed,
    unpacked,
)
from softswitch.cluster.postgresql_bus import PostgresqlBus
from softswitch.database.changes import Changes
from softswitch.database.news import News, tell
from softswitch.services.dialog_info import LineDialog

PATIENCE_SECONDS = 60


class Ear:
    """What a node has heard of others, and how often it may have missed something."""

    def __init__(self):
        self.heard, self.restored = [], 0
        self.news = asyncio.Event()

    def hear(self, node, message):
        self.heard.append((node, message))
        self.news.set()

    def restore(self):
        self.restored += 1
        self.news.set()

    async def until(self, true):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not true():
                self.news.clear()
                await self.news.wait()


def with_two_nodes(url, conversation):
    """Run a conversation of two nodes' buses."""

    async def run():
        store = Store(url)
        store.create()
        loop, log = asyncio.get_running_loop(), structlog.get_logger()
        buses = [PostgresqlBus(store.engine, node, loop, log) for node in ("one", "two")]
        ears = [Ear(), Ear()]
        for bus, ear in zip(buses, ears, strict=True):
            bus.listen(ear.hear, ear.restore)
            await ear.until(lambda ear=ear: ear.restored)
        await conversation(store, buses, ears)
        for bus in buses:
            await bus.close()
        store.close()

    asyncio.run(run())


def test_what_one_node_tells_the_other_hears_in_order_and_itself_does_not(own_database):
    async def conversation(store, buses, ears):
        for number in range(1_000):
            buses[0].tell(CallEnded(f"call {number}"))
        await ears[1].until(lambda: len(ears[1].heard) == 1_000)
        assert ears[1].heard == [("one", CallEnded(f"call {n}")) for n in range(1_000)]
        assert ears[0].heard == []

    with_two_nodes(own_database, conversation)


def test_a_message_of_a_transaction_comes_with_its_commit_and_only_then(own_database):
    async def conversation(store, buses, ears):
        with store.engine.connect() as connection:
            buses[0].tell_within(connection, BindingsChanged(("undone",)))
            connection.rollback()
            buses[0].tell_within(connection, BindingsChanged(("ana",)))
            buses[1].tell(TextKept(1))
            await ears[0].until(lambda: ears[0].heard)
            assert ears[1].heard == []
            connection.commit()
        await ears[1].until(lambda: ears[1].heard)
        assert ears[1].heard == [("one", BindingsChanged(("ana",)))]

    with_two_nodes(own_database, conversation)


def test_a_node_whose_connection_breaks_hears_again_and_knows_what_happened(
    own_database,
):
    async def conversation(store, buses, ears):
        with store.engine.begin() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE 'LISTEN%%' AND datname = current_database()"
            )
        for ear in ears:
            await ear.until(lambda ear=ear: ear.restored == 2)
        buses[1].tell(TextKept(1))
        await ears[0].until(lambda: ears[0].heard)
        assert ears[0].heard == [("two", TextKept(1))]

    with_two_nodes(own_database, conversation)


def test_news_in_the_database_wake_every_node(own_database):
    async def conversation(store, buses, ears):
        News(store.engine, "a command")
        with store.engine.begin() as connection:
            tell(connection, Changes(lines={1}))
        for ear in ears:
            await ear.until(lambda ear=ear: ear.heard)
            assert ear.heard == [("", NewsTold())]

    with_two_nodes(own_database, conversation)


def test_many_messages_fit_into_payloads_that_postgresql_takes():
    other, ringing = "sip:+995322000001@example.org", ("a", "b", None)
    dialog = LineDialog("call-a", "initiator", "early", other, ringing)
    messages = [CallChanged(f"call {n}", (LinePart(n, (dialog,)),), (n,)) for n in range(500)]
    payloads = [*packed("one", messages)]
    assert max(len(payload.encode()) for payload in payloads) < 8_000
    assert len(payloads) < 20
    assert [m for payload in payloads for m in unpacked(payload)[1]] == messages


@pytest.mark.parametrize("dialogs", [60, 100])
def test_a_call_too_large_for_a_payload_is_left_out(dialogs):
    dialog = LineDialog("x" * 60, "initiator", "early", "sip:+995322000001@example.org")
    huge = CallChanged("huge", tuple(LinePart(n, (dialog,)) for n in range(dialogs)))
    found = [m for payload in packed("one", [huge, TextKept(1)]) for m in unpacked(payload)[1]]
    assert found == [TextKept(1)]
