"""What is kept of calls, what is let go, and that both stay within their limits."""

import pytest

from sip.flow import Flow
from softswitch.trace import recorder as limits
from softswitch.trace.ladder import ladder, row
from softswitch.trace.recorder import Message, Recorder, call_id_of

US, ANA, BEKA = ("192.0.2.1", 5060), ("198.51.100.1", 5060), ("198.51.100.2", 40_000)
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n"
)


def message(start: str, call_id: str = "a", body: bytes = b"", method: str = "INVITE") -> bytes:
    lines = [start, "Via: SIP/2.0/UDP h;branch=z9hG4bK1", "From: <sip:a@b>;tag=1",
             "To: <sip:c@d>", f"Call-ID: {call_id}", f"CSeq: 1 {method}",
             f"Content-Length: {len(body)}"]  # fmt: skip
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


INVITE = "INVITE sip:c@d SIP/2.0"
RING_MESSAGES = limits.RING_BYTES // (limits.ENTRY_BYTES + len(message(INVITE)))
"""As many small ones as the ring has room for."""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def made(max_bytes: int = 1 << 20) -> Recorder:
    return Recorder(max_bytes, Clock())


def see(recorder: Recorder, data: bytes, flow: Flow, *, sent: bool) -> None:
    """A message in a turn of its own."""
    recorder.see((recorder._monotonic(), sent, flow, data))
    recorder.weigh()


def hear(recorder: Recorder, data: bytes, who=ANA) -> None:
    see(recorder, data, Flow("udp", US, who), sent=False)


def flood(recorder: Recorder, count: int) -> None:
    """Messages of nobody's call."""
    for number in range(count):
        hear(recorder, message("OPTIONS sip:x SIP/2.0", f"stranger{number}", method="OPTIONS"))


def starts(recorder: Recorder, call: str) -> list[bytes]:
    _, messages = recorder.trace(call)
    return [m.data.partition(b" ")[0] for m in messages]


@pytest.mark.parametrize("line", ["Call-ID: a@b", "call-id:a@b ", "i: a@b", "CALL-ID \t:  a@b\t"])
def test_the_call_id_is_found_as_anybody_writes_it(line):
    assert call_id_of(f"INVITE x SIP/2.0\r\n{line}\r\nX: y\r\n\r\n".encode()) == b"a@b"


@pytest.mark.parametrize("data", [b"", b"\r\n", b"INVITE sip:i:x SIP/2.0\r\nX-Call-ID: a\r\n\r\n"])
def test_what_has_none_belongs_to_no_call(data):
    assert call_id_of(data) == b""


def test_a_call_has_the_messages_of_all_its_legs_and_those_of_before_it_was_known():
    recorder = made()
    hear(recorder, message(INVITE))
    see(recorder, message("SIP/2.0 401 Unauthorized"), Flow("udp", US, ANA), sent=True)
    recorder.join("call1", "a")
    recorder.join("call1", "b")
    see(recorder, message(INVITE, "b"), Flow("udp", US, BEKA), sent=True)
    hear(recorder, message(INVITE, "other"))
    trace, messages = recorder.trace("call1")
    assert trace.sip_call_ids == (b"a", b"b")
    assert [(m.sent, m.flow.remote) for m in messages] == [(False, ANA), (True, ANA), (True, BEKA)]
    assert recorder.call_of(message(INVITE, "b")) == "call1"
    assert recorder.call_of(message(INVITE, "other")) is None


def test_a_flood_of_strangers_pushes_nothing_out():
    recorder = made()
    hear(recorder, message(INVITE))
    recorder.join("call1", "a")
    flood(recorder, 3 * RING_MESSAGES)
    hear(recorder, message("BYE sip:x SIP/2.0", method="BYE"))
    assert starts(recorder, "call1") == [b"INVITE", b"BYE"]
    assert recorder.octets < limits.RING_BYTES + 10_000


def test_large_messages_of_strangers_take_no_more_memory_than_the_ring_has(monkeypatch):
    monkeypatch.setattr(limits, "RING_BYTES", 1 << 20)
    recorder = made()
    for _ in range(200):
        hear(recorder, b"x" * 60_000)
        assert recorder.octets <= (1 << 20) + 60_300


def test_an_ended_call_is_kept_until_the_memory_is_needed():
    recorder = made(max_bytes=10_000)
    for number in range(60):
        recorder.join(f"call{number}", f"leg{number}")
        hear(recorder, message(INVITE, f"leg{number}"))
        recorder.end(f"call{number}", "+995", "+44")
    flood(recorder, 2 * RING_MESSAGES)
    kept = recorder.find("call")
    assert 10 < len(kept) < 60 and kept[-1] == "call59"
    assert recorder.trace("call0") is None
    assert starts(recorder, "call59") == [b"INVITE"]
    assert recorder._octets <= 10_000
    assert len(recorder._by_sip_call_id) == len(kept)


