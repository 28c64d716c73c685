"""Messages: what is read from the wire, what is refused, and what we write."""

import pytest
from sip_messages import raw, request

from sip.errors import ParseError
from sip.fields import MAX_HEADERS, MAX_VALUE_BYTES
from sip.headers import MAX_CONTACTS
from sip.message import MAX_MESSAGE_BYTES, Request, Response
from sip.reading import RequestError, parse_message

START = b"OPTIONS sip:bob@example.org SIP/2.0"
NEEDED = (
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx",
    b"From: <sip:alice@example.org>;tag=1",
    b"To: <sip:bob@example.org>",
    b"Call-ID: abc",
    b"CSeq: 7 OPTIONS",
)


def answerable(error: ParseError) -> Request | None:
    """The request to answer, if the message that was refused has one."""
    return error.request if isinstance(error, RequestError) else None


def refused(data: bytes) -> ParseError:
    """The error that parsing or validating gives."""
    with pytest.raises(ParseError) as caught:
        parse_message(data).validate()
    return caught.value


def maybe_refused(data: bytes) -> ParseError | None:
    try:
        parse_message(data).validate()
    except ParseError as error:
        return error
    return None


# What is read


def test_a_request_is_read_on_demand():
    message = parse_message(request("INVITE", b"sip:bob@example.org;transport=tcp", b"body"))
    assert isinstance(message, Request)
    assert (message.method, message.raw_uri) == ("INVITE", b"sip:bob@example.org;transport=tcp")
    assert message.uri.transport == "tcp"
    assert message.cseq == (1, "INVITE")
    assert (message.from_tag, message.to_tag) == ("1", None)
    assert (message.via.host, message.branch) == ("192.0.2.1", "z9hG4bKx")
    assert message.body == b"body"


def test_a_header_that_nobody_asks_for_may_be_nonsense():
    message = parse_message(raw(START, *NEEDED, b"Contact: <<<", b"Expires: soon"))
    message.validate()
    with pytest.raises(ParseError, match="400"):
        _ = message.contacts
    with pytest.raises(ParseError, match="Malformed expires"):
        _ = message.expires


def test_a_response_is_read():
    message = parse_message(raw(b"SIP/2.0 486 Occup\xc3\xa9 ici", *NEEDED))
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (486, "Occupé ici")


@pytest.mark.parametrize("line", [b"SIP/2.0 200 ", b"SIP/2.0 200"])
def test_a_reason_phrase_may_be_missing(line):
    assert parse_message(raw(line, *NEEDED)).reason == ""


@pytest.mark.parametrize(
    ("compact", "long"),
    [
        (b"v", b"via"), (b"f", b"from"), (b"t", b"to"), (b"i", b"call-id"), (b"m", b"contact"),
        (b"l", b"content-length"), (b"c", b"content-type"), (b"e", b"content-encoding"),
        (b"s", b"subject"), (b"k", b"supported"), (b"o", b"event"), (b"u", b"allow-events"),
        (b"r", b"refer-to"), (b"b", b"referred-by"), (b"x", b"session-expires"),
    ],
)  # fmt: skip
def test_compact_and_odd_names_mean_the_long_ones(compact, long):
    for name in (compact, compact.upper(), long, long.upper(), long.title() + b" \t"):
        message = parse_message(raw(START, name + b":0"))
        assert message.get(long) == b"0"


def test_folded_lines_are_one_value():
    folded = raw(START, b"Subject:  I know", b"\t you're there, ", b"   pick up!", b"Note:", b" y")
    message = parse_message(folded)
    assert message.get(b"subject") == b"I know you're there, pick up!"
    assert message.get(b"note") == b"y"
    assert message.fields == [(b"Subject", b"I know you're there, pick up!"), (b"Note", b"y")]


