"""What strangers, callees and subscribers try, and what comes of it."""

import pytest
from exchange import Exchange
from world import SWITCH

from sip.message import Request
from sip.reading import parse_message


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("on_net", 60_000, 1, 1), ("44", 240_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    assert made.switch.agent.counters.faults == 0
    made.close()


STRANGER = ("198.51.100.99", 5060)


@pytest.fixture
def talking(exchange):
    """Ana talks to Beka."""
    phones = []
    for index in (1, 2):
        line = exchange.line(f"+99532200000{index}", exchange.account(10_000_000))
        phones.append(exchange.phone(line, f"198.51.100.{index}"))
        phones[-1].register()
    exchange.run(1.0)
    phones[0].call("+995322000002")
    exchange.run(5.0)
    assert len(phones[1].talking) == 1
    return phones


def in_dialog(session, method: str, **changed: str) -> bytes:
    """A request of a session's dialog, as its phone would send it, with some fields changed."""
    dialog = session.dialog
    via = b"SIP/2.0/UDP x;branch=z9hG4bKevil"
    fields = [
        (name, changed.get(name.decode().replace("-", "_"), value.decode()).encode())
        for name, value in parse_message(dialog.write(method, dialog.local_cseq + 1, via)).fields
        if name != b"Content-Length"  # Request.build adds it
    ]
    return bytes(Request.build(method, b"sip:192.0.2.1", fields))


def sent_by_stranger(exchange, data: bytes) -> list[int]:
    """Statuses that come back."""
    heard = []
    exchange.wire.attach(STRANGER, lambda answer, source: heard.append(answer))
    exchange.wire.send(data, STRANGER, SWITCH)
    exchange.run(1.0)
    return [parse_message(answer).status for answer in heard]


def still_talking(exchange, phones) -> bool:
    before = [phone.heard for phone in phones]
    exchange.run(12.0)
    return all(p.talking and p.heard > count for p, count in zip(phones, before, strict=True))


@pytest.mark.parametrize("method", ["BYE", "INVITE", "INFO", "UPDATE", "REFER"])
def test_who_knows_the_tags_but_comes_from_elsewhere_is_refused(exchange, talking, method):
    for phone in talking:
        data = in_dialog(phone.talking[0], method)
        assert sent_by_stranger(exchange, data) == [403]
    assert still_talking(exchange, talking)


@pytest.mark.parametrize("method", ["BYE", "INVITE", "CANCEL", "UPDATE", "REFER", "PRACK"])
def test_guessed_tags_find_no_call(exchange, talking, method):
    data = in_dialog(talking[0].talking[0], method, To="<sip:x@example.org>;tag=guess")
    assert sent_by_stranger(exchange, data) == [481]
    assert still_talking(exchange, talking)


def test_a_phone_that_registered_from_another_network_goes_on_from_there(exchange, talking):
    ana = talking[0]
    session = ana.talking[0]
    line = exchange.directory.line_by_number("+995322000001")
    moved = exchange.phone(line, STRANGER[0])
    moved.register()
    exchange.run(1.0)
    assert moved.registered == 200
    exchange.wire.send(in_dialog(session, "BYE"), STRANGER, SWITCH)
    exchange.run(2.0)
    assert talking[1].talking == []
    ana.talking.clear()


def test_a_called_phone_that_challenges_our_requests_gets_no_credentials(exchange, talking):
    """A trunk's password must not be had by asking for it in the trunk's realm."""
    exchange.trunk("out", "203.0.113.1", "44")
    ana, beka = talking
    asked = []

    def challenge(data: bytes, source) -> None:
        message = parse_message(data)
        if isinstance(message, Request) and message.method != "ACK":
            asked.append(message)
            for status, name in ((401, b"WWW-Authenticate"), (407, b"Proxy-Authenticate")):
                field = (name, b'Digest realm="carrier", nonce="n", algorithm=MD5')
                answer = message.respond(status, fields=[field], to_tag="x")
                exchange.wire.send(bytes(answer), beka.address, SWITCH)

    exchange.wire.attach(beka.address, challenge)
    ana.hold(ana.talking[0])
    exchange.run(2.0)
    ana.hang_up(ana.talking[0])
    exchange.run(40.0)
    assert {request.method for request in asked} == {"INVITE", "BYE"}
    for request in asked:
        assert request.get(b"authorization") is None
        assert request.get(b"proxy-authorization") is None
    beka.talking.clear()


def test_a_trunk_that_challenges_for_ever_is_given_up(exchange, talking):
    trunk = exchange.trunk("out", "203.0.113.1", "44")
    exchange.set_trunk_credentials("out", "us", "trunk secret")
    tries = []

    def challenge(data: bytes, source) -> None:
        message = parse_message(data)
        if isinstance(message, Request) and message.method == "INVITE":
            tries.append(message)
            value = b'Digest realm="carrier", nonce="%d", algorithm=MD5' % len(tries)
            answer = message.respond(401, fields=[(b"WWW-Authenticate", value)], to_tag="x")
            exchange.wire.send(bytes(answer), trunk.address, SWITCH)

    exchange.wire.attach(trunk.address, challenge)
    ana, beka = talking
    ana.hang_up(ana.talking[0])
    exchange.run(1.0)
    ana.call("0044201234567")
    exchange.run(5.0)
    assert ana.status == 503
    assert 2 <= len(tries) <= 3 and tries[0].get(b"authorization") is None
    exchange.run(40.0)
    assert exchange.left()["reserved"] == 0
    assert beka.talking == []


def test_a_flood_of_offers_is_slowed_and_the_call_goes_on(exchange, talking):
    ana, beka = talking
    session = ana.talking[0]
    answers = []
    original = ana._receive

    def listen(data: bytes, source) -> None:
        message = parse_message(data)
        if not isinstance(message, Request) and message.cseq.method == "INVITE":
            answers.append(message.status)
        original(data, source)

    exchange.wire.attach(ana.address, listen)
    for number in range(100):
        session.dialog.local_cseq = 100 + number
        data = in_dialog(session, "INVITE", Via=f"SIP/2.0/UDP x;branch=z9hG4bKflood{number}")
        exchange.wire.send(data, ana.address, SWITCH)
        exchange.run(0.01)
    exchange.run(70.0)
    assert {500} <= set(answers) <= {100, 200, 488, 491, 500}
    assert len([request for request in beka.events if request == "Reinvited"]) <= 20


def test_a_registered_contact_is_only_a_name_and_calls_go_where_the_phone_is(exchange, talking):
    line = exchange.line("+995322000003", exchange.account(0))
    cira = exchange.phone(line, "198.51.100.3")
    victims = []
    for address in (("127.0.0.1", 5060), ("203.0.113.7", 5060)):
        exchange.wire.attach(address, lambda data, source: victims.append(data))
    cira.register(contact="<sip:x@203.0.113.7:5060>")
    exchange.run(1.0)
    assert cira.registered == 200
    beka = talking[1]
    beka.call("+995322000003")
    exchange.run(3.0)
    assert "Received" in cira.events and victims == []


def test_a_binding_of_one_line_never_touches_anothers(exchange, talking):
    ana, beka = talking
    ana.register(contact="*", expires=0)
    exchange.run(1.0)
    assert ana.registered == 200
    names = {
        binding.aor for binding in exchange.switch.registrar.all(exchange.switch.wall_seconds())
    }
    assert names == {beka.login}
    ana.register(aor=beka.login)
    exchange.run(1.0)
    assert ana.registered == 403
