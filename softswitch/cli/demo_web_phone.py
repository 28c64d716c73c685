"""The web phone of the demo: SIP over WebSocket (RFC 7118) and WebRTC by aiortc.

Run as `python demo_web_phone.py LOGIN PASSWORD DOMAIN WEBSOCKET_URI HERTZ SECONDS [NUMBER]`; with a
NUMBER it calls, without one it answers. Says what happens as lines of JSON.
"""

from __future__ import annotations

import asyncio
import fractions
import itertools
import json
import secrets
import ssl
import sys
from typing import TypeVar

import numpy
import websockets
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtcconfiguration import RTCConfiguration
from av import AudioFrame

from sip.digest import answer
from sip.errors import ParseError
from sip.message import Request, Response
from sip.reading import parse_message

RATE, FRAME_SAMPLES = 48_000, 960
LOUDEST = 32_767
PATIENCE_SECONDS = 20.0
"""For each step of a call."""
CONTACT_HOST = "demo.invalid"
"""The host of a Contact that is reached by its WebSocket alone (RFC 7118 section 5)."""

Message = TypeVar("Message", Request, Response)


def say(event: str, **facts: object) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)


class Failed(Exception):
    """The call can't go on; one line that says why."""


class Tone(MediaStreamTrack):
    """A steady tone, in real time."""

    kind = "audio"

    def __init__(self, hertz: int) -> None:
        super().__init__()
        self._hertz = hertz
        self._sent = 0
        self._begun_at: float | None = None

    async def recv(self) -> AudioFrame:
        now = asyncio.get_running_loop().time()
        if self._begun_at is None:
            self._begun_at = now
        await asyncio.sleep(max(0.0, self._begun_at + self._sent / RATE - now))
        at = numpy.arange(self._sent, self._sent + FRAME_SAMPLES)
        samples = 8_000 * numpy.sin(2 * numpy.pi * self._hertz * at / RATE)
        shape = samples.astype(numpy.int16).reshape(1, -1)
        frame = AudioFrame.from_ndarray(shape, format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, self._sent
        frame.time_base = fractions.Fraction(1, RATE)
        self._sent += FRAME_SAMPLES
        return frame


class Ear:
    """The sound that arrives, as one channel."""

    def __init__(self) -> None:
        self._frames: list[numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.float64]]] = []
        self._rate = RATE
        self._listening: asyncio.Task[None] | None = None

    def hear(self, track: MediaStreamTrack) -> None:
        """Keep what a track brings, until it ends."""
        self._listening = asyncio.ensure_future(self._hear(track))

    async def _hear(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, AudioFrame)
                samples = frame.to_ndarray().astype(numpy.float64)
                self._frames.append(samples.reshape(-1, len(frame.layout.channels)).mean(axis=1))
                self._rate = frame.sample_rate
        except MediaStreamError:
            return

    def heard(self) -> tuple[int, int]:
        """The strongest whole 10 Hz, and its level (0 to 127)."""
        if sum(map(len, self._frames)) < self._rate // 2:
            return 0, 0
        signal = numpy.concatenate(self._frames)
        spectrum = numpy.abs(numpy.fft.rfft(signal * numpy.hanning(len(signal))))
        hertz = int(spectrum.argmax()) * self._rate / len(signal)
        level = int(numpy.sqrt(2 * (signal**2).mean()) * 127 / LOUDEST)
        return round(hertz / 10) * 10, level