def test_a_field_may_stand_on_several_lines_and_in_lists():
    lines = (b"Route: <sip:a;lr>, <sip:b,c@d;lr>", b"Route:", b'Route: "x, y" <sip:e;lr>')
    message = parse_message(raw(START, *NEEDED, *lines))
    assert len(message.get_all(b"route")) == 3
    assert message.get_list(b"route") == [
        b"<sip:a;lr>", b"<sip:b,c@d;lr>", b'"x, y" <sip:e;lr>',
    ]  # fmt: skip
    assert message.get(b"absent") is None and message.get_list(b"absent") == []


def test_the_quick_way_to_tags_and_branch_agrees_with_the_grammar():
    for value, tag in [
        (b"<sip:a@b>;tag=x", "x"),
        (b'"A, B" <sip:a@b>;tag=x.y-z', "x.y-z"),
        (b"sip:a@b;tag=x", "x"),
        (b"A B <sip:a@b;tag=no>; tag = x ; y", "x"),
        (b'"<sip:c@d>;tag=no" <sip:a@b>', None),
        (b"<sip:a@b>", None),
    ]:
        message = parse_message(raw(START, b"From: " + value, b"To: " + value))
        assert message.from_tag == message.to_tag == tag == message.from_.tag
    for value, branch in [
        (b"SIP/2.0/UDP h;branch=a;rport", "a"),
        (b"SIP / 2.0 / TCP  [2001:db8::1]:5070 ;x=\"branch=no\" ; branch=a, SIP/2.0/UDP i", "a"),
        (b"SIP/2.0/UDP h;rport=1;received=192.0.2.1;branch=a.b-c", "a.b-c"),
        (b"SIP/2.0/UDP h", None),
    ]:  # fmt: skip
        assert parse_message(raw(START, b"Via: " + value)).branch == branch


def test_line_ends_before_a_message_are_skipped_and_what_follows_it_is_dropped():
    first = raw(START, *NEEDED, b"Content-Length: 3", body=b"abc")
    message = parse_message(b"\r\n\r\n\r\n" + first + request("INVITE"))
    assert (message.method, message.body) == ("OPTIONS", b"abc")


def test_without_content_length_a_datagram_is_all_body():
    assert parse_message(raw(START, *NEEDED, body=b"abc\r\n\r\nd")).body == b"abc\r\n\r\nd"


# What is refused


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"4", "Body shorter"), (b"-1", "Malformed"), (b"+3", "Malformed"), (b"3 3", "Malformed"),
        (b"", "Malformed"), (b"0x3", "Malformed"), (b"1_0", "Malformed"), (b"\xd9\xa3",
        "Malformed"), (b"\xc2\xb3", "Malformed"), (b"3\x0b", "Malformed"), (b"9" * 5000,
        "Malformed"), (b"99999999999", "Malformed"), (b"4294967296", "Malformed"), (b"65535",
        "Body shorter"),
    ],
)  # fmt: skip
def test_a_content_length_that_is_no_length_is_answered_with_400(value, reason):
    error = refused(raw(START, *NEEDED, b"Content-Length: " + value, body=b"abc"))
    assert error.status == 400 and reason in error.reason
    assert answerable(error).call_id == "abc"


def test_a_body_that_is_promised_to_be_too_long_is_413():
    error = refused(raw(START, *NEEDED, b"Content-Length: 4294967295", body=b"abc"))
    assert error.status == 413 and answerable(error) is not None


@pytest.mark.parametrize("name", [b"Content-Length", b"l", b"CONTENT-LENGTH "])
def test_two_content_lengths_are_refused_even_if_they_agree(name):
    error = refused(raw(START, *NEEDED, b"Content-Length: 3", name + b": 3", body=b"abc"))
    assert error.reason == "Duplicate Content-Length"


@pytest.mark.parametrize("index", range(1, 5))
def test_needed_fields_stand_exactly_once(index):
    name = NEEDED[index].partition(b":")[0].lower()
    missing = NEEDED[:index] + NEEDED[index + 1 :]
    assert refused(raw(START, *missing)).reason == f"Missing {name.decode()}"
    assert refused(raw(START, *NEEDED, NEEDED[index])).reason == f"Duplicate {name.decode()}"
    assert refused(raw(START, *missing, name + b":")).status == 400


