"""Session descriptions: what is read, what is refused, what we write (RFC 8866)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import ParseError
from sip.sdp import (
    MAX_LINES,
    MAX_MEDIA,
    MAX_SDP_BYTES,
    Connection,
    Media,
    Origin,
    SessionDescription,
)

HEAD = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"
AUDIO = b"m=audio 4000 RTP/AVP 0\r\n"
WHOLE = HEAD + b"c=IN IP4 192.0.2.1\r\nt=0 0\r\n" + AUDIO


def parse(data: bytes) -> SessionDescription:
    return SessionDescription.parse(data)


def test_a_whole_description():
    read = parse(
        b"v=0\r\no=alice 2890844526 2890842807 IN IP6 2001:db8::1\r\ns=talk\r\ni=info\r\n"
        b"c=IN IP6 2001:db8::1\r\nb=AS:64\r\nt=0 0\r\nt=1 2\r\nz=0 0\r\na=tool:x\r\na=recvonly\r\n"
        b"m=audio 4000/2 RTP/AVP 0 101\r\ni=sound\r\nc=IN IP4 192.0.2.1/127\r\nb=AS:32\r\n"
        b"a=rtpmap:101 telephone-event/8000\r\na=sendonly\r\nm=video 0 RTP/AVP 31\r\n"
    )
    assert read.origin == Origin("alice", "2890844526", "2890842807", "2001:db8::1")
    assert (read.name, read.connection) == ("talk", Connection("2001:db8::1"))
    assert "192.0.2.1" in read.media[0].connection.address
    assert read.timing == ("0 0", "1 2")
    assert read.attributes == (("tool", "x"), ("recvonly", None))
    audio, video = read.media
    assert (audio.kind, audio.port, audio.port_count, audio.protocol) == (
        "audio",
        4000,
        2,
        "RTP/AVP",
    )
    assert audio.formats == ("0", "101")
    assert ("rtpmap", "101 telephone-event/8000") in audio.attributes
    assert ("sendonly", None) in audio.attributes
    assert (read.direction_of(audio), read.direction_of(video)) == ("sendonly", "recvonly")
    assert (read.address_of(audio), read.address_of(video)) == ("192.0.2.1", "2001:db8::1")
    assert parse(bytes(read)) == read


def test_an_address_may_stand_with_the_stream_only():
    read = parse(HEAD + b"t=0 0\r\n" + AUDIO + b"c=IN IP4 192.0.2.7\r\n")
    assert read.connection is None and read.address_of(read.media[0]) == "192.0.2.7"
    with pytest.raises(ParseError, match="without c="):
        parse(HEAD + b"t=0 0\r\n" + AUDIO)
    parse(HEAD + b"t=0 0\r\nm=audio 0 RTP/AVP 0\r\n")  # a refused stream needs none


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\n", b"\r\n\r\n", b"\r\n\r\n\r\n"])
def test_the_last_line_counts_however_it_ends(end):
    read = parse(WHOLE + b"a=sendonly" + end)
    assert read.direction_of(read.media[0]) == "sendonly"


def test_bare_line_feeds_are_tolerated():
    assert parse(WHOLE.replace(b"\r\n", b"\n")) == parse(WHOLE)


def test_an_origin_with_spaces_and_a_missing_name_are_tolerated():
    read = parse(WHOLE.replace(b"o=-", b"o=My Phone").replace(b"s=-\r\n", b""))
    assert (read.origin.username, read.name) == ("My Phone", "-")


@pytest.mark.parametrize("direction", ["sendonly", "recvonly", "inactive"])
@pytest.mark.parametrize("spelling", ["%s ", "%s\t", " %s", "%s:", "%s: ", "%s \t "])
def test_a_direction_is_read_whatever_blanks_stand_around_it(direction, spelling):
    line = (spelling % direction).encode()
    assert parse(WHOLE + b"a=" + line + b"\r\n").media[0].attributes == ((direction, None),)
    session = WHOLE.replace(b"t=0 0\r\n", b"t=0 0\r\na=" + line + b"\r\n")
    assert parse(session).direction_of(parse(session).media[0]) == direction


def test_values_are_read_without_the_blanks_and_tabs_around_them():
    read = parse(
        WHOLE + b"a=ptime: 30 \r\na=rtpmap:101 telephone-event/8000\t\r\n \t\r\na= x : y \r\n"
    )
    assert read.media[0].attributes == (
        ("ptime", "30"), ("rtpmap", "101 telephone-event/8000"), ("x", "y"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        b"m=audio  4000  RTP/AVP  0  101", b"m=audio\t4000 RTP/AVP 0\t101",
        b"m= audio 4000 RTP/AVP 0 101 ",
        b"m=audio 4000 RTP/AVP 0 101\t",
    ],
)  # fmt: skip
def test_a_stream_is_read_with_more_than_one_blank_between_its_fields(line):
    read = parse(WHOLE.replace(b"m=audio 4000 RTP/AVP 0", line))
    assert read.media[0].port == 4000 and read.media[0].formats == ("0", "101")
    assert b"m=audio 4000 RTP/AVP 0 101\r\n" in bytes(read)


def test_an_address_is_read_without_brackets_and_with_more_than_one_blank():
    odd = WHOLE.replace(b"o=- 1 1 IN IP4 192.0.2.1", b"o=- 1  1 IN IP6 [2001:db8::1]")
    read = parse(odd.replace(b"c=IN IP4 192.0.2.1", b"c=IN  IP6 [2001:db8::2]/1 "))
    assert read.origin == Origin("-", "1", "1", "2001:db8::1")
    assert read.connection == Connection("2001:db8::2")
    assert b"[" not in bytes(read)


@pytest.mark.parametrize("before", [b"\r\n", b"\n", b"\r\n\r\n"])
def test_empty_lines_before_the_first_are_passed_over(before):
    assert parse(before + WHOLE) == parse(WHOLE)
    assert parse(WHOLE.replace(b"v=0", b"v=0 ")) == parse(WHOLE)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"v=0", b"v=1\r\n", b"v=0\r\ns=-\r\n", b"o=- 1 1 IN IP4 h\r\nv=0\r\n", b"hello",
        b"\x00" * 50,
        WHOLE.replace(b"IN IP4 192.0.2.1\r\ns", b"IN IP4\r\ns"), WHOLE.replace(b"c=IN", b"c=XX"),
        WHOLE.replace(b"c=IN IP4 192.0.2.1", b"c=IN IP4 "), WHOLE + b"a", WHOLE + b"A=x\r\n",
        WHOLE + b"abc=x\r\n", WHOLE + b"a=x\x00y\r\n", WHOLE + b"a=x\ry\r\n",
        WHOLE.replace(b"4000", b"70000"), WHOLE.replace(b"4000", b"-1"), WHOLE.replace(b"4000",
        b"x"),
        WHOLE.replace(b"4000", b"\xd9\xa3"), WHOLE.replace(b"RTP/AVP 0", b"RTP/AVP"),
        WHOLE.replace(b"AVP 0", b"AVP 0 \xc2\x85 8"), WHOLE.replace(b"AVP 0", b"AVP 0\x0b8"),
        WHOLE.replace(b"audio", b"au dio"), WHOLE.replace(b"192.0.2.1", b"<script>"),
        WHOLE.replace(b"m=audio 4000 RTP/AVP 0", b"m="),
    ],
)  # fmt: skip
def test_what_is_no_description_is_refused(data):
    with pytest.raises(ParseError) as caught:
        parse(data)
    assert caught.value.status == 400


def test_descriptions_have_limits():
    lines = WHOLE.count(b"\r\n")
    parse(WHOLE + b"a=x\r\n" * (MAX_LINES - lines))
    with pytest.raises(ParseError):
        parse(WHOLE + b"a=x\r\n" * (MAX_LINES - lines + 1))
    parse(WHOLE + AUDIO * (MAX_MEDIA - 1))
    with pytest.raises(ParseError, match="Too many media"):
        parse(WHOLE + AUDIO * MAX_MEDIA)
    with pytest.raises(ParseError) as caught:
        parse(WHOLE + b"a=" + b"x" * MAX_SDP_BYTES)
    assert caught.value.status == 413


token = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,8}", fullmatch=True)


def text_without(octets):
    """Any octets but these as text; left out as text, they could join others to a character."""
    return st.binary(max_size=12).map(
        lambda data: data.translate(None, octets).decode("utf-8", "surrogateescape")
    )


line = text_without(b"\r\n\0")
address = st.one_of(st.ip_addresses().map(str), st.just("host.example.org"))
attribute = st.tuples(
    text_without(b"\r\n\0:").map(lambda name: name.strip(" \t")),
    st.none() | line.map(lambda value: value.strip(" \t")),
)
attributes = st.lists(attribute, max_size=3).map(tuple)
connection = st.builds(Connection, address)
media = st.builds(
    Media,
    token,
    st.integers(0, 65535),
    st.sampled_from(["RTP/AVP", "RTP/SAVP", "udptl", "TCP/MSRP"]),
    st.lists(token, min_size=1, max_size=3).map(tuple),
    st.none() | st.integers(0, 99999),
    connection,
    attributes,
    st.lists(st.tuples(st.just("b"), line), max_size=2).map(tuple),
)
descriptions = st.builds(
    SessionDescription,
    st.builds(Origin, token, token, token, address),
    line,
    st.none() | connection,
    st.lists(line, min_size=1, max_size=2).map(tuple),
    attributes,
    st.lists(media, max_size=3).map(tuple),
    st.lists(st.tuples(st.just("b"), line), max_size=2).map(tuple),
)


@given(descriptions)
def test_whatever_is_written_reads_back(description):
    assert parse(bytes(description)) == description


@given(st.binary(max_size=40), st.integers(0, len(WHOLE)))
def test_whatever_is_read_writes_and_reads_the_same(noise, at):
    try:
        read = parse(WHOLE[:at] + noise + WHOLE[at:])
    except ParseError:
        return
    written = bytes(read)  # in the RFC's order, whatever order it came in
    assert bytes(parse(written)) == written
