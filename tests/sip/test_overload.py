"""More to read than time: who is served, who is turned away; in virtual time, where each request
takes what it takes."""

import random
from ipaddress import ip_network

import pytest
from world import VirtualLoop

from sip.edges import Edges
from sip.endpoint import TURN_SECONDS, Endpoint
from sip.events import Received
from sip.flow import Flow
from sip.guard import Guard, GuardLimits
from sip.reading import parse_message
from sip.user_agent import UserAgent

LOCAL = ("192.0.2.1", 5060)


class Busy:
    """A user agent whose user takes `seconds` for each request."""

    def __init__(self, seconds, **options):
        self.loop = VirtualLoop()
        self.seconds = seconds
        self.served = []
        self.sent = []
        self.agent = UserAgent(
            randbits=random.Random(1).getrandbits, sent_by=lambda flow: LOCAL, server="test"
        )
        self.endpoint = Endpoint(
            self.agent, self.loop, self._on_event, self._on_fault, emergency=["112"], **options
        )
        self.endpoint.attach(LOCAL, self)
        self.count = 0

    def _on_event(self, event):
        assert isinstance(event, Received)
        self.loop.advance(self.seconds)
        self.served.append(event.request.call_id)
        if event.request.method == "INVITE":
            self.agent.open_session(event, self.loop.time(), pinned=True)
        else:
            self.agent.stack.answer(event.request, event.flow, 200)

    def _on_fault(self, error):
        raise error

    def sendto(self, data, _addr):
        self.sent.append(parse_message(data))

    def close(self):
        """Nothing to close."""

    def arrive(self, method, call_id, *fields, uri="sip:b@example.org", to="<sip:b@b>"):
        self.count += 1
        lines = [
            f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP h;branch=z9hG4bK{call_id}",
            "From: <sip:a@a>;tag=1", f"To: {to}", f"Call-ID: {call_id}", f"CSeq: 1 {method}",
            "Contact: <sip:a@h>", *fields, "", "",
        ]  # fmt: skip
        flow = Flow("udp", LOCAL, ("192.0.2.9", 5060))
        self.endpoint.arrived("\r\n".join(lines).encode(), flow)

    def run(self):
        """Until nothing waits any more."""
        while self.endpoint.intake:
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def answers(self, status):
        return [message for message in self.sent if message.status == status]


@pytest.fixture
def busy():
    made = Busy(0.01)
    yield made
    made.loop.close()


def test_a_switch_that_keeps_up_serves_in_the_order_of_arrival():
    quick = Busy(0.0)
    for number in range(50):
        quick.arrive("OPTIONS", f"o{number}")
        quick.arrive("INVITE", f"i{number}")
    assert quick.served == [f"{kind}{n}" for n in range(50) for kind in "oi"]
    assert quick.endpoint.pressure.turned_away == 0
    quick.loop.close()


def test_after_a_turn_what_matters_goes_first(busy):
    busy.arrive("OPTIONS", "first")  # takes longer than a turn
    assert busy.seconds > TURN_SECONDS
    busy.arrive("OPTIONS", "options")
    busy.arrive("REGISTER", "unknown")
    busy.arrive("INVITE", "call")
    busy.arrive("REGISTER", "refresh", "Authorization: Digest x")
    busy.arrive("INVITE", "help", uri="sip:112@example.org")
    assert busy.served == ["first"]
    busy.run()
    assert busy.served == ["first", "help", "refresh", "call", "options", "unknown"]


def test_what_waited_too_long_is_turned_away_and_comes_back_at_its_own_time(busy):
    for number in range(200):
        busy.arrive("INVITE", f"i{number}")
    busy.run()
    refused = busy.answers(503)
    assert len(refused) == busy.endpoint.pressure.turned_away
    assert 35 <= len(busy.served) <= 55  # half a second of work
    assert len(refused) >= 100  # the others are known again when they are repeated
    assert len(busy.served) + len(refused) + busy.endpoint.intake.dropped == 200
    waits = [int(response.get(b"retry-after")) for response in refused]
    assert min(waits) >= 5 and max(waits) <= 30 and len(set(waits)) > 10


