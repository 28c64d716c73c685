"""The legs of a call between two phones, without a switch: real user agents, a real relay in this
process, and a wire without delay."""

from __future__ import annotations

import asyncio
import random

from rtp.local import LocalMedia
from rtp.session import MediaSession
from sip.events import (
    Acknowledged,
    Answered,
    HungUp,
    Received,
    ReinviteAnswered,
    Reinvited,
    ReinviteRefused,
)
from sip.flow import Flow
from sip.session import Session
from sip.user_agent import Invitation, UserAgent
from softswitch.admission.authentication import LineCaller
from softswitch.call.charging.accounting import Record
from softswitch.call.charging.charging import Charging
from softswitch.call.charging.meter import Meter
from softswitch.call.charging.payers import Payers
from softswitch.call.clock import Clock
from softswitch.call.context import CallNews
from softswitch.call.established.offerer import Offerer
from softswitch.call.established.renegotiation import Renegotiation
from softswitch.call.legs import Legs
from softswitch.call.live_calls import LiveCalls
from softswitch.call.mailbox import Mailbox
from softswitch.call.media.call_relay import CallRelay
from softswitch.call.media.leg_security import SecurityPolicy
from softswitch.call.media.media import CallMedia
from softswitch.call.parties import Parties, Party
from softswitch.call.settings import Limits
from softswitch.subscribers.directory import Line

SWITCH = ("192.0.2.1", 5060)
LIMITS = Limits(14_400.0, 60.0, 5.0, 60)


def sdp(host: str, direction: str = "sendrecv", port: int = 4000) -> bytes:
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={direction}\r\n"
    ).encode()


class Quiet:
    """Keeps what was logged, and carries no packet."""

    def __init__(self) -> None:
        self.logged: list[str] = []

    def info(self, event, /, **facts):
        self.logged.append(event)

    warning = error = exception = info

    def send(self, local_port, data, target):
        pass


class Phone:
    """A phone that answers nothing by itself."""

    def __init__(self, host: str, seed: int) -> None:
        self.host = host
        self.agent = agent(seed)
        self.flow = Flow("udp", (host, 5060), SWITCH)
        self.session: Session
        self.events: list = []

    def last(self, kind):
        """The last event of a kind."""
        return next(event for event in reversed(self.events) if isinstance(event, kind))

    def has(self, kind) -> bool:
        return any(isinstance(event, kind) for event in self.events)


def agent(seed: int) -> UserAgent:
    return UserAgent(
        randbits=random.Random(seed).getrandbits, sent_by=lambda flow: flow.local, server="test"
    )


