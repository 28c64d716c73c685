"""A phone's lamps: subscribes with digest at the switch and keeps what it is told."""

from __future__ import annotations

from exchange import Exchange
from world import SWITCH, Address

from sip import digest
from sip.message import Request, Response
from sip.reading import parse_message


class Lamp:
    """One subscription; `seen` has the body of each NOTIFY, `states` its Subscription-State."""

    METHOD = b"SUBSCRIBE"

    def __init__(self, exchange: Exchange, login: str, address: Address, password="secret"):
        self.exchange = exchange
        self.login = login
        self.address = address
        self.password = password
        self.status = 0
        self.headers: Response | None = None
        self.seen: list[str] = []
        self.states: list[str] = []
        self.events: list[str] = []
        self.answers = 200
        self._cseq = 0
        self._event = b""
        self._target = b""
        self._expires = 0
        self._tag = b""
        exchange.wire.attach(address, self._receive)

    def subscribe(self, event: str, target: str, expires: int = 600, *more: bytes) -> int:
        """Subscribe, wait for what comes of it; returns the status."""
        self._event, self._target, self._expires = event.encode(), target.encode(), expires
        self._more = more
        self._send(None)
        self.exchange.run(1.0)
        return self.status

    def refresh(self, expires: int = 600) -> int:
        self._expires = expires
        self._send(None)
        self.exchange.run(1.0)
        return self.status

    def _send(self, authorization: bytes | None) -> None:
        self._cseq += 1
        me = self.login.encode()
        host, port = self.address
        fields = [
            (
                b"Via",
                f"SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{id(self)}{self._cseq}".encode(),
            ),
            (b"Max-Forwards", b"70"),
            (b"From", b"<sip:%s@example.org>;tag=lamp" % me),
            (b"To", b"<sip:%s@example.org>" % self._target + self._tag),
            (b"Call-ID", b"%d@%s" % (id(self), host.encode())),
            (b"CSeq", b"%d %s" % (self._cseq, self.METHOD)),
            (b"Contact", f"<sip:{self.login}@{host}:{port}>".encode()),
            *self._wishes(),
        ]
        if authorization is not None:
            fields.append((b"Authorization", authorization))
        uri = b"sip:%s@example.org" % self._target
        self._put(Request.build(self.METHOD.decode(), uri, fields))

    def _wishes(self) -> list[tuple[bytes, bytes]]:
        return [(b"Event", self._event), (b"Expires", b"%d" % self._expires)]

    def _put(self, message: Request | Response) -> None:
        self.exchange.wire.send(bytes(message), self.address, SWITCH)

    def _receive(self, data: bytes, source: Address) -> None:
        message = parse_message(data)
        if isinstance(message, Request):
            self.seen.append(message.body.decode())
            self.states.append((message.get(b"subscription-state") or b"").decode())
            self.events.append((message.get(b"event") or b"").decode())
            self._put(message.respond(self.answers, to_tag="lamp"))
            return
        self.status, self.headers = message.status, message
        if message.status == 401 and self.password:
            challenges = message.get_all(b"www-authenticate")
            authorization = digest.answer(
                challenges, self.login, self.password, self.METHOD.decode(),
                b"sip:%s@example.org" % self._target, cnonce="c",
            )  # fmt: skip
            if self._cseq < 40:
                self._send(authorization)
        elif message.status == 200 and not self._tag and self.METHOD == b"SUBSCRIBE":
            self._tag = b";tag=" + (message.to_tag or "").encode()