@pytest.mark.parametrize("line", [b"Max-Forwards: 7", b"Content-Type: a/b", b"Expires: 7"])
def test_fields_that_stand_at_most_once(line):
    parse_message(raw(START, *NEEDED, line)).validate()
    assert refused(raw(START, *NEEDED, line, line)).reason.startswith("Duplicate")


def test_via_may_repeat_but_not_be_missing():
    parse_message(raw(START, NEEDED[0], *NEEDED)).validate()
    error = refused(raw(START, *NEEDED[1:]))
    assert error.reason == "Missing via" and answerable(error) is None


@pytest.mark.parametrize("value", [b"256", b"-1", b"", b"seven", b"7,7", b"1_0", b"9" * 40])
def test_max_forwards_is_at_most_255(value):
    assert refused(raw(START, *NEEDED, b"Max-Forwards: " + value)).reason.startswith("Malformed")


def test_leading_zeros_are_numbers():
    lines = (b"Max-Forwards: 0068", b"CSeq: 0009 OPTIONS")
    message = parse_message(raw(START, *NEEDED[:4], *lines))
    message.validate()
    assert (message.max_forwards, message.cseq.number) == (68, 9)


@pytest.mark.parametrize(
    "value",
    [
        b"2147483648 OPTIONS", b"99999999999 OPTIONS", b"-1 OPTIONS", b"OPTIONS", b"7", b"7OPTIONS",
        b"7\x0bOPTIONS", b"7 \x0bOPTIONS", b"\xd9\xa3 OPTIONS", b"7 OPT IONS", b"7 options",
        b"7 INVITE", b"7 OPTIONS\x00", b"1_0 OPTIONS",
    ],
)  # fmt: skip
def test_a_cseq_that_is_none_or_another_methods_is_refused(value):
    assert refused(raw(START, *NEEDED[:4], b"CSeq: " + value)).status == 400


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"OPTIONS sip:bob@example.org SIP/7.0", 505),
        (b"OPTIONS sip:bob@example.org SIP/2.0.1", 400),
        (b"OPTIONS  sip:bob@example.org SIP/2.0", 400),
        (b"OPTIONS sip:bob@example.org  SIP/2.0", 400),
        (b"OPTIONS sip:bob@example.org SIP/2.0 ", 400),
        (b"OPTIONS sip:bob@example.org; lr SIP/2.0", 400),
        (b"OPTIONS <sip:bob@example.org> SIP/2.0", 400),
        (b"OPTIONS sip:bob@example.org?Route=%3Csip:x%3E SIP/2.0", 400),
        (b"OPTIONS bob SIP/2.0", 400),
        (b"OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", 416),
        (b"OPTIONS nobodyKnowsThisScheme:totallyopaque SIP/2.0", 416),
        (b"OPTIONS sip:2001:db8::1 SIP/2.0", 400),
        (b"OPTIONS sip:" + b"x" * 2100 + b" SIP/2.0", 414),
    ],
)
def test_start_lines_that_are_refused_can_be_answered(start, status):
    error = refused(raw(start, *NEEDED))
    assert error.status == status
    if answerable(error) is not None:  # else validation failed, and who validates has the request
        assert error.request.respond(status).get(b"call-id") == b"abc"


@pytest.mark.parametrize("version", [b"sip/2.0", b"Sip/2.0", b"SIP/2.0"])
def test_the_version_is_read_in_any_case(version):
    """A quoted string of ABNF has no case (RFC 3261 section 7.1)."""
    asked = parse_message(raw(START.replace(b"SIP/2.0", version), *NEEDED))
    asked.validate()
    answered = parse_message(raw(version + b" 200 OK", *NEEDED))
    answered.validate()
    assert (asked.method, answered.status, answered.reason) == ("OPTIONS", 200, "OK")
    via = NEEDED[0].replace(b"SIP/2.0", version)
    assert parse_message(raw(START, via, *NEEDED[1:])).branch == "z9hG4bKx"
    assert refused(raw(START.replace(b"SIP/2.0", version[:4] + b"3.0"), *NEEDED)).status == 505


