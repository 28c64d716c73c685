"""Requests over 1,300 octets go by TCP, and by UDP to who takes no TCP (RFC 3261 18.1.1)."""

import asyncio
import random

import pytest
from stations import Station, run

from sip.events import Received
from sip.flow import Flow
from sip.reading import parse_message
from sip.user_agent import Invitation, UserAgent

UDP = Flow("udp", ("192.0.2.1", 5060), ("192.0.2.2", 5060))
TCP = Flow("tcp", ("192.0.2.1", 5060), ("192.0.2.2", 5060), "192.0.2.2")
BIG = b"v=0\r\n" + b"a=x\r\n" * 300
SMALL = b"v=0\r\n"


class Caller:
    """A user agent whose peer may take TCP."""

    def __init__(self, enlarge=lambda flow: TCP):
        self.now = 100.0
        self.agent = UserAgent(
            randbits=random.Random(1).getrandbits,
            sent_by=lambda flow: flow.local,
            server="test",
        )
        self.agent.stack.layer.enlarge = enlarge

    def invite(self, body=BIG, flow=UDP):
        invitation = Invitation(flow, b"sip:b@example.org", b"<sip:a@a>", b"<sip:b@b>")
        session = self.agent.invite(invitation, body, self.now)
        session.owner = self
        return session

    def sent(self):
        """Transport of the flow, transport in Via, method, and the branch."""
        found = []
        for data, flow in self.agent.to_send():
            message = parse_message(data)
            found.append((flow.transport, message.via.transport, message.method, message.branch))
        return found

    def expire(self, seconds):
        self.now += seconds
        self.agent.expire(self.now)

    def answer(self, request, status, flow):
        response = request.respond(status, to_tag="b")
        self.agent.receive(bytes(response), flow, self.now)


def test_a_big_request_goes_by_tcp_and_says_so():
    caller = Caller()
    caller.invite()
    ((flow, via, method, _),) = caller.sent()
    assert (flow, via, method) == ("tcp", "TCP", "INVITE")
    caller.expire(5)
    assert caller.sent() == []  # TCP repeats by itself


def test_a_small_one_and_one_to_a_phone_do_not():
    caller = Caller()
    caller.invite(SMALL)
    assert caller.sent()[0][:2] == ("udp", "UDP")
    caller.agent.stack.layer.enlarge = lambda flow: None
    caller.invite(BIG)
    assert caller.sent()[0][:2] == ("udp", "UDP")
    caller.agent.stack.layer.enlarge = None
    caller.invite(BIG)
    assert caller.sent()[0][:2] == ("udp", "UDP")


def test_who_takes_no_tcp_gets_the_same_request_by_udp_repeated_as_udp_is():
    caller = Caller()
    session = caller.invite()
    ((_, _, _, branch),) = caller.sent()
    caller.now += 0.1
    caller.agent.transport_failed(TCP, caller.now)
    assert caller.sent() == [("udp", "UDP", "INVITE", branch)]
    caller.expire(0.5)
    assert caller.sent() == [("udp", "UDP", "INVITE", branch)]
    caller.answer(session.outgoing._request, 180, UDP)
    assert [type(event).__name__ for event in caller.agent.events()] == ["Progress"]


def test_for_ten_minutes_nobody_tries_again():
    caller = Caller()
    caller.invite()
    caller.agent.transport_failed(TCP, caller.now)
    caller.sent()
    caller.now += 599
    caller.invite()
    assert caller.sent()[-1][0] == "udp"
    caller.now += 2
    caller.invite()
    assert caller.sent()[-1][0] == "tcp"


def test_a_connection_that_breaks_after_an_answer_fails_the_call():
    caller = Caller()
    session = caller.invite()
    caller.sent()
    caller.answer(session.outgoing._request, 100, TCP)
    caller.agent.transport_failed(TCP, caller.now)
    assert caller.sent() == []
    assert [event.status for event in caller.agent.events()] == [503]


def test_both_failing_fails_the_call_after_its_time():
    caller = Caller()
    caller.invite()
    caller.agent.transport_failed(TCP, caller.now)
    caller.agent.transport_failed(UDP, caller.now)
    assert [event.status for event in caller.agent.events()] == [503]
    caller.invite()
    caller.expire(33)
    assert [event.status for event in caller.agent.events()] == [408]
    caller.expire(33)
    assert len(caller.agent.stack.layer) == 0


def test_a_cancel_goes_where_the_invite_went():
    for fails in (False, True):
        caller = Caller()
        session = caller.invite()
        ((_, _, _, branch),) = caller.sent()
        if fails:
            caller.agent.transport_failed(TCP, caller.now)
            caller.sent()
        caller.answer(session.outgoing._request, 180, UDP)
        session.cancel(caller.now)
        way = ("udp", "UDP") if fails else ("tcp", "TCP")
        assert caller.sent() == [(*way, "CANCEL", branch)]


@pytest.mark.parametrize("transports", [("udp", "tcp"), ("udp",)])
def test_on_real_sockets(transports):
    async def test():
        a = await Station().listen("udp", "tcp")
        b = Station()
        await b.listen(*transports)
        udp = a.flow_to(b)
        tcp_port = b.address("tcp")[1] if "tcp" in transports else b.address()[1]
        tcp = Flow("tcp", a.address("tcp"), ("127.0.0.1", tcp_port), "127.0.0.1")
        a.agent.stack.layer.enlarge = lambda flow: tcp
        invitation = Invitation(udp, b"sip:b@example.org", b"<sip:a@a>", b"<sip:b@b>")
        session = a.agent.invite(invitation, BIG, a.loop.time())
        session.owner = a
        a.endpoint.drain()
        await a.until(lambda: "Answered" in a.told())
        (received,) = [event for event in b.events if isinstance(event, Received)]
        assert received.flow.transport == transports[-1]
        assert received.request.body == BIG
        await asyncio.sleep(0)
        await a.close()
        await b.close()

    run(test())
