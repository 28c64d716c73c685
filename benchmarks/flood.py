"""A flood from strangers: `python -m benchmarks.flood [--seconds 60] [--rate 5000]`.

Twenty calls talk through a switch of its own while strangers on other loopback addresses send
requests of each method, one method after another. Told are the switch's memory before, at the end
and a minute later, what the calls' sound lost, and how long a real phone's registration took.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import socket
import subprocess
import sys
import time

from benchmarks.machine import describe
from benchmarks.switchboard import DIALLED_PREFIX, HOST, PASSWORD, Switchboard, login
from sip.credentials import Credentials
from sip.dialog import Dialog
from sip.endpoint import Endpoint, Listen
from sip.events import Answered, Event, Received
from sip.flow import Flow
from sip.message import Response
from sip.session import Session
from sip.transaction_layer import ClientTransaction
from sip.user_agent import Invitation, UserAgent

CALLS = 20
METHODS = ("REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE", "BYE", "CANCEL", "INFO")
STRANGERS = 200
"""Addresses that the flood comes from."""
PACKET_SECONDS = 0.02
REST_SECONDS = 60.0
TICK_SECONDS = 0.005
RETRY_SECONDS = 2.0
"""A phone that was told to come back does so when it likes; an impatient one soon."""


def flood(port: int, method: str, rate: int, seconds: float) -> None:
    """Send requests from many addresses; answers are left unread."""
    sockets = []
    for index in range(STRANGERS):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((f"127.1.{index // 250}.{index % 250 + 1}", 0))
        sock.setblocking(False)
        sockets.append(sock)
    started, sent = time.monotonic(), 0
    while (now := time.monotonic()) - started < seconds:
        for _ in range(int((now - started) * rate) - sent):
            request = (
                f"{method} sip:{HOST} SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK{sent};rport\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:stranger{sent % 999}@x>;tag={sent}\r\n"
                f"To: <sip:somebody@{HOST}>\r\nCall-ID: {sent}@x\r\nCSeq: 1 {method}\r\n"
                f"Contact: <sip:x@x>\r\nContent-Length: 0\r\n\r\n"
            )
            sockets[sent % STRANGERS].sendto(request.encode(), (HOST, port))
            sent += 1
        time.sleep(TICK_SECONDS)
    print(sent)


class Peer:
    """A phone or the trunk's far end, on real sockets."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: tuple[str, int]) -> None:
        self.agent = UserAgent(
            randbits=random.SystemRandom().getrandbits,
            sent_by=lambda flow: flow.local,
            server="bench",
        )
        self.loop = loop
        self.server = server
        self.endpoint = Endpoint(self.agent, loop, self._on_event, print, busy_seconds=10.0)
        self.talks: list[tuple[socket.socket, int]] = []
        """Our media socket and the switch's port."""
        self.sent = self.heard = 0
        self._sockets: dict[Session, socket.socket] = {}
        self._registered: asyncio.Future[int] = loop.create_future()

    @property
    def flow(self) -> Flow:
        listening = self.endpoint.listening[0]
        return Flow("udp", (listening.host, listening.port), self.server)

    def _offer(self, session: Session | None = None) -> bytes:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((HOST, 0))
        sock.setblocking(False)
        self.loop.add_reader(sock, self._hear, sock)
        self._last = sock
        port = sock.getsockname()[1]
        return (
            f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        ).encode()

    def _hear(self, sock: socket.socket) -> None:
        sock.recv(2048)
        self.heard += 1

    def call(self, index: int) -> None:
        target = f"{DIALLED_PREFIX}{1_000_000 + index}".encode()
        invitation = Invitation(
            self.flow,
            b"sip:%s@%s" % (target, HOST.encode()),
            f"<sip:{login(index)}@{HOST}>".encode(),
            b"<sip:%s@%s>" % (target, HOST.encode()),
            credentials=Credentials(login(index), PASSWORD),
        )
        session = self.agent.invite(invitation, self._offer(), self.loop.time())
        session.owner = self
        self._sockets[session] = self._last
        self.endpoint.drain()

    def _on_event(self, event: Event) -> None:
        match event:
            case Received(request) if request.method == "INVITE":
                session = self.agent.open_session(event, self.loop.time(), pinned=True)
                session.owner = self
                session.accept(self._offer(), self.loop.time())
                self.talks.append((self._last, _port(request.body)))
            case Received(request, flow):
                self.agent.stack.answer(request, flow, 200)
            case Answered(session, response):
                self.talks.append((self._sockets[session], _port(response.body)))

    def talk(self, sequence: int) -> None:
        head = b"\x80\x00" + (sequence & 0xFFFF).to_bytes(2, "big")
        packet = head + (sequence * 160 & 0xFFFFFFFF).to_bytes(4, "big") + b"ssrc" + bytes(160)
        for sock, port in self.talks:
            sock.sendto(packet, (HOST, port))
            self.sent += 1

    async def register(self, index: int) -> float:
        """Seconds until the 200; who is told to come back does so."""
        started = self.loop.time()
        while (status := await self._try_to_register(index)) == 503:  # noqa: ASYNC110
            await asyncio.sleep(RETRY_SECONDS)
        assert status == 200, status
        return self.loop.time() - started

    async def _try_to_register(self, index: int) -> int:
        me = f"<sip:{login(index)}@{HOST}>".encode()
        dialog = Dialog(
            call_id=self.agent.stack.token(),
            local=me + b";tag=r",
            local_tag="r",
            remote=me,
            remote_tag=None,
            remote_target=b"sip:" + HOST.encode(),
            route_set=(),
            contact=b"",
            flow=self.flow,
            pinned=True,
        )
        self._registered = self.loop.create_future()
        fields = [(b"Contact", b"<sip:x@%s:%d>" % (HOST.encode(), self.flow.local[1]))]
        credentials = Credentials(login(index), PASSWORD)
        now = self.loop.time()
        self.agent.stack.send_in_dialog(dialog, "REGISTER", fields, b"", credentials, now, self)
        self.endpoint.drain()
        async with asyncio.timeout(40):
            return await self._registered

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status not in (401, 407) and not self._registered.done():
            self._registered.set_result(response.status)

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        if not self._registered.done():
            self._registered.set_result(status)