def test_a_tel_uri_is_served():
    parse_message(raw(b"OPTIONS tel:+995322000001 SIP/2.0", *NEEDED)).validate()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\r\n", b"\x00" * 100, b"INVITE", b"SIP/2.0", b"SIP/2.0 200",
        b"GET / HTTP/1.1\r\n\r\n", b"SIP/2.0 99 No\r\n\r\n", b"SIP/2.0 4294967301 Big\r\n\r\n",
        b"SIP/3.0 200 OK\r\n\r\n", b"SIP/2.0 \xd9\xa3\xd9\xa3\xd9\xa3 OK\r\n\r\n",
        b"\xff\xfe sip:a@b SIP/2.0\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_sip_is_refused_without_a_request_to_answer(data):
    assert answerable(refused(data)) is None


def test_a_request_without_the_empty_line_is_answered():
    error = refused(b"\r\n".join([START, *NEEDED]) + b"\r\n")
    assert error.reason == "Missing end of headers" and answerable(error) is not None


@pytest.mark.parametrize("stray", [b"\n", b"\r", b"\n\r", b"\nVia: SIP/2.0/UDP 203.0.113.9"])
@pytest.mark.parametrize("place", range(6))
def test_a_stray_line_end_smuggles_nothing(stray, place):
    lines = [START, *NEEDED]
    lines[place] = lines[place][:12] + stray + lines[place][12:]
    error = refused(b"\r\n".join(lines) + b"\r\n\r\n")
    assert error.status == 400
    if answerable(error) is not None:  # its answer is whole lines of ours
        answer = bytes(error.request.respond(400))
        assert answer.count(b"\r\n") == answer.count(b"\n") == answer.count(b"\r")


SMUGGLED = (
    b"X-Account", b"X-Account ", b"X-Account\t", b"x-account", b"X-ACCOUNT \t ",
)  # fmt: skip
UNREADABLE = (
    b"X-Account\x00", b"X-Account\x01", b"X-Account\x0b", b"X-Account\x0c", b"X-Account\x1f",
    b"X-Account\x7f", b"X-Account\xa0", b"X-Account\xc2\xa0", b"X-Account\xe2\x80\xa8",
    b"X-Account\x85", b"X Account", b"X-Acc\xc3\xb6unt", b"X-\xe2\x84\xaa", b"X-Account;a",
    b"(X-Account)", b"X-Account\\", b"", b"\x00X-Account", b"\xa0X-Account",
    b"\x0bX-Account", b"X-Account\"", b"X/Account", b"X=Account", b"X@Account", b"<X-Account>",
    b"X,Account", b"X[Account]",
)  # fmt: skip


@pytest.mark.parametrize("name", SMUGGLED)
def test_white_space_and_case_make_no_other_header(name):
    message = parse_message(raw(START, *NEEDED, name + b": 1"))
    assert message.get(b"x-account") == b"1"
    assert [known for known in message.values if b"account" in known] == [b"x-account"]


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_name_that_is_no_token_is_refused_not_guessed_at(name):
    error = refused(raw(START, *NEEDED, name + b": 1"))
    assert error.status == 400
    assert answerable(error) is not None
    assert b"Account" not in bytes(error.request.respond(400))


def test_escapes_and_unicode_are_no_other_spelling_of_a_name():
    message = parse_message(raw(START, *NEEDED, b"X%2DAccount: 1", b"X_Account: 1"))
    assert message.get(b"x-account") is None


def test_a_line_without_a_colon_and_one_that_continues_nothing():
    assert refused(raw(START, *NEEDED, b"just words")).request is not None
    assert refused(raw(START, *NEEDED, b"token")).request is not None
    assert refused(raw(START, b" folded", *NEEDED)).request is not None


# Limits


