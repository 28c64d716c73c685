"""Senders that repeat their requests by the timers of RFC 3261, and cost little beside a switch.

Registrations with digest (:class:`Phones`), calls with digest (:class:`Callers`) and a trunk that
answers them (:class:`Trunk`). No I/O: `now` is monotonic, in seconds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from sip.timers import Timers
from sip.transaction import T1, T2, TIMEOUT

RING_SECONDS = 0.01
HOLD_SECONDS = 0.05
Write = Callable[[bytes], None]
"""Sends a datagram to the switch."""

_BRANCH = re.compile(rb"branch=z9hG4bK([0-9]+)\.([0-9]+)")
_NONCE = re.compile(rb'realm="([^"]*)", nonce="([^"]*)"')
_TO = re.compile(rb"\r\nTo: ([^\r\n]*)")
_CONTACT = re.compile(rb"\r\nContact: <([^>]*)>")
_CALL_ID = re.compile(rb"\r\nCall-ID: ([^\r\n]*)")
_COPIED = re.compile(rb"\r\n(?:Via|From|Call-ID|CSeq): [^\r\n]*")
_SDP = (
    b"v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
)


@dataclass(slots=True)
class Attempt:
    """A registration or a call, from its first request to its last answer."""

    number: int
    began: float
    line: bytes
    message: bytes = b""
    """The request that waits for an answer; empty if none does."""
    step: int = 0
    """Number of the request that waits, from 1: the second part of its branch."""
    repeats: int = 0
    connected: float | None = None
    """When a registration was accepted, or a call answered."""
    status: int = 0
    """The final status: 200 if all of it was served, 0 as long as it goes on."""
    to: bytes = b""
    target: bytes = b""


@dataclass(frozen=True, slots=True)
class Place:
    """Where senders are, and whose lines they use.

    Args:
        host, port: of the senders' own.
        server: host of the switch, which is its realm and domain, too.
    """

    host: str
    port: int
    server: str
    password: str
    lines: int

    def login(self, number: int) -> bytes:
        """A line for the attempt with this number."""
        return b"bench%05d" % (number % self.lines)


class Senders:
    """Repetition, and answers by branch: what registrations and calls have in common."""

    method = b""

    def __init__(self, place: Place, write: Write) -> None:
        self._place = place
        self._host = place.host.encode("ascii")
        self._domain = place.server.encode("ascii")
        self._write = write
        self._timers = Timers()
        self._attempts: dict[int, Attempt] = {}
        self._count = 0
        self._secrets: dict[tuple[bytes, bytes], bytes] = {}
        self.served = 0
        """Attempts that ended well."""

    def begin(self, now: float) -> Attempt:
        """Make one more attempt."""
        self._count += 1
        attempt = Attempt(self._count, now, self._place.login(self._count))
        self._attempts[attempt.number] = attempt
        self._timers.arm(TIMEOUT, now, self._give_up, attempt)
        self._ask(attempt, self._first(attempt), now)
        return attempt

    def expire(self, now: float) -> None:
        """Repeat what is due."""
        self._timers.expire(now)

    def _give_up(self, attempt: Attempt, now: float) -> None:
        """Give up an attempt by timer B, F or C."""
        if attempt.status == 0:
            self._end(attempt, 408)

    def _end(self, attempt: Attempt, status: int) -> None:
        attempt.status = status
        attempt.message = b""
        self.served += status == 200

    def _first(self, attempt: Attempt) -> bytes:
        raise NotImplementedError

    def _on_final(self, attempt: Attempt, status: int, data: bytes, now: float) -> None:
        raise NotImplementedError

    def _ask(self, attempt: Attempt, message: bytes, now: float) -> None:
        attempt.message = message
        attempt.step += 1
        attempt.repeats = 0
        self._write(message)
        self._timers.arm(T1, now, self._repeat, (attempt, attempt.step))

    def _repeat(self, waiting: tuple[Attempt, int], now: float) -> None:
        """Timers A and E."""
        attempt, step = waiting
        if not attempt.message or attempt.step != step:
            return
        self._write(attempt.message)
        attempt.repeats += 1
        seconds = T1 * (1 << attempt.repeats)
        if not attempt.message.startswith(b"INVITE"):
            seconds = min(seconds, T2)
        self._timers.arm(seconds, now, self._repeat, waiting)

    def receive(self, data: bytes, now: float) -> None:
        """Take a datagram of the switch."""
        found = _BRANCH.search(data)
        if found is None or not data.startswith(b"SIP/2.0 "):
            self._on_request(data, now)
            return
        attempt = self._attempts[int(found[1])]
        status, step = int(data[8:11]), int(found[2])
        if step != attempt.step:
            self._on_late(attempt, status, data)
        elif status < 200:
            attempt.message = b""
        else:
            attempt.message = b""
            self._on_final(attempt, status, data, now)

    def _on_late(self, attempt: Attempt, status: int, data: bytes) -> None:
        """An answer to a request that has been answered before."""

    def _on_request(self, data: bytes, now: float) -> None:
        """A request of the switch's own to a sender."""

    def _credentials(self, attempt: Attempt, challenge: bytes, uri: bytes) -> bytes:
        """Digest with MD5, which the benchmarks' switch offers."""
        found = _NONCE.search(challenge)
        assert found is not None, challenge
        realm, nonce = found.groups()
        secret = self._secrets.get((attempt.line, realm))
        if secret is None:
            secret = _md5(b"%s:%s:%s" % (attempt.line, realm, self._place.password.encode()))
            self._secrets[attempt.line, realm] = secret
        method = _md5(self.method + b":" + uri)
        response = _md5(b"%s:%s:00000001:c:auth:%s" % (secret, nonce, method))
        name = b"Authorization" if challenge.startswith(b"SIP/2.0 401") else b"Proxy-Authorization"
        return (
            b'%s: Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", '
            b'algorithm=MD5, qop=auth, nc=00000001, cnonce="c"\r\n'
            % (name, attempt.line, realm, nonce, uri, response)
        )

    def _head(self, attempt: Attempt, line: bytes, to: bytes, cseq: bytes, step: int) -> bytes:
        return (
            b"%s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%d;branch=z9hG4bK%d.%d;rport\r\n"
            b"Max-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=t%d\r\nTo: %s\r\nCall-ID: %d@bench\r\n"
            b"CSeq: %s\r\nContact: <sip:%s@%s:%d>\r\nUser-Agent: benchmark\r\n"
            % (line, self._host, self._place.port, attempt.number, step, attempt.line, self._domain,
               attempt.number, to, attempt.number, cseq, attempt.line, self._host, self._place.port)
        )  # fmt: skip


