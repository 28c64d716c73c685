"""Torture messages, one by one into a user agent: treated as they should be, and read right."""

import random
import time

import pytest
from cases import MISSING, Case, judge, own, verbatim

from sip.events import Received
from sip.flow import Flow
from sip.headers import Via
from sip.message import Request, Response
from sip.reading import parse_message
from sip.registrar import Registrar, RegistrarLimits
from sip.sdp import SessionDescription
from sip.user_agent import Invitation, UserAgent

FLOW = Flow("udp", ("192.0.2.1", 5060), ("203.0.113.66", 5060))
OWN = {case.name: case for case in own()}
VERBATIM = {case.name: case for case in verbatim()}


def new_agent() -> UserAgent:
    bits = random.Random(4475).getrandbits
    return UserAgent(randbits=bits, sent_by=lambda flow: flow.local, server="test")


def sent_to(agent: UserAgent, data: bytes) -> tuple[list[Response], list[Request]]:
    """Its answers, and the requests that it leaves to its user."""
    agent.receive(data, FLOW, 0.0)
    answers = []
    for answer, flow in agent.to_send():
        assert flow == FLOW
        answers.append(parse_message(answer))
    return answers, [event.request for event in agent.events() if isinstance(event, Received)]


def treat(case: Case) -> None:
    agent = new_agent()
    started = time.process_time()
    answers, taken = sent_to(agent, case.data)
    assert time.process_time() - started < 0.05
    judge(case, [answer.status for answer in answers], taken=bool(taken))
    assert len(agent.stack.layer) == 0 and agent.sessions == 0
    for request in taken:
        agent.stack.answer(request, FLOW, 200)
    _, after = sent_to(agent, OWN["a display name that touches its address"].data)
    assert [request.method for request in after] == ["OPTIONS"]


@pytest.mark.parametrize("case", OWN.values(), ids=str)
def test_our_own_torture_messages(case):
    treat(case)


@pytest.mark.skipif(not VERBATIM, reason=MISSING)
@pytest.mark.parametrize("case", VERBATIM.values(), ids=str)
def test_the_torture_messages_of_the_rfcs(case):
    treat(case)


# What is read of them


def read(name: str) -> Request:
    """A sound one of our own."""
    message = parse_message(OWN[name].data)
    message.validate()
    return message


def test_the_tortuous_invite_says_what_it_says():
    message = read("tortuous INVITE")
    assert (message.max_forwards, message.cseq) == (68, (17, "INVITE"))
    assert (message.from_.display_name, message.from_tag) == ('I "am" \\ Otto', "98asjd8")
    assert message.get(b"subject") == b""
    assert message.get(b"unheard-of-header") == b":we;don't,know\"what this; is"
    vias = [Via.parse(value) for value in message.get_list(b"via")]
    assert [(via.transport, via.host, via.branch) for via in vias] == [
        ("UDP", "203.0.113.20", "490skdjuw"), ("TCP", "relay.example.net", "z9hG4bK9ikj8"),
        ("UDP", "203.0.113.21", "z9hG4bK30239"),
    ]  # fmt: skip
    (contact,) = message.contacts
    assert (contact.display_name, contact.uri.headers) == ('Otto \\"', "x=y")
    assert contact.params == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    assert message.uri.params == {"extra-switch": None}
    assert SessionDescription.parse(message.body).media[0].port == 41000


def test_an_escaped_user_is_a_user_and_no_uri():
    message = read("a user part that looks like another URI")
    assert (message.uri.scheme, message.uri.user, message.uri.host) == (
        "sip", "sips:mira@example.org", "example.net",
    )  # fmt: skip
    assert message.to.uri.user == "user"
    assert message.from_.uri.user == "I have spaces"


def test_a_nul_cuts_no_user_short():
    message = read("users that differ behind an escaped NUL")
    assert message.to.uri.user == "null-\0-null"
    registrar = Registrar(RegistrarLimits())
    made = registrar.register("null", message, FLOW, 0.0)
    assert {binding.contact for binding in made.bindings} == {
        b"sip:%00@203.0.113.20", b"sip:%00%00@203.0.113.20",
    }  # fmt: skip


def test_long_values_are_echoed_whole():
    message = read("long values")
    answer = parse_message(bytes(message.respond(486, to_tag="t")))
    for name in (b"via", b"from", b"call-id", b"cseq"):
        assert answer.get_all(name) == message.get_all(name)
    assert answer.get(b"to") == message.get(b"to") + b";tag=t"


def test_of_two_requests_in_a_datagram_the_first_counts():
    message = read("two requests in a datagram")
    assert (message.method, message.call_id, message.body) == ("REGISTER", "first", b"")


def test_semicolons_and_escapes_belong_to_the_user():
    uri = read("semicolons in the user part").uri
    assert (uri.user, uri.host, uri.params) == ("mira;par=u@example.net", "example.org", {})


def test_the_topmost_of_many_vias_is_answered():
    message = read("Vias of every transport")
    assert message.via.host == "203.0.113.20"
    assert len(message.respond(200).get_all(b"via")) == 5


def test_a_body_is_octets():
    body = read("a body in parts with NULs").body
    assert b"\x00\x01\r\n\r\n\xff\xfe\x00" in body and body.endswith(b"--split--\r\n")


@pytest.mark.parametrize(
    ("name", "contact"),
    [
        ("an unknown parameter of a contact", b"sip:otto@203.0.113.20"),
        ("an unknown parameter of a contact's URI", b"sip:otto@203.0.113.20;unheardof"),
        (
            "a contact with an escaped Route",
            b"sip:otto@example.net?Route=%3Csip:sip.example.com%3E",
        ),
    ],
)
def test_what_is_registered_is_the_uri_and_nothing_but_it(name, contact):
    made = Registrar(RegistrarLimits()).register("otto", read(name), FLOW, 0.0)
    assert [binding.contact for binding in made.bindings] == [contact]


def test_an_escaped_route_of_a_contact_goes_nowhere():
    registrar = Registrar(RegistrarLimits())
    (binding,) = registrar.register(
        "otto", read("a contact with an escaped Route"), FLOW, 0.0
    ).bindings
    agent = new_agent()
    agent.invite(Invitation(FLOW, binding.contact, b"<sip:a@b>", b"<sip:c@d>"), b"", 0.0)
    (invite,) = [parse_message(data) for data, _ in agent.to_send()]
    assert invite.get(b"route") is None
    assert invite.raw_uri == b"sip:otto@example.net"


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [
        ("IPv6 in brackets", "2001:db8::10", None),
        ("IPv6 that ends like a port", "2001:db8::10:5070", None),
        ("IPv6 and a port", "2001:db8::10", 5070),
    ],
)
def test_where_an_ipv6_address_ends(name, host, port):
    uri = read(name).uri
    assert (uri.host, uri.port) == (host, port)


def test_each_stream_has_its_own_family():
    description = SessionDescription.parse(read("streams of both families").body)
    assert [description.address_of(media) for media in description.media] == [
        "203.0.113.20", "2001:db8::30",
    ]  # fmt: skip
