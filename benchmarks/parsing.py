"""Reading messages: `python -m benchmarks.parsing`.

Microseconds for what the stack does with every message that comes: index the header fields, read
branch, Call-ID, tags and CSeq, and hold it against what every message must have.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.machine import Cores, describe, pin
from sip.message import Request
from sip.reading import parse_message

TURNS = 2_000
ROUNDS = 25

SDP = b"""v=0
o=- 3906 3906 IN IP4 192.0.2.7
s=-
c=IN IP4 192.0.2.7
t=0 0
m=audio 40378 RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=sendrecv
"""
HEAD = b"""Via: SIP/2.0/UDP 192.0.2.7:5060;rport;branch=z9hG4bKPjTq3vbN0PCeWsQhXKu1T2
Max-Forwards: 70
From: "Ana Beridze" <sip:995322000101@sip.example.org>;tag=u8dL1w3QfIhQ
To: <sip:+995322000102@sip.example.org>
Call-ID: k2JvYcXHqF8yH0eQo3Lm5w
CSeq: 19532 INVITE
Contact: <sip:995322000101@192.0.2.7:5060;ob>
Allow: PRACK, INVITE, ACK, BYE, CANCEL, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE, OPTIONS
Supported: replaces, 100rel, timer, norefersub
User-Agent: Telephone 1.6
"""


def message(start: bytes, head: bytes = HEAD, body: bytes = b"") -> bytes:
    """As it stands on the wire."""
    body = body.replace(b"\n", b"\r\n")
    if body:
        head += b"Content-Type: application/sdp\n"
    head += b"Content-Length: %d\n\n" % len(body)
    return (start + b"\n" + head).replace(b"\n", b"\r\n") + body


def of_method(method: bytes) -> bytes:
    return HEAD.replace(b" INVITE\n", b" %s\n" % method)


MESSAGES = {
    "INVITE with SDP": message(b"INVITE sip:+995322000102@sip.example.org SIP/2.0", HEAD, SDP),
    "200 with SDP": message(b"SIP/2.0 200 OK", HEAD, SDP),
    "180": message(b"SIP/2.0 180 Ringing"),
    "REGISTER": message(b"REGISTER sip:sip.example.org SIP/2.0", of_method(b"REGISTER")),
    "ACK": message(b"ACK sip:192.0.2.1:5060 SIP/2.0", of_method(b"ACK")),
    "BYE": message(b"BYE sip:192.0.2.1:5060 SIP/2.0", of_method(b"BYE")),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """Microseconds of a message, by kind."""

    microseconds: dict[str, float]

    @property
    def mean(self) -> float:
        return sum(self.microseconds.values()) / len(self.microseconds)

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {value:.1f}" for kind, value in self.microseconds.items())
        return f"parsing        {self.mean:.1f} us a message ({kinds})"


def measure(cores: Cores) -> Figures:
    """The quickest of several rounds for each kind, which is the least disturbed."""
    pin(cores.switch)
    return Figures({kind: _quickest(data) for kind, data in MESSAGES.items()})


def _quickest(data: bytes) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        begin = time.thread_time_ns()
        for _ in range(TURNS):
            read(data)
        best = min(best, time.thread_time_ns() - begin)
    return best / TURNS / 1000


def read(data: bytes) -> None:
    """The work of the user agent on a message before it looks for the transaction."""
    received = parse_message(data)
    if isinstance(received, Request):
        received.stamp_source("192.0.2.7", 5060)
    received.validate()
    _ = (received.branch, received.call_id, received.from_tag, received.to_tag, received.cseq)


def main() -> None:
    """Measure and print."""
    print(describe())
    print(measure(Cores.pick()))


if __name__ == "__main__":
    main()
