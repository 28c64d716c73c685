"""SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966, RFC 5118)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import ParseError
from sip.uri import MAX_URI_BYTES, Uri


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (b"sip:bob@example.org", ("sip", "bob", None, "example.org", None)),
        (b"SIP:bob@EXAMPLE.org:5070", ("sip", "bob", None, "example.org", 5070)),
        (b"sips:example.org", ("sips", None, None, "example.org", None)),
        (b"sip:bob:pw@h", ("sip", "bob", "pw", "h", None)),
        (b"sip:bob:@h", ("sip", "bob", "", "h", None)),
        (b"sip:+995322;phone-context=x@h", ("sip", "+995322;phone-context=x", None, "h", None)),
        (b"sip:a?b;c=d&e=+$,/~x@h", ("sip", "a?b;c=d&e=+$,/~x", None, "h", None)),
        (b"sip:sips%3Auser%40example.com@h", ("sip", "sips:user@example.com", None, "h", None)),
        (b"sip:null-%00-null@h", ("sip", "null-\0-null", None, "h", None)),
        (b"sip:%D7%90@h", ("sip", "א", None, "h", None)),
        (b"sip:[2001:db8::10]", ("sip", None, None, "2001:db8::10", None)),
        (b"sip:[2001:db8::10:5070]", ("sip", None, None, "2001:db8::10:5070", None)),
        (b"sip:a@[2001:db8::10]:5070", ("sip", "a", None, "2001:db8::10", 5070)),
        (b"sip:a@[::ffff:192.0.2.10]", ("sip", "a", None, "::ffff:192.0.2.10", None)),
        (b"sip:a@my_host-1.example.", ("sip", "a", None, "my_host-1.example.", None)),
    ],
)
def test_parts_of_a_sip_uri(data, parts):
    uri = Uri.parse(data)
    assert (uri.scheme, uri.user, uri.password, uri.host, uri.port) == parts
    assert Uri.parse(bytes(uri)) == uri


def test_a_number_sign_is_read_as_phones_send_it_and_written_as_it_must_be():
    uri = Uri.parse(b"sip:#31#0322000001;x=1@h")
    assert uri.user == "#31#0322000001;x=1"
    assert bytes(uri) == b"sip:%2331%230322000001;x=1@h"
    assert uri.equivalent(Uri.parse(b"sip:%2331%230322000001;x=1@h"))


def test_parameters_and_headers():
    uri = Uri.parse(b"sip:h;Transport=TCP;lr;x=%41%3b?Route=%3Csip:x%3E&Subject=a")
    assert uri.params == {"transport": "TCP", "lr": None, "x": "A;"}
    assert uri.transport == "tcp"
    assert uri.headers == "Route=%3Csip:x%3E&Subject=a"
    assert Uri.parse(bytes(uri)) == uri


def test_tel_and_other_schemes():
    tel = Uri.parse(b"tel:+1-201-555-0123;phone-context=example.com")
    assert (tel.user, tel.params) == ("+1-201-555-0123", {"phone-context": "example.com"})
    assert bytes(tel) == b"tel:+1-201-555-0123;phone-context=example.com"
    other = Uri.parse(b"soap.beep://192.0.2.103:3002")
    assert (other.scheme, other.host, other.user) == ("soap.beep", "//192.0.2.103:3002", None)
    assert bytes(other) == b"soap.beep://192.0.2.103:3002"


@pytest.mark.parametrize(
    "data",
    [
        b"", b":", b"sip", b"sip:", b"sip:@h", b"sip:a@", b"sip: a@h", b"sip:a @h", b"sip:a@h ",
        b"sip:a@h;", b"sip:a@h;;lr", b"sip:a@h;x=", b"sip:a@h;=x", b"sip:a@h;lr;LR",
        b"sip:a@h;x=%4", b"sip:a@h;x=\"y\"", b"sip:%4@h", b"sip:%gg@h", b"sip:a%@h", b"sip:a@h:",
        b"sip:a@h:x", b"sip:a@h:65536", b"sip:a@h:123456", b"sip:a@h:\xd9\xa3", b"sip:a@-h",
        b"sip:a@h-", b"sip:a@h x", b"sip:a@2001:db8::1", b"sip:[2001:db8::1", b"sip:2001:db8::1]",
        b"sip:[]", b"sip:[...]", b"sip:[1.2.3.4]", b"sip:[::1]5060", b"sip:[::g]", b"sip:a@b@c",
        b"sip:<a@h>", b"sip:a\x00b@h", b"sip:a@h\x00", b"sip:a@h?x y", b"sip:a@h?x\x00",
        b"sip:a@h#x", b"sip:a:#@h", b"sip:a@h;x=#", b"sip:#@",
        b"1sip:a@h", b"s\xc4\xb1p:a@h", b"tel:", b"tel:1 2", b"tel:1;", b"mailto:a b", b"x:\x7f",
    ],
)  # fmt: skip
def test_malformed_uris_are_refused(data):
    with pytest.raises(ParseError) as caught:
        Uri.parse(data)
    assert caught.value.status == 400


def test_a_uri_has_a_greatest_length():
    Uri.parse(b"sip:" + b"a" * (MAX_URI_BYTES - 6) + b"@h")
    with pytest.raises(ParseError) as caught:
        Uri.parse(b"sip:" + b"a" * (MAX_URI_BYTES - 5) + b"@h")
    assert caught.value.status == 414


SAME = [
    (b"sip:%61lice@atlanta.com;transport=TCP", b"sip:alice@AtlanTa.CoM;Transport=tcp"),
    (b"sip:carol@chicago.com", b"sip:carol@chicago.com;newparam=5"),
    (b"sip:carol@chicago.com;security=on", b"sip:carol@chicago.com;newparam=5"),
    (b"sip:a@h?x=1&y=2", b"sip:a@h?y=2&x=1"),
]
DIFFERENT = [
    (b"SIP:ALICE@AtLanTa.CoM;Transport=udp", b"sip:alice@AtlanTa.CoM;Transport=UDP"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com:5060"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com;transport=udp"),
    (b"sip:bob@biloxi.com", b"sips:bob@biloxi.com"),
    (b"sip:carol@chicago.com;security=on", b"sip:carol@chicago.com;security=off"),
    (b"sip:bob@192.0.2.4", b"sip:bob@phone21.boxesbybob.com"),
    (b"sip:a@h?x=1", b"sip:a@h?x=2"),
    (b"sip:null-%00-null@h", b"sip:null-%00@h"),
]


@pytest.mark.parametrize(
    ("one", "other", "same"), [(*p, True) for p in SAME] + [(*p, False) for p in DIFFERENT]
)
def test_when_uris_are_equivalent(one, other, same):
    assert Uri.parse(one).equivalent(Uri.parse(other)) is same
    assert Uri.parse(other).equivalent(Uri.parse(one)) is same


words = st.binary(min_size=1, max_size=12).map(lambda b: b.decode("utf-8", "surrogateescape"))
hosts = st.one_of(
    st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
)
names = st.binary(min_size=1, max_size=8).map(
    lambda b: b.lower().decode("utf-8", "surrogateescape")
)
params = st.dictionaries(names.map(str.lower), st.none() | words, max_size=3)
uris = st.builds(
    Uri,
    st.sampled_from(["sip", "sips"]),
    words,
    st.none() | st.just("") | words,
    hosts,
    st.none() | st.integers(0, 65535),
    params,
    st.none() | st.from_regex(r"[A-Za-z0-9%&=.:_-]{0,20}", fullmatch=True),
)


@given(uris)
def test_whatever_is_written_reads_back(uri):
    assert Uri.parse(bytes(uri)) == uri


@given(st.binary(max_size=60).map(lambda rest: b"sip:" + rest) | st.binary(max_size=60))
def test_whatever_is_read_writes_and_reads_the_same(data):
    try:
        uri = Uri.parse(data)
    except ParseError:
        return
    assert Uri.parse(bytes(uri)) == uri
    assert b"\r" not in bytes(uri) and b"\n" not in bytes(uri) and b">" not in bytes(uri)[:5]
