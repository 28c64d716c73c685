"""Phones and the far ends of trunks, in virtual time."""

from __future__ import annotations

import re
import struct
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from world import SWITCH, Address, WireSocket

from sip.credentials import Credentials
from sip.dialog import Dialog
from sip.endpoint import Endpoint
from sip.events import (
    Acknowledged,
    Answered,
    Cancelled,
    HungUp,
    InfoReceived,
    Received,
    Refused,
    ReinviteAnswered,
    Reinvited,
    ReinviteRefused,
)
from sip.flow import Flow
from sip.message import Request
from sip.reading import parse_message
from sip.session import Session
from sip.standalone import StandaloneRequest
from sip.user_agent import Invitation, UserAgent

if TYPE_CHECKING:
    from exchange import Exchange

CODECS = {"PCMU": 0, "PCMA": 8, "G722": 9, "G729": 18, "opus": 96}
CLOCKS = {"opus": 48_000}


def sdp(
    address: str,
    port: int,
    direction: str = "sendrecv",
    codec: str = "PCMU",
    protocol: str = "RTP/AVP",
    crypto: str = "",
    number: int | None = None,
) -> bytes:
    number = CODECS[codec] if number is None else number
    clock = CLOCKS.get(codec, 8000)
    channels = "/2" if codec == "opus" else ""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
        f"m=audio {port} {protocol} {number} 101\r\na=rtpmap:{number} {codec}/{clock}{channels}\r\n"
        f"{crypto}"
        f"a=rtpmap:101 telephone-event/{clock}\r\na={direction}\r\n"
    ).encode()


def without_events(description: bytes) -> bytes:
    return description.replace(b" 101\r\n", b"\r\n").replace(b"a=rtpmap:101", b"a=nothing:101")


def port_of(description: bytes) -> int:
    """The port of the first audio stream; 0 if there is none."""
    lines = description.decode().split("\r\n")
    return next((int(line.split()[1]) for line in lines if line.startswith("m=audio")), 0)


def host_of(description: bytes) -> str:
    """The address in a description, or the switch's if there is none."""
    found = re.search(rb"c=IN IP4 (\S+)", description)
    return found[1].decode() if found else SWITCH[0]


@dataclass
class Behaviour:
    """The behaviour of a called phone."""

    rings: float = 1.0
    """Seconds until it decides."""
    answer: int = 200
    """The status of its decision; 0: never."""
    talks: float | None = None
    """Seconds until it hangs up; None: it leaves that to the other."""
    early_media: bool = False
    redirect: str | None = None
    """The number in the Contact of a 3xx."""


