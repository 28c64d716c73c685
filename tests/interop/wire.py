"""A phone that is nothing but messages, over WebSocket or a stream."""

import asyncio
import itertools

import websockets

from sip.digest import answer
from sip.framing import StreamFramer
from sip.message import Request
from sip.reading import parse_message

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\n"
)


class Wire:
    """Sends and takes whole messages."""

    transport = "TCP"
    _made = itertools.count(1)

    def __init__(self, login, domain="127.0.0.1"):
        self.login = login
        self.domain = domain
        self.contact = f"<sip:{login}@{login}.invalid;transport={self.transport.lower()}>"
        self._count = itertools.count(1)
        self._unique = f"{login}{next(self._made)}x"

    async def send(self, text):
        raise NotImplementedError

    async def take(self):
        raise NotImplementedError

    async def hear(self, wanted):
        """The next message that is this status or method; others are passed over."""
        async with asyncio.timeout(10):
            while True:
                message = parse_message(await self.take())
                what = message.method if isinstance(message, Request) else message.status
                if what == wanted:
                    return message

    async def request(self, method, uri, *fields, to=None, call_id=None, body="", cseq=None):
        number = next(self._count)
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{self.transport} h.invalid;branch=z9hG4bK{self._unique}{number}",
            "Max-Forwards: 70", f"From: <sip:{self.login}@{self.domain}>;tag={self.login}",
            f"To: {to or f'<{uri}>'}", f"Call-ID: {call_id or f'{self._unique}{number}'}",
            f"CSeq: {cseq or number} {method}", f"Contact: {self.contact}",
            *(["Content-Type: application/sdp"] if body else []), *fields,
            f"Content-Length: {len(body)}", "", body,
        ]  # fmt: skip
        await self.send("\r\n".join(lines))

    async def respond(self, request, status, *fields, body=""):
        more = [tuple(part.strip().encode() for part in field.split(":", 1)) for field in fields]
        if body:
            more.append((b"Content-Type", b"application/sdp"))
        more.append((b"Contact", self.contact.encode()))
        response = request.respond(status, to_tag=self.login, fields=more, body=body.encode())
        await self.send(bytes(response).decode())

    async def prove(self, method, uri, *fields, password="secret", **more):
        """A request that is challenged once; the answer to its second try."""
        await self.request(method, uri, *fields, **more)
        challenge = await self.hear(401)
        if method == "INVITE":
            to = challenge.get(b"to").decode()
            await self.send(_ack(challenge, uri, to, self))
        value = answer(
            challenge.get_all(b"www-authenticate"), self.login, password, method, uri.encode(),
            cnonce="c", body=more.get("body", "").encode(),
        )  # fmt: skip
        await self.request(method, uri, *fields, "Authorization: " + value.decode(), **more)

    async def register(self, *fields, expires=600):
        target = f"sip:{self.login}@{self.domain}"
        await self.prove(
            "REGISTER", f"sip:{self.domain}", f"Expires: {expires}", *fields, to=f"<{target}>"
        )
        return await self.hear(200)


def _ack(response, uri, to, wire):
    via = response.get(b"via").decode()
    return (
        f"ACK {uri} SIP/2.0\r\nVia: {via}\r\nFrom: {response.get(b'from').decode()}\r\n"
        f"To: {to}\r\nCall-ID: {response.call_id}\r\nCSeq: {response.cseq.number} ACK\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )


class WebPhone(Wire):
    """Over WebSocket, as a browser."""

    transport = "WS"

    @classmethod
    async def open(cls, login, uri, **more):
        phone = cls(login)
        phone.socket = await websockets.connect(uri, subprotocols=["sip"], **more)
        return phone

    async def send(self, text):
        await self.socket.send(text)

    async def take(self):
        return (await self.socket.recv()).encode()

    async def close(self):
        await self.socket.close()


class StreamPhone(Wire):
    """Over TCP or TLS."""

    @classmethod
    async def open(cls, login, port, context=None, host="127.0.0.1", name=None):
        phone = cls(login)
        if context is not None:
            phone.transport = "TLS"
        phone.reader, phone.writer = await asyncio.open_connection(
            host, port, ssl=context, server_hostname=(name or host) if context else None
        )
        phone.framer, phone.whole = StreamFramer(65_535), []
        return phone

    async def send(self, text):
        self.writer.write(text.encode())
        await self.writer.drain()

    async def take(self):
        while not self.whole:
            data = await self.reader.read(65_536)
            if not data:
                raise ConnectionError("closed")
            self.whole += [item for item in self.framer.feed(data) if isinstance(item, bytes)]
        return self.whole.pop(0)

    async def close(self):
        self.writer.close()