def test_the_copy_of_a_request_that_was_turned_away_is_turned_away_too(busy):
    """Its sender has given up: the phone that it called would ring for nobody."""
    for number in range(100):
        busy.arrive("INVITE", f"i{number}")
    busy.run()
    turned_away = {response.call_id for response in busy.answers(503)}
    served = len(busy.served)
    assert len(turned_away) >= 20
    for call in turned_away:
        busy.arrive("INVITE", call)  # it waited in the socket meanwhile
    busy.run()
    assert len(busy.served) == served
    assert len(busy.answers(503)) == 2 * len(turned_away)
    busy.loop.advance(10.0)
    busy.arrive("INVITE", min(turned_away))  # again, of who has heard nothing for all that time
    assert len(busy.served) == served + 1


def test_an_edge_hears_that_a_busy_switch_lives(busy):
    edge = Busy(0.01, edges=Edges([ip_network("192.0.2.9/32")]))
    for switch in (busy, edge):
        for number in range(200):
            switch.arrive("REGISTER", f"r{number}", "Authorization: Digest x")
        switch.arrive("OPTIONS", "asks")
        switch.run()
    assert edge.served.index("asks") == 1
    assert "asks" not in busy.served
    edge.loop.close()


def test_what_is_under_way_is_never_turned_away(busy):
    for number in range(100):
        busy.arrive("INVITE", f"i{number}")
    busy.arrive("BYE", "bye", to="<sip:b@b>;tag=x")
    busy.arrive("REGISTER", "refresh", "Authorization: Digest x")
    busy.arrive("INVITE", "help", uri="sip:112@example.org")
    busy.arrive("INVITE", "i0")  # the first one again: its transaction answers
    busy.run()
    assert {"refresh", "help"} <= set(busy.served)
    assert [m.call_id for m in busy.answers(481)] == ["bye"]
    again = [m.status for m in busy.sent if m.call_id == "i0"]
    assert set(again) == {100}
    assert 503 not in [m.status for m in busy.sent if m.call_id in ("refresh", "help", "bye")]


def test_a_loop_that_is_late_turns_new_work_away_and_recovers():
    late = Busy(0.0)
    late.endpoint._measure_lag(late.loop.time())

    def hog(times):  # something else stops the loop, again and again
        late.loop.advance(1.0)
        late.loop.call_later(0.1, hog, times - 1) if times else late.loop.stop()

    hog(4)
    late.loop.run_forever()
    late.arrive("INVITE", "busy")
    late.arrive("BYE", "bye", to="<sip:b@b>;tag=x")
    assert [m.status for m in late.sent] == [503, 481]
    late.loop.call_later(1.0, late.loop.stop)
    late.loop.run_forever()
    late.arrive("INVITE", "calm")
    assert late.served == ["calm"]
    late.endpoint._lag_timer.cancel()
    late.loop.close()


def test_one_stall_is_no_overload():
    stalled = Busy(0.0)
    stalled.endpoint._measure_lag(stalled.loop.time())
    stalled.loop.call_soon(stalled.loop.advance, 2.0)
    stalled.loop.call_later(2.1, stalled.loop.stop)
    stalled.loop.run_forever()
    stalled.arrive("INVITE", "i")
    assert stalled.served == ["i"]
    stalled.endpoint._lag_timer.cancel()
    stalled.loop.close()


def test_the_guard_stands_before_everything():
    guard = Guard(GuardLimits(requests_per_second=10, burst=10))
    busy = Busy(0.01, guard=guard)
    for number in range(1_000):
        busy.arrive("INVITE", f"i{number}")
    busy.run()
    assert len(busy.served) == 10
    assert guard.counters.over_rate + guard.counters.shut_out == 990
    busy.loop.close()
