"""Bindings of several nodes in one table."""

import pytest
from msgspec.structs import replace

from billing.stores.store import Store
from sip.flow import Flow
from sip.registrar import Binding, Registration
from softswitch.cluster import binding_rows
from softswitch.cluster.binding_rows import BindingChange

FLOW = Flow("udp", ("192.0.2.1", 5060), ("192.0.2.100", 5060))
DESK = Binding("ana", b"sip:ana@10.0.0.1", "c1", 1, 1.0, 5_000.0, FLOW, None, "Desk", 1_000.0)
SOFT = replace(DESK, contact=b"sip:ana@10.0.0.2", user_agent="Soft")


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request):
    url = "sqlite://" if request.param == "sqlite" else request.getfixturevalue("own_database")
    store = Store(url)
    store.create()
    yield store.engine
    store.close()


def write(engine, node, *registrations):
    change = BindingChange()
    for registration in registrations:
        change.add(registration)
    with engine.begin() as connection:
        binding_rows.write(connection, [change], node)


def read(engine, login="ana", now=2_000.0):
    found = binding_rows.read(engine, [login], now)[login]
    return {(row.node, row.binding.contact): row.binding.registered_at for row in found}


def test_phones_of_a_line_at_two_nodes_stay_beside_each_other(engine):
    write(engine, "one", Registration((DESK,), added=(DESK,)))
    write(engine, "two", Registration((SOFT,), added=(SOFT,)))
    assert read(engine) == {("one", DESK.contact): 1_000.0, ("two", SOFT.contact): 1_000.0}


def test_a_phone_that_comes_to_another_node_belongs_there(engine):
    write(engine, "one", Registration((DESK,), added=(DESK,)))
    later = replace(DESK, registered_at=900.0)  # by a clock that is behind
    write(engine, "two", Registration((later,), refreshed=(later,)))
    assert read(engine) == {("two", DESK.contact): 900.0}


def test_a_phone_that_goes_away_at_another_node_is_gone(engine):
    write(engine, "one", Registration((DESK,), added=(DESK,)))
    write(engine, "two", Registration((), removed=(DESK,)))
    assert read(engine) == {}


def test_an_old_removal_leaves_a_newer_registration(engine):
    newer = replace(DESK, registered_at=1_500.0)
    write(engine, "two", Registration((newer,), added=(newer,)))
    write(engine, "one", Registration((), removed=(DESK,)))
    assert read(engine) == {("two", DESK.contact): 1_500.0}


def test_of_several_registrations_before_a_write_the_last_counts(engine):
    again = replace(DESK, registered_at=1_100.0)
    write(engine, "one", Registration((DESK,), added=(DESK,)), Registration((), removed=(DESK,)),
          Registration((again,), added=(again,)))  # fmt: skip
    assert read(engine) == {("one", DESK.contact): 1_100.0}
    write(engine, "one", Registration((), removed=(again,)))
    assert read(engine) == {}


def test_one_flow_of_a_contact_that_ends_leaves_the_other(engine):
    first = replace(DESK, instance='"<urn:uuid:1>"', reg_id=1)
    second = replace(first, reg_id=2)
    write(engine, "one", Registration((first, second), added=(first, second)))
    write(engine, "one", Registration((second,), removed=(first,)))
    assert read(engine) == {("one", DESK.contact): 1_000.0}


def test_expired_bindings_are_not_read_and_can_be_deleted(engine):
    soft = replace(SOFT, expires_at=9_000.0)
    write(engine, "one", Registration((DESK, soft), added=(DESK, soft)))
    assert read(engine, now=6_000.0) == {("one", SOFT.contact): 1_000.0}
    assert binding_rows.delete_expired(engine, 6_000.0) == 1
    assert read(engine, now=0.0) == {("one", SOFT.contact): 1_000.0}
