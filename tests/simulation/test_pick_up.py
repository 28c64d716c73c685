"""A phone takes the call that rings at another phone of its account (RFC 3891)."""

import re
from dataclasses import replace

import pytest
from exchange import Exchange
from lamp import Lamp
from phones import Behaviour, sdp

ANA, BEKA, CIRA, DATO = (f"+99532200000{digit}" for digit in "1234")


@pytest.fixture
def exchange():
    made = Exchange(seed=3)
    made.tariff(("on_net", 60_000, 1, 1), ("44", 240_000, 1, 1))
    yield made
    made.run_until_idle()
    left = made.left()
    assert left == dict.fromkeys(left, 0)
    assert made.log.errors == [] and made.store.verify() == []
    assert made.switch.agent.counters.faults == 0
    made.close()


@pytest.fixture
def office(exchange):
    """Ana, who calls; Beka and Cira, who share an account; Dato of another."""
    first, shared, other = (exchange.account(10_000_000) for _ in range(3))
    owners = [first, shared, shared, other]
    lines = [exchange.line(*pair) for pair in zip((ANA, BEKA, CIRA, DATO), owners, strict=True)]
    phones = [exchange.phone(line, f"198.51.100.{line.id}") for line in lines]
    for phone in phones:
        phone.register()
    exchange.run(1.0)
    exchange.wire.log = []
    return phones


def ring(exchange, ana, beka, seconds=3.0, **how):
    """Have Ana's call ring at Beka's; the session that rings there."""
    beka.behaviour = Behaviour(answer=0)
    rung = []
    take = beka.agent.open_session
    beka.agent.open_session = lambda *a, **kw: rung.append(take(*a, **kw)) or rung[-1]
    ana.call(BEKA, **how)
    exchange.run(seconds)
    beka.agent.open_session = take
    return rung[-1]


def replaces(session, *, early_only=False, turned_round=False) -> tuple:
    dialog = session.dialog
    ours, theirs = dialog.remote_tag, dialog.local_tag
    if turned_round:
        ours, theirs = theirs, ours
    value = f"{dialog.call_id};to-tag={ours};from-tag={theirs}"
    return ((b"Replaces", (value + ";early-only" * early_only).encode()),)


def sent_to(exchange, phone, method: bytes) -> list[bytes]:
    return [data for _, _, to, data in exchange.wire.log
            if to == phone.address and data.startswith(method)]  # fmt: skip


def hears(exchange, *who):
    before = [phone.heard for phone in who]
    exchange.run(12.0)
    return [phone.heard > count for phone, count in zip(who, before, strict=True)]


@pytest.mark.parametrize("turned_round", [False, True])
@pytest.mark.parametrize("early_only", [False, True])
def test_a_colleague_takes_the_call(exchange, office, early_only, turned_round):
    ana, beka, cira, _ = office
    rung = ring(exchange, ana, beka)
    extra = replaces(rung, early_only=early_only, turned_round=turned_round)
    cira.call(ANA, extra=extra)
    exchange.run(3.0)
    assert (ana.status, cira.status) == (200, 200)
    assert (len(ana.talking), beka.talking, len(cira.talking)) == (1, [], 1)
    assert hears(exchange, ana, cira) == [True, True]
    (cancel,) = sent_to(exchange, beka, b"CANCEL")
    assert b'Reason: SIP;cause=200;text="Call completed elsewhere"' in cancel
    ana.hang_up(ana.talking[0])
    exchange.run(2.0)
    (cdr,) = exchange.store.cdrs()
    assert (cdr.account, cdr.calling, cdr.called, cdr.ended_by) == (1, ANA, BEKA, "caller")
    assert 14_000 < cdr.duration_ms < 16_000 and 2_900 < cdr.ring_ms < 3_200
    assert cdr.price_micros == cdr.billed_seconds * 1000 == 15_000
    assert exchange.store.account(1).balance_micros == 10_000_000 - cdr.price_micros
    assert exchange.store.account(2).balance_micros == 10_000_000


