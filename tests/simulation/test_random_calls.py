"""Random calls over a wire that loses, repeats and reorders: nothing is stuck, lost or left.

A failing seed replays exactly. SOFTSWITCH_SEEDS sets how many seeds are tried.
"""

import os
import re
from collections import Counter

import pytest
from exchange import Exchange
from phones import Behaviour

from softswitch.subscribers.supplementary import NO_SERVICES, Setting, Supplementary

SEEDS = int(os.environ.get("SOFTSWITCH_SEEDS", "5"))
CALLS = 1_000
LINES = 24


def build(seed: int) -> tuple[Exchange, list]:
    offer = "answered" if seed % 2 else "early"
    config = f'[completion]\noffer = "{offer}"\n'
    exchange = Exchange(seed, loss=0.05, duplicates=0.05, config=config)
    exchange.wire.delay = (0.002, 0.250)  # late enough that messages overtake each other
    exchange.tariff(("995", 60_000, 1, 1), ("44", 240_000, 60, 60), ("on_net", 30_000, 6, 6))
    phones = []
    for index in range(LINES):
        # Some accounts are poor, so that credit ends calls, and some lines share an account.
        if index % 4 != 1:
            account = exchange.account(exchange.rng.choice([5_000, 120_000, 40_000_000]))
        services = random_services(exchange.rng) if index % 6 == 5 else NO_SERVICES
        line = exchange.line(
            f"+9953221{index:05d}", account, no_answer_seconds=20, services=services
        )
        for more in range(1 + (index % 3 == 0)):
            phones.append(exchange.phone(line, f"198.51.{100 + more}.{index + 1}"))
    for phone in phones:
        phone.register(7200)
    for index in range(2):
        exchange.trunk(f"trunk{index}", f"203.0.113.{index + 1}", "44", index)
    exchange.run(30.0)
    return exchange, phones


def random_behaviour(rng) -> Behaviour:
    answer = rng.choices([200, 486, 603, 503, 302, 0], [68, 9, 5, 5, 5, 8])[0]
    talks = rng.choice([None, 0.0, rng.uniform(0.1, 5), rng.uniform(5, 90)])
    redirect = random_number(rng) if answer == 302 else None
    return Behaviour(rng.uniform(0, 4), answer, talks, rng.random() < 0.2, redirect)


def random_services(rng) -> Supplementary:
    """Forwarding of one kind or another, or no call waiting."""
    kind = rng.choice(["forward_busy", "forward_no_answer", "forward_unreachable", "waiting"])
    if kind == "waiting":
        return Supplementary({"call_waiting": Setting(False)})
    return Supplementary({kind: Setting(True, (f"+9953221{rng.randrange(LINES):05d}",))})


def random_number(rng) -> str:
    return rng.choice([f"+9953221{rng.randrange(LINES + 2):05d}", "0044201234567"])


def one_call(exchange, phones) -> None:
    rng = exchange.rng
    for phone in exchange.phones:
        phone.behaviour = random_behaviour(rng)
    caller = rng.choice(exchange.phones)
    kind = rng.random()
    number = f"+9953221{rng.randrange(LINES + 2):05d}"
    if kind < 0.25 and caller in phones:
        number = "0044201234567"
    elif kind < 0.30:
        number = rng.choice(["112", "999999", "1111", "+1", "abc"])
    session = caller.call(number, None if rng.random() < 0.9 else b"")
    if rng.random() < 0.2:
        exchange.loop.call_later(rng.uniform(0, 8), give_up, caller, session)
    else:
        exchange.loop.call_later(rng.uniform(1, 60), caller._hang_up_if, session)
    if rng.random() < 0.4:
        exchange.loop.call_later(rng.uniform(1, 20), transfer, rng, rng.choice(exchange.phones))
    if rng.random() < 0.5:
        exchange.loop.call_later(rng.uniform(2, 20), caller.hold, session)
        exchange.loop.call_later(rng.uniform(2, 30), caller.hold, session, "sendrecv")
    if rng.random() < 0.3:
        exchange.loop.call_later(rng.uniform(1, 6), press, caller, session)
    if rng.random() < 0.2:
        exchange.loop.call_later(rng.uniform(0.5, 4), pick_up, exchange, phones)


def transfer(rng, phone) -> None:
    """One who talks sends the other on: to a number, or to his other call."""
    if not phone.talking:
        return
    session = rng.choice(phone.talking)
    held = rng.choice(phone.talking).dialog
    target = f"<sip:{random_number(rng)}@example.org>"
    if rng.random() < 0.4:
        target = (f"<sip:x@example.org?Replaces={held.call_id}%3Bto-tag%3D{held.remote_tag}"
                  f"%3Bfrom-tag%3D{held.local_tag}>")  # fmt: skip
    phone.refer(session, target.encode())
    if rng.random() < 0.3:
        phone.hang_up(session)


