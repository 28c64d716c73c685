"""Codecs under payload types that each side chose for itself, through a whole switch."""

import pytest
from exchange import Exchange

from sip.offer_answer import media_target
from sip.sdp import SessionDescription


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("995", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    made.close()


def phones(exchange, *codecs):
    """Phones that have one codec each, under this number."""
    found = []
    for index, (codec, number) in enumerate(codecs, 1):
        line = exchange.line(f"+99532200000{index}", exchange.account(10_000_000))
        phone = exchange.phone(line, f"198.51.100.{index}")
        phone.codec, phone.number = codec, number
        phone.register()
        found.append(phone)
    exchange.run(1.0)
    return found


def numbers(session):
    """The payload types that the switch told a phone last, by codec."""
    target = media_target(SessionDescription.parse(session.remote_description))
    return {codec.name: codec.payload_type for codec in target.codecs}


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722", "G729"])
@pytest.mark.parametrize(
    ("a_number", "b_number"), [(118, None), (None, 118), (118, 97), (118, 118)]
)
def test_phones_hear_each_other_each_by_its_own_number(exchange, codec, a_number, b_number):
    usual = {"PCMU": 0, "PCMA": 8, "G722": 9, "G729": 18}[codec]
    a, b = phones(exchange, (codec, a_number), (codec, b_number))
    session = a.call("+995322000002")
    exchange.run(21.0)
    a_knows, b_knows = a_number or usual, b_number or usual
    assert numbers(session)[codec] == a_knows  # the answer has the numbers of its offer
    assert set(a.heard_types) == {a_knows} and set(b.heard_types) == {b_knows}
    assert a.heard > 3 and b.heard > 3
    a.hang_up(session)
    exchange.run_until_idle()
    (cdr,) = exchange.store.cdrs()
    assert (cdr.codec, cdr.sip_status) == (codec, 200)


def test_phones_without_a_common_codec_are_transcoded_under_dynamic_numbers(exchange):
    a, b = phones(exchange, ("PCMU", 118), ("PCMA", 97))
    session = a.call("+995322000002")
    exchange.run(10.0)
    assert set(a.heard_types) == {118} and set(b.heard_types) == {97}
    assert a.heard > 300 and b.heard > 300
    a.hang_up(session)
    exchange.run_until_idle()


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722"])
def test_a_service_is_heard_under_a_dynamic_number(exchange, codec):
    (phone,) = phones(exchange, (codec, 118))
    session = phone.call("*43")
    exchange.run(5.0)
    assert numbers(session)[codec] == 118
    assert set(phone.heard_types) == {118} and phone.heard > 150
    phone.hang_up(session)
    exchange.run_until_idle()


def test_a_reinvite_may_number_a_codec_anew(exchange):
    a, b = phones(exchange, ("PCMU", 118), ("PCMU", None))
    session = a.call("+995322000002")
    exchange.run(6.0)
    a.number = 119
    session.reinvite(a._sdp(), a.now)
    a.endpoint.drain()
    exchange.run(1.0)
    assert numbers(session)["PCMU"] == 119
    a.heard_types.clear()
    b.heard_types.clear()
    exchange.run(15.0)
    assert set(a.heard_types) == {119} and set(b.heard_types) == {0}
    a.hang_up(session)
    exchange.run_until_idle()


def test_keys_are_told_each_side_by_its_own_number(exchange):
    a, b = phones(exchange, ("PCMU", None), ("PCMU", None))
    description = a._description().replace(b"101", b"97")
    session = a.call("+995322000002", body=description)
    exchange.run(3.0)
    assert numbers(session)["TELEPHONE-EVENT"] == 97
    assert numbers(b.talking[0])["TELEPHONE-EVENT"] == 97  # an offer keeps the caller's numbers
    a.tell_event(session, 5, 97)
    b.tell_event(b.talking[0], 6, 101)
    exchange.run(1.0)
    assert b.heard_types[101] == 5 and a.heard_types[97] == 5
    assert 97 not in b.heard_types and 101 not in a.heard_types
    a.hang_up(session)
    exchange.run_until_idle()
