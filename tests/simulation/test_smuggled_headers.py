"""What somebody writes into an INVITE or a text, and what of it reaches the other leg: what we make
ourselves, and nothing else."""

from dataclasses import replace

import pytest
from exchange import Exchange
from phones import Behaviour
from world import SWITCH

from sip.reading import parse_message

ANA, BEKA = "+995322000001", "+995322000002"
TRUNK = "203.0.113.80"
SECRET = "smuggled"
INTERNAL = (
    "P-Asserted-Identity", "P-Preferred-Identity", "P-Charging-Vector", "P-Served-User",
    "P-Access-Network-Info", "P-Called-Party-ID", "Remote-Party-ID", "Privacy",
    "Diversion", "History-Info", "Referred-By", "Identity", "Identity-Info", "Alert-Info",
    "Call-Info", "Error-Info", "In-Reply-To", "Reply-To", "Organization", "Priority", "Subject",
    "Route", "Record-Route", "Path", "Service-Route", "Join", "Replaces-Not", "Target-Dialog",
    "Authorization", "Proxy-Authorization", "User-Agent", "Server", "Warning", "X-Account",
    "X-Bypass-me", "X-Trunk", "Session-ID", "User-to-User", "Geolocation", "Resource-Priority",
)  # fmt: skip
SPELLINGS = ("{} : {}", "{}\t:{}", "{} :\r\n\t{}")
"""How a name may be written and still be one (RFC 3261 section 7.3.1); others are 400, see
test_message."""
MAY_STAND = {
    b"via", b"max-forwards", b"from", b"to", b"call-id", b"cseq", b"contact", b"allow", b"accept",
    b"supported", b"user-agent", b"session-expires", b"min-se", b"content-type", b"content-length",
    b"privacy", b"p-asserted-identity",
}  # fmt: skip


@pytest.fixture
def exchange():
    made = Exchange(seed=11)
    made.tariff(("on_net", 0, 1, 1), ("44", 60_000, 1, 1))
    for number in (ANA, BEKA):
        line = made.line(number, made.account(10_000_000))
        phone = made.phone(line, f"198.51.100.{line.id}")
        phone.behaviour = Behaviour(rings=0.1, talks=0.1)
        phone.register()
    made.trunk("carrier", TRUNK, "44").behaviour = Behaviour(rings=0.1, talks=0.1)
    made.run(1.0)
    made.wire.log = []
    yield made
    made.run_until_idle()
    assert made.log.errors == []
    made.close()


def recased(name: str, how: int) -> str:
    return (name, name.upper(), name.lower(), name.swapcase())[how % 4]


def spoilt(data: bytes, name: str, spelling: str) -> bytes:
    """The message with one more field, written in this way."""
    field = spelling.format(name, f"<sip:{SECRET}@h>;{SECRET}={SECRET}").encode()
    first, rest = data.split(b"\r\n", 1)
    return first + b"\r\n" + field + b"\r\n" + rest


def received(exchange, phone, method: bytes) -> list[bytes]:
    return [data for _, source, to, data in exchange.wire.log
            if source == SWITCH and to == phone.address and data.startswith(method)]  # fmt: skip


def received_from(exchange, phone, method: bytes) -> list[bytes]:
    return [data for _, source, to, data in exchange.wire.log
            if source == phone.address and to == SWITCH and data.startswith(method)]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_field_of_a_trunks_call_reaches_a_phone(exchange, spelling):
    """A trunk needs no credentials, so that each field is really served."""
    _, beka, trunk = exchange.phones
    wire, send = exchange.wire, exchange.wire.send
    for index, name in enumerate(INTERNAL):
        written = recased(name, index)

        def spoil(data, source, to, written=written):
            from_trunk = source == trunk.address and data.startswith(b"INVITE")
            send(spoilt(data, written, spelling) if from_trunk else data, source, to)

        wire.send = spoil
        trunk.call(BEKA)
        exchange.run(4.0)
    sent = received_from(exchange, trunk, b"INVITE")
    assert all(SECRET.encode() in data for data in sent)
    invites = received(exchange, beka, b"INVITE")
    assert len(invites) >= len(INTERNAL) - 6  # some are refused: a Path or Route that is no URI
    for data in invites:
        head = data.partition(b"\r\n\r\n")[0].lower()
        assert SECRET.encode() not in head
        names = {line.partition(b":")[0].strip() for line in head.split(b"\r\n")[1:]}
        assert names <= MAY_STAND, names - MAY_STAND


@pytest.mark.parametrize("to", [BEKA, "+442012345678"])
def test_no_field_of_a_lines_call_goes_anywhere(exchange, to):
    ana, beka, trunk = exchange.phones
    for name in INTERNAL:
        if name not in ("Authorization", "Proxy-Authorization", "Route", "Diversion", "Privacy"):
            ana.call(to, extra=((name.encode(), f"<sip:{SECRET}@h>;{SECRET}=1".encode()),))
            exchange.run(3.0)
    target = beka if to == BEKA else trunk
    invites = received(exchange, target, b"INVITE")
    assert len(invites) >= len(INTERNAL) - 8
    for data in invites:
        message = parse_message(data)
        assert SECRET.encode() not in data
        assert {name.lower() for name, _ in message.fields} <= MAY_STAND


NAMES = {
    "a line end": "Ana\\\r\n X: 1", "a control character": "A\x01n\x1fa\x7f", "a quote": 'A"na',
    "a backslash": "A\\na", "NUL": "A\x00na", "beyond ASCII": "ანა", "an escape": "\x1b[31mAna",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_display_name_is_text_and_nothing_else(exchange, name):
    """The operator's own entry of a line, however it came into the database."""
    ana, beka, _ = exchange.phones
    line = exchange.directory.line_by_number(ANA)
    exchange.directory.put_lines([replace(line, display_name=NAMES[name])])
    ana.call(BEKA)
    exchange.run(3.0)
    (data,) = received(exchange, beka, b"INVITE")
    head = data.partition(b"\r\n\r\n")[0]
    assert all(octet >= 0x20 for line in head.split(b"\r\n") for octet in line)
    assert b"\r\nX:" not in head and parse_message(data).from_.uri.user == ANA
