"""A phone behind a NAT and an edge, step by step: a socket for SIP and one for sound."""

from __future__ import annotations

import contextlib
import re
import socket
import time

from sip.digest import answer
from sip.message import Request, Response
from sip.reading import parse_message

PATIENCE_SECONDS = 30
PACKETS = 1_500
ATTEMPTS = 60


class Unavailable(Exception):
    """The switch answers 503: on a starved machine it may be away from its database for seconds."""


class ScriptedPhone:
    """Says a private address everywhere, and is seen at its NAT's.

    Args:
        public: the address of its NAT.
        private: the address that it believes to have.
    """

    def __init__(self, login: str, public: str, private: str, edge: tuple[str, int]) -> None:
        self.login, self.private, self.edge = login, private, edge
        self.node = "one"
        """The switch at which what it begins arrives."""
        self.sip, self.rtp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for sock in (self.sip, self.rtp):
            sock.bind((public, 0))
            sock.settimeout(PATIENCE_SECONDS)
        self.count = 0

    def close(self) -> None:
        self.sip.close()
        self.rtp.close()

    # Requests

    def register(self, expires: int = 600) -> int:
        own = f"<sip:{self.login}@127.0.0.1>"
        call = f"register-{self.login}"
        return self._ask("REGISTER", "sip:127.0.0.1", own, call, f"Expires: {expires}").status

    def invite(self, number: str, call: str) -> None:
        """Begin a call, up to the INVITE with credentials."""
        uri = f"sip:{number}@127.0.0.1"
        self._send("INVITE", uri, f"<{uri}>", call, self._sdp())
        challenge = self.response()
        self._send("ACK", uri, challenge.get(b"to").decode(), call)
        if challenge.status == 503:
            raise Unavailable
        assert challenge.status == 401, challenge.status
        self._authorized(challenge, "INVITE", uri, f"<{uri}>", call, self._sdp())

    def acknowledge(self, answered: Response, call: str) -> None:
        """The ACK of a 200, which its dialog's BYE follows."""
        self.dialog = (_target(answered), answered.get(b"to").decode(), _routes(answered), call)
        self._within("ACK")

    def hang_up(self) -> None:
        """End a call that this phone began; returns once that is answered."""
        self._within("BYE")
        answered = self.response()
        assert (answered.cseq.method, answered.status) == ("BYE", 200), bytes(answered)

    def _within(self, method: str) -> None:
        target, to, routes, call = self.dialog
        self._send(method, target, to, call, "", *(f"Route: {route}" for route in routes))

    def _ask(self, method: str, uri: str, to: str, call: str, *fields: str) -> Response:
        self._send(method, uri, to, call, "", *fields)
        challenge = self.response()
        assert challenge.status == 401, challenge.status
        self._authorized(challenge, method, uri, to, call, "", *fields)
        return self.response()

    def _authorized(self, challenge, method, uri, to, call, body, *fields) -> None:
        credentials = answer(
            challenge.get_all(b"www-authenticate"),
            self.login,
            "secret",
            method,
            uri.encode(),
            cnonce="c",
        )
        given = "Authorization: " + credentials.decode()
        self._send(method, uri, to, call, body, given, *fields)

    def _send(
        self, method: str, uri: str, to: str, call: str, body: str = "", *fields: str
    ) -> None:
        self.count += method != "ACK"
        kind = ("Content-Type: application/sdp",) if body else ()
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.private}:5060;rport;branch=z9hG4bK{call}{method}{self.count}",
            "Max-Forwards: 70", f"From: <sip:{self.login}@127.0.0.1>;tag={self.login}", f"To: {to}",
            f"Call-ID: {call}", f"CSeq: {self.count} {method}", f"X-Node: {self.node}",
            f"Contact: <sip:{self.login}@{self.private}:5060>", *fields, *kind,
            f"Content-Length: {len(body)}", "", body,
        ]  # fmt: skip
        self.sip.sendto("\r\n".join(lines).encode(), self.edge)

    # What comes

    def response(self) -> Response:
        """The final response to the last request; others are copies of what came before."""
        while True:
            message = parse_message(self.sip.recv(65_535))
            if not isinstance(message, Response) or message.cseq.number != self.count:
                continue
            if message.status >= 200:
                return message

    def request(self, method: str) -> Request:
        """The next request of a method; others are answered with 200."""
        while True:
            message = parse_message(self.sip.recv(65_535))
            if isinstance(message, Request):
                if message.method == method:
                    return message
                if message.method != "ACK":
                    self.answer(message)

    def answer(self, request: Request, status: int = 200, body: str = "") -> None:
        """Answer a request; an INVITE with a description of this phone's sound."""
        if status == 200 and request.method == "INVITE":
            body = self._sdp()
        fields = [(b"Record-Route", route) for route in request.get_all(b"record-route")]
        fields.append((b"Contact", f"<sip:{self.login}@{self.private}:5060>".encode()))
        if body:
            fields.append((b"Content-Type", b"application/sdp"))
        response = request.respond(
            status, None, to_tag=self.login, fields=tuple(fields), body=body.encode()
        )
        self.sip.sendto(bytes(response), self.edge)

    # Sound

    def _sdp(self) -> str:
        port = self.rtp.getsockname()[1]
        return (
            f"v=0\r\no=- 1 1 IN IP4 {self.private}\r\ns=-\r\nc=IN IP4 {self.private}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )

    def say(self, description: bytes, number: int) -> None:
        """One packet of sound to where a description wants it; it bears the speaker's name."""
        media = re.search(rb"c=IN IP4 (\S+).*?m=audio (\d+)", description, re.DOTALL)
        head = (
            b"\x80\x00" + number.to_bytes(2) + (160 * number).to_bytes(4) + self.login.encode()[:4]
        )
        body = self.login.encode().ljust(160, b"\xff")
        self.rtp.sendto(head.ljust(12, b".") + body, (media[1].decode(), int(media[2])))

    def hears(self) -> str | None:
        """The name in a packet that came; None: none has come yet."""
        self.rtp.settimeout(0.01)
        try:
            return self.rtp.recv(2_000)[12:].rstrip(b"\xff").decode()
        except TimeoutError:
            return None


def talk(caller: ScriptedPhone, callee: ScriptedPhone, number: str, call: str) -> None:
    """A call with sound both ways, which the caller ends; dialled again while the switch asks for
    that."""
    for attempt in range(ATTEMPTS):
        with contextlib.suppress(Unavailable):
            caller.invite(number, f"{call}-{attempt}")
            break
        time.sleep(1)
    call = f"{call}-{attempt}"
    invite = callee.request("INVITE")
    callee.answer(invite, 180)
    callee.answer(invite)
    answered = caller.response()
    assert answered.status == 200, answered.status
    caller.acknowledge(answered, call)
    callee.request("ACK")
    heard: set[str | None] = set()
    for packet in range(PACKETS):
        caller.say(answered.body, packet)
        callee.say(invite.body, packet)
        heard |= {caller.hears(), callee.hears()}
        if heard >= {caller.login, callee.login}:
            break
    assert heard >= {caller.login, callee.login}
    caller.hang_up()
    callee.answer(callee.request("BYE"))


def _target(response: Response) -> str:
    return re.search(rb"<([^>]*)>", response.get(b"contact"))[1].decode()


def _routes(response: Response) -> list[str]:
    return [route.decode() for route in reversed(response.get_list(b"record-route"))]
