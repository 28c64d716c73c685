"""Two switches as one: transfers when a phone's calls are at both, and calls that begin at both in
the same moment."""

import pytest
from nodes import BUS_SECONDS, Nodes
from phones import Behaviour

from softswitch.subscribers.caps import Caps

ANA, BEKA, CIRA, DATO = (f"+99532200000{place}" for place in range(1, 5))


@pytest.fixture
def nodes():
    made = Nodes(seed=11, config="[completion]\nenabled = false\n")
    made.first.tariff(("995", 60_000, 1, 1), ("44", 60_000, 1, 1), ("on_net", 60_000, 1, 1))
    yield made
    made.run(40)
    for node in made.nodes.values():
        assert node.log.errors == []
        left = node.left()
        assert left["calls"] == left["sessions"] == left["reserved"] == 0
    assert made.first.store.verify() == []
    made.close()


def phones(nodes, count=4, **more):
    """Phones of a line each; the second registers at the second node, the others at the first."""
    account = nodes.account(50_000_000)
    made = []
    for place in range(1, count + 1):
        line = nodes.line(f"+99532200000{place}", account, **more)
        phone = nodes.phone(line, f"203.0.113.{place}")
        nodes.pin(phone, "two" if place == 2 else "one")
        phone.register()
        made.append(phone)
    nodes.run(1)
    return made


def begin(nodes, caller, number, name):
    """A call that is answered at a node."""
    nodes.pin(caller, name)
    session = caller.call(number)
    nodes.run(3)
    assert caller.status == 200
    return session


# Transfers


def two_calls_of_beka(nodes, ana, beka, cira):
    """Ana talks to Beka by the first node, Cira by the second; Beka's sessions of both."""
    begin(nodes, ana, BEKA, "one")
    begin(nodes, cira, BEKA, "two")
    assert [len(node.switch.calls) for node in nodes.nodes.values()] == [1, 1]
    return beka.talking


def replacing(number, session):
    """A Refer-To that joins another call."""
    dialog = session.dialog
    return (
        f"<sip:{number}@example.org?Replaces={dialog.call_id}%3Bto-tag%3D{dialog.remote_tag}"
        f"%3Bfrom-tag%3D{dialog.local_tag}>"
    ).encode()


def test_calls_at_two_nodes_cannot_be_joined_and_both_go_on(nodes):
    ana, beka, cira, _ = phones(nodes)
    first, second = two_calls_of_beka(nodes, ana, beka, cira)
    beka.hold(first)
    nodes.run(1)
    beka.refer(first, replacing(CIRA, second))
    nodes.run(3)
    assert [status for _, status in beka.told] == [100, 481]
    heard = cira.heard
    nodes.run(20)
    assert (len(ana.talking), len(beka.talking), len(cira.talking)) == (1, 2, 1)
    assert cira.heard > heard
    for session in [*beka.talking]:
        beka.hang_up(session)
    nodes.run(2)
    assert (ana.talking, cira.talking) == ([], [])


def test_the_call_at_either_node_can_be_transferred_to_a_phone_of_the_other(nodes):
    ana, beka, cira, dato = phones(nodes)
    first, second = two_calls_of_beka(nodes, ana, beka, cira)
    beka.refer(first, f"<sip:{DATO}@example.org>".encode())
    nodes.run(5)
    assert [status for _, status in beka.told][-1] == 200
    if first in beka.talking:
        beka.hang_up(first)
    nodes.run(2)
    heard = ana.heard, dato.heard
    nodes.run(20)
    assert ana.heard > heard[0] and dato.heard > heard[1]
    assert beka.talking == [second]
    beka.hang_up(second)
    ana.hang_up(ana.talking[0])
    nodes.run(2)
    assert (dato.talking, cira.talking) == ([], [])


def test_a_transfer_to_a_phone_that_talks_at_the_other_node_rings_there(nodes):
    ana, beka, cira, dato = phones(nodes)
    begin(nodes, cira, DATO, "two")
    begin(nodes, ana, BEKA, "one")
    (asked,) = beka.talking
    beka.refer(asked, f"<sip:{DATO}@example.org>".encode())
    nodes.run(5)
    assert (len(dato.talking), beka.talking) == (2, [])
    for session in [*dato.talking]:
        dato.hang_up(session)
    nodes.run(2)
    assert (ana.talking, cira.talking) == ([], [])


