"""Two switches as one: limits, lamps, texts, completion, conferences and money across them."""

from dataclasses import replace

import pytest
from lamp import Lamp
from nodes import EDGE, Nodes
from phones import Behaviour
from recordings import recorded
from test_conference_rooms import press
from test_texts import Texting

from billing.facts.authorization import TopUp
from softswitch.conference.rooms import DialInRoom, RoomStore
from softswitch.subscribers.caps import Caps

ANA, BEKA, CIRA = "+995322000001", "+995322000002", "+995322000003"
PROMPTS = []


@pytest.fixture(scope="module", autouse=True)
def prompts(tmp_path_factory):
    PROMPTS.append(recorded(tmp_path_factory.mktemp("prompts"), "en"))
    yield
    PROMPTS.clear()


def build(completion):
    made = Nodes(
        seed=3,
        config=f'[completion]\n{completion}\n[conference]\nservice = "free"\n',
        prompts=PROMPTS[0],
    )
    made.first.tariff(("995", 60_000, 1, 1), ("44", 60_000, 1, 1), ("on_net", 60_000, 1, 1))
    return made


@pytest.fixture
def nodes():
    made = build("enabled = false")
    yield made
    close(made)


@pytest.fixture
def completing():
    made = build('offer = "answered"')
    yield made
    close(made)


def close(nodes):
    nodes.run(40)
    for node in nodes.nodes.values():
        assert node.log.errors == []
        left = node.left()
        assert left["calls"] == left["sessions"] == left["reserved"] == 0
        neighbours = node.switch.node.cluster.neighbours
        assert neighbours._of_line == {} and not neighbours._of_account
    assert nodes.first.store.verify() == []
    nodes.close()


def phones(nodes, count=3, **more):
    """Phones of a line each; the second registers at the second node, the others at the first."""
    made = []
    account = nodes.account(50_000_000)
    for place in range(1, count + 1):
        line = nodes.line(f"+99532200000{place}", account, language="en", **more)
        phone = nodes.phone(line, f"203.0.113.{place}")
        nodes.pin(phone, "two" if place == 2 else "one")
        phone.register()
        made.append(phone)
    nodes.run(1)
    return made


def status(nodes, caller, number):
    """The status of a call that is ended if it is answered."""
    caller.status = None
    session = caller.call(number)
    nodes.run(3)
    if session in caller.talking:
        caller.hang_up(session)
        nodes.run(1)
    return caller.status


# Limits


def test_calls_of_a_line_at_both_nodes_count_against_its_limit(nodes):
    ana, _, cira = phones(nodes, max_calls=1)
    session = ana.call(BEKA)  # at the first node
    nodes.run(5)
    assert ana.status == 200
    nodes.pin(cira, "two")
    assert status(nodes, cira, BEKA) == 486
    nodes.pin(ana, "two")
    assert status(nodes, ana, CIRA) == 480
    ana.hang_up(session)
    nodes.run(2)
    assert status(nodes, cira, BEKA) == 200


def test_an_accounts_calls_at_both_nodes_count_against_its_cap(nodes):
    ana, _, cira = phones(nodes)
    for node in nodes.nodes.values():
        node.directory.caps.put(Caps(1, calls=1))
    session = ana.call(BEKA)
    nodes.run(5)
    nodes.pin(cira, "two")
    assert status(nodes, cira, BEKA) == 480
    ana.hang_up(session)
    nodes.run(2)
    assert status(nodes, cira, BEKA) == 200


def test_attempts_at_both_nodes_count_against_the_calls_a_minute(nodes):
    ana, *_ = phones(nodes)
    for node in nodes.nodes.values():
        node.directory.caps.put(Caps(1, calls_per_minute=2))
    results = []
    for name in ("one", "two", "one", "two"):
        nodes.pin(ana, name)
        results.append(status(nodes, ana, BEKA))
    assert results == [200, 200, 480, 480]


def test_what_was_spent_at_one_node_counts_at_the_other(nodes):
    ana, *_ = phones(nodes)
    for node in nodes.nodes.values():
        node.directory.caps.put(Caps(1, spend_hour_micros=50_000))
    session = ana.call(BEKA)
    nodes.run(60)
    ana.hang_up(session)
    nodes.run(1)
    nodes.pin(ana, "two")
    assert status(nodes, ana, BEKA) == 403


