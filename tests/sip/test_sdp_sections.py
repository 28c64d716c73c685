"""The reading of a description by sections against the reading line by line, which stray CR and NUL
need: any description is the same to both, or refused by both."""

import random

from sip.errors import ParseError
from sip.grammar import text
from sip.sdp import (
    _BLANKS,
    _PLAIN,
    SessionDescription,
    _blocks,
    _media,
    _of_phone,
    _plain_stream,
    _sections,
    _session,
    _split,
    _usual_attribute_lines,
)

USUAL = (
    b"v=0\no=- 1 1 IN IP4 192.0.2.7\ns=call\nc=IN IP4 192.0.2.7\nt=0 0\na=sendrecv\n"
    b"m=audio 40000 RTP/AVP 0 8 101\na=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000\n"
    b"a=fmtp:101 0-15\nb=AS:80\na=ptime:20\na=sendonly:\n"
    b"m=video 40002/2 RTP/AVP 96\nc=IN IP6 [2001:db8::1]\na=rtpmap:96 H264/90000\na=inactive"
)
PIECES = (
    b"\n", b"\nm=", b"m=", b"=", b" ", b"\t", b"a=crypto:1 A inline:x\n", b":", b"\n\n", b"c=",
    b"\nm=audio 0 RTP/AVP 0\n", b"\nc=IN IP4 0.0.0.0\n", b"a=recvonly\n", b"\xff", b"0", b"A", b"a",
)  # fmt: skip


def by_lines(data: bytes) -> SessionDescription:
    lines = [_split(line) for line in data.split(b"\n")[1:] if line.strip(_BLANKS)]
    head, blocks = _blocks(lines)
    return _session(head, tuple(_media(block) for block in blocks))


def by_sections(data: bytes) -> SessionDescription:
    return _session(*_sections(data))


def outcome(read, data: bytes) -> SessionDescription | None:
    try:
        return read(data)
    except ParseError:
        return None


def test_sections_and_lines_read_the_same():
    rng = random.Random(13)
    understood = 0
    for _ in range(20_000):
        data = bytearray(USUAL)
        for _ in range(rng.randint(0, 4)):
            start = rng.randrange(4, len(data))
            data[start : start + rng.choice((0, 0, 1, 8))] = rng.choice(PIECES)
        text = bytes(data).strip(b"\n")
        found = outcome(by_sections, text)
        assert found == outcome(by_lines, text), text
        understood += found is not None
    assert 4_000 < understood < 19_000


def test_keys_are_not_remembered():
    from sip import sdp

    key = b"x" * 40
    lines = USUAL.replace(b"a=ptime:20", b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key)
    before = sdp._usual_lines.cache_info().currsize
    head = lines[: lines.index(b"\nm=video")]
    assert "crypto" in dict(SessionDescription.parse(head).media[0].attributes)
    assert sdp._usual_lines.cache_info().currsize == before


PLAIN = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=call\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
)
PLAIN_PIECES = (
    b"\r\n", b"\r\nm=", b"m=audio 5 RTP/AVP 0\r\n", b" ", b"\t", b"a=crypto:1 A inline:x\r\n",
    b"\n", b"\r", b"\0", b"\xff", b"0", b"99999", b"00", b"A", b"-", b"/", b"[", b"IP6", b":",
    b"a=sendonly:\r\n", b"a= \tinactive \r\n", b"a=\r\n", b"c=IN IP4 0.0.0.0\r\n", b"b=AS:80\r\n",
    b"\xc2\xa0",
)  # fmt: skip


def test_the_plain_pattern_takes_nothing_that_the_full_reading_reads_otherwise():
    rng = random.Random(14)
    plain = 0
    for _ in range(40_000):
        data = bytearray(PLAIN)
        for _ in range(rng.randint(0, 3)):
            start = rng.randrange(len(data))
            data[start : start + rng.choice((0, 0, 1, 2, 8))] = rng.choice(PLAIN_PIECES)
        found = bytes(data)
        plain += _PLAIN.fullmatch(text(found)) is not None
        whole = outcome(SessionDescription.parse_in_full, found)
        assert outcome(SessionDescription.parse, found) == whole, found
        if whole is not None:
            assert outcome(SessionDescription.parse_in_full, bytes(whole)) == whole, found
    assert 10_000 < plain < 36_000


def test_a_port_beyond_all_ports_and_one_with_zeros_are_read_in_full():
    for port, read in ((b"65535", 65_535), (b"65000", 65_000), (b"0040", 40), (b"64999", 64_999)):
        data = PLAIN.replace(b"40000", port)
        assert SessionDescription.parse(data).media[0].port == read
    assert outcome(SessionDescription.parse, PLAIN.replace(b"40000", b"65536")) is None


def remembered():
    caches = _of_phone, _plain_stream, _usual_attribute_lines
    return [cache.cache_info().currsize for cache in caches]


def test_no_key_of_a_description_stays_in_memory():
    for line in (b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret\r\n", b"a=ice-pwd:secret\r\n"):
        before = remembered()
        bytes(SessionDescription.parse(PLAIN + line))
        assert remembered() == before


def test_a_description_that_is_long_by_its_name_is_not_remembered():
    before = _of_phone.cache_info().currsize
    long = PLAIN.replace(b"s=call", b"s=" + 1_000 * b"n")
    assert SessionDescription.parse(long).name == 1_000 * "n"
    assert _of_phone.cache_info().currsize == before
