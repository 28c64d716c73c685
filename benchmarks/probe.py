"""A caller of its own beside the load, who times each call's ringing to the microsecond.

`python -m benchmarks.probe PORT LOGIN RATE SECONDS` prints a line of JSON: milliseconds from each
INVITE, the challenge included, to its 180. SIPp's own clock ticks in milliseconds; here the kernel
stamps what arrives.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass, field

from benchmarks.switchboard import DIALLED_PREFIX, HOST, PASSWORD

SO_TIMESTAMPNS = 35
TIMESPEC = struct.Struct("@qq")
TALK_SECONDS = 0.05
PATIENCE_SECONDS = 2.0
FIRST = 5_000_000
"""Numbers that the load doesn't dial."""
SDP = b"v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio 9000 RTP/AVP 8\r\n"


@dataclass
class Attempt:
    """One call."""

    call_id: bytes
    number: str
    tag: str
    sent_at: int
    """Epoch nanoseconds."""
    cseq: int = 1
    rang: bool = False
    answered: bool = False
    over: bool = False
    hang_up_at: float = 0.0
    to: bytes = b""
    target: bytes = b""


@dataclass
class Probe:
    """All calls of a probe, on one socket."""

    port: int
    login: str
    socket: socket.socket = field(init=False)
    calls: dict[bytes, Attempt] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind((HOST, 0))
        self.me = f"{HOST}:{self.socket.getsockname()[1]}"

    def run(self, rate: float, seconds: float) -> list[float]:
        """Call evenly; milliseconds of each call that rang."""
        begin = time.monotonic()
        due = [begin + index / rate for index in range(round(rate * seconds))]
        while True:
            now = time.monotonic()
            while due and due[0] <= now:
                due.pop(0)
                self._call()
            self._hang_up(now)
            waiting = [call for call in self.calls.values() if not call.over]
            if not due and (not waiting or now > begin + seconds + PATIENCE_SECONDS):
                return self.milliseconds
            if select.select([self.socket], [], [], 0.002)[0]:
                self._receive()

    # Sending

    def _call(self) -> None:
        index = len(self.calls)
        call_id = f"probe{index}-{os.getpid()}".encode()
        call = Attempt(call_id, f"{DIALLED_PREFIX}{FIRST + index}", os.urandom(4).hex(), 0)
        self.calls[call_id] = call
        call.sent_at = time.time_ns()
        self._invite(call, b"")

    def _invite(self, call: Attempt, authorization: bytes) -> None:
        body = SDP % (HOST.encode(), HOST.encode())
        more = authorization + b"Content-Type: application/sdp\r\n"
        self._send(call, "INVITE", self._uri(call), f"i{call.cseq}", more, body)

    def _uri(self, call: Attempt) -> str:
        return f"sip:{call.number}@{HOST}:{self.port}"

    def _send(
        self,
        call: Attempt,
        method: str,
        uri: str,
        branch: str,
        more: bytes = b"",
        body: bytes = b"",
    ) -> None:
        to = call.to or f"<{self._uri(call)}>".encode()
        head = (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.me};rport;branch=z9hG4bK{call.tag}{branch}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{self.login}@{HOST}>;tag={call.tag}\r\n"
            f"Call-ID: {call.call_id.decode()}\r\nCSeq: {call.cseq} {method}\r\n"
            f"Contact: <sip:{self.login}@{self.me}>\r\n"
        ).encode()
        head += b"To: " + to + b"\r\n" + more + b"Content-Length: %d\r\n\r\n" % len(body)
        self.socket.sendto(head + body, (HOST, self.port))

    def _hang_up(self, now: float) -> None:
        for call in self.calls.values():
            if call.hang_up_at and now >= call.hang_up_at:
                call.hang_up_at = 0.0
                call.cseq += 1
                self._send(call, "BYE", call.target.decode(), "b")

    # Receiving

    def _receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, ancillary, _, _ = self.socket.recvmsg(4096, 64)
                seconds, nanoseconds = TIMESPEC.unpack(ancillary[0][2])
                call = self.calls.get(_value(data, b"Call-ID"))
                if call is not None and data.startswith(b"SIP/2.0 "):
                    self._answered(call, data, seconds * 10**9 + nanoseconds)

    def _answered(self, call: Attempt, data: bytes, at: int) -> None:
        status, method = int(data[8:11]), _value(data, b"CSeq").split()[1]
        if method == b"BYE":
            call.over = True
        elif status == 401 and call.cseq == 1:
            self._prove(call, data)
        elif status == 180 and not call.rang:
            call.rang = True
            self.milliseconds.append((at - call.sent_at) / 1e6)
        elif 200 <= status < 300:
            call.to = _value(data, b"To")
            call.target = _value(data, b"Contact").strip(b"<>")
            self._send(call, "ACK", call.target.decode(), "a")
            if not call.answered:
                call.answered, call.hang_up_at = True, time.monotonic() + TALK_SECONDS
        elif status >= 300:
            call.over = True

    def _prove(self, call: Attempt, data: bytes) -> None:
        call.to = _value(data, b"To")
        self._send(call, "ACK", self._uri(call), "i1")
        call.to = b""
        call.cseq = 2
        challenge = _value(data, b"WWW-Authenticate").decode()
        nonce = re.search(r'nonce="([^"]+)"', challenge)
        realm = re.search(r'realm="([^"]+)"', challenge)
        assert nonce is not None and realm is not None
        ha1 = _md5(f"{self.login}:{realm[1]}:{PASSWORD}")
        ha2 = _md5(f"INVITE:{self._uri(call)}")
        response = _md5(f"{ha1}:{nonce[1]}:00000001:probe:auth:{ha2}")
        self._invite(
            call,
            (
                f'Authorization: Digest username="{self.login}", realm="{realm[1]}", '
                f'nonce="{nonce[1]}", uri="{self._uri(call)}", response="{response}", '
                'algorithm=MD5, qop=auth, nc=00000001, cnonce="probe"\r\n'
            ).encode(),
        )


def _value(data: bytes, name: bytes) -> bytes:
    """The value of a header field, which must be there."""
    start = data.index(b"\r\n" + name + b": ") + len(name) + 4
    return data[start : data.index(b"\r\n", start)]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def main() -> None:
    """Probe and print."""
    port, login, rate, seconds = sys.argv[1:]
    with contextlib.suppress(PermissionError):  # the load on the same core must not delay it
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    print(json.dumps(Probe(int(port), login).run(float(rate), float(seconds))))


if __name__ == "__main__":
    main()
