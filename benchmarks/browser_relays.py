"""The relays that pass calls of browsers on: our own worker, in batches or packet by packet, and
another relay in user space (that of :mod:`benchmarks.relays`)."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from benchmarks.browser_legs import PASSWORD
from benchmarks.relays import HOST, PORTS, Ports, Rtpengine, plain_sdp, port_of, rtpengine
from rtp.client import MediaWorkers
from rtp.control import WebTerms
from rtp.dtls import fingerprint_of, make_certificate
from rtp.session import BATCH_FROM, MediaSession, MediaSettings

RELAYS = ("own", "single", "other")
UFRAG = "theirs"
"""The browsers' own."""


@dataclass(frozen=True, slots=True)
class Call:
    """The facts of the relay that a browser needs, and the address that the phone sends to."""

    browser_port: int
    phone_port: int
    username: str
    password: str
    fingerprint: str


class BrowserRelay(Protocol):
    """Sets calls up and says who works for them."""

    pid: int

    async def connect(self, ports: Ports, fingerprint: str) -> list[Call]:
        """Open calls between browsers, which have all one certificate, and plain phones."""

    async def close(self) -> None:
        """End the calls."""


class OwnWorker:
    """A worker of ours."""

    def __init__(self, media: MediaWorkers, fingerprint: str) -> None:
        self._media = media
        self._fingerprint = fingerprint
        (self.pid,) = media.pids
        self._sessions: list[MediaSession] = []

    async def connect(self, ports: Ports, fingerprint: str) -> list[Call]:
        calls = []
        for number, (_, phone) in enumerate(ports):
            session = await self._media.open(HOST, HOST)
            ufrag = f"ours{number}"
            terms = WebTerms(ufrag, PASSWORD, UFRAG, (fingerprint,))
            session.set_remote("a", None, 9, 9, "sendrecv", web=terms)
            session.set_remote("b", HOST, phone, phone + 1, "sendrecv")
            self._sessions.append(session)
            calls.append(
                Call(session.a_port, session.b_port, f"{ufrag}:{UFRAG}", PASSWORD,
                     self._fingerprint)
            )  # fmt: skip
        return calls

    async def close(self) -> None:
        await asyncio.gather(*(session.close() for session in self._sessions))
        ((_, left),) = await self._media.statuses()
        assert left is not None and left.sessions == left.ports_in_use == 0, left


class OtherRelay:
    """Another relay."""

    def __init__(self, relay: Rtpengine) -> None:
        self._relay = relay
        self.pid = relay.pid

    async def connect(self, ports: Ports, fingerprint: str) -> list[Call]:
        calls = []
        for number, (browser, phone) in enumerate(ports):
            call = {"call-id": f"call{number}", "from-tag": "a", "ICE-lite": "both"}
            call |= {"transport-protocol": "RTP/AVP", "ICE": "remove", "DTLS": "passive"}
            offered = _browser_sdp(browser, fingerprint)
            to_b = self._relay.ask({"command": "offer", "sdp": offered} | call)
            call |= {"transport-protocol": "UDP/TLS/RTP/SAVPF", "ICE": "force"}
            answer = {"command": "answer", "to-tag": "b", "sdp": plain_sdp(phone)}
            to_a = self._relay.ask(answer | call)
            username = f"{_value_of(to_a, b'ice-ufrag')}:{UFRAG}"
            password = _value_of(to_a, b"ice-pwd")
            named = _value_of(to_a, b"fingerprint")
            calls.append(Call(port_of(to_a), port_of(to_b), username, password, named))
        return calls

    async def close(self) -> None:
        """Its end ends them."""


def _browser_sdp(port: int, fingerprint: str) -> str:
    return (
        f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
        f"m=audio {port} UDP/TLS/RTP/SAVPF 0\r\na=sendrecv\r\na=rtcp-mux\r\na=setup:actpass\r\n"
        f"a=ice-ufrag:{UFRAG}\r\na=ice-pwd:the-password-of-the-browser\r\n"
        f"a=fingerprint:{fingerprint}\r\n"
        f"a=candidate:1 1 udp 2130706431 {HOST} {port} typ host\r\n"
    )


def _value_of(answer: bytes, name: bytes) -> str:
    """An attribute of a description."""
    return answer.partition(b"a=" + name + b":")[2].split(b"\r\n", 1)[0].decode()


@contextlib.asynccontextmanager
async def started(name: str, core: int | None) -> AsyncIterator[BrowserRelay]:
    """One of RELAYS, on a core of its own.

    Raises:
        LookupError: it isn't here; one line.
    """
    if name == "other":
        async with rtpengine(core) as peer:
            yield OtherRelay(peer)
        return
    ours = make_certificate(datetime.now(UTC))
    settings = MediaSettings(certificate=ours, batch_from=BATCH_FROM if name == "own" else None)
    media = MediaWorkers(HOST, PORTS, 1, settings)
    await media.start()
    try:
        worker = OwnWorker(media, fingerprint_of(ours.certificate))
        if core is not None:
            os.sched_setaffinity(worker.pid, {core})
        yield worker
    finally:
        await media.close()
