"""The owner's side of a mailbox: *97, and the line's own number with a PIN from outside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from exchange import Exchange
from mailboxes import give_mailbox
from phones import Behaviour, sdp
from recordings import recorded
from voices import Voice, strength, tone

from billing.facts.authorization import TopUp
from rtp.sound_file import load
from softswitch.subscribers import pins
from softswitch.subscribers.directory import Waiting
from softswitch.subscribers.pin_tries import PinTries, Secret
from softswitch.voicemail.store import Message

NINO, ANNA = "+995322000001", "+995322000002"
PIN = "4711"
ABOUT = "vm-message 1 vm-from 9 9 5 3 2 2 0 0 0 0 0 2 vm-received"


class Owner:
    """Nino with two new messages (700 and 900 Hz) and her phone."""

    def __init__(self, tmp_path: Path, messages: int = 2):
        self.exchange = exchange = Exchange(seed=1, prompts=recorded(tmp_path, "en"))
        exchange.tariff(("995", 60_000, 60, 60))
        pin = pins.hashed(PIN, bytes(16))
        line = exchange.line(NINO, exchange.account(0))
        self.line = give_mailbox(exchange, line, pin=pin)
        for number in range(messages):
            self.put(f"message{number}", tone(700 + 200 * number, 3.0))
        self.nino = exchange.phone(self.line, "198.51.100.1")
        self.anna = exchange.phone(exchange.line(ANNA, exchange.account(1_000_000)), "198.51.100.2")
        for phone in (self.nino, self.anna):
            phone.sends_rtp = False
        self.anna.register()
        exchange.run(1.0)

    def put(self, message_id: str, sound) -> None:
        exchange = self.exchange
        exchange.voicemail._shelf.write(message_id, sound)
        at = exchange.wall_ms() + len(exchange.messages.messages(self.line.id))
        message = Message(message_id, self.line.id, "recording", ANNA, at, 0, "call")
        exchange.messages.begin(message, False, at + 86_400_000, 50)
        line_id, waiting = exchange.messages.arrived(message_id, 3_000, None, at)
        exchange.voicemail._put(line_id, waiting)

    def open(self, phone=None, number: str = "*97", **more) -> Voice:
        phone = phone or self.nino
        session = phone.call(number, **more)
        for _ in range(200):
            if phone.talking:
                break
            self.exchange.run(0.05)
        assert phone.talking, phone.status
        self.voice = Voice(phone, session)
        return self.voice

    def press(self, keys: str, wait: float = 1.0, way: str = "event") -> None:
        self.voice.press(keys, way, wait)

    @property
    def said(self) -> list[str]:
        return [tokens for _, tokens in self.exchange.log.announcements]

    @property
    def states(self) -> dict[str, str]:
        return {one.id: one.state for one in self.exchange.messages.messages(self.line.id)}

    @property
    def waiting(self) -> Waiting:
        return self.exchange.directory.line(self.line.id).waiting

    def over(self):
        """Hang up; the CDR."""
        phone = self.voice.phone
        if self.voice.session in phone.talking:
            phone.hang_up(self.voice.session)
        self.exchange.run_until_idle()
        left = self.exchange.left()
        assert left == dict.fromkeys(left, 0)
        (cdr,) = self.exchange.store.cdrs()
        return cdr

    def over_with(self, cdrs: int):
        """The same for a call with more payers: the CDRs by leg."""
        phone = self.voice.phone
        if self.voice.session in phone.talking:
            phone.hang_up(self.voice.session)
        self.exchange.run_until_idle()
        left = self.exchange.left()
        assert left == dict.fromkeys(left, 0)
        found = sorted(self.exchange.store.cdrs(), key=lambda cdr: cdr.leg)
        assert len(found) == cdrs
        return found


@pytest.fixture
def open_owner(tmp_path, request):
    def opened(messages: int = 2) -> Owner:
        made = Owner(tmp_path, messages)
        request.addfinalizer(made.exchange.close)
        return made

    return opened


@pytest.fixture
def owner(open_owner):
    made = open_owner()
    yield made
    assert made.exchange.log.errors == []
    assert made.exchange.store.verify() == []


def test_what_waits_is_told_and_played_with_caller_and_time(owner):
    owner.open()
    owner.exchange.run(2.0)
    assert owner.said == ["vm-you-have 2 new-message-many", "vm-main-menu"]
    owner.press("1", wait=12.0)
    assert owner.said[2].startswith(ABOUT)
    heard = owner.voice.heard
    assert max(strength(heard[at : at + 4000], 700) for at in range(0, len(heard), 4000)) > 7000
    cdr = owner.over()
    assert (cdr.direction, cdr.type, cdr.called, cdr.price_micros) == (
        "service", "service", "*97", 0,
    )  # fmt: skip


def test_a_message_that_was_heard_is_saved_and_the_next_follows(owner):
    owner.open()
    owner.press("1", wait=9.0)
    assert owner.states == {"message0": "saved", "message1": "new"}
    assert owner.waiting == Waiting(1, 1)
    owner.press("#", wait=9.0)
    assert owner.states == {"message0": "saved", "message1": "saved"}
    owner.press("#", wait=2.0)
    assert owner.said[-2:] == ["vm-no-more", "vm-main-menu"]
    owner.over()


def test_a_message_broken_off_stays_new(owner):
    owner.open()
    owner.press("1", wait=1.0)
    owner.over()
    assert owner.states == {"message0": "new", "message1": "new"}


def test_messages_are_deleted_saved_and_repeated(owner):
    owner.open()
    owner.press("1", wait=9.0)
    owner.press("1", wait=9.0)
    assert len([said for said in owner.said if said.startswith(ABOUT)]) == 2
    owner.press("3", wait=1.5)
    assert owner.states == {"message1": "new"} and owner.waiting == Waiting(1, 0)
    assert "vm-deleted" in owner.said
    assert not Path(owner.exchange.voicemail.path("message0")).exists()
    owner.press("2", wait=1.0)  # while it plays
    assert owner.states == {"message1": "saved"} and "vm-saved" in owner.said
    owner.over()


def test_an_empty_mailbox_says_so(open_owner):
    owner = open_owner(messages=0)
    owner.open()
    owner.exchange.run(2.0)
    owner.press("1", wait=2.0)
    menu = "vm-main-menu"
    assert owner.said == ["vm-no-messages", menu, "vm-no-messages", menu]
    owner.over()


def test_a_line_without_a_mailbox_hears_so(owner):
    owner.open(owner.anna)
    owner.exchange.run(10.0)
    assert owner.over().ended_by == "callee"
    assert owner.said == ["vm-enter-mailbox", "vm-none"]


@pytest.mark.parametrize("number", ["995322000001", "032200000", "322000001"])
def test_from_such_a_line_another_ones_is_opened_by_number_and_pin(owner, number):
    owner.open(owner.anna)
    owner.exchange.run(1.0)
    owner.press(f"{number}#", wait=1.0)
    known = number.endswith("2000001")
    assert owner.said[1] == ("pin-enter" if known else "vm-none")
    if known:
        owner.press(f"{PIN}#", wait=1.0)
        assert owner.said[2].startswith("vm-you-have")
    owner.over()


def test_who_dials_his_own_number_opens_his_mailbox(owner):
    owner.exchange.store.apply([TopUp(1, 1_000_000, "nino", 0)])
    owner.open(owner.nino, NINO)
    owner.exchange.run(1.0)
    assert owner.said[0] == "vm-you-have 2 new-message-many"
    owner.over()


@pytest.mark.parametrize("way", ["event", "tone", "info"])
def test_keys_come_in_all_three_ways(owner, way):
    more = {}
    if way == "tone":  # its phone has no events
        body = sdp("198.51.100.1", 40_000).replace(b" 101", b"")
        more = {"body": body.replace(b"a=rtpmap:101 telephone-event/8000\r\n", b"")}
        owner.nino._next_port = 40_000
    owner.open(**more)
    owner.exchange.run(3.0)
    owner.press("1", way=way, wait=9.0)
    owner.press("3", way=way, wait=1.0)
    assert "vm-deleted" in owner.said
    owner.over()


def test_who_presses_nothing_is_bidden_goodbye(owner):
    owner.open()
    owner.exchange.run(60.0)
    assert owner.over().ended_by == "callee"
    assert owner.said[-1] == "goodbye"


# From outside


def test_from_outside_the_pin_opens_it(owner):
    owner.open(owner.anna, NINO)
    owner.press("*", wait=1.0)
    owner.press(PIN + "#", wait=3.0)
    assert owner.said[1:4] == ["pin-enter", "vm-you-have 2 new-message-many", "vm-main-menu"]
    owner.press("1", wait=9.0)
    assert owner.states["message0"] == "saved"
    cdr = owner.over()
    assert (cdr.answered_by, cdr.price_micros) == ("voicemail", 60_000)


def test_from_outside_three_wrong_pins_end_the_call(owner):
    owner.open(owner.anna, NINO)
    owner.press("*", wait=1.0)
    for _ in range(3):
        owner.press("0815#", wait=1.5)
    assert owner.over().ended_by == "callee"
    assert owner.said[1:] == ["pin-enter", "pin-wrong"] * 3 + ["goodbye"]


def test_after_too_many_wrong_pins_in_all_the_right_one_doesnt_help(owner):
    tries = PinTries(owner.exchange.store.engine)
    for _ in range(pins.MAX_WRONG - 1):
        tries.begin(Secret("mailbox", str(owner.line.id)), owner.exchange.wall_ms())
    owner.open(owner.anna, NINO)
    owner.press("*", wait=1.0)
    owner.press("0815#", wait=1.5)
    owner.press(PIN + "#", wait=1.5)
    assert owner.said[1:] == ["pin-enter", "pin-wrong", "pin-enter", "pin-locked"]
    owner.over()


def test_without_a_pin_nobody_comes_in_from_outside(owner):
    mailbox = replace(owner.line.mailbox, pin=None)
    owner.exchange.directory.put_lines([replace(owner.line, mailbox=mailbox)])
    owner.open(owner.anna, NINO)
    owner.press("*", wait=2.0)
    assert "pin-enter" not in owner.said
    owner.over()


# Greeting and PIN


def test_a_greeting_is_recorded_heard_and_kept(owner):
    owner.open()
    owner.press("2", wait=1.5)
    owner.exchange.run(owner.voice.say(tone(1300, 3.0)))
    owner.press("#", wait=1.0)
    assert owner.said[-2:] == ["vm-greeting-record", "vm-keep-or-repeat"]
    owner.press("2", wait=4.5)
    assert strength(owner.voice.heard[-24_000:-12_000], 1300) > 5000
    owner.press("1", wait=1.0)
    assert owner.said[-2:] == ["vm-greeting-saved", "vm-main-menu"]
    mailbox = owner.exchange.directory.line(owner.line.id).mailbox
    (greeting,) = owner.exchange.messages.greetings(owner.line.id)
    assert mailbox.greeting == greeting.id
    sound = load(Path(owner.exchange.voicemail.path(greeting.id))).samples
    assert strength(sound[4000:20_000], 1300) > 7000
    owner.over()


def test_a_greeting_nobody_keeps_leaves_no_file(owner):
    before = files(owner)
    owner.open()
    owner.press("2", wait=1.5)
    owner.exchange.run(owner.voice.say(tone(1300, 3.0)))
    owner.press("#", wait=1.0)
    owner.over()
    assert files(owner) == before
    assert owner.exchange.directory.line(owner.line.id).mailbox.greeting is None


def test_hanging_up_while_a_greeting_is_recorded_leaves_no_file(owner):
    before = files(owner)
    owner.open()
    owner.press("2", wait=1.5)
    owner.exchange.run(owner.voice.say(tone(1300, 3.0)))
    owner.over()
    assert files(owner) == before


def test_the_pin_is_changed_by_typing_it_twice(owner):
    owner.open()
    owner.press("3", wait=1.0)
    owner.press("1234#", wait=1.0)
    owner.press("9038#", wait=1.0)
    owner.press("9039#", wait=1.0)
    owner.press("9038#", wait=1.0)
    owner.press("9038#", wait=1.0)
    changed = [said for said in owner.said if said.startswith("pin-")]
    assert changed == [
        "pin-new", "pin-bad", "pin-new", "pin-repeat", "pin-differ",
        "pin-new", "pin-repeat", "pin-set",
    ]  # fmt: skip
    kept = owner.exchange.directory.line(owner.line.id).mailbox.pin
    assert pins.fits("9038", kept) and not pins.fits(PIN, kept)
    owner.over()


def files(owner) -> list[str]:
    return sorted(path.name for path in owner.exchange.config.voicemail_dir.iterdir())


# Call back


def call_back(owner, answer: int = 200):
    owner.anna.behaviour = Behaviour(rings=2.0, answer=answer)
    owner.exchange.store.apply([TopUp(1, 1_000_000, "nino", 0)])
    owner.open()
    owner.press("1", wait=1.0)
    owner.press("4", wait=1.0)
    return owner.voice.session


def test_who_left_a_message_is_called_back_at_the_lines_expense(owner):
    session = call_back(owner)
    heard = owner.voice.heard[-12_000:]
    parts = [heard[at : at + 2000] for at in range(0, len(heard), 2000)]
    assert max(strength(part, 425) for part in parts) > 1000  # it rings
    owner.exchange.run(3.0)
    anna = owner.anna
    assert len(anna.talking) == 1 and session in owner.nino.talking
    (call,) = owner.exchange.switch.calls.values()
    assert [meter.record.line for meter in call.payers.meters] == [NINO, NINO]
    spoken = Voice(anna, anna.talking[0])
    spoken.say(tone(1100, 2.0))
    owner.exchange.run(2.0)
    assert strength(owner.voice.heard[-8000:], 1100) > 5000  # and they hear each other
    owner.voice.say(tone(800, 2.0))
    owner.exchange.run(2.0)
    assert strength(spoken.heard[-8000:], 800) > 5000
    anna.hang_up(anna.talking[0])
    owner.exchange.run_until_idle()
    left = owner.exchange.left()
    assert left == dict.fromkeys(left, 0)
    first, second = sorted(owner.exchange.store.cdrs(), key=lambda cdr: cdr.leg)
    assert (first.called, first.price_micros, first.answered_by) == ("*97", 0, None)
    assert (second.called, second.calling, second.presented) == (ANNA, NINO, NINO)
    assert (second.line, second.account, second.price_micros) == (NINO, 1, 60_000)
    assert (second.direction, second.sip_status) == ("forwarded", 200)


def test_whoever_doesnt_take_the_call_leaves_the_owner_in_the_menu(owner):
    call_back(owner, 486)
    owner.exchange.run(3.0)
    assert "refused-unreachable" in owner.said
    owner.press("3", wait=1.0)
    assert "vm-deleted" in owner.said
    owner.anna.talking.clear()
    owner.over_with(2)


def test_who_has_no_money_calls_nobody_back(owner):
    owner.anna.behaviour = Behaviour(rings=2.0)
    owner.open()
    owner.press("1", wait=1.0)
    owner.press("4", wait=2.0)
    assert "refused-unreachable" in owner.said and "Received" not in owner.anna.events
    owner.over_with(2)


def test_the_owner_who_hangs_up_stops_the_ringing(owner):
    call_back(owner)
    owner.nino.hang_up(owner.voice.session)
    owner.exchange.run(1.0)
    assert "Cancelled" in owner.anna.events
    owner.over_with(2)


def test_from_elsewhere_the_line_pays_and_shows_its_own_number(owner):
    owner.exchange.store.apply([TopUp(1, 1_000_000, "nino", 0)])
    beka = owner.exchange.phone(
        owner.exchange.line("+995322000003", owner.exchange.account(1_000_000)), "198.51.100.3"
    )
    beka.sends_rtp = False
    owner.anna.behaviour = Behaviour(rings=1.0)
    owner.open(beka, NINO)
    owner.press("*", wait=1.0)
    owner.press(PIN + "#", wait=3.0)
    owner.press("1", wait=1.0)
    owner.press("4", wait=3.0)
    assert len(owner.anna.talking) == 1
    beka.hang_up(owner.voice.session)
    first, second = owner.over_with(2)
    assert (first.line, second.line, second.presented) == ("+995322000003", NINO, NINO)


def test_a_withheld_number_cant_be_called_back(open_owner):
    owner = open_owner(messages=0)
    exchange = owner.exchange
    exchange.voicemail._shelf.write("withheld0", tone(700, 3.0))
    at = exchange.wall_ms()
    message = Message("withheld0", owner.line.id, "recording", ANNA, at, 0, "call")
    exchange.messages.begin(message, True, at + 86_400_000, 50)
    exchange.messages.arrived("withheld0", 3_000, None, at)
    owner.open()
    owner.press("1", wait=1.0)
    owner.press("4", wait=1.0)
    assert owner.said.count("vm-unknown-caller") == 1 and "Received" not in owner.anna.events
    owner.over()
