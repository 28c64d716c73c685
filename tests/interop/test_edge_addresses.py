"""A phone, its NAT, Kamailio and the switch on four addresses: where is the phone?"""

import re
import socket

import pytest
from switchboard import free_ports, until
from test_behind_kamailio import kamailio

from sip.digest import answer
from sip.reading import parse_message

PRIVATE, PUBLIC, EDGE = "10.0.0.7", "127.0.0.7", "127.0.0.10"


class NatPhone:
    """A phone that says its private address everywhere, and is seen at its NAT's."""

    def __init__(self, edge_port):
        self.edge = (EDGE, edge_port)
        self.sip, self.rtp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for sock in (self.sip, self.rtp):
            sock.bind((PUBLIC, 0))
            sock.settimeout(5)
        self.count = 0

    def close(self):
        self.sip.close()
        self.rtp.close()

    @property
    def address(self):
        host, port = self.sip.getsockname()
        return f"{host}:{port}"

    def send(self, method, uri, to, *fields, body=""):
        self.count += method not in ("ACK",)
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {PRIVATE}:5060;rport;branch=z9hG4bK{method}{self.count}",
            "Max-Forwards: 70", "From: <sip:ana@127.0.0.1>;tag=a", f"To: {to}",
            f"Call-ID: {'r' if method == 'REGISTER' else 'c'}{PUBLIC}",
            f"CSeq: {self.count} {method}",
            f"Contact: <sip:ana@{PRIVATE}:5060>", *fields, f"Content-Length: {len(body)}", "", body,
        ]  # fmt: skip
        self.sip.sendto("\r\n".join(lines).encode(), self.edge)

    def final(self):
        while (response := parse_message(self.sip.recv(65_535))).status < 200:
            pass
        return response

    def ask(self, method, uri, to, body=""):
        """A request with digest, and its answer."""
        kind = ("Content-Type: application/sdp",) if body else ("Expires: 600",)
        self.send(method, uri, to, *kind, body=body)
        challenge = self.final()
        assert challenge.status == 401
        if method == "INVITE":
            self.send("ACK", uri, challenge.get(b"to").decode())
        credentials = answer(
            challenge.get_all(b"www-authenticate"),
            "ana",
            "secret",
            method,
            uri.encode(),
            cnonce="c",
        )
        self.send(method, uri, to, "Authorization: " + credentials.decode(), *kind, body=body)
        return self.final()

    def hears_itself(self, target):
        """Send sound until some comes back."""
        self.rtp.settimeout(0.02)
        for number in range(250):
            packet = b"\x80\x00" + number.to_bytes(2) + (160 * number).to_bytes(4) + b"ssrc"
            self.rtp.sendto(packet + bytes(160), target)
            try:
                return len(self.rtp.recv(2_000)) == 172
            except TimeoutError:
                pass
        return False


@pytest.fixture
def phone(make_board, tmp_path):
    board = make_board(SIP__EDGES=EDGE, SIP__ALIASES=EDGE, GUARD__EXEMPT="")
    board.start()
    (port,) = free_ports(1, EDGE)
    with kamailio(tmp_path, port, board.port, EDGE):
        made = NatPhone(port)
        made.board = board
        yield made
        made.close()


def test_a_phone_behind_nat_and_kamailio_is_known_by_its_own_address_and_heard(phone):
    own = "<sip:ana@127.0.0.1>"
    assert phone.ask("REGISTER", "sip:127.0.0.1", own).status == 200
    (row,) = phone.board.ask("registration_list")
    assert row["source"] == phone.address
    port = phone.rtp.getsockname()[1]
    offer = (
        f"v=0\r\no=- 1 1 IN IP4 {PRIVATE}\r\ns=-\r\nc=IN IP4 {PRIVATE}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    )
    uri = "sip:*43@127.0.0.1"
    answered = phone.ask("INVITE", uri, f"<{uri}>", offer)
    assert answered.status == 200
    route = answered.get(b"record-route").decode()
    target = re.search(rb"<([^>]*)>", answered.get(b"contact"))[1].decode()
    to = answered.get(b"to").decode()
    phone.send("ACK", target, to, f"Route: {route}")
    media = re.search(rb"c=IN IP4 (\S+).*?m=audio (\d+)", answered.body, re.DOTALL)
    assert phone.hears_itself((media[1].decode(), int(media[2])))
    phone.send("BYE", target, to, f"Route: {route}")
    until(lambda: not phone.board.ask("call_list"), "the call is over", 5)