class Phones(Senders):
    """Registrations: REGISTER, 401, REGISTER with credentials, 200."""

    method = b"REGISTER"

    def _first(self, attempt: Attempt) -> bytes:
        return self._register(attempt, b"1 REGISTER", 1) + b"Content-Length: 0\r\n\r\n"

    def _register(self, attempt: Attempt, cseq: bytes, step: int) -> bytes:
        to = b"<sip:%s@%s>" % (attempt.line, self._domain)
        return self._head(attempt, b"REGISTER sip:" + self._domain, to, cseq, step)

    def _on_final(self, attempt: Attempt, status: int, data: bytes, now: float) -> None:
        if status == 401 and attempt.step == 1:
            again = self._register(attempt, b"2 REGISTER", 2)
            again += self._credentials(attempt, data, b"sip:" + self._domain)
            self._ask(attempt, again + b"Expires: 3600\r\nContent-Length: 0\r\n\r\n", now)
            return
        if status == 200:
            attempt.connected = now
        self._end(attempt, status)


class Callers(Senders):
    """Calls, and the trunk that answers them: INVITE, challenge, INVITE, 200, ACK, BYE, 200."""

    method = b"INVITE"

    def _first(self, attempt: Attempt) -> bytes:
        return self._invite(attempt, b"1 INVITE", b"", 1)

    def _uri(self, attempt: Attempt) -> bytes:
        number = b"+99559%07d" % (attempt.number % 10_000_000)
        return b"sip:%s@%s" % (number, self._domain)

    def _invite(self, attempt: Attempt, cseq: bytes, credentials: bytes, step: int) -> bytes:
        uri = self._uri(attempt)
        head = self._head(attempt, b"INVITE " + uri, b"<%s>" % uri, cseq, step)
        return b"%s%sContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s" % (
            head, credentials, len(_SDP), _SDP,
        )  # fmt: skip

    def _on_final(self, attempt: Attempt, status: int, data: bytes, now: float) -> None:
        found = _TO.search(data)
        attempt.to = found[1] if found is not None else b""
        if attempt.step == 3:
            self._end(attempt, status)  # of the BYE
        elif status >= 300:
            self._acknowledge(attempt, self._uri(attempt), attempt.step)
            if status in (401, 407) and attempt.step == 1:
                credentials = self._credentials(attempt, data, self._uri(attempt))
                self._ask(attempt, self._invite(attempt, b"2 INVITE", credentials, 2), now)
            else:
                self._end(attempt, status)
        else:
            contact = _CONTACT.search(data)
            assert contact is not None, data
            attempt.target, attempt.connected = contact[1], now
            self._acknowledge(attempt, attempt.target, 9)
            self._timers.arm(HOLD_SECONDS, now, self._hang_up, attempt)

    def _acknowledge(self, attempt: Attempt, uri: bytes, step: int) -> None:
        cseq = b"%d ACK" % attempt.step
        head = self._head(attempt, b"ACK " + uri, attempt.to, cseq, step)
        self._write(head + b"Content-Length: 0\r\n\r\n")

    def _on_late(self, attempt: Attempt, status: int, data: bytes) -> None:
        """A 200 whose ACK was lost, or hasn't been read yet."""
        if status == 200 and b" INVITE\r\n" in data:
            head = self._head(attempt, b"ACK " + attempt.target, attempt.to, b"2 ACK", 9)
            self._write(head + b"Content-Length: 0\r\n\r\n")

    def _hang_up(self, attempt: Attempt, now: float) -> None:
        if attempt.status == 0:
            head = self._head(attempt, b"BYE " + attempt.target, attempt.to, b"3 BYE", 3)
            self._ask(attempt, head + b"Content-Length: 0\r\n\r\n", now)

    def _on_request(self, data: bytes, now: float) -> None:
        self._socket.sendto(self._answer(b"200 OK", data))


