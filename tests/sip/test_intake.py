"""Who goes first when there is more to read than time."""

import pytest

from sip.digest import Algorithm, Nonces
from sip.flow import Flow
from sip.intake import MAX_REFUSAL_CREDIT, MAX_REFUSALS_PER_MESSAGE, MAX_WAITING_BYTES, Intake
from sip.precedence import Glance, Precedence

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
        (REFRESH, Precedence.BEGUN),
        (FIRST, Precedence.OTHER),
        (message(b"REGISTER sip:example.org SIP/2.0", b"To: <sip:a>;tag=1"), Precedence.OTHER),
        (message(b"OPTIONS sip:a SIP/2.0", b"To: <sip:a> ; Tag = 1"), Precedence.DIALOG),
        (message(b"OPTIONS sip:a SIP/2.0", b"t:<sip:a>;tag=1"), Precedence.DIALOG),
        (OPTIONS, Precedence.OTHER),
        (b"\xff" * 60_000, Precedence.OTHER),
        (b"", Precedence.OTHER),
        (message(b"OPTIONS sip:a SIP/2.0", b"X-To: ;tag=1", b"From: <sip:b>;tag=2"),
         Precedence.OTHER),
    ],
)  # fmt: skip
def test_the_class_of_a_message_is_told_by_a_glance(data, expected):
    assert Glance(["112"]).precedence(data, "192.0.2.9") is expected


def test_only_credentials_over_a_nonce_of_ours_are_something_begun():
    nonces = Nonces(b"secret")
    nonce = nonces.issue(Algorithm.SHA_256, 10.0, "192.0.2.9").encode()

    def precedence(nonce, algorithm, source="192.0.2.9", now=11.0):
        glance = Glance((), lambda *told: nonces.answers_challenge(*told[:2], now, told[2]))
        value = b'Authorization: Digest username="a", nonce="%s", algorithm=%s' % (nonce, algorithm)
        data = message(b"REGISTER sip:example.org SIP/2.0", b"To: <sip:a>", value)
        return glance.precedence(data, source)

    assert precedence(nonce, b"SHA-256") is Precedence.BEGUN
    assert precedence(nonce, b"MD5") is Precedence.OTHER
    assert precedence(nonce, b"SHA-256", source="192.0.2.8") is Precedence.OTHER
    assert precedence(nonce, b"SHA-256", now=100.0) is Precedence.OTHER
    assert precedence(b"0" * 44, b"SHA-256") is Precedence.OTHER
    assert precedence(b"x", b"none") is Precedence.OTHER


def intake(**options):
    return Intake(Glance(["112"]), **options)


def drain(intake, now=1.0):
    taken = []
    while (waiting := intake.take(now)) is not None:
        taken.append(waiting.data)
    return taken


def numbered(count, line=b"OPTIONS sip:a SIP/2.0"):
    return [message(line, b"To: <sip:%d>" % number) for number in range(count)]


def test_what_was_begun_goes_before_what_begins_and_equals_in_their_order():
    queue = intake()
    for data in (OPTIONS, INVITE, REFRESH, EMERGENCY, BYE, REINVITE):
        queue.put(data, FLOW, 1.0)
    assert drain(queue) == [BYE, REINVITE, EMERGENCY, REFRESH, INVITE, OPTIONS]
    assert len(queue) == 0


def test_no_class_starves():
    queue = intake()
    queue.put(OPTIONS, FLOW, 0.95)
    for data in numbered(20, b"BYE sip:a SIP/2.0"):
        queue.put(data, FLOW, 1.0)
    assert drain(queue).index(OPTIONS) == 7


def test_a_copy_of_what_waits_is_dropped_unread():
    queue = intake()
    for flow in (FLOW, FLOW, FLOW._replace(remote=("192.0.2.8", 5060))):
        queue.put(INVITE, flow, 1.0)
    assert (len(queue), queue.repeated) == (2, 1)
    drain(queue)
    queue.put(INVITE, FLOW, 1.5)
    assert len(queue) == 1


def test_the_newest_is_first_while_its_class_is_late():
    queue = intake(patience_seconds=0.4)
    first, second, third = numbered(3)
    for data in (first, second, third):
        queue.put(data, FLOW, 1.0)
    assert queue.take(1.09).data == first
    assert queue.take(1.11).data == third


def test_dialogs_keep_their_order_however_late_it_is():
    queue = intake()
    byes = numbered(3, b"BYE sip:a SIP/2.0")
    for data in byes:
        queue.put(data, FLOW, 1.0)
    assert drain(queue, now=3.0) == byes


def test_a_message_of_a_dialog_is_dropped_when_its_sender_has_repeated_it_often():
    queue = intake()
    stream = FLOW._replace(transport="tcp")
    queue.put(BYE, FLOW, 1.0)
    queue.put(REINVITE, stream, 1.0)
    assert drain(queue, now=5.1) == [REINVITE]
    assert queue.dropped == 1


