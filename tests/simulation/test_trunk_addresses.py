"""A trunk whose name has several addresses (RFC 3263 section 4.3), in literal seconds."""

from dataclasses import replace

import pytest
from exchange import Exchange
from phones import Behaviour, Phone

FIRST, SECOND, OTHER = "203.0.113.1", "203.0.113.2", "203.0.113.9"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("44", 60_000, 60, 60))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


@pytest.fixture
def trunk(exchange):
    """Both addresses of one trunk, another trunk, and a phone that calls."""
    first = exchange.trunk("carrier", FIRST, "44", 1)
    other = exchange.trunk("other", OTHER, "44", 2)
    exchange.directory.set_trunks(
        replace(trunk, target="sip:gw.example:5060") if trunk.name == "carrier" else trunk
        for trunk in list(exchange.directory.trunks())
    )
    exchange.hosts["gw.example"] = [FIRST, SECOND]
    second = Phone(exchange, "carrier", (SECOND, 5060))
    exchange.phones.append(second)
    line = exchange.line("+995322000001", exchange.account(10_000_000))
    phone = exchange.phone(line, "198.51.100.1")
    phone.register()
    exchange.run(1.0)
    return phone, first, second, other


def called(*addresses):
    return ["Received" in address.events for address in addresses]


def outcome(exchange):
    exchange.run_until_idle()
    (cdr,) = exchange.store.cdrs()
    return cdr.trunk, cdr.sip_status


def test_a_silent_address_is_left_for_the_next_after_five_seconds(exchange, trunk):
    phone, first, second, other = trunk
    exchange.wire.detach(first.address)
    second.behaviour = Behaviour(rings=1.0, talks=5.0)
    phone.call("00442012345678")
    exchange.run(5.5)
    assert called(second, other) == [True, False]
    assert outcome(exchange) == ("carrier", 200)


def test_an_address_without_time_is_left_for_the_next(exchange, trunk):
    phone, first, second, other = trunk
    first.behaviour = Behaviour(rings=0.1, answer=503)
    second.behaviour = Behaviour(rings=1.0, talks=5.0)
    phone.call("00442012345678")
    assert outcome(exchange) == ("carrier", 200)
    assert called(first, second, other) == [True, True, False]


@pytest.mark.parametrize("status", [403, 500])
def test_a_refusal_by_the_trunk_leads_to_the_next_trunk(exchange, trunk, status):
    phone, first, second, other = trunk
    first.behaviour = Behaviour(rings=0.1, answer=status)
    other.behaviour = Behaviour(rings=1.0, talks=5.0)
    phone.call("00442012345678")
    assert outcome(exchange) == ("other", 200)
    assert called(first, second, other) == [True, False, True]


def test_a_refusal_by_the_called_person_leads_nowhere(exchange, trunk):
    phone, first, second, other = trunk
    first.behaviour = Behaviour(rings=0.1, answer=486)
    phone.call("00442012345678")
    assert outcome(exchange) == ("carrier", 486)
    assert called(first, second, other) == [True, False, False]


def test_after_all_addresses_the_next_trunk_is_tried(exchange, trunk):
    phone, first, second, other = trunk
    for address in (first, second):
        address.behaviour = Behaviour(rings=0.1, answer=503)
    other.behaviour = Behaviour(rings=1.0, talks=5.0)
    phone.call("00442012345678")
    assert outcome(exchange) == ("other", 200)


def test_a_name_without_addresses_leads_to_the_next_trunk_too(exchange, trunk):
    phone, _, _, other = trunk
    exchange.hosts["gw.example"] = []
    other.behaviour = Behaviour(rings=1.0, talks=5.0)
    phone.call("00442012345678")
    assert outcome(exchange) == ("other", 200)
