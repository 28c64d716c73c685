"""Where a phone is that sends through a trusted edge proxy."""

import ipaddress

import pytest

from sip.edges import Edges
from sip.flow import Flow

EDGES = Edges([ipaddress.ip_network("192.0.2.5/32"), ipaddress.ip_network("2001:db8::/64")])
LOCAL = ("192.0.2.1", 5060)
EDGE = Flow("udp", LOCAL, ("192.0.2.5", 5060))
OWN = "SIP/2.0/UDP 192.0.2.5;branch=z9hG4bKe"


def request(*vias):
    lines = ["REGISTER sip:example.org SIP/2.0", *(f"Via: {via}" for via in vias), "From: x"]
    return "\r\n".join([*lines, "", "Via: SIP/2.0/UDP 9.9.9.9;branch=body"]).encode()


@pytest.mark.parametrize(
    ("below", "peer"),
    [
        ("SIP/2.0/UDP 10.0.0.7:5060;branch=1;received=203.0.113.7;rport=40007",
         ("203.0.113.7", 40007)),
        ("SIP/2.0/UDP 203.0.113.8;branch=1", ("203.0.113.8", 5060)),
        ("SIP/2.0/UDP 203.0.113.8:5080;branch=1", ("203.0.113.8", 5080)),
        ("SIP / 2.0 / TCP 10.0.0.7;rport = 1234; Received = 203.0.113.7", ("203.0.113.7", 1234)),
        ("SIP/2.0/UDP [fd00::7]:5061;received=2001:db8:1::7;rport=9", ("2001:db8:1::7", 9)),
        # What the phone made up stands before what the edge adds.
        ("SIP/2.0/UDP 10.0.0.7;received=198.51.100.1;rport=1;received=203.0.113.7;rport=2",
         ("203.0.113.7", 2)),
    ],
)  # fmt: skip
def test_the_via_below_the_edges_tells(below, peer):
    assert EDGES.behind(request(OWN, below), EDGE).peer == peer
    assert EDGES.behind(request(f"{OWN}, {below}"), EDGE).peer == peer


def test_several_edges_are_passed():
    inner = "SIP/2.0/UDP 2001:db8::5;received=2001:db8::5"
    phone = "SIP/2.0/UDP 10.0.0.7;received=203.0.113.7;rport=7"
    forged = "SIP/2.0/UDP 8.8.8.8"
    assert EDGES.behind(request(OWN, inner, phone, forged), EDGE).peer == ("203.0.113.7", 7)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 100,
        request(OWN),
        request(OWN, "SIP/2.0/UDP phone.invalid;branch=1"),
        request(OWN, "nonsense"),
        request(OWN, "SIP/2.0/UDP 255.255.255.255"),
        request(OWN, "SIP/2.0/UDP 10.0.0.7;received=300.1.1.1"),
    ],
)
def test_what_tells_nothing_comes_from_the_edge_itself(data):
    assert EDGES.behind(data, EDGE) == EDGE


def test_nobody_else_is_believed():
    stranger = Flow("udp", LOCAL, ("203.0.113.66", 5060))
    told = request(OWN, "SIP/2.0/UDP 10.0.0.7;received=203.0.113.7;rport=7")
    assert EDGES.behind(told, stranger) == stranger
    assert Edges().behind(told, EDGE) == EDGE


def test_a_path_tells_after_a_restart():
    path = (b"<sip:192.0.2.5;lr;received=sip:203.0.113.7:40007%3Btransport%3Dudp>",)
    assert EDGES.registered(EDGE, path).peer == ("203.0.113.7", 40007)
    assert EDGES.registered(EDGE, (b'<sip:192.0.2.5;lr;received="sip:203.0.113.7">',)).peer == (
        "203.0.113.7",
        5060,
    )
    for nothing in ((), (b"<sip:192.0.2.5;lr>",), (b"<sip:e;received=%ff>",), (b"\xff",)):
        assert EDGES.registered(EDGE, nothing) == EDGE
    stranger = EDGE._replace(remote=("203.0.113.66", 5060))
    assert EDGES.registered(stranger, path) == stranger


def test_phones_beyond_one_edge_share_its_connection_and_are_told_apart_by_host():
    tcp = Flow("tcp", LOCAL, ("192.0.2.5", 40000))
    one, other = (tcp._replace(beyond=(host, 5060)) for host in ("203.0.113.7", "203.0.113.8"))
    assert one.connection == other.connection == tcp
    assert one.has_host_of(one._replace(beyond=("203.0.113.7", 9)))
    assert not one.has_host_of(other)
    assert one.has_host_of(tcp)  # nothing else is known of it
