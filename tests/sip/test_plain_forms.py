"""What the plain patterns take is read as the full grammar reads it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import (
    digest,
    fields,
    grammar,
    headers,
    message,
    plain,
    reading,
    uri,
)
from sip.errors import ParseError
from sip.headers import NameAddr, Via
from sip.invite import IncomingInvite
from sip.message import PLAIN_TARGET, Request
from sip.reading import parse_message
from sip.registered_contacts import plain_contact
from sip.transaction import State
from sip.transaction_layer import ServerTransaction
from sip.uri import Uri

PLAIN_URI = re.compile(grammar.PLAIN_URI)
PLAIN_VIA = re.compile(grammar.PLAIN_VIA)

near_uris = st.from_regex(
    rb"(sips?|SIP|tel):([A-Za-z0-9+.%;:@-]{0,6}@)?[A-Za-z0-9.-]{1,8}(:[0-9]{0,6})?(;[a-z]{1,3})?",
    fullmatch=True,
)
near_addresses = st.builds(
    lambda inner, tail: inner + tail,
    near_uris,
    st.sampled_from([b"", b";tag=1a", b">;tag=1a", b";tag=a,b", b"?x=1", b" ;tag=1", b', "a" <']),
) | st.builds(
    lambda name, inner, tail: name + b"<" + inner + b">" + tail,
    st.sampled_from([b"", b'"Ana" ', b'"Ana"', b'"A\\"n" ', b"Ana ", b'"\x07" ', b'""']),
    near_uris,
    st.sampled_from([b"", b";tag=1a", b";tag=1;tag=2", b";tag=a%b", b";x=1;tag=2", b" ;tag=1"]),
)
near_vias = st.builds(
    lambda start, host, parameters: start + host + b"".join(parameters),
    st.sampled_from([b"SIP/2.0/UDP ", b"SIP/2.0/udp ", b"SIP / 2.0 / TCP ", b"SIP/2.0/UDP  "]),
    st.from_regex(rb"[A-Za-z0-9.\[\]:-]{1,9}(:[0-9]{1,5})?", fullmatch=True),
    st.lists(
        st.sampled_from([b";rport", b";branch=z9hG4bKa", b";rport=1", b";received=h", b", x"])
    ),
)


def read(parse, value):
    """What a parser makes of a value, or that it refuses it."""
    try:
        return parse(value)
    except ParseError:
        return None


@given(near_uris)
def test_uris(value):
    assert read(Uri.parse, value) == read(uri._parse, value)


@given(near_addresses)
def test_addresses(value):
    assert read(NameAddr.parse, value) == read(headers._parse_name_addr, value)


@given(near_vias)
def test_vias(value):
    plain = PLAIN_VIA.fullmatch(value)
    if plain is None:
        return
    via = Via.parse(value)
    assert (via.transport, via.host) == (plain[1].decode(), plain[2].decode().lower())
    assert (via.port, via.branch) == (plain[3] and int(plain[3]), plain[5].decode())
    assert ("rport" in via.params) == bool(plain[4] or plain[6])


@given(near_vias, st.sampled_from(["192.0.2.1", "h", "2001:db8::1"]))
def test_the_source_is_stamped_alike(value, host):
    """By the plain pattern and, after a parameter that it doesn't know, in full."""
    stamped = [read(lambda via: stamp(via, host), via) for via in (value, value + b";x=1")]
    if stamped[0] is not None and b"," not in value:
        plain, full = (Via.parse(via) for via in stamped)
        full.params.pop("x")
        assert plain == full


def stamp(via, host):
    request = request_with(b"Via: " + via)
    request.stamp_source(host, 5070)
    return request.get(b"via")


def request_with(*lines) -> Request:
    return parse_message(b"\r\n".join([b"OPTIONS sip:a SIP/2.0", *lines, b"", b""]))


def test_an_ipv6_source_has_no_quotes():
    value = stamp(b"SIP/2.0/UDP h;rport;branch=z9hG4bKa", "2001:db8::1")
    assert value == b"SIP/2.0/UDP h;rport=5070;branch=z9hG4bKa;received=2001:db8::1"


def test_a_long_plain_uri_is_refused_like_any():
    long = b"sip:" + b"a" * uri.MAX_URI_BYTES + b"@h"
    for parse, value in ((Uri.parse, long), (NameAddr.parse, b"<" + long + b">")):
        with pytest.raises(ParseError) as refused:
            parse(value)
        assert refused.value.status == 414


def test_a_fold_continues_the_field_above_it_and_only_a_field():
    request = request_with(b"Subject: a", b"\tb ", b" c", b"Via: SIP/2.0/UDP h")
    assert request.get(b"subject") == b"a b c"
    with pytest.raises(ParseError):
        request_with(b" Subject: a")


