"""Calls that the switch answers itself, whatever the service: shown by services made here."""

import pytest
from exchange import Exchange

from rtp.control import PlayItem
from softswitch.services.answering import SERVICES

ECHO = "*43"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    yield made
    assert made.store.verify() == []
    made.close()


@pytest.fixture
def phone(exchange):
    line = exchange.line("+995322000001", exchange.account(0))
    made = exchange.phone(line, "198.51.100.1")
    made.register()
    exchange.run(1.0)
    return made


@pytest.fixture
def answers(monkeypatch):
    """Puts a service in the place of the echo."""
    return lambda service: monkeypatch.setitem(SERVICES, "echo", service)


def only_cdr(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    (cdr,) = exchange.store.cdrs()
    return cdr


def test_a_service_that_has_said_all_ends_the_call(exchange, phone, answers):
    played = []

    async def announcement(call):
        call.sound.hear("a", "prompts")
        played.append(await call.sound.play("a", [PlayItem(tone="busy", milliseconds=2000)]))

    answers(announcement)
    phone.call(ECHO)
    cdr = only_cdr(exchange)
    assert (cdr.ended_by, cdr.cause, cdr.sip_status) == ("callee", 16, 200)
    assert 1_950 < cdr.duration_ms < 2_300
    assert [how.reason for how in played] == ["end"]
    assert phone.heard in range(95, 115) and phone.ended


def test_a_service_hears_keys_from_info(exchange, phone, answers):
    keys = []

    async def menu(call):
        call.sound.on_digit = lambda digit: keys.append((digit.digit, digit.method))
        call.sound.hear("a", "prompts")
        call.sound.listen("a")
        await call.until_hung_up()

    answers(menu)
    session = phone.call(ECHO)
    exchange.run(2.0)
    for body in (b"Signal=5\r\nDuration=160\r\n", b"Signal=hf\r\n"):
        session.info(b"application/dtmf-relay", body, phone.now)
        phone.endpoint.drain()
        exchange.run(1.0)
    phone.hang_up(session)
    assert only_cdr(exchange).ended_by == "caller"
    assert keys == [("5", "info")]


def test_a_service_that_fails_ends_its_call_alone_and_is_logged(exchange, phone, answers):
    async def broken(call):
        raise RuntimeError("broken")

    answers(broken)
    phone.call(ECHO)
    cdr = only_cdr(exchange)
    assert (cdr.ended_by, cdr.sip_status) == ("operator", 200)
    assert [event for event, _ in exchange.log.errors] == ["a service failed"]


def test_a_service_whose_caller_hangs_up_is_ended_where_it_waits(exchange, phone, answers):
    ended = []

    async def patient(call):
        try:
            await call.sound.play("a", [PlayItem(tone="ringback")], repeat=True)
        finally:
            ended.append(True)

    answers(patient)
    session = phone.call(ECHO)
    exchange.run(3.0)
    phone.hang_up(session)
    assert only_cdr(exchange).ended_by == "caller"
    assert ended == [True]
