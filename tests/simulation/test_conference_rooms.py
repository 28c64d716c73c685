"""Dial-in rooms (A4 to A8): who comes in, what is said, who hears whom, and how it ends."""

import pytest
from exchange import Exchange
from recordings import recorded

from billing.facts.calendar import Term
from billing.facts.product import Product
from billing.facts.sales import DefineProduct
from softswitch.conference.rooms import DialInRoom, RoomStore
from softswitch.subscribers import pins

LARI = 1_000_000
CONFERENCE = Product(
    "conference", "GEL", LARI, Term.parse("30 days"), service="conference", renewable=False
)
ROOM, PIN = "100", "4711"


@pytest.fixture
def exchange(tmp_path):
    made = Exchange(seed=1, prompts=recorded(tmp_path, "en"))
    made.tariff(("995", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def build(exchange, count, *, pin=PIN):
    """Phones of as many lines; the room is the first one's."""
    phones = []
    for index in range(1, count + 1):
        number = f"+99532200000{index}"
        line = exchange.line(number, exchange.account(10 * LARI), language="en")
        phone = exchange.phone(line, f"198.51.100.{index}")
        phone.register()
        phones.append(phone)
    exchange.run(1.0)
    kept = None if pin is None else pins.hashed(pin, b"s" * pins.SALT_BYTES)
    RoomStore(exchange.store.engine).add(DialInRoom(ROOM, 1, kept))
    return phones


def press(exchange, phone, session, keys):
    for key in keys:
        body = f"Signal={key}\r\nDuration=160\r\n".encode()
        session.info(b"application/dtmf-relay", body, phone.now)
        phone.endpoint.drain()
        exchange.run(0.1)


def enter(exchange, phone, *, pin=PIN, room=ROOM):
    session = phone.call("*88")
    exchange.run(3.0)
    press(exchange, phone, session, f"{room}#")
    exchange.run(2.0)
    if pin:
        press(exchange, phone, session, f"{pin}#")
    exchange.run(8.0)
    return session


def said(exchange):
    return [token for _, tokens in exchange.log.announcements for token in tokens.split()]


def members(exchange):
    (conference,) = exchange.switch.hall.conferences
    return conference.members


def nothing_left(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert len(exchange.switch.hall) == 0


def test_a7_callers_meet_in_a_room(exchange):
    owner, guest, other = build(exchange, 3)
    sessions = [
        enter(exchange, owner, pin=None), enter(exchange, guest), enter(exchange, other)
    ]  # fmt: skip
    assert [member.owner for member in members(exchange)] == [True, False, False]
    tokens = said(exchange)
    assert "conf-alone" in tokens and tokens.count("conf-participants") == 2
    before = owner.heard
    exchange.run(1.0)
    assert owner.heard - before > 45
    for phone, session in zip((other, guest, owner), reversed(sessions), strict=True):
        phone.hang_up(session)
    nothing_left(exchange)
    cdrs = exchange.store.cdrs()
    assert [(cdr.type, cdr.price_micros) for cdr in cdrs] == [("service", 0)] * 3


def test_a8_the_sixth_is_told_that_it_is_full(exchange):
    phones = build(exchange, 6)
    for phone in phones:
        enter(exchange, phone, pin=None if phone is phones[0] else PIN)
    assert len(members(exchange)) == 5
    assert said(exchange).count("conf-full") == 1
    exchange.run(5.0)
    assert not phones[5].talking and all(phone.talking for phone in phones[:5])
    phones[1].hang_up(phones[1].talking[0])
    exchange.run(1.0)
    enter(exchange, phones[5])
    assert len(members(exchange)) == 5
    phones[0].hang_up(phones[0].talking[0])
    nothing_left(exchange)


def test_a_wrong_pin_lets_nobody_in(exchange):
    _, guest = build(exchange, 2)
    session = guest.call("*88")
    exchange.run(3.0)
    press(exchange, guest, session, f"{ROOM}#")
    for _ in range(3):
        exchange.run(3.0)
        press(exchange, guest, session, "9999#")
    nothing_left(exchange)
    assert said(exchange).count("conf-wrong-pin") == 3


@pytest.mark.parametrize("room", ["101", "1"])
def test_a_room_that_isnt_there(exchange, room):
    _, guest = build(exchange, 2)
    enter(exchange, guest, room=room, pin=None)
    nothing_left(exchange)
    assert said(exchange)[-1] == "conf-not-found"


def test_a_room_without_a_pin_is_open(exchange):
    _, guest = build(exchange, 2, pin=None)
    session = enter(exchange, guest, pin=None)
    assert len(members(exchange)) == 1
    guest.hang_up(session)
    nothing_left(exchange)


def test_a4_while_the_service_is_on_sale_the_owner_must_have_it(exchange):
    owner, guest = build(exchange, 2)
    exchange.store.apply([DefineProduct(CONFERENCE)])
    exchange.run(20.0)
    enter(exchange, owner, pin=None)
    exchange.run(5.0)
    assert said(exchange)[-1] == "conf-service-needed" and not owner.talking
    owner.call("1199")
    exchange.run(20.0)
    enter(exchange, owner, pin=None)
    enter(exchange, guest)
    assert len(members(exchange)) == 2
    owner.hang_up(owner.talking[0])
    nothing_left(exchange)
    assert exchange.store.account(1).balance_micros == 9 * LARI


def test_mute_by_keys(exchange):
    owner, guest = build(exchange, 2)
    enter(exchange, owner, pin=None)
    session = enter(exchange, guest)
    press(exchange, guest, session, "*6")
    exchange.run(2.0)
    assert members(exchange)[1].muted and said(exchange)[-1] == "conf-muted"
    press(exchange, guest, session, "*6")
    exchange.run(2.0)
    assert not members(exchange)[1].muted and said(exchange)[-1] == "conf-unmuted"
    press(exchange, guest, session, "*0")  # the owner's alone
    exchange.run(2.0)
    assert len(members(exchange)) == 2
    owner.hang_up(owner.talking[0])
    nothing_left(exchange)


@pytest.mark.parametrize("how", ["keys", "hang-up"])
def test_the_owners_end_is_everybodys(exchange, how):
    owner, guest, other = build(exchange, 3)
    session = enter(exchange, owner, pin=None)
    enter(exchange, guest)
    enter(exchange, other)
    if how == "keys":
        press(exchange, owner, session, "*0")
    else:
        owner.hang_up(session)
    exchange.run(5.0)
    assert not (owner.talking or guest.talking or other.talking)
    assert said(exchange).count("conf-ended") == (3 if how == "keys" else 2)
    nothing_left(exchange)


def test_a_room_outlives_its_owner_if_it_is_set_so(tmp_path):
    exchange = Exchange(
        seed=1, prompts=recorded(tmp_path, "en"), config="[conference]\nends_with_owner = false\n"
    )
    exchange.tariff(("995", 60_000, 1, 1))
    owner, guest = build(exchange, 2)
    session = enter(exchange, owner, pin=None)
    enter(exchange, guest)
    owner.hang_up(session)
    exchange.run(5.0)
    assert len(members(exchange)) == 1 and guest.talking
    guest.hang_up(guest.talking[0])
    nothing_left(exchange)
    exchange.close()


def test_an_operator_sees_who_is_in_it(exchange):
    from softswitch.process.live import Live, conference_list

    owner, guest = build(exchange, 2)
    enter(exchange, owner, pin=None)
    enter(exchange, guest)
    rows = conference_list(Live(None, exchange.switch, None, 0, None))
    assert [(row["kind"], row["number"], row["member"], row["owns"]) for row in rows] == [
        ("room", ROOM, "+995322000001", True),
        ("room", ROOM, "+995322000002", False),
    ]
    owner.hang_up(owner.talking[0])
    nothing_left(exchange)


def test_its_owner_sees_mutes_and_sends_away(exchange):
    """The owner's account sees the members; another account finds nobody."""
    from softswitch.control.actor import Actor
    from softswitch.control.errors import OperationError
    from softswitch.operations.context import Context
    from softswitch.process.live import Live
    from softswitch.process.live_conferences import (
        conference_members,
        conference_mute,
        conference_remove,
    )

    owner, guest = build(exchange, 2)
    enter(exchange, owner, pin=None)
    enter(exchange, guest)
    (account,) = {conference.line.account_id for conference in exchange.switch.hall.conferences}

    def acting(number: int) -> Live:
        actor = Actor("ana", "subscriber", account=number)
        context = Context(None, None, None, None, None, actor=actor)
        return Live(context, exchange.switch, None, 0, None)

    rows = conference_members(acting(account))
    assert [(row["member"], row["owns"], row["place"], row["places"]) for row in rows] == [
        ("+995322000001", True, 1, 5),
        ("+995322000002", False, 2, 5),
    ]
    call = str(rows[1]["call"])
    assert conference_members(acting(account + 1)) == []
    for operation in (conference_mute, conference_remove):
        with pytest.raises(OperationError) as error:
            operation(acting(account + 1), call)
        assert error.value.code == "call_not_found"
    conference_mute(acting(account), call)
    assert [row["muted"] for row in conference_members(acting(account))] == [False, True]
    conference_remove(acting(account), call)
    exchange.run(5.0)
    assert not guest.talking
    assert [row["member"] for row in conference_members(acting(account))] == ["+995322000001"]
    owner.hang_up(owner.talking[0])
    nothing_left(exchange)