class Phone:
    """A phone or a trunk's far end: a user agent of our own stack with a will."""

    def __init__(self, exchange: Exchange, login: str, address: Address, password="secret"):
        self.exchange = exchange
        self.login = login
        self.address = address
        self.behaviour = Behaviour()
        self.agent = UserAgent(
            randbits=exchange.rng.getrandbits, sent_by=lambda flow: flow.local, server="phone"
        )
        self.credentials = Credentials(login, password)
        self.endpoint = Endpoint(self.agent, exchange.loop, self._on_event, self._on_fault)
        self.endpoint.attach(address, WireSocket(exchange.wire, address))
        exchange.wire.attach(address, self._receive)
        self.flow = Flow("udp", address, SWITCH)
        self.registered = 0
        self.status: int | None = None
        self.rung: Session | None = None
        """The session that rang last."""
        self.talking: list[Session] = []
        self.ended: list[float] = []
        self.events: list[str] = []
        self.sends_rtp = True
        self.codec = "PCMU"
        """The only codec that it knows."""
        self.number: int | None = None
        """The payload type that it gives its codec, instead of the usual one."""
        self.knows_events = True
        """RFC 4733."""
        self.accepts = b""
        """The Accept of its answers."""
        self.infos: list[bytes] = []
        """Bodies of what it was told in INFO."""
        self.heard = 0
        self.heard_types: Counter[int] = Counter()
        """Packets by payload type."""
        self._remote_port: dict[Session, int] = {}
        self._remote_host: dict[Session, str] = {}
        self._next_port = 40_000
        self._sequence = 0
        self._pressed = 0
        self.texts: list[tuple[str | None, str]] = []
        """The sender and the content of each text."""
        self.takes_texts = True
        self.told: list[tuple[int, int]] = []
        """CSeq and status of each NOTIFY about a REFER."""

    @property
    def now(self) -> float:
        return self.exchange.loop.time()

    def _receive(self, data: bytes, source: Address) -> None:
        flow = Flow("udp", self.address, source)
        if not data.startswith(b"NOTIFY ") or not self._notified(data, flow):
            self.endpoint.receive(data, flow)

    def _notified(self, data: bytes, flow: Flow) -> bool:
        """News of a REFER: our stack sends none itself, so it is taken and answered here."""
        request = parse_message(data)
        assert isinstance(request, Request)
        if not (request.get(b"event") or b"").startswith(b"refer"):
            return False
        news = (request.cseq.number, int(request.body.split()[1]))
        if news not in self.told:
            self.told.append(news)
        request.stamp_source(*flow.remote)
        self.agent.stack.answer(request, flow, 200)
        self.endpoint.drain()
        return True

    def _on_fault(self, error: Exception) -> None:
        raise error

    # Verbs

    def register(
        self,
        expires: int = 3600,
        q: str | None = None,
        contact: str | None = None,
        aor: str | None = None,
        host: str = "example.org",
    ) -> None:
        me = f"<sip:{aor or self.login}@example.org>".encode()
        dialog = Dialog(
            call_id=self.agent.stack.token(),
            local=me + b";tag=r",
            local_tag="r",
            remote=me,
            remote_tag=None,
            remote_target=f"sip:{host}".encode(),
            route_set=(),
            contact=b"",
            flow=self.flow,
            pinned=True,
        )
        here = contact or f"<sip:{self.login}@{self.address[0]}:{self.address[1]}>"
        if q is not None:
            here += f";q={q}"
        fields = [(b"Contact", here.encode()), (b"Expires", b"%d" % expires)]
        self.agent.stack.send_in_dialog(
            dialog, "REGISTER", fields, b"", self.credentials, self.now, self
        )
        self.endpoint.drain()

    def on_response(self, transaction, response, now) -> None:
        self.registered = response.status

    def on_failure(self, transaction, status, now) -> None:
        self.registered = status

    def call(
        self, number: str, body: bytes | None = None, extra=(), from_=b"", target=b""
    ) -> Session:
        invitation = Invitation(
            self.flow,
            target or f"sip:{number}@example.org".encode(),
            from_ or f"<sip:{self.login}@example.org>".encode(),
            f"<sip:{number}@example.org>".encode(),
            extra=extra,
            credentials=self.credentials,
        )
        offer = self._description() if body is None else body
        session = self.agent.invite(invitation, offer, self.now)
        session.owner = self
        self.endpoint.drain()
        return session

    def hang_up(self, session: Session) -> None:
        session.bye(self.now)
        self._over(session)
        self.endpoint.drain()

    def refer(self, session: Session, refer_to: bytes) -> None:
        """Ask the switch to transfer the other party."""
        fields = ((b"Refer-To", refer_to), (b"Contact", session.dialog.contact))
        self.agent.stack.send_in_dialog(
            session.dialog, "REFER", fields, b"", session.credentials, self.now, self
        )
        self.endpoint.drain()

    def send_text(self, number: str, body: bytes) -> None:
        wanted = StandaloneRequest(
            "MESSAGE",
            self.flow,
            f"sip:{number}@example.org".encode(),
            f"<sip:{self.login}@example.org>".encode(),
            f"<sip:{number}@example.org>".encode(),
            extra=((b"Content-Type", b"text/plain"),),
            body=body,
            credentials=self.credentials,
        )
        self.agent.send_standalone(wanted, lambda reply: None, self.now)
        self.endpoint.drain()

    def hold(self, session: Session, direction: str = "sendonly") -> None:
        if session in self.talking and not session.pending:
            session.reinvite(self._sdp(direction), self.now)
            self.endpoint.drain()

    def _description(self) -> bytes:
        self._next_port += 2
        port = (self.address[0], self._next_port)
        self.exchange.wire.attach(port, self._hear)
        return self._sdp()

    def _sdp(self, direction: str = "sendrecv") -> bytes:
        made = sdp(self.address[0], self._next_port, direction, self.codec, number=self.number)
        return made if self.knows_events else without_events(made)

    def _hear(self, data: bytes, source: Address) -> None:
        self.heard += 1
        self.heard_types[data[1] & 0x7F] += 1

    def tell_event(self, session: Session, code: int, payload_type: int = 101) -> None:
        """Press a key for 60 ms, by telephone events."""
        self._pressed += 1000
        for index, duration in enumerate((160, 320, 480, 480, 480)):
            self._sequence = (self._sequence + 1) & 0xFFFF
            end = 0x80 if index > 1 else 0
            packet = struct.pack(
                ">BBHI4sBBH",
                0x80, payload_type, self._sequence, self._pressed, b"ssrc", code, end, duration,
            )  # fmt: skip
            self._send(session, packet)

    def _send(self, session: Session, packet: bytes) -> None:
        own = (self.address[0], self._next_port)
        target = (self._remote_host[session], self._remote_port[session])
        self.exchange.wire.send(packet, own, target)

    # Events

    def _on_event(self, event) -> None:
        self.events.append(type(event).__name__)
        match event:
            case Received(request) if request.method == "INVITE":
                self._ring(event)
            case Received(request, flow) if request.method == "MESSAGE":
                if self.takes_texts:
                    self.texts.append((request.from_.uri.user, request.body.decode()))
                self.agent.stack.reply(request, flow, 200 if self.takes_texts else 480, self.now)
            case Received(request, flow):
                self.agent.stack.answer(request, flow, 200)
            case Answered(session, response):
                self.status = 200
                if not session.outgoing.offer:
                    session.acknowledge(self._description(), self.now)
                self._talk(session, response.description)
            case Refused(_, status, _):
                self.status = status
            case Acknowledged(session) if session not in self.talking:
                self._talk(
                    session, event.request.description or session.incoming.request.description
                )
            case Reinvited(session, request):
                self._remote_port[session] = (
                    port_of(request.description) or self._remote_port[session]
                )
                self._renegotiate(session, request)
            case HungUp(session) | Cancelled(session):
                self._over(session)
            case ReinviteAnswered(session) if not session.outgoing.offer:
                session.acknowledge(self._sdp(), self.now)
            case InfoReceived(_, request):
                self.infos.append(request.body)
            case ReinviteRefused():
                pass

    def _renegotiate(self, session: Session, request: Request) -> None:
        if not self._understands(request.description):
            session.reject(488, self.now)
            return
        session.accept(self._sdp(), self.now)

    def _understands(self, offer: bytes) -> bool:
        return not offer or b"%s/" % self.codec.encode() in offer

    def _ring(self, received: Received) -> None:
        session = self.agent.open_session(received, self.now, pinned=True)
        session.owner = self
        self.rung = session
        if not self._understands(received.request.description):
            session.reject(488, self.now)
            return
        early = self._description() if self.behaviour.early_media else b""
        session.progress(183 if early else 180, self.now, early)
        if self.behaviour.answer:
            self.exchange.loop.call_later(
                self.behaviour.rings, self._decide, session, self.behaviour
            )

    def _decide(self, session: Session, behaviour: Behaviour) -> None:
        answer = behaviour.answer
        if session.owner is None or session.incoming is None or session.incoming.answered:
            return
        if answer == 200:
            extra = ((b"Accept", self.accepts),) if self.accepts else ()
            session.accept(self._description(), self.now, extra)
        else:
            contact = f"<sip:{behaviour.redirect}@example.org>".encode()
            extra = () if behaviour.redirect is None else ((b"Contact", contact),)
            session.reject(answer, self.now, None, extra)
        self.endpoint.drain()

    def _talk(self, session: Session, remote: bytes) -> None:
        self.talking.append(session)
        if self.behaviour.talks is not None:
            self.exchange.loop.call_later(self.behaviour.talks, self._hang_up_if, session)
        self._remote_port[session] = port_of(remote)
        self._remote_host[session] = host_of(remote)
        if self.sends_rtp:
            self._send_rtp(session, self._next_port)

    def _hang_up_if(self, session: Session) -> None:
        if session in self.talking:
            self.hang_up(session)

    def _send_rtp(self, session: Session, own: int) -> None:
        """A packet now and then, so that the relay doesn't take the call for dead."""
        if session not in self.talking or not self.sends_rtp:
            return
        self._sequence = (self._sequence + 1) & 0xFFFF
        number = CODECS[self.codec] if self.number is None else self.number
        first = bytes([0x80, number]) + self._sequence.to_bytes(2, "big")
        packet = first + bytes(4) + b"ssrc" + bytes(160)
        port = self._remote_port[session]
        if port:
            target = (self._remote_host[session], port)
            self.exchange.wire.send(packet, (self.address[0], own), target)
        self.exchange.loop.call_later(5.0, self._send_rtp, session, own)

    def _over(self, session: Session) -> None:
        if session in self.talking:
            self.talking.remove(session)
            self.ended.append(self.now)
