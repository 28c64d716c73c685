"""The phones of all nodes in front of the table: who waits for the database, and for how long."""

import asyncio

import pytest

from billing.stores.store import Store
from sip.flow import Flow
from sip.registrar import Binding, Registrar, RegistrarLimits, Registration
from softswitch.cluster import binding_rows
from softswitch.cluster.binding_rows import BindingChange
from softswitch.cluster.bindings import SharedBindings

FLOW = Flow("udp", ("192.0.2.1", 5060), ("192.0.2.100", 5060))
DESK = Binding("ana", b"sip:ana@10.0.0.1", "c1", 1, 1.0, 5_000.0, FLOW, None, "Desk", 1_000.0)


class Silence:
    """A bus that carries nothing."""

    def tell(self, message):
        pass

    def tell_within(self, connection, message):
        pass

    def listen(self, on_message, on_restored):
        pass


@pytest.fixture
def engine():
    store = Store("sqlite://")
    store.create()
    change = BindingChange()
    change.add(Registration((DESK,), added=(DESK,)))
    with store.engine.begin() as connection:
        binding_rows.write(connection, [change], "two")
    yield store.engine
    store.close()


def test_calls_that_come_while_a_line_is_read_wait_for_the_same_read(engine):
    async def main():
        reads = []
        database = asyncio.Event()

        async def run(work, *arguments):
            reads.append(work)
            await database.wait()
            return work(*arguments)

        registrar = Registrar(RegistrarLimits())
        bindings = SharedBindings(
            engine, "one", registrar, Silence(), kept_lines=100, here=lambda row: row.binding,
            changed=lambda login, registration: None, follows=lambda login: False, run=run,
            loop=asyncio.get_running_loop(), wall_seconds=lambda: 2_000.0, log=None,
        )  # fmt: skip
        first = asyncio.create_task(bindings.fetch(["ana"]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(reads) == 1
        assert not bindings.knows("ana")
        second = asyncio.create_task(bindings.fetch(["ana"]))
        await asyncio.sleep(0)
        assert not first.done() and not second.done()
        database.set()
        await asyncio.gather(first, second)
        assert registrar.lookup("ana", 2_000.0) == [DESK]
        assert bindings.knows("ana") and len(reads) == 1
        await bindings.close()

    asyncio.run(main())