@pytest.mark.parametrize("value", [b"a\rb", b"a\nb", b"a\r\nX: b"])
def test_nothing_breaks_out_of_a_field_that_is_built(value):
    with pytest.raises(ValueError, match="can't hold"):
        Request.build("OPTIONS", b"sip:a", [(b"Subject", value)])


near_fields = st.lists(
    st.builds(
        lambda name, colon, value: name + colon + value,
        st.sampled_from(
            [b"Via", b"v", b"To", b"Call-ID", b"X-1", b"to", b" To", b"To ", b"", b"T:o"]
        ),
        st.sampled_from([b":", b": ", b":\t ", b" :", b""]),
        st.from_regex(rb"[ \ta:,;-]{0,6}", fullmatch=True),
    ),
    max_size=6,
)


@given(near_fields)
def test_header_fields(lines):
    """What is indexed at once is what the loop over the lines makes of it."""
    found = indexed(lines)
    if found is not None:
        assert found == fields.index([b"", *lines])


def indexed(lines):
    """The index of a message of these lines, if it is made at once."""
    found = plain.read_plain(b"\r\n".join([b"OPTIONS sip:h SIP/2.0", *lines, b"", b""]))
    return None if found is None else (found.values, found.repeated)


def test_usual_header_fields_are_indexed_at_once():
    lines = [
        b"Via: SIP/2.0/UDP h;branch=z9hG4bK1",
        b"t:<sip:a@h>",
        b"CSeq:  1 OPTIONS",
        b"Expires:",
    ]
    values = {
        b"via": b"SIP/2.0/UDP h;branch=z9hG4bK1", b"to": b"<sip:a@h>", b"cseq": b"1 OPTIONS",
        b"expires": b"",
    }  # fmt: skip
    assert indexed(lines) == (values, None)


def test_what_proxies_add_is_indexed_at_once_and_no_other_repetition():
    lines = [b"Via: a", b"Record-Route: r", b"To: t", b"v: b", b"Record-Route: s", b"Via: c"]
    assert indexed(lines) == (
        {b"via": b"a", b"record-route": b"r", b"to": b"t"},
        {b"via": [b"a", b"b", b"c"], b"record-route": [b"r", b"s"]},
    )
    assert indexed([*lines, b"To: t"]) is None


near_parameters = st.lists(
    st.builds(
        lambda name, equals, value, comma: name + equals + value + comma,
        st.sampled_from([b"realm", b"Realm", b"nc", b"qop", b"x-y", b"", b" uri"]),
        st.sampled_from([b"=", b" = ", b"= "]),
        st.sampled_from(
            [b'"a b"', b'"a\\"b"', b"a", b"a=b", b'""', b"", b'"\xc3\xa9"', b'"a', b"\xe9"]
        ),
        st.sampled_from([b",", b", ", b" ,", b",,", b", , ", b""]),
    ),
    max_size=5,
)


@given(near_uris | st.from_regex(re.compile(PLAIN_TARGET), fullmatch=True))
def test_contacts(value):
    """A Contact that is registered as it stands is what the full grammar would write."""
    request = Request.started("REGISTER", b"sip:example.org")
    request.values, request.repeated = {b"contact": b"<%s>" % value}, None
    if plain_contact(request) is not None:
        assert plain_contact(request) == bytes(uri._parse(value)) == value


near_schemes = st.sampled_from([b"Digest ", b"digest  ", b" DIGEST\t", b"Digest", b"Basic ", b""])


@given(near_schemes, near_parameters)
def test_credentials(scheme, parameters):
    value = scheme + b"".join(parameters)
    try:
        read = digest._any_parameters(value)
    except ParseError:
        with pytest.raises(ParseError):
            digest._parameters(value)
    else:
        assert digest._parameters(value) == read


def test_usual_credentials_are_read_at_once():
    usual = b'Digest username="ana", realm="h",nc=00000001, qop=auth'
    assert digest._PLAIN_PARAMS.fullmatch(usual.decode()) is not None
    assert digest._parameters(usual) == {
        "username": "ana", "realm": "h", "nc": "00000001", "qop": "auth",
    }  # fmt: skip


@given(st.text("a,, \t;=>\\", max_size=12).map(str.encode))
def test_lists_without_quotes(value):
    assert headers.split_list(value) == headers._split_quoted(value) or b"," not in value


