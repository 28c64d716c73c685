"""Dialogs: where their requests go, and how they are addressed (RFC 3261 section 12)."""

import pytest
from sip_messages import request, response

from sip.dialog import Dialog, may_follow, numeric_hop, request_uri
from sip.flow import Flow
from sip.reading import parse_message
from sip.uri import Uri

FLOW = Flow("udp", ("192.0.2.2", 5060), ("198.51.100.7", 40000))


def called(**fields) -> Dialog:
    """The called side's dialog."""
    fields.setdefault("Contact", b"<sip:alice@198.51.100.7:5070>")
    message = parse_message(request("INVITE", **fields))
    return Dialog.from_request(message, FLOW, "mine", b"<sip:me>", pinned=False)


def calling(**fields) -> Dialog:
    """The calling side's dialog, confirmed."""
    dialog = Dialog(
        call_id="abc",
        local=b"<sip:alice@example.org>;tag=1",
        local_tag="1",
        remote=b"<sip:bob@example.org>",
        remote_tag=None,
        remote_target=b"sip:bob@example.org",
        route_set=(),
        contact=b"<sip:me>",
        flow=FLOW,
        pinned=False,
    )
    fields.setdefault("Contact", b"<sip:bob@203.0.113.9>")
    dialog.confirm(parse_message(response(200, "INVITE", **fields)))
    return dialog


def sent(dialog, method, cseq):
    """Request-URI and fields of a request of the dialog, up to its Content-Length."""
    made = parse_message(dialog.write(method, cseq, b"V"))
    assert made.fields[-1] == (b"Content-Length", b"0")
    return made.raw_uri, made.fields[:-1]


ROUTES = b"<sip:p1.example.org;lr>, <sip:p2.example.org;lr>"


def test_the_called_side():
    dialog = called(Record_Route=ROUTES)
    assert dialog.id == ("abc", "mine", "1")
    assert dialog.remote_cseq == 1
    target, fields = sent(dialog, "BYE", 1)
    assert target == b"sip:alice@198.51.100.7:5070"
    assert fields == [
        (b"Via", b"V"), (b"Max-Forwards", b"70"),
        (b"Route", b"<sip:p1.example.org;lr>"), (b"Route", b"<sip:p2.example.org;lr>"),
        (b"From", b"<sip:bob@example.org>;tag=mine"), (b"To", b"<sip:alice@example.org>;tag=1"),
        (b"Call-ID", b"abc"), (b"CSeq", b"1 BYE"),
    ]  # fmt: skip
    assert dialog.next_hop() == b"sip:p1.example.org;lr"


def test_the_calling_side_reverses_the_routes():
    dialog = calling(Record_Route=ROUTES)
    assert dialog.id == ("abc", "1", "2")
    assert dialog.route_set == (b"<sip:p2.example.org;lr>", b"<sip:p1.example.org;lr>")
    assert dialog.remote_target == b"sip:bob@203.0.113.9"
    assert dialog.next_hop() == b"sip:p2.example.org;lr"


def test_without_routes_requests_go_to_the_contact():
    assert calling().next_hop() == b"sip:bob@203.0.113.9"
    assert sent(calling(), "BYE", 2)[0] == b"sip:bob@203.0.113.9"


@pytest.mark.parametrize(
    ("route", "strict"),
    [
        (b"<sip:p;lr>", False), (b"<sip:p;LR>;x=y", False), (b"<sip:p;lr=on>", False),
        (b'"lr" <sip:p:5070;transport=tcp;lr>', False), (b"<sip:p>", True), (b"<sip:p>;lr", True),
        (b"<sip:p;lrx>", True), (b"<sip:x;lr@p>", True),
    ],
)  # fmt: skip
def test_strict_routers_want_themselves_in_the_request_uri(route, strict):
    dialog = called(Record_Route=route + b", <sip:q;lr>")
    target, fields = sent(dialog, "BYE", 1)
    routes = [value for name, value in fields if name == b"Route"]
    if strict:
        assert target == route[route.index(b"<") + 1 : route.index(b">")]
        assert routes == [b"<sip:q;lr>", b"<sip:alice@198.51.100.7:5070>"]
    else:
        assert target == b"sip:alice@198.51.100.7:5070"
        assert routes == [route, b"<sip:q;lr>"]


def test_a_peer_moves_only_with_exactly_one_contact():
    dialog = calling()
    dialog.refresh_target(parse_message(request("INVITE", Contact=b"<sip:bob@203.0.113.10>")))
    assert dialog.remote_target == b"sip:bob@203.0.113.10"
    for contact in (None, b"*", b"<sip:x@h>, <sip:y@h>"):
        dialog.refresh_target(parse_message(request("INVITE", Contact=contact)))
        assert dialog.remote_target == b"sip:bob@203.0.113.10"


def test_headers_of_a_contact_are_not_asked_for():
    contact = b"<sip:bo?b@203.0.113.9;x=y?Route=%3Csip:z%3E&Subject=hi>"
    assert calling(Contact=contact).remote_target == b"sip:bo?b@203.0.113.9;x=y"
    for target in (b"sip:bo?b@h", b"sip:h", b"?"):
        assert request_uri(target) == target


def test_an_old_client_without_a_contact_is_reached_by_its_from():
    dialog = called(Contact=None, From=b"sip:old@198.51.100.7")
    assert (dialog.remote_target, dialog.remote_tag) == (b"sip:old@198.51.100.7", None)


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        (b"sip:a@192.0.2.9", ("192.0.2.9", 5060)),
        (b"sip:a@192.0.2.9:5070", ("192.0.2.9", 5070)),
        (b"sip:[2001:db8::9]", ("2001:db8::9", 5060)),
        (b"sip:[::ffff:192.0.2.9]:1", ("::ffff:192.0.2.9", 1)),
        (b"sip:a@192.0.2.9:0", ("192.0.2.9", 5060)),
        (b"sip:a@example.org", None),
        (b"sip:a@999.0.2.9", None),
        (b"sip:a@1.2.3", None),
        (b"sip:a@010.0.0.1", None),
        (b"sip:a@example.9", None),
        (b"sip:a@2130706433", None),
        (b"sip:[2001:db8:::9]", None),
        (b"tel:+995322000001", None),
    ],
)
def test_hops_that_need_no_name_server(uri, hop):
    assert numeric_hop(Uri.parse(uri)) == hop


@pytest.mark.parametrize(
    ("host", "follows"),
    [
        ("203.0.113.9", True), ("127.0.0.1", True), ("0.0.0.0", False), ("255.255.255.255", False),
        ("224.0.1.75", False), ("2001:db8::9", False), ("example.org", False),
    ],
)  # fmt: skip
def test_no_contact_makes_us_shout(host, follows):
    assert may_follow((host, 5060), FLOW) is follows


@pytest.mark.parametrize(
    ("host", "follows"),
    [("2001:db8::9", True), ("::", False), ("ff02::1", False), ("192.0.2.9", False)],
)
def test_nor_over_ipv6(host, follows):
    flow = Flow("udp", ("2001:db8::1", 5060), ("2001:db8::2", 5060))
    assert may_follow((host, 5060), flow) is follows
