"""A switch that stops: the calls that ring, and those that talk."""

import pytest
from exchange import Exchange


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("on_net", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def test_calls_that_ring_end_with_480_and_a_cdr_and_others_go_on(exchange):
    lines = [
        exchange.line(f"+9953220000{index:02}", exchange.account(10_000_000)) for index in range(6)
    ]
    phones = [exchange.phone(line, f"198.51.100.{index}") for index, line in enumerate(lines, 10)]
    for phone in phones:
        phone.register()
    exchange.run(1.0)
    to_talking, to_ringing, to_dead, _, ringing, dead = phones
    ringing.behaviour.answer = 0
    sessions = [
        caller.call(line.number)
        for caller, line in zip((to_talking, to_ringing), lines[3:5], strict=True)
    ]
    exchange.run(3.0)
    exchange.wire.detach(dead.address)
    to_dead.call(lines[5].number)
    exchange.run(1.0)
    exchange.switch.live_calls.draining = True
    exchange.switch.live_calls.end_unanswered()
    exchange.run(1.0)
    assert [to_talking.status, to_ringing.status, to_dead.status] == [200, 480, 480]
    assert "Cancelled" in ringing.events
    cdrs = exchange.store.cdrs()
    assert [(cdr.called, cdr.sip_status, cdr.ended_by, cdr.price_micros) for cdr in cdrs] == [
        (lines[4].number, 480, "restart", 0),
        (lines[5].number, 480, "restart", 0),
    ]
    assert len(exchange.switch.calls) == 1
    exchange.run(5.0)
    to_talking.hang_up(sessions[0])
    exchange.loop.run_until_complete(exchange.switch.drained())
    assert len(exchange.store.cdrs()) == 3
    exchange.run_until_idle()