class Trunk:
    """The far end of calls: rings, answers, and lets the caller hang up."""

    def __init__(self, host: str, port: int, write: Write) -> None:
        self._contact = f"{host}:{port}".encode("ascii")
        self._write = write
        self._timers = Timers()
        self._answers: dict[bytes, bytes] = {}
        """The last answer to each INVITE that hasn't been acknowledged, by Call-ID."""

    def expire(self, now: float) -> None:
        """Pick up and repeat what is due."""
        self._timers.expire(now)

    def receive(self, data: bytes, now: float) -> None:
        """Take a datagram of the switch."""
        found = _CALL_ID.search(data)
        assert found is not None, data
        call_id = found[1]
        if data.startswith(b"INVITE"):
            known = self._answers.get(call_id)
            if known is None:
                known = self._answers[call_id] = answer(b"180 Ringing", data, self._contact)
                self._timers.arm(RING_SECONDS, now, self._pick_up, (call_id, data))
            self._write(known)
        elif data.startswith(b"ACK"):
            self._answers.pop(call_id, None)
        elif not data.startswith(b"SIP/2.0"):
            self._write(answer(b"200 OK", data, self._contact))

    def _pick_up(self, call: tuple[bytes, bytes], now: float) -> None:
        call_id, invite = call
        if call_id in self._answers:
            self._answers[call_id] = answer(b"200 OK", invite, self._contact, _SDP)
            self._repeat((call_id, T1), now)

    def _repeat(self, waiting: tuple[bytes, float], now: float) -> None:
        call_id, seconds = waiting
        message = self._answers.get(call_id)
        if message is not None and seconds <= TIMEOUT:
            self._write(message)
            self._timers.arm(seconds, now, self._repeat, (call_id, seconds * 2))


def answer(status: bytes, request: bytes, contact: bytes, body: bytes = b"") -> bytes:
    """A response to a request of the switch."""
    to = _TO.search(request)
    assert to is not None, request
    tag = b"" if b";tag=" in to[1] else b";tag=b"
    kind = b"Content-Type: application/sdp\r\n" if body else b""
    copied = b"".join(_COPIED.findall(request))
    return (
        b"SIP/2.0 %s%s\r\nTo: %s%s\r\nContact: <sip:called@%s>\r\n%sContent-Length: %d\r\n\r\n%s"
        % (status, copied, to[1], tag, contact, kind, len(body), body)
    )


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).hexdigest().encode("ascii")
