"""Sound inputs for the fuzzers to spoil, and the situations in which a user agent hears them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

import browser
import cases
import numpy as np
from conversation import ALICE, ANSWER, BOB, OFFER, Conversation

from rtp import rtcp, wav
from rtp.dtls import Dtls, DtlsContext
from rtp.packet import HeaderExtension, RtpPacket
from rtp.stream_frames import frame
from sip.errors import SipError
from sip.events import (
    Acknowledged,
    Answered,
    Cancelled,
    Event,
    HungUp,
    InfoReceived,
    Received,
    Referred,
    Reinvited,
    Updated,
)
from sip.flow import Flow
from sip.message import Request
from sip.reading import parse_message
from sip.session import Session
from sip.session_timer import SessionInterval
from sip.stun import MAGIC_COOKIE
from sip.user_agent import Invitation
from smpp import pdu, receipt, segments
from smpp.bodies import (
    Address,
    Bind,
    BindResponse,
    Body,
    Cancel,
    DataMessage,
    Empty,
    MessageId,
    MultiMessage,
    Pdu,
    Query,
    ShortMessage,
)
from smpp.codes import RESPONSE, Command, MessageState, Tag

PARTING = b"\n--next--\n"
"""Between the messages of a conversation."""


def messages() -> Iterator[bytes]:
    for case in (*cases.own(), *cases.verbatim()):
        yield case.data
    for sample in conversations():
        yield from sample[1:].split(PARTING)
    yield from EXTENSIONS


EXTENSIONS = [
    b"REFER sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n"
    b"To: <sip:b@h>;tag=2\r\nCall-ID: 1\r\nCSeq: 2 REFER\r\nr: <sip:c@h?Replaces=12%40h%3Bto-tag%3D"
    b"1%3Bfrom-tag%3D2>\r\nReferred-By: <sip:a@h>\r\nRefer-Sub: false\r\n\r\n",
    b"INVITE sip:b@h SIP/2.0\r\nv: SIP/2.0/TCP h;branch=z9hG4bK1;rport\r\nf: <sip:a@h>;tag=1\r\n"
    b"t: <sip:b@h>\r\ni: 1\r\nCSeq: 2 INVITE\r\nx: 1800;refresher=uac\r\nMin-SE: 90\r\n"
    b"k: timer, 100rel\r\nReplaces: 1@h;to-tag=1;from-tag=2;early-only\r\nPrivacy: id\r\n"
    b"P-Asserted-Identity: \"A\" <sip:+1@h>, <tel:+1>\r\n"
    b"Diversion: <sip:d@h>;reason=unconditional\r\n"
    b"Reason: SIP;cause=200;text=\"x\", Q.850;cause=16\r\n"
    b"m: <sip:a@h;ob>;+sip.instance=\"<urn:x>\"\r\n\r\n",
    b"SUBSCRIBE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n"
    b"To: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 2 SUBSCRIBE\r\no: dialog;id=7\r\nExpires: 60\r\n"
    b"Accept: application/dialog-info+xml\r\nContact: <sip:a@h>\r\n\r\n",
    b"REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n"
    b"To: <sip:a@h>\r\nCall-ID: 1\r\nCSeq: 2 REGISTER\r\n"
    b"Contact: <sip:a@h>;q=0.7;expires=60;reg-id=1;+sip.instance=\"<urn:uuid:1>\", <sip:b@h>\r\n"
    b"Path: <sip:p;lr>\r\nSupported: path, outbound\r\n\r\n",
]  # fmt: skip


def _values(*names: bytes) -> Iterator[bytes]:
    """The values of these fields in every message that can be read."""
    for data in messages():
        try:
            read = parse_message(data)
        except SipError:
            continue
        yield from itertools.chain.from_iterable(map(read.get_list, names))


def uris() -> Iterable[bytes]:
    return [
        b"sip:a@h", b"sips:a:b@[2001:db8::1]:5061;transport=tls;lr?x=y&z=%20", b"tel:+1-2;ext=3",
        b"sip:+995322;phone-context=x@h:5060", b"SIP:%61%00@h.", b"soap.beep://h", b"sip:[::1]",
    ]  # fmt: skip


def addresses() -> Iterable[bytes]:
    return {*_values(b"from", b"to", b"contact", b"record-route", b"p-asserted-identity")}


def vias() -> Iterable[bytes]:
    return {*_values(b"via")}


def parts() -> Iterable[bytes]:
    return [b'1 INVITE\n;a=b;c="d;e";f', b'00017  ACK\n;tag=x, ;received=[::1];rport , ;x="\\""']


def bodies() -> Iterable[bytes]:
    inner = b"--c\r\nContent-Type: application/sdp\r\n\r\n" + OFFER + b"\r\n--c--\r\n"
    yield b"application/sdp\n" + OFFER
    yield (
        b'multipart/mixed; boundary="b"\npreamble\r\n--b\r\nContent-Type: application/sdp\r\n'
        b"Content-Disposition: session;\r\n handling=required\r\n\r\n" + OFFER + b"\r\n--b \r\n"
        b"Content-Type: application/pidf+xml\r\nContent-ID: <1@h>\r\n\r\n<presence/>\r\n--b--\r\n"
    )
    yield (
        b"multipart/mixed;boundary=b\n--b\nContent-Type: multipart/alternative;boundary=c\n\n"
        + inner + b"\r\n--b\r\n\r\nx\r\n--b--"
    )  # fmt: skip


def streams() -> Iterable[bytes]:
    first = EXTENSIONS[0].replace(b"\r\n\r\n", b"\r\nl: 3\r\n\r\nabc")
    yield b"\r\n\r\n" + first + b"\r\n" + EXTENSIONS[2] + b"\r\n\r\n" + first
    yield first.replace(b"l: 3", b"Content-Length : 99999")


def descriptions() -> Iterable[bytes]:
    for data in messages():
        body = data.partition(b"\r\n\r\n")[2]
        if body.startswith(b"v=0"):
            yield body
    yield (
        b"v=0\r\no=- 1 2 IN IP6 ::1\r\ns=x\r\ni=y\r\nb=AS:1\r\nt=0 0\r\nz=1 2\r\na=sendonly\r\n"
        b"m=audio 9/2 RTP/AVP 0 96 101\r\nc=IN IP4 224.0.0.1/3\r\na=rtpmap:96 opus/48000/2\r\n"
        b"a=fmtp:96 x=1\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=rtcp:9 IN IP4 h\r\n"
        b"a=rtcp-mux\r\na=inactive\r\nm=image 0 udptl t38\r\n"
        b"m=audio 7 RTP/SAVP 8\r\na=crypto:1 x inline:y"
    )
    yield (
        b"v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        b"m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"
        b"WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20 WSH=64\r\n"
    )

    yield (
        b"v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        b"m=audio 0 RTP/AVP 0\r\nm=image 4400 udptl t38\r\na=T38FaxVersion:3\r\n"
        b"a=T38FaxFillBitRemoval\r\na=T38FaxUdpEC:t38UDPRedundancy\r\na=sendrecv\r\n"
    )


def credentials() -> Iterable[bytes]:
    start = b'Digest username="a\\"", realm="example.org", nonce="0123", uri="sip:h", response="ab"'
    return [
        start, start + b', algorithm=SHA-256, qop=auth, nc=00000001, cnonce="c", opaque="o"',
        b'Digest realm="r", nonce="n", qop="auth,auth-int", algorithm=MD5, stale=TRUE, domain="x"',
        b"Basic eDp5", b"digest\trealm=r ,nonce=n,",
    ]  # fmt: skip


def datagrams() -> Iterable[bytes]:
    yield b"\x00\x01\x00\x00" + MAGIC_COOKIE.to_bytes(4, "big") + b"transaction!"
    yield from itertools.islice(messages(), 3)
    yield b"INVITE sip:112@h SIP/2.0\r\nt: <sip:112@h>;tag=1\r\nAuthorization: Digest\r\n\r\n"


# Conversations


class Scene:
    """Bob, who is fuzzed, in the middle of something with Alice."""

    def __init__(self) -> None:
        self.talk = Conversation(session_interval=SessionInterval(1800, 90))
        self.sessions: list[Session] = []

    @property
    def now(self) -> float:
        return self.talk.now

    def called(self) -> None:
        """Alice called, and Bob's phone rings."""
        self.talk.call(extra=((b"Supported", b"100rel, timer"),))
        session = self.talk.take()
        session.progress(183, self.now, ANSWER)
        self.sessions.append(session)
        self.talk.run(0.1)

    def answered(self) -> None:
        """Bob answered, but Alice's ACK got lost."""
        self.talk.call()
        session = self.talk.take()
        self.sessions.append(session)
        session.accept(ANSWER, self.now)
        self.talk.drop = lambda label: "ACK" in label
        self.talk.run(0.1)

    def talking(self) -> None:
        self.sessions += self.talk.established()[1:]

    def calling(self) -> None:
        """Bob calls, and hears nothing yet."""
        invitation = Invitation(
            Flow("udp", BOB, ALICE), b"sip:alice@192.0.2.1", b"<sip:bob@h>", b"<sip:alice@h>"
        )
        session = self.talk.bob.invite(invitation, OFFER, self.now)
        session.owner = "bob"
        self.sessions.append(session)
        self.talk.run(0.1)

    def reinviting(self) -> None:
        """Bob put the call on hold, and waits for the answer."""
        self.talking()
        self.sessions[0].reinvite(ANSWER + b"a=sendonly\r\n", self.now)
        self.talk.run(0.1)

    def react(self, event: Event) -> None:
        """As a user does, simply."""
        match event:
            case Received(request, flow) if request.method == "INVITE":
                self._take(event)
            case Received(request, flow):
                self.talk.bob.stack.reply(request, flow, 200, self.now)
            case Reinvited(session):
                session.accept(ANSWER, self.now)
            case Updated(session):
                session.answer_update(200, ANSWER, self.now)
            case Referred(session, _, flow):
                session.accept_refer(flow, self.now)
                session.referral.tell(200, self.now)
            case Answered(session) if not session.outgoing.offer:
                session.acknowledge(ANSWER, self.now)
            case Acknowledged() | InfoReceived() | Cancelled() | HungUp():
                pass

    def _take(self, received: Received) -> None:
        try:
            session = self.talk.bob.open_session(received, self.now, pinned=False)
        except SipError as error:
            self.talk.bob.stack.answer(received.request, received.flow, error.status)
            return
        session.owner = "bob"
        self.sessions.append(session)
        session.progress(180, self.now)
        session.accept(ANSWER, self.now)


