"""The readers of network data, each as a function of octets.

A target may refuse octets by the errors that its docstring names; any other exception is a fault,
and so is a reading that its own writing contradicts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

import opus_phone
import samples
from conversation import ALICE, BOB
from studio import Studio

from rtp import opus, rtcp, wav
from rtp.control import Listen, Open, Record, SideSpec, WebTerms
from rtp.dtls import Dtls, DtlsContext, make_certificate
from rtp.g711 import PCMA
from rtp.packet import PacketError, RtpPacket, is_rtcp, is_rtp
from rtp.stream_frames import FrameError, FrameReader
from rtp.telephone_event import EventReceiver, TelephoneEvent
from rtp.udptl import sequence_of
from rtp.web_peer import WebPeer
from sip import digest, headers, message, sdp, stun, uri
from sip.bodies import BodyPart, description_in, multipart, parts_of
from sip.errors import ParseError, SipError
from sip.flow import Flow
from sip.framing import Ping, StreamFramer
from sip.intake import Intake
from sip.message import Request, Response
from sip.offer_answer import check_answer, media_target, relayed
from sip.plain import read_plain
from sip.precedence import Glance
from sip.reading import RequestError, parse_message, read_strictly
from sip.referral import ReferTo, parse_replaces
from sip.refusal import Refuser
from sip.registrar import Registrar, RegistrarLimits
from sip.sdp import SessionDescription
from sip.session_timer import SessionInterval, agree
from sip.subscription import EventField
from sip.t38 import check_fax_answer, fax_alone, fax_target
from sip.user_agent import UserAgent
from smpp import codes as smpp_codes
from smpp import pdu, receipt, times
from smpp.bodies import Bind, BindResponse, Pdu, ShortMessage
from smpp.segments import Reassembly
from smpp.session import BindRequested, Requested, Side
from smpp.session import Session as SmppSession
from softswitch.texting import cpim, raw

FLOW = Flow("udp", BOB, ALICE)
NOW = datetime(2026, 11, 29, tzinfo=UTC)
MAX_STREAM_MESSAGE = 65_535
MAX_PIECES = 200
MAX_PARTS = 20


@dataclass(frozen=True)
class Target:
    """Something to be fuzzed.

    Args:
        refusals: exceptions by which it may refuse what it reads.
        seeds: sound inputs to begin with.
    """

    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    seeds: Callable[[], Iterable[bytes]]

    def __call__(self, data: bytes) -> None:
        with contextlib.suppress(*self.refusals):
            self.read(data)


# SIP


def read_message(data: bytes) -> None:
    """Everything that anybody asks of a message; what can be answered gets a sound answer."""
    if read_plain(data) is not None:
        assert _taken(parse_message, data) == _taken(read_strictly, data)
    try:
        read = parse_message(data)
        read.validate()
    except ParseError as error:
        if isinstance(error, RequestError):
            _answer(error.request)
        raise
    _touch(read)
    if isinstance(read, Request):
        with contextlib.suppress(ParseError):
            read.stamp_source("192.0.2.1", 5060)
        _answer(read)
        _read_features(read)


def _taken(reader: Callable[[bytes], Request | Response], data: bytes) -> object:
    """What a reader takes a message for, or how it refuses it."""
    try:
        read = reader(data)
        read.validate()
    except ParseError as error:
        return error.status, error.reason
    start = [getattr(read, name, None) for name in ("method", "raw_uri", "status", "reason")]
    needed = (read.branch, read.cseq, read.call_id, read.from_tag, read.to_tag)
    return start, needed, read.plain_target, read.values, read.repeated, read.body


def _answer(request: Request) -> None:
    answer = parse_message(bytes(request.respond(400, to_tag="tag")))
    assert isinstance(answer, Response)
    assert len(answer.get_all(b"via")) == len(request.get_all(b"via"))


_ASKED = (
    "call_id", "cseq", "from_", "to", "from_tag", "to_tag", "via", "branch", "sent_by", "contacts",
    "contact_star", "max_forwards", "expires", "content_type", "fields",
)  # fmt: skip


def _touch(read: Request | Response) -> None:
    for name in _ASKED:
        with contextlib.suppress(ParseError):
            getattr(read, name, None)  # a response has no Max-Forwards
    for name in (b"contact", b"route", b"require", b"absent"):
        read.get_list(name)
        read.option_tags(name)


def read_body(data: bytes) -> None:
    """A Content-Type in the first line, the body in the others. What can be cut is written and cut
    again alike, and only what can be cut has a description."""
    content_type, _, body = data.partition(b"\n")
    description = description_in(content_type, body)
    try:
        parts = parts_of(content_type, body)
    except ParseError:
        assert description == b""
        raise
    assert description in (b"", *(part.body for part in parts))
    boundary = b"0f1e2d3c4b5a"
    if boundary not in body and all(_is_plain(part) for part in parts):
        again = multipart(list(parts), boundary)
        assert not parts or parts_of(b"multipart/mixed;boundary=" + boundary, again) == parts


def _is_plain(part: BodyPart) -> bool:
    """True if its header lines can be written as they were read."""
    return part.fields != () and all(
        value == value.strip(b" \t") and b"\r" not in value and name for name, value in part.fields
    )


def _read_features(request: Request) -> None:
    """Fields of extensions."""
    interval = SessionInterval(1800, 90)
    readers: tuple[Callable[[], object], ...] = (
        lambda: EventField.of(request),
        lambda: ReferTo.parse(request),
        lambda: parse_replaces(request.get(b"replaces") or b""),
        lambda: agree(request, interval),
        lambda: _register(request),
    )
    for reader in readers:
        with contextlib.suppress(SipError):
            reader()


def _register(request: Request) -> None:
    registrar = Registrar(RegistrarLimits())
    made = registrar.register("aor", request, FLOW, 0.0)
    registrar.ok_fields(made, 1.0)
    registrar.register("aor", request, FLOW, 2.0)


def read_uri(data: bytes) -> None:
    read = uri.Uri.parse(data)
    assert uri.Uri.parse(bytes(read)) == read
    assert uri._parse(data) == read, "the plain form is read otherwise than in full"
    assert read.equivalent(read)


def read_address(data: bytes) -> None:
    read = headers.NameAddr.parse(data)
    assert headers.NameAddr.parse(bytes(read)) == read
    assert headers._parse_name_addr(data) == read, "the plain form is read otherwise than in full"


def read_via(data: bytes) -> None:
    read = headers.Via.parse(data)
    assert headers.Via.parse(bytes(read)) == read
    plain = message._PLAIN_VIA.fullmatch(data)
    if plain is not None:
        sent_by = (plain[2].decode().lower(), None if plain[3] is None else int(plain[3]))
        assert sent_by == (read.host, read.port), "the plain form is read otherwise than in full"
        assert plain[5].decode() == read.branch
    quick = message._PLAIN_VIA_BRANCH.fullmatch(data)
    assert quick is None or quick[1].decode() == read.branch


def read_parts(data: bytes) -> None:
    """Lists, parameters and CSeq, split by line feeds."""
    first, _, rest = data.partition(b"\n")
    for element in headers.split_list(rest):
        with contextlib.suppress(ParseError):
            params = headers.parse_params(element)
            assert headers.parse_params(headers.write_params(params)) == params
    read = headers.CSeq.parse(first)
    assert headers.CSeq.parse(bytes(read)) == read


def read_stream(data: bytes) -> None:
    """However a stream is cut, the same comes out of it."""
    size = max(1 + data[0] % 64 if data else 1, len(data) // MAX_PIECES)
    whole = _framed([data])
    assert whole == _framed([data[at : at + size] for at in range(0, len(data), size)])
    assert sum(len(item) for item in whole[0] if isinstance(item, bytes)) <= len(data)


def _framed(pieces: list[bytes]) -> tuple[list[bytes | Ping], bool]:
    """The messages that come out, and True if nothing more will."""
    framer = StreamFramer(MAX_STREAM_MESSAGE)
    return [item for piece in pieces for item in framer.feed(piece)], framer.over


def read_description(data: bytes) -> None:
    read = SessionDescription.parse(data)
    assert read == SessionDescription.parse_in_full(data)
    written = bytes(read)  # in the RFC's order, whatever order it came in
    assert bytes(SessionDescription.parse(written)) == written
    _read_fax(read)
    target = media_target(read)
    if target is None:
        return
    ours = relayed(read, origin_id=1, version=1, address="192.0.2.1", port=20_000, answering=read)
    assert SessionDescription.parse(bytes(ours)) == ours
    assert bytes(ours).count(b"\nm=") == len(read.media)
    assert sdp.Connection("192.0.2.1") == ours.connection
    with contextlib.suppress(SipError):
        check_answer(read, read)


def _read_fax(read: SessionDescription) -> None:
    if fax_target(read) is None:
        return
    ours = fax_alone(read, origin_id=1, version=1, address="192.0.2.1", port=20_001, answering=read)
    assert SessionDescription.parse(bytes(ours)) == ours
    assert bytes(ours).count(b"\nm=") == len(read.media)
    check_fax_answer(read, ours)


_NONCES = digest.Nonces(b"fuzz")
_VERIFIER = digest.DigestVerifier(_NONCES, "example.org")


def read_credentials(data: bytes) -> None:
    digest.realm_of(data)
    digest.answer([data, data], "u", "p", "INVITE", b"sip:b@h", cnonce="c")
    given = digest.Credentials.parse(data)
    secret = "0" * 32
    verdict = _VERIFIER.verify(given, "INVITE", lambda algorithm: secret, 1_000_000.0)
    assert verdict is not digest.Verdict.OK


def read_datagram(data: bytes) -> None:
    """The checks of a UDP socket before a message is parsed."""
    if stun.is_stun(data):
        stun.answer(data, ("192.0.2.1", 5060))
        stun.answer(data, ("2001:db8::1", 5060))
    intake = Intake(Glance(["112"]))
    intake.put(data, FLOW, 0.0, FLOW.remote[0])
    assert intake.take(0.0) is not None and len(intake) == 0
    Refuser(1, b"fuzzed").refuse(data, FLOW.remote, 5)


# A whole user agent, in the middle of things


def converse(data: bytes) -> None:
    """Messages to a user agent in the situation that the first octet chooses. Whatever they are,
    nothing is left of them when all has run out."""
    scene = samples.Scene()
    samples.SITUATIONS[data[0] % len(samples.SITUATIONS) if data else 0](scene)
    bob = scene.talk.bob
    for part in data[1:].split(samples.PARTING):
        bob.receive(part, FLOW, scene.now)
        for event in bob.events():
            scene.react(event)
        answers = [m for out, _ in bob.to_send() if isinstance(m := parse_message(out), Response)]
        assert len([m for m in answers if m.status >= 200]) <= MAX_FINALS
    for session in scene.sessions:
        session.bye(scene.now)
    _let_run_out(bob, scene.now + ALL_TIMERS_SECONDS)
    assert len(bob.stack.layer) == 0 and bob.sessions == 0, "something is left"


def _let_run_out(agent: UserAgent, end: float) -> None:
    """Let timers run out without an answer."""
    while (deadline := agent.next_deadline()) is not None and deadline <= end:
        agent.expire(deadline)
        agent.to_send()
        agent.events()


MAX_FINALS = 3
"""A 200 to a BYE or CANCEL, a 487 to the INVITE and one to the UPDATE that it ends."""
ALL_TIMERS_SECONDS = 300.0


# RTP


def read_rtp(data: bytes) -> None:
    is_rtp(data)
    assert bytes(RtpPacket.parse(data)) == data


def read_udptl(data: bytes) -> None:
    sequence = sequence_of(data)
    assert sequence is None or data[:2] == sequence.to_bytes(2, "big")


def read_rtcp(data: bytes) -> None:
    is_rtcp(data)
    packets = rtcp.parse_compound(data)
    again = rtcp.parse_compound(rtcp.compound_bytes(packets))
    assert again == packets


_CONTEXT = DtlsContext(make_certificate(NOW))


def read_browser(data: bytes) -> None:
    """Datagrams to the side of a browser: nothing but its own check is answered, and none of them
    makes keys."""
    peer = WebPeer(WebTerms("ours", "secret" * 4, "theirs", ()), _CONTEXT, has_keys=False)
    for part in (data, *data.split(samples.PARTING)[:MAX_PARTS]):
        frames = FrameReader()
        with contextlib.suppress(FrameError):
            for framed in frames.feed(part):
                peer.receive(framed, ALICE, 0.0)
        peer.receive(part, ALICE, 0.0)
    assert peer.keys is None
    assert peer.to_send() == [] or peer.ice.heard_at == 0.0
    dtls = Dtls(_CONTEXT, "passive", ())
    for part in data.split(samples.PARTING)[:MAX_PARTS]:
        dtls.receive(part, 0.0)
    assert dtls.keys is None


def read_event(data: bytes) -> None:
    event = TelephoneEvent.parse(data)
    assert TelephoneEvent.parse(bytes(event)) == event
    receiver = EventReceiver()
    for at in range(0, min(len(data), 400), 4):
        receiver.receive(at, data[at:])


def read_wav(data: bytes) -> None:
    read = wav.parse(data)
    again = wav.parse(wav.file_bytes(read.samples))
    assert (again.samples == read.samples).all()


def listen(data: bytes) -> None:
    """Datagrams to phones that talk with each other, with the switch, and in a room."""
    studio = Studio()
    a, b = studio.call()
    lonely = studio.caller()
    guests = [studio.caller(law=PCMA), studio.caller()]
    if opus.AVAILABLE:
        studio.tell(Open(100, SideSpec(None), None))
        guests.append(opus_phone.phone(studio, 100, "a", studio.opened.a_rtp_port))
    for guest in guests:
        studio.hear(guest, "room", room=1)
    studio.tell(Listen(lonely.session, "a", True, True))
    studio.tell(Record(lonely.session, 1, "x.wav", "a", 60.0))
    for number, part in enumerate(data.split(samples.PARTING)[:MAX_PARTS]):
        for phone in (a, b, lonely, *guests):
            for port in (phone.port, phone.port + 1):
                studio.engine.receive(port, part, phone.address, studio.now)
        if number % 2:
            studio.tick()
    for _ in range(5):
        studio.tick()
    studio.engine.end(studio.now)
    assert len(studio.engine) == 0


# SMPP and what texts are wrapped in


def read_smpp(data: bytes) -> None:
    """A connection of a stranger, heard by a message centre and by an ESME, bound and not."""
    for side in (Side.CENTRE, Side.ESME):
        for bound in (False, True):
            _hear_smpp(side, bound, data)


def _hear_smpp(side: Side, bound: bool, data: bytes) -> None:
    session = SmppSession(side, 0.0)
    if side is Side.ESME:
        session.bind(smpp_codes.Command.BIND_TRANSCEIVER, Bind("us"), 0.0)
    if bound:
        answer = BindResponse("centre") if side is Side.ESME else Bind("shop")
        command = smpp_codes.Command.BIND_TRANSCEIVER
        kind = command | smpp_codes.RESPONSE if side is Side.ESME else command
        session.receive(pdu.encode(Pdu(kind, 1, answer)), 0.0)
    for start in range(0, len(data), 997):
        session.receive(data[start : start + 997], 1.0)
        for event in session.events():
            match event:
                case BindRequested() as asked:
                    session.accept(asked, "centre")
                case Requested(sequence=sequence, body=body):
                    session.respond(sequence)
                    if isinstance(body, ShortMessage):
                        _read_short(body)
                case _:
                    pass
        for octets in pdu.Framer().feed(session.to_send()):
            pdu.decode(octets)
    session.expire(1e6)
    session.lost()
    assert session.next_deadline() is None


def _read_short(message: ShortMessage) -> None:
    receipt.read(message.payload, message.tlvs)
    content = raw.with_header(message)
    with contextlib.suppress(ValueError):
        raw.joined(Reassembly(), content, "x", 0.0)
    raw.text_of(content)
    raw.fits(content)
    assert raw.read(raw.content_type(content)) is not None
    for text in (message.schedule_delivery_time, message.validity_period):
        with contextlib.suppress(ValueError):
            times.parse(text, 0.0)


def read_receipt(data: bytes) -> None:
    """A receipt, written again, says the same."""
    found = receipt.read(data)
    if found is not None:
        again = receipt.read(*receipt.write(found))
        assert again is not None
        assert again.state is found.state
        for written in get_args(receipt.Written):
            receipt.answered_ids(found.message_id, written)


def read_envelope(data: bytes) -> None:
    """An envelope of a text, read again after it is addressed anew. CpimError."""
    found = cpim.parse(data)
    again = cpim.parse(cpim.write(found.addressed("sip:a@h", "sip:b@h")))
    assert again.get("from") == "<sip:a@h>"
    assert again.content == found.content
    assert found.wants is not None
    assert found.message_id is None or found.message_id


TARGETS = {
    "smpp": Target(read_smpp, (), samples.smpp_streams),
    "receipt": Target(read_receipt, (), samples.receipts),
    "envelope": Target(read_envelope, (cpim.CpimError,), samples.envelopes),
    "message": Target(read_message, (ParseError,), samples.messages),
    "uri": Target(read_uri, (ParseError,), samples.uris),
    "address": Target(read_address, (ParseError,), samples.addresses),
    "via": Target(read_via, (ParseError,), samples.vias),
    "body": Target(read_body, (ParseError,), samples.bodies),
    "parts": Target(read_parts, (ParseError,), samples.parts),
    "stream": Target(read_stream, (), samples.streams),
    "description": Target(read_description, (ParseError, SipError), samples.descriptions),
    "credentials": Target(read_credentials, (ParseError,), samples.credentials),
    "datagram": Target(read_datagram, (), samples.datagrams),
    "conversation": Target(converse, (), samples.conversations),
    "rtp": Target(read_rtp, (PacketError,), samples.rtp_packets),
    "udptl": Target(read_udptl, (), samples.udptl_packets),
    "rtcp": Target(read_rtcp, (PacketError,), samples.rtcp_packets),
    "browser": Target(read_browser, (), samples.browser_datagrams),
    "event": Target(read_event, (PacketError,), samples.events),
    "sound": Target(listen, (), samples.sounds),
    "wav": Target(read_wav, (wav.WavError,), samples.wavs),
}
