"""Voicemail: who reaches a mailbox, what is recorded, what it costs, and what a phone shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from exchange import Exchange
from mailboxes import give_mailbox
from phones import Behaviour
from recordings import recorded
from voices import Voice, strength, tone

from billing.facts.authorization import TopUp
from rtp.sound_file import load
from softswitch.call.letters import MediaLost
from softswitch.subscribers.directory import Waiting

NINO, ANNA = "+995322000001", "+995322000002"
GREETING_SECONDS = 0.2
"""One token."""


class Office:
    """Nino, who has a mailbox, and Anna, who calls her."""

    def __init__(self, tmp_path: Path, config: str = "", **settings):
        self.exchange = exchange = Exchange(
            seed=1, prompts=recorded(tmp_path, "en", "ka"), config=config
        )
        exchange.tariff(("995", 60_000, 60, 60))
        self.nino_line = give_mailbox(exchange, exchange.line(NINO, exchange.account(0)),
                                      **settings)  # fmt: skip
        anna_line = exchange.line(ANNA, exchange.account(10_000_000), language="ka")
        self.nino = exchange.phone(self.nino_line, "198.51.100.1")
        self.anna = exchange.phone(anna_line, "198.51.100.2")
        self.anna.sends_rtp = False
        self.anna.register()
        exchange.run(1.0)

    def register_nino(self, answer: int = 0, rings: float = 1.0) -> None:
        self.nino.behaviour = Behaviour(rings=rings, answer=answer)
        self.nino.register()
        self.exchange.run(1.0)

    def call(self, seconds: float = 2.0):
        session = self.anna.call(NINO)
        self.exchange.run(seconds)
        return session

    def leave(self, sound, *, keys: str = "", seconds: float = 2.0):
        """Call, wait for the tone, say something, hang up; the voice, for what it heard."""
        session = self.call(seconds)
        assert self.anna.status == 200
        voice = Voice(self.anna, session)
        self.exchange.run(max(0.2, 3.0 - seconds))
        self.exchange.run(voice.say(sound) + 0.1)
        if keys:
            voice.press(keys)
            self.exchange.run(2.0)
        if session in self.anna.talking:
            self.anna.hang_up(session)
        return voice

    def messages(self):
        return self.exchange.messages.messages(self.nino_line.id)

    def sound(self, message):
        return load(Path(self.exchange.voicemail.path(message.id))).samples

    @property
    def waiting(self):
        return self.exchange.directory.line(self.nino_line.id).waiting

    def finished(self):
        """Nothing is left; the only CDR."""
        self.exchange.run_until_idle()
        left = self.exchange.left()
        assert left == dict.fromkeys(left, 0)
        assert self.exchange.messages.unfinished() == []
        (cdr,) = self.exchange.store.cdrs()
        return cdr


@pytest.fixture
def open_office(tmp_path, request):
    def opened(config: str = "", **settings) -> Office:
        office = Office(tmp_path, config, **settings)
        request.addfinalizer(office.exchange.close)
        return office

    return opened


@pytest.fixture
def office(open_office):
    made = open_office()
    yield made
    assert made.exchange.log.errors == []
    assert made.exchange.store.verify() == []


def test_E5_what_a_caller_says_is_in_the_file_and_nothing_else(office):
    voice = office.leave(tone(700, 4.0))
    cdr = office.finished()
    (message,) = office.messages()
    assert (message.state, message.calling) == ("new", ANNA)
    assert abs(message.duration_ms - 4_000) < 500
    sound = office.sound(message)
    assert strength(sound[4000:28_000], 700) > 7000
    assert strength(sound[4000:28_000], 1000) < 100  # the beep isn't in it
    assert office.exchange.log.announcements == [("ka", "vm-greeting")]
    assert strength(voice.heard[-8000:], 700) < 50  # nor does the caller hear himself
    assert (cdr.direction, cdr.type, cdr.called) == ("internal", "on_net", NINO)
    assert (cdr.sip_status, cdr.answered_by, cdr.ended_by) == (200, "voicemail", "caller")
    assert office.waiting == Waiting(1, 0)


def test_the_caller_hears_the_greeting_and_a_tone(office):
    session = office.anna.call(NINO)
    until_talking(office)
    voice = Voice(office.anna, session)
    office.exchange.run(2.0)
    office.anna.hang_up(session)
    office.finished()
    heard = voice.heard
    assert strength(heard[:1600], 500) > 5000
    assert max(strength(heard[at : at + 1600], 1000) for at in range(0, 6400, 800)) > 3000


def test_the_mailbox_answers_when_nobody_does_after_its_own_time(open_office):
    office = open_office(ring_seconds=10)
    office.register_nino(answer=0)
    session = office.call(9.0)
    assert office.anna.status is None and office.nino.events.count("Received") == 1
    office.exchange.run(3.0)
    assert office.anna.status == 200
    assert "Cancelled" in office.nino.events
    office.anna.hang_up(session)
    cdr = office.finished()
    assert cdr.answered_by == "voicemail" and cdr.ringing_at is not None
    assert cdr.answered_at - cdr.setup_at > 9_900


@pytest.mark.parametrize(("answer", "takes"), [(486, True), (603, True), (404, False)])
def test_who_is_busy_or_declines_leaves_the_call_to_the_mailbox(office, answer, takes):
    office.register_nino(answer=answer)
    session = office.call(4.0)
    assert office.anna.status == (200 if takes else 404)
    if takes:
        office.anna.hang_up(session)
    assert office.finished().answered_by == ("voicemail" if takes else None)


def test_a_line_that_talks_and_has_no_more_calls_is_busy(open_office):
    office = open_office()
    exchange = office.exchange
    exchange.directory.put_lines([replace(office.nino_line, max_calls=0)])
    office.register_nino(answer=200)
    office.leave(tone(700, 3.0))
    assert office.finished().answered_by == "voicemail"
    assert len(office.messages()) == 1 and "Received" not in office.nino.events


def test_a_mailbox_that_takes_only_unanswered_calls_takes_no_others(open_office):
    office = open_office(takes=("no_answer",))
    office.call(10.0)  # until the offer to be called back is over
    assert office.anna.status == 480
    office.finished()


def test_a_mailbox_that_takes_everything_rings_no_phone(open_office):
    office = open_office(takes=("always",))
    office.register_nino(answer=200)
    session = office.call()
    assert office.anna.status == 200 and "Received" not in office.nino.events
    office.anna.hang_up(session)
    assert office.finished().answered_by == "voicemail"


def test_a_suspended_line_takes_no_message(office):
    office.exchange.directory.put_lines([replace(office.nino_line, status="suspended")])
    office.call()
    assert office.anna.status == 480
    office.finished()


# Money


def test_a_call_to_a_mailbox_costs_what_a_call_to_its_line_costs(office):
    office.leave(tone(700, 5.0))
    cdr = office.finished()
    assert (cdr.price_micros, cdr.billed_seconds, cdr.tariff) == (60_000, 60, "default")
    assert office.exchange.store.account(2).balance_micros == 10_000_000 - 60_000


def test_who_cant_pay_for_the_call_leaves_no_message(open_office):
    office = open_office()
    line = office.exchange.line("+995322000003", office.exchange.account(0))
    poor = office.exchange.phone(line, "198.51.100.3")
    poor.register()
    office.exchange.run(1.0)
    poor.call(NINO)
    office.exchange.run(2.0)
    assert poor.status == 402
    office.finished()


def test_the_message_ends_when_the_money_does(open_office):
    office = open_office()
    office.exchange.tariff(("995", 600_000, 1, 1))
    line = office.exchange.line("+995322000003", office.exchange.account(100_000))
    poor = office.exchange.phone(line, "198.51.100.3")
    poor.register()
    office.exchange.run(1.0)
    office.anna = poor
    poor.sends_rtp = False
    session = office.call()
    voice = Voice(poor, session)
    voice.say(tone(700, 20.0))
    office.exchange.run(20.0)
    cdr = office.finished()
    assert (cdr.ended_by, cdr.price_micros) == ("credit", 100_000)
    (message,) = office.messages()
    assert 7_000 < message.duration_ms < 9_500


# How a recording ends


def test_a_key_ends_it_and_the_caller_hears_that_it_is_kept(office):
    office.leave(tone(700, 3.0), keys="#")
    assert office.finished().ended_by == "callee"
    said = [tokens for _, tokens in office.exchange.log.announcements]
    assert said == ["vm-greeting", "vm-recorded goodbye"]
    assert abs(office.messages()[0].duration_ms - 3_200) < 600


def test_silence_ends_it_and_isnt_kept(office):
    session = office.call()
    voice = Voice(office.anna, session)
    office.exchange.run(1.0)
    voice.say(tone(700, 3.0))
    office.exchange.run(12.0)
    assert office.finished().ended_by == "callee"
    assert abs(office.messages()[0].duration_ms - 3_300) < 300


def test_the_longest_message(open_office):
    office = open_office(max_seconds=10)
    office.leave(tone(700, 15.0))
    office.finished()
    (message,) = office.messages()
    assert 7_000 < message.duration_ms <= 10_000


@pytest.mark.parametrize("after", [0.05, 0.3, 0.6, 1.0, 1.4])
def test_who_hangs_up_early_leaves_nothing(office, after):
    session = office.anna.call(NINO)
    until_talking(office)
    Voice(office.anna, session)
    office.exchange.run(after)
    office.anna.hang_up(session)
    office.finished()
    assert office.messages() == [] and office.waiting == Waiting(0, 0)
    assert [*office.exchange.config.voicemail_dir.iterdir()] == []


@pytest.mark.parametrize("after", [0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1])
def test_a_cancel_at_any_moment_of_the_mailboxs_answer_costs_nothing(open_office, after):
    office = open_office()
    office.register_nino(answer=486, rings=1.0)
    session = office.anna.call(NINO)
    office.exchange.run(1.0 + after)
    session.cancel(office.anna.now)
    office.anna.endpoint.drain()
    office.exchange.run(1.0)
    if session in office.anna.talking:
        office.anna.hang_up(session)
    cdr = office.finished()
    assert office.messages() == []
    if cdr.sip_status == 487:
        assert cdr.price_micros == 0


def test_too_short_a_message_may_be_said_again(office):
    session = office.call(3.0)
    voice = Voice(office.anna, session)
    office.exchange.run(0.2)
    voice.press("#", wait=2.0)
    office.exchange.run(voice.say(tone(700, 3.0)))
    voice.press("#", wait=2.0)
    office.finished()
    said = [tokens for _, tokens in office.exchange.log.announcements]
    assert said == ["vm-greeting", "vm-too-short", "vm-recorded goodbye"]
    assert len(office.messages()) == 1


def test_a_full_mailbox_says_so(open_office):
    office = open_office(max_messages=1)
    office.leave(tone(700, 3.0))
    office.exchange.run(10.0)
    session = office.call(4.0)
    assert session not in office.anna.talking
    assert office.exchange.log.announcements[-1][1] == "vm-full"
    assert len(office.messages()) == 1


def test_a_full_disk_says_so_and_takes_nothing(open_office):
    office = open_office("[voicemail]\nmin_free_megabytes = 1_000_000\n")
    session = office.call(4.0)
    assert session not in office.anna.talking
    assert office.exchange.log.announcements[-1][1] == "service-failed"
    assert office.finished().answered_by == "voicemail"
    assert office.messages() == []


def test_the_media_worker_that_dies_leaves_what_was_recorded(office):
    session = office.call()
    voice = Voice(office.anna, session)
    office.exchange.run(1.0)
    voice.say(tone(700, 6.0))
    office.exchange.run(5.0)
    (call,) = office.exchange.switch.calls.values()
    call.post(MediaLost())
    office.exchange.run(1.0)
    assert office.finished().ended_by == "media_timeout"
    assert 4_000 < office.messages()[0].duration_ms < 6_000


# Who is told what


def test_a_withheld_number_isnt_told(office):
    session = office.anna.call(NINO, extra=((b"Privacy", b"id"),))
    office.exchange.run(2.0)
    voice = Voice(office.anna, session)
    office.exchange.run(0.8)
    office.exchange.run(voice.say(tone(700, 3.0)))
    office.anna.hang_up(session)
    office.finished()
    assert office.messages()[0].calling == ""


def test_an_own_greeting_is_played_in_the_place_of_the_switchs_words(office):
    exchange = office.exchange
    exchange.voicemail._shelf.write("greeting1", tone(1500, 2.0))
    mailbox = replace(office.nino_line.mailbox, greeting="greeting1")
    exchange.directory.put_lines([replace(office.nino_line, mailbox=mailbox)])
    session = exchange_until_talking(office)
    voice = Voice(office.anna, session)
    exchange.run(2.5)
    office.anna.hang_up(session)
    office.finished()
    assert strength(voice.heard[8000:16_000], 1500) > 5000
    assert exchange.log.announcements == []


def test_a_greeting_that_is_gone_is_replaced_by_the_switchs_words(open_office):
    office = open_office(greeting="gone12345")
    session = office.call()
    assert session in office.anna.talking
    assert [event for event, _ in office.exchange.log.errors] == ["a greeting can't be played"]
    assert office.exchange.log.announcements == [("ka", "vm-greeting")]
    office.anna.hang_up(session)
    office.finished()


def test_a_key_skips_the_greeting(office):
    session = exchange_until_talking(office)
    voice = Voice(office.anna, session)
    voice.press("5", wait=0.6)
    office.exchange.run(voice.say(tone(700, 3.0)))
    office.anna.hang_up(session)
    office.finished()
    assert len(office.messages()) == 1


def test_an_invite_without_an_offer_reaches_the_mailbox_too(office):
    session = office.anna.call(NINO, body=b"")
    office.exchange.run(2.0)
    assert office.anna.status == 200
    voice = Voice(office.anna, session)
    office.exchange.run(1.0)
    office.exchange.run(voice.say(tone(700, 3.0)))
    office.anna.hang_up(session)
    office.finished()
    assert len(office.messages()) == 1


def test_the_lamp_of_the_phone_is_lit_at_once(office):
    office.register_nino(answer=0)
    office.exchange.run(3.0)
    office.nino.behaviour = Behaviour(rings=0.2, answer=486)
    office.exchange.wire.log = []
    office.leave(tone(700, 3.0))
    office.exchange.run(0.5)
    lamps = [data for _, _, _, data in office.exchange.wire.log if data.startswith(b"NOTIFY")]
    assert b"Messages-Waiting: yes" in lamps[-1] and b"Voice-Message: 1/0" in lamps[-1]
    office.finished()


def test_the_forwarding_comes_first_and_the_mailbox_when_that_leads_nowhere(office):
    exchange = office.exchange
    north = exchange.trunk("north", "203.0.113.5", prefix="49")
    exchange.tariff(("995", 60_000, 60, 60), ("49", 600_000, 60, 60))
    exchange.store.apply([TopUp(1, 5_000_000, "nino", 0)])
    services = office.nino_line.services.given("forward_unreachable", ("+4930123456",))
    exchange.directory.put_lines([replace(office.nino_line, services=services)])
    north.behaviour = Behaviour(rings=0.5, answer=486)
    office.leave(tone(700, 3.0), seconds=3.0)
    office.exchange.run_until_idle()
    first, second = sorted(exchange.store.cdrs(), key=lambda cdr: cdr.leg)
    assert (first.leg, first.answered_by, first.account) == ("a", "voicemail", 2)
    assert (second.direction, second.sip_status, second.price_micros) == ("forwarded", 486, 0)
    assert len(office.messages()) == 1


def test_after_a_failed_trunks_early_answer_the_mailbox_is_understood(office):
    exchange, anna = office.exchange, office.anna
    north = exchange.trunk("north", "203.0.113.5", prefix="49")
    exchange.tariff(("995", 60_000, 60, 60), ("49", 600_000, 60, 60))
    exchange.store.apply([TopUp(1, 5_000_000, "nino", 0)])
    services = office.nino_line.services.given("forward_unreachable", ("+4930123456",))
    exchange.directory.put_lines([replace(office.nino_line, services=services)])
    north.behaviour = Behaviour(rings=0.5, answer=486, early_media=True)
    north.codec = "G729"
    offer = anna._description().replace(b"AVP 0", b"AVP 18 0")
    session = anna.call(
        NINO, body=offer.replace(b"a=rtpmap:0", b"a=rtpmap:18 G729/8000\r\na=rtpmap:0")
    )
    exchange.run(3.0)
    assert anna.events.count("Reinvited") == 1
    voice = Voice(anna, session)
    exchange.run(voice.say(tone(700, 3.0)) + 0.1)
    anna.hang_up(session)
    exchange.run_until_idle()
    (message,) = office.messages()
    assert strength(office.sound(message)[-8000:], 700) > 4000


def test_a_crash_while_a_message_is_left_is_told_as_such(office):
    session = office.call(3.0)
    voice = Voice(office.anna, session)
    office.exchange.run(voice.say(tone(700, 12.0)) - 1.0)
    (cdr,) = office.exchange.store.recover()
    assert (cdr.answered_by, cdr.ended_by, cdr.sip_status) == ("voicemail", "restart", 200)
    assert cdr.duration_ms > 5_000
    office.exchange.run_until_idle()


def exchange_until_talking(office):
    session = office.anna.call(NINO)
    until_talking(office)
    return session


def until_talking(office):
    for _ in range(500):
        if office.anna.talking:
            return
        office.exchange.run(0.02)
    raise AssertionError(office.anna.status)


def test_a_caller_from_outside_is_spoken_to_in_the_language_of_the_called_line(open_office):
    office = open_office()
    exchange = office.exchange
    exchange.directory.put_lines([replace(office.nino_line, language="ka")])
    trunk = exchange.trunk("north", "203.0.113.5")
    trunk.sends_rtp = False
    session = trunk.call(NINO, from_=b"<sip:+4930123456@203.0.113.5>")
    exchange.run(2.0)
    voice = Voice(trunk, session)
    exchange.run(1.0)
    exchange.run(voice.say(tone(700, 3.0)))
    trunk.hang_up(session)
    cdr = office.finished()
    assert exchange.log.announcements == [("ka", "vm-greeting")]
    (message,) = office.messages()
    assert message.calling == "+4930123456"
    assert (cdr.direction, cdr.answered_by, cdr.price_micros) == ("incoming", "voicemail", 0)
