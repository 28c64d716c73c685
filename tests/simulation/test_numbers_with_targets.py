"""Rented numbers whose calls go to targets: who rings when, who may take them, and who pays."""

import pytest
from exchange import Exchange
from mailboxes import give_mailbox
from phones import Behaviour

from rtp import wav
from softswitch.subscribers.reach import Reach, Target
from softswitch.subscribers.rented import RentedNumber

OWNER, OTHER, RENTED = "+995322000001", "+995322000002", "+442079460000"
MOBILE = "+447700900123"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("on_net", 60_000, 1, 1), ("44", 240_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


@pytest.fixture
def office(exchange):
    """The owner's phone, one more of his lines, the trunk that callers come by, one to mobiles."""
    account = exchange.account(10_000_000)
    phones = [
        exchange.phone(exchange.line(number, account), f"198.51.100.{index}")
        for index, number in enumerate((OWNER, OTHER), 1)
    ]
    for phone in phones:
        phone.register()
    world = exchange.trunk("world", "203.0.113.1", "999")
    mobiles = exchange.trunk("mobiles", "203.0.113.2", "44")
    exchange.run(1.0)
    return *phones, world, mobiles


def reached_by(exchange, *targets, shut=False, **more):
    number = RentedNumber(RENTED, 1, OWNER, shut, Reach(targets, **more))
    exchange.directory.rented.put([number], [1])


def settled(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    return {cdr.leg: cdr for cdr in exchange.store.cdrs()}


def presses(exchange, phone, key, seconds=2.0):
    """The phone's newest call sends a key by INFO."""
    phone.talking[-1].info(b"application/dtmf-relay", f"Signal={key}\r\n".encode(), phone.now)
    phone.endpoint.drain()
    exchange.run(seconds)


OWN, OUTSIDE = Target("line", OWNER), Target("number", MOBILE)


def test_e5_two_targets_ring_at_once_and_the_loser_costs_nothing(exchange, office):
    desk, _, world, mobiles = office
    reached_by(exchange, OWN, OUTSIDE)
    desk.behaviour = Behaviour(rings=3.0)
    mobiles.behaviour = Behaviour(answer=0)
    session = world.call(RENTED)
    exchange.run(10.0)
    assert world.status == 200 and len(desk.talking) == 1 and "Cancelled" in mobiles.events
    world.hang_up(session)
    legs = settled(exchange)
    assert (legs["a"].direction, legs["a"].price_micros) == ("incoming", 0)
    assert (legs["b"].sip_status, legs["b"].price_micros) == (487, 0)
    assert exchange.store.account(1).balance_micros == 10_000_000


def test_e5_the_owner_pays_the_leg_to_the_telephone_network(exchange, office):
    desk, _, world, mobiles = office
    reached_by(exchange, OWN, OUTSIDE)
    desk.behaviour = Behaviour(answer=0)
    session = world.call(RENTED)
    exchange.run(20.0)
    assert world.status == 200 and len(mobiles.talking) == 1 and "Cancelled" in desk.events
    assert b"reason=unconditional" in mobiles.talking[0].incoming.request.get(b"diversion")
    world.hang_up(session)
    legs = settled(exchange)
    assert legs["b"].price_micros == legs["b"].billed_seconds * 4_000 > 0
    assert (legs["b"].account, legs["b"].line, legs["b"].trunk) == (1, OWNER, "mobiles")
    assert legs["a"].trunk == "world"


@pytest.mark.parametrize("first", [Behaviour(answer=486), Behaviour(answer=0), None])
def test_e5_targets_in_turn_and_the_first_costs_nothing_when_it_fails(exchange, office, first):
    desk, _, world, mobiles = office
    reached_by(exchange, OUTSIDE, OWN, in_turn=True)
    if first is None:
        exchange.wire.detach(mobiles.address)
    else:
        mobiles.behaviour = first
    world.call(RENTED)
    exchange.run(50.0)
    assert world.status == 200 and len(desk.talking) == 1
    world.hang_up(world.talking[0])
    legs = settled(exchange)
    assert legs["b"].price_micros == 0 and legs["b"].answered_at is None
    assert exchange.store.account(1).balance_micros == 10_000_000


@pytest.mark.parametrize("first", [Behaviour(answer=503), None])
def test_e5_a_target_goes_on_to_its_next_trunk_while_the_other_one_rings(exchange, office, first):
    desk, _, world, mobiles = office
    spare = exchange.trunk("spare", "203.0.113.3", "44", priority=200)
    reached_by(exchange, OWN, OUTSIDE)
    desk.behaviour = Behaviour(answer=0)
    if first is None:
        exchange.wire.detach(mobiles.address)
    else:
        mobiles.behaviour = first
    session = world.call(RENTED)
    exchange.run(10.0)
    assert world.status == 200 and len(spare.talking) == 1 and "Cancelled" in desk.events
    world.hang_up(session)
    legs = settled(exchange)
    assert legs["b"].trunk == "spare"
    assert legs["b"].price_micros == legs["b"].billed_seconds * 4_000 > 0


def test_e5_phones_of_a_lower_q_ring_after_those_of_a_higher_beside_the_other_target(
    exchange, office
):
    desk, _, world, mobiles = office
    second = exchange.phone(exchange.directory.line_by_number(OWNER), "198.51.100.9")
    second.register(q="0.5")
    exchange.run(1.0)
    reached_by(exchange, OWN, OUTSIDE)
    desk.behaviour = Behaviour(answer=486)
    mobiles.behaviour = Behaviour(answer=0)
    session = world.call(RENTED)
    exchange.run(10.0)
    assert world.status == 200 and len(second.talking) == 1 and "Cancelled" in mobiles.events
    world.hang_up(session)
    assert settled(exchange)["b"].sip_status == 487


@pytest.mark.parametrize("status", [486, 603, 500])
def test_e5_a_target_that_refuses_doesnt_end_the_other(exchange, office, status):
    desk, _, world, mobiles = office
    reached_by(exchange, OWN, OUTSIDE)
    desk.behaviour = Behaviour(rings=5.0)
    mobiles.behaviour = Behaviour(answer=status)
    session = world.call(RENTED)
    exchange.run(10.0)
    assert world.status == 200 and len(desk.talking) == 1
    world.hang_up(session)
    legs = settled(exchange)
    assert (legs["b"].sip_status, legs["b"].price_micros) == (status, 0)
    desk.behaviour, mobiles.behaviour = Behaviour(answer=status), Behaviour(rings=5.0)
    session = world.call(RENTED)
    exchange.run(10.0)
    assert len(mobiles.talking) == 1
    world.hang_up(session)
    settled(exchange)


def test_e5_a_target_whose_trunk_isnt_to_be_found_isnt_paid_for(exchange, office):
    desk, _, world, _ = office
    exchange.hosts["203.0.113.2"] = []
    reached_by(exchange, OWN, OUTSIDE)
    session = world.call(RENTED)
    exchange.run(10.0)
    assert world.status == 200 and len(desk.talking) == 1
    world.hang_up(session)
    legs = settled(exchange)
    assert (legs["b"].sip_status, legs["b"].price_micros) == (503, 0)
    assert exchange.store.account(1).balance_micros == 10_000_000


def test_e5_the_worst_of_two_refusals_is_the_callers(exchange, office):
    desk, _, world, mobiles = office
    reached_by(exchange, OWN, OUTSIDE)
    desk.behaviour, mobiles.behaviour = Behaviour(answer=486), Behaviour(answer=503)
    world.call(RENTED)
    exchange.run(10.0)
    assert world.status == 486
    settled(exchange)


def test_e7_own_line_foreign_uri_and_ip_address_cost_nothing(exchange, office):
    desk, _, world, _ = office
    server = exchange.trunk("not ours", "192.0.2.77")
    exchange.directory.set_trunks([t for t in exchange.directory.trunks() if t.name != "not ours"])
    for target, user in (
        (Target("line", OTHER), None),
        (Target("sip", "sip:sales@192.0.2.77:5060"), "sales"),
        (Target("sip", "sip:192.0.2.77"), RENTED),
    ):
        reached_by(exchange, target)
        session = world.call(RENTED)
        exchange.run(10.0)
        assert world.status == 200 and len(world.talking) == 1
        if user is not None:
            assert server.talking[-1].incoming.request.uri.user == user
        world.hang_up(session)
        exchange.run(1.0)
    assert desk.events == []
    assert sum(cdr.price_micros for cdr in exchange.store.cdrs()) == 0
    settled(exchange)


def test_e5_who_answers_must_press_1_so_that_a_mailbox_cant_take_the_call(exchange, office):
    desk, _, world, mobiles = office
    reached_by(exchange, Target("number", MOBILE, confirm=True), OWN, in_turn=True)
    session = world.call(RENTED)
    exchange.run(10.0)
    assert len(mobiles.talking) == 1 and world.talking == [] and world.status is None
    exchange.run(10.0)  # nobody pressed anything
    assert mobiles.talking == []
    assert world.status == 200 and len(desk.talking) == 1
    world.hang_up(session)
    assert settled(exchange)["b"].price_micros == 0


@pytest.mark.parametrize("in_turn", [True, False])
def test_e5_who_is_reached_by_the_second_trunk_is_asked_as_well(exchange, office, in_turn):
    desk, _, world, mobiles = office
    spare = exchange.trunk("spare", "203.0.113.3", "44", priority=200)
    mobiles.behaviour = Behaviour(answer=503)
    desk.behaviour = Behaviour(answer=0)
    reached_by(exchange, Target("number", MOBILE, confirm=True), OWN, in_turn=in_turn)
    session = world.call(RENTED)
    exchange.run(6.0)
    assert len(spare.talking) == 1 and world.talking == []
    presses(exchange, spare, "1")
    assert len(world.talking) == 1
    before = world.heard, spare.heard
    exchange.run(12.0)
    assert world.heard > before[0] and spare.heard > before[1]
    world.hang_up(session)
    legs = settled(exchange)
    assert legs["b"].trunk == "spare" and legs["b"].price_micros > 0


def test_e5_the_key_also_decides_for_a_caller_who_made_no_offer(exchange, office):
    _, _, world, mobiles = office
    reached_by(exchange, Target("number", MOBILE, confirm=True))
    session = world.call(RENTED, body=b"")
    exchange.run(6.0)
    assert len(mobiles.talking) == 1 and world.talking == []
    presses(exchange, mobiles, "1")
    assert (len(world.talking), len(mobiles.talking)) == (1, 1)
    before = world.heard, mobiles.heard
    exchange.run(12.0)
    assert world.heard > before[0] + 1 and mobiles.heard > before[1] + 1
    world.hang_up(session)
    legs = settled(exchange)
    assert 12_000 < legs["b"].duration_ms < 16_000


@pytest.mark.parametrize("key", ["1", "2"])
def test_e5_the_key_decides_and_the_owner_pays_from_then_on(exchange, office, key):
    desk, _, world, mobiles = office
    reached_by(exchange, Target("number", MOBILE, confirm=True), OWN)
    desk.behaviour = Behaviour(answer=0)
    session = world.call(RENTED)
    exchange.run(6.0)
    assert "forwarding-accept" in {said for _, said in exchange.log.announcements}
    presses(exchange, mobiles, key)
    if key == "2":
        assert mobiles.talking == [] and world.talking == []
        session.cancel(world.now)
        world.endpoint.drain()
        assert settled(exchange)["b"].price_micros == 0
        return
    assert (len(world.talking), len(mobiles.talking)) == (1, 1) and "Cancelled" in desk.events
    before = world.heard, mobiles.heard
    exchange.run(12.0)
    assert world.heard > before[0] and mobiles.heard > before[1]
    world.hang_up(session)
    legs = settled(exchange)
    assert 12_000 < legs["b"].duration_ms < 16_000
    assert legs["b"].price_micros == legs["b"].billed_seconds * 4_000


def test_e5_both_targets_are_asked_at_once_and_the_first_key_wins(exchange, office):
    _, _, world, mobiles = office
    server = exchange.trunk("not ours", "192.0.2.77", "0")
    reached_by(
        exchange,
        Target("number", MOBILE, confirm=True),
        Target("sip", "sip:me@192.0.2.77", confirm=True),
    )
    session = world.call(RENTED)
    exchange.run(6.0)
    assert len(mobiles.talking) == len(server.talking) == 1 and world.talking == []
    presses(exchange, server, "1")
    assert (len(mobiles.talking), len(server.talking), len(world.talking)) == (0, 1, 1)
    world.hang_up(session)
    assert settled(exchange)["b"].price_micros == 0


def test_e5_callers_hear_the_greeting_before_anything_rings(exchange, office, tmp_path):
    desk, _, world, _ = office
    path = tmp_path / "greeting.wav"
    path.write_bytes(wav.header(4 * 16_000) + bytes(4 * 16_000))
    reached_by(exchange, OWN, greeting=str(path))
    session = world.call(RENTED)
    exchange.run(3.0)
    assert desk.events == [] and world.heard > 100 and world.status is None
    exchange.run(4.0)
    assert world.status == 200 and len(desk.talking) == 1
    before = world.heard
    exchange.run(12.0)
    assert world.heard > before
    world.hang_up(session)
    legs = settled(exchange)
    assert legs["a"].duration_ms < 16_000


def test_e5_a_caller_who_hangs_up_in_the_greeting_rings_nobody(exchange, office, tmp_path):
    desk, _, world, _ = office
    path = tmp_path / "greeting.wav"
    path.write_bytes(wav.header(4 * 16_000) + bytes(4 * 16_000))
    reached_by(exchange, OWN, greeting=str(path))
    session = world.call(RENTED)
    exchange.run(2.0)
    session.cancel(world.now)
    world.endpoint.drain()
    settled(exchange)
    assert desk.events == []


def test_e5_the_mailbox_of_the_line_is_the_last_step(exchange, office):
    desk, _, world, mobiles = office
    give_mailbox(exchange, exchange.directory.line_by_number(OWNER))
    reached_by(exchange, OWN, OUTSIDE, in_turn=True)
    desk.behaviour = mobiles.behaviour = Behaviour(answer=0)
    session = world.call(RENTED)
    exchange.run(55.0)
    assert world.status == 200 and "Cancelled" in desk.events and "Cancelled" in mobiles.events
    world.hang_up(session)
    legs = settled(exchange)
    assert legs["a"].answered_by == "voicemail" and legs["b"].price_micros == 0


def test_e14_a_number_in_debt_takes_no_call_whatever_its_targets(exchange, office):
    desk, _, world, mobiles = office
    reached_by(exchange, OWN, OUTSIDE, shut=True)
    world.call(RENTED)
    exchange.run(5.0)
    assert world.status == 480 and desk.events == mobiles.events == []
    settled(exchange)


def test_e11_a_number_whose_trial_is_over_rings_nowhere(exchange, office):
    desk, _, world, _ = office
    reached_by(exchange, OWN)
    exchange.directory.rented.put([], [1])  # as due work does when the hour is over
    world.call(RENTED)
    exchange.run(5.0)
    assert world.status == 404 and desk.events == []
    settled(exchange)


def test_an_owner_without_money_is_still_reached_at_his_own_line(exchange):
    line = exchange.line(OWNER, exchange.account(0))
    desk = exchange.phone(line, "198.51.100.1")
    desk.register()
    world = exchange.trunk("world", "203.0.113.1", "")
    exchange.run(1.0)
    for in_turn in (False, True):
        reached_by(exchange, OUTSIDE, OWN, in_turn=in_turn)
        session = world.call(RENTED)
        exchange.run(5.0)
        assert world.status == 200 and len(desk.talking) == 1
        world.hang_up(session)
        exchange.run(1.0)
    settled(exchange)


def test_a_number_none_of_whose_targets_answers(exchange, office):
    desk, _, world, mobiles = office
    reached_by(exchange, OWN, OUTSIDE)
    desk.behaviour = mobiles.behaviour = Behaviour(answer=0)
    world.call(RENTED)
    exchange.run(30.0)
    assert world.status == 480
    settled(exchange)