SITUATIONS: tuple[Callable[[Scene], None], ...] = (
    lambda scene: None,
    Scene.called,
    Scene.answered,
    Scene.talking,
    Scene.calling,
    Scene.reinviting,
)


def conversations() -> Iterator[bytes]:
    """The number of a situation, and the messages that Alice could send in it."""
    for number, prepare in enumerate(SITUATIONS):
        scene = Scene()
        prepare(scene)
        yield bytes((number,)) + PARTING.join(_next_words(scene))


def _next_words(scene: Scene) -> Iterator[bytes]:
    talk = scene.talk
    alice = talk.alice
    for session in list(alice._dialogs):
        extra = [(b"Contact", session.dialog.contact), (b"Content-Type", b"application/sdp")]
        for method in ("INFO", "UPDATE", "PRACK", "INVITE", "ACK", "REFER", "BYE"):
            more = [(b"RAck", b"1 1 INVITE"), (b"Refer-To", b"<sip:c@h>")]
            yield bytes(alice.stack.in_dialog(session.dialog, method, [*extra, *more], OFFER))
    for request in _heard_by(talk, ALICE):
        for status in (180, 200, 401, 422, 486):
            yield bytes(request.respond(status, to_tag="alice", fields=_ANSWERING, body=ANSWER))
    invite = scene.sessions[0].incoming if scene.sessions else None
    if invite is not None:
        yield bytes(invite.request)
        yield bytes(invite.request).replace(b"INVITE", b"CANCEL").replace(OFFER, b"")