def test_calls_by_a_trunk_at_both_nodes_count_against_its_limit(nodes):
    ana, _, cira = phones(nodes)
    for node in nodes.nodes.values():
        trunk = node.trunk("carrier", "203.0.113.200", "44")
        (known,) = node.directory.trunks()
        node.directory.set_trunks([replace(known, max_calls=1)])
    trunk.behaviour = Behaviour(0.5)
    session = ana.call("0044201234567")
    nodes.run(3)
    nodes.pin(cira, "two")
    assert status(nodes, cira, "0044201234568") == 503
    assert [node.switch.live_calls.count_of_trunk("carrier") for node in nodes.nodes.values()] == [
        1,
        1,
    ]
    ana.hang_up(session)
    nodes.run(1)
    assert status(nodes, cira, "0044201234568") == 200


def test_the_calls_of_a_node_that_dies_count_no_more(nodes):
    ana, beka, cira = phones(nodes, max_calls=1)
    ana.call(BEKA)
    nodes.run(5)
    nodes.pin(cira, "two")
    assert status(nodes, cira, BEKA) == 486
    nodes.crash("one")
    nodes.run(8)
    assert status(nodes, cira, BEKA) == 200
    for phone in (ana, beka, cira):
        for session in [*phone.talking]:
            phone.hang_up(session)
    nodes.start("one")


# Lamps and completion


def lamp(nodes, line, host, name):
    made = Lamp(nodes.first, line.lstrip("+"), (host, 5060))
    made._put = lambda message: nodes.first.wire.send(
        bytes(message).replace(b";branch", b";rport;branch", 1).replace(b";rport;rport", b";rport"),
        made.address, EDGE,
    )  # fmt: skip
    nodes.pin(made, name)
    return made


def test_a_lamp_at_one_node_shows_calls_at_the_other(nodes):
    ana, beka, _ = phones(nodes)
    watcher = lamp(nodes, CIRA, "203.0.113.9", "two")
    assert watcher.subscribe("dialog", BEKA) == 200
    nodes.pin(ana, "one")
    session = ana.call(BEKA)
    nodes.run(5)
    assert "<state>confirmed</state>" in watcher.seen[-1]
    assert ANA in watcher.seen[-1]
    ana.hang_up(session)
    nodes.run(3)
    assert "<state>terminated</state>" in watcher.seen[-1]
    session = ana.call(BEKA)
    nodes.run(5)
    assert "<state>confirmed</state>" in watcher.seen[-1]
    nodes.crash("one")
    nodes.run(8)
    assert "<state>terminated</state>" in watcher.seen[-1]
    for phone in (ana, beka):
        for session in [*phone.talking]:
            phone.hang_up(session)
    nodes.start("one")


def test_a_caller_is_connected_when_the_other_nodes_call_of_the_callee_ends(completing):
    nodes = completing
    ana, beka, cira = phones(nodes, max_calls=1)
    nodes.pin(cira, "two")
    talk = cira.call(BEKA)  # at the second node
    nodes.run(5)
    ana.sends_rtp = False
    offered = ana.call(BEKA)  # busy, at the first node
    nodes.run(2)
    press(nodes, ana, offered, "1")
    nodes.run(12)
    assert len(nodes["one"].switch.completion.queue.waits_for(2)) == 1
    before = ana.events.count("Received")
    cira.hang_up(talk)
    nodes.run(10)
    assert ana.events.count("Received") == before + 1
    assert len(ana.talking) == len(beka.talking) == 1
    ana.hang_up(ana.talking[0])
    nodes.run(2)


# Texts


def test_a_text_at_one_node_reaches_the_phone_of_the_other(nodes):
    ana, beka = (Texting(phone) for phone in phones(nodes, 2))
    ana.text(BEKA)
    nodes.run(2)
    assert [request.body for request in beka.got] == [b"hello"]
    assert ana.statuses[0] in (200, 202)


def test_a_text_kept_at_one_node_goes_out_once_when_the_phone_registers_at_the_other(nodes):
    ana, beka = (Texting(phone) for phone in phones(nodes, 2))
    beka.phone.register(expires=0)
    nodes.run(1)
    ana.text(BEKA)
    nodes.run(2)
    assert (ana.statuses, beka.got) == ([202], [])
    beka.phone.register()
    nodes.run(5)
    assert [request.body for request in beka.got] == [b"hello"]
    ana.text(BEKA, b"again")
    nodes.run(5)
    assert [request.body for request in beka.got] == [b"hello", b"again"]
    assert ana.statuses[-1] == 200


# Conferences and picking up


