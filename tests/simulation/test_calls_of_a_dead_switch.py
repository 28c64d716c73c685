"""Calls whose switch died: phones hear BYE from a switch that knows no more than the database."""

import pytest
from exchange import Exchange
from phones import Behaviour
from test_calls_in_virtual_time import only_cdr, two_phones
from test_trunk_pings import options

from billing.facts.authorization import CloseCall
from billing.stores.store import recovery
from softswitch.subscribers.directory import Line


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("995", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def die(exchange) -> None:
    """Forget all calls as a killed process does; its rows and its phones know nothing of it."""
    switch = exchange.switch
    for call in list(switch.calls.values()):
        for leg in call.parties:
            leg.owner = None
            leg.end(exchange.loop.time())
    for call in switch.calls.values():
        call.task.cancel()
    exchange.run(0.0)
    switch.live_calls.by_id.clear()


def take_over(exchange) -> int:
    """Say BYE and end the records, as another switch or the same one after its restart."""
    cut_off = exchange.store.dialogs()
    said = exchange.loop.run_until_complete(exchange.switch.farewells.send(cut_off))
    commands: list[CloseCall] = recovery(exchange.store.live_calls())
    assert not any(isinstance(r, Exception) for r in exchange.store.apply(commands))
    return said


def test_both_phones_hear_bye_and_the_record_ends_at_the_last_proof_of_life(exchange):
    a, b = two_phones(exchange)
    b.behaviour = Behaviour(rings=1.0)
    a.call("+995322000002")
    exchange.run(13.0)
    assert (len(a.talking), len(b.talking)) == (1, 1)
    (proven,) = exchange.store.live_calls()
    die(exchange)
    exchange.run(3.0)
    assert (len(a.talking), len(b.talking)) == (1, 1)
    assert take_over(exchange) == 2
    exchange.run(1.0)
    assert (a.talking, b.talking) == ([], [])
    cdr = only_cdr(exchange)
    assert (cdr.ended_by, cdr.recovered, cdr.ended_at) == ("restart", True, proven.last_alive_at)


def test_a_phone_that_was_connected_later_hears_it_too(exchange):
    a, b = two_phones(exchange)
    line: Line = exchange.line("+995322000003", exchange.account(10_000_000))
    c = exchange.phone(line, "198.51.100.77")
    c.register()
    exchange.run(1.0)
    b.behaviour = c.behaviour = Behaviour(rings=1.0)
    session = a.call("+995322000002")
    exchange.run(5.0)
    a.refer(session, b"<sip:+995322000003@example.org>")
    exchange.run(15.0)  # the next proof of life has written the new dialogs
    assert (len(b.talking), len(c.talking)) == (1, 1)
    die(exchange)
    assert take_over(exchange) == 2
    exchange.run(1.0)
    assert (b.talking, c.talking) == ([], [])


def test_without_a_lease_no_call_begins_and_a_balancer_is_told_while_calls_go_on(exchange):
    a, b = two_phones(exchange)
    b.behaviour = Behaviour(rings=1.0)
    a.call("+995322000002")
    exchange.run(5.0)
    exchange.has_lease = False
    c = exchange.phone(exchange.line("+995322000003", exchange.account(10_000_000)), "198.51.100.9")
    c.register()
    exchange.run(1.0)
    refused = c.call("+995322000002")
    exchange.run(1.0)
    assert refused.state.value == "ended" and c.status == 503
    assert options(exchange).status == 503
    assert (len(a.talking), len(b.talking)) == (1, 1)
    exchange.has_lease = True
    assert options(exchange).status == 200
    a.hang_up(a.talking[0])
    exchange.run_until_idle()
    assert len(exchange.store.cdrs()) == 1


def test_no_leg_is_paid_for_without_a_lease(exchange):
    a, b = two_phones(exchange)
    b.behaviour = Behaviour(rings=1.0)
    session = a.call("+995322000002")
    exchange.run(5.0)
    c = exchange.phone(exchange.line("+995322000003", exchange.account(10_000_000)), "198.51.100.9")
    c.register()
    exchange.run(1.0)
    exchange.has_lease = False
    a.refer(session, b"<sip:+995322000003@example.org>")
    exchange.run(3.0)
    assert [call.reserved_micros > 0 for call in exchange.store.live_calls()] == [True]
    assert (c.rung, len(b.talking)) == (None, 1)
    exchange.has_lease = True
    a.refer(session, b"<sip:+995322000003@example.org>")
    exchange.run(5.0)
    assert len(c.talking) == 1
