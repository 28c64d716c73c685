"""What the services say, read out of the sound that the caller's phone gets: which words, in which
order and language, each whole, without a gap, and nothing else."""

import pytest
from exchange import Exchange
from mailboxes import give_mailbox
from phones import Behaviour
from spelling import Ear, spelled
from test_short_codes import CONFERENCE, UNLIMITED

from billing.facts.sales import BuyPackage, DefineProduct
from softswitch.subscribers import pins
from softswitch.subscribers.reach import Reach, Target
from softswitch.subscribers.rented import RentedNumber

LARI = 1_000_000
ANNA, BEKA = "+995322000001", "+995322000002"
MOBILE = "+995577123456"
CONFIG = """
[announcements]
unanswered = "busy, no_answer, declined, unreachable"
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return spelled(tmp_path_factory.mktemp("prompts"))


@pytest.fixture
def exchange(library):
    made = Exchange(seed=1, prompts=library, config=CONFIG)
    made.wire.delay = (0.01, 0.01)  # what jitters is the switch's
    made.tariff(("on_net", 60_000, 1, 1), ("995", 60_000, 1, 1))
    for product in (CONFERENCE, UNLIMITED):
        made.store.apply([DefineProduct(product)])
    yield made
    assert made.log.errors == [] and made.store.verify() == []
    made.close()


@pytest.fixture
def anna(exchange):
    """Her line has a PIN, a mailbox, money and its own language."""
    line = exchange.line(
        ANNA, exchange.account(20 * LARI), language="ka", pin=pins.hashed("2580", b"salt")
    )
    give_mailbox(exchange, line)
    phone = exchange.phone(line, "198.51.100.1")
    phone.sends_rtp = False
    phone.register()
    exchange.run(1.0)
    return phone


def hears(exchange, phone, dialled, keys=()):
    """What the phone hears in a call to the end.

    Args:
        keys: what is pressed, after so many seconds each.
    """
    ear = Ear(phone)
    exchange.log.announcements.clear()
    session = phone.call(dialled.replace("#", "%23"))
    for seconds, pressed in keys:
        exchange.run(seconds)
        for key in pressed:
            body = f"Signal={key}\r\nDuration=160\r\n".encode()
            session.info(b"application/dtmf-relay", body, phone.now)
            phone.endpoint.drain()
            exchange.run(0.05)
    exchange.run_until_idle()
    ear.assert_steady()
    meant = [
        (language, token)
        for language, tokens in exchange.log.announcements
        for token in tokens.split()
    ]
    heard = ear.tokens()
    assert heard == meant
    return " ".join(token for _, token in heard)


@pytest.mark.parametrize(
    ("dialled", "keys", "words"),
    [
        pytest.param("1111", (), "balance-is 20 lari", id="a1"),
        pytest.param("1112", (), "package-none", id="a3"),
        pytest.param("1199", (), "conference-bought", id="a4"),
        pytest.param("1198", (), "conference-none", id="a5"),
        pytest.param("*99", (), "your-number-is plus 9 9 5 3 2 2 0 0 0 0 0 1", id="a10"),
        pytest.param("*88", [(3.0, "99#")], "enter-number conf-not-found", id="a8"),
        pytest.param("*43#", (), "waiting-on", id="c2"),
        pytest.param("*21*0322000002#", (), "forwarding", id="c2-forwarding"),
        pytest.param("118", [(3.0, "0322000009#")], "directory-enter", id="c4"),
        pytest.param("*331#", (), "barring-international-on", id="c5"),
        pytest.param("#331*2580#", (), "barring-international-off", id="c5-pin"),
        pytest.param("*57", (), "trace-none", id="c6"),
        pytest.param("2828", [(3.0, "2580#"), (1.0, "3")], "pin-enter pin-menu", id="c11"),
        pytest.param("*97", [(6.0, "*")], "vm-no-messages", id="e5-mailbox"),
        pytest.param("+442012345678", (), "refused-", id="refused"),
    ],
)
def test_what_a_subscriber_dials_is_heard_as_it_was_meant(exchange, anna, dialled, keys, words):
    assert words in hears(exchange, anna, dialled, keys)


def test_a3_what_is_left_of_a_package(exchange, anna):
    exchange.store.apply(
        [
            BuyPackage(
                account_id=1,
                at=exchange.wall_ms(),
                purchase_id="p",
                product="unlimited",
                line=None,
                zone="Asia/Tbilisi",
            )
        ]
    )
    assert "package" in hears(exchange, anna, "1112")


@pytest.mark.parametrize("language", ["ru", "en", "kk"])
def test_each_line_hears_its_language_or_the_next_that_can_be_said(exchange, language):
    phone = exchange.phone(
        exchange.line(BEKA, exchange.account(LARI), language=language), "198.51.100.2"
    )
    phone.register()
    exchange.run(1.0)
    assert hears(exchange, phone, "1111").startswith("balance-is 1 lari")
    assert exchange.log.announcements[0][0] == ("en" if language == "kk" else language)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        pytest.param(486, "cc-offer-busy cc-declined", id="d2-busy"),
        pytest.param(None, "cc-offer-unreachable cc-declined", id="d2-unreachable"),
        pytest.param(603, "refused-declined", id="declined"),
        pytest.param(0, "refused-no-answer", id="no-answer"),
    ],
)
def test_calls_that_nobody_takes(exchange, anna, answers, words):
    other = exchange.phone(exchange.line(BEKA, exchange.account(0)), "198.51.100.2")
    other.behaviour = Behaviour(answer=answers or 0)
    if answers is not None:
        other.register()
        exchange.run(1.0)
    assert hears(exchange, anna, BEKA) == words


def test_e5_who_is_asked_to_take_a_call(exchange, anna):
    """He hears the question, again and again, and his ear only what is meant for him."""
    mobiles = exchange.trunk("mobiles", "203.0.113.2", "995577")
    mobiles.sends_rtp = False
    reach = Reach((Target("number", MOBILE, confirm=True),))
    rented = "+995322999999"
    exchange.directory.rented.put([RentedNumber(rented, 1, ANNA, False, reach)], [1])
    other = exchange.phone(exchange.line(BEKA, exchange.account(LARI)), "198.51.100.2")
    other.register()
    exchange.run(1.0)
    ear = Ear(mobiles)
    other.call(rented)
    exchange.run_until_idle()
    ear.assert_steady()
    heard = ear.tokens()
    assert set(heard) == {("ka", "forwarding-accept")} and len(heard) >= 4