@pytest.mark.parametrize(
    "length", [0, 1, 127, 128, 255, 256, 1024, 4096, MAX_VALUE_BYTES + 1, 60_000]
)
@pytest.mark.parametrize("which", ["From", "Call-ID", "Via", "CSeq", "To", "Max-Forwards"])
def test_tokens_of_any_length_are_read_or_refused(length, which):
    token = b"z" * length
    values = {
        "From": b"<sip:a@b>;tag=" + token,
        "To": b"<sip:a@b>;tag=" + token,
        "Call-ID": token,
        "Via": b"SIP/2.0/UDP h;branch=z9hG4bK" + token,
        "CSeq": b"1 " + token,
        "Max-Forwards": b"7" * length,
    }
    data = request("OPTIONS", **{which.replace("-", "_"): values[which]})
    if length in (0, MAX_VALUE_BYTES + 1, 60_000) or which in ("CSeq", "Max-Forwards"):
        error = maybe_refused(data)
        assert error is None or error.status == 400
    else:
        message = parse_message(data)
        message.validate()
        assert token in bytes(message.respond(200))


def test_as_many_headers_as_are_allowed_and_one_more():
    room = MAX_HEADERS - 1 - len(NEEDED)
    parse_message(raw(START, *NEEDED, *[b"X: y"] * room)).validate()
    error = refused(raw(START, *NEEDED, *[b"X: y"] * (room + 1)))
    assert error.reason == "Too many header fields" and answerable(error) is not None


def test_values_as_long_as_are_allowed_and_longer_also_when_folded():
    parse_message(raw(START, *NEEDED, b"X:" + b"y" * MAX_VALUE_BYTES))
    assert refused(raw(START, *NEEDED, b"X:" + b"y" * (MAX_VALUE_BYTES + 1))).request is not None
    folds = [b" " + b"y" * 1000] * 9
    assert refused(raw(START, *NEEDED, b"X: y", *folds)).reason == "Header field too long"


def test_a_message_beyond_a_datagram_is_refused():
    assert refused(raw(START, *NEEDED, body=b"x" * MAX_MESSAGE_BYTES)).status == 413


def test_more_contacts_than_anybody_has_are_not_even_read():
    contacts = b", ".join([b"<sip:a@b>"] * (MAX_CONTACTS + 1))
    message = parse_message(raw(START, *NEEDED, b"Contact: " + contacts))
    with pytest.raises(ParseError, match="Too many contacts"):
        _ = message.contacts


# What we write


def test_a_built_message_reads_back():
    fields = [(b"Via", b"SIP/2.0/UDP h;branch=z9hG4bKx"), (b"From", b"<sip:a@b>;tag=1")]
    built = Request.build("INFO", b"sip:c@d", fields, b"body")
    again = parse_message(bytes(built))
    assert again.fields == [*fields, (b"Content-Length", b"4")]
    assert (again.method, again.body, again.from_tag) == ("INFO", b"body", "1")
    assert built.from_tag == "1" and built.branch == "z9hG4bKx"


@pytest.mark.parametrize(
    "evil", [b"a\r\nX-Evil: 1", b"a\nX-Evil: 1", b"a\rX-Evil: 1", b"a\r\n\r\nb"]
)
def test_nothing_that_we_write_begins_a_line_of_its_own(evil):
    fields = [(b"Subject", b"a")]
    with pytest.raises(ValueError):
        Request.build("INFO", b"sip:c@d", [(b"Subject", evil)])
    with pytest.raises(ValueError):
        Request.build("INFO", b"sip:c@d", [(evil, b"a")])
    with pytest.raises(ValueError):
        Request.build("INFO", evil, fields)
    with pytest.raises(ValueError):
        Response.build(200, evil.decode(), fields)
    with pytest.raises(ValueError):
        parse_message(request("INVITE")).respond(200, fields=[(b"Subject", evil)])
    with pytest.raises(ValueError):
        parse_message(request("INVITE")).respond(200, evil.decode())


