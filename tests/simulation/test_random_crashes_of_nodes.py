"""Two switches on one wire and one database, of which one or the other is killed at random: nothing
that was acknowledged is lost, and the books are exact.

A failing seed replays exactly. SOFTSWITCH_SEEDS sets how many seeds are tried.
"""

import os
from collections import Counter

import pytest
from nodes import Nodes
from phones import Behaviour
from test_texts import Texting

SEEDS = int(os.environ.get("SOFTSWITCH_SEEDS", "2"))
LINES = 8
STEPS = 60
CRASHES = 6


class Town:
    """Phones that call, text and register at random, and the nodes that are killed under them."""

    def __init__(self, seed: int) -> None:
        self.nodes = Nodes(seed, config="[completion]\nenabled = false\n", loss=0.02)
        first = self.nodes.first
        self.rng, self.loop = first.rng, first.loop
        first.tariff(("995", 60_000, 1, 1), ("on_net", 60_000, 1, 1))
        self.nodes.account(0)
        accounts = [self.nodes.account(micros) for micros in (40_000, 300_000, 5_000_000)]
        self.phones: list[Texting] = []
        for place in range(LINES):
            line = self.nodes.line(f"+9953220001{place:02d}", accounts[place % 3])
            self.phones.append(Texting(self.nodes.phone(line, f"203.0.113.{place + 1}")))
        self.sent: dict[bytes, Texting] = {}
        """Texts by their bodies, and who sent each."""
        self.lowest = 0

    def live(self) -> None:
        """The whole story; at its end both nodes serve and nothing is under way."""
        for one in self.phones:
            self.move(one)
            one.phone.register(7200)
        self.nodes.run(5)
        crashes = set(self.rng.sample(range(5, STEPS), CRASHES))
        for step in range(STEPS):
            if step in crashes and len(self.nodes.nodes) == 2:
                name = self.rng.choice(self.nodes.names)
                self.nodes.crash(name)
                self.loop.call_later(self.rng.uniform(2, 15), self.nodes.start, name)
            self.act(step)
            self.nodes.run(self.rng.uniform(0.2, 3.0))
            balances = [account.balance_micros for account in self.nodes.first.store.accounts()]
            self.lowest = min(self.lowest, *balances)
        self.nodes.run(30)
        self.rest()

    def act(self, step: int) -> None:
        one, other = self.rng.sample(self.phones, 2)
        self.move(one)
        kind = self.rng.random()
        if kind < 0.5:
            other.phone.behaviour = Behaviour(self.rng.uniform(0, 2))
            session = one.phone.call(f"+{other.phone.login}")
            self.loop.call_later(self.rng.uniform(1, 25), one.phone._hang_up_if, session)
        elif kind < 0.75:
            body = b"text %d" % step
            self.sent[body] = one
            one.text(f"+{other.phone.login}", body)
        elif kind < 0.85:
            one.phone.register(7200)
        else:  # away for a while: what is sent to it meanwhile is kept
            one.phone.register(0)
            self.loop.call_later(self.rng.uniform(2, 12), self.back, one)

    def back(self, one: Texting) -> None:
        self.move(one)
        one.phone.register(7200)

    def move(self, one: Texting) -> None:
        """Have the edge send what a phone begins to a node of chance's choice."""
        self.nodes.pin(one.phone, self.rng.choice(self.nodes.names))

    def rest(self) -> None:
        """Both nodes serve, and every phone has hung up and registers as it does again."""
        for name in self.nodes.names:
            if name not in self.nodes.nodes:
                self.nodes.start(name)
        for one in self.phones:
            for session in [*one.phone.talking]:
                one.phone.hang_up(session)
        self.nodes.run(40)
        for one in self.phones:
            one.phone.register(7200)
        self.nodes.run(40)


@pytest.fixture(params=range(SEEDS))
def town(request):
    made = Town(request.param)
    made.live()
    yield made
    made.nodes.close()


def test_whatever_was_acknowledged_is_there_after_nodes_were_killed(town):
    nodes, store = town.nodes, town.nodes.first.store
    for node in nodes.nodes.values():
        assert node.log.errors == []
    # The books: exact, nothing reserved, nobody ever below zero, one CDR for each leg.
    assert store.verify() == []
    assert town.lowest == 0
    assert [account.reserved_micros for account in store.accounts()] == [0] * 4
    assert store.live_calls() == []
    legs = Counter((cdr.call_id, cdr.leg) for cdr in nodes.cdrs)
    assert set(legs.values()) == {1}
    assert sum(cdr.sip_status == 200 for cdr in nodes.cdrs) > 5
    # The phones: each is rung from each node.
    for name in nodes.names:
        for place, one in enumerate(town.phones):
            caller = town.phones[place - 1].phone
            nodes.pin(caller, name)
            one.phone.behaviour = Behaviour(0.1)
            before = one.phone.events.count("Received")
            session = caller.call(f"+{one.phone.login}")
            nodes.run(8)
            rang = one.phone.events.count("Received") > before
            assert rang or caller.status == 402, (name, one.phone.login, caller.status)
            if session in caller.talking:
                caller.hang_up(session)
            nodes.run(1)
    # The texts: each that was accepted has come.
    came = {request.body for one in town.phones for request in one.got}
    for one in town.phones:
        mine = [body for body, sender in town.sent.items() if sender is one]
        accepted = sum(status in (200, 202) for status in one.statuses)
        assert sum(body in came for body in mine) >= accepted