class Network:
    """The switch's user agent, its relay, and the phones around it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.quiet = Quiet()
        self.media = LocalMedia(self.loop, self.quiet, (20_000, 20_099), address=SWITCH[0])
        self.agent = agent(1)
        self.security = SecurityPolicy("off", "auto", self.agent.stack.octets)
        self.phones: dict[str, Phone] = {}
        self.clock = Clock(self.loop, lambda: 1_800_000_000_000)
        self._calls = 0

    def phone(self, host: str) -> Phone:
        self.phones[host] = Phone(host, len(self.phones) + 2)
        return self.phones[host]

    def now(self) -> float:
        return self.loop.time()

    def close(self) -> None:
        self.loop.run_until_complete(self.media.close())
        self.loop.close()

    def deliver(self) -> None:
        """Until no message is under way; events of the switch's legs go to their owners."""
        moved = True
        while moved:
            moved = False
            for data, flow in self.agent.to_send():
                phone, moved = self.phones[flow.remote[0]], True
                phone.agent.receive(data, phone.flow, self.now())
            for phone in self.phones.values():
                for data, _ in phone.agent.to_send():
                    moved = True
                    self.agent.receive(data, Flow("udp", SWITCH, (phone.host, 5060)), self.now())
                for event in phone.agent.events():
                    phone.events.append(event)
                    if isinstance(event, Received) and event.request.method == "INVITE":
                        phone.session = phone.agent.open_session(event, self.now(), pinned=True)
                        phone.session.owner = Owner()
            self.received = []
            for event in self.agent.events():
                owner = None if isinstance(event, Received) else event.session.owner
                if owner is not None:
                    owner.post(event)
                self.received.append(event)

    def talking(self, a: Phone, b: Phone) -> Legs:
        """A call that a has to b, answered."""
        number = self._calls = self._calls + 1
        invitation = Invitation(a.flow, b"sip:b@example.org", b"<sip:a@example.org>", b"<sip:b@x>")
        a.session = a.agent.invite(invitation, sdp(a.host), self.now())
        a.session.owner = Owner()
        for data, _ in a.agent.to_send():
            self.agent.receive(data, Flow("udp", SWITCH, (a.host, 5060)), self.now())
        (received,) = self.agent.events()
        leg = self.agent.open_session(received, self.now(), pinned=True)
        offered, answered = CallMedia.read(sdp(a.host)), CallMedia.read(sdp(b.host))
        line = Line(number, f"+99532200000{number}", f"line{number}", number, {})
        legs = self._legs(received.request, leg, line)
        outgoing = Flow("udp", SWITCH, (b.host, 5060))
        called = self.agent.invite(
            Invitation(outgoing, b"sip:b@x", b"<sip:a@x>", b"<sip:b@x>"),
            legs.media.describe(
                "b", CallMedia.read(sdp(a.host)), security=legs.security.unencrypted()
            ),
            self.now(),
        )
        self.deliver()
        b.session.accept(sdp(b.host), self.now())
        self.deliver()
        legs.secure(called, None)
        legs.put_leg("b", called, line, None)
        legs.learn("b", answered)
        ours = legs.media.describe("a", answered, answering=offered)
        leg.accept(ours, self.now())
        legs.answered_at = self.now()
        self.deliver()
        legs.mailbox.rest()
        return legs

    async def _opened(self) -> MediaSession:
        return await self.media.open(None, None)

    def _legs(self, request, leg: Session, line: Line) -> Legs:
        caller, mailbox = LineCaller(line), Mailbox(self.loop, self.clock.deadlines)
        record = Record.of("call", request, 0)
        security = self.security
        security.secure(leg, line)
        parties = Parties(Party(leg, line))
        relay = CallRelay(self.media, SWITCH[0], 1, True)
        relay.session = self.loop.run_until_complete(self._opened())
        charging = Charging(None, None, self.clock, LIMITS, "", lambda: True)
        meters = [Meter(charging, mailbox, record)]
        payers = Payers(request, mailbox, charging, None, LiveCalls(self.loop), meters, [record])
        legs = Legs(
            id="call",
            caller=caller,
            request=request,
            clock=self.clock,
            mailbox=mailbox,
            post=mailbox.post,
            now=self.clock.now,
            record=record,
            parties=parties,
            payers=payers,
            relay=relay,
            security=security,
            recordings=None,
            news=CallNews(lambda *_: None, lambda *_: None, lambda *_: None),
            log=self.quiet,
        )
        leg.report_to(legs)
        relay.begin(legs, security.secure(leg, line))
        legs.learn("a", CallMedia.read(sdp(leg.dialog.flow.remote[0])))
        return legs


class Owner:
    """A phone's own application: it looks at the events in its list."""

    def post(self, event, /) -> None:
        pass


def hand_over(legs: Legs, renegotiation: Renegotiation) -> None:
    """Give the letters about offers to the renegotiation, as the established call does."""
    for letter in legs.mailbox.rest():
        match letter:
            case Reinvited(session, request):
                offerer = Offerer(legs.side_of(session), session)
                renegotiation.ask(offerer, request.description, legs.now())
            case ReinviteAnswered(session, response):
                renegotiation.answered(session, response.description, legs.now())
            case ReinviteRefused(session, status):
                renegotiation.refused(session, status, legs.now())
            case Acknowledged(session, request):
                renegotiation.acknowledged(session, request.description, legs.now())
            case Answered() | HungUp():
                pass
