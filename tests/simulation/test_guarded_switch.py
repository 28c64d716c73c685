"""Guessers, scanners, floods and liars before a whole switch, in virtual time."""

import gc
import re
import tracemalloc

import pytest
from exchange import Exchange
from phones import Behaviour
from world import SWITCH

from sip.digest import Algorithm, answer
from sip.flow import Flow
from sip.reading import parse_message

METHODS = (
    "INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE", "MESSAGE", "BYE", "CANCEL", "ACK", "REFER",
    "NOTIFY", "INFO", "UPDATE", "PRACK", "PUBLISH", "FOO",
)  # fmt: skip
STRANGER = ("203.0.113.66", 5060)
ANA, NOBODY = "995322000001", "995322000009"


class Stranger:
    """Somebody at an address, and what he hears."""

    def __init__(self, exchange, address=STRANGER):
        self.exchange = exchange
        self.address = address
        self.heard = []
        self.octets_sent = self.octets_heard = 0
        self.count = 0
        exchange.wire.attach(address, self._hear)

    def _hear(self, data, source):
        self.heard.append(parse_message(data))
        self.octets_heard += len(data)

    def say(self, method, user=ANA, *fields, uri="sip:example.org", call_id=None):
        self.count += 1
        cseq = self.count
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.address[0]}:5060;branch=z9hG4bKs{self.address[0]}-{cseq}",
            f"From: <sip:{user}@example.org>;tag=1", f"To: <sip:{user}@example.org>",
            f"Call-ID: {call_id or cseq}", f"CSeq: {cseq} {method}",
            "Max-Forwards: 70", *fields, "Content-Length: 0", "", "",
        ]  # fmt: skip
        data = "\r\n".join(lines).encode()
        self.octets_sent += len(data)
        # Straight into the endpoint, as a socket does: a flood needs no wire.
        self.exchange.switch.endpoint.arrived(data, Flow("udp", SWITCH, self.address))

    def listen(self, seconds=0.1):
        self.exchange.run(seconds)
        heard, self.heard = self.heard, []
        return heard

    def guess(self, user, password):
        """A REGISTER with this password; the last status."""
        self.say("REGISTER", user, "Contact: <sip:x@203.0.113.66>")
        heard = self.listen()
        if not heard or heard[-1].status != 401:
            return heard[-1].status if heard else None
        return self.answer(heard[-1], user, password)

    def answer(self, challenge, user, password, nc=1):
        value = answer(
            challenge.get_all(b"www-authenticate"), user, password, "REGISTER",
            b"sip:example.org", cnonce="c", nc=nc, allowed=tuple(Algorithm),
        )  # fmt: skip
        self.say("REGISTER", user, "Contact: <sip:x@203.0.113.66>",
                 "Authorization: " + value.decode())  # fmt: skip
        heard = self.listen()
        return heard[-1].status if heard else None


@pytest.fixture
def exchange():
    made = Exchange(seed=7)
    made.tariff(("995", 60_000, 1, 1))
    yield made
    made.run_until_idle()
    assert made.log.errors == []
    made.close()


def line(exchange, number=1):
    return exchange.line(f"+99532200000{number}", exchange.account(1_000_000))


# Guesses


def test_ten_thousand_guesses_are_ten_and_the_owner_is_not_locked_out(exchange):
    line(exchange)
    guesser = Stranger(exchange)
    statuses = [guesser.guess(ANA, f"guess{number}") for number in range(200)]
    assert set(statuses) == {403}
    assert exchange.switch.guard.counters.refused_guesses == 190
    assert guesser.guess(ANA, "secret") == 403  # the right one, too late
    owner = Stranger(exchange, ("198.51.100.1", 5060))
    assert owner.guess(ANA, "secret") == 200
    exchange.switch.expire()
    assert [event for event, _ in exchange.log.warnings] == ["banned"]
    exchange.run(601)
    assert guesser.guess(ANA, "secret") == 200