near_starts = st.sampled_from(
    [
        b"OPTIONS sip:h SIP/2.0", b"REGISTER sip:h;transport=udp SIP/2.0", b"ACK tel:1 SIP/2.0",
        b"INVITE sip:a@h?x=1 SIP/2.0", b"BREW sip:h SIP/2.0", b"BYE  sip:h SIP/2.0",
        b"OPTIONS sip:h sip/2.0", b"SIP/2.0 200 OK", b"SIP/2.0 200", b"SIP/2.0 180 L\xc3\xa4uft",
        b"SIP/2.0 200 \xff", b"sip/2.0 200 OK", b"SIP/2.0 799 x", b"SIP/2.0 200 OK\r\nVia",
        b"SIP/2.0 200 O\nK", b"SIP/2.0 200 O\rK", b"OPTIONS sip:h SIP/2.0\r\nVia",
    ]
)  # fmt: skip
near_lines = st.tuples(
    st.builds(
        lambda name, via: name + via,
        st.sampled_from([b"Via: ", b"v:", b"Via:\t", b"Via : ", b"X: "]),
        near_vias,
    ),
    st.sampled_from([b"Max-Forwards: 70", b"Max-Forwards: 256", b"Max-Forwards: 7x", b"X: 1"]),
    st.sampled_from(
        [
            b"CSeq: 1 OPTIONS", b"CSeq: 01 INVITE", b"CSeq:  1 BYE ", b"CSeq: 4294967295 OPTIONS",
            b"CSeq: 1  ACK", b"CSeq: 1 options", b"CSeq: 7 REGISTER", b"CSeq: 7 INVITE",
        ]
    ),
    st.sampled_from(
        [b"Call-ID: a@h", b"i: a", b"Call-ID: a b", b"Call-ID: a,b", b"Call-ID:", b"Call-ID: \xff"]
    ),
    near_addresses.map(lambda value: b"From: " + value),
    near_addresses.map(lambda value: b"t: " + value),
    st.sampled_from(
        [
            b"Contact: <sip:a@h:5070;transport=tcp;ob>", b"Contact: sip:a@h", b"m: *", b"m: <sip:>",
            b"Contact: <sip:a@h>;expires=60", b"Contact: <sip:a@h>, <sip:b@h>", b"X: 2", b" fold",
        ]
    ),
)  # fmt: skip
near_bodies = st.sampled_from(
    [
        b"\r\n\r\n", b"\r\nl: 2\r\n\r\nab", b"\r\nl: 3\r\n\r\nab", b"\r\nl: 1\r\n\r\nab",
        b"\r\nl: 02\r\n\r\nab", b"\r\n\r\nab", b"\r\n", b"\n\n", b"\r\nX: a\rb\r\n\r\n",
        b"\r\nt: <sip:a>\r\n\r\n",
    ]
)  # fmt: skip
READ = (
    "branch", "sent_by", "cseq", "call_id", "from_tag", "to_tag", "plain_target", "max_forwards",
    "values", "repeated", "body", "raw",
)  # fmt: skip


def reading_of(reader, data):
    """All that is read of a message by one of both readers, or how it is refused."""
    try:
        message = reader(data)
        message.validate()
    except ParseError as error:
        return error.status, error.reason
    start = [getattr(message, name, None) for name in ("method", "raw_uri", "status", "reason")]
    return [*start, *(read(lambda name: getattr(message, name, None), name) for name in READ)]


USUAL = {
    "a request": b"""INVITE sip:+442071838750@192.0.2.1 SIP/2.0
Via: SIP/2.0/UDP 192.168.1.5:5060;branch=z9hG4bKa1;rport
Max-Forwards: 70
CSeq: 2 INVITE
Call-ID: x@192.168.1.5
From: "Ana" <sip:ana@example.org>;tag=a
To: <sip:+442071838750@192.0.2.1>
Contact: <sip:ana@192.168.1.5:5060>
""",
    "a request by way of a proxy": b"""REGISTER sip:example.org SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKp.1
Max-Forwards: 69
CSeq: 2 REGISTER
Call-ID: x
From: "Ana" <sip:ana@example.org>;tag=a
To: sip:ana@example.org
Contact: <sip:ana@192.168.1.5:5060>;expires=60
Via: SIP/2.0/UDP 192.168.1.5:5060;branch=z9hG4bKa1;rport=7;received=198.51.100.1
Path: <sip:192.0.2.7;lr>
""",
    "a response": b"""SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.1:5060;rport=5060;branch=z9hG4bKa1;received=192.0.2.1
Server: gateway
CSeq: 1 INVITE
Call-ID: 0123456789abcdef
From: gateway <sip:+99532@192.0.2.1>;tag=a
To: <sip:+442071838750@203.0.113.1>;tag=b
Contact: <sip:203.0.113.1:5060>
""",
}


def whole(name):
    return USUAL[name].replace(b"\n", b"\r\n") + b"\r\n"


