"""A phone whose NAT gives its sound another port while it talks, through a whole switch."""

import struct

import pytest
from exchange import Exchange
from world import SWITCH

ANA, BEKA = "+995322000001", "+995322000002"


@pytest.fixture
def exchange():
    made = Exchange(seed=5)
    made.tariff(("on_net", 60_000, 1, 1))
    for number in (ANA, BEKA):
        line = made.line(number, made.account(10_000_000))
        made.phone(line, f"198.51.100.{line.id}")
    yield made
    made.run_until_idle()
    assert made.log.errors == [] and made.store.verify() == []
    made.close()


class Moved:
    """The new port of a phone's sound; its SDP still names the old one."""

    def __init__(self, exchange, phone, session):
        self.exchange, self.address = exchange, (phone.address[0], 61_000)
        self.to = (SWITCH[0], phone._remote_port[session])
        self.heard = 0
        exchange.wire.attach(self.address, self._hear)

    def _hear(self, data, source):
        self.heard += 1

    def talks(self, seconds):
        for number in range(round(seconds * 50)):
            packet = struct.pack(">BBHII", 0x80, 0, number, number * 160, 77) + bytes(160)
            self.exchange.wire.send(packet, self.address, self.to)
            self.exchange.run(0.02)


def talk(exchange):
    ana, beka = exchange.phones
    for phone in (ana, beka):
        phone.register()
    exchange.run(1.0)
    session = ana.call(BEKA)
    exchange.run(20.0)  # the latch window is over
    ana.sends_rtp = False
    return ana, beka, session, Moved(exchange, ana, session)


def reinvite(exchange, phone, session, body):
    session.reinvite(body, phone.now)
    phone.endpoint.drain()
    exchange.run(0.2)


def refresh(exchange, ana, beka, session):
    reinvite(exchange, ana, session, ana._sdp())


def hold_and_resume(exchange, ana, beka, session):
    reinvite(exchange, ana, session, ana._sdp("sendonly"))
    reinvite(exchange, ana, session, ana._sdp())


def held_and_resumed(exchange, ana, beka, session):
    """By the other one: this phone need not send meanwhile."""
    reinvite(exchange, beka, beka.talking[0], beka._sdp("sendonly"))
    reinvite(exchange, beka, beka.talking[0], beka._sdp())


def removed_and_back(exchange, ana, beka, session):
    body = ana._sdp()
    reinvite(exchange, ana, session, body.replace(b"m=audio %d " % ana._next_port, b"m=audio 0 "))
    reinvite(exchange, ana, session, body)


def register_again(exchange, ana, beka, session):
    ana.register()
    exchange.run(0.2)


@pytest.mark.parametrize(
    "occasion", [refresh, hold_and_resume, held_and_resumed, removed_and_back, register_again]
)
def test_sound_goes_on_by_the_new_port_both_ways(exchange, occasion):
    ana, beka, session, moved = talk(exchange)
    occasion(exchange, ana, beka, session)
    before = beka.heard
    moved.talks(7.0)
    assert beka.heard - before > 300
    assert moved.heard >= 1  # the other phone says something every five seconds
    ana.hang_up(session)


def test_without_an_occasion_nothing_changes(exchange):
    ana, beka, session, moved = talk(exchange)
    before = beka.heard
    moved.talks(12.0)
    assert (beka.heard, moved.heard) == (before, 0)
    (call,) = exchange.switch.calls.values()
    assert call.relay.session.elsewhere == {"a": moved.address}
    ana.hang_up(session)
