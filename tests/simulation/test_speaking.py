"""Services talk with callers: what they hear, in which language, and how their keys are taken."""

from itertools import pairwise

import numpy as np
import pytest
from exchange import Exchange
from recordings import FLUSH_SECONDS, TOKEN_SECONDS, recorded

from ivr_prompts.phrase import Digits, Money
from rtp.g711 import PCMU
from softswitch.prompts.library import PromptLibrary
from softswitch.services.answering import SERVICES

ECHO = "*43"


@pytest.fixture
def library(tmp_path):
    return recorded(tmp_path, "ka", "en")


@pytest.fixture
def make(request):
    def made(prompts: PromptLibrary | None, language: str | None = None, config: str = ""):
        exchange = Exchange(seed=1, prompts=prompts, config=config)
        request.addfinalizer(exchange.close)
        line = exchange.line("+995322000001", exchange.account(0), language=language)
        phone = exchange.phone(line, "198.51.100.1")
        phone.register()
        exchange.run(1.0)
        return exchange, phone

    return made


@pytest.fixture
def answers(monkeypatch):
    """Puts a service in the place of the echo."""
    return lambda service: monkeypatch.setitem(SERVICES, "echo", service)


def press(exchange, phone, session, keys: str):
    for key in keys:
        body = f"Signal={key}\r\nDuration=160\r\n".encode()
        session.info(b"application/dtmf-relay", body, phone.now)
        phone.endpoint.drain()
        exchange.run(0.3)