def _port(description: bytes) -> int:
    return int(description.split(b"m=audio ", 1)[1].split(b" ", 1)[0])


def resident_mb(pid: int) -> float:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


async def measure(board: Switchboard, rate: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = (HOST, board.port)
    caller, trunk, phone = (Peer(loop, server) for _ in range(3))
    await caller.endpoint.listen(Listen("udp", HOST, 0))
    await phone.endpoint.listen(Listen("udp", "127.9.9.9", 0))
    await trunk.endpoint.listen(Listen("udp", HOST, board.trunk_port))
    for index in range(CALLS):
        caller.call(index)
        await asyncio.sleep(0.05)
    await asyncio.sleep(2.0)
    assert len(caller.talks) == len(trunk.talks) == CALLS, (len(caller.talks), len(trunk.talks))
    switch = board.pids[0]
    before = resident_mb(switch)
    print(f"{CALLS} calls talk; the switch has {before:.0f} MB")
    talking = loop.create_task(_talk(caller, trunk))
    for method in METHODS:
        heard, sent = caller.heard + trunk.heard, caller.sent + trunk.sent
        command = [sys.executable, "-m", "benchmarks.flood", "--flood", method]
        command += ["--port", str(board.port), "--rate", str(rate), "--seconds", str(seconds)]
        strangers = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        slowest = 0.0
        while strangers.returncode is None:
            slowest = max(slowest, await phone.register(CALLS + 1))
            await asyncio.sleep(0.5)
        assert strangers.stdout is not None
        requests = int(await strangers.stdout.read())
        lost = 1 - (caller.heard + trunk.heard - heard) / (caller.sent + trunk.sent - sent)
        print(
            f"{method:<10} {requests / seconds:5.0f}/s for {seconds:.0f} s: "
            f"{resident_mb(switch):.0f} MB, sound lost {100 * lost:.2f} %, "
            f"slowest registration {1000 * slowest:.0f} ms"
        )
    peak = resident_mb(switch)
    await asyncio.sleep(REST_SECONDS)
    after = resident_mb(switch)
    print(f"memory: {before:.0f} MB before, {peak:.0f} at the end, {after:.0f} a minute later")
    talking.cancel()


async def _talk(*peers: Peer) -> None:
    """A packet every 20 ms for each side, by the clock."""
    started, sequence = time.monotonic(), 0
    while True:
        for peer in peers:
            peer.talk(sequence)
        sequence += 1
        await asyncio.sleep(max(0.0, started + sequence * PACKET_SECONDS - time.monotonic()))


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.flood", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each method")
    parser.add_argument("--rate", type=int, default=5000, help="requests a second")
    parser.add_argument("--flood", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.flood:
        flood(chosen.port, chosen.flood, chosen.rate, chosen.seconds)
        return
    print(describe())
    # Only the callers' and the trunk's address is exempt: the others are strangers.
    with Switchboard(None, CALLS + 2, GUARD__EXEMPT=f"{HOST}/32") as board:
        asyncio.run(measure(board, chosen.rate, chosen.seconds))


if __name__ == "__main__":
    main()
