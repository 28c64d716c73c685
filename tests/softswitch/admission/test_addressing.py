"""Whose requests are for us, and by which way they may come."""

import pytest

from sip.errors import ParseError, SipError
from sip.flow import Flow
from sip.message import Request
from sip.reading import parse_message
from softswitch.admission.addressing import Addressing, check_way
from softswitch.config.config import parse
from softswitch.process.local_addresses import is_local_address
from softswitch.subscribers.refusal import Refusal

CONFIG = """
[switch]
domain = "Example.org"
country = "GE"
currency = "GEL"
[sip]
listen = ["udp:192.0.2.1:5060", "tcp:[2001:DB8::1]:5060"]
advertise = ["203.0.113.7", "[2001:db8::7]:5070"]
aliases = ["sip.example.com", "198.51.100.9"]
"""
FROM_A_PHONE = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.1", 5060))


@pytest.fixture
def addressing(tmp_path):
    return Addressing(parse(CONFIG, tmp_path / "softswitch.toml", {}).own_hosts())


def request(uri: str, *more: str, via: str = "198.51.100.1", method: str = "INVITE") -> Request:
    lines = [
        f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP {via};branch=z9hG4bK1", "Max-Forwards: 70",
        "From: <sip:ana@example.org>;tag=1", "To: <sip:1@example.org>", "Call-ID: 1",
        f"CSeq: 1 {method}", *more,
    ]  # fmt: skip
    parsed = parse_message(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert isinstance(parsed, Request)
    return parsed


OURS = [
    "sip:1@example.org", "sip:1@EXAMPLE.ORG.", "sip:example.org;transport=udp", "sip:1@192.0.2.1",
    "sip:1@192.0.2.1:5099", "sip:1@203.0.113.7", "sip:1@sip.example.com", "sip:1@198.51.100.9",
    "sip:1@[2001:db8:0:0:0:0:0:1]", "sip:1@[2001:DB8::7]", "tel:+995322000001",
    "sips:1@example.org",
]  # fmt: skip
NOT_OURS = [
    "sip:1@example.com", "sip:1@example.org.evil.net", "sip:1@xexample.org", "sip:1@192.0.2.2",
    "sip:1@198.51.100.1", "sip:1@[2001:db8::2]", "sip:example.org@evil.net", "sip:1@localhost",
]  # fmt: skip


@pytest.mark.parametrize("uri", OURS)
def test_what_is_for_us(addressing, uri):
    addressing.check(request(uri, "Route: <sip:example.org;lr>"), FROM_A_PHONE)


@pytest.mark.parametrize("uri", NOT_OURS)
def test_what_is_for_another_host(addressing, uri):
    with pytest.raises(Refusal, match="404") as raised:
        addressing.check(request(uri), FROM_A_PHONE)
    assert raised.value.rule.startswith("addressing: ")
    with pytest.raises(Refusal, match="403"):
        addressing.check(request("sip:1@example.org", f"Route: <{uri};lr>"), FROM_A_PHONE)
    routes = f"Route: <sip:example.org;lr>, <{uri};lr>"
    with pytest.raises(Refusal, match="403"):
        addressing.check(request("sip:1@example.org", routes), FROM_A_PHONE)


def test_a_route_that_cannot_be_read(addressing):
    with pytest.raises(ParseError):
        addressing.check(request("sip:1@example.org", "Route: <sip:@>"), FROM_A_PHONE)


def test_what_phones_call_the_proxy_in_front_of_us(addressing):
    """It kept the Request-URI as it came; both its names may stand there, no third one."""
    flow = FROM_A_PHONE._replace(remote=("10.0.0.5", 5060))
    passed_on = "Via: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK0"
    for host in ("edge.example.net", "10.0.0.5"):
        uri = f"sip:1@{host}"
        addressing.check(request(uri, passed_on, via="edge.example.net"), flow)
        with pytest.raises(Refusal):  # straight from there it is a phone with a strange idea
            addressing.check(request(uri, via="edge.example.net"), flow)
    with pytest.raises(Refusal):
        addressing.check(request("sip:1@198.51.100.1", passed_on, via="edge.example.net"), flow)


def test_the_address_that_a_connection_came_to(addressing):
    """A socket on all addresses knows only then which one it was."""
    flow = Flow("tcp", ("172.16.0.9", 5060), ("198.51.100.1", 5060))
    addressing.check(request("sip:1@172.16.0.9"), flow)


def test_addresses_of_this_machine_when_we_listen_on_all_of_them():
    everywhere = Addressing(["example.org"], is_local_address)
    everywhere.check(request("sip:1@127.0.0.1"), FROM_A_PHONE)
    for host in ("192.0.2.99", "[2001:db8::99]", "some.name"):
        with pytest.raises(Refusal):
            everywhere.check(request(f"sip:1@{host}"), FROM_A_PHONE)


def test_localhost_is_ours_when_we_listen_there(tmp_path):
    text = CONFIG.replace("udp:192.0.2.1:5060", "udp:127.0.0.1:5060")
    hosts = parse(text, tmp_path / "softswitch.toml", {}).own_hosts()
    assert "localhost" in hosts and "127.0.0.1" in hosts
    assert "localhost" not in parse(CONFIG, tmp_path / "softswitch.toml", {}).own_hosts()


@pytest.mark.parametrize("transport", ["udp", "tcp", "ws"])
def test_sips_goes_by_no_way_that_is_not_encrypted(transport):
    flow = FROM_A_PHONE._replace(transport=transport)
    for asked in (
        request("sips:1@example.org"),
        request("sip:1@example.org", "Contact: <sips:ana@198.51.100.1>"),
        request("sip:example.org", 'm: "A" <SIPS:ana@198.51.100.1>;q=1', method="REGISTER"),
    ):
        with pytest.raises(SipError) as raised:
            check_way(asked, flow)
        assert raised.value.status == 480
        assert raised.value.headers == ((b"Warning", b'380 softswitch "SIPS Not Allowed"'),)
        check_way(asked, flow._replace(transport="tls"))
    check_way(request("sip:1@example.org", 'Contact: "sips:" <sip:sips%3A@h>'), flow)