_ANSWERING = [
    (b"Contact", b"<sip:alice@192.0.2.1>"), (b"Record-Route", b"<sip:192.0.2.1;lr>"),
    (b"Require", b"100rel"), (b"RSeq", b"1"), (b"Session-Expires", b"1800;refresher=uas"),
    (b"Min-SE", b"1800"), (b"WWW-Authenticate", b'Digest realm="r", nonce="n"'),
]  # fmt: skip


def _heard_by(talk: Conversation, who: tuple[str, int]) -> list[Request]:
    """Requests of Bob's that wait for an answer."""
    waiting = talk.bob.stack.layer._clients.values()
    return [transaction.request for transaction in waiting if transaction.flow.remote == who]


# RTP


def rtp_packets() -> Iterable[bytes]:
    yield bytes(RtpPacket(0, 1, 160, 7, bytes(160)))
    extension = HeaderExtension(0xBEDE, b"\x10\x00\x00\x00")
    yield bytes(RtpPacket(101, 65535, 2**32 - 1, 1, b"\x01\x0a\x00\xa0", True, (1, 2), extension))
    yield bytes(RtpPacket(8, 1, 1, 1, b"", padding=b"\x00\x00\x00\x04"))


def udptl_packets() -> Iterable[bytes]:
    yield b"\x00\x00\x01\x06\x00\x00"
    yield b"\x80\xc8\x80\x90" + bytes(144) + b"\x00\x02\x01\x06\x01\x08"
    yield b"\xff\xff\x03\xc0\x01\x80\x80\x01\x02\x01\x01\x00"


def browser_datagrams() -> Iterable[bytes]:
    """Checks of ICE, the first flight of DTLS, and both in frames."""
    for nominates in (True, False):
        check = browser.check("ours:theirs", "secret" * 4, nominates, bytes(12))
        yield check
        yield frame(check) + frame(b"\x16" * 40)
    client = Dtls(DtlsContext(browser.certificate("browser")), "active", ())
    client.begin(0.0)
    yield PARTING.join(client.to_send())


