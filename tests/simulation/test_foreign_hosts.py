"""Requests for another host, or by a way that has less secrecy than they ask for."""

import pytest
from exchange import Exchange
from world import SWITCH

from sip.reading import parse_message

STRANGER = ("203.0.113.66", 5060)
TRUNK = "203.0.113.80"
CALLED = "+995322000002"


@pytest.fixture
def exchange():
    made = Exchange(seed=30, config='aliases = ["sip.example.com"]')
    made.tariff(("on_net", 0, 1, 1), ("995", 60_000, 1, 1))
    made.trunk("carrier", TRUNK)
    for number in (1, 2):
        line = made.line(f"+99532200000{number}", made.account(10_000_000))
        made.phone(line, f"198.51.100.{number}").register()
    made.run(1.0)
    yield made
    made.run_until_idle()
    assert made.log.errors == [] and made.store.verify() == []
    left = made.left()
    assert left == dict.fromkeys(left, 0)
    made.close()


def phones(exchange) -> list:
    return [phone for phone in exchange.phones if phone.address[0].startswith("198.")]


@pytest.mark.parametrize(
    ("host", "status"),
    [("example.org", 200), ("192.0.2.1", 200), ("sip.example.com", 200), ("other.example", 404)],
)
def test_a_phone_calls_the_number_at_this_host(exchange, host, status):
    ana, beka = phones(exchange)
    ana.call(CALLED, target=f"sip:{CALLED}@{host}".encode())
    exchange.run(4.0)
    assert (ana.status, len(beka.talking)) == (status, int(status == 200))
    for session in list(ana.talking):
        ana.hang_up(session)


def test_a_route_to_another_host_leads_nowhere(exchange):
    ana, _ = phones(exchange)
    exchange.wire.log = []
    ana.call(CALLED, extra=((b"Route", b"<sip:203.0.113.99;lr>"),))
    exchange.run(4.0)
    assert ana.status == 403
    assert {to for _, source, to, _ in exchange.wire.log if source == SWITCH} == {ana.address}


def test_a_route_to_us_is_how_phones_name_their_outbound_proxy(exchange):
    ana, _ = phones(exchange)
    session = ana.call(CALLED, extra=((b"Route", b"<sip:sip.example.com;lr>"),))
    exchange.run(4.0)
    assert ana.status == 200
    ana.hang_up(session)


def test_a_phone_cannot_register_at_another_registrar_here(exchange):
    ana, _ = phones(exchange)
    ana.register(host="other.example")
    exchange.run(1.0)
    assert ana.registered == 404


def test_a_carrier_may_write_its_own_domain(exchange):
    (trunk,) = [phone for phone in exchange.phones if phone.address[0] == TRUNK]
    session = trunk.call(CALLED, target=f"sip:{CALLED}@ims.carrier.example".encode())
    exchange.run(4.0)
    assert trunk.status == 200
    trunk.hang_up(session)


def statuses(exchange, source, data: bytes) -> list[int]:
    answers = []
    exchange.wire.attach(source, lambda got, _: answers.append(parse_message(got)))
    exchange.wire.send(data, source, SWITCH)
    exchange.run(1.0)
    return [answer.status for answer in answers]


def raw(method: str, uri: str, *more: str) -> bytes:
    lines = [
        f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP h;branch=z9hG4bK{method}{len(uri)}",
        "Max-Forwards: 70", "From: <sip:995322000001@example.org>;tag=1",
        "To: <sip:995322000001@example.org>", f"Call-ID: {method}{uri}", f"CSeq: 1 {method}",
        "Contact: <sip:995322000001@203.0.113.66>", "Event: dialog", *more, "Content-Length: 0",
    ]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "SUBSCRIBE", "MESSAGE"])
def test_strangers_do_not_learn_which_hosts_are_ours(exchange, method):
    for host in ("example.org", "other.example"):
        assert statuses(exchange, STRANGER, raw(method, f"sip:{CALLED}@{host}")) == [401]


def test_a_balancer_pings_us_by_whatever_name_it_has(exchange):
    assert statuses(exchange, STRANGER, raw("OPTIONS", "sip:node-1.internal")) == [200]


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "SUBSCRIBE", "MESSAGE", "OPTIONS"])
def test_sips_over_udp_is_refused_before_a_password_is_asked_for(exchange, method):
    assert statuses(exchange, STRANGER, raw(method, f"sips:{CALLED}@example.org")) == [480]


def test_a_phone_is_not_registered_at_an_address_that_demands_tls(exchange):
    ana, _ = phones(exchange)
    ana.register(contact="<sips:995322000001@198.51.100.1>")
    exchange.run(1.0)
    assert ana.registered == 480