class Signalling:
    """SIP of one line over one WebSocket, one call at a time."""

    def __init__(
        self, socket: websockets.ClientConnection, login: str, password: str, domain: str
    ) -> None:
        self._socket = socket
        self._login, self._password, self._domain = login, password, domain
        self._tag = secrets.token_hex(4)
        self._call_id = secrets.token_hex(8)
        self._contact = f"<sip:{login}@{CONTACT_HOST};transport=ws>"
        self._count = itertools.count(1)
        self._to, self._target = "", ""
        """Of the call: its To with the switch's tag, and the switch's Contact."""
        self._cseq = 0

    async def wait_for(self, kind: type[Message], *wanted: str | int) -> Message:
        """The next request of one of these methods, or response of one of these statuses; what
        else comes is passed over. Raises Failed: a refusal, or nothing in time."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    data = await self._socket.recv()
                    message = _read(data if isinstance(data, bytes) else data.encode())
                    if message is None:
                        continue
                    if isinstance(message, Response) and message.status not in (*wanted, 401):
                        if message.status >= 300 and kind is Response:
                            raise Failed(f"the switch says {message.status} {message.reason}")
                        continue
                    what = message.method if isinstance(message, Request) else message.status
                    if isinstance(message, kind) and what in wanted:
                        return message
        except (TimeoutError, websockets.ConnectionClosed):
            names = " or ".join(map(str, wanted))
            raise Failed(f"no {names} within {PATIENCE_SECONDS:.0f} s") from None

    async def _request(
        self, method: str, uri: str, to: str, cseq: int, *fields: str, body: str = ""
    ) -> None:
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/WS {CONTACT_HOST};branch=z9hG4bK{secrets.token_hex(8)}",
            "Max-Forwards: 70",
            f"From: <sip:{self._login}@{self._domain}>;tag={self._tag}",
            f"To: {to}",
            f"Call-ID: {self._call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: {self._contact}",
            *fields,
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body.encode())}",
        ]
        await self._socket.send("\r\n".join(lines) + "\r\n\r\n" + body)

    async def _prove(self, method: str, uri: str, to: str, *fields: str, body: str = "") -> int:
        """Send a request that is challenged; the CSeq of its second try."""
        first, second = next(self._count), next(self._count)
        await self._request(method, uri, to, first, *fields, body=body)
        challenge = await self.wait_for(Response, 401)
        if method == "INVITE":
            await self._acknowledge(challenge, uri, first)
        proof = answer(
            challenge.get_all(b"www-authenticate"), self._login, self._password, method,
            uri.encode(), cnonce=secrets.token_hex(8), body=body.encode(),
        )  # fmt: skip
        if proof is None:
            raise Failed("the switch asks for a digest that isn't known here")
        credentials = f"Authorization: {proof.decode()}"
        await self._request(method, uri, to, second, *fields, credentials, body=body)
        return second

    async def _acknowledge(self, response: Response, uri: str, cseq: int) -> None:
        """ACK a refusal (RFC 3261 section 17.1.1.3)."""
        names = ("via", "from", "to", "call-id")
        lines = [f"{name.title()}: {(response.get(name.encode()) or b'').decode()}"
                 for name in names]  # fmt: skip
        head = "\r\n".join([f"ACK {uri} SIP/2.0", *lines, f"CSeq: {cseq} ACK"])
        await self._socket.send(f"{head}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n")

    async def register(self, seconds: int) -> None:
        """Register for so long; 0: no more."""
        address = f"<sip:{self._login}@{self._domain}>"
        await self._prove("REGISTER", f"sip:{self._domain}", address, f"Expires: {seconds}")
        await self.wait_for(Response, 200)

    async def call(self, number: str, offer: str) -> str:
        """Call a number; the answer."""
        uri = f"sip:{number}@{self._domain}"
        self._cseq = await self._prove("INVITE", uri, f"<{uri}>", body=offer)
        ok = await self.wait_for(Response, 200)
        self._to = (ok.get(b"to") or b"").decode()
        self._target = bytes(ok.contacts[0].uri).decode()
        await self._request("ACK", self._target, self._to, self._cseq)
        return ok.body.decode()

    async def hang_up(self) -> None:
        await self._request("BYE", self._target, self._to, next(self._count))
        await self.wait_for(Response, 200)

    async def respond(self, request: Request, status: int, body: str = "") -> None:
        fields = [(b"Contact", self._contact.encode())]
        if body:
            fields.append((b"Content-Type", b"application/sdp"))
        response = request.respond(status, to_tag=self._tag, fields=fields, body=body.encode())
        await self._socket.send(bytes(response).decode())


def _read(data: bytes) -> Request | Response | None:
    try:
        return parse_message(data)
    except ParseError:
        return None


class WebPhone:
    """The phone: one call, and what is measured of it."""

    def __init__(self, signalling: Signalling, hertz: int) -> None:
        self._signalling = signalling
        self._ear = Ear()
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection.on("track", self._ear.hear)
        self._connection.addTrack(Tone(hertz))

    async def call(self, number: str, seconds: float) -> None:
        """Call, talk for so long, hang up."""
        connection, loop = self._connection, asyncio.get_running_loop()
        await connection.setLocalDescription(await connection.createOffer())
        begun = loop.time()
        say("calling", number=number)
        answered = await self._signalling.call(number, connection.localDescription.sdp)
        say("answered", ms=round(1000 * (loop.time() - begun)))
        await connection.setRemoteDescription(RTCSessionDescription(answered, "answer"))
        await self._keyed()
        await asyncio.sleep(seconds)
        await self._tell()
        await self._signalling.hang_up()
        say("hung up")

    async def be_called(self) -> None:
        """Answer the first call, and talk until the other party hangs up."""
        connection, signalling = self._connection, self._signalling
        invite = await signalling.wait_for(Request, "INVITE")
        say("ringing")
        await signalling.respond(invite, 180)
        offer = RTCSessionDescription(invite.body.decode(), "offer")
        await connection.setRemoteDescription(offer)
        await connection.setLocalDescription(await connection.createAnswer())
        await signalling.respond(invite, 200, connection.localDescription.sdp)
        await signalling.wait_for(Request, "ACK")
        say("answered")
        await self._keyed()
        bye = await signalling.wait_for(Request, "BYE")
        await self._tell()
        await signalling.respond(bye, 200)
        say("ended")

    async def _keyed(self) -> None:
        """Wait until ICE and DTLS are complete."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while self._connection.connectionState != "connected":
            late = loop.time() - begun > PATIENCE_SECONDS
            if late or self._connection.connectionState in ("failed", "closed"):
                raise Failed(f"ICE and DTLS are {self._connection.connectionState}")
            await asyncio.sleep(0.005)
        say("keyed", ms=round(1000 * (loop.time() - begun)))

    async def _tell(self) -> None:
        """Tell what was heard, and what the streams came to."""
        hertz, level = self._ear.heard()
        by_type = {one.type: one for one in (await self._connection.getStats()).values()}
        inbound, outbound = by_type.get("inbound-rtp"), by_type.get("outbound-rtp")
        reported = by_type.get("remote-inbound-rtp")
        say(
            "measured",
            sent=0 if outbound is None else outbound.packetsSent,
            received=0 if inbound is None else inbound.packetsReceived,
            lost=0 if inbound is None else inbound.packetsLost,
            lost_there="no report came" if reported is None else reported.packetsLost,
        )
        say("heard", hertz=hertz, level=level)

    async def close(self) -> None:
        await self._connection.close()


async def main(arguments: list[str]) -> int:
    login, password, domain, uri, hertz, seconds, *target = arguments
    context = None
    if uri.startswith("wss:"):  # its own machine, by whatever name the certificate has
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    protocols = [websockets.Subprotocol("sip")]
    async with websockets.connect(uri, subprotocols=protocols, ssl=context) as socket:
        signalling = Signalling(socket, login, password, domain)
        phone = WebPhone(signalling, int(hertz))
        try:
            await signalling.register(300)
            say("registered", login=login)
            if target:
                await asyncio.to_thread(sys.stdin.readline)  # told when the other phone is ready
                await phone.call(target[0], float(seconds))
            else:
                await phone.be_called()
            await signalling.register(0)
        except Failed as error:
            say("failed", why=str(error))
            return 1
        finally:
            await phone.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