def ended_well(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert exchange.log.errors == []
    (cdr,) = exchange.store.cdrs()
    assert cdr.price_micros == 0
    return cdr


async def say_balance(call):
    await call.speaker.say("balance-is", Money(12_340_000, "GEL"))


TOKENS = "balance-is 12 lari and 20-and 14 tetri"


def test_a_phrase_is_said_in_the_language_of_the_line(make, library, answers):
    exchange, phone = make(library, "ka")
    answers(say_balance)
    phone.call(ECHO)
    cdr = ended_well(exchange)
    assert exchange.log.announcements == [("ka", TOKENS)]
    trace, _ = exchange.switch.recorder.trace(cdr.call_id)
    assert [said[1:] for said in trace.said] == [("a", "ka", TOKENS)]
    assert abs(cdr.duration_ms / 1000 - 7 * TOKEN_SECONDS - FLUSH_SECONDS) < 0.1


def test_it_is_heard_whole_and_without_a_gap(make, library, answers):
    exchange, phone = make(library, "ka")
    answers(say_balance)
    packets = []
    phone._hear = lambda data, _: packets.append(data)
    phone.call(ECHO)
    ended_well(exchange)
    sequence = [int.from_bytes(packet[2:4], "big") for packet in packets]
    assert sequence == [*range(sequence[0], sequence[0] + len(packets))]
    stamps = [int.from_bytes(packet[4:8], "big") for packet in packets]
    assert {b - a for a, b in pairwise(stamps)} == {160}
    sound = PCMU.decode(b"".join(packet[12:] for packet in packets))
    loud = np.flatnonzero(np.abs(sound) > 1000)
    assert abs((loud[-1] - loud[0]) / 8000 - 7 * TOKEN_SECONDS) < 0.01
    assert np.diff(loud).max() < 20  # half a period of 400 Hz is 10 samples


@pytest.mark.parametrize(
    ("of_line", "of_switch", "spoken"),
    [(None, "ka", "ka"), ("ka", "en", "ka"), ("ru", "ka", "ka"), ("kk", "fa", "en")],
)
def test_languages_without_recordings_are_passed_over(
    make, library, answers, of_line, of_switch, spoken
):
    exchange, phone = make(library, of_line)
    exchange.switch.announcer._language = of_switch
    answers(say_balance)
    phone.call(ECHO)
    ended_well(exchange)
    assert [language for language, _ in exchange.log.announcements] == [spoken]


def test_one_missing_token_changes_the_language_of_the_whole_phrase(make, library, answers):
    library.forget("ka", "tetri")
    exchange, phone = make(library, "ka")
    answers(say_balance)
    phone.call(ECHO)
    ended_well(exchange)
    assert exchange.log.announcements == [("en", "balance-is 12 lari and 30 4 tetri")]


def test_without_any_recording_a_tone_stands_for_it_and_the_call_goes_on(make, answers):
    exchange, phone = make(None, "ka")

    async def twice(call):
        await say_balance(call)
        await say_balance(call)

    answers(twice)
    phone.call(ECHO)
    cdr = ended_well(exchange)
    assert (cdr.sip_status, cdr.ended_by) == (200, "callee")
    assert exchange.log.announcements == [("", TOKENS)] * 2
    missing = [
        (values["language"], values["token"])
        for event, values in exchange.log.warnings
        if "a prompt is missing" in event
    ]
    assert len(missing) == len(set(missing)) == 14  # once each: seven in Georgian and in English
    assert phone.heard > 150


def test_a_recording_that_vanished_is_left_for_another_language(make, library, answers, tmp_path):
    exchange, phone = make(library, "ka")
    (tmp_path / "ka.wav").unlink()
    answers(say_balance)
    phone.call(ECHO)
    ended_well(exchange)
    assert exchange.log.announcements[-1] == ("en", "balance-is 12 lari and 30 4 tetri")
    assert "a prompt can't be played" in [event for event, _ in exchange.log.warnings]


def test_a_key_interrupts_and_is_the_answer(make, library, answers):
    exchange, phone = make(library)
    got = []

    async def menu(call):
        got.append(await call.speaker.ask("cc-offer-busy", Digits("0123456789" * 2), keys="12"))

    answers(menu)
    session = phone.call(ECHO)
    exchange.run(1.0)
    press(exchange, phone, session, "2")
    cdr = ended_well(exchange)
    assert got == ["2"]
    assert cdr.duration_ms < 2_000


def test_a_wrong_key_is_told_and_asked_again_and_silence_gives_up(make, library, answers):
    exchange, phone = make(library)
    got = []

    async def menu(call):
        got.append(await call.speaker.ask("press-1-to-accept", keys="1"))

    answers(menu)
    session = phone.call(ECHO)
    exchange.run(1.0)
    press(exchange, phone, session, "7")
    ended_well(exchange)
    assert got == [None]
    assert [tokens for _, tokens in exchange.log.announcements] == [
        "press-1-to-accept", "invalid-key", "press-1-to-accept", "press-1-to-accept",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "collected"), [("1234#9", "1234"), ("123456789", "12345678"), ("12", "12"), ("", "")]
)
def test_digits_are_collected_to_a_terminator_a_limit_or_a_pause(
    make, library, answers, keys, collected
):
    exchange, phone = make(library)
    got = []

    async def collector(call):
        got.append(await call.speaker.collect("pin-enter", maximum=8))

    answers(collector)
    session = phone.call(ECHO)
    exchange.run(0.5)
    press(exchange, phone, session, keys)
    ended_well(exchange)
    assert got == [collected]


def test_keys_pressed_ahead_leave_the_questions_out(make, library, answers):
    exchange, phone = make(library)
    got = []

    async def collector(call):
        await call.speaker.say("please-wait", interruptible=False)
        got.append(await call.speaker.collect("enter-number"))
        got.append(await call.speaker.ask("press-1-yes-2-no", keys="12"))

    answers(collector)
    session = phone.call(ECHO)
    exchange.run(0.1)
    for key in "55#2":
        session.info(b"application/dtmf-relay", f"Signal={key}\r\n".encode(), phone.now)
        phone.endpoint.drain()
        exchange.run(0.02)
    ended_well(exchange)
    assert got == ["55", "2"]
    assert [tokens for _, tokens in exchange.log.announcements] == ["please-wait"]
