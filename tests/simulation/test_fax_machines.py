"""Real fax terminals (spandsp) at both ends of a call: the page arrives as it was sent."""

import struct

import numpy as np
import pytest
from exchange import Exchange
from fax_machine import FRAME, SoundMachine, T38Machine, dots_of, library, write_page
from faxes import FaxTerminal
from world import SWITCH

from rtp.g711 import LAWS
from rtp.packet import RtpPacket

pytestmark = pytest.mark.skipif(library() is None, reason="libspandsp2 isn't installed")

LONGEST_SECONDS = 60.0
UNDISTURBED_SECONDS = 20.0
"""The page takes 18 s as sound; six more if a part of it has to be repeated."""


@pytest.fixture
def exchange():
    made = Exchange(seed=7)
    made.tariff(("on_net", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


@pytest.fixture
def page(tmp_path):
    write_page(tmp_path / "sent.tif")
    return tmp_path / "sent.tif"


def called(exchange, codecs=("PCMU", "PCMU")):
    """The phones of a call, and their sessions."""
    lines = [
        exchange.line(f"+99532200000{index}", exchange.account(10_000_000)) for index in (1, 2)
    ]
    a, b = (exchange.phone(line, f"198.51.100.{i}") for i, line in enumerate(lines, 1))
    a.codec, b.codec = codecs
    a.sends_rtp = b.sends_rtp = False
    a.register(), b.register()
    exchange.run(1.0)
    session = a.call("+995322000002")
    exchange.run(3.0)
    assert a.status == 200
    return (a, session), (b, b.talking[0])


@pytest.mark.parametrize("loss", [0.0, 0.1])
@pytest.mark.parametrize("ecm", [False, True])
def test_a_page_by_t38(exchange, page, ecm, loss):
    """Lost packets are made good by the redundant part of those that follow."""
    received = page.with_name("received.tif")
    caller, callee = (FaxTerminal(*end) for end in called(exchange))
    callee.change()
    exchange.run(1.0)
    exchange.wire.loss = loss
    sender = T38Machine(page, None, ecm=ecm)
    receiver = T38Machine(None, received, ecm=ecm)
    ends = (caller, sender), (callee, receiver)
    until = exchange.loop.time() + LONGEST_SECONDS
    while None in (sender.result, receiver.result) and exchange.loop.time() < until:
        for terminal, machine in ends:
            for packet in machine.advance():
                exchange.wire.send(packet, terminal.source, terminal.target)
        exchange.run(0.02)
        for terminal, machine in ends:
            for packet in terminal.received:
                machine.take(packet)
            terminal.received.clear()
    assert (sender.result, receiver.result) == (0, 0)
    assert np.array_equal(dots_of(received), dots_of(page))
    sender.close(), receiver.close()
    exchange.wire.loss = 0.0
    caller.phone.hang_up(caller.session)
    exchange.run_until_idle()
    (cdr,) = exchange.store.cdrs()
    assert cdr.codec == "T38" and cdr.price_micros == -(-cdr.duration_ms // 1000) * 1000


class Wired:
    """A phone that plugs a fax machine into its call's sound.

    Args:
        law: of its codec.
    """

    def __init__(self, phone, session, machine, law):
        self.phone, self.session, self.machine, self.law = phone, session, machine, law
        self.own = (phone.address[0], phone._next_port)
        self._sequence = 0
        self._heard = {}
        self._plays = None
        phone.exchange.wire.attach(self.own, self._receive)

    def _receive(self, data, source):
        packet = RtpPacket.parse(data)
        if packet.payload_type == self.law.payload_type:
            self._heard[packet.sequence_number] = packet.payload
            if self._plays is None:
                self._plays = packet.sequence_number - 10  # 200 ms later: nothing is late

    def step(self):
        """20 ms: what came to the machine, what it says to the wire."""
        heard = np.zeros(FRAME, np.int16)
        if self._plays is not None:
            payload = self._heard.pop(self._plays & 0xFFFF, None)
            if payload is not None:
                heard = self.law.decode(payload)
            self._plays += 1
        payload = self.law.encode(self.machine.exchange(heard))
        self._sequence += 1
        head = struct.pack(
            ">BBHII", 0x80, self.law.payload_type, self._sequence, self._sequence * FRAME, 1
        )
        port = self.phone._remote_port[self.session]
        self.phone.exchange.wire.send(head + payload, self.own, (SWITCH[0], port))


@pytest.mark.parametrize("ecm", [False, True])
def test_a_page_as_sound_through_transcoding(exchange, page, ecm):
    """PCMU on one side and PCMA on the other: the sound tier decodes it, and keeps it clear. When
    the page is under way the network begins to delay packets by up to 90 ms, for which a jitter
    buffer that adapts would make steps in time."""
    received = page.with_name("received.tif")
    (a, session), (_b, _) = ends = called(exchange, codecs=("PCMU", "PCMA"))
    machines = SoundMachine(page, None, ecm=ecm), SoundMachine(None, received, ecm=ecm)
    wired = [
        Wired(*end, machine, LAWS[end[0].codec])
        for end, machine in zip(ends, machines, strict=True)
    ]
    began = exchange.loop.time()
    while None in [machine.result for machine in machines]:
        for each in wired:
            each.step()
        exchange.run(0.02)
        lasts = exchange.loop.time() - began
        assert lasts < LONGEST_SECONDS
        exchange.wire.delay = (0.005, 0.010 if lasts < 8.0 else 0.095)
    assert [machine.result for machine in machines] == [0, 0]
    assert np.array_equal(dots_of(received), dots_of(page))
    assert lasts < UNDISTURBED_SECONDS
    for machine in machines:
        machine.close()
    a.hang_up(session)
    exchange.run_until_idle()
    (cdr,) = exchange.store.cdrs()
    assert cdr.codec == "PCMU/PCMA"
