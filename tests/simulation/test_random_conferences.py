"""Random conferences and recordings over a wire that loses, repeats and reorders: whatever people
do at whatever moment, nothing is left, and each payer has one CDR.

A failing seed replays exactly. SOFTSWITCH_SEEDS sets how many seeds are tried.
"""

import os

import pytest
from exchange import Exchange
from phones import Behaviour

from softswitch.conference.rooms import DialInRoom, RoomStore

SEEDS = int(os.environ.get("SOFTSWITCH_SEEDS", "2"))
GATHERINGS = 20
LINES = 12
FOCUS = b"<sip:*87@example.org>"


def build(seed: int) -> tuple[Exchange, list]:
    config = "[recording]\nmin_free_megabytes = 0\n[completion]\n"
    exchange = Exchange(seed, loss=0.05, duplicates=0.05, config=config)
    exchange.wire.delay = (0.002, 0.250)
    exchange.tariff(("995", 60_000, 1, 1), ("on_net", 30_000, 6, 6))
    phones = []
    for index in range(LINES):
        account = exchange.account(exchange.rng.choice([120_000, 40_000_000]))
        line = exchange.line(
            f"+9953221{index:05d}", account, no_answer_seconds=20, record=index % 3 == 0
        )
        phone = exchange.phone(line, f"198.51.100.{index + 1}")
        phone.codec = exchange.rng.choice(["PCMU", "PCMU", "PCMA"])
        phone.register(7200)
        phones.append(phone)
    RoomStore(exchange.store.engine).add(DialInRoom("100", 1, None))
    exchange.run(30.0)
    return exchange, phones


def gather(exchange, phones) -> None:
    """One calls some of the others and the focus, and hands over what he has; or dials a room."""
    rng, loop = exchange.rng, exchange.loop
    owner = rng.choice(phones)
    for phone in phones:
        phone.behaviour = Behaviour(rng.uniform(0, 2), rng.choice([200, 200, 200, 486]))
    if rng.random() < 0.3:
        session = owner.call("*88")
        loop.call_later(rng.uniform(1, 6), keys, owner, session, "100#")
    else:
        for _ in range(rng.randint(1, 5)):
            owner.call(f"+9953221{rng.randrange(LINES):05d}")
        loop.call_later(rng.uniform(0, 6), to_focus, rng, owner)
        for _ in range(rng.randint(1, 8)):
            loop.call_later(rng.uniform(1, 20), hand_over, rng, owner)
    for _ in range(3):
        loop.call_later(rng.uniform(0.5, 30), disturb, rng, rng.choice(phones))
    loop.call_later(rng.uniform(5, 60), leave, rng, owner)


def keys(phone, session, pressed) -> None:
    if session in phone.talking:
        for key in pressed:
            session.info(b"application/dtmf-relay", f"Signal={key}\r\n".encode(), phone.now)
        phone.endpoint.drain()


def to_focus(rng, owner) -> None:
    extra = ()
    if owner.talking and rng.random() < 0.5:
        dialog = rng.choice(owner.talking).dialog
        value = f"{dialog.call_id};to-tag={dialog.remote_tag};from-tag={dialog.local_tag}"
        extra = ((rng.choice([b"Join", b"Replaces"]), value.encode()),)
    owner.call("*87", extra=extra)


def hand_over(rng, owner) -> None:
    if owner.talking:
        owner.refer(rng.choice(owner.talking), FOCUS)


def disturb(rng, phone) -> None:
    if not phone.talking:
        return
    session = rng.choice(phone.talking)
    match rng.randrange(5):
        case 0:
            phone.hang_up(session)
        case 1:
            phone.hold(session, rng.choice(["sendonly", "sendrecv"]))
        case 2:
            phone.refer(session, f"<sip:+9953221{rng.randrange(LINES):05d}@example.org>".encode())
        case 3:
            keys(phone, session, rng.choice(["*6", "*0", "1", "#"]))
        case 4:
            hand_over(rng, phone)


def leave(rng, owner) -> None:
    for session in list(owner.talking):
        if rng.random() < 0.7:
            owner.hang_up(session)


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_random_conferences_and_recordings(seed):
    exchange, phones = build(seed)
    most = 0
    for _ in range(GATHERINGS):
        gather(exchange, phones)
        for _ in range(4):
            exchange.run(exchange.rng.expovariate(0.8))
            conferences = exchange.switch.hall.conferences
            sizes = [len(conference.members) for conference in conferences]
            most = max([most, *sizes])
    exchange.run(120.0)
    for phone in phones:
        leave_all(phone)
    exchange.run_until_idle(16_000.0)
    assert exchange.log.errors == []
    assert exchange.switch.agent.counters.faults == 0
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert len(exchange.switch.hall) == 0
    assert 3 <= most <= exchange.config.conference.max_members
    assert exchange.store.verify() == []
    cdrs = exchange.store.cdrs()
    assert len({cdr.id for cdr in cdrs}) == len(cdrs) == len(exchange.cdrs) > GATHERINGS
    recordings = exchange.recordings._store.newest(None, 10_000)
    assert recordings and {one.state for one in recordings} <= {"kept", "failed"}
    assert {one.state for one in recordings if one.duration_ms} == {"kept"}
    files = {path.stem for path in exchange.recordings._shelf.folder.iterdir()}
    assert files == {one.id for one in recordings if one.state == "kept"}
    for account in exchange.store.accounts():
        assert account.balance_micros >= 0
    exchange.close()


def leave_all(phone) -> None:
    for session in list(phone.talking):
        phone.hang_up(session)
