"""The focus calls somebody to a conference, or sends him away, when its owner refers it to him
(RFC 4579)."""

import pytest
from exchange import Exchange
from lamp import Lamp
from recordings import recorded
from test_conference_rooms import enter
from test_merged_calls import build, call, members, nothing_left

from softswitch.conference.rooms import DialInRoom, RoomStore


@pytest.fixture
def exchange(tmp_path):
    made = Exchange(seed=1, prompts=recorded(tmp_path, "en"), workers=2)
    made.tariff(("995", 60_000, 1, 1), ("44", 120_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


class Referrer(Lamp):
    """Sends a REFER outside any dialog; `seen` has how it goes."""

    METHOD = b"REFER"

    def refer(self, refer_to: str, target: str = "*87", *more: tuple[bytes, bytes]) -> int:
        self._target, self._refer_to, self._more = target.encode(), refer_to.encode(), more
        self._send(None)
        self.exchange.run(1.0)
        return self.status

    def _wishes(self):
        return [(b"Refer-To", self._refer_to), *self._more]


def hold(exchange, owner):
    """The owner comes to his focus."""
    focus = owner.call("*87")
    exchange.run(6.0)
    return focus


def bring(exchange, owner, focus, number, seconds=4.0, method=""):
    owner.refer(focus, f"<sip:{number}@example.org{method}>".encode())
    exchange.run(seconds)


def told(owner):
    """Statuses, without the 100 that stands first."""
    return [status for _, status in owner.told if status > 100]


def hears(exchange, phone):
    before = phone.heard
    exchange.run(2.0)
    return phone.heard - before


def test_a7_the_owner_has_the_focus_call_somebody(exchange):
    owner, b, c = build(exchange, 3)
    focus = hold(exchange, owner)
    for number in ("+995322000002", "0322000003"):
        bring(exchange, owner, focus, number)
    assert told(owner) == [180, 200, 180, 200]
    assert members(exchange) == ["+995322000001", "+995322000002", "+995322000003"]
    for phone in (owner, b, c):
        assert hears(exchange, phone) > 90
    exchange.run(30.0)
    owner.hang_up(focus)
    exchange.run(5.0)
    assert not (b.talking or c.talking)
    nothing_left(exchange)
    cdrs = {cdr.called: cdr for cdr in exchange.store.cdrs()}
    for number in ("+995322000002", "+995322000003"):
        cdr = cdrs[number]
        assert (cdr.account, cdr.line, cdr.calling) == (1, "+995322000001", "+995322000001")
        assert (cdr.direction, cdr.sip_status) == ("internal", 200)
        assert cdr.duration_ms > 30_000 and cdr.price_micros > 30_000
        assert cdr.media.callee.packets >= 5


def test_a6_an_outside_number_is_charged_to_the_owner(exchange):
    owner, *_ = build(exchange, 2)
    gateway = exchange.trunk("carrier", "203.0.113.5")
    focus = hold(exchange, owner)
    bring(exchange, owner, focus, "00442012345678")
    assert told(owner)[-1] == 200 and gateway.talking
    exchange.run(60.0)
    gateway.hang_up(gateway.talking[0])
    exchange.run(3.0)
    assert members(exchange) == ["+995322000001"]
    owner.hang_up(focus)
    nothing_left(exchange)
    (cdr,) = (cdr for cdr in exchange.store.cdrs() if cdr.trunk)
    assert (cdr.account, cdr.type, cdr.ended_by) == (1, "international", "callee")
    assert cdr.price_micros == 2_000 * (cdr.duration_ms // 1000 + 1) > 120_000


@pytest.mark.parametrize(
    ("how", "status"), [("busy", 486), ("nobody", 480), ("nonsense", 484), ("poor", 402)]
)
def test_whoever_cant_be_had_isnt_there_and_the_owner_is_told_why(exchange, how, status):
    owner, b = build(exchange, 2)
    number = "+995322000002"
    if how == "busy":
        b.behaviour.answer = 486
    elif how == "nobody":
        exchange.line("+995322000009", exchange.account(0))
        number = "+995322000009"
    elif how == "poor":
        exchange.trunk("carrier", "203.0.113.5")
        exchange.tariff(("44", 900_000_000, 60, 60))
        number = "00442012345678"
    else:
        number = "12"
    focus = hold(exchange, owner)
    bring(exchange, owner, focus, number, 90.0)
    assert told(owner)[-1] == status
    assert members(exchange) == ["+995322000001"] and owner.talking
    owner.hang_up(focus)
    nothing_left(exchange)
    assert sorted(cdr.sip_status for cdr in exchange.store.cdrs()) == [200, status]


def test_a8_a_sixth_is_not_called(exchange):
    owner, *others = build(exchange, 6)
    focus = hold(exchange, owner)
    for index in range(2, 6):
        bring(exchange, owner, focus, f"+99532200000{index}")
    assert len(members(exchange)) == 5
    bring(exchange, owner, focus, "+995322000006")
    assert told(owner)[-1] == 486 and not others[4].talking
    owner.hang_up(focus)
    nothing_left(exchange)
    assert len(exchange.store.cdrs()) == 5


def test_a8_who_is_being_called_has_a_place_already(exchange):
    owner, *others = build(exchange, 6)
    focus = hold(exchange, owner)
    for index in range(2, 5):
        bring(exchange, owner, focus, f"+99532200000{index}")
    others[3].behaviour.answer = 0
    bring(exchange, owner, focus, "+995322000005", 2.0)
    session = call(exchange, others[4], 1)
    (sixth,) = (one for one in owner.talking if one is not focus)
    owner.refer(sixth, b"<sip:*87@example.org>")
    exchange.run(5.0)
    assert len(members(exchange)) == 4 and sixth in owner.talking
    others[4].hang_up(session)
    owner.hang_up(focus)
    nothing_left(exchange)


def test_the_owner_sends_somebody_away(exchange):
    owner, b, c = build(exchange, 3)
    focus = hold(exchange, owner)
    for index in (2, 3):
        bring(exchange, owner, focus, f"+99532200000{index}")
    bring(exchange, owner, focus, "+995322000002", method=";method=BYE")
    assert told(owner)[-1] == 200
    assert not b.talking and c.talking and len(members(exchange)) == 2
    bring(exchange, owner, focus, "+995322000002", method=";method=BYE")
    assert told(owner)[-1] == 404
    owner.hang_up(focus)
    nothing_left(exchange)


def test_the_owner_of_a_room_does_so_too_and_nobody_else(exchange):
    owner, b, c = build(exchange, 3)
    RoomStore(exchange.store.engine).add(DialInRoom("100", 1, None))
    own = enter(exchange, owner, pin=None)
    guest = enter(exchange, b, pin=None)
    bring(exchange, b, guest, "+995322000003")
    assert not c.talking and told(b) == []
    bring(exchange, owner, own, "+995322000003")
    assert len(members(exchange)) == 3 and c.talking
    bring(exchange, owner, own, "+995322000002", method=";method=BYE")
    exchange.run(5.0)
    assert not b.talking and len(members(exchange)) == 2
    owner.hang_up(own)
    nothing_left(exchange)


def test_who_still_rings_when_the_conference_ends_rings_no_more(exchange):
    owner, b = build(exchange, 2)
    b.behaviour.answer = 0
    focus = hold(exchange, owner)
    bring(exchange, owner, focus, "+995322000002", 3.0)
    owner.hang_up(focus)
    exchange.run(3.0)
    assert not exchange.switch.calls
    nothing_left(exchange)
    assert sorted(cdr.sip_status for cdr in exchange.store.cdrs()) == [200, 480]


def test_a_refer_outside_a_dialog_is_the_owners_too(exchange):
    owner, b, _ = build(exchange, 3)
    focus = hold(exchange, owner)
    referrer = Referrer(exchange, "995322000001", ("198.51.100.1", 6000))
    assert referrer.refer("<sip:+995322000002@example.org>") == 202
    exchange.run(5.0)
    assert len(members(exchange)) == 2 and b.talking
    assert [body.split()[1] for body in referrer.seen] == ["100", "180", "200"]
    assert referrer.states[-1].startswith("terminated") and referrer.events[-1].startswith("refer")
    assert referrer.refer("<sip:+995322000002@example.org;method=BYE>") == 202
    exchange.run(3.0)
    assert len(members(exchange)) == 1 and not b.talking
    owner.hang_up(focus)
    nothing_left(exchange)


@pytest.mark.parametrize(
    ("login", "target", "refer_to", "status"),
    [
        ("995322000003", "*87", "<sip:+995322000002@example.org>", 404),
        ("995322000001", "+995322000002", "<sip:+995322000003@example.org>", 403),
        ("995322000001", "*87", "<sip:+995322000002@example.org;method=REFER>", 400),
        ("995322000001", "*87", "<sip:", 400),
    ],
    ids=["of another line", "to a person", "to do something else", "malformed"],
)
def test_a_refer_outside_a_dialog_is_refused(exchange, login, target, refer_to, status):
    owner, b, c = build(exchange, 3)
    focus = hold(exchange, owner)
    referrer = Referrer(exchange, login, ("198.51.100.1", 6000))
    assert referrer.refer(refer_to, target) == status
    exchange.run(3.0)
    assert len(members(exchange)) == 1 and not (b.talking or c.talking)
    owner.hang_up(focus)
    nothing_left(exchange)
