"""Memory that a call takes of a whole switch: `python tests/budget/memory_of_calls.py ringing`, or
`talking`. Prints the octets of a call by the lines that asked for them, and their sum last.

A process of its own, because what other tests of a process leave in caches counts here. Counted by
tracemalloc: octets that Python was asked for, without what the allocator and the sockets take
besides. Phones are scripts that keep nothing.
"""

import gc
import re
import sys
import tracemalloc
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "simulation"), str(HERE.parent), str(HERE.parents[1])]

from exchange import Exchange  # noqa: E402

from sip import digest  # noqa: E402

RINGS_SECONDS = {"ringing": None, "talking": 1.0}
"""From the 180 of the called phone to its 200, by the state of the calls that are measured."""
CALLS = 60
SWITCH, CALLER, TRUNK = ("192.0.2.1", 5060), ("198.51.100.1", 5060), ("203.0.113.1", 5060)
DESCRIPTION = (
    b"v=0\r\no=a 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio 7000 RTP/AVP 8 101\r\n"
    b"a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
)
INVITE = (
    b"INVITE sip:+995591%(call)06d@192.0.2.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK-%(call)d-%(cseq)d;rport\r\n"
    b"Max-Forwards: 70\r\nFrom: <sip:%(login)s@192.0.2.1>;tag=a-%(call)d\r\n"
    b"To: <sip:+995591%(call)06d@192.0.2.1>\r\nCall-ID: %(call)d-1@198.51.100.1\r\n"
    b"CSeq: %(cseq)d INVITE\r\nContact: <sip:%(login)s@198.51.100.1:5060>\r\n%(proof)s"
    b"Content-Type: application/sdp\r\nContent-Length: %(length)d\r\n\r\n%(body)s"
)
ACK = (
    b"ACK sip:192.0.2.1:5060 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK-%s-ack\r\n"
    b"Max-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 2 ACK\r\n"
    b"Content-Length: 0\r\n\r\n"
)
ANSWER = (
    b"SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=b\r\nCall-ID: %s\r\nCSeq: %s\r\n"
    b"Contact: <sip:called@203.0.113.1:5060>\r\n%sContent-Length: %d\r\n\r\n%s"
)


def field(data, name):
    return re.search(rb"\r\n%s: ([^\r\n]*)" % name, data)[1]


class Script:
    """Callers at one address and the trunk, who know of no call but by its messages."""

    def __init__(self, exchange: Exchange, rings_seconds: float | None) -> None:
        self.exchange = exchange
        self._rings_seconds = rings_seconds
        self._logins = [
            exchange.line(f"+99532200{i:04}", exchange.account(10**9)).login.encode()
            for i in range(CALLS)
        ]
        exchange.trunk("carrier", TRUNK[0])
        exchange.wire.attach(CALLER, self._caller_hears)
        exchange.wire.attach(TRUNK, self._trunk_hears)

    def call(self, number: int, cseq: int = 1, proof: bytes = b"") -> None:
        body = DESCRIPTION % (b"198.51.100.1", b"198.51.100.1")
        login = self._logins[number % CALLS]
        facts = {"call": number, "cseq": cseq, "login": login, "proof": proof, "body": body}
        invite = INVITE % {key.encode(): v for key, v in (facts | {"length": len(body)}).items()}
        self.exchange.wire.send(invite, CALLER, SWITCH)

    def _caller_hears(self, data, source) -> None:
        number = int(field(data, b"Call-ID").partition(b"-")[0])
        if data.startswith(b"SIP/2.0 401"):
            login, uri = (
                self._logins[number % CALLS].decode(),
                b"sip:+995591%06d@192.0.2.1" % number,
            )
            challenge = field(data, b"WWW-Authenticate")
            proof = digest.answer([challenge], login, "secret", "INVITE", uri, cnonce="1")
            self.call(number, 2, b"Authorization: %s\r\n" % proof)
        elif data.startswith(b"SIP/2.0 200"):
            fields = [field(data, name) for name in (b"From", b"To", b"Call-ID")]
            self.exchange.wire.send(ACK % (b"%d" % number, *fields), CALLER, SWITCH)

    def _trunk_hears(self, data, source) -> None:
        if not data.startswith(b"INVITE"):
            return
        same = [field(data, name) for name in (b"Via", b"From", b"To", b"Call-ID", b"CSeq")]
        wire = self.exchange.wire
        wire.send(ANSWER % (b"180 Ringing", *same, b"", 0, b""), TRUNK, SWITCH)
        if self._rings_seconds is not None:
            body = DESCRIPTION % (b"203.0.113.1", b"203.0.113.1")
            kind = b"Content-Type: application/sdp\r\n"
            answer = ANSWER % (b"200 OK", *same, kind, len(body), body)
            self.exchange.loop.call_later(self._rings_seconds, wire.send, answer, TRUNK, SWITCH)


def octets_of_a_call(state: str) -> dict[str, float]:
    """Octets of each of the third `CALLS` calls by the line of code that asked for them, the most
    first; the calls before have filled what grows at first."""
    exchange = Exchange(seed=1, config="[conference]\nmax_outgoing = 1000\n")
    exchange.tariff(("995", 60_000, 1, 1))
    script = Script(exchange, RINGS_SECONDS[state])
    # The trace has a limit of its own.
    exchange.switch.agent.stack.tap = lambda seen: None

    def begin(calls: range) -> tracemalloc.Snapshot:
        for number in calls:
            script.call(number)
            exchange.run(0.01)
        exchange.run(3.0)
        gc.collect()
        return tracemalloc.take_snapshot()

    tracemalloc.start()
    try:
        begin(range(CALLS))
        before = begin(range(CALLS, 2 * CALLS))
        after = begin(range(2 * CALLS, 3 * CALLS))
    finally:
        tracemalloc.stop()
    calls = exchange.switch.calls.values()
    states = Counter(call.state for call in calls)
    assert states == {state: 3 * CALLS}
    exchange.close()
    lines = [line for line in after.compare_to(before, "lineno") if is_ours(line)]
    return {str(line.traceback): line.size_diff / CALLS for line in lines}


def is_ours(line: tracemalloc.StatisticDiff) -> bool:
    """True unless the tests' own wire, loop and tables have it; a datagram is ours that we keep."""
    name = line.traceback[0].filename
    return "/tests/simulation/" not in name and "tracemalloc" not in name


if __name__ == "__main__":
    # Caches of the modules, which have limits of their own, know all numbers that are called.
    octets_of_a_call("talking")
    octets = octets_of_a_call(sys.argv[1])
    print(*(f"{size:7.0f} {place}" for place, size in octets.items() if size >= 8), sep="\n")
    print(round(sum(octets.values())))