def test_the_one_who_took_it_may_hang_up_hold_and_transfer(exchange, office):
    ana, beka, cira, dato = office
    cira.call(ANA, extra=replaces(ring(exchange, ana, beka)))
    exchange.run(3.0)
    cira.hold(cira.talking[0])
    exchange.run(2.0)
    assert "Reinvited" in ana.events
    cira.refer(cira.talking[0], f"<sip:{DATO}@example.org>".encode())
    exchange.run(5.0)
    assert (len(ana.talking), cira.talking, len(dato.talking)) == (1, [], 1)
    dato.hang_up(dato.talking[0])
    exchange.run(2.0)
    first, second = sorted(exchange.store.cdrs(), key=lambda cdr: cdr.leg)
    assert (second.account, second.line, second.called) == (2, CIRA, DATO)
    assert (first.account, first.called, first.ended_by) == (1, BEKA, "callee")


def test_all_phones_that_ring_are_cancelled(exchange, office):
    ana, beka, cira, _ = office
    second = exchange.phone(exchange.directory.line_by_number(BEKA), "198.51.100.22")
    second.behaviour = Behaviour(answer=0)
    second.register()
    exchange.run(1.0)
    cira.call(ANA, extra=replaces(ring(exchange, ana, beka)))
    exchange.run(3.0)
    assert "Cancelled" in beka.events and "Cancelled" in second.events
    ana.hang_up(ana.talking[0])


def test_a_call_from_a_trunk_is_taken_as_well(exchange, office):
    _, beka, cira, _ = office
    trunk = exchange.trunk("carrier", "203.0.113.80")
    cira.call(ANA, extra=replaces(ring(exchange, trunk, beka)))
    exchange.run(3.0)
    assert hears(exchange, trunk, cira) == [True, True]
    cira.hang_up(cira.talking[0])
    exchange.run(2.0)
    (cdr,) = exchange.store.cdrs()
    assert (cdr.direction, cdr.ended_by, cdr.price_micros) == ("incoming", "callee", 0)


def test_a_caller_who_made_no_offer(exchange, office):
    """His ACK brings the answer, and only then can the one who took the call be answered."""
    ana, beka, cira, _ = office
    cira.call(ANA, extra=replaces(ring(exchange, ana, beka, body=b"")))
    exchange.run(3.0)
    assert (len(ana.talking), len(cira.talking)) == (1, 1)
    assert hears(exchange, ana, cira) == [True, True]
    ana.hang_up(ana.talking[0])


@pytest.mark.parametrize("offers", [None, b""])
def test_a_taker_who_makes_no_offer(exchange, office, offers):
    """He gets one in the answer; the call is his when his ACK has agreed."""
    ana, beka, cira, _ = office
    cira.call(ANA, extra=replaces(ring(exchange, ana, beka, body=offers)), body=b"")
    exchange.run(3.0)
    assert (len(ana.talking), beka.talking, len(cira.talking)) == (1, [], 1)
    assert hears(exchange, ana, cira) == [True, True]
    ana.hang_up(ana.talking[0])
    exchange.run(2.0)
    (cdr,) = exchange.store.cdrs()
    assert 14_000 < cdr.duration_ms < 16_000 and cdr.ended_by == "caller"


def test_a_taker_who_makes_no_offer_and_comes_too_late(exchange, office):
    ana, beka, cira, _ = office
    rung = ring(exchange, ana, beka)
    exchange.wire.delay = (0.05, 0.05)
    cira.call(ANA, extra=replaces(rung), body=b"")
    exchange.run(0.17)  # the challenge is answered, our offer is under way
    rung.accept(beka._description(), beka.now)
    beka.endpoint.drain()
    exchange.run(3.0)
    assert (len(ana.talking), cira.talking, cira.status) == (1, [], 200)
    ana.hang_up(ana.talking[0])


def transferred(exchange, office):
    """Ana talks with Dato, who sends her on to Beka, whose phone rings; the session there."""
    ana, beka, _, dato = office
    ana.call(DATO)
    exchange.run(3.0)
    beka.behaviour = Behaviour(answer=0)
    dato.refer(dato.talking[0], f"<sip:{BEKA}@example.org>".encode())
    exchange.run(2.0)
    return beka.rung


@pytest.mark.parametrize("offers", [None, b""])
def test_somebody_who_is_transferred_is_taken_by_a_colleague_of_the_target(
    exchange, office, offers
):
    ana, beka, cira, dato = office
    lamp = Lamp(exchange, CIRA[1:], ("198.51.100.3", 6000))
    assert lamp.subscribe("dialog", BEKA) == 200
    rung = transferred(exchange, office)
    assert ">early<" in lamp.seen[-1] and rung.dialog.call_id in lamp.seen[-1]
    assert ANA in lamp.seen[-1]
    cira.call(ANA, extra=replaces(rung, early_only=True), body=offers)
    exchange.run(3.0)
    assert (len(ana.talking), beka.talking, dato.talking) == (1, [], [])
    assert len(cira.talking) == 1 and hears(exchange, ana, cira) == [True, True]
    assert ">terminated<" in lamp.seen[-1]
    cira.hang_up(cira.talking[0])
    exchange.run(2.0)
    first, second = sorted(exchange.store.cdrs(), key=lambda cdr: cdr.leg)
    assert (first.called, second.called) == (DATO, BEKA)
    assert 14_000 < second.duration_ms < 16_000


