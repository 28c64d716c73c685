"""The cache of registrations of a node: what it reads, when it reads again, what it writes."""

import asyncio

import pytest
import structlog
from msgspec.structs import replace
from sqlalchemy.exc import OperationalError

from billing.stores.store import Store
from sip.flow import Flow
from sip.registrar import Binding, Registrar, RegistrarLimits, Registration
from softswitch.cluster import binding_rows
from softswitch.cluster import bindings as cache
from softswitch.cluster.bindings import SharedBindings
from softswitch.cluster.events import BindingsChanged

NOW = 2_000.0
FLOW = Flow("udp", ("192.0.2.1", 5060), ("192.0.2.100", 5060))
DESK = Binding("ana", b"sip:ana@10.0.0.1", "c1", 1, 1.0, 5_000.0, FLOW, None, "Desk", 1_000.0)


class Ear:
    """The bus's end of this test: what was told with a commit."""

    def __init__(self):
        self.told = []

    def tell(self, message):
        self.told.append(message)

    def tell_within(self, connection, message):
        self.told.append(message)

    def listen(self, on_message, on_restored):
        """Nobody else is there."""


class Node:
    """One node's cache on a database that can be held up, or be away."""

    def __init__(self, engine, **more):
        self.engine, self.bus = engine, Ear()
        self.registrar = Registrar(RegistrarLimits())
        self.changes, self.reads, self.away = [], 0, False
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.shared = SharedBindings(
            engine, "one", self.registrar, self.bus,
            here=lambda stored: stored.binding,
            changed=lambda login, registration: self.changes.append((login, registration)),
            follows=lambda login: login == "followed",
            run=self.run, loop=asyncio.get_running_loop(), wall_seconds=lambda: NOW,
            log=structlog.get_logger(), **{"kept_lines": 100, **more},
        )  # fmt: skip

    async def run(self, work, *arguments):
        self.reads += work is binding_rows.read
        if self.away:
            raise OperationalError("", {}, Exception("the server is away"))
        result = work(*arguments)
        await self.go_on.wait()
        return result

    def known(self, login="ana"):
        return [binding.contact for binding in self.registrar.lookup(login, NOW)]

    def other(self, binding, node="two"):
        """Another node writes a binding."""
        change = binding_rows.BindingChange()
        change.add(Registration((binding,), added=(binding,)))
        with self.engine.begin() as connection:
            binding_rows.write(connection, [change], node)


def story(conversation, **more):
    async def run():
        store = Store("sqlite://")
        store.create()
        await conversation(Node(store.engine, **more))
        store.close()

    asyncio.run(run())


def test_a_line_is_read_when_it_is_called_and_not_again():
    async def conversation(node):
        node.other(DESK)
        await node.shared.fetch(["ana"])
        await node.shared.fetch(["ana"])
        assert (node.known(), node.reads) == ([DESK.contact], 1)
        assert node.shared.node_of(DESK) == node.shared.newest_node("ana") == "two"

    story(conversation)


def test_a_change_that_is_told_is_read_again_if_the_line_is_kept_or_followed():
    async def conversation(node):
        await node.shared.fetch(["ana"])
        node.other(DESK)
        node.shared.told(["ana", "followed", "stranger"])
        await node.shared.fetch(["ana", "followed"])
        assert (node.known(), node.reads) == ([DESK.contact], 2)
        assert [registration.added for _, registration in node.changes[1:]] == [(DESK,), ()]

    story(conversation)


def test_a_refreshed_phone_is_read_when_it_is_called_unless_something_waits_for_it():
    async def conversation(node):
        node.other(DESK)
        await node.shared.fetch(["ana", "followed"])
        later = replace(DESK, expires_at=9_000.0)
        node.other(later)
        node.shared.told(["ana", "followed"], ["ana", "followed"])
        await node.shared.fetch(["followed"])
        assert node.registrar.lookup("ana", NOW)[0].expires_at == DESK.expires_at
        assert node.reads == 2
        await node.shared.fetch(["ana"])
        assert node.registrar.lookup("ana", NOW)[0].expires_at == 9_000.0

    story(conversation)


def test_a_refresh_is_told_as_one_unless_the_phone_comes_from_another_node():
    async def conversation(node):
        node.other(DESK)
        await node.shared.fetch(["ana"])
        for _ in range(2):  # first it was the other node's phone
            (known,) = node.registrar.lookup("ana", NOW)
            await node.shared.save("ana", Registration((known,), refreshed=(known,)))
        assert node.bus.told == [BindingsChanged(("ana",)), BindingsChanged(("ana",), ("ana",))]

    story(conversation)


def test_after_missed_messages_every_line_is_read_before_it_is_called():
    async def conversation(node):
        await node.shared.fetch(["ana"])
        node.other(DESK)
        node.shared.doubt()
        await node.shared.fetch(["ana"])
        assert node.known() == [DESK.contact]

    story(conversation)


def test_the_lines_that_were_called_last_are_kept():
    async def conversation(node):
        for login in ("ana", "beka", "cira"):
            node.other(replace(DESK, aor=login))
        await node.shared.fetch(["ana"])
        await node.shared.fetch(["beka"])
        await node.shared.fetch(["ana"])
        await node.shared.fetch(["cira"])
        assert [bool(node.known(login)) for login in ("ana", "beka", "cira")] == [True, False, True]

    story(conversation, kept_lines=2)


def test_a_registration_is_told_with_its_commit():
    async def conversation(node):
        await node.shared.save("ana", Registration((DESK,), added=(DESK,)))
        assert node.bus.told == [BindingsChanged(("ana",))]
        stored = binding_rows.read(node.engine, ["ana"], NOW)["ana"]
        assert [(row.node, row.binding.contact) for row in stored] == [("one", DESK.contact)]

    story(conversation)


def test_what_was_read_before_a_registration_does_not_take_its_place():
    async def conversation(node):
        node.go_on.clear()  # the answer of the database is on its way
        reading = asyncio.ensure_future(node.shared.fetch(["ana"]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        node.registrar.put("ana", [DESK])
        saved = node.shared.save("ana", Registration((DESK,), added=(DESK,)))
        node.go_on.set()
        await saved
        await reading
        assert node.known() == [DESK.contact]

    story(conversation)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(cache, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(cache, "WAIT_SECONDS", 0.05)


def test_while_the_database_is_away_what_is_known_is_used_and_changes_are_kept(impatient):
    async def conversation(node):
        node.other(DESK)
        await node.shared.fetch(["ana"])
        node.away = True
        node.shared.doubt()
        await node.shared.fetch(["ana"])
        assert node.known() == [DESK.contact]
        soft = replace(DESK, contact=b"sip:ana@10.0.0.2")
        saved = node.shared.save("ana", Registration((DESK, soft), added=(soft,)))
        await asyncio.wait([saved], timeout=0.05)
        assert not saved.done()
        node.away = False
        await saved
        stored = binding_rows.read(node.engine, ["ana"], NOW)["ana"]
        assert {row.node: row.binding.contact for row in stored} == {
            "two": DESK.contact,
            "one": soft.contact,
        }
        await node.shared.close()

    story(conversation)
