"""The relays that are compared: our own worker with and without the kernel tier and io_uring, and
rtpengine in user space (Debian's rtpengine-daemon)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator
from typing import Protocol

from rtp.client import MediaWorkers
from rtp.session import BATCH_FROM, MediaSession, MediaSettings

HOST = "127.0.0.1"
PORTS = (20_000, 59_999)
Ports = list[tuple[int, int]]
"""The ports of both sides of each call."""


class Relay(Protocol):
    """Sets calls up and says who works for them."""

    pid: int

    async def connect(self, phones: Ports) -> Ports:
        """Open calls between phones; where each of them has to send to."""


class OwnWorker:
    """A worker of ours."""

    def __init__(self, media: MediaWorkers) -> None:
        self._media = media
        (self.pid,) = media.pids
        self.sessions: list[MediaSession] = []

    async def connect(self, phones: Ports) -> Ports:
        for a, b in phones:
            session = await self._media.open(HOST, HOST)
            session.set_remote("a", HOST, a, a + 1, "sendrecv")
            session.set_remote("b", HOST, b, b + 1, "sendrecv")
            self.sessions.append(session)
        return [(session.a_port, session.b_port) for session in self.sessions]


class Rtpengine:
    """rtpengine, told what to do by its ng protocol."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(3)
        self._socket.connect((HOST, port))
        self._cookie = 0

    async def connect(self, phones: Ports) -> Ports:
        opened: Ports = []
        for number, (a, b) in enumerate(phones):
            call = {"call-id": f"call{number}", "from-tag": "a", "ICE": "remove"}
            to_b = self.ask({"command": "offer", "sdp": plain_sdp(a)} | call)
            to_a = self.ask({"command": "answer", "to-tag": "b", "sdp": plain_sdp(b)} | call)
            opened.append((port_of(to_a), port_of(to_b)))
        return opened

    def ask(self, question: dict[str, str]) -> bytes:
        """The answer to a question of its protocol.

        Raises:
            RuntimeError: it says no.
        """
        self._cookie += 1
        body = b"".join(_text(part) for pair in sorted(question.items()) for part in pair)
        self._socket.send(b"%d d" % self._cookie + body + b"e")
        answer = self._socket.recv(65_536)
        if b"6:result2:ok" not in answer:
            raise RuntimeError(answer.decode("utf-8", "replace"))
        return answer


def _text(text: str) -> bytes:
    """As bencode writes it."""
    return b"%d:%s" % (len(text), text.encode())


def plain_sdp(port: int) -> str:
    """The description of a plain phone."""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0\r\na=sendrecv\r\n"
    )


def port_of(answer: bytes) -> int:
    """The port of the sound in a description."""
    return int(answer.partition(b"m=audio ")[2].split(b" ", 1)[0])


@contextlib.asynccontextmanager
async def started(name: str, core: int | None) -> AsyncIterator[Relay]:
    """ "kernel", "relay", "epoll" (that without io_uring) or "rtpengine", on a core of its own.

    Raises:
        LookupError: it isn't here, or can't be; one line.
    """
    if name == "rtpengine":
        async with rtpengine(core) as peer:
            yield peer
        return
    batch_from = None if name == "epoll" else BATCH_FROM
    settings = MediaSettings(fast_path=name == "kernel", batch_from=batch_from)
    media = MediaWorkers(HOST, PORTS, 1, settings)
    await media.start()
    try:
        ((_, status),) = await media.statuses()
        if name == "kernel" and status is not None and not status.fast_path:
            raise LookupError(status.refused)
        worker = OwnWorker(media)
        if core is not None:
            os.sched_setaffinity(worker.pid, {core})
        yield worker
        await asyncio.gather(*(session.close() for session in worker.sessions))
    finally:
        await media.close()


@contextlib.asynccontextmanager
async def rtpengine(core: int | None) -> AsyncIterator[Rtpengine]:
    """It alone.

    Raises:
        LookupError: it isn't here; one line.
    """
    program = shutil.which("rtpengine")
    if program is None:
        raise LookupError("it isn't installed (Debian package rtpengine-daemon)")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    command = [
        *pinned,
        program,
        *("--config-file=none", "--table=-1", f"--interface={HOST}", "--foreground"),
        *(f"--listen-ng={HOST}:{port}", f"--port-min={PORTS[0]}", f"--port-max={PORTS[1]}"),
        *("--num-threads=1", "--log-level=3", "--log-stderr", "--delete-delay=0"),
    ]
    nowhere = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stderr=nowhere)
    try:
        await asyncio.sleep(1)
        yield Rtpengine(process.pid, port)
    finally:
        process.terminate()
        await process.wait()