def test_a_line_that_is_there_and_one_that_is_not_look_the_same(exchange):
    line(exchange)
    stranger = Stranger(exchange)
    looks = set()
    for number in range(30):
        for user in (ANA, NOBODY):
            for method in ("REGISTER", "INVITE", "MESSAGE", "SUBSCRIBE"):
                uri = "sip:+995322000001@example.org" if method == "INVITE" else "sip:example.org"
                stranger.say(method, user, "Contact: <sip:x@203.0.113.66>",
                             "Event: dialog", uri=uri, call_id=f"{number:03}{method}")  # fmt: skip
                (heard,) = stranger.listen(20)  # in this time, he may hear as much again
                looks.add((method, _without_chance(bytes(heard), user)))
            if number < 5:
                looks.add(("guess", stranger.guess(user, "wrong")))
    assert len(looks) == 5, looks


def _without_chance(answer, user):
    """The answer without what differs each time; all of the same length."""
    answer = answer.replace(user.encode(), b"xxx")
    answer = re.sub(rb'nonce="[0-9a-f]{44}"', b'nonce="..."', answer)
    answer = re.sub(rb";tag=[0-9a-f]{8}[.][0-9a-f]{16}", b";tag=...", answer)
    return re.sub(rb"(branch=z9hG4bKs[0-9.]+-|CSeq: |Call-ID: )[0-9]+", rb"\1N", answer)


def test_a_nonce_is_good_for_one_use_one_place_and_a_minute(exchange):
    line(exchange)
    phone, thief = Stranger(exchange, ("198.51.100.1", 5060)), Stranger(exchange)
    phone.say("REGISTER", ANA, "Contact: <sip:x@198.51.100.1>")
    (challenge,) = phone.listen()
    assert thief.answer(challenge, ANA, "secret") == 401
    assert phone.answer(challenge, ANA, "secret") == 200
    assert phone.answer(challenge, ANA, "secret") == 401  # the same count again
    assert phone.answer(challenge, ANA, "secret", nc=2) == 200
    exchange.run(61)
    assert phone.answer(challenge, ANA, "secret", nc=3) == 401


def test_a_poisoned_count_harms_nobody(exchange):
    line(exchange)
    phone = Stranger(exchange, ("198.51.100.1", 5060))
    phone.say("REGISTER", ANA, "Contact: <sip:x@198.51.100.1>")
    (challenge,) = phone.listen()
    assert phone.answer(challenge, ANA, "wrong", nc=0xFFFFFFFF) == 403
    assert phone.answer(challenge, ANA, "secret", nc=1) == 200


# Answers to strangers


@pytest.mark.parametrize("method", METHODS)
def test_a_stranger_gets_no_more_octets_than_he_sends(exchange, method):
    """Whoever forges a victim's address gains nothing: one answer a request at most, none
    repeated, and together no bigger than what was asked with, but for the first few."""
    line(exchange)
    stranger = Stranger(exchange)
    for _ in range(100):
        stranger.say(method, ANA, "Contact: <sip:x@203.0.113.66>", uri="sip:1@example.org")
    exchange.run(40)
    assert len(stranger.heard) <= stranger.count
    assert stranger.octets_heard <= stranger.octets_sent + 4_096
    assert exchange.switch.agent.sessions == 0
    assert len(exchange.switch.agent.stack.layer) == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_method_without_credentials_leads_nowhere(exchange, method):
    phone = exchange.phone(line(exchange), "198.51.100.1")
    phone.register()
    exchange.run(1)
    stranger = Stranger(exchange)
    stranger.say(method, NOBODY, "Contact: <sip:x@203.0.113.66>", "Event: dialog",
                 uri="sip:+995322000001@example.org")  # fmt: skip
    heard = stranger.listen(40)
    expected = {"OPTIONS": {200}, "BYE": {405}, "CANCEL": {481}, "ACK": set()}
    allowed = expected.get(method, {401, 405, 407, 481, 489, 501})
    assert {answer.status for answer in heard} <= allowed
    assert bool(heard) is (method != "ACK")
    assert "Received" not in phone.events


