"""Registrations in the database, as each of our databases keeps them."""

import pytest
from fresh_books import fresh_books

from billing.stores.store import Store
from sip.flow import Flow
from sip.registrar import Binding
from softswitch.subscribers.bindings_table import ROWS_AT_ONCE, bindings_table
from softswitch.subscribers.directory_store import DirectoryStore

NOW = 1_700_000_000.0


@pytest.fixture(params=["sqlite", "postgresql"])
def directory(request):
    if request.param == "postgresql":
        store = Store(request.getfixturevalue("own_database"))
        bindings_table.create(store.engine)
    else:
        store = fresh_books()
    yield DirectoryStore(store.engine)
    store.close()


def binding(number: int, port: int = 5060, cseq: int = 1) -> Binding:
    return Binding(
        aor=f"99532200{number:04}",
        contact=b"sip:phone@192.0.2.7:%d" % port,
        call_id="abc",
        cseq=cseq,
        q=1.0,
        expires_at=NOW + 60,
        flow=Flow("udp", ("192.0.2.1", 5060), ("198.51.100.7", port)),
        instance=None,
        user_agent="Desk phone",
        registered_at=NOW,
        username="ana",
    )


def kept(directory, node=None) -> list[Binding]:
    return directory.bindings(NOW, node)


def test_more_bindings_than_one_statement_writes_come_back_as_they_were(directory):
    phones = [binding(number) for number in range(2 * ROWS_AT_ONCE + 3)]
    directory.save_bindings({phone.aor: (phone,) for phone in phones}, "one")
    assert kept(directory) == phones


def test_a_refreshed_binding_takes_the_place_of_the_one_before(directory):
    directory.save_bindings({"995322000001": (binding(1), binding(1, port=5070))})
    later = binding(1, cseq=2)
    directory.save_bindings({later.aor: (later,)}, renewed={later.aor})
    assert sorted(kept(directory), key=lambda one: one.contact) == [later, binding(1, port=5070)]
    directory.save_bindings({later.aor: (later,)})
    assert kept(directory) == [later]


def test_a_contact_that_has_come_to_another_node_is_that_nodes(directory):
    phone = binding(1)
    directory.save_bindings({phone.aor: (phone,)}, "one")
    directory.save_bindings({phone.aor: (phone,)}, "two", renewed={phone.aor})
    assert (kept(directory, "one"), kept(directory, "two")) == ([], [phone])