@st.composite
def near_usual(draw):
    """A usual message, some of whose lines may be replaced by near ones."""
    start, *lines = USUAL[draw(st.sampled_from(sorted(USUAL)))].strip().split(b"\n")
    start = draw(st.just(start) | near_starts)
    odd = draw(near_lines)
    for index in draw(st.sets(st.integers(0, min(len(lines), len(odd)) - 1), max_size=3)):
        lines[index] = odd[index]
    end = draw(st.just(b"\r\n\r\n") | near_bodies)
    return b"\r\n".join([start, *lines]) + end


@given(near_usual())
def test_whole_messages(data):
    """What is read at once, the strict reader reads and validates alike, and no refusal differs."""
    message = plain.read_plain(data)
    if message is not None:
        assert reading_of(parse_message, data) == reading_of(reading.read_strictly, data)


@pytest.mark.parametrize("name", USUAL)
def test_usual_messages_are_proven_at_once(name):
    data = whole(name)
    message = plain.read_plain(data)
    assert message.proven
    assert reading_of(plain.read_plain, data) == reading_of(reading.read_strictly, data)


@pytest.mark.parametrize("name", USUAL)
def test_white_space_around_values_is_no_part_of_them(name):
    padded = whole(name).replace(b": ", b":\t ").replace(b"\r\n", b" \t\r\n")
    start, fields = padded.removesuffix(b" \t\r\n").split(b" \t\r\n", 1)
    data = start + b"\r\n" + fields + b"\r\n"
    message = plain.read_plain(data)
    assert message.proven
    assert message.values == plain.read_plain(whole(name)).values
    assert reading_of(plain.read_plain, data) == reading_of(reading.read_strictly, data)


def test_an_rport_that_stands_twice_is_not_plain():
    data = whole("a request").replace(b";branch", b";rport;branch")
    message = plain.read_plain(data)
    assert not message.proven
    assert reading_of(plain.read_plain, data) == reading_of(reading.read_strictly, data)


def test_a_field_that_is_met_for_the_first_time_is_plain_from_then_on():
    data = whole("a request").replace(b"Max-Forwards", b"X-Never-Met: 1\r\nMax-Forwards")
    assert plain.read_plain(data) is None
    parse_message(data)
    assert plain.read_plain(data).proven


@pytest.mark.parametrize("stray", [b"V", b"", b"V\rV", b"V\nV"])
@pytest.mark.parametrize("name", USUAL)
def test_a_line_before_the_first_field_is_no_part_of_the_start_line(name, stray):
    start, fields = whole(name).split(b"\r\n", 1)
    for end in (b"\r\n", b"\n", b"\r"):
        data = start + end + stray + b"\r\n" + fields
        assert plain.read_plain(data) is None
        if stray:
            with pytest.raises(ParseError):
                parse_message(data)


@given(near_usual())
def test_a_message_whose_index_was_forgotten_has_the_same_fields(data):
    kept, whole_one = plain.read_plain(data), plain.read_plain(data)
    if kept is None or not kept.proven:
        return
    del kept.values
    assert (kept.values, kept.repeated) == (whole_one.values, whole_one.repeated)
    del kept.values
    assert kept.get_all(b"via") == whole_one.get_all(b"via")


@pytest.mark.parametrize("name", ["a request", "a request by way of a proxy"])
@pytest.mark.parametrize("status", [180, 200, 486])
def test_responses_to_an_invite_whose_index_was_forgotten_are_the_same(name, status):
    data = whole(name).replace(b"branch=z9hG4bKp.1", b"rport;branch=z9hG4bKp.1")
    request = plain.read_plain(data)
    request.stamp_source("198.51.100.9", 5070)
    wanted = request.write_response(status, None, "t", b"\r\nServer: s", b"body")
    transaction = ServerTransaction({}, State.PROCEEDING, (), request, None)
    invite = IncomingInvite(None, transaction, b"", False, None)
    for _ in range(2):
        assert invite.write_response(status, None, "t", b"\r\nServer: s", b"body") == wanted
    assert b";rport=5070;received=198.51.100.9" in wanted
    assert (b"Record-Route" in wanted) == (b"Record-Route" in data and status < 300)


def test_a_message_that_is_plain_but_for_one_value_is_not_proven():
    data = whole("a request").replace(b"CSeq: 2 INVITE", b"CSeq: 2 BYE")
    message = plain.read_plain(data)
    assert not message.proven
    with pytest.raises(ParseError, match="CSeq"):
        message.validate()


@given(near_uris)
def test_a_request_uri_that_is_plain_is_valid(value):
    if message._PLAIN_REQUEST_URI.fullmatch(value) is not None:
        read_uri = Uri.parse(value)
        assert (read_uri.headers, read_uri.scheme in ("sip", "sips")) == (None, True)
