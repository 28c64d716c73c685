"""How an endpoint writes: datagrams as they are sent, messages of connections in the loop's next
round."""

import asyncio
import random

import pytest
from sip_messages import request

from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.user_agent import UserAgent

LOCAL, REMOTE = ("192.0.2.2", 5060), ("198.51.100.7", 5060)
UDP, TCP = Flow("udp", LOCAL, REMOTE), Flow("tcp", LOCAL, REMOTE)
OFFER = b"v=0\r\n"


class Wire:
    """The socket of an endpoint, which keeps what is sent; it may be broken."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.fault: Exception | None = None

    def sendto(self, data: bytes, addr: object) -> None:
        if self.fault is not None:
            raise self.fault
        self.sent.append(data.partition(b"\r\n")[0])

    def close(self) -> None:
        pass


class Office:
    """An endpoint on a wire, with all that it reports."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.wire, self.events, self.faults, self.seen = Wire(), [], [], []
        self.agent = UserAgent(
            randbits=random.Random(1).getrandbits, sent_by=lambda flow: LOCAL, server="office"
        )
        self.endpoint = Endpoint(self.agent, loop, self.events.append, self.faults.append)
        self.endpoint.attach(LOCAL, self.wire)
        self.agent.stack.tap = self.seen.append

    def receive(self, flow: Flow, now: float) -> None:
        """An INVITE, whose event is the last one then."""
        self.endpoint.receive(request("INVITE", body=OFFER, Contact=b"<sip:a@h>"), flow, now)


@pytest.fixture
def office():
    loop = asyncio.new_event_loop()
    yield Office(loop)
    loop.close()


def test_datagrams_are_written_as_they_are_sent(office):
    office.receive(UDP, 0.0)
    session = office.agent.open_session(office.events[-1], 0.0, pinned=True)
    assert office.wire.sent == [b"SIP/2.0 100 Trying"]
    session.reject(486, 0.0)
    assert office.wire.sent == [b"SIP/2.0 100 Trying", b"SIP/2.0 486 Busy Here"]
    assert [sent for _, sent, _, _ in office.seen] == [False, True, True]


def test_messages_of_a_connection_wait_until_no_transaction_is_in_a_step(office):
    office.receive(TCP, 0.0)
    office.agent.open_session(office.events[-1], 0.0, pinned=True)
    assert [flow for _, flow in office.agent.stack.unsent] == [TCP]
    office.loop.run_until_complete(asyncio.sleep(0))
    assert not office.agent.stack.unsent
    assert [sent for _, sent, _, _ in office.seen] == [False, True]
    assert office.wire.sent == []


def test_a_fault_in_writing_loses_one_message_and_leaves_no_transaction_behind(office):
    office.receive(UDP, 0.0)
    session = office.agent.open_session(office.events[-1], 0.0, pinned=True)
    office.wire.fault = RuntimeError("a fault")
    session.reject(486, 0.0)
    assert office.faults == [office.wire.fault]
    assert office.agent.counters.faults == 1
    office.wire.fault = None
    for tenths in range(1, 400):
        office.agent.expire(tenths / 10)
    assert office.wire.sent[1] == b"SIP/2.0 486 Busy Here"
    assert len(office.agent.stack.layer) == office.agent.sessions == 0
