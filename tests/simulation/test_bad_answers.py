"""A bad message of one peer is that peer's failure: never a 400 or 488 for the other side."""

import pytest
from exchange import Exchange
from phones import Behaviour, sdp

from softswitch.admission.decisions import decoded

FOREIGN = "+44201234567"
NO_AUDIO = b"v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n"
BAD = {
    "none": b"",
    "garbage": b"this is no description",
    "no audio": NO_AUDIO,
    "another codec": sdp("203.0.113.5", 40_000, codec="G729"),
    "two streams": sdp("203.0.113.5", 40_000) + b"m=video 40002 RTP/AVP 96\r\n",
}


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("on_net", 60_000, 1, 1), ("44", 240_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def phones(exchange, count=2):
    made = []
    for index in range(1, count + 1):
        line = exchange.line(f"+99532200000{index}", exchange.account(10_000_000))
        made.append(exchange.phone(line, f"198.51.100.{index}"))
        made[-1].register()
    exchange.run(1.0)
    return made


def nothing_left(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)


def answers_with(phone, description):
    """Have a phone say this in its 200 (and in nothing else)."""
    phone._description = lambda: description
    phone.sends_rtp = False


@pytest.mark.parametrize("bad", BAD)
def test_a_trunks_answer_that_cant_be_used_is_502_and_nothing_is_charged(exchange, bad):
    (a,) = phones(exchange, 1)
    carrier = exchange.trunk("carrier", "203.0.113.5")
    answers_with(carrier, BAD[bad])
    a.call(FOREIGN)
    exchange.run(5.0)
    assert a.status == 502 and not a.talking and not carrier.talking
    nothing_left(exchange)
    (cdr,) = exchange.store.cdrs()
    assert (cdr.sip_status, cdr.cause, cdr.price_micros) == (502, 38, 0)


@pytest.mark.parametrize("bad", BAD)
def test_the_next_trunk_is_tried_after_such_an_answer(exchange, bad):
    (a,) = phones(exchange, 1)
    answers_with(exchange.trunk("first", "203.0.113.5", priority=1), BAD[bad])
    second = exchange.trunk("second", "203.0.113.6", priority=2)
    session = a.call(FOREIGN)
    exchange.run(5.0)
    assert a.status == 200 and len(second.talking) == 1
    a.hang_up(session)
    nothing_left(exchange)
    (cdr,) = exchange.store.cdrs()
    assert cdr.trunk == "second"


def test_a_phone_whose_answer_cant_be_used_leaves_the_call_to_the_lines_other_phone(exchange):
    a, broken = phones(exchange)
    line = exchange.directory.line_by_number("+995322000002")
    other = exchange.phone(line, "198.51.100.22")
    other.register()
    exchange.run(1.0)
    answers_with(broken, b"this is no description")
    other.behaviour = Behaviour(rings=3.0)
    session = a.call("+995322000002")
    exchange.run(6.0)
    assert a.status == 200 and len(other.talking) == 1 and not broken.talking
    a.hang_up(session)
    nothing_left(exchange)


def test_a_phone_whose_answer_cant_be_used_is_unavailable_to_the_caller(exchange):
    a, broken = phones(exchange)
    answers_with(broken, b"this is no description")
    a.call("+995322000002")
    exchange.run(5.0)
    assert a.status == 480
    nothing_left(exchange)


def test_early_media_that_cant_be_used_is_left_out_and_the_200_decides(exchange):
    (a,) = phones(exchange, 1)
    carrier = exchange.trunk("carrier", "203.0.113.5")
    carrier.behaviour = Behaviour(early_media=True)
    good = carrier._description
    said = iter([BAD["another codec"]])
    carrier._description = lambda: next(said, None) or good()
    session = a.call(FOREIGN)
    exchange.run(5.0)
    assert a.status == 200 and len(carrier.talking) == 1
    a.hang_up(session)
    nothing_left(exchange)


def test_a_transfer_target_whose_answer_cant_be_used_leaves_the_call_as_it_was(exchange):
    a, b = phones(exchange)
    session = a.call("+995322000002")
    exchange.run(5.0)
    answers_with(exchange.trunk("carrier", "203.0.113.5"), b"this is no description")
    b.refer(b.talking[0], b"<sip:%s@example.org>" % FOREIGN.encode())
    exchange.run(5.0)
    assert b.told[-1][1] == 502 and len(a.talking) == len(b.talking) == 1
    a.hang_up(session)
    nothing_left(exchange)


def three_bad_calls(exchange):
    """A first trunk that answers OPTIONS well and calls badly, and a second one."""
    (a,) = phones(exchange, 1)
    first = exchange.trunk("first", "203.0.113.5", priority=1)
    second = exchange.trunk("second", "203.0.113.6", priority=2)
    good_description = first._description
    answers_with(first, BAD["garbage"])
    for _ in range(3):
        call_by_second(exchange, a)
    return a, first, second, good_description


def call_by_second(exchange, a):
    session = a.call(FOREIGN)
    exchange.run(5.0)
    assert a.status == 200
    a.hang_up(session)
    exchange.run(1.0)


def tried(exchange):
    """The trunks that each call tried, with the statuses."""
    return [list(decoded(cdr.decisions).tried) for cdr in exchange.store.cdrs()]


def test_a_trunk_that_keeps_answering_badly_is_passed_over(exchange):
    a, *_ = three_bad_calls(exchange)
    row = exchange.switch.trunk_monitor.row(next(exchange.directory.trunks()))
    assert (row["health"], row["bad_answers"]) == ("down", 3)
    assert ("trunk answers", "first") in [
        (event, more.get("trunk")) for event, more in exchange.log.warnings
    ]
    call_by_second(exchange, a)
    assert tried(exchange) == [*[[("first", 502), ("second", 200)]] * 3, [("second", 200)]]


def test_a_trunk_that_rested_for_a_minute_is_tried_again_and_a_good_call_heals_it(exchange):
    a, first, _, good_description = three_bad_calls(exchange)
    exchange.run(60.0)
    call_by_second(exchange, a)  # still bad: it rests again at once
    call_by_second(exchange, a)
    assert tried(exchange)[3:] == [[("first", 502), ("second", 200)], [("second", 200)]]
    first._description = good_description
    exchange.run(60.0)
    call_by_second(exchange, a)
    assert tried(exchange)[5] == [("first", 200)]
    row = exchange.switch.trunk_monitor.row(next(exchange.directory.trunks()))
    assert (row["health"], row["bad_answers"]) == (None, 0)


def test_a_good_answer_between_bad_ones_keeps_a_trunk_in_service(exchange):
    (a,) = phones(exchange, 1)
    first = exchange.trunk("first", "203.0.113.5", priority=1)
    exchange.trunk("second", "203.0.113.6", priority=2)
    good_description = first._description
    for bad in (True, True, False, True, True):
        if bad:
            answers_with(first, BAD["no audio"])
        else:
            first._description = good_description
        call_by_second(exchange, a)
    row = exchange.switch.trunk_monitor.row(next(exchange.directory.trunks()))
    assert (row["health"], row["bad_answers"]) == (None, 2)
