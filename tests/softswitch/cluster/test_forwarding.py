"""What a node passes on to another, and how it then reads."""

from ipaddress import ip_network

import pytest

from sip.edges import Edges
from sip.flow import Flow
from sip.message import Request
from sip.reading import parse_message
from softswitch.cluster.forwarding import KEPT_SECONDS, Forwarder

OWN, OWNER, EDGE, PHONE = (
    ("192.0.2.1", 5060), ("192.0.2.2", 5060), ("192.0.2.100", 5060), ("203.0.113.7", 40_000),
)  # fmt: skip
COMES = Flow("udp", OWN, EDGE, None, PHONE)


def message(method="INVITE", branch="z9hG4bKedge", *fields):
    """As the edge sends what a phone sent."""
    lines = [
        f"{method} sip:*88@example.org SIP/2.0",
        f"Via: SIP/2.0/UDP 192.0.2.100:5060;branch={branch}",
        "Via: SIP/2.0/UDP 10.0.0.7:5060;received=203.0.113.7;rport=40000;branch=z9hG4bKphone",
        "Max-Forwards: 69", "From: <sip:ana@example.org>;tag=a", "To: <sip:*88@example.org>",
        "Call-ID: call", f"CSeq: 1 {method}", *fields, "Content-Length: 0", "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


@pytest.fixture
def forwarder():
    edges = Edges([ip_network("192.0.2.100/32")])
    return Forwarder(OWN, edges, lambda address: address == OWNER)


def handed_over(forwarder, now=0.0):
    request = parse_message(message())
    assert isinstance(request, Request)
    passed = forwarder.hand_over(request, COMES, OWNER, now)
    assert passed is not None
    return passed


def test_an_invite_goes_to_its_owner_with_one_more_via_and_one_hop_less(forwarder):
    data, flow = handed_over(forwarder)
    assert flow == Flow("udp", OWN, OWNER)
    sent = parse_message(data)
    vias = sent.get_all(b"via")
    assert [via.split(b";")[0] for via in vias] == [
        b"SIP/2.0/UDP 192.0.2.1:5060", b"SIP/2.0/UDP 192.0.2.100:5060",
        b"SIP/2.0/UDP 10.0.0.7:5060",
    ]  # fmt: skip
    assert sent.max_forwards == 68


def test_answers_come_back_without_our_via_by_the_flow_of_the_request(forwarder):
    data, _ = handed_over(forwarder)
    answer = bytes(parse_message(data).respond(180, to_tag="t"))
    back, flow = forwarder.pass_on(answer, Flow("udp", OWN, OWNER), 1.0)
    assert flow == COMES
    assert parse_message(back).get_all(b"via") == parse_message(message()).get_all(b"via")


@pytest.mark.parametrize("method", ["INVITE", "CANCEL", "ACK"])
def test_copies_the_cancel_and_the_ack_follow_with_the_same_branch(forwarder, method):
    first, _ = handed_over(forwarder)
    data, flow = forwarder.pass_on(message(method), COMES, 5.0)
    assert flow == Flow("udp", OWN, OWNER)
    assert parse_message(data).get_all(b"via")[0] == parse_message(first).get_all(b"via")[0]


def test_requests_within_the_call_follow_that_come_here_for_an_edge_that_rewrote_its_contact(
    forwarder,
):
    handed_over(forwarder)
    bye = message("BYE", "z9hG4bKbye").replace(b"To: <sip:*88@example.org>", b"To: <sip:x>;tag=t")
    assert forwarder.pass_on(bye, COMES, 3_000.0)[1] == Flow("udp", OWN, OWNER)
    other = bye.replace(b"Call-ID: call", b"Call-ID: other")
    assert forwarder.pass_on(other, COMES, 3_000.0) is None


def test_requests_within_a_call_stay_here_whose_invite_with_credentials_is_served_here(forwarder):
    handed_over(forwarder)  # the one that is challenged, while the caller talked at the other node
    again = message("INVITE", "z9hG4bKagain", "Authorization: Digest username=x")
    forwarder.keep(parse_message(again))
    bye = message("BYE", "z9hG4bKbye").replace(b"To: <sip:*88@example.org>", b"To: <sip:x>;tag=t")
    assert forwarder.pass_on(bye, COMES, 1.0) is None
    assert forwarder.pass_on(message("ACK"), COMES, 1.0) is not None, "of the 401"


def test_other_requests_and_those_of_long_ago_are_ours(forwarder):
    handed_over(forwarder)
    assert forwarder.pass_on(message("CANCEL", "z9hG4bKother"), COMES, 1.0) is None
    assert forwarder.pass_on(message("CANCEL"), COMES, KEPT_SECONDS + 1) is None


def test_the_owners_request_to_a_phone_goes_on_to_the_edge_in_its_route(forwarder):
    bye = message("BYE", "z9hG4bKowner", "Route: <sip:192.0.2.100;lr;received=sip:203.0.113.7>")
    data, flow = forwarder.pass_on(bye, Flow("udp", OWN, OWNER), 1.0)
    assert flow == Flow("udp", OWN, EDGE)
    answer = bytes(parse_message(data).respond(200))
    assert forwarder.pass_on(answer, Flow("udp", OWN, EDGE), 2.0)[1] == Flow("udp", OWN, OWNER)


@pytest.mark.parametrize("route", ["<sip:198.51.100.9;lr>", "<sip:192.0.2.1:5060;lr>"])
def test_nothing_goes_to_who_is_no_edge(forwarder, route):
    bye = message("BYE", "z9hG4bKowner", f"Route: {route}")
    assert forwarder.pass_on(bye, Flow("udp", OWN, OWNER), 1.0) is None


def test_what_another_node_has_handed_over_stays_here(forwarder):
    request = parse_message(message())
    assert forwarder.hand_over(request, Flow("udp", OWN, OWNER), ("192.0.2.3", 5060), 0.0) is None


def test_strangers_can_not_have_anything_passed_on(forwarder):
    stranger = Flow("udp", OWN, ("198.51.100.66", 5060))
    bye = message("BYE", "z9hG4bKx", "Route: <sip:192.0.2.100;lr>")
    assert forwarder.pass_on(bye, stranger, 0.0) is None
    data, _ = handed_over(forwarder)
    forged = data.replace(b"z9hG4bKnode", b"z9hG4bKnodeX")
    assert forwarder.pass_on(bytes(parse_message(forged).respond(200)), stranger, 0.0) is None


def test_an_invite_gets_503_from_here_for_which_its_owner_rings_when_it_is_lost(forwarder):
    data, _ = handed_over(forwarder)
    ringing = bytes(parse_message(data).respond(180, to_tag="t"))
    assert forwarder.pass_on(ringing, Flow("udp", OWN, OWNER), 1.0) is not None
    forwarder.pass_on(message(), COMES, 2.0)  # a copy changes nothing
    assert forwarder.lost(("192.0.2.3", 5060), 3.0) == []
    ((refused, flow),) = forwarder.lost(OWNER, 3.0)
    answer = parse_message(refused)
    assert (answer.status, answer.call_id, answer.cseq.method) == (503, "call", "INVITE")
    assert answer.get(b"via").startswith(b"SIP/2.0/UDP 192.0.2.100:5060")
    assert flow == COMES
    assert forwarder.lost(OWNER, 3.0) == []
    assert forwarder.returned() == []


def is_served_here(forwarder):
    """The INVITE comes back once, and all that follows it stays here."""
    (received,) = forwarder.returned()
    assert (received.request.call_id, received.flow) == ("call", COMES)
    assert forwarder.returned() == []
    assert forwarder.hand_over(received.request, COMES, OWNER, 4.0) is None
    for method in ("INVITE", "CANCEL", "ACK"):
        assert forwarder.pass_on(message(method), COMES, 4.0) is None
    assert forwarder.lost(OWNER, 5.0) == []


def test_an_invite_is_served_here_whose_owner_is_lost_before_it_rings(forwarder):
    data, _ = handed_over(forwarder)
    trying = bytes(parse_message(data).respond(100))
    assert forwarder.pass_on(trying, Flow("udp", OWN, OWNER), 1.0) is not None
    assert forwarder.lost(OWNER, 3.0) == []
    is_served_here(forwarder)


@pytest.mark.parametrize("status", [503, 482], ids=["it drains", "the edge asked it before"])
def test_an_invite_is_served_here_that_its_owner_leaves_to_others(forwarder, status):
    data, _ = handed_over(forwarder)
    refused = bytes(parse_message(data).respond(status, to_tag="t"))
    ack, flow = forwarder.pass_on(refused, Flow("udp", OWN, OWNER), 1.0)
    assert flow == Flow("udp", OWN, OWNER)
    acknowledged = parse_message(ack)
    assert (acknowledged.method, acknowledged.to_tag) == ("ACK", "t")
    assert acknowledged.get_all(b"via")[0] == parse_message(data).get_all(b"via")[0]
    is_served_here(forwarder)
    assert forwarder.pass_on(refused, Flow("udp", OWN, OWNER), 2.0) is None, "the edge hears none"


@pytest.mark.parametrize("status", [401, 404, 486, 603])
def test_any_other_answer_of_the_owner_is_the_callers(forwarder, status):
    data, _ = handed_over(forwarder)
    refused = bytes(parse_message(data).respond(status, to_tag="t"))
    back, flow = forwarder.pass_on(refused, Flow("udp", OWN, OWNER), 1.0)
    assert (parse_message(back).status, flow) == (status, COMES)
    assert forwarder.returned() == []


def test_an_invite_that_was_answered_gets_no_other_answer_when_its_owner_is_lost(forwarder):
    data, _ = handed_over(forwarder)
    answered = bytes(parse_message(data).respond(200, to_tag="t"))
    assert forwarder.pass_on(answered, Flow("udp", OWN, OWNER), 1.0) is not None
    assert forwarder.lost(OWNER, 2.0) == []