def test_a_phone_cannot_take_over_a_call_that_talks_at_another_node(nodes):
    ana, beka, cira, _ = phones(nodes)
    begin(nodes, ana, BEKA, "one")
    held = beka.talking[0].dialog
    value = f"{held.call_id};to-tag={held.remote_tag};from-tag={held.local_tag}".encode()
    nodes.pin(cira, "two")
    cira.call(BEKA, extra=((b"Replaces", value),))
    nodes.run(3)
    assert (cira.status, len(ana.talking), len(beka.talking)) == (481, 1, 1)
    ana.hang_up(ana.talking[0])
    nodes.run(2)


def test_a_transfer_whose_node_dies_leaves_no_phone_ringing_or_talking(nodes):
    ana, beka, cira, _ = phones(nodes)
    cira.behaviour = Behaviour(rings=2.0)
    begin(nodes, ana, BEKA, "one")
    beka.refer(beka.talking[0], f"<sip:{CIRA}@example.org>".encode())
    nodes.run(8)
    assert len(ana.talking) == len(cira.talking) == 1
    nodes.run(10)  # the next proof of life has the new dialogs
    nodes.crash("one")
    two = nodes["two"]
    cut_off = two.store.dialogs("one")
    assert two.loop.run_until_complete(two.switch.farewells.send(cut_off)) == 2
    nodes.run(2)
    assert (ana.talking, beka.talking, cira.talking) == ([], [], [])
    nodes.start("one")


def test_a_consultation_that_was_passed_on_to_a_node_that_dies_gets_503(nodes):
    ana, beka, cira, _ = phones(nodes)
    cira.behaviour = Behaviour(answer=0)
    begin(nodes, ana, BEKA, "two")
    beka.hold(beka.talking[0])
    nodes.run(1)
    nodes.pin(beka, "one")
    beka.status = None
    beka.call(CIRA)  # at the first node, which passes it on to the second
    nodes.run(3)
    assert [len(node.switch.calls) for node in nodes.nodes.values()] == [0, 2]
    nodes.crash("two")
    nodes.run(9)
    assert beka.status == 503
    for phone in (ana, beka):
        for session in [*phone.talking]:
            phone.hang_up(session)
    nodes.start("two")


def test_a_caller_whose_other_call_is_at_a_node_that_just_died_is_served(nodes):
    ana, beka, cira, _ = phones(nodes)
    begin(nodes, ana, BEKA, "two")
    nodes.crash("two")
    nodes.run(3)  # its silence isn't noticed yet
    session = begin(nodes, beka, CIRA, "one")
    assert session in beka.talking
    for phone in (ana, beka, cira):
        for each in [*phone.talking]:
            phone.hang_up(each)
    nodes.start("two")


# Limits in the same moment


def test_calls_of_one_moment_may_pass_a_limit_once_at_each_node(nodes):
    """The overshoot is bounded: one node's calls are exact, and what the other admitted counts as
    soon as it is told."""
    made = phones(nodes, max_calls=1)
    ana, _, cira, dato = made
    for phone, name in ((ana, "one"), (cira, "two"), (dato, "one")):
        nodes.pin(phone, name)
        phone.status = None
        phone.call(BEKA)
    nodes.run(5)
    answered = sorted(phone.status for phone in (ana, cira, dato))
    assert answered in ([200, 200, 486], [200, 486, 486])
    for phone in (ana, cira, dato):
        for session in [*phone.talking]:
            phone.hang_up(session)
    nodes.run(2)


@pytest.mark.parametrize("apart_seconds", [0.0, 2 * BUS_SECONDS + 0.2])
def test_a_burst_at_both_nodes_passes_the_calls_a_minute_at_most_once_more_at_each(
    nodes, apart_seconds
):
    made = phones(nodes, 8)
    for node in nodes.nodes.values():
        node.directory.caps.put(Caps(1, calls_per_minute=4))
    for place, phone in enumerate(made):
        nodes.pin(phone, nodes.names[place % 2])
        phone.status = None
        phone.call(f"+{made[place - 1].login}")
        nodes.run(apart_seconds)
    nodes.run(5)
    admitted = sum(phone.status == 200 for phone in made)
    assert (admitted == 4) if apart_seconds else (4 <= admitted <= 8)
    for phone in made:
        for session in [*phone.talking]:
            phone.hang_up(session)
    nodes.run(2)
