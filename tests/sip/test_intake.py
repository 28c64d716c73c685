"""Who goes first when there is more to read than time."""

import pytest

from sip.flow import Flow
from sip.intake import MAX_WAITING_BYTES, Intake, Precedence

FLOW = Flow("udp", ("192.0.2.1", 5060), ("192.0.2.9", 5060))


def message(line, *fields):
    return b"\r\n".join([line, b"Via: SIP/2.0/UDP a;branch=z9hG4bK1", *fields, b"", b""])


BYE = message(b"BYE sip:a SIP/2.0", b"To: <sip:a>;tag=1")
INVITE = message(b"INVITE sip:+99532@example.org SIP/2.0", b"To: <sip:a>")
REINVITE = message(b"INVITE sip:a SIP/2.0", b"t : <sip:a> ; Tag = x")
EMERGENCY = message(b"INVITE sip:112@example.org SIP/2.0", b"To: <sip:112@example.org>")
FIRST = message(b"REGISTER sip:example.org SIP/2.0", b"To: <sip:a>")
REFRESH = message(b"REGISTER sip:example.org SIP/2.0", b"To: <sip:a>", b"Authorization: Digest x")
OPTIONS = message(b"OPTIONS sip:a SIP/2.0", b"To: <sip:a>")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (message(b"SIP/2.0 200 OK"), Precedence.DIALOG),
        (BYE, Precedence.DIALOG),
        (REINVITE, Precedence.DIALOG),
        (message(b"CANCEL sip:a SIP/2.0"), Precedence.DIALOG),
        (EMERGENCY, Precedence.EMERGENCY),
        (message(b"INVITE tel:112 SIP/2.0"), Precedence.EMERGENCY),
        (message(b"INVITE urn:service:sos.fire SIP/2.0"), Precedence.EMERGENCY),
        (message(b"INVITE sip:1123@example.org SIP/2.0"), Precedence.CALL),
        (INVITE, Precedence.CALL),
        (REFRESH, Precedence.REFRESH),
        (FIRST, Precedence.OTHER),
        (OPTIONS, Precedence.OTHER),
        (b"\xff" * 60_000, Precedence.OTHER),
        (b"", Precedence.OTHER),
        (message(b"OPTIONS sip:a SIP/2.0", b"X-To: ;tag=1", b"From: <sip:b>;tag=2"),
         Precedence.OTHER),
    ],
)  # fmt: skip
def test_what_a_glance_tells(data, expected):
    assert Intake(["112"]).precedence(data) is expected


def drain(intake):
    taken = []
    while (waiting := intake.take()) is not None:
        taken.append(waiting.data)
    return taken


def test_the_important_ones_go_first_and_equals_in_their_order():
    intake = Intake(["112"])
    for data in (OPTIONS, INVITE, REFRESH, EMERGENCY, BYE, REINVITE):
        intake.put(data, FLOW, 1.0)
    assert drain(intake) == [BYE, REINVITE, EMERGENCY, REFRESH, INVITE, OPTIONS]
    assert len(intake) == 0


def test_nothing_starves():
    intake = Intake()
    intake.put(OPTIONS, FLOW, 0.0)
    for _ in range(20):
        intake.put(BYE, FLOW, 1.0)
    assert drain(intake).index(OPTIONS) == 7


def test_a_full_queue_drops_the_newest_of_the_least_important():
    intake = Intake(limit=3)
    for data in (OPTIONS, INVITE, INVITE):
        intake.put(data, FLOW, 1.0)
    intake.put(BYE, FLOW, 2.0)
    intake.put(OPTIONS, FLOW, 3.0)
    assert intake.dropped == 2
    assert drain(intake) == [BYE, INVITE, INVITE]


def test_big_messages_fill_it_too():
    intake = Intake()
    big = OPTIONS + bytes(60_000)
    for _ in range(2_000):
        intake.put(big, FLOW, 1.0)
    assert intake.congested
    assert len(intake) * len(big) <= MAX_WAITING_BYTES
    intake.put(BYE, FLOW, 1.0)
    taken = drain(intake)
    assert taken[0] == BYE
    assert not intake.congested