def test_another_account_doesnt_take_who_is_transferred(exchange, office):
    ana, _, _, dato = office
    rung = transferred(exchange, office)
    stranger = exchange.phone(exchange.line("+995322000009", exchange.account(0)), "198.51.100.19")
    stranger.register()
    exchange.run(1.0)
    stranger.call(ANA, extra=replaces(rung))
    exchange.run(2.0)
    assert stranger.status == 403 and len(dato.talking) == 1
    ana.hang_up(ana.talking[0])


def test_another_account_may_not(exchange, office):
    ana, beka, _, dato = office
    rung = ring(exchange, ana, beka)
    dato.call(ANA, extra=replaces(rung))
    exchange.run(2.0)
    assert (dato.status, ana.status) == (403, None)
    trunk = exchange.trunk("carrier", "203.0.113.80")
    trunk.call(ANA, extra=replaces(rung))
    exchange.run(2.0)
    assert (trunk.status, ana.status) == (403, None)
    assert sent_to(exchange, beka, b"CANCEL") == []


def test_guessed_tags_find_nothing(exchange, office):
    ana, beka, cira, _ = office
    rung = ring(exchange, ana, beka)
    call_id = rung.dialog.call_id
    for value in (f"{call_id};to-tag=guess;from-tag=guess", "x;to-tag=1;from-tag=2"):
        cira.call(ANA, extra=((b"Replaces", value.encode()),))
        exchange.run(2.0)
        assert cira.status == 481
    assert sent_to(exchange, beka, b"CANCEL") == []


def test_a_caller_is_not_replaced_before_the_answer(exchange, office):
    """Only an early dialog that we began can be (RFC 3891 section 3)."""
    ana, beka, cira, _ = office
    ring(exchange, ana, beka)
    session = next(iter(exchange.switch.calls.values())).leg("a")
    call_id, ours, theirs = session.dialog.id
    value = f"{call_id};to-tag={ours};from-tag={theirs}".encode()
    cira.call(ANA, extra=((b"Replaces", value),))
    exchange.run(2.0)
    assert cira.status == 481


def test_who_only_wants_to_pick_up_is_told_that_it_was_answered(exchange, office):
    ana, beka, cira, _ = office
    ana.call(BEKA)
    exchange.run(3.0)
    cira.call(ANA, extra=replaces(beka.talking[0], early_only=True))
    exchange.run(2.0)
    assert cira.status == 486 and hears(exchange, ana, beka) == [True, True]
    ana.hang_up(ana.talking[0])


@pytest.mark.parametrize("early_only", [True, False])
def test_the_answer_and_the_pick_up_cross(exchange, office, early_only):
    """Both reach the switch within its next breath: one of them talks, the other is told so."""
    ana, beka, cira, _ = office
    rung = ring(exchange, ana, beka)
    beka.talking.clear()
    extra = replaces(rung, early_only=early_only)
    rung.accept(beka._description(), beka.now)
    beka.endpoint.drain()
    cira.call(ANA, extra=extra)
    exchange.run(4.0)
    assert len(ana.talking) == 1
    assert len(beka.talking) + len(cira.talking) == 1
    talker = beka if beka.talking else cira
    assert hears(exchange, ana, talker) == [True, True]
    ana.hang_up(ana.talking[0])
    exchange.run(2.0)
    assert len(exchange.store.cdrs()) == 1


def test_two_colleagues_reach_for_the_same_call(exchange, office):
    ana, beka, cira, _ = office
    account = exchange.directory.line_by_number(BEKA).account_id
    eka = exchange.phone(exchange.line("+995322000005", account), "198.51.100.5")
    eka.register()
    exchange.run(1.0)
    rung = ring(exchange, ana, beka)
    for phone in (cira, eka):
        phone.call(ANA, extra=replaces(rung, early_only=True))
    exchange.run(3.0)
    assert sorted((cira.status, eka.status)) in ([200, 481], [200, 486])
    assert len(ana.talking) == len(cira.talking) + len(eka.talking) == 1
    ana.hang_up(ana.talking[0])


