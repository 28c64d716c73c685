"""Trunks that are asked whether they live, through a whole switch and in literal seconds."""

from dataclasses import replace
from itertools import pairwise

import pytest
from exchange import Exchange
from phones import Behaviour
from test_texts import Texting
from world import SWITCH

from sip.reading import parse_message
from sip.standalone import StandaloneRequest


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("44", 60_000, 60, 60), ("995", 60_000, 1, 1))
    line = made.line("+995322000001", made.account(100_000_000))
    made.phone(line, "198.51.100.1").register()
    made.trunk("first", "203.0.113.1", "44", 1).behaviour = Behaviour(rings=0.1, talks=1.0)
    made.trunk("second", "203.0.113.2", "44", 2).behaviour = Behaviour(rings=0.1, talks=1.0)
    made.run(1.0)
    made.wire.log = []
    made.log.said = []
    made.log.info = made.log.warning = lambda event, **more: made.log.said.append((event, more))
    yield made
    assert made.log.errors == []
    assert made.switch.agent.counters.faults == 0
    made.close()


def health(exchange) -> list[str]:
    rows = map(exchange.switch.trunk_monitor.row, exchange.directory.trunks())
    return [row["health"] for row in rows]


def pings(exchange, host: str) -> list[float]:
    return [round(at, 1) for at, _, to, data in exchange.wire.log
            if to[0] == host and data.startswith(b"OPTIONS")]  # fmt: skip


def changes(exchange) -> list[tuple[str, str, str]]:
    return [(more["trunk"], more["before"], more["health"])
            for event, more in exchange.log.said if event == "trunk health"]  # fmt: skip


def trunk_of_call(exchange, number="+442012345678") -> str:
    exchange.phones[0].call(number)
    exchange.run(20.0)
    return exchange.cdrs[-1].trunk


def test_each_trunk_is_asked_every_thirty_seconds(exchange):
    exchange.switch.start()
    exchange.run(300.0)
    for host in ("203.0.113.1", "203.0.113.2"):
        asked = pings(exchange, host)
        assert len(asked) in (9, 10)
        gaps = [after - before for before, after in pairwise(asked)]
        assert all(29.9 <= gap <= 31.0 for gap in gaps)
    assert health(exchange) == ["up", "up"]
    assert changes(exchange) == []
    row = exchange.switch.trunk_monitor.row(next(exchange.directory.trunks()))
    assert 10 <= row["round_trip_ms"] <= 40 and row["lost_of_10"] == 0


def test_what_a_ping_says(exchange):
    exchange.switch.start()
    exchange.run(60.0)
    data = next(d for _, _, to, d in exchange.wire.log if d.startswith(b"OPTIONS"))
    request = parse_message(data)
    request.validate()
    assert request.raw_uri == b"sip:203.0.113.1:5060"
    assert bytes(request.from_.uri) == b"sip:example.org"
    assert request.get(b"authorization") is None


def test_a_dead_trunk_is_passed_over_and_comes_back(exchange):
    exchange.switch.start()
    exchange.run(60.0)
    assert trunk_of_call(exchange) == "first"
    first = exchange.phones[1]
    exchange.wire.detach(first.address)
    exchange.run(70.0)
    assert health(exchange) == ["down", "up"]
    exchange.wire.log = []
    assert trunk_of_call(exchange) == "second"
    assert not any(to == first.address and data.startswith(b"INVITE")
                   for _, _, to, data in exchange.wire.log)  # fmt: skip
    exchange.wire.attach(first.address, first._receive)
    exchange.run(200.0)
    assert health(exchange) == ["up", "up"]
    assert trunk_of_call(exchange) == "first"
    assert changes(exchange) == [
        ("first", "up", "degraded"),
        ("first", "degraded", "down"),
        ("first", "down", "degraded"),
        ("first", "degraded", "up"),
    ]


def test_a_dead_trunk_is_known_within_a_minute(exchange):
    exchange.switch.start()
    exchange.run(60.0)
    exchange.wire.detach(exchange.phones[1].address)
    exchange.run(56.0)
    assert health(exchange) == ["down", "up"]


def test_when_all_are_down_they_are_tried_all_the_same(exchange):
    exchange.switch.start()
    first, second = exchange.phones[1:]
    for trunk in (first, second):
        exchange.wire.detach(trunk.address)
    exchange.run(120.0)
    assert health(exchange) == ["down", "down"]
    exchange.wire.attach(second.address, second._receive)
    assert trunk_of_call(exchange) == "second"


