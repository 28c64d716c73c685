"""A phone that subscribes, written out by hand: our stack has only the notifier's side."""

from __future__ import annotations

import random

from conversation import ALICE, BOB

from sip.errors import SipError
from sip.events import Event, Received, Resubscribed
from sip.flow import Flow
from sip.message import Request, Response
from sip.reading import parse_message
from sip.subscription import Package, Subscription
from sip.user_agent import UserAgent

WEATHER = Package(b"weather", b"text/plain", default_expires=3600, rest_seconds=1.0)
FLOW = Flow("udp", ALICE, BOB)


class Subscriber:
    """Bob, who subscribes to the weather at Alice, who grants it."""

    def __init__(self, answers: int | None = 200) -> None:
        self.now = 100.0
        self.answers = answers
        """The answer to a NOTIFY; None: no answer."""
        self.agent = UserAgent(
            randbits=random.Random(1).getrandbits, sent_by=lambda flow: flow.local, server="test"
        )
        self.weather = "rain"
        self.said: list[str] = []
        self.responses: list[Response] = []
        self.notifies: list[Request] = []
        self.events: list[Event] = []
        self.subscription: Subscription | None = None
        self._cseq = 0
        self._branch = 0
        self.last = b""

    def subscribe(self, *extra: str, event: str = "weather", body: str = "", tag: str = "") -> int:
        """Send a SUBSCRIBE; returns the status of the answer. `tag` is Alice's in a refresh."""
        self._cseq += 1
        self._branch += 1
        lines = [
            "SUBSCRIBE sip:alice@192.0.2.1 SIP/2.0",
            f"Via: SIP/2.0/UDP 192.0.2.2:5060;rport;branch=z9hG4bKs{self._branch}",
            "Max-Forwards: 70",
            "From: <sip:bob@example.org>;tag=bob",
            f"To: <sip:alice@example.org>{';tag=' + tag if tag else ''}",
            "Call-ID: weather@192.0.2.2",
            f"CSeq: {self._cseq} SUBSCRIBE",
            f"Event: {event}",
            "Contact: <sip:bob@192.0.2.2:5060>",
            *extra,
            "Content-Length: 0",
        ]
        self.last = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self.send(self.last)
        return self.responses[-1].status if self.responses else 0

    def refresh(self, *extra: str, event: str = "weather") -> int:
        return self.subscribe(*extra, event=event, tag=self.tag)

    @property
    def tag(self) -> str:
        """Alice's."""
        return self.responses[0].to_tag or ""

    def send(self, data: bytes) -> None:
        self.agent.receive(data, FLOW, self.now)
        self._settle()

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        self._settle()
        while (deadline := self.agent.next_deadline()) is not None and deadline <= end:
            self.now = deadline
            self.agent.expire(deadline)
            self._settle()
        self.now = end

    def change(self, weather: str) -> None:
        assert self.subscription is not None
        self.weather = weather
        self.subscription.changed(self.now)
        self._settle()

    def _settle(self) -> None:
        while True:
            events, out = self.agent.events(), self.agent.to_send()
            if not events and not out:
                return
            for event in events:
                self._grant(event)
            for data, flow in out:
                assert flow.remote == BOB
                self._receive(data)

    def _grant(self, event: Event) -> None:
        self.events.append(event)
        try:
            match event:
                case Resubscribed(request, flow, subscription):
                    subscription.refresh(request, flow, self.now)
                case Received(request):
                    assert request.method == "SUBSCRIBE"
                    self.subscription = self.agent.subscriptions.open(
                        event, WEATHER, self._state, self.now, pinned=True
                    )
        except SipError as error:
            self.agent.stack.answer(event.request, event.flow, error.status, error.headers)

    def _state(self, number: int) -> bytes:
        return f"{number}: {self.weather}".encode()

    def _receive(self, data: bytes) -> None:
        message = parse_message(data)
        at = f"{round(self.now - 100.0, 3):g}"
        if isinstance(message, Response):
            self.responses.append(message)
            self.said.append(f"{at} {message.status}")
            return
        assert message.method == "NOTIFY"
        self.notifies.append(message)
        state = (message.get(b"subscription-state") or b"").decode()
        self.said.append(f"{at} NOTIFY {state} {message.body.decode()}".rstrip())
        if self.answers is not None:
            self.answer(message, self.answers)

    def answer(self, notify: Request, status: int) -> None:
        self.agent.receive(bytes(notify.respond(status)), FLOW, self.now)

    def told(self) -> list[str]:
        return [type(event).__name__ for event in self.events]
