"""What `call trace` finds of calls through a whole switch."""

import asyncio

import pytest
from exchange import Exchange
from phones import Behaviour

from sip.stack import NO_TAP
from softswitch.control.errors import OperationError
from softswitch.operations.context import Context
from softswitch.process.live import Live, call_trace

ANA, BEKA = "+995322000001", "+995322000002"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.wire.delay = (0.01, 0.01)  # nothing overtakes anything
    made.tariff(("995", 60_000, 1, 1), ("44", 60_000, 60, 60))
    for number in (ANA, BEKA):
        line = made.line(number, made.account(10_000_000))
        made.phone(line, f"198.51.100.{line.id}").register()
    made.run(1.0)
    yield made
    assert made.log.errors == []
    assert made.switch.agent.counters.faults == 0
    made.close()


def trace(exchange, call_id: str, monkeypatch) -> dict:
    async def here(work):
        return work()

    monkeypatch.setattr(asyncio, "to_thread", here)  # virtual time knows no threads
    live = Live(Context(None, None, None, None, None), exchange.switch, None, 0, None)
    return exchange.loop.run_until_complete(call_trace(live, call_id=call_id))


def said(found: dict) -> list[str]:
    """Messages like "1> INVITE" (from the phone of 198.51.100.1) and "2< INVITE" (to it)."""
    out = []
    for one in found["messages"]:
        remote = one["to"] if one["sent"] else one["from"]
        digit = remote.partition(":")[0].rpartition(".")[2]
        out.append(f"{digit}{'<' if one['sent'] else '>'} {one['message']}")
    return out


def test_both_legs_from_the_first_invite_to_the_last_answer(exchange, monkeypatch):
    ana, beka = exchange.phones
    beka.behaviour = Behaviour(rings=1.0)
    session = ana.call(BEKA)
    exchange.run(5.0)
    (call,) = exchange.switch.calls.values()
    live = trace(exchange, call.id, monkeypatch)
    assert (live["state"], live["calling"], live["called"]) == ("talking", ANA, BEKA)
    ana.hang_up(session)
    exchange.run(5.0)
    found = trace(exchange, call.id[:8], monkeypatch)
    assert said(found) == [
        "1> INVITE", "1< 401 Unauthorized", "1> ACK", "1> INVITE", "1< 100 Trying",
        "2< INVITE", "2> 100 Trying", "2> 180 Ringing", "1< 180 Ringing", "2> 200 OK", "2< ACK",
        "1< 200 OK", "1> ACK", "1> BYE", "1< 200 OK", "2< BYE", "2> 200 OK",
    ]  # fmt: skip
    assert (found["state"], found["calling"], found["called"]) == ("ended", ANA, BEKA)
    assert len(found["sip_call_ids"]) == 2 and found["dropped"] == 0
    stamps = [one["at_us"] for one in found["messages"]]
    assert stamps == sorted(stamps)
    first = found["messages"][0]
    assert (first["cseq"], first["transport"], first["to"]) == ("1 INVITE", "udp", "192.0.2.1:5060")
    assert first["sdp"].startswith("audio ")


def test_every_phone_that_rang_and_every_trunk_that_was_tried(exchange, monkeypatch):
    for index, answer in ((1, 503), (2, 200)):
        exchange.trunk(f"t{index}", f"203.0.113.{index + 10}", "44", index).behaviour = Behaviour(
            rings=0.1, answer=answer, talks=1.0
        )
    exchange.phones[0].call("+442012345678")
    exchange.run(1.0)
    (call,) = exchange.switch.calls
    exchange.run(10.0)
    messages = said(trace(exchange, call, monkeypatch))
    assert "11< INVITE" in messages and "11> 503 Service Unavailable" in messages
    assert "12< INVITE" in messages and "12> 200 OK" in messages


def test_a_transfer_keeps_its_story_together(exchange, monkeypatch):
    line = exchange.line("+995322000003", exchange.account(10_000_000))
    exchange.phone(line, "198.51.100.3").register()
    ana, beka, _ = exchange.phones
    session = ana.call(BEKA)
    exchange.run(5.0)
    (call,) = exchange.switch.calls
    beka.refer(beka.talking[0], b"<sip:+995322000003@example.org>")
    exchange.run(5.0)
    ana.hang_up(session)
    exchange.run(5.0)
    messages = said(trace(exchange, call, monkeypatch))
    assert "2> REFER" in messages and "2< NOTIFY" in messages
    assert "3< INVITE" in messages and "3> 200 OK" in messages


def test_registrations_and_other_calls_stay_out(exchange, monkeypatch):
    ana, beka = exchange.phones
    first = ana.call(BEKA)
    exchange.run(3.0)
    (call,) = exchange.switch.calls
    beka.register()
    exchange.run(1.0)
    ana.hang_up(first)
    exchange.run(2.0)
    ana.call(BEKA)
    exchange.run(3.0)
    messages = said(trace(exchange, call, monkeypatch))
    assert messages.count("1> BYE") == 1 and "2> REGISTER" not in messages
    assert sum(message.endswith("< INVITE") for message in messages) == 1


def test_nothing_is_kept_where_it_is_off(monkeypatch):
    exchange = Exchange(seed=1, config="[trace]\nmegabytes = 0\n")
    assert exchange.switch.agent.stack.tap is NO_TAP
    with pytest.raises(OperationError, match="no messages are kept"):
        trace(exchange, "x", monkeypatch)
    exchange.close()


def test_a_call_that_nobody_knows(exchange, monkeypatch):
    with pytest.raises(OperationError, match="no messages are kept of a call 'nope'"):
        trace(exchange, "nope", monkeypatch)