def test_a_response_copies_what_it_must_and_nothing_else():
    lines = (
        b"Via: SIP/2.0/UDP b;branch=z9hG4bKy", b"Record-Route: <sip:p;lr>", b"Timestamp: 54",
        b"Subject: secret", b"Contact: <sip:a@h>",
    )  # fmt: skip
    message = parse_message(raw(START, *NEEDED, *lines))
    *names, last = [name for name, _ in message.respond(200, to_tag="t").fields]
    assert names == [b"Via", b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Record-Route"]
    assert last == b"Content-Length"
    assert message.respond(200, to_tag="t").to_tag == "t"
    assert b"record-route" not in bytes(message.respond(404)).lower()
    assert message.respond(100).get(b"timestamp") == b"54"
    assert message.respond(100).get(b"to") == b"<sip:bob@example.org>"


def test_a_tag_is_added_only_where_there_is_none():
    tagged = parse_message(request("BYE", To=b"<sip:b@c> ; Tag=x"))
    assert tagged.respond(481, to_tag="new").to_tag == "x"
    broken = parse_message(request("BYE", To=b'"b <sip:b@c>;tag=x'))
    assert broken.respond(400, to_tag="new").get(b"to") == b'"b <sip:b@c>;tag=x'


def test_a_refusal_of_an_incomplete_request_copies_what_is_there():
    bare = parse_message(raw(START, NEEDED[0]))
    assert [name for name, _ in bare.respond(400, to_tag="t").fields] == [
        b"Via",
        b"Content-Length",
    ]


def test_quoted_control_characters_go_back_as_they_came():
    to = b'"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:b@c>'
    message = parse_message(request("BYE", To=to))
    message.validate()
    assert message.to.display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert message.respond(481).get(b"to") == to


def test_control_characters_that_are_not_quoted_are_refused():
    assert refused(request("BYE", To=b'"a\x01b" <sip:b@c>')).status == 400
    assert refused(request("BYE", To=b"a\x0bb <sip:b@c>")).status == 400


# Where a request came from


@pytest.mark.parametrize(
    ("via", "stamped"),
    [
        (b"SIP/2.0/UDP 192.0.2.1;branch=a", b"SIP/2.0/UDP 192.0.2.1;branch=a"),
        (b"SIP/2.0/UDP 192.0.2.1:5070;branch=a", b"SIP/2.0/UDP 192.0.2.1:5070;branch=a"),
        (b"SIP/2.0/UDP h;branch=a", b"SIP/2.0/UDP h;branch=a;received=192.0.2.1"),
        (
            b"SIP/2.0/UDP h;rport;branch=a, SIP/2.0/UDP i;branch=b",
            b"SIP/2.0/UDP h;rport=4000;branch=a;received=192.0.2.1, SIP/2.0/UDP i;branch=b",
        ),
        (
            b"SIP/2.0/UDP h;received=203.0.113.1;rport=9;branch=a",
            b"SIP/2.0/UDP h;received=192.0.2.1;rport=4000;branch=a",
        ),
        (b"SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bK/:@x", None),
    ],
)
def test_the_topmost_via_learns_where_the_request_came_from(via, stamped):
    message = parse_message(request("OPTIONS", Via=via))
    message.stamp_source("192.0.2.1", 4000)
    answer = parse_message(bytes(message.respond(200)))
    if stamped is not None:
        assert answer.get(b"via") == stamped
    assert answer.via.branch == parse_message(request("OPTIONS", Via=via)).via.branch
    # The client matches its branch octet by octet.
    assert b";branch=" + answer.via.branch.encode() in answer.get(b"via")


def test_an_ipv6_source_is_stamped_without_brackets():
    message = parse_message(request("OPTIONS", Via=b"SIP/2.0/UDP [2001:db8::9]:5060;branch=a"))
    message.stamp_source("2001:db8::9", 5060)
    assert message.get(b"via") == b"SIP/2.0/UDP [2001:db8::9]:5060;branch=a"
    message.stamp_source("2001:db8::10", 5060)
    assert message.get(b"via") == (b"SIP/2.0/UDP [2001:db8::9]:5060;branch=a;received=2001:db8::10")
