"""What the plain patterns take is read as the full grammar reads it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import digest, fields, grammar, headers, message, uri
from sip.errors import ParseError
from sip.headers import NameAddr, Via
from sip.message import Request
from sip.reading import parse_message
from sip.uri import Uri

PLAIN_URI = re.compile(grammar.PLAIN_URI)
PLAIN_VIA = re.compile(grammar.PLAIN_VIA)

near_uris = st.from_regex(
    rb"(sips?|SIP|tel):([A-Za-z0-9+.%;:@-]{0,6}@)?[A-Za-z0-9.-]{1,8}(:[0-9]{0,6})?(;[a-z]{1,3})?",
    fullmatch=True,
)
near_addresses = st.builds(
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
    whole = [b"OPTIONS sip:h SIP/2.0", *lines]
    plain = fields.index_plain(b"\r\n".join(whole), len(lines))
    if plain is not None:
        assert (plain, None) == fields.index(whole)


def test_usual_header_fields_are_indexed_at_once():
    lines = [
        b"Via: SIP/2.0/UDP h;branch=z9hG4bK1",
        b"t:<sip:a@h>",
        b"CSeq:  1 OPTIONS",
        b"Expires:",
    ]
    assert fields.index_plain(b"\r\n".join([b"START", *lines]), 4) == {
        b"via": b"SIP/2.0/UDP h;branch=z9hG4bK1", b"to": b"<sip:a@h>", b"cseq": b"1 OPTIONS",
        b"expires": b"",
    }  # fmt: skip


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


@given(near_parameters)
def test_credentials(parameters):
    rest = b"".join(parameters).rstrip(b" \t")
    plain = digest._plain_parameters(rest)
    if plain is not None:
        assert plain == digest._any_parameters(rest)


def test_usual_credentials_are_read_at_once():
    usual = b'username="ana", realm="h",nc=00000001, qop=auth'
    assert digest._plain_parameters(usual) == {
        "username": "ana", "realm": "h", "nc": "00000001", "qop": "auth",
    }  # fmt: skip


@given(st.text("a,, \t;=>\\", max_size=12).map(str.encode))
def test_lists_without_quotes(value):
    assert headers.split_list(value) == headers._split_quoted(value) or b"," not in value


near_needed = st.tuples(
    st.sampled_from(
        [b"1 OPTIONS", b"01 OPTIONS", b"1  OPTIONS", b"4294967295 OPTIONS", b"1 options"]
    ),
    st.sampled_from([b"a@h", b"a", b"a b", b"a,b", b"", b"\xff", b"<sip:a>", b"1 OPTIONS"]),
    near_addresses,
    near_addresses,
)
SLOTS = ("cseq", "call_id", "from_tag", "to_tag")


@given(near_needed)
def test_the_needed_fields(values):
    """Those that one match reads at once are read the same one by one."""
    names = (b"cseq", b"call-id", b"from", b"to")
    at_once, each = request_with(), request_with()
    at_once._read_plainly(dict(zip(names, values, strict=True)))
    each._read_each_plainly(dict(zip(names, values, strict=True)))
    for slot in SLOTS:
        assert slot_of(at_once, slot) == slot_of(each, slot)


def slot_of(request, name):
    """What is in a slot, without reading it from its field; "unread" if nothing is."""
    try:
        return object.__getattribute__(request, name)
    except AttributeError:
        return "unread"


def test_usual_needed_fields_are_read_by_one_match():
    usual = b'7 OPTIONS\nx@h\n"Ana" <sip:ana@h>;tag=1\n<sip:h>'
    assert message._PLAIN_NEEDED.fullmatch(usual) is not None
    request = request_with()
    names = (b"cseq", b"call-id", b"from", b"to")
    request._read_plainly(dict(zip(names, usual.split(b"\n"), strict=True)))
    assert [slot_of(request, slot) for slot in SLOTS] == [(7, "OPTIONS"), "x@h", "1", None]


@given(near_uris)
def test_a_request_uri_that_is_plain_is_valid(value):
    if message._PLAIN_REQUEST_URI.fullmatch(value) is not None:
        read_uri = Uri.parse(value)
        assert (read_uri.headers, read_uri.scheme in ("sip", "sips")) == (None, True)
