"""Two switches behind an edge on one database: a phone that registered at one is reached from both,
whichever the edge chooses."""

import asyncio
import itertools

import pytest
from nodes import ADDRESSES, Nodes

ANA, BEKA, CIRA = "+995322000001", "+995322000002", "+995322000003"


@pytest.fixture
def nodes():
    made = Nodes(seed=7)
    made.first.tariff(("995", 60_000, 1, 1))
    yield made
    made.run(40)
    for node in made.nodes.values():
        assert node.log.errors == []
        assert node.left()["calls"] == node.left()["sessions"] == 0
    made.close()


def phones(nodes, count=3):
    """Phones of a line each, which register at one node and the other in turn."""
    made = []
    for place in range(1, count + 1):
        line = nodes.line(f"+99532200000{place}", nodes.account(1_000_000))
        phone = nodes.phone(line, f"203.0.113.{place}")
        nodes.pin(phone, nodes.names[place % 2])
        phone.register()
        made.append(phone)
    nodes.run(1)
    return made


def talk(nodes, caller, callee, seconds=30):
    """A call, in which each side hears the other; its CDR."""
    before, heard = len(nodes.cdrs), (caller.heard, callee.heard)
    session = caller.call(f"+{callee.login}")
    nodes.run(seconds)
    assert (len(caller.talking), len(callee.talking)) == (1, 1)
    caller.hang_up(session)
    nodes.run(1)
    assert callee.talking == []
    assert caller.heard > heard[0] + 3 and callee.heard > heard[1] + 3
    (cdr,) = nodes.cdrs[before:]
    return cdr


def test_every_pair_of_phones_talks_through_whichever_node_the_edge_chooses(nodes):
    made = phones(nodes)
    for caller, callee in itertools.permutations(made, 2):
        assert talk(nodes, caller, callee).sip_status == 200


def test_a_phone_is_rung_from_the_node_that_lives(nodes):
    ana, beka, _ = phones(nodes)  # beka registered at the first node, the others at the second
    nodes.pin(ana, "two")
    nodes.crash("one")
    cdr = talk(nodes, ana, beka)
    assert (cdr.sip_status, cdr.called) == (200, BEKA)


def test_a_node_that_starts_again_reads_who_is_called(nodes):
    ana, beka, cira = phones(nodes)
    nodes.crash("one")
    nodes.start("one")
    for phone in (ana, beka, cira):
        nodes.pin(phone, "one")
    nodes.run(1)
    for caller, callee in ((ana, beka), (cira, ana)):
        assert talk(nodes, caller, callee).sip_status == 200


def test_a_phone_that_comes_to_another_node_is_rung_once(nodes):
    ana, beka, _ = phones(nodes)
    nodes.pin(beka, "two")
    beka.register()
    nodes.run(1)
    for name in nodes.names:
        nodes.pin(ana, name)
        before = beka.events.count("Received")
        talk(nodes, ana, beka)
        assert beka.events.count("Received") == before + 1


def test_a_phone_that_goes_away_at_one_node_is_gone_at_the_other(nodes):
    ana, beka, _ = phones(nodes)
    nodes.pin(ana, "two")
    talk(nodes, ana, beka)  # the second node knows the phone now
    beka.register(expires=0)
    nodes.run(1)
    ana.call(BEKA)
    nodes.run(1)
    assert ana.status == 480


def test_two_phones_of_a_line_at_two_nodes_both_ring(nodes):
    ana, beka, _ = phones(nodes)
    line = nodes["one"].directory.line_by_number(BEKA)
    other = nodes.phone(line, "203.0.113.77")
    nodes.pin(other, "one" if nodes.edge.pins["203.0.113.2"] == ADDRESSES["two"] else "two")
    other.register()
    nodes.run(1)
    other.behaviour.answer = 0
    session = ana.call(BEKA)
    nodes.run(5)
    assert (len(beka.talking), other.rung is not None) == (1, True)
    ana.hang_up(session)


def test_a_phone_that_came_to_the_other_node_by_no_edge_gives_503_at_once(nodes):
    ana, beka, _ = phones(nodes)
    direct = nodes.phone(nodes["one"].directory.line_by_number(BEKA), "203.0.113.99")
    direct.flow = direct.flow._replace(remote=ADDRESSES["two"])
    beka.register(expires=0)
    nodes.run(1)
    direct.register()
    nodes.run(1)
    nodes.pin(ana, "one")
    began = nodes.first.loop.time()
    ana.call(BEKA)
    while ana.status is None:
        nodes.run(0.1)
    assert (ana.status, nodes.first.loop.time() - began < 1) == (503, True)


def test_a_caller_gets_503_while_the_database_does_not_tell_the_phones_of_the_called_line(nodes):
    ana, beka, _ = phones(nodes)  # beka registered at the first node
    nodes.pin(ana, "two")
    bindings = nodes["two"].switch.node.bindings
    reads = bindings._run

    async def slowly(*what):
        await asyncio.sleep(5.0)
        return await reads(*what)

    bindings._run = slowly
    ana.call(BEKA)
    nodes.run(3)
    assert ana.status == 503  # 480 would say that nobody is there
    nodes.run(3)
    bindings._run = reads
    assert talk(nodes, ana, beka).sip_status == 200
