"""Torture messages while calls talk, in virtual time: from a stranger, a phone and a trunk."""

import pytest
from cases import judge, own, verbatim
from exchange import Exchange
from phones import Behaviour
from world import SWITCH

from sip.message import Response
from sip.reading import parse_message

CASES = [*own(), *verbatim()]
CALLS = 20
STRANGER = ("203.0.113.66", 5060)
TRUNK = "203.0.113.80"


class Tortured:
    """A switch with twenty calls that talk, and a trunk by which strange messages come in."""

    def __init__(self) -> None:
        self.exchange = exchange = Exchange(seed=4475)
        exchange.tariff(("995", 60_000, 1, 1))
        exchange.trunk("carrier", TRUNK)
        numbers = [f"+9953220001{index:02}" for index in range(2 * CALLS)]
        lines = [exchange.line(number, exchange.account(10_000_000)) for number in numbers]
        self.phones = [exchange.phone(line, f"198.51.100.{line.id}") for line in lines]
        for phone in self.phones:
            phone.register()
        exchange.run(1.0)
        self.sessions = []
        for caller, called in zip(self.phones[::2], self.phones[1::2], strict=True):
            called.behaviour = Behaviour(rings=0.1)
            self.sessions.append(caller.call("+" + called.login))
        exchange.run(1.0)
        self._seen: set[bytes] = set()

    @property
    def talking(self) -> list[int]:
        return [len(phone.talking) for phone in self.phones]

    def throw(self, data: bytes, source) -> list[Response]:
        """Send a message, and see what comes back that didn't come before."""
        wire = self.exchange.wire
        before = wire.receiver(source)
        answers: list[bytes] = []
        wire.attach(source, lambda reply, _source: answers.append(reply))
        wire.send(data, source, SWITCH)
        self.exchange.run(0.5)
        if before is None:
            wire.detach(source)
        else:
            wire.attach(source, before)
        new = [reply for reply in dict.fromkeys(answers) if reply not in self._seen]
        self._seen.update(new)
        return [m for reply in new if isinstance(m := parse_message(reply), Response)]

    def end(self) -> None:
        for phone, session in zip(self.phones[::2], self.sessions, strict=True):
            phone.hang_up(session)
        self.exchange.run_until_idle()
        left = self.exchange.left()
        assert left == dict.fromkeys(left, 0)
        assert self.exchange.store.verify() == []
        assert self.exchange.log.errors == []
        assert self.exchange.switch.agent.counters.faults == 0


@pytest.mark.parametrize("source", ["a stranger", "a phone", "a trunk"])
def test_no_torture_message_disturbs_a_call(source):
    tortured = Tortured()
    assert tortured.talking == [1] * 2 * CALLS
    address = {
        "a stranger": STRANGER, "a phone": tortured.phones[0].address, "a trunk": (TRUNK, 5060),
    }[source]  # fmt: skip
    for case in CASES:
        answers = tortured.throw(case.data, address)
        judge(case, [answer.status for answer in answers])
        assert tortured.talking == [1] * 2 * CALLS, case.name
    tortured.exchange.run(60.0)
    assert tortured.talking == [1] * 2 * CALLS
    tortured.end()
    records = tortured.exchange.store.cdrs()
    tortured.exchange.close()
    assert sum(cdr.sip_status == 200 and cdr.answered_at is not None for cdr in records) == CALLS
    assert all(cdr.price_micros == 0 for cdr in records if cdr.answered_at is None)


def test_strange_invites_that_reach_a_phone_end_like_others():
    tortured = Tortured()
    exchange = tortured.exchange
    line = exchange.line("+995322000199", exchange.account(0))
    phone = exchange.phone(line, "198.51.100.199")
    phone.behaviour = Behaviour(rings=0.1)
    phone.register()
    exchange.run(1.0)
    for case in own():
        data = case.data.replace(b"mira@example.org", b"+995322000199@example.org")
        answers = tortured.throw(data, (TRUNK, 5060))
        judge(case, [answer.status for answer in answers])
    assert phone.events.count("Received") >= 6
    tortured.end()  # nobody acknowledged, so each ends by itself
    records = exchange.store.cdrs()
    exchange.close()
    assert sum(cdr.direction == "incoming" for cdr in records) >= 6