def test_who_gives_up_at_once_takes_nothing(exchange, office):
    ana, beka, cira, _ = office
    rung = ring(exchange, ana, beka)
    session = cira.call(ANA, extra=replaces(rung))
    exchange.run(0.001)
    cira.hang_up(session)
    exchange.run(3.0)
    for phone in (ana, beka, cira):
        for talk in list(phone.talking):
            phone.hang_up(talk)
    exchange.run(2.0)


def test_no_codec_in_common_leaves_it_ringing(exchange, office):
    ana, beka, cira, _ = office
    rung = ring(exchange, ana, beka)
    other = (
        sdp("198.51.100.3", 41_000)
        .replace(b"AVP 0 101", b"AVP 9 101")
        .replace(b"0 PCMU", b"9 G722")
    )
    cira.call(ANA, body=other, extra=replaces(rung))
    exchange.run(2.0)
    assert (cira.status, ana.status) == (488, None)
    assert sent_to(exchange, beka, b"CANCEL") == []


def test_keys_with_another_number_on_each_side_are_agreed_on_after_all(exchange, office):
    ana, beka, cira, _ = office
    rung = ring(exchange, ana, beka)
    other = sdp("198.51.100.3", 41_000).replace(b"0 101", b"0 96").replace(b":101", b":96")
    exchange.wire.attach(("198.51.100.3", 41_000), cira._hear)
    cira.call(ANA, body=other, extra=replaces(rung))
    exchange.run(6.0)
    assert len(ana.talking) == len(cira.talking) == 1
    assert b"telephone-event" not in ana.talking[0].remote_description
    assert b"a=rtpmap:101 telephone-event" in cira.talking[0].remote_description
    ana.hang_up(ana.talking[0])


def test_a_suspended_line_takes_nothing(exchange, office):
    ana, beka, cira, _ = office
    rung = ring(exchange, ana, beka)
    line = exchange.directory.line_by_number(CIRA)
    exchange.directory.put_lines([replace(line, status="suspended")])
    cira.call(ANA, extra=replaces(rung))
    exchange.run(2.0)
    assert cira.status == 403


def test_a_lamp_says_how_to_take_the_call_and_only_to_the_account(exchange, office):
    """As a phone does it that has a lamp for its colleague: by what the lamp was told."""
    ana, beka, cira, _ = office
    lamp = Lamp(exchange, CIRA[1:], ("198.51.100.3", 6000))
    assert lamp.subscribe("dialog", BEKA) == 200
    ring(exchange, ana, beka)
    shown = lamp.seen[-1]
    assert ">early<" in shown
    found = [re.search(rf' {name}="([^"]+)"', shown)[1] for name in
             ("call-id", "remote-tag", "local-tag")]  # fmt: skip
    target = re.search(r"<remote>.*?<target uri=\"([^\"]+)\"", shown)[1]
    value = "{};to-tag={};from-tag={};early-only".format(*found)
    cira.call(ANA, target=target.encode(), extra=((b"Replaces", value.encode()),))
    exchange.run(3.0)
    assert len(ana.talking) == len(cira.talking) == 1
    assert ">confirmed<" in lamp.seen[-1] or ">terminated<" in lamp.seen[-1]
    assert "call-id" not in lamp.seen[-1]
    ana.hang_up(ana.talking[0])


def test_a_lamp_of_another_account_sees_that_it_rings_and_no_more():
    exchange = Exchange(seed=3, config='[events]\nwatch_lines = "all"\n')
    exchange.tariff(("on_net", 60_000, 1, 1))
    lines = [exchange.line(number, exchange.account(1_000_000)) for number in (ANA, BEKA, CIRA)]
    ana, beka, _ = phones = [exchange.phone(line, f"198.51.100.{line.id}") for line in lines]
    for phone in phones:
        phone.register()
    exchange.run(1.0)
    lamp = Lamp(exchange, CIRA[1:], ("198.51.100.3", 6000))
    assert lamp.subscribe("dialog", BEKA) == 200
    rung = ring(exchange, ana, beka)
    assert ">early<" in lamp.seen[-1]
    told = "".join(lamp.seen)
    assert "call-id" not in told and rung.dialog.call_id not in told
    exchange.close()
