"""Where requests for a URI go (RFC 3263), as a conversation with a zone."""

import random

import pytest

from sip.locating import Naptr, Question, Reach, Srv, Target, by_weight, locate, numeric
from sip.uri import Uri

ALL = Reach(("udp", "tcp", "tls"), (4,))
BOTH = Reach(("udp", "tcp", "tls"), (4, 6))


def first(_limit):
    """The smallest random number."""
    return 0


def ask(uri, zone, reach=ALL, pick=first):
    """The targets as text, and the questions that were asked."""
    asking = locate(Uri.parse(uri.encode()), reach, pick)
    asked = []
    try:
        question = next(asking)
        while True:
            asked.append(f"{question.kind} {question.name}")
            question = asking.send(zone.get(question, ()))
    except StopIteration as end:
        return [f"{t.transport} {t.host}:{t.port}" for t in end.value], asked


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:192.0.2.1", "udp 192.0.2.1:5060"),
        ("sip:192.0.2.1:5070", "udp 192.0.2.1:5070"),
        ("sip:192.0.2.1;transport=tcp", "tcp 192.0.2.1:5060"),
        ("sip:192.0.2.1;transport=TLS", "tls 192.0.2.1:5061"),
        ("sips:192.0.2.1", "tls 192.0.2.1:5061"),
        ("sips:192.0.2.1:5070;transport=tcp", "tls 192.0.2.1:5070"),
        ("sip:[2001:db8::1]", "udp 2001:db8::1:5060"),
    ],
)
def test_a_numeric_host_asks_nobody(uri, expected):
    assert ask(uri, {}) == ([expected], [])


@pytest.mark.parametrize(
    "uri", ["sips:example.org;transport=udp", "sip:example.org;transport=ws", "sip:a;transport=x"]
)
def test_what_contradicts_itself_or_us_goes_nowhere(uri):
    assert ask(uri, {Question("example.org", "A"): ["192.0.2.1"]}) == ([], [])


def test_sips_is_never_sent_by_anything_but_tls():
    zone = {
        Question("example.org", "NAPTR"): [
            Naptr(1, 1, "s", "SIP+D2U", "_sip._udp.example.org"),
            Naptr(2, 1, "s", "SIPS+D2T", "_sips._tcp.example.org"),
        ],
        Question("_sip._udp.example.org", "SRV"): [Srv(0, 0, 5060, "u.example.org")],
        Question("_sips._tcp.example.org", "SRV"): [Srv(0, 0, 5061, "t.example.org")],
        Question("u.example.org", "A"): ["192.0.2.1"],
        Question("t.example.org", "A"): ["192.0.2.2"],
        Question("example.org", "A"): ["192.0.2.3"],
    }
    assert ask("sips:example.org", zone)[0] == ["tls 192.0.2.2:5061"]
    assert ask("sips:example.org", {Question("example.org", "A"): ["192.0.2.3"]})[0] == [
        "tls 192.0.2.3:5061"
    ]
    assert ask("sips:example.org", zone, Reach(("udp", "tcp")))[0] == []


def test_a_port_means_that_host():
    zone = {Question("example.org", "A"): ["192.0.2.1", "192.0.2.2"]}
    targets, asked = ask("sip:example.org:5070;transport=tcp", zone)
    assert targets == ["tcp 192.0.2.1:5070", "tcp 192.0.2.2:5070"]
    assert asked == ["A example.org"]