def test_live_calls_alone_stay_within_the_memory_too():
    recorder = made(max_bytes=10_000)
    for number in range(60):
        recorder.join(f"call{number}", f"leg{number}")
        hear(recorder, message(INVITE, f"leg{number}"))
    flood(recorder, 2 * RING_MESSAGES)
    assert recorder._octets <= 10_000
    assert len(recorder.find("call")) == 60
    assert starts(recorder, "call0") == [] and recorder.trace("call0")[0].dropped == 1
    assert starts(recorder, "call59") == [b"INVITE"]


def test_of_an_endless_call_beginning_and_end_are_kept():
    recorder = made()
    recorder.join("call1", "a")
    total = limits.FIRST_OF_CALL + limits.LAST_OF_CALL + 500
    for number in range(total):
        hear(recorder, message(f"UPDATE sip:{number} SIP/2.0", method="UPDATE"))
    flood(recorder, 2 * RING_MESSAGES)
    trace, messages = recorder.trace("call1")
    uris = [int(m.data.split()[1][4:]) for m in messages]
    assert uris == [*range(limits.FIRST_OF_CALL), *range(total - limits.LAST_OF_CALL, total)]
    assert trace.dropped == 500
    assert trace.octets == sum(len(m.data) + limits.ENTRY_BYTES for m in messages)


def test_a_leg_that_changed_its_call_belongs_to_both():
    recorder = made()
    recorder.join("call1", "a")
    recorder.join("call2", "b")
    recorder.join("call1", "b")
    hear(recorder, message(INVITE, "b"))
    flood(recorder, RING_MESSAGES)
    assert starts(recorder, "call1") == starts(recorder, "call2") == [b"INVITE"]
    recorder.end("call2", "", "")
    assert starts(recorder, "call1") == [b"INVITE"]


def test_the_number_of_ended_calls_is_limited(monkeypatch):
    monkeypatch.setattr(limits, "ENDED_CALLS", 3)
    recorder = made()
    for number in range(10):
        recorder.join(f"call{number}", f"leg{number}")
        recorder.end(f"call{number}", "", "")
    assert recorder.find("call") == ["call7", "call8", "call9"]
    assert len(recorder._by_sip_call_id) == 3


def at(seconds: float, sent: bool, who, data: bytes) -> dict:
    flow = Flow("udp", US, who)
    return row(Message(seconds, sent, flow, data), 1_800_000_000_000_000 + round(seconds * 1e6))


def test_the_ladder():
    rows = [
        at(0.0, False, ANA, message(INVITE, body=SDP)),
        at(0.004, True, ANA, message("SIP/2.0 100 Trying")),
        at(0.01, True, BEKA, message(INVITE, "b", SDP)),
        at(0.5, False, BEKA, message("SIP/2.0 180 Ringing", "b")),
    ]
    end = " " * 14 + "1 INVITE"
    assert ladder(rows) == [
        f"{' ' * 19}198.51.100.1:5060                switch                198.51.100.2:40000",
        f"08:00:00.000               |--INVITE SDP-------------->|{' ' * 27}|{end}"
        "     audio 4000 sendonly",
        f"08:00:00.004               |<--------------100 Trying--|{' ' * 27}|{end}",
        f"08:00:00.010               |{' ' * 27}|--INVITE SDP-------------->|{end}"
        "     audio 4000 sendonly",
        f"08:00:00.500               |{' ' * 27}|<-------------180 Ringing--|{end}",
    ]


def test_an_arrow_passes_those_who_stand_between():
    third = ("203.0.113.9", 5060)
    lines = ladder([at(0.0, False, ANA, message(INVITE)), at(0.1, True, BEKA, message(INVITE)),
                    at(0.2, True, third, message(INVITE)),
                    at(0.3, False, third, message("SIP/2.0 486 Busy Here"))])  # fmt: skip
    places = [lines[1].index("|")]
    assert "203.0.113.9:5060" in lines[0]
    assert lines[3].count("|") == 3 and lines[3].index("|") == places[0]
    assert lines[4].rstrip().index("<") < lines[4].index("486 Busy Here")


def test_what_a_stranger_wrote_cannot_steer_a_terminal():
    hostile = message("SIP/2.0 200 \x1b[2J\x07OK")
    (_, rung) = ladder([at(0.0, False, ANA, hostile)])
    assert rung.isprintable()
    broken = b"\x1b]0;evil\x07\r\nCall-ID: a\r\n"
    (_, rung) = ladder([at(0.0, False, ANA, broken)])
    assert rung.isprintable()


def test_no_messages_no_ladder():
    assert ladder([]) == []
