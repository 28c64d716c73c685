"""Calls whose peers put other things beside their SDP (RFC 5621), and calls for help that say where
the caller is (RFC 6442), in literal seconds."""

import pytest
from exchange import Exchange
from phones import Behaviour
from world import SWITCH

from sip.bodies import BodyPart, multipart
from sip.reading import parse_message

ISUP = BodyPart(
    (
        (b"Content-Type", b"application/isup; version=itu-t92+"),
        (b"Content-Disposition", b"signal; handling=optional"),
    ),
    b"\x01\x00\x20\x01",
)
PLACE = BodyPart(
    ((b"Content-Type", b"application/pidf+xml"), (b"Content-ID", b"<place@example.org>")),
    b"<presence/>",
)
SDP_FIELDS = ((b"Content-Type", b"application/sdp"),)


def packed(message: bytes, part: BodyPart, *, first: bool) -> bytes:
    """The message with its SDP in one part and another part before or behind it."""
    head, _, body = message.partition(b"\r\n\r\n")
    if b"application/sdp" not in head or not body:
        return message
    parts = [BodyPart(SDP_FIELDS, body)]
    parts.insert(0 if first else 1, part)
    content = multipart(parts, b"sgw")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-")]
    lines.append(b'Content-Type: multipart/mixed; boundary="sgw"')
    lines.append(b"Content-Length: %d" % len(content))
    return b"\r\n".join(lines) + b"\r\n\r\n" + content


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("44", 60_000, 60, 60))
    made.wire.log = []
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


@pytest.fixture
def ana(exchange):
    line = exchange.line("+995322000001", exchange.account(10_000_000))
    phone = exchange.phone(line, "198.51.100.1")
    phone.register()
    exchange.run(1.0)
    return phone


def pack(exchange, part: BodyPart, *, first: bool = False) -> None:
    """Everybody but the switch sends multipart bodies."""
    send = exchange.wire.send

    def spoil(data: bytes, source, target) -> None:
        sip = source != SWITCH and target == SWITCH
        send(packed(data, part, first=first) if sip else data, source, target)

    exchange.wire.send = spoil


def invites_to(exchange, phone):
    return [
        parse_message(data)
        for _, source, target, data in exchange.wire.log
        if (source, target) == (SWITCH, phone.address) and data.startswith(b"INVITE")
    ]


@pytest.mark.parametrize("first", [True, False])
def test_a_call_to_a_trunk_with_isup_beside_every_description(exchange, ana, first):
    trunk = exchange.trunk("gateway", "203.0.113.1", "44")
    trunk.behaviour = Behaviour(rings=1.0, early_media=True)
    pack(exchange, ISUP, first=first)
    session = ana.call("00442012345678")
    exchange.run(3.0)
    assert ana.status == 200 and "Progress" in ana.events
    ana.hold(session)
    exchange.run(3.0)
    assert trunk.events[-2:] == ["Reinvited", "Acknowledged"]
    assert ana.events[-1] == "ReinviteAnswered"
    assert all(b"isup" not in bytes(invite) for invite in invites_to(exchange, trunk))
    ana.hang_up(session)
    exchange.run_until_idle()
    (cdr,) = exchange.store.cdrs()
    assert (cdr.trunk, cdr.sip_status) == ("gateway", 200)


def test_a_call_of_a_trunk_with_isup_beside_the_offer(exchange, ana):
    trunk = exchange.trunk("gateway", "203.0.113.1", "44")
    ana.behaviour = Behaviour(rings=1.0, talks=10.0)
    pack(exchange, ISUP)
    trunk.call("+995322000001")
    exchange.run_until_idle()
    (cdr,) = exchange.store.cdrs()
    assert cdr.sip_status == 200


def test_a_call_for_help_takes_the_callers_place_along(exchange, ana):
    trunk = exchange.trunk("gateway", "203.0.113.1", "44")
    trunk.behaviour = Behaviour(rings=1.0, talks=10.0)
    pack(exchange, PLACE, first=True)
    ana.call("112", extra=((b"Geolocation", b"<cid:place@example.org>"),
                           (b"Geolocation-Routing", b"yes")))  # fmt: skip
    exchange.run_until_idle()
    (invite,) = invites_to(exchange, trunk)
    assert invite.get(b"geolocation") == b"<cid:place@example.org>"
    assert invite.get(b"geolocation-routing") == b"yes"
    description, place = invite.parts
    assert description.is_description and b"m=audio" in description.body
    assert place == PLACE
    assert trunk.events.count("Acknowledged") == 1
    (cdr,) = exchange.store.cdrs()
    assert (cdr.called, cdr.sip_status) == ("112", 200)


def test_a_place_by_reference_goes_along_without_a_part(exchange, ana):
    trunk = exchange.trunk("gateway", "203.0.113.1", "44")
    trunk.behaviour = Behaviour(talks=5.0)
    ana.call("112", extra=((b"Geolocation", b"<https://lis.example.org/7>"),))
    exchange.run_until_idle()
    (invite,) = invites_to(exchange, trunk)
    assert invite.get(b"geolocation") == b"<https://lis.example.org/7>"
    assert invite.get(b"content-type") == b"application/sdp"


def test_nobody_else_is_told_where_the_caller_is(exchange, ana):
    trunk = exchange.trunk("gateway", "203.0.113.1", "44")
    trunk.behaviour = Behaviour(talks=5.0)
    pack(exchange, PLACE)
    ana.call("00442012345678", extra=((b"Geolocation", b"<cid:place@example.org>"),))
    exchange.run_until_idle()
    (invite,) = invites_to(exchange, trunk)
    assert invite.get(b"geolocation") is None and b"presence" not in bytes(invite)


def test_a_place_that_is_too_large_stops_no_call_for_help(exchange, ana):
    trunk = exchange.trunk("gateway", "203.0.113.1", "44")
    trunk.behaviour = Behaviour(talks=5.0)
    pack(exchange, BodyPart(PLACE.fields, b"x" * 9_000))
    ana.call("112")
    exchange.run_until_idle()
    (invite,) = invites_to(exchange, trunk)
    assert invite.get(b"content-type") == b"application/sdp"