def test_a_scanner_hears_nothing(exchange):
    scanner = Stranger(exchange)
    scanner.say("OPTIONS", "100", "User-Agent: friendly-scanner")
    assert scanner.listen() == []
    assert scanner.guess("100", "wrong") == 403  # it hears us, so that nobody forged its address
    scanner.say("OPTIONS", "100", "User-Agent: friendly-scanner")
    scanner.say("REGISTER", "100")
    assert scanner.listen() == []
    assert exchange.switch.guard.counters.shut_out == 1


def test_a_forged_scanner_and_a_forged_flood_bar_no_registered_phone(exchange):
    line(exchange)
    phone, forger = Stranger(exchange, ("198.51.100.1", 5060)), Stranger(exchange)
    phone.say("REGISTER", ANA, "Contact: <sip:x@198.51.100.1>")
    (challenge,) = phone.listen()
    forger.address = phone.address
    forger.say("OPTIONS", "100", "User-Agent: friendly-scanner")
    for _ in range(3_000):
        forger.say("OPTIONS", "100")
    exchange.switch.expire()
    assert [facts["why"] for _, facts in exchange.log.warnings] == ["flood"]
    phone.listen(0)
    assert phone.answer(challenge, ANA, "secret") == 200


# Floods


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "OPTIONS"])
def test_a_flood_from_everywhere_leaves_no_memory_behind(exchange, method):
    """Thousands of sources, each with a request: nothing is kept but what the guard knows of them,
    and that is bounded and forgotten. What counts is the second flood: the first fills caches."""
    line(exchange)
    tracemalloc.start()
    _flood(exchange, method, range(2_000))
    _forget(exchange)
    before = tracemalloc.get_traced_memory()[0]
    _flood(exchange, method, range(10_000, 12_000))
    during = tracemalloc.get_traced_memory()[0]
    _forget(exchange)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert during - before < 4_000_000
    assert after - before < 250_000
    assert exchange.switch.agent.sessions == len(exchange.switch.agent.stack.layer) == 0


def _flood(exchange, method, numbers):
    data = _request(method)
    for number in numbers:
        source = (f"10.{number >> 8 & 255}.{number & 255}.{number >> 16}", 5060)
        exchange.switch.endpoint.arrived(data % (number, number), Flow("udp", SWITCH, source))
        if number % 100 == 0:
            exchange.run(0.01)
    exchange.run(0.1)


def _forget(exchange):
    exchange.run(400)
    exchange.switch.expire()
    gc.collect()


def _request(method):
    return (
        b"%(m)s sip:1@example.org SIP/2.0\r\nVia: SIP/2.0/UDP h:5060;branch=z9hG4bKf%%d\r\n"
        b"From: <sip:995322000001@example.org>;tag=1\r\nTo: <sip:995322000001@example.org>\r\n"
        b"Call-ID: %%d\r\n"
        b"CSeq: 1 %(m)s\r\nContact: <sip:x@h>\r\nContent-Length: 0\r\n\r\n"
        % {b"m": method.encode()}
    )


def test_a_flood_from_one_address_is_blocked_while_others_talk(exchange):
    lines = [line(exchange, number) for number in (1, 2)]
    a, b = (exchange.phone(one, f"198.51.100.{one.id}") for one in lines)
    for phone in (a, b):
        phone.register()
    exchange.run(1)
    b.behaviour = Behaviour(rings=1.0, talks=5.0)
    flooder = Stranger(exchange)
    a.call("+995322000002")
    for _ in range(100):
        for _ in range(50):
            flooder.say("REGISTER", ANA)
        exchange.run(0.01)
    exchange.run(10)
    assert len(flooder.heard) < 700
    assert exchange.switch.guard.counters.shut_out > 3_000
    (cdr,) = exchange.store.cdrs()
    assert (cdr.sip_status, cdr.ended_by) == (200, "callee")


def test_a_line_that_asks_for_too_much_is_served_later(exchange):
    phone = exchange.phone(line(exchange), "198.51.100.1")
    statuses = []
    for _ in range(200):
        phone.register()
        exchange.run(0.06)
        statuses.append(phone.registered)
    assert statuses[0] == 200 and 503 in statuses[-10:]
    exchange.run(10)
    phone.register()
    exchange.run(1)
    assert phone.registered == 200