def test_the_zones_order_of_transports_is_kept():
    """The example of RFC 3263 section 4.1."""
    zone = {
        Question("example.com", "NAPTR"): [
            Naptr(100, 50, "s", "SIP+D2U", "_sip._udp.example.com"),
            Naptr(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"),
            Naptr(90, 50, "S", "sip+d2t", "_sip._tcp.example.com"),
            Naptr(1, 50, "u", "E2U+sip", "!^.*$!sip:x!"),
            Naptr(1, 50, "s", "SIP+D2S", "_sip._sctp.example.com"),
        ],
        Question("_sips._tcp.example.com", "SRV"): [Srv(0, 0, 5061, "a.example.com")],
        Question("_sip._tcp.example.com", "SRV"): [Srv(0, 0, 5060, "b.example.com")],
        Question("_sip._udp.example.com", "SRV"): [Srv(0, 0, 5060, "c.example.com")],
        Question("a.example.com", "A"): ["192.0.2.1"],
        Question("b.example.com", "A"): ["192.0.2.2"],
        Question("c.example.com", "A"): ["192.0.2.3"],
    }
    assert ask("sip:example.com", zone)[0] == [
        "tls 192.0.2.1:5061",
        "tcp 192.0.2.2:5060",
        "udp 192.0.2.3:5060",
    ]
    assert ask("sip:example.com", zone, Reach(("udp",)))[0] == ["udp 192.0.2.3:5060"]


def test_without_naptr_srv_is_asked_for_each_transport_of_ours():
    zone = {
        Question("_sip._tcp.example.org", "SRV"): [Srv(0, 0, 5070, "a.example.org")],
        Question("a.example.org", "A"): ["192.0.2.1"],
    }
    targets, asked = ask("sip:example.org", zone)
    assert targets == ["tcp 192.0.2.1:5070"]
    assert asked == [
        "NAPTR example.org",
        "SRV _sip._udp.example.org",
        "SRV _sip._tcp.example.org",
        "A a.example.org",
    ]


def test_a_given_transport_asks_for_its_srv_at_once():
    zone = {
        Question("_sip._tcp.example.org", "SRV"): [Srv(0, 0, 5070, "a.example.org")],
        Question("a.example.org", "A"): ["192.0.2.1"],
    }
    targets, asked = ask("sip:example.org;transport=tcp", zone)
    assert targets == ["tcp 192.0.2.1:5070"]
    assert asked[0] == "SRV _sip._tcp.example.org"


def test_without_any_of_it_the_host_itself_is_meant():
    zone = {Question("example.org", "A"): ["192.0.2.1"]}
    assert ask("sip:example.org", zone)[0] == ["udp 192.0.2.1:5060"]
    assert ask("sip:example.org;transport=tls", zone)[0] == ["tls 192.0.2.1:5061"]
    assert ask("sip:example.org", {})[0] == []


def test_both_ip_versions_are_tried_if_we_have_both():
    zone = {
        Question("example.org", "A"): ["192.0.2.1"],
        Question("example.org", "AAAA"): ["2001:db8::1"],
    }
    assert ask("sip:example.org", zone, BOTH)[0] == [
        "udp 192.0.2.1:5060",
        "udp 2001:db8::1:5060",
    ]
    only6 = Reach(("udp",), (6,))
    assert ask("sip:example.org", zone, only6)[0] == ["udp 2001:db8::1:5060"]


def test_a_service_that_is_not_there_has_no_target():
    zone = {Question("_sip._udp.example.org", "SRV"): [Srv(0, 0, 0, "")]}
    assert ask("sip:example.org", zone)[0] == []


def test_what_a_zone_holds_is_bounded():
    zone = {
        Question("_sip._udp.example.org", "SRV"): [
            Srv(0, 1, 5060, f"h{n}.example.org") for n in range(500)
        ],
        **{Question(f"h{n}.example.org", "A"): [f"10.0.{n % 250}.{i}" for i in range(50)]
           for n in range(500)},
    }  # fmt: skip
    targets, asked = ask("sip:example.org;transport=udp", zone)
    assert len(targets) == 8
    assert len(asked) == 9


def test_lies_in_address_records_are_left_out():
    zone = {
        Question("example.org", "A"): ["2001:db8::1", "nonsense", "192.0.2.1"],
    }
    assert ask("sip:example.org:5060", zone)[0] == ["udp 192.0.2.1:5060"]


# Weights


def test_priorities_stand_before_weights():
    servers = [Srv(20, 1000, 1, "d"), Srv(10, 0, 1, "a"), Srv(10, 0, 1, "b"), Srv(15, 0, 1, "c")]
    assert [server.target for server in by_weight(servers, first)] == ["a", "b", "c", "d"]


def test_weights_give_their_share():
    rng = random.Random(1)
    servers = [Srv(0, 10, 1, "a"), Srv(0, 30, 1, "b"), Srv(0, 60, 1, "c"), Srv(0, 0, 1, "d")]
    first_ones = [by_weight(servers, rng.randrange)[0].target for _ in range(10_000)]
    shares = {name: first_ones.count(name) / 10_000 for name in "abcd"}
    assert shares["a"] == pytest.approx(0.10, abs=0.02)
    assert shares["b"] == pytest.approx(0.30, abs=0.02)
    assert shares["c"] == pytest.approx(0.60, abs=0.02)
    assert 0 < shares["d"] < 0.03  # a zero only now and then, but not never


def test_everybody_stands_in_the_order_once():
    rng = random.Random(2)
    servers = [Srv(n % 3, n, 1, str(n)) for n in range(30)]
    assert sorted(by_weight(servers, rng.randrange), key=lambda s: s.weight) == servers


def test_numeric():
    assert [numeric(host) for host in ("1.2.3.4", "::1", "example.org", "1.2.3", "")] == [
        4, 6, None, None, None,
    ]  # fmt: skip
    assert Target("udp", "192.0.2.1", 5060).host == "192.0.2.1"
