"""Lamps through a whole switch: who may watch what, and what is shown when."""

import re
from dataclasses import replace

import pytest
from exchange import Exchange
from lamp import Lamp
from phones import Behaviour

from softswitch.services import watchers
from softswitch.subscribers.directory import Waiting

ANA, BEKA, GIA = "+995322000001", "+995322000002", "+995322000003"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("995", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.switch.agent.counters.faults == 0
    made.close()


@pytest.fixture
def office(exchange):
    """Ana and Beka of one account with a phone each, and Gia of another."""
    account = exchange.account(10_000_000)
    lines = [exchange.line(number, account) for number in (ANA, BEKA)]
    lines.append(exchange.line(GIA, exchange.account(10_000_000)))
    phones = [exchange.phone(line, f"198.51.100.{line.id}") for line in lines]
    for phone in phones:
        phone.register()
    exchange.run(1.0)
    return phones


def lamp(exchange, number, port=6000, **more) -> Lamp:
    line = exchange.directory.line_by_number(number)
    return Lamp(exchange, line.login, (f"198.51.100.{line.id}", port), **more)


def dialogs(body: str) -> list[tuple[str, str]]:
    """(direction, state) of each dialog in a document."""
    pattern = r'<dialog id="[^"]*"(?: direction="(\w+)")?[^>]*><state>(\w+)</state>'
    return re.findall(pattern, body)


def told(lamp: Lamp) -> list[list[tuple[str, str]]]:
    return [dialogs(body) for body in lamp.seen]


IDLE = [("", "terminated")]


def test_a_busy_lamp_follows_a_call(exchange, office):
    a, b, _ = office
    of_caller, of_called = lamp(exchange, BEKA, 6001), lamp(exchange, ANA, 6002)
    assert of_caller.subscribe("dialog", ANA) == of_called.subscribe("dialog", BEKA) == 200
    b.behaviour = Behaviour(rings=5.0)
    session = a.call(BEKA)
    exchange.run(20.0)
    a.hang_up(session)
    exchange.run(5.0)
    for watching, direction in ((of_caller, "initiator"), (of_called, "recipient")):
        states = [[(direction, state)] for state in ("trying", "early", "confirmed")]
        assert told(watching) == [IDLE, *states, IDLE]
    versions = [re.search(r' version="(\d+)"', body)[1] for body in of_called.seen]
    assert versions == ["0", "1", "2", "3", "4"]
    assert f"<identity>sip:{BEKA}@example.org</identity>" in of_caller.seen[2].split("<remote>")[1]
    assert f"<identity>sip:{ANA}@example.org</identity>" in of_called.seen[2].split("<remote>")[1]


def test_a_call_that_nobody_may_have_leaves_the_lamp_dark(exchange, office):
    a, b, _ = office
    b.behaviour = Behaviour(rings=2.0, answer=486)
    watching = lamp(exchange, ANA)
    watching.subscribe("dialog", BEKA)
    a.call(BEKA)
    exchange.run(10.0)
    assert told(watching)[-1] == IDLE


def test_a_withheld_number_is_not_shown_to_watchers(exchange, office):
    a, b, _ = office
    b.behaviour = Behaviour(rings=5.0)
    watching = lamp(exchange, ANA)
    watching.subscribe("dialog", BEKA)
    a.call(BEKA, extra=((b"Privacy", b"id"),))
    exchange.run(3.0)
    assert told(watching)[-1] == [("recipient", "early")]
    assert "<remote>" not in watching.seen[-1] and ANA not in watching.seen[-1]


def test_a_lamp_follows_a_call_to_the_line_that_it_is_transferred_to(exchange, office):
    a, b, c = office
    account = exchange.directory.line_by_number(ANA).account_id
    gia = exchange.directory.line_by_number(GIA)
    exchange.directory.put_lines([replace(gia, account_id=account)])
    lamps = [lamp(exchange, ANA, 6001 + i) for i in range(3)]
    for watching, number in zip(lamps, (ANA, BEKA, GIA), strict=True):
        watching.subscribe("dialog", number)
    session = a.call(BEKA)
    exchange.run(5.0)
    assert [told(one)[-1][0][1] for one in lamps] == ["confirmed", "confirmed", "terminated"]
    b.refer(b.talking[0], f"<sip:{GIA}@example.org>".encode())
    exchange.run(10.0)
    assert len(c.talking) == 1
    assert [told(one)[-1][0][1] for one in lamps] == ["confirmed", "terminated", "confirmed"]
    a.hang_up(session)
    exchange.run(5.0)
    assert [told(one)[-1] for one in lamps] == [IDLE, IDLE, IDLE]


def test_another_accounts_line_is_as_if_it_were_not_there(exchange, office):
    of_other, of_nobody = lamp(exchange, GIA, 6001), lamp(exchange, GIA, 6002)
    assert (
        of_other.subscribe("dialog", ANA) == of_nobody.subscribe("dialog", "+995322009999") == 404
    )
    assert bytes(of_other.headers).count(b"\r\n") == bytes(of_nobody.headers).count(b"\r\n")
    assert of_other.seen == []


def test_where_everybody_may_watch_the_other_side_stays_unknown_to_strangers():
    exchange = Exchange(seed=1, config='[events]\nwatch_lines = "all"\n')
    exchange.tariff(("995", 60_000, 1, 1))
    lines = [exchange.line(number, exchange.account(10**7)) for number in (ANA, BEKA, GIA)]
    a, b, _ = (exchange.phone(line, f"198.51.100.{line.id}") for line in lines)
    for phone in (a, b):
        phone.register()
    exchange.run(1.0)
    watching = lamp(exchange, GIA)
    assert watching.subscribe("dialog", BEKA) == 200
    b.behaviour = Behaviour(rings=5.0)
    a.call(BEKA)
    exchange.run(3.0)
    assert told(watching)[-1] == [("recipient", "early")]
    assert "<remote>" not in watching.seen[-1]
    exchange.close()


@pytest.mark.parametrize("event", ["message-summary", "reg"])
def test_a_mailbox_and_a_registration_are_their_owners_alone(exchange, office, event):
    assert lamp(exchange, ANA, 6001).subscribe(event, ANA) == 200
    assert lamp(exchange, BEKA, 6002).subscribe(event, ANA) == 404


@pytest.mark.parametrize("event", ["presence", "Dialog", "refer", "check-sync", ""])
def test_other_packages_are_refused_with_the_ones_there_are(exchange, office, event):
    watching = lamp(exchange, ANA)
    assert watching.subscribe(event, ANA) == 489
    assert watching.headers.get(b"allow-events") == b"message-summary, dialog, reg, conference"


@pytest.mark.parametrize("password", ["", "wrong"])
def test_without_the_password_nothing_is_told(exchange, office, password):
    watching = lamp(exchange, ANA, password=password)
    assert watching.subscribe("dialog", ANA) == (403 if password else 401)
    assert watching.seen == []
    assert len(exchange.switch.agent.subscriptions) == 0


def test_refresh_and_unsubscribe_want_the_password_too(exchange, office):
    watching = lamp(exchange, ANA)
    watching.subscribe("dialog", BEKA, 60)
    exchange.run(50.0)
    assert watching.refresh(60) == 200
    exchange.run(50.0)
    watching.password = ""
    assert watching.refresh(0) == 401
    assert len(exchange.switch.agent.subscriptions) == 1
    exchange.run(20.0)
    assert watching.states[-1] == "terminated;reason=timeout"
    assert len(exchange.switch.agent.subscriptions) == 0


def test_another_line_cannot_take_a_subscription_over(exchange, office):
    watching = lamp(exchange, ANA)
    watching.subscribe("dialog", BEKA)
    watching.login = exchange.directory.line_by_number(GIA).login
    assert watching.refresh(0) == 403
    assert len(exchange.switch.agent.subscriptions) == 1


def test_a_line_has_a_limit_of_subscriptions(exchange, office, monkeypatch):
    monkeypatch.setattr(watchers, "MAX_SUBSCRIPTIONS_OF_LINE", 2)
    statuses = [lamp(exchange, ANA, 6000 + i).subscribe("dialog", BEKA) for i in range(3)]
    assert statuses == [200, 200, 403]


def test_a_suspended_or_removed_line_watches_nothing_more(exchange, office):
    watching, watched = lamp(exchange, ANA, 6001), lamp(exchange, BEKA, 6002)
    watching.subscribe("dialog", BEKA)
    watched.subscribe("dialog", ANA)
    line = exchange.directory.line_by_number(ANA)
    exchange.directory.put_lines([replace(line, status="suspended")])
    exchange.switch.lines_changed([line.id])
    exchange.run(1.0)
    assert watching.states[-1] == "terminated;reason=rejected"
    assert watching.refresh() == 481
    assert watched.states[-1].startswith("active")
    exchange.directory.remove_line(line.id)
    exchange.switch.lines_changed([line.id])
    exchange.run(1.0)
    assert (watched.states[-1], watched.seen[-1]) == ("terminated;reason=rejected", "")
    assert len(exchange.switch.agent.subscriptions) == 0


def set_waiting(exchange, number, waiting):
    line = exchange.directory.line_by_number(number)
    exchange.directory.put_lines([replace(line, waiting=waiting)])
    exchange.switch.lines_changed([line.id])
    exchange.run(2.0)


def test_messages_that_wait_are_told_to_who_subscribed(exchange, office):
    watching = lamp(exchange, ANA)
    watching.subscribe("message-summary", ANA)
    set_waiting(exchange, ANA, Waiting(2, 5))
    set_waiting(exchange, ANA, Waiting(0, 7))
    account = f"Message-Account: sip:{watching.login}@example.org\r\n"
    assert watching.seen == [
        f"Messages-Waiting: no\r\n{account}Voice-Message: 0/0 (0/0)\r\n",
        f"Messages-Waiting: yes\r\n{account}Voice-Message: 2/5 (0/0)\r\n",
        f"Messages-Waiting: no\r\n{account}Voice-Message: 0/7 (0/0)\r\n",
    ]


def test_phones_that_never_subscribed_are_told_when_they_register_and_at_each_change(
    exchange, office
):
    line = exchange.directory.line_by_number(ANA)
    exchange.wire.log = []
    set_waiting(exchange, ANA, Waiting(1, 0))
    exchange.phone(line, "198.51.100.50").register()
    exchange.run(3.0)
    notifies = [(to[0], data) for _, _, to, data in exchange.wire.log if data[:6] == b"NOTIFY"]
    assert [host for host, _ in notifies] == ["198.51.100.1", "198.51.100.50"]
    for _, data in notifies:
        assert b"\r\nEvent: message-summary\r\n" in data
        assert b"Voice-Message: 1/0 (0/0)\r\n" in data
    exchange.run(40.0)
    assert len(exchange.switch.agent.stack.layer) == 0


def test_a_phone_that_subscribed_is_not_told_twice(exchange, office):
    line = exchange.directory.line_by_number(ANA)
    watching = Lamp(exchange, line.login, ("198.51.100.1", 5060))  # in the phone's place
    watching.subscribe("message-summary", ANA)
    set_waiting(exchange, ANA, Waiting(1, 0))
    assert len(watching.seen) == 2


def test_a_phone_that_subscribes_when_it_has_registered_is_told_once(exchange, office):
    line = exchange.directory.line_by_number(ANA)
    set_waiting(exchange, ANA, Waiting(1, 0))
    exchange.wire.log = []
    exchange.phone(line, "198.51.100.50").register()
    exchange.run(0.2)
    Lamp(exchange, line.login, ("198.51.100.50", 5060)).subscribe("message-summary", ANA)
    exchange.run(5.0)
    notifies = [data for _, _, to, data in exchange.wire.log if data[:6] == b"NOTIFY"]
    assert len(notifies) == 1 and b"Subscription-State: active" in notifies[0]


def test_lines_without_a_mailbox_get_nothing_unasked(exchange):
    line = exchange.line(ANA, exchange.account(0))
    exchange.wire.log = []
    exchange.phone(line, "198.51.100.1").register()
    exchange.run(5.0)
    assert not any(data[:6] == b"NOTIFY" for _, _, _, data in exchange.wire.log)


def test_registrations_are_told(exchange, office):
    line = exchange.directory.line_by_number(ANA)
    watching = lamp(exchange, ANA)
    watching.subscribe("reg", ANA)
    assert watching.seen[0].count("<contact ") == 1
    second = exchange.phone(line, "198.51.100.50")
    exchange.run(5.0)
    second.register(60)
    exchange.run(10.0)
    assert watching.seen[1].count("<contact ") == 2
    assert f"<uri>sip:{line.login}@198.51.100.50:5060</uri>" in watching.seen[1]
    exchange.run(60.0)
    exchange.switch.expire()
    exchange.run(6.0)
    assert watching.seen[2].count("<contact ") == 1
    assert len(watching.seen) == 3


def test_a_lamp_that_is_gone_is_forgotten(exchange, office):
    watching = lamp(exchange, ANA)
    watching.subscribe("dialog", BEKA)
    watching.answers = 481
    office[0].call(BEKA)
    exchange.run(5.0)
    assert len(exchange.switch.agent.subscriptions) == 0
    assert not exchange.switch.watchers.of_watched and not exchange.switch.watchers._of_watcher


def test_over_a_lossy_wire_every_lamp_shows_the_last_state():
    exchange = Exchange(seed=3)
    exchange.tariff(("995", 60_000, 1, 1))
    account = exchange.account(10**9)
    numbers = [f"+99532200010{index}" for index in range(6)]
    lines = [exchange.line(number, account) for number in numbers]
    phones = [exchange.phone(line, f"198.51.100.{line.id}") for line in lines]
    for phone in phones:
        phone.register(7200)
    exchange.run(40.0)
    lamps = [Lamp(exchange, lines[0].login, ("198.51.101.1", 6000 + i)) for i in range(6)]
    for watching, number in zip(lamps, numbers, strict=True):
        watching.subscribe("dialog", number, 7000)
    exchange.wire.loss = exchange.wire.duplicates = 0.15
    for _ in range(40):
        phone = exchange.rng.choice(phones)
        phone.behaviour = Behaviour(exchange.rng.uniform(0, 2), talks=exchange.rng.uniform(0, 9))
        session = phone.call(exchange.rng.choice(numbers))
        exchange.run(exchange.rng.uniform(0, 6))
        phone._hang_up_if(session)
    exchange.run(300.0)
    assert all(len(watching.seen) > 10 for watching in lamps)
    for watching in lamps:
        latest = max(watching.seen, key=lambda body: int(re.search(r' version="(\d+)"', body)[1]))
        assert dialogs(latest) == IDLE
    assert exchange.log.errors == []
    exchange.close()