def rtcp_packets() -> Iterable[bytes]:
    block = rtcp.ReportBlock(1, 2, -3, 4, 5, 6, 7)
    report = rtcp.SenderReport(1, 2, 3, 4, 5, (block,))
    names = rtcp.SourceDescription(((1, ((1, b"user@host"), (6, b"tool"))),))
    yield rtcp.compound_bytes([report, names])
    yield rtcp.compound_bytes([rtcp.ReceiverReport(1, (block, block)), rtcp.Goodbye((1, 2))])
    yield rtcp.compound_bytes([rtcp.OtherPacket(205, 1, bytes(8))])


def events() -> Iterable[bytes]:
    return [b"\x05\x0a\x00\xa0", b"\x10\x8a\x03\x20" * 3]


def sounds() -> Iterable[bytes]:
    yield PARTING.join(
        bytes(RtpPacket(0, number, 160 * number, 7, bytes((number,)) * 160, not number))
        for number in range(8)
    )
    yield PARTING.join(
        bytes(RtpPacket(101, number, 0, 7, b"\x05%c\x00%c" % (0x8A if number > 3 else 10, number)))
        for number in range(6)
    )
    speech = (b"\x08\x0b\xe4\xb9\x9c56\xe0", b"\x08", b"\xfb\x03" + bytes(60), b"\x80ab")
    yield PARTING.join(
        bytes(RtpPacket(111, number, 960 * number, 7, speech[number % 4])) for number in range(12)
    )
    yield PARTING.join((*rtp_packets(), *rtcp_packets()))


def wavs() -> Iterable[bytes]:
    sound = np.arange(400, dtype=np.int16)
    yield wav.file_bytes(sound)
    yield wav.header(2**32 - 64) + bytes(40)
    whole = wav.file_bytes(sound)
    yield whole[:36] + b"LIST\x05\x00\x00\x00abcde\x00" + whole[36:]


# SMPP and texts


def smpp_streams() -> Iterator[bytes]:
    """Requests and responses of both sides, one by one and together."""
    source, destination = Address(5, 0, "Citynet"), Address(1, 1, "995599000001")
    part = segments.split("x" * 200, 7)
    payload = ((int(Tag.MESSAGE_PAYLOAD), b"Hello"), (int(Tag.SAR_MSG_REF_NUM), b"\0\7"))
    text, tlvs = receipt.write(receipt.Receipt("1A", MessageState.DELIVERED))
    found: list[tuple[int, Body]] = [
        (Command.BIND_TRANSCEIVER, Bind("shop", "secret1")),
        (Command.SUBMIT_SM, ShortMessage(source, destination, part.octets[0], esm_class=0x40)),
        (Command.SUBMIT_SM, ShortMessage(source, destination, b"\x10\xd0", 8, tlvs=payload,
                                         validity_period="000001000000000R")),
        (Command.SUBMIT_MULTI, MultiMessage(source, (destination, "list"), b"Hello")),
        (Command.DATA_SM, DataMessage(source, destination, tlvs=payload)),
        (Command.QUERY_SM, Query("17", source)),
        (Command.CANCEL_SM, Cancel("17", source, destination)),
        (Command.DELIVER_SM, ShortMessage(source, destination, text, esm_class=4, tlvs=tlvs)),
        (Command.SUBMIT_SM | RESPONSE, MessageId("1A")),
        (Command.BIND_TRANSCEIVER | RESPONSE, BindResponse("centre")),
        (Command.ENQUIRE_LINK, Empty()),
        (Command.UNBIND, Empty()),
    ]  # fmt: skip
    octets = [
        pdu.encode(Pdu(command, number, body)) for number, (command, body) in enumerate(found, 1)
    ]
    yield from octets
    yield b"".join(octets)


def receipts() -> Iterator[bytes]:
    yield receipt.write(receipt.Receipt("1A2B", MessageState.UNDELIVERABLE, "034", 1e9, 1e9, "x"))[
        0
    ]
    yield b"id:0006699 sub:001 submit date:20261129080000 done date:261129080105 stat:REJECTD"


def envelopes() -> Iterator[bytes]:
    yield (
        b"From: Boss <im:boss@example.org>\r\nTo: <im:x@y>\r\nNS: imdn <urn:ietf:params:imdn>\r\n"
        b"imdn.Message-ID: m1\r\nimdn.Disposition-Notification: positive-delivery\r\n\r\n"
        b"Content-Type: text/plain\r\n\r\nHello"
    )
