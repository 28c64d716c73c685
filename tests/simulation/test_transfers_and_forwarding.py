"""REFER, Replaces, 3xx, and phones that ring late: who talks to whom, and who pays for it."""

import pytest
from exchange import Exchange
from phones import Behaviour

from sip.session_timer import SessionInterval

CENT = 10_000
FOREIGN = "0044201234567"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("on_net", 60_000, 1, 1), ("44", 240_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def phones(exchange, count=3, balance=10_000_000):
    made = []
    for index in range(1, count + 1):
        line = exchange.line(f"+99532200000{index}", exchange.account(balance))
        made.append(exchange.phone(line, f"198.51.100.{index}"))
        made[-1].register()
    exchange.run(1.0)
    return made


def nothing_left(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)


def talk(exchange, caller, number="+995322000002", seconds=10.0):
    session = caller.call(number)
    exchange.run(seconds)
    assert caller.status == 200
    return session


def legs(exchange):
    """CDRs by leg of the only call."""
    cdrs = exchange.store.cdrs()
    return {cdr.leg: cdr for cdr in cdrs}


def hears(exchange, *who):
    """Whether each of these gets sound now."""
    before = [phone.heard for phone in who]
    exchange.run(12.0)
    return [phone.heard > count for phone, count in zip(who, before, strict=True)]


def test_a_blind_transfer_is_the_transferring_lines_call(exchange):
    a, b, c = phones(exchange)
    session = talk(exchange, a)
    b.refer(b.talking[0], b"<sip:+995322000003@example.org>")
    exchange.run(5.0)
    assert [status for _, status in b.told] == [100, 180, 200]
    assert (len(a.talking), len(b.talking), len(c.talking)) == (1, 0, 1)
    assert hears(exchange, a, c) == [True, True]
    a.hang_up(session)
    nothing_left(exchange)
    first, second = legs(exchange)["a"], legs(exchange)["b"]
    assert (first.account, first.called, first.ended_by) == (1, "+995322000002", "caller")
    assert (second.account, second.line, second.called, second.direction) == (
        2, "+995322000002", "+995322000003", "forwarded",
    )  # fmt: skip
    assert second.call_id == first.call_id and second.presented == "+995322000001"
    assert 24_000 < first.duration_ms < 30_000 and 13_000 < second.duration_ms < 18_000
    for cdr in (first, second):
        balance = exchange.store.account(cdr.account).balance_micros
        assert cdr.price_micros == cdr.billed_seconds * 1000 > 0
        assert balance == 10_000_000 - cdr.price_micros


def test_a_transfer_to_the_telephone_network_is_priced_and_may_be_refused(exchange):
    a, b, _ = phones(exchange)
    exchange.trunk("out", "203.0.113.1", "44")
    talk(exchange, a)
    b.refer(b.talking[0], f"<sip:{FOREIGN}@example.org>".encode())
    exchange.run(20.0)
    a.hang_up(a.talking[0])
    nothing_left(exchange)
    assert legs(exchange)["b"].trunk == "out"
    assert legs(exchange)["b"].price_micros == legs(exchange)["b"].billed_seconds * 4_000


def test_the_transferring_lines_money_ends_the_call_at_its_paid_second(exchange):
    lines = [exchange.line(f"+99532200000{i}", exchange.account(m)) for i, m in
             ((1, 10_000_000), (2, 3 * CENT), (3, 0))]  # fmt: skip
    a, b, c = (exchange.phone(line, f"198.51.100.{line.id}") for line in lines)
    for phone in (a, b, c):
        phone.register()
    exchange.run(1.0)
    talk(exchange, a)
    b.refer(b.talking[0], b"<sip:+995322000003@example.org>")
    exchange.run(100.0)
    assert a.talking == c.talking == []
    nothing_left(exchange)
    second = legs(exchange)["b"]
    assert (second.billed_seconds, second.price_micros) == (30, 30_000)
    assert second.ended_by == legs(exchange)["a"].ended_by == "credit"
    assert exchange.store.account(2).balance_micros == 0


@pytest.mark.parametrize(
    ("answer", "target", "told"),
    [
        (486, "+995322000003", 486),
        (603, "+995322000003", 603),
        (200, "+995322000009", 404),
        (200, "112x", 404),
        (200, FOREIGN, 404),
    ],
)
def test_a_transfer_that_fails_leaves_the_call_as_it_was(exchange, answer, target, told):
    a, b, c = phones(exchange)
    c.behaviour = Behaviour(answer=answer)
    session = talk(exchange, a)
    b.refer(b.talking[0], f"<sip:{target}@example.org>".encode())
    exchange.run(5.0)
    assert b.told[-1][1] == told
    assert hears(exchange, a, b) == [True, True]
    a.hang_up(session)
    nothing_left(exchange)
    assert legs(exchange)["a"].sip_status == 200
    assert legs(exchange)["b"].sip_status == told and legs(exchange)["b"].price_micros == 0


def test_who_transfers_may_hang_up_at_once(exchange):
    a, b, c = phones(exchange)
    c.behaviour = Behaviour(rings=6.0)
    session = talk(exchange, a)
    b.refer(b.talking[0], b"<sip:+995322000003@example.org>")
    exchange.run(1.0)
    b.hang_up(b.talking[0])
    exchange.run(2.0)
    assert a.talking == [session]
    exchange.run(10.0)
    assert hears(exchange, a, c) == [True, True]
    c.hang_up(c.talking[0])
    nothing_left(exchange)
    assert legs(exchange)["b"].ended_by == "callee"


def test_who_transfers_and_hangs_up_ends_the_call_when_nobody_takes_it(exchange):
    a, b, c = phones(exchange)
    c.behaviour = Behaviour(rings=4.0, answer=486)
    talk(exchange, a)
    b.refer(b.talking[0], b"<sip:+995322000003@example.org>")
    exchange.run(1.0)
    b.hang_up(b.talking[0])
    exchange.run(10.0)
    assert a.talking == []
    nothing_left(exchange)


def test_a_call_that_ends_while_its_transferor_is_told_of_ringing_ends_for_him_as_well(exchange):
    """The BYE may not overtake the NOTIFY, which is repeated for a while; no further one comes."""
    a, b, c = phones(exchange)
    c.behaviour = Behaviour(answer=0)
    session = talk(exchange, a)
    answers = []

    def drops(data, source, target):
        is_answer = source == b.address and data.startswith(b"SIP/2.0 200") and b" NOTIFY" in data
        answers.extend([data] * is_answer)
        return is_answer and 1 < len(answers) < 4  # those to the second

    exchange.wire.drops = drops
    b.refer(b.talking[0], b"<sip:+995322000003@example.org>")
    exchange.run(1.0)
    a.hang_up(session)
    exchange.run(10.0)
    assert len(answers) >= 4 and b.talking == []
    assert [status for _, status in b.told] == [100, 180, 487]
    nothing_left(exchange)


def test_the_caller_may_transfer_too_and_pays_for_both(exchange):
    a, b, c = phones(exchange)
    session = talk(exchange, a)
    a.refer(session, b"<sip:+995322000003@example.org>")
    exchange.run(5.0)
    assert (a.talking, len(b.talking), len(c.talking)) == ([], 1, 1)
    assert hears(exchange, b, c) == [True, True]
    b.hang_up(b.talking[0])
    nothing_left(exchange)
    assert {cdr.account for cdr in exchange.store.cdrs()} == {1}
    assert legs(exchange)["b"].presented == "+995322000002"


def test_a_person_on_hold_hears_the_new_one_after_a_transfer(exchange):
    a, b, c = phones(exchange)
    session = talk(exchange, a)
    b.hold(b.talking[0])
    exchange.run(2.0)
    b.refer(b.talking[0], b"<sip:+995322000003@example.org>")
    exchange.run(5.0)
    assert hears(exchange, a, c) == [True, True]
    a.hang_up(session)
    nothing_left(exchange)


def replaces(session) -> bytes:
    """Refer-To with the dialog of a session, as the phone that holds it sees it."""
    dialog = session.dialog
    return (
        f"<sip:x@example.org?Replaces={dialog.call_id}%3Bto-tag%3D{dialog.remote_tag}"
        f"%3Bfrom-tag%3D{dialog.local_tag}>"
    ).encode()


def test_an_attended_transfer_joins_two_calls_whose_payers_go_on(exchange):
    a, b, c = phones(exchange)
    first = talk(exchange, a)
    consultation = b.call("+995322000003")
    exchange.run(10.0)
    b.refer(b.talking[0], replaces(consultation))
    exchange.run(5.0)
    assert [status for _, status in b.told] == [100, 200]
    assert (len(a.talking), b.talking, len(c.talking)) == (1, [], 1)
    assert hears(exchange, a, c) == [True, True]
    a.hang_up(first)
    nothing_left(exchange)
    by_account = {cdr.account: cdr for cdr in exchange.store.cdrs()}
    assert by_account[1].called == "+995322000002" and by_account[2].called == "+995322000003"
    assert by_account[1].duration_ms > 35_000 and by_account[2].duration_ms > 25_000
    assert by_account[1].ended_at == by_account[2].ended_at


def test_an_attended_transfer_of_anothers_call_is_refused(exchange):
    a, b, c, d = phones(exchange, 4)
    first = talk(exchange, a)
    other = c.call("+995322000004")
    exchange.run(3.0)
    b.refer(b.talking[0], replaces(other))
    exchange.run(3.0)
    assert b.told[-1][1] == 403
    assert hears(exchange, a, b, c, d) == [True] * 4
    b.refer(b.talking[0], b"<sip:x@example.org?Replaces=abc%3Bto-tag%3D1%3Bfrom-tag%3D2>")
    exchange.run(3.0)
    assert b.told[-1][1] == 481
    a.hang_up(first)
    c.hang_up(other)
    nothing_left(exchange)


def test_a_trunk_may_not_transfer(exchange):
    a, _, _ = phones(exchange)
    trunk = exchange.trunk("out", "203.0.113.1", "44")
    session = talk(exchange, a, FOREIGN)
    trunk.refer(trunk.talking[0], b"<sip:+442099999999@example.org>")
    exchange.run(2.0)
    assert (trunk.registered, trunk.told) == (403, [])
    a.hang_up(session)
    nothing_left(exchange)


def test_another_phone_of_the_account_takes_over_by_replaces(exchange):
    a, b, c = phones(exchange)
    account = exchange.directory.line_by_number("+995322000002").account_id
    line = exchange.line("+995322000008", account)
    desk = exchange.phone(line, "198.51.100.8")
    desk.register()
    exchange.run(1.0)
    session = talk(exchange, a)
    held = b.talking[0].dialog
    value = f"{held.call_id};to-tag={held.remote_tag};from-tag={held.local_tag}"
    extra = ((b"Replaces", value.encode()),)
    desk.call("+995322000001", extra=extra)
    exchange.run(3.0)
    assert (len(a.talking), b.talking, len(desk.talking)) == (1, [], 1)
    assert hears(exchange, a, desk) == [True, True]
    held = desk.talking[0].dialog
    value = f"{held.call_id};to-tag={held.remote_tag};from-tag={held.local_tag}"
    c.call("+995322000001", extra=((b"Replaces", value.encode()),))
    exchange.run(2.0)
    assert c.status == 403
    a.hang_up(session)
    nothing_left(exchange)


def test_a_redirected_call_is_the_redirecting_lines_and_shows_the_caller(exchange):
    a, b, _ = phones(exchange)
    trunk = exchange.trunk("out", "203.0.113.1", "44")
    b.behaviour = Behaviour(rings=0.5, answer=302, redirect=FOREIGN)
    session = talk(exchange, a)
    invite = trunk.talking[0].incoming.request
    assert (
        invite.get(b"diversion") == b"<sip:+995322000002@example.org>;reason=deflection;counter=1"
    )
    assert b"cause%3D302" in invite.get(b"history-info")
    assert invite.from_.uri.user == "+995322000001"
    assert hears(exchange, a) == [True]
    a.hang_up(session)
    nothing_left(exchange)
    first, second = legs(exchange)["a"], legs(exchange)["b"]
    assert (first.account, first.type, second.account, second.trunk) == (1, "on_net", 2, "out")
    assert second.direction == "forwarded" and second.duration_ms == first.duration_ms
    assert second.price_micros == second.billed_seconds * 4_000


def test_a_redirection_in_a_circle_ends(exchange):
    a, b, c = phones(exchange)
    b.behaviour = Behaviour(rings=0.1, answer=302, redirect="+995322000003")
    c.behaviour = Behaviour(rings=0.1, answer=302, redirect="+995322000002")
    a.call("+995322000002")
    exchange.run(10.0)
    assert a.status == 482
    nothing_left(exchange)
    assert sum(cdr.price_micros for cdr in exchange.store.cdrs()) == 0


def test_a_redirection_that_its_line_cant_pay_for_is_refused(exchange):
    lines = [exchange.line(f"+99532200000{i}", exchange.account(m)) for i, m in
             ((1, 10_000_000), (2, 0))]  # fmt: skip
    a, b = (exchange.phone(line, f"198.51.100.{line.id}") for line in lines)
    for phone in (a, b):
        phone.register()
    exchange.trunk("out", "203.0.113.1", "44")
    exchange.run(1.0)
    b.behaviour = Behaviour(rings=0.1, answer=302, redirect=FOREIGN)
    a.call("+995322000002")
    exchange.run(5.0)
    assert a.status == 480
    nothing_left(exchange)


def test_a_phone_that_registers_while_the_call_rings_is_rung_too(exchange):
    a, b, _ = phones(exchange)
    b.behaviour = Behaviour(answer=0)
    late = exchange.phone(exchange.directory.line_by_number("+995322000002"), "198.51.100.77")
    session = a.call("+995322000002")
    exchange.run(3.0)
    late.register()
    exchange.run(3.0)
    assert len(late.talking) == 1 and a.status == 200
    assert "Cancelled" in b.events
    a.hang_up(session)
    nothing_left(exchange)


def test_a_call_waits_for_a_phone_that_a_push_wakes():
    exchange = Exchange(seed=2, config="[calls]\npark_seconds = 5\n")
    exchange.tariff(("on_net", 60_000, 1, 1))
    a, _ = phones(exchange, 2)
    line = exchange.line("+995322000005", exchange.account(0))
    sleeper = exchange.phone(line, "198.51.100.5")
    session = a.call("+995322000005")
    exchange.run(3.0)
    sleeper.register()
    exchange.run(3.0)
    assert a.status == 200
    a.hang_up(session)
    exchange.line("+995322000006", exchange.account(0))
    a.call("+995322000006")
    exchange.run(4.0)
    assert a.status == 200  # still the old one
    exchange.run(3.0)
    assert a.status == 480
    nothing_left(exchange)
    assert exchange.log.errors == [] and exchange.store.verify() == []
    exchange.close()


def test_phones_of_a_lower_q_ring_after_those_of_a_higher(exchange):
    a, b, _ = phones(exchange)
    b.behaviour = Behaviour(answer=0)
    second = exchange.phone(exchange.directory.line_by_number("+995322000002"), "198.51.100.77")
    second.register(q="0.5")
    exchange.run(1.0)
    session = a.call("+995322000002")
    exchange.run(15.0)
    assert second.events == []
    exchange.run(10.0)
    assert len(second.talking) == 1 and "Cancelled" in b.events
    a.hang_up(session)
    nothing_left(exchange)


def test_early_media_reaches_a_caller_who_acknowledges_it(exchange):
    a, b, _ = phones(exchange)
    b.behaviour = Behaviour(rings=5.0, early_media=True)
    exchange.wire.log = []
    session = talk(exchange, a)
    pracks = [data for _, _, _, data in exchange.wire.log if data.startswith(b"PRACK")]
    assert len(pracks) == 2  # one on each leg
    assert hears(exchange, a, b) == [True, True]
    a.hang_up(session)
    nothing_left(exchange)


def test_a_long_call_is_refreshed_on_both_legs(exchange):
    a, b, _ = phones(exchange)
    a.agent.stack.session_interval = b.agent.stack.session_interval = SessionInterval()
    session = talk(exchange, a)
    exchange.wire.log = []
    exchange.run(3000.0)
    updates = {
        frozenset((source[0], target[0]))
        for _, source, target, data in exchange.wire.log
        if data.startswith(b"UPDATE")
    }
    # The calling phone asked to refresh its leg itself, the switch refreshes the other.
    assert updates == {frozenset(("192.0.2.1", f"198.51.100.{leg}")) for leg in (1, 2)}
    assert a.talking == [session]
    a.hang_up(session)
    nothing_left(exchange)


def test_a_call_that_others_diverted_again_and_again_is_refused(exchange):
    phones(exchange)
    trunk = exchange.trunk("in", "203.0.113.1")
    diverted = ((b"Diversion", b"<sip:+441@x>;counter=9, <sip:+442@x>;counter=2"),)
    trunk.call("+995322000002", extra=diverted)
    exchange.run(2.0)
    assert trunk.status == 483
    trunk.call("+995322000002", extra=((b"Diversion", b"<sip:+441@x>;counter=9"),))
    exchange.run(5.0)
    assert trunk.status == 200
    trunk.hang_up(trunk.talking[0])
    nothing_left(exchange)


def test_the_contacts_of_a_redirection_are_tried_by_their_q_until_one_answers(exchange):
    a, b, c, d = phones(exchange, 4)
    both = "+995322000003@example.org>;q=0.2,<sip:+995322000004"
    b.behaviour = Behaviour(rings=0.1, answer=302, redirect=both)
    d.behaviour = Behaviour(rings=0.5, answer=486)
    session = talk(exchange, a)
    assert len(c.talking) == 1 and "Received" in d.events
    a.hang_up(session)
    nothing_left(exchange)
    first, busy, taken = (legs(exchange)[leg] for leg in "abc")
    assert (first.sip_status, busy.sip_status, taken.sip_status) == (200, 486, 200)
    assert (busy.called, taken.called) == ("+995322000004", "+995322000003")
    assert busy.price_micros == 0 < taken.price_micros


def test_a_redirection_whose_contacts_all_fail_is_the_last_ones_failure(exchange):
    a, b, c, d = phones(exchange, 4)
    both = "+995322000003@example.org>,<sip:+995322000004"
    b.behaviour = Behaviour(rings=0.1, answer=302, redirect=both)
    c.behaviour = d.behaviour = Behaviour(rings=0.5, answer=486)
    a.call("+995322000002")
    exchange.run(10.0)
    assert a.status == 486
    nothing_left(exchange)
    assert sorted(cdr.leg for cdr in exchange.store.cdrs()) == ["a", "b", "c"]


def test_redirections_in_a_circle_end(exchange):
    a, b, c = phones(exchange)
    b.behaviour = Behaviour(
        rings=0.1, answer=302, redirect="+995322000003@example.org>,<sip:+995322000003"
    )
    c.behaviour = Behaviour(
        rings=0.1, answer=302, redirect="+995322000002@example.org>,<sip:+995322000003"
    )
    a.call("+995322000002")
    exchange.run(20.0)
    assert a.status == 482
    nothing_left(exchange)


def test_a_transfer_target_that_still_rang_when_the_call_ended_was_given_up(exchange):
    a, b, c = phones(exchange)
    c.behaviour = Behaviour(rings=30.0)
    session = talk(exchange, a)
    b.refer(b.talking[0], b"<sip:+995322000003@example.org>")
    exchange.run(3.0)
    a.hang_up(session)
    nothing_left(exchange)
    target = legs(exchange)["b"]
    assert (target.sip_status, target.ended_by, target.duration_ms) == (487, "caller", 0)
    assert target.ringing_at is not None and 2_500 < target.ring_ms < 3_100


def test_a_transfer_target_that_declined_has_its_status_and_its_ringing(exchange):
    a, b, c = phones(exchange)
    c.behaviour = Behaviour(rings=2.0, answer=603)
    session = talk(exchange, a)
    b.refer(b.talking[0], b"<sip:+995322000003@example.org>")
    exchange.run(5.0)
    a.hang_up(session)
    nothing_left(exchange)
    target = legs(exchange)["b"]
    assert target.sip_status == 603 and 1_900 < target.ring_ms < 2_200
