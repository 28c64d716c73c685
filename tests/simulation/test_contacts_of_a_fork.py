"""Several contacts of one line: what one says isn't kept behind others that are dead."""

import pytest
from exchange import Exchange
from phones import Behaviour


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
