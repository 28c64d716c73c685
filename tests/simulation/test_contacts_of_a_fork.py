"""Several contacts of one line: what one says isn't kept behind others that are dead."""

import pytest
from exchange import Exchange
from phones import Behaviour

from sip.reading import parse_message


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("on_net", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def caller_and_two_contacts(exchange):
    """A caller, and a living and a dead phone of the line that is called."""
    lines = [exchange.line(f"+99532200000{i}", exchange.account(10_000_000)) for i in (1, 2)]
    a, living = (exchange.phone(line, f"198.51.100.{line.id}") for line in lines)
    dead = exchange.phone(lines[1], "198.51.100.22")
    for phone in (a, living, dead):
        phone.register()
    exchange.run(1.0)
    exchange.wire.detach(dead.address)
    return a, living, dead


def nothing_left(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)


def test_a_busy_answer_reaches_the_caller_within_4_seconds_of_the_invite(exchange):
    a, living, _ = caller_and_two_contacts(exchange)
    living.behaviour = Behaviour(rings=0.5, answer=486)
    a.call("+995322000002")
    exchange.run(3.5)
    assert a.status is None
    exchange.run(1.0)
    assert a.status == 486
    nothing_left(exchange)


def test_a_phone_that_declines_late_is_heard_at_once(exchange):
    a, living, _ = caller_and_two_contacts(exchange)
    living.behaviour = Behaviour(rings=10.0, answer=486)
    a.call("+995322000002")
    exchange.run(10.2)
    assert a.status == 486
    nothing_left(exchange)


def test_a_silent_contact_is_passed_over_for_a_minute(exchange):
    a, living, dead = caller_and_two_contacts(exchange)
    living.behaviour = Behaviour(rings=0.5, answer=486)
    a.call("+995322000002")
    exchange.run(6.0)
    a.status = None
    sent = []
    exchange.wire.drops = lambda data, source, target: sent.append(target) and False
    a.call("+995322000002")
    exchange.run(1.0)
    assert a.status == 486 and dead.address not in sent
    exchange.run(60.0)
    a.call("+995322000002")
    exchange.run(1.0)
    assert dead.address in sent
    exchange.run(10.0)
    nothing_left(exchange)


def test_all_contacts_are_tried_when_none_has_answered_lately(exchange):
    a, living, _dead = caller_and_two_contacts(exchange)
    living.register(expires=0)
    exchange.run(1.0)
    session = a.call("+995322000002")
    exchange.run(20.0)
    assert a.status is None
    session.cancel(a.now)
    a.endpoint.drain()
    nothing_left(exchange)


def sent_to(exchange, address, method):
    """Counts from now on the requests of a method that go out to a phone."""
    sent = []

    def drops(data, source, target):
        if target == address and data.startswith(method):
            sent.append(data)
        return False

    exchange.wire.drops = drops
    return sent


def refused_with_one_dead(exchange):
    """A call that a living phone refused while the line's other phone was dead."""
    a, living, dead = caller_and_two_contacts(exchange)
    exchange.switch.start()
    living.behaviour = Behaviour(rings=0.5, answer=486)
    a.call("+995322000002")
    exchange.run(6.0)
    assert a.status == 486
    return a, dead


def test_a_dead_contact_that_answers_no_options_stays_passed_over(exchange):
    a, dead = refused_with_one_dead(exchange)
    asked = sent_to(exchange, dead.address, b"OPTIONS")
    exchange.run(180.0)
    assert len(set(asked)) == 9  # every 20 s
    rung = sent_to(exchange, dead.address, b"INVITE")
    a.call("+995322000002")
    exchange.run(2.0)
    assert a.status == 486 and rung == []


def test_a_contact_that_answers_options_is_rung_again(exchange):
    a, dead = refused_with_one_dead(exchange)
    exchange.wire.attach(dead.address, dead._receive)
    exchange.run(21.0)
    rung = sent_to(exchange, dead.address, b"INVITE")
    a.call("+995322000002")
    exchange.run(1.0)
    assert len(rung) == 1
    asked = sent_to(exchange, dead.address, b"OPTIONS")
    exchange.run(60.0)
    assert asked == []


def test_a_contact_that_takes_no_text_is_passed_over_too(exchange):
    a, living, dead = caller_and_two_contacts(exchange)
    living.behaviour = Behaviour(rings=0.5, answer=486)
    exchange.switch._tell(exchange.directory.line_by_number("+995322000002"), "hello")
    exchange.run(33.0)
    rung = sent_to(exchange, dead.address, b"INVITE")
    a.call("+995322000002")
    exchange.run(2.0)
    assert a.status == 486 and rung == []


def test_the_caller_hears_of_progress_while_a_busy_answer_waits_for_dead_contacts(exchange):
    a, living, _ = caller_and_two_contacts(exchange)
    living.behaviour = Behaviour(rings=0.2, answer=486)
    progress = sent_to(exchange, a.address, b"SIP/2.0 183 ")
    a.call("+995322000002")
    exchange.run(1.0)
    assert a.status is None and len(progress) == 1
    assert parse_message(progress[0]).body == b""
    exchange.run(4.0)
    assert a.status == 486
    nothing_left(exchange)
