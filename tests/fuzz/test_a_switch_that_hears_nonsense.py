"""A whole switch, in virtual time, that hears what its phones and trunks said before, spoiled."""

import os
import random

import pytest
from exchange import Exchange
from mutation import mutated
from phones import Behaviour
from world import SWITCH

SEED = int(os.environ.get("SOFTSWITCH_FUZZ_SEED", "1"))
MESSAGES = 400


class Overheard:
    """A switch with three phones and a trunk, and everything that was sent to it."""

    def __init__(self, seed: int) -> None:
        self.exchange = exchange = Exchange(seed)
        exchange.tariff(("995", 60_000, 1, 1))
        lines = [exchange.line(f"+99532200000{i}", exchange.account(10**7)) for i in (1, 2, 3)]
        self.phones = [exchange.phone(line, f"198.51.100.{line.id}") for line in lines]
        self.trunk = exchange.trunk("carrier", "203.0.113.80", prefix="44")
        exchange.tariff(("", 60_000, 1, 1))
        for phone in (*self.phones, self.trunk):
            phone.behaviour = Behaviour(rings=0.2)
        for phone in self.phones:
            phone.register()
        exchange.run(1.0)

    def live(self) -> None:
        """Calls of every kind, and what they say while they talk."""
        a, b, c = self.phones
        self.exchange.wire.log = []
        calls = [a.call("+995322000002"), c.call("+442071234567"), self.trunk.call("+995322000001")]
        self.exchange.run(2.0)
        for phone, call in zip((a, c, self.trunk), calls, strict=True):
            phone.hold(call)
            self.exchange.run(0.5)
            call.info(b"application/dtmf-relay", b"Signal=5\r\n", phone.now)
            phone.endpoint.drain()
            self.exchange.run(0.5)
        self.exchange.run(1.0)
        a.hang_up(calls[0])
        b.register()
        self.exchange.run(1.0)

    def heard(self) -> list[tuple[bytes, tuple[str, int]]]:
        """What was sent to the switch, and from where."""
        log = self.exchange.wire.log or []
        return [(data, source) for _, source, target, data in log if target == SWITCH]


@pytest.mark.parametrize("part", range(3))
def test_it_does_its_work_all_the_same(part):
    rng = random.Random(f"{SEED} {part}")
    overheard = Overheard(SEED * 3 + part)
    overheard.live()
    exchange, heard = overheard.exchange, overheard.heard()
    assert len(heard) > 20
    exchange.wire.log = None
    samples = [data for data, _ in heard]
    for _ in range(MESSAGES):
        data, source = rng.choice(heard)
        exchange.wire.send(mutated(data, samples, rng), source, SWITCH)
        exchange.run(rng.choice((0.0, 0.02, 0.5)))
    for phone in (*overheard.phones, overheard.trunk):
        for session in list(phone.talking):
            phone.hang_up(session)
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert exchange.store.verify() == []
    assert exchange.log.errors == []
    assert exchange.switch.agent.counters.faults == 0
    phone = overheard.phones[0]
    phone.register()
    exchange.run(1.0)
    assert phone.registered == 200
    exchange.close()
