"""A simulated fax terminal: it changes its phone's call to T.38, and keeps the UDPTL it gets."""

from __future__ import annotations

from sip.message import Request
from sip.sdp import SessionDescription

ATTRIBUTES = (
    "T38FaxVersion:0",
    "T38MaxBitRate:14400",
    "T38FaxFillBitRemoval",
    "T38FaxRateManagement:transferredTCF",
    "T38FaxMaxBuffer:262",
    "T38FaxMaxDatagram:176",
    "T38FaxUdpEC:t38UDPRedundancy",
)
LINES = "".join(f"a={attribute}\r\n" for attribute in ATTRIBUTES)
FIRST_PORT = 50_000


def udptl(sequence: int, primary: bytes) -> bytes:
    """A packet without redundant ones."""
    return sequence.to_bytes(2, "big") + bytes([len(primary)]) + primary + b"\0\0"


class FaxTerminal:
    """The T.38 side of a phone in a call.

    Args:
        takes: True if it accepts T.38; False: it refuses with 488.
        host: where its packets come from, if a NAT stands before it.
    """

    def __init__(self, phone, session, *, takes=True, host=None):
        self.phone, self.session, self.takes = phone, session, takes
        self.address = (phone.address[0], FIRST_PORT)
        self.source = (host or phone.address[0], FIRST_PORT)
        self.received: list[bytes] = []
        self.offers: list[bytes] = []
        """What it was offered."""
        self.sound: bytes | None = None
        """Its sound in the answer to an offer of both; None: port 0."""
        self.answers_nothing = False
        """It accepts an offer of T.38, and refuses the stream."""
        self._sequence = 0
        phone._renegotiate = self._renegotiate
        phone.exchange.wire.attach(self.source, lambda data, source: self.received.append(data))

    def description(self, media: str) -> bytes:
        host = self.address[0]
        head = f"v=0\r\no=- 1 2 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        return (head + media).encode()

    @property
    def image(self) -> str:
        return f"m=image {self.address[1]} udptl t38\r\n{LINES}"

    def change(self, media: str | None = None) -> None:
        """Offer T.38 in the place of the sound."""
        self.session.reinvite(self.description(media or self.image), self.phone.now)
        self.phone.endpoint.drain()

    def back_to_sound(self) -> None:
        self.session.reinvite(self.phone._sdp(), self.phone.now)
        self.phone.endpoint.drain()

    def _renegotiate(self, session, request: Request) -> None:
        offer = request.description
        self.offers.append(offer)
        if b"m=image" not in offer or b"m=image 0" in offer:
            session.accept(self.phone._sdp(), self.phone.now)
        elif not self.takes:
            session.reject(488, self.phone.now)
        else:
            session.accept(self._answer(SessionDescription.parse(offer)), self.phone.now)

    def _answer(self, offer: SessionDescription) -> bytes:
        lines = []
        for media in offer.media:
            if media.kind != "image":
                lines.append("m=audio 0 RTP/AVP 0\r\n" if self.sound is None else self.sound)
            elif self.answers_nothing:
                lines.append("m=image 0 udptl t38\r\n")
            else:
                lines.append(self.image)
        return self.description("".join(lines))

    def answers_first_offers(self) -> None:
        """Have the phone answer calls with fax from the first, as a fax server does."""
        phone = self.phone
        phone._understands = lambda offer: self.takes or b"m=image" not in offer

        def answer(direction: str = "sendrecv") -> bytes:
            self.session = phone.rung
            self.offers.append(phone.rung.incoming.request.description)
            return self._answer(SessionDescription.parse(self.offers[-1]))

        phone._sdp = answer

    @property
    def target(self) -> tuple[str, int]:
        """Where the switch wants its fax."""
        theirs = SessionDescription.parse(self.session.remote_description)
        (port,) = (media.port for media in theirs.media if media.kind == "image")
        return theirs.connection.address, port

    def send(self, *pages: bytes) -> list[bytes]:
        """Send IFP packets, 20 ms apart; returns the UDPTL."""
        packets = []
        for page in pages:
            packets.append(udptl(self._sequence, page))
            self._sequence += 1
            self.phone.exchange.wire.send(packets[-1], self.source, self.target)
            self.phone.exchange.run(0.02)
        self.phone.exchange.run(0.1)
        return packets
