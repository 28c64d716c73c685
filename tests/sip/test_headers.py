"""Header field values that the stack reads (RFC 3261 section 20)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_uri import hosts, uris, words

from sip.errors import ParseError
from sip.headers import CSeq, NameAddr, Via, parse_params, quote, split_list, unquote, write_params

tokens = st.from_regex(r"[A-Za-z0-9.!%*_+`'~-]{1,12}", fullmatch=True)
lower_tokens = tokens.map(str.lower)
quotable = words.filter(lambda word: "\r" not in word and "\n" not in word)
params = st.dictionaries(lower_tokens, st.none() | quotable, max_size=3)


@pytest.mark.parametrize(
    ("value", "name", "uri", "tag"),
    [
        (b"<sip:a@b>;tag=1", None, b"sip:a@b", "1"),
        (b"sip:a@b;tag=1", None, b"sip:a@b", "1"),
        (b"sip:a@b ;tag=1", None, b"sip:a@b", "1"),
        (b"<sip:a@b;tag=2>;tag=1", None, b"sip:a@b;tag=2", "1"),
        (b"Bell Watson<sip:a@b> ; TAG = 1", "Bell Watson", b"sip:a@b", "1"),
        (b"caller<sip:a@b>", "caller", b"sip:a@b", None),
        (b'"a \\"b\\" \\\\ <c>, d" <sip:a@b>', 'a "b" \\ <c>, d', b"sip:a@b", None),
        (b'""<sip:a@b>', "", b"sip:a@b", None),
        ("\"Тест\"<sip:a@b>".encode(), "Тест", b"sip:a@b", None),
        (b'"\xff\xfe" <sip:a@b>', "\udcff\udcfe", b"sip:a@b", None),
        (b"<sip:a,b@c>", None, b"sip:a,b@c", None),
        (b"<tel:+995322000001>;tag=1", None, b"tel:+995322000001", "1"),
    ],
)  # fmt: skip
def test_name_addr(value, name, uri, tag):
    read = NameAddr.parse(value)
    assert (read.display_name, bytes(read.uri), read.tag) == (name, uri, tag)
    assert NameAddr.parse(bytes(read)) == read


@pytest.mark.parametrize(
    "value",
    [
        b"", b"<>", b"<sip:a@b", b"sip:a@b>", b'"a <sip:a@b>', b'a" <sip:a@b>', b'"a" sip:a@b',
        b"a b sip:c@d", b"A, B <sip:a@b>", b"A\x0bB <sip:a@b>", b"\xc3\xb6 <sip:a@b>",
        b"<sip:a@b>tag=1", b"<sip:a@b>;tag", b"<sip:a@b>;tag=1;tag=2", b"<sip:a@b>;;",
        b"<sip:a@b>;tag=1 x", b"<sip:a@b>, <sip:c@d>", b"sip:a@b?Subject=x", b"sip:a,b@c",
        b"<sip:a@b>;tag=\"x", b"< sip:a@b >", b"*", b"<<sip:a@b>>",
    ],
)  # fmt: skip
def test_malformed_addresses_are_refused(value):
    if value == b"<sip:a@b>;tag":
        assert NameAddr.parse(value).tag is None  # a parameter without a value
        return
    with pytest.raises(ParseError):
        NameAddr.parse(value)


@given(st.builds(NameAddr, st.none() | quotable, uris, params))
def test_name_addr_reads_back(address):
    assert NameAddr.parse(bytes(address)) == address


@given(st.binary(max_size=60))
def test_name_addr_never_fails_otherwise(data):
    try:
        address = NameAddr.parse(data)
    except ParseError:
        return
    assert NameAddr.parse(bytes(address)) == address


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (b"SIP/2.0/UDP h", ("UDP", "h", None)),
        (b"SIP / 2.0 / tcp \t H.example : 5070 ;branch=a", ("TCP", "h.example", 5070)),
        (b"SIP/2.0/TLS [2001:DB8::9:255]:5061;branch=a", ("TLS", "2001:db8::9:255", 5061)),
        (b"SIP/2.0/UNKNOWN 192.0.2.1", ("UNKNOWN", "192.0.2.1", None)),
        (b"sip/2.0/sctp h", ("SCTP", "h", None)),
    ],
)
def test_via(value, parts):
    via = Via.parse(value)
    assert (via.transport, via.host, via.port) == parts
    assert Via.parse(bytes(via)) == via


@pytest.mark.parametrize("delimited", [b"[2001:db8::9]", b"2001:db8::9"])
def test_a_received_address_may_stand_in_brackets_or_not(delimited):
    via = Via.parse(b"SIP/2.0/UDP [2001:db8::9]:5060;received=%s;branch=a" % delimited)
    assert via.received == delimited.decode()
    assert delimited + b";" in bytes(via)


@pytest.mark.parametrize(
    ("rport", "port"), [(b"5060", 5060), (b"65536", None), (b"-1", None), (b"\xd9\xa3", None)]
)
def test_rport_is_a_port_or_nothing(rport, port):
    assert Via.parse(b"SIP/2.0/UDP h;rport=" + rport).rport == port


@pytest.mark.parametrize(
    "value",
    [
        b"", b"SIP/2.0/UDP", b"SIP/2.0/UDP ", b"SIP/2.0 h", b"SIP/2.0/ h", b"SIP/3.0/UDP h",
        b"SIP/7.0/UDP h", b"HTTP/2.0/UDP h", b"SIP/2.0/UDPh", b"SIP/2.0/U\xc3\x96 h",
        b"SIP/2.0/UDP h:", b"SIP/2.0/UDP h:70000", b"SIP/2.0/UDP h:x", b"SIP/2.0/UDP 2001:db8::1",
        b"SIP/2.0/UDP [h]", b"SIP/2.0/UDP h;;", b"SIP/2.0/UDP h;,;,,",
        b"SIP/2.0/UDP h;branch=a;branch=b", b"SIP/2.0/UDP h i", b"SIP/2.0/UDP\x0bh",
    ],
)  # fmt: skip
def test_malformed_vias_are_refused(value):
    with pytest.raises(ParseError):
        Via.parse(value)


@given(st.builds(Via, tokens.map(str.upper), hosts, st.none() | st.integers(0, 65535), params))
def test_via_reads_back(via):
    assert Via.parse(bytes(via)) == via


@given(st.builds(CSeq, st.integers(0, 2**32 - 1), tokens))
def test_cseq_reads_back(cseq):
    assert CSeq.parse(bytes(cseq)) == cseq


@given(params)
def test_parameters_read_back(values):
    assert parse_params(write_params(values)) == values


@given(quotable)
def test_quoted_strings_read_back(value):
    assert unquote(quote(value)) == value


def test_a_line_end_never_survives_as_it_is():
    with pytest.raises(ParseError):
        parse_params(b';a="x\r\ny"')


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        (b"a", [b"a"]),
        (b"", []),
        (b",", []),
        (b", ,a, ", [b"a"]),
        (b"a,b", [b"a", b"b"]),
        (b" a , b ,, c", [b"a", b"b", b"c"]),
        (b'"a,b", <c,d>;e="f,g", h', [b'"a,b"', b'<c,d>;e="f,g"', b"h"]),
        (b'"a\\",b", c', [b'"a\\",b"', b"c"]),
        (b'"open, b', [b'"open, b']),
        (b"<open, b", [b"<open, b"]),
    ],
)
def test_lists_are_split_at_the_commas_that_separate(value, elements):
    assert split_list(value) == elements
