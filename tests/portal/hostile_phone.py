"""A phone that may call, and that writes a script into everything that it says of itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from sip.digest import answer
from sip.framing import StreamFramer
from sip.message import Response
from sip.reading import parse_message

SCRIPT = "<zz9 onload=alert(1)>"
USER = "%3Czz9%20onload%3Dalert(1)%3E"
SDP = (
    f"v=0\r\no=<zz9> 1 1 IN IP4 127.0.0.1\r\ns={SCRIPT}\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    f"m=audio 4000 RTP/AVP 0\r\na={SCRIPT}\r\n"
)


class HostilePhone:
    """Over TCP; each request is proven when it is challenged."""

    def __init__(self, port: int, login: str, password: str, domain: str) -> None:
        self._login, self._password, self._domain = login, password, domain
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._messages = self._read()
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def register(self) -> int:
        address = f"sip:{self._login}@{self._domain}"
        return self._ask("REGISTER", f"sip:{self._domain}", address).status

    def call(self, user: str) -> int:
        """The final status of a call."""
        address = f"sip:{user}@{self._domain}"
        return self._ask("INVITE", address, address, "application/sdp", SDP).status

    def text(self, user: str) -> int:
        address = f"sip:{user}@{self._domain}"
        return self._ask("MESSAGE", address, address, "text/plain", SCRIPT).status

    def _ask(self, method: str, uri: str, to: str, kind: str = "", body: str = "") -> Response:
        self._sequence += 1
        response = self._send(method, uri, to, kind, body, [])
        if response.status == 401:
            proof = answer(
                response.get_all(b"www-authenticate"), self._login, self._password, method,
                uri.encode(), cnonce="c",
            )  # fmt: skip
            assert proof is not None
            self._sequence += 1
            response = self._send(method, uri, to, kind, body, [f"Authorization: {proof.decode()}"])
        return response

    def _send(
        self, method: str, uri: str, to: str, kind: str, body: str, more: list[str]
    ) -> Response:
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{self._sequence}",
            "Max-Forwards: 70",
            f'From: "{SCRIPT}" <sip:{self._login}@{self._domain}>;tag=t',
            f"To: <{to}>",
            f"Call-ID: <zz9>{self._sequence}@<zz9>",
            f"CSeq: {self._sequence} {method}",
            f"Contact: <sip:{USER}@127.0.0.1;transport=tcp>",
            f"User-Agent: {SCRIPT}",
            f"Subject: {SCRIPT}",
            *more,
            *([f"Content-Type: {kind}"] if kind else []),
            f"Content-Length: {len(body)}",
            "",
            body,
        ]
        self._socket.sendall("\r\n".join(lines).encode())
        while True:
            message = parse_message(next(self._messages))
            if isinstance(message, Response) and message.status >= 200:
                break
        if method == "INVITE":
            self._acknowledge(message, uri)
        return message

    def _acknowledge(self, response: Response, uri: str) -> None:
        kept = [
            f"{name.title()}: {value.decode()}"
            for name in ("via", "from", "to", "call-id")
            for value in response.get_all(name.encode())[:1]
        ]
        lines = [f"ACK {uri} SIP/2.0", *kept, "Max-Forwards: 70",
                 f"CSeq: {response.cseq.number} ACK", "Content-Length: 0", "", ""]  # fmt: skip
        self._socket.sendall("\r\n".join(lines).encode())

    def _read(self) -> Iterator[bytes]:
        framer = StreamFramer(65_535)
        while data := self._socket.recv(65_536):
            yield from (item for item in framer.feed(data) if isinstance(item, bytes))
