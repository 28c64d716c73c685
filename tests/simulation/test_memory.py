"""Whatever a call needed is gone with it, without the garbage collector's help.

A collector that finds nothing need not run, and one that doesn't run stops nobody.
"""

import gc
import random
import sys
from collections import Counter

from exchange import Exchange
from phones import Behaviour
from test_random_calls import build, one_call

OURS = ("sip.", "rtp.", "billing.", "softswitch.")


def collected(work) -> Counter:
    """What of ours only the collector could free after some work, by type."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        work()
        gc.collect()
        return Counter(type(thing).__name__ for thing in gc.garbage if is_ours(thing))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def is_ours(thing) -> bool:
    return str(type(thing).__module__).startswith(OURS)


def test_ordinary_calls_leave_no_cycles():
    exchange = Exchange(seed=1)
    exchange.tariff(("995", 60_000, 1, 1))
    lines = [exchange.line(f"+99532200000{i}", exchange.account(10**7)) for i in (1, 2)]
    a, b = (exchange.phone(line, f"198.51.100.{line.id}") for line in lines)
    for phone in (a, b):
        phone.register()
    exchange.run(1.0)

    def calls():
        for behaviour in (Behaviour(), Behaviour(talks=2.0), Behaviour(answer=486)):
            b.behaviour = behaviour
            session = a.call("+995322000002")
            exchange.run(5.0)
            a._hang_up_if(session)
        b.behaviour = Behaviour(rings=30.0)
        session = a.call("+995322000002")
        exchange.run(2.0)
        session.cancel(a.now)
        a.endpoint.drain()
        b.behaviour = Behaviour()
        session = a.call("+995322000002")
        exchange.run(5.0)
        a.hold(session)
        exchange.run(5.0)
        a.hang_up(session)
        exchange.run_until_idle()

    assert collected(calls) == {}
    exchange.close()


def test_random_calls_over_a_bad_wire_leave_no_cycles():
    exchange, phones = build(random.Random("cycles").randrange(1000))

    def calls():
        for _ in range(200):
            one_call(exchange, phones)
            exchange.run(exchange.rng.expovariate(2.0))
        exchange.run_until_idle(16_000.0)

    assert collected(calls) == {}
    exchange.close()


WARM_UP, MEASURED = 40, 120
"""Repetitions: so many that every table and cache has been as full as it gets, and so many more."""


def blocks_left(exchange, once) -> float:
    """Blocks of Python's memory that each repetition leaves, beside the trace's: a ring of a
    fixed size."""
    exchange.switch.agent.stack.tap = lambda seen: None

    def repeat(count: int) -> int:
        for _ in range(count):
            once()
        exchange.run(100.0)  # transactions remember for 32 s, nonces are good for 60
        exchange.switch.expire()
        gc.collect()
        return sys.getallocatedblocks()

    repeat(WARM_UP + 2 * MEASURED)  # what is kept for reuse grows for 300
    before = repeat(MEASURED)
    return (repeat(MEASURED) - before) / MEASURED


def registered(exchange, count):
    found = []
    for index in range(1, count + 1):
        line = exchange.line(f"+99532200000{index}", exchange.account(10**9))
        found.append(exchange.phone(line, f"198.51.100.{index}"))
        found[-1].register()
    exchange.run(1.0)
    return found


def forget(phones):
    """What the phones of the simulation keep for tests."""
    for phone in phones:
        for kept in (phone.events, phone.ended, phone.texts, phone.told, phone.infos):
            kept.clear()
        phone._remote_port.clear()
        phone._remote_host.clear()


def test_a_text_leaves_nothing():
    exchange = Exchange(seed=1)
    a, b = registered(exchange, 2)

    def text():
        a.send_text("+995322000002", b"hello")
        exchange.run(3.0)  # more often than so a line may not
        assert b.texts
        forget([a, b])

    assert blocks_left(exchange, text) < 1
    exchange.close()


def test_a_registration_leaves_nothing():
    exchange = Exchange(seed=1)
    (a,) = registered(exchange, 1)

    def register():
        a.register()
        exchange.run(1.0)
        assert a.registered == 200
        forget([a])

    assert blocks_left(exchange, register) < 1
    exchange.close()


def test_a_transferred_call_leaves_its_trace_alone():
    exchange = Exchange(seed=1)
    exchange.tariff(("on_net", 60_000, 1, 1))
    a, _b, c = phones = registered(exchange, 3)
    exchange.switch.agent.stack.tap = lambda seen: None

    def transfer(count) -> Counter:
        for _ in range(count):
            session = a.call("+995322000002")
            exchange.run(2.0)
            a.refer(session, b"<sip:+995322000003@example.org>")
            exchange.run(3.0)
            assert c.talking
            c.hang_up(c.talking[0])
            exchange.run(1.0)
            forget(phones)
        exchange.run(100.0)
        exchange.switch.expire()
        exchange.cdrs.clear()
        gc.collect()
        return Counter(type(thing).__name__ for thing in gc.get_objects() if is_ours(thing))

    before = transfer(WARM_UP)
    assert transfer(WARM_UP) - before == {"CallTrace": WARM_UP}
    exchange.close()
