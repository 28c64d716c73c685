"""A watch on the switch: snapshots, numbered events, queues with a limit, and who is dropped."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from softswitch.control import server as control_server
from softswitch.control.actor import Actor
from softswitch.control.client import NotRunning
from softswitch.control.errors import OperationError
from softswitch.control.protocol import Perform, Watch
from softswitch.control.server import ControlServer
from softswitch.control.values import Value
from softswitch.control.watch import WatchEvent, WatchHub, read_event
from softswitch.control.watch_client import WatchClient
from softswitch.process.watching import check_watch


def told(watcher) -> list[WatchEvent]:
    lines = asyncio.run(asyncio.wait_for(watcher.lines(), 1))
    return [read_event(line) for line in lines.splitlines()]


def hub_with(rows: list[dict[str, Value]]) -> WatchHub:
    hub = WatchHub()
    hub.serve({"calls": lambda: rows})
    return hub


def test_a_snapshot_comes_first_and_then_what_changes_numbered_by_one():
    hub = hub_with([{"id": "a"}])
    watcher = hub.open(["calls"])
    hub.changed("calls", "b", {"id": "b", "state": "ringing"})
    hub.gone("calls", "a")
    assert told(watcher) == [
        WatchEvent("snapshot", 0, "calls", rows=[{"id": "a"}]),
        WatchEvent("changed", 1, "calls", "b", {"id": "b", "state": "ringing"}),
        WatchEvent("gone", 2, "calls", "a"),
    ]


def test_events_of_other_topics_are_neither_told_nor_watched():
    hub = hub_with([])
    watcher = hub.open(["calls"])
    assert hub.watchers["calls"] and not hub.watchers["trunks"]
    hub.changed("trunks", "north", {"health": "down"})
    assert [event.topic for event in told(watcher)] == ["calls"] and hub.number == 0
    hub.close(watcher)
    assert not hub.watchers["calls"]


def test_a_watcher_with_a_thousand_events_waiting_is_told_to_resync():
    rows: list[dict[str, Value]] = []
    hub = hub_with(rows)
    watcher = hub.open(["calls"])
    for n in range(999):
        hub.changed("calls", f"c{n}", {"id": f"c{n}"})
    rows.append({"id": "now"})
    hub.changed("calls", "c999", {"id": "c999"})
    hub.changed("calls", "later", {"id": "later"})
    assert told(watcher) == [
        WatchEvent("resync", 1000),
        WatchEvent("snapshot", 1000, "calls", rows=[{"id": "now"}]),
        WatchEvent("changed", 1001, "calls", "later", {"id": "later"}),
    ]


# Over the socket


async def perform(request: Perform, user_id: int) -> Value:
    return request.operation


async def until(condition) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("in ten seconds it didn't happen")


def over_a_socket(folder: Path, main) -> None:
    async def run() -> None:
        hub = hub_with([{"id": "a"}])
        server = ControlServer(folder / "control.sock", perform, hub, check_watch)
        await server.start()
        try:
            async with asyncio.timeout(10):
                await main(hub, folder / "control.sock")
        finally:
            await server.close()

    asyncio.run(run())


def test_a_client_hears_the_snapshot_and_each_event_until_it_leaves(tmp_path):
    async def main(hub, path):
        async with WatchClient(path, ["calls"]) as watched:
            events = aiter(watched)
            assert (await anext(events)).rows == [{"id": "a"}]
            hub.changed("calls", "b", {"id": "b"})
            assert (await anext(events)).key == "b"
        await until(lambda: not hub.watchers["calls"])

    over_a_socket(tmp_path, main)


def test_operations_are_performed_on_other_connections_meanwhile(tmp_path):
    async def main(hub, path):
        async with WatchClient(path, ["calls"]) as watched:
            await anext(aiter(watched))
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(b'{"operation":"line_list"}\n')
            assert await reader.readline() == b'{"answer":"done","result":"line_list"}\n'
            writer.close()

    over_a_socket(tmp_path, main)


def test_a_watcher_that_reads_nothing_is_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(control_server, "UNREAD_SECONDS", 0.2)

    async def main(hub, path):
        _, writer = await asyncio.open_unix_connection(str(path), limit=1)
        writer.write(b'{"request":"watch","topics":["calls"]}\n')
        await until(lambda: hub.watchers["calls"])
        while hub.watchers["calls"]:
            for n in range(100):
                hub.changed("calls", n, {"id": "x" * 10_000})
            await asyncio.sleep(0.01)
        writer.close()

    over_a_socket(tmp_path, main)


def test_an_unknown_topic_is_refused_in_one_clear_line(tmp_path):
    async def main(hub, path):
        async with WatchClient(path, ["weather"]) as watched:  # type: ignore[list-item]
            with pytest.raises(OperationError, match="weather"):
                await anext(aiter(watched))

    over_a_socket(tmp_path, main)


@pytest.mark.parametrize("role", ["subscriber", "line_user", "accountant"])
def test_those_who_may_not_see_every_account_may_not_watch(role):
    lines = (1,) if role == "line_user" else ()
    account = None if role == "accountant" else 1
    actor = Actor("ana", role, account=account, lines=lines)
    with pytest.raises(OperationError):
        check_watch(Watch(["calls"], actor), 0)


def test_the_operator_and_support_may_watch():
    check_watch(Watch(["calls"]), 0)
    check_watch(Watch(["calls"], Actor("nino", "support")), 0)


def test_without_a_switch_the_client_says_so(tmp_path):
    async def main() -> None:
        async with WatchClient(tmp_path / "control.sock", ["calls"]):
            pass

    with pytest.raises(NotRunning, match="no switch is running here"):
        asyncio.run(main())