def press(phone, session) -> None:
    """One who is offered the completion of his call may accept it; to anybody else it's a key."""
    if session in phone.talking:
        session.info(b"application/dtmf-relay", b"Signal=1\r\n", phone.now)
        phone.endpoint.drain()


def pick_up(exchange, phones) -> None:
    """One takes what rings, or rang a moment ago, at another; mostly at a colleague's."""
    rng = exchange.rng
    ringing = [phone for phone in phones if phone.rung is not None and not phone.rung.confirmed]
    if not ringing:
        return
    rung = rng.choice(ringing)
    account = exchange.directory.line_by_login(rung.login).account_id
    if rng.random() < 0.8:
        of_account = exchange.directory.line_by_login
        phones = [one for one in phones if of_account(one.login).account_id == account]
    dialog = rung.rung.dialog
    value = f"{dialog.call_id};to-tag={dialog.remote_tag};from-tag={dialog.local_tag}"
    value += rng.choice(["", ";early-only"])
    rng.choice(phones).call("+995322100000", extra=((b"Replaces", value.encode()),))


def give_up(caller, session) -> None:
    session.cancel(caller.now)
    caller.endpoint.drain()


SEEN = {"INVITE": 1_000, "re-INVITE": 100, "PRACK": 100, "CANCEL": 100, "REFER": 50, "BYE": 500,
        "lost the fork": 50, "Replaces": 50, "picked up": 4}  # fmt: skip
"""What must have been among it, at least so often."""


class Tally(Counter):
    """Counts what the switch hears and sends, whether it arrives or not."""

    def __init__(self) -> None:
        super().__init__()
        self._takers: set[bytes] = set()

    def see(self, seen) -> None:
        data = seen[3]
        call_id = re.search(rb"\nCall-ID: ([^\r]*)", data)[1]
        if data.startswith(b"SIP/"):
            if data.startswith(b"SIP/2.0 200") and call_id in self._takers:
                self["picked up"] += 1
                self._takers.discard(call_id)
            return
        method, _, head = data.partition(b"\r\n\r\n")[0].partition(b" ")
        kind = method.decode()
        if kind == "INVITE" and re.search(rb"\nTo: [^\r]*;tag=", head):
            kind = "re-INVITE"
        self[kind] += 1
        self["lost the fork"] += kind == "CANCEL" and b"Call completed elsewhere" in head
        if kind == "INVITE" and b"\nReplaces: " in head:
            self["Replaces"] += 1
            self._takers.add(call_id)


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_a_thousand_random_calls(seed):
    """Calls, some to lines with two phones, with transfers, pick-ups, forwarding, completion,
    holds, early media that is acknowledged; the wire loses 5 %, repeats 5 % and turns the order
    round."""
    exchange, phones = build(seed)
    tally = Tally()
    exchange.switch.agent.stack.add_tap(tally.see)
    for _ in range(CALLS):
        one_call(exchange, phones)
        exchange.run(exchange.rng.expovariate(2.0))
    exchange.run_until_idle(16_000.0)  # a call that nobody ends lasts to its cap of 4 hours
    cdrs = exchange.store.cdrs()
    assert exchange.log.errors == []
    assert exchange.switch.agent.counters.faults == 0
    assert exchange.wire.lost > CALLS / 4
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert exchange.store.verify() == []
    assert len({cdr.id for cdr in cdrs}) == len(cdrs) == len(exchange.cdrs) > CALLS * 0.8
    directions = {"internal", "outgoing", "incoming", "forwarded", "service"}
    assert {cdr.direction for cdr in cdrs} >= directions
    assert {cdr.ended_by for cdr in cdrs} >= {"caller", "callee", "credit", "timer"}
    assert {kind: count for kind, count in SEEN.items() if tally[kind] < count} == {}, tally
    for account in exchange.store.accounts():
        assert account.balance_micros >= 0
    exchange.close()


def test_the_same_seed_gives_the_same_calls():
    results = []
    for _ in range(2):
        exchange, phones = build(7)
        for _ in range(60):
            one_call(exchange, phones)
            exchange.run(exchange.rng.expovariate(2.0))
        exchange.run_until_idle(16_000.0)
        results.append([cdr.to_json() for cdr in exchange.store.cdrs()])
        exchange.close()
    assert results[0] == results[1]
