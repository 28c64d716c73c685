"""A phone registers by another way while it talks; what we have to say to it goes there."""

import pytest
from exchange import Exchange
from lamp import Lamp
from world import SWITCH, WireSocket

from sip.flow import Flow

ANA, BEKA = "+995322000001", "+995322000002"
INSTANCE = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-{}>"'


@pytest.fixture
def exchange():
    made = Exchange(seed=5)
    made.tariff(("on_net", 60_000, 1, 1))
    for number in (ANA, BEKA):
        line = made.line(number, made.account(10_000_000))
        made.phone(line, f"198.51.100.{line.id}")
    made.wire.log = []
    yield made
    made.run_until_idle()
    left = made.left()
    assert left == dict.fromkeys(left, 0)
    assert made.log.errors == [] and made.store.verify() == []
    made.close()


def contact(phone, host="10.0.0.5", instance=INSTANCE, of=None) -> str:
    instance = instance.format(of or phone.login)
    return f"<sip:{phone.login}@{host}:5060>" + (f";{instance}" if instance else "")


def move(exchange, phone, address) -> None:
    """Its packets come from elsewhere now, and nothing reaches it where it was."""
    exchange.wire.detach(phone.address)
    phone.endpoint.attach(address, WireSocket(exchange.wire, address))
    phone.flow = Flow("udp", address, SWITCH)
    exchange.wire.attach(
        address, lambda data, source: phone.endpoint.receive(data, Flow("udp", address, source))
    )


def talk(exchange, caller, called):
    for phone in (caller, called):
        phone.register(contact=contact(phone))
    exchange.run(1.0)
    session = caller.call("+" + called.login)
    exchange.run(5.0)
    assert len(caller.talking) == len(called.talking) == 1
    return session


def targets(exchange, method: bytes) -> set:
    return {to for _, source, to, data in exchange.wire.log
            if source == SWITCH and data.startswith(method)}  # fmt: skip


@pytest.mark.parametrize("side", ["caller", "called"])
@pytest.mark.parametrize(
    ("host", "instance"),
    [("10.0.0.5", INSTANCE), ("10.7.7.7", INSTANCE), ("10.0.0.5", "")],
    ids=["its NAT changed", "it changed its network", "a phone without an instance id"],
)
def test_a_dialog_goes_on_where_its_phone_registers(exchange, side, host, instance):
    ana, beka = exchange.phones
    session = talk(exchange, ana, beka)
    mover, stays = (ana, beka) if side == "caller" else (beka, ana)
    if not instance:
        mover.register(contact=contact(mover, instance=""))
        exchange.run(1.0)
    new = ("203.0.113.77", 61_000)
    move(exchange, mover, new)
    mover.register(contact=contact(mover, host, instance))
    exchange.run(1.0)
    exchange.wire.log.clear()
    stays.hold(stays.talking[0])
    exchange.run(2.0)
    assert "Reinvited" in mover.events
    assert targets(exchange, b"INVITE") == targets(exchange, b"ACK") == {new}
    stays.hang_up(session if side == "called" else stays.talking[0])
    exchange.run(2.0)
    assert targets(exchange, b"BYE") == {new} and mover.talking == []


def test_another_phone_of_the_line_moves_alone(exchange):
    ana, beka = exchange.phones
    session = talk(exchange, ana, beka)
    desk = exchange.phone(exchange.directory.line_by_number(BEKA), "198.51.100.22")
    desk.register(contact=contact(desk, "10.0.0.6", of="desk"))
    exchange.run(1.0)
    move(exchange, desk, ("203.0.113.77", 61_000))
    desk.register(contact=contact(desk, "10.0.0.6", of="desk"))
    exchange.run(1.0)
    exchange.wire.log.clear()
    ana.hang_up(session)
    exchange.run(2.0)
    assert targets(exchange, b"BYE") == {beka.address}


def test_nobody_moves_anothers_dialog_by_its_instance_id(exchange):
    """Ana's phone registers Ana's line only, whatever instance it says it is."""
    ana, beka = exchange.phones
    session = talk(exchange, ana, beka)
    thief = exchange.phone(exchange.directory.line_by_number(ANA), "203.0.113.66")
    thief.register(contact=contact(beka, of=beka.login))
    exchange.run(1.0)
    assert thief.registered == 200
    exchange.wire.log.clear()
    ana.hang_up(session)
    exchange.run(2.0)
    assert targets(exchange, b"BYE") == {beka.address}


def test_a_lamp_is_told_where_its_phone_registers(exchange):
    ana, _ = exchange.phones
    lamp = Lamp(exchange, ANA[1:], ana.address)
    assert lamp.subscribe("reg", ANA) == 200
    of_lamp = exchange.wire.receiver(ana.address)
    exchange.wire.attach(
        ana.address, lambda d, s: (of_lamp if d.startswith(b"NOTIFY") else ana._receive)(d, s)
    )
    ana.register(contact=contact(ana))
    exchange.run(2.0)
    new = ("203.0.113.77", 61_000)
    move(exchange, ana, new)
    exchange.wire.log.clear()
    ana.register(contact=contact(ana, "10.7.7.7"))
    exchange.run(10.0)
    assert targets(exchange, b"NOTIFY") == {new}