def test_emergency_calls_try_those_that_are_up_first_and_then_the_others(exchange):
    exchange.switch.start()
    first, second = exchange.phones[1:]
    exchange.wire.detach(first.address)
    exchange.run(120.0)
    assert health(exchange) == ["down", "up"]
    assert trunk_of_call(exchange, "112") == "second"
    second.behaviour = Behaviour(rings=0.1, answer=503)
    exchange.wire.attach(first.address, first._receive)
    assert health(exchange) == ["down", "up"]
    assert trunk_of_call(exchange, "112") == "first"


@pytest.mark.parametrize(("answer", "state"), [(404, "up"), (405, "up"), (401, "up"),
                                               (486, "up"), (503, "down")])  # fmt: skip
def test_any_answer_but_503_proves_life(exchange, answer, state):
    first = exchange.phones[1]
    first.endpoint._on_event = lambda event: first.agent.stack.answer(
        event.request, event.flow, answer
    )
    exchange.switch.start()
    exchange.run(120.0)
    assert health(exchange)[0] == state


def test_one_that_is_never_to_be_asked(exchange):
    first, second = exchange.directory.trunks()
    exchange.directory.set_trunks(
        [replace(first, ping_seconds=0), replace(second, ping_seconds=10)]
    )
    exchange.switch.start()
    exchange.run(100.0)
    assert pings(exchange, "203.0.113.1") == []
    assert len(pings(exchange, "203.0.113.2")) in (9, 10)
    assert health(exchange) == [None, "up"]


def test_one_that_is_suspended_or_gone_is_asked_no_more(exchange):
    exchange.switch.start()
    exchange.run(60.0)
    first, _ = exchange.directory.trunks()
    exchange.directory.set_trunks([replace(first, status="suspended")])
    exchange.run(2.0)
    exchange.wire.log = []
    exchange.run(100.0)
    assert pings(exchange, "203.0.113.1") == pings(exchange, "203.0.113.2") == []
    assert health(exchange) == [None]


def test_a_trunk_whose_name_is_unknown_is_down(exchange):
    exchange.switch.trunk_monitor._flow_to = lambda trunk: None
    exchange.switch.start()
    exchange.run(120.0)
    assert health(exchange) == ["down", "down"]


def options(exchange):
    phone = Texting(exchange.phones[0])
    wanted = StandaloneRequest("OPTIONS", phone.phone.flow, b"sip:example.org",
                               b"<sip:a@example.org>", b"<sip:example.org>")  # fmt: skip
    phone.phone.agent.send_standalone(wanted, phone._replied, phone.phone.now)
    phone.phone.endpoint.drain()
    exchange.run(1.0)
    return phone.responses[-1]


def test_we_say_what_we_can_do(exchange):
    answer = options(exchange)
    assert answer.status == 200
    assert set(answer.get_list(b"allow")) >= {b"INVITE", b"MESSAGE", b"SUBSCRIBE", b"REFER"}
    assert answer.get_list(b"allow-events") == [
        b"message-summary", b"dialog", b"reg", b"conference",
    ]  # fmt: skip
    assert answer.get_list(b"accept")[:2] == [b"application/sdp", b"text/plain"]
    assert answer.get_list(b"supported") == [
        b"100rel", b"join", b"outbound", b"path", b"replaces", b"timer",
    ]  # fmt: skip


def test_while_draining_we_say_so(exchange):
    exchange.switch.live_calls.draining = True
    answer = options(exchange)
    assert (answer.status, answer.get(b"retry-after")) == (503, b"10")


def test_every_method_in_allow_is_served(exchange):
    """What Allow lists never brings 501; what it doesn't list does."""
    answer = options(exchange)
    for method in answer.get_list(b"allow"):
        exchange.wire.log = []
        name = method.decode()
        lines = [f"{name} sip:example.org SIP/2.0",
                 f"Via: SIP/2.0/UDP 198.51.100.9:5060;branch=z9hG4bKa{name}",
                 "From: <sip:a@example.org>;tag=1", "To: <sip:example.org>",
                 f"Call-ID: {name}", f"CSeq: 1 {name}", "", ""]  # fmt: skip
        exchange.wire.send("\r\n".join(lines).encode(), ("198.51.100.9", 5060), SWITCH)
        exchange.run(1.0)
        sent = [parse_message(d).status for _, s, to, d in exchange.wire.log
                if s == SWITCH and to[0] == "198.51.100.9"]  # fmt: skip
        assert 501 not in sent, name
