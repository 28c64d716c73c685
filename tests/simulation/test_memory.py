"""Whatever a call needed is gone with it, without the garbage collector's help.

A collector that finds nothing need not run, and one that doesn't run stops nobody.
"""

import gc
import random
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
    return type(thing).__module__.startswith(OURS)


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
