"""Budgets of executed Python, which is where the time of signalling goes. They may only fall.

A failure names the functions that cost most. Counts are of CPython 3.11; another version has other
bytecodes.
"""

import asyncio
import itertools
import random
import sys

import pytest
from bytecodes import count
from conversation import ALICE, BOB, Conversation

from sip import digest
from sip.digest import Algorithm, Credentials, DigestVerifier, Nonces, Verdict
from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.guard import Guard, GuardLimits
from sip.reading import parse_message
from sip.registrar import Registrar, RegistrarLimits
from sip.user_agent import UserAgent

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="counts are of 3.11")

FLOW = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.7", 40000))
ALLOW = (
    b"INVITE, INFO, PRACK, ACK, BYE, CANCEL, OPTIONS, NOTIFY, REGISTER, SUBSCRIBE, REFER, UPDATE"
)


class Desk:
    """A user agent that challenges and registers, without the switch's own rooms."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.cseq = itertools.count(1)
        self.agent = UserAgent(
            randbits=random.Random(1).getrandbits, sent_by=lambda flow: flow.local, server="test"
        )
        self.verifier = DigestVerifier(Nonces(b"s" * 32), "example.org")
        self.registrar = Registrar(RegistrarLimits())
        self.secrets = {a: digest.ha1(a, "ana", "example.org", "secret") for a in Algorithm}

    def register(self, *more: bytes) -> bytes:
        cseq = next(self.cseq)
        lines = [
            b"REGISTER sip:example.org SIP/2.0",
            b"Via: SIP/2.0/UDP 192.168.1.5:5060;branch=z9hG4bK%d;rport" % cseq,
            b"Max-Forwards: 70", b'From: "Ana" <sip:ana@example.org>;tag=as%d' % cseq,
            b'To: "Ana" <sip:ana@example.org>', b"Call-ID: abc@192.168.1.5",
            b"CSeq: %d REGISTER" % cseq, b"Contact: <sip:ana@192.168.1.5:5060>", *more,
            b"User-Agent: Desk phone 1.0", b"Expires: 3600", b"Allow: " + ALLOW,
            b"Content-Length: 0", b"", b"",
        ]  # fmt: skip
        return b"\r\n".join(lines)

    def serve(self, data: bytes) -> None:
        self.agent.receive(data, FLOW, self.now)
        (event,) = self.agent.events()
        request, source = event.request, FLOW.remote[0]
        given = request.get(b"authorization")
        if given is None:
            (challenge,) = self.verifier.challenge((Algorithm.MD5,), self.now, source=source)
            self.agent.stack.answer(request, FLOW, 401, ((b"WWW-Authenticate", challenge),))
            return
        credentials = Credentials.parse(given)
        secret = self.secrets[credentials.algorithm]
        verdict = self.verifier.verify(credentials, "REGISTER", secret, self.now, b"", source)
        assert verdict is Verdict.OK
        done = self.registrar.register("ana", request, FLOW, self.now)
        fields = tuple(self.registrar.ok_fields(done, self.now))
        self.agent.stack.reply(request, FLOW, 200, self.now, fields)

    def answer(self) -> bytes:
        ((data, _),) = self.agent.to_send()
        return data

    def authorized(self) -> bytes:
        """A REGISTER with credentials over a fresh nonce."""
        self.serve(self.register())
        challenges = parse_message(self.answer()).get_all(b"www-authenticate")
        value = digest.answer(
            challenges, "ana", "secret", "REGISTER", b"sip:example.org", cnonce="c"
        )
        return self.register(b"Authorization: " + value)


def within(budget: int, spent) -> None:
    assert spent.total() <= budget, (spent.total(), spent.most_common(12))


def test_a_challenge():
    desk = Desk()
    desk.serve(desk.register())  # whatever is made once
    data = desk.register()
    within(775, count(lambda: desk.serve(data)))


def test_a_registration():
    desk = Desk()
    desk.serve(desk.authorized())
    desk.answer()
    data = desk.authorized()
    within(1_420, count(lambda: desk.serve(data)))
    assert desk.answer().startswith(b"SIP/2.0 200")


def test_an_invite_is_read_and_validated():
    talk = Conversation()
    talk.call()
    ((data, _),) = talk.alice.to_send()
    parse_message(data).validate()
    within(290, count(lambda: parse_message(data).validate()))


def test_a_call_between_two_user_agents():
    """From INVITE to the answer to BYE, both ends together."""

    def call(talk: Conversation) -> None:
        a, _ = talk.established()
        a.bye(talk.now)
        talk.run(0.1)

    call(Conversation())
    talk = Conversation()
    spent = count(lambda: call(talk))
    assert talk.told(ALICE) == ["Answered"] and talk.told(BOB)[-1] == "HungUp"
    ours = {name: n for name, n in spent.items() if not name.startswith("Conversation.")}
    assert sum(ours.values()) <= 8_000, (sum(ours.values()), spent.most_common(12))


class Wire:
    """The datagrams of an endpoint that go nowhere."""

    def sendto(self, data: bytes, addr: object) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_datagram_on_its_way_to_the_user_agent():
    """Who may speak, and what waits, before a message is read."""
    desk, loop = Desk(), asyncio.new_event_loop()
    faults: list[Exception] = []
    guard = Guard(GuardLimits())
    endpoint = Endpoint(desk.agent, loop, lambda event: None, faults.append, guard=guard)
    endpoint.attach(FLOW.local, Wire())
    endpoint.arrived(desk.register(), FLOW)
    rooms = ("Endpoint.arrived", "Guard.", "Bucket.", "Edges.", "Intake.", "Flow.")
    tries = []
    for _ in range(5):  # on a busy machine a bucket fills, or the guard sweeps, during one of them
        # Counting collects garbage first, which may outlast a turn: each is the first of its own.
        loop.run_until_complete(asyncio.sleep(0))
        data = desk.register()
        spent = count(lambda data=data: endpoint.arrived(data, FLOW))
        tries.append({name: n for name, n in spent.items() if name.startswith(rooms)})
    loop.close()
    before = min(tries, key=lambda found: sum(found.values()))
    assert faults == []
    assert sum(before.values()) <= 203, (sum(before.values()), before)