def test_callers_of_a_room_meet_whichever_node_the_edge_chooses(nodes):
    made = phones(nodes)
    RoomStore(nodes.first.store.engine).add(DialInRoom("100", 1, None))
    sessions = []
    for phone, name in zip(made, ("two", "one", "two"), strict=True):
        nodes.pin(phone, name)
        session = phone.call("*88")
        nodes.run(3)
        press(nodes, phone, session, "100#")
        nodes.run(8)
        sessions.append(session)
    halls = [node.switch.hall.conferences for node in nodes.nodes.values()]
    (conference,) = [conference for found in halls for conference in found]
    assert len(conference.members) == 3
    for phone, session in zip(made[1:], sessions[1:], strict=True):
        phone.hang_up(session)
    nodes.run(2)
    (last,) = conference.members
    assert [phone.talking for phone in made[1:]] == [[], []]
    nodes["one"].switch.hang_up(last.legs.id)  # the node knows this phone by the other node
    nodes.run(3)
    assert made[0].talking == []


def test_a_room_stays_at_its_node_while_it_has_members(nodes):
    ana, beka, _ = phones(nodes)
    RoomStore(nodes.first.store.engine).add(DialInRoom("100", 1, None))
    nodes.crash("one")
    nodes.run(8)
    for phone in (ana, beka):
        nodes.pin(phone, "two")
    session = ana.call("*88")
    nodes.run(3)
    press(nodes, ana, session, "100#")
    nodes.run(8)
    nodes.start("one")
    nodes.run(3)
    nodes.pin(beka, "one")
    other = beka.call("*88")
    nodes.run(3)
    press(nodes, beka, other, "100#")
    nodes.run(8)
    (conference,) = nodes["two"].switch.hall.conferences
    assert len(conference.members) == 2
    ana.hang_up(session)
    beka.hang_up(other)
    nodes.run(2)


def test_a_call_that_rings_by_one_node_is_picked_up_by_the_other(nodes):
    ana, beka, cira = phones(nodes)
    beka.behaviour.answer = 0
    ana.call(BEKA)  # at the first node
    nodes.run(3)
    (call,) = nodes["one"].switch.calls.values()
    call_id, ours, theirs = call.ringing.dialog
    nodes.pin(cira, "two")
    replaces = f"{call_id};to-tag={ours};from-tag={theirs}".encode()
    cira.call(BEKA, extra=((b"Replaces", replaces),))
    nodes.run(3)
    assert len(ana.talking) == len(cira.talking) == 1
    nodes.run(20)
    assert ana.heard > 2 and cira.heard > 2
    ana.hang_up(ana.talking[0])
    nodes.run(2)
    assert cira.talking == []


def test_a_consultation_comes_to_the_node_of_the_call_on_hold_and_is_transferred_there(nodes):
    ana, beka, cira = phones(nodes)
    ana.call(BEKA)  # at the first node
    nodes.run(3)
    (first,) = beka.talking
    beka.hold(first)
    nodes.run(1)
    nodes.pin(beka, "two")
    second = beka.call(CIRA)
    nodes.run(3)
    assert len(nodes["one"].switch.calls) == 2 and not nodes["two"].switch.calls
    held = second.dialog
    target = (
        f"<sip:{CIRA}@example.org?Replaces={held.call_id}%3Bto-tag%3D{held.remote_tag}"
        f"%3Bfrom-tag%3D{held.local_tag}>"
    )
    beka.refer(first, target.encode())
    nodes.run(3)
    for session in [*beka.talking]:
        beka.hang_up(session)
    heard = ana.heard, cira.heard
    nodes.run(20)
    assert len(ana.talking) == len(cira.talking) == 1
    assert ana.heard > heard[0] and cira.heard > heard[1]
    ana.hang_up(ana.talking[0])
    nodes.run(2)
    assert cira.talking == []


def test_a_call_that_came_by_no_edge_stays_where_it_came(nodes):
    ana, beka, _ = phones(nodes)
    ana.call(BEKA)  # at the first node
    nodes.run(3)
    nodes.pin(ana, "two")
    ana.flow = ana.flow._replace(remote=nodes["two"].address)
    second = ana.call(CIRA)
    nodes.run(3)
    assert len(nodes["two"].switch.calls) == 1
    ana.hang_up(second)
    ana.flow = ana.flow._replace(remote=EDGE)
    beka.hang_up(beka.talking[0])
    nodes.run(2)


# Money


def test_a_payment_that_one_node_takes_prolongs_a_call_at_the_other(nodes):
    phones(nodes)
    poor = nodes.account(20_000)  # twenty seconds
    line = nodes.line("+995322000009", poor)
    caller = nodes.phone(line, "203.0.113.19")
    nodes.pin(caller, "one")
    caller.register()
    nodes.run(1)
    caller.call(BEKA)
    nodes.run(12)
    other = nodes["two"]
    other.money.submit(TopUp(poor, 1_000_000, "paid at the second node", other.wall_ms()))
    nodes.run(30)
    assert len(caller.talking) == 1
    caller.hang_up(caller.talking[0])
    nodes.run(2)
