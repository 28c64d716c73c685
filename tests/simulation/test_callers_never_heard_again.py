"""A caller that vanishes as it is answered: charged to the last proof that it had the call."""

import pytest
from exchange import Exchange
from world import SWITCH

from sip.message import Request
from sip.reading import parse_message


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("on_net", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def phones(exchange):
    made = []
    for index in (1, 2):
        line = exchange.line(f"+99532200000{index}", exchange.account(10_000_000))
        made.append(exchange.phone(line, f"198.51.100.{index}"))
        made[-1].register()
    exchange.run(1.0)
    return made


def without_acks(exchange, phone):
    """Lose the phone's ACKs to a 2xx, and keep its INVITEs."""
    sent = []

    def drops(data, source, target):
        if source != phone.address:
            return False
        sent.append(data)
        return data.startswith(b"ACK ")

    exchange.wire.drops = drops
    return sent


def cancel_of(invite: bytes) -> bytes:
    request = parse_message(invite)
    assert isinstance(request, Request)
    kept = [b"via", b"from", b"to", b"call-id", b"max-forwards"]
    fields = [(name, value) for name, value in request.fields if name.lower() in kept]
    fields.append((b"CSeq", b"%d CANCEL" % request.cseq.number))
    return bytes(Request.build("CANCEL", request.raw_uri, fields))


def only_cdr(exchange):
    exchange.wire.drops = lambda data, source, target: False
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    (cdr,) = exchange.store.cdrs()
    return cdr


def test_without_ack_and_rtp_nothing_is_charged(exchange):
    a, b = phones(exchange)
    a.sends_rtp = False
    without_acks(exchange, a)
    a.call("+995322000002")
    exchange.run(40.0)
    assert not b.talking
    cdr = only_cdr(exchange)
    assert (cdr.sip_status, cdr.duration_ms, cdr.price_micros) == (200, 0, 0)


def test_without_ack_the_callers_last_packet_ends_what_is_charged(exchange):
    a, b = phones(exchange)
    without_acks(exchange, a)
    session = a.call("+995322000002")
    exchange.run(8.0)
    a.talking.remove(session)  # sends nothing more: its last packet came 5 s after the answer
    exchange.run(32.0)
    assert not b.talking
    cdr = only_cdr(exchange)
    assert 5_000 <= cdr.duration_ms < 6_000


def test_a_cancel_that_crosses_our_200_ends_both_legs_at_once(exchange):
    a, b = phones(exchange)
    a.sends_rtp = False
    sent = without_acks(exchange, a)
    a.call("+995322000002")
    exchange.run(1.5)
    assert len(b.talking) == 1
    invite = [data for data in sent if data.startswith(b"INVITE ")][-1]
    exchange.wire.send(cancel_of(invite), a.address, SWITCH)
    exchange.run(0.2)
    assert not b.talking and not a.talking and "HungUp" in a.events
    cdr = only_cdr(exchange)
    assert (cdr.sip_status, cdr.ended_by, cdr.duration_ms, cdr.price_micros) == (
        200, "caller", 0, 0,
    )  # fmt: skip


def test_a_switch_that_stops_waits_for_calls_with_sound_and_for_no_others(exchange):
    """As a switch does at its first SIGTERM: of two calls one goes on, the phones of the other are
    gone."""
    pairs = []
    for first in (1, 3):
        pair = []
        for index in (first, first + 1):
            line = exchange.line(f"+99532200000{index}", exchange.account(10_000_000))
            pair.append(exchange.phone(line, f"198.51.100.{index}"))
            pair[-1].register()
        exchange.run(1.0)
        pairs.append((*pair, pair[0].call(f"+99532200000{first + 1}")))
        exchange.run(3.0)
    (a, b, _), (c, d, session) = pairs
    gone = {a.address[0], b.address[0]}
    exchange.wire.drops = lambda data, source, target: source[0] in gone or target[0] in gone
    exchange.media.drain(10.0)
    exchange.run(15.0)
    assert len(exchange.switch.calls) == 1 and d.talking
    exchange.run(60.0)
    c.hang_up(session)
    exchange.run(1.0)
    assert not exchange.switch.calls
    exchange.run(40.0)
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert {cdr.ended_by for cdr in exchange.store.cdrs()} == {"media_timeout", "caller"}
