"""A stream's octets to messages, however they are cut (RFC 3261 section 18.3)."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sip_messages import raw, request

from sip.framing import MAX_HEAD_BYTES, Ping, StreamFramer

LIMIT = 65_535
FIRST = request("OPTIONS", body=b"x\r\n\r\ny")
SECOND = request("INVITE", body=b"OPTIONS sip:a SIP/2.0\r\n\r\n")
THIRD = request("ACK")


def fed(*pieces: bytes) -> list:
    framer = StreamFramer(LIMIT)
    return [item for piece in pieces for item in framer.feed(piece)]


def test_pipelined_messages_come_out_one_by_one():
    assert fed(FIRST + SECOND + THIRD) == [FIRST, SECOND, THIRD]


def test_a_message_octet_by_octet():
    assert fed(*(bytes((octet,)) for octet in FIRST + SECOND)) == [FIRST, SECOND]


@given(st.lists(st.integers(0, len(FIRST + SECOND + THIRD) + 8)))
def test_where_the_stream_is_cut_doesnt_matter(cuts):
    stream = b"\r\n" + FIRST + b"\r\n\r\n" + SECOND + b"\r\n" + THIRD
    ends = [0, *sorted(cuts), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(ends)]
    assert fed(*pieces) == [FIRST, Ping.PING, SECOND, THIRD]


def test_a_double_line_end_is_a_ping_and_a_single_one_is_nothing():
    assert fed(b"\r\n\r\n") == [Ping.PING]
    assert fed(b"\r\n", b"\r\n") == [Ping.PING]
    assert fed(b"\r", b"\n\r", b"\n") == [Ping.PING]
    assert fed(b"\r\n" + THIRD) == [THIRD]
    assert fed(b"\r\n\r\n\r\n\r\n" + THIRD) == [Ping.PING, Ping.PING, THIRD]


@pytest.mark.parametrize("name", [b"Content-Length", b"content-LENGTH ", b"l", b"L\t"])
def test_every_spelling_of_content_length_counts(name):
    message = raw(b"OPTIONS sip:a SIP/2.0", b"X: y", name + b":  3 ", body=b"abc")
    assert fed(message + THIRD) == [message, THIRD]


def test_what_only_looks_like_a_content_length_does_not_count():
    message = raw(b"OPTIONS sip:a SIP/2.0", b"Subject: a", b" l: 5", b"X-l: 7")
    assert fed(message + THIRD) == [message, THIRD]


@pytest.mark.parametrize(
    "value",
    [
        b"1000000000000", b"65536", b"-1", b"+3", b"", b"3 3", b"3,3", b"0x3", b"1_0", b"\xd9\xa3",
        b"9" * 5000, b"4294967295", b"3;x=y",
    ],
)  # fmt: skip
def test_a_length_that_cant_be_or_is_too_much_ends_the_stream_at_once(value):
    broken = raw(b"INVITE sip:a SIP/2.0", b"Content-Length: " + value)
    framer = StreamFramer(LIMIT)
    assert framer.feed(FIRST + broken + SECOND) == [FIRST, broken]  # it can still be refused
    assert framer.over and not framer.waiting
    assert framer.feed(THIRD) == []


def test_two_lengths_end_the_stream():
    framer = StreamFramer(LIMIT)
    broken = raw(b"INVITE sip:a SIP/2.0", b"Content-Length: 3", b"l: 3")
    assert framer.feed(broken + b"abc") == [broken]
    assert framer.over


def test_a_head_without_an_end_ends_the_stream():
    framer = StreamFramer(LIMIT)
    assert framer.feed(b"OPTIONS " + b"x" * (MAX_HEAD_BYTES - 10)) == [] and not framer.over
    assert framer.feed(b"xxxx") == [] and framer.over and not framer.waiting
    framer = StreamFramer(LIMIT)
    assert framer.feed(b"x" * MAX_HEAD_BYTES + b"\r\n\r\n") == [] and framer.over


def test_nothing_is_kept_of_what_came_out():
    framer = StreamFramer(LIMIT)
    framer.feed(FIRST + b"\r\n\r\n" + SECOND + THIRD[:10])
    assert framer._buffer == THIRD[:10]


@pytest.mark.parametrize(
    "stream",
    [
        b"\r\n" * 131_072,
        raw(b"A sip:a SIP/2.0", b"l:0") * 9_000,
        b"\r\nl" * 60_000,
        (b"A sip:a SIP/2.0\r\n" + b"\r\nl: 1" * 4_000),
    ],
    ids=["pings", "small messages", "half lengths", "many lengths"],
)
def test_a_full_read_of_small_things_takes_no_time(stream):
    started = time.process_time()
    fed(stream[: 256 * 1024])
    assert time.process_time() - started < 0.25


def test_a_drip_of_octets_takes_no_time():
    framer = StreamFramer(LIMIT)
    framer.feed(b"OPTIONS sip:a SIP/2.0\r\n")
    started = time.process_time()
    for _ in range(30_000):
        framer.feed(b"x")
    assert time.process_time() - started < 1.0