def test_what_waited_longer_than_the_patience_is_refused_and_later_dropped():
    queue = intake(patience_seconds=0.4)
    for data in numbered(1000):
        queue.put(data, FLOW, 1.0)
    credit, earned = int(MAX_REFUSAL_CREDIT), int(MAX_REFUSALS_PER_MESSAGE)
    taken = [queue.take(1.45) for _ in range(credit + 1)]
    assert [waiting.refused for waiting in taken] == [True] * credit + [False]
    refused = [queue.take(1.46).refused for _ in range(earned + 1)]
    assert refused == [True] * earned + [False]
    assert queue.dropped == 0
    queue.put(BYE, FLOW, 1.60)
    assert [queue.take(1.60).refused for _ in range(earned)] == [True] * earned
    assert queue.take(1.60).data == BYE
    assert queue.dropped == 1000 - (credit + 1) - (earned + 1) - earned


def test_when_nothing_waits_there_is_time_to_refuse_again():
    queue = intake(patience_seconds=0.4)
    credit = int(MAX_REFUSAL_CREDIT)
    for data in numbered(2 * credit):
        queue.put(data, FLOW, 1.0)
    refused = 0
    while (taken := queue.take(1.45)) is not None:
        refused += taken.refused
    assert refused == credit
    for data in numbered(credit):
        queue.put(data, FLOW, 1.451)
    assert all(queue.take(1.9).refused for _ in range(credit))


def test_a_stream_has_every_request_answered():
    queue = intake(patience_seconds=0.4)
    stream = FLOW._replace(transport="tcp")
    for data in numbered(40):
        queue.put(data, stream, 1.0)
    taken = [queue.take(9.0) for _ in range(40)]
    assert None not in taken and queue.dropped == 0


def test_what_was_dropped_unread_goes_behind_everything_when_it_is_repeated():
    queue = intake(patience_seconds=0.4, limit=1)
    first, second = numbered(2)
    queue.put(first, FLOW, 1.0)
    queue.put(second, FLOW, 1.0)
    assert drain(queue) == [second]
    assert queue.precedence(first, "192.0.2.9") is Precedence.REPEATED
    queue = intake(patience_seconds=0.4, limit=2)
    for data in (first, OPTIONS, second):
        queue.put(data, FLOW, 1.0)
    queue.take(1.0)
    queue.put(first, FLOW, 1.5)
    assert [queue.take(1.51).precedence for _ in range(2)] == [
        Precedence.OTHER,
        Precedence.REPEATED,
    ]


def test_a_message_that_was_dropped_is_forgotten_when_its_sender_has_given_up():
    queue = intake(limit=1)
    dropped = numbered(5)
    for now, data in zip((1.0, 1.0, 20.0, 60.0), dropped, strict=False):
        queue.put(data, FLOW, now)
    queue.put(dropped[4], FLOW, 60.0)
    assert queue.precedence(dropped[0], "192.0.2.9") is Precedence.OTHER
    assert queue.precedence(dropped[3], "192.0.2.9") is Precedence.REPEATED


def test_a_class_that_is_late_has_no_place_for_more_than_wait_already():
    queue = intake(patience_seconds=0.4)
    registers = numbered(1000, b"REGISTER sip:a SIP/2.0")
    for data in registers[:20]:
        assert queue.put(data, FLOW, 1.0)
    queue.take(1.19)
    assert queue.put(registers[20], FLOW, 1.19)
    queue.take(1.21)
    kept = [queue.put(data, FLOW, 1.21) for data in registers[21:]]
    credit = int(MAX_REFUSAL_CREDIT)
    assert kept[:2] == [True, False]  # in the place of the one that was taken
    assert kept.count(False) == credit
    assert queue.dropped == len(kept) - 1 - credit  # beyond that they are dropped unread
    others = (REFRESH, BYE, INVITE, EMERGENCY)
    assert all(queue.put(data, FLOW, 1.21) for data in others)
    assert len(queue) == 20 + len(others)
    for _ in others:
        queue.take(1.22)
    assert not queue.put(registers[-1], FLOW, 1.22)  # what was dropped has no place either
    stream = FLOW._replace(transport="tcp")
    newer = numbered(credit + 20, b"REGISTER sip:b SIP/2.0")
    for data in newer:
        queue.put(data, stream, 1.23)
    assert queue.dropped == len(kept) - 1 - credit  # nobody repeats what came by a stream


def test_a_class_that_is_late_no_longer_has_places_for_all():
    queue = intake(patience_seconds=0.4)
    for data in numbered(20):
        queue.put(data, FLOW, 1.0)
    drain(queue, now=1.3)
    assert all(queue.put(data, FLOW, 1.4) for data in numbered(20))
    assert not queue.put(OPTIONS, FLOW, 1.4)
    drain(queue, now=1.4)
    drain(queue, now=2.5)
    assert all(queue.put(data, FLOW, 2.6) for data in numbered(100))


def test_a_full_queue_drops_the_oldest_of_the_least_important():
    queue = intake(limit=3)
    options, newer = numbered(2)
    for data in (options, INVITE, REFRESH):
        queue.put(data, FLOW, 1.0)
    queue.put(newer, FLOW, 2.0)
    queue.put(BYE, FLOW, 2.0)
    queue.put(OPTIONS, FLOW, 3.0)
    assert queue.dropped == 3
    assert drain(queue) == [BYE, REFRESH, INVITE]


def test_big_messages_fill_it_too():
    queue = intake()
    for data in numbered(2_000):
        queue.put(data + bytes(60_000), FLOW, 1.0)
    assert queue.congested
    assert len(queue) * 60_000 <= MAX_WAITING_BYTES
    queue.put(BYE, FLOW, 1.0)
    taken = drain(queue)
    assert taken[0] == BYE
    assert not queue.congested
