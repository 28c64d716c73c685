"""Two user agents and a wire with a loss pattern, in literal seconds."""

from __future__ import annotations

import random
from collections.abc import Callable

from sip.events import Event, Received
from sip.flow import Address, Flow
from sip.message import Request, Response
from sip.reading import parse_message
from sip.session import Session
from sip.session_timer import SessionInterval
from sip.user_agent import Invitation, UserAgent

ALICE: Address = ("192.0.2.1", 5060)
BOB: Address = ("192.0.2.2", 5060)
OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0\r\n"
)
ANSWER = OFFER.replace(b"192.0.2.1", b"192.0.2.2")
DELAY = 0.01


class Conversation:
    """Carries messages between Alice and Bob, and keeps a trace like "0.01 A>B INVITE"."""

    def __init__(
        self, transport: str = "udp", session_interval: SessionInterval | None = None
    ) -> None:
        self.now = 100.0
        self.start = 100.0
        self.transport = transport
        self.agents: dict[Address, UserAgent] = {}
        self.events: dict[Address, list[Event]] = {ALICE: [], BOB: []}
        self.trace: list[str] = []
        self.drop: Callable[[str], bool] = lambda label: False
        self.spoil: Callable[[bytes], bytes] = lambda data: data
        """Changes a message on the wire."""
        self._wire: list[tuple[float, int, bytes, Address, Address]] = []
        self._order = 0
        for address, seed in ((ALICE, 1), (BOB, 2)):
            self.agents[address] = UserAgent(
                randbits=random.Random(seed).getrandbits,
                sent_by=lambda flow: flow.local,
                server="test",
                session_interval=session_interval,
            )

    @property
    def alice(self) -> UserAgent:
        return self.agents[ALICE]

    @property
    def bob(self) -> UserAgent:
        return self.agents[BOB]

    def flow(self, local: Address, remote: Address) -> Flow:
        return Flow(self.transport, local, remote)

    def run(self, seconds: float = 0.5) -> None:
        """Let time pass."""
        end = self.now + seconds
        while True:
            self._collect()
            nexts = [at for at, *_ in self._wire]
            nexts += [d for a in self.agents.values() if (d := a.next_deadline()) is not None]
            if not nexts or min(nexts) > end:
                break
            self.now = max(self.now, min(nexts))
            self._deliver()
            for agent in self.agents.values():
                agent.expire(self.now)
        self.now = end

    def _collect(self) -> None:
        for address, agent in self.agents.items():
            for data, flow in agent.to_send():
                label = self._label(address, data)
                self.trace.append(label)
                if self.drop(label):
                    self.trace[-1] += " lost"
                    continue
                self._order += 1
                item = (self.now + DELAY, self._order, self.spoil(data), address, flow.remote)
                self._wire.append(item)
            self.events[address] += agent.events()

    def _deliver(self) -> None:
        self._wire.sort()
        while self._wire and self._wire[0][0] <= self.now:
            _, _, data, source, target = self._wire.pop(0)
            if target in self.agents:
                self.agents[target].receive(data, self.flow(target, source), self.now)

    def _label(self, source: Address, data: bytes) -> str:
        message = parse_message(data)
        who = "A>B" if source == ALICE else "B>A"
        at = round(self.now - self.start, 3)
        if isinstance(message, Request):
            return f"{at:g} {who} {message.method}"
        return f"{at:g} {who} {message.status} {message.cseq.method}"

    def messages(self) -> list[str]:
        """The trace without times."""
        return [line.split(" ", 1)[1] for line in self.trace]

    # Verbs

    def call(self, body: bytes = OFFER, **more) -> Session:
        """Alice calls Bob."""
        invitation = Invitation(
            self.flow(ALICE, BOB),
            b"sip:bob@192.0.2.2",
            b"<sip:alice@example.org>",
            b"<sip:bob@example.org>",
            **more,
        )
        session = self.alice.invite(invitation, body, self.now)
        session.owner = "alice"
        return session

    def take(self) -> Session:
        """Bob takes the INVITE that was received last."""
        self.run(0.02)
        received = [e for e in self.events[BOB] if isinstance(e, Received)][-1]
        session = self.bob.open_session(received, self.now, pinned=False)
        session.owner = "bob"
        return session

    def established(self, **more) -> tuple[Session, Session]:
        """A call that talks."""
        a = self.call(**more)
        b = self.take()
        b.accept(ANSWER, self.now)
        self.run(0.1)
        return a, b

    def told(self, who: Address) -> list[str]:
        """Names of the events."""
        return [type(event).__name__ for event in self.events[who]]


def response_to(data: bytes) -> Response:
    message = parse_message(data)
    assert isinstance(message, Response)
    return message
