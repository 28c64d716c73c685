"""Real fax terminals (spandsp) at both ends of a call: the page arrives as it was sent."""

import numpy as np
import pytest
from exchange import Exchange
from fax_machine import T38Machine, dots_of, library, write_page
from faxes import FaxTerminal

pytestmark = pytest.mark.skipif(library() is None, reason="libspandsp2 isn't installed")

LONGEST_SECONDS = 60.0


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


def called(exchange):
    """The phones of a call, and their sessions."""
    lines = [
        exchange.line(f"+99532200000{index}", exchange.account(10_000_000)) for index in (1, 2)
    ]
    a, b = (exchange.phone(line, f"198.51.100.{i}") for i, line in enumerate(lines, 1))
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
