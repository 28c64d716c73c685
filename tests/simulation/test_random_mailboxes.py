"""Callers who leave messages, owners who hear them, and a wire that loses and repeats: whatever
they do and whenever they go, files and rows agree and nothing is left.

A failing seed replays exactly. SOFTSWITCH_SEEDS sets how many seeds are tried.
"""

import os
from pathlib import Path

import pytest
from exchange import Exchange
from mailboxes import give_mailbox
from phones import Behaviour
from recordings import recorded
from voices import Voice, tone

SEEDS = int(os.environ.get("SOFTSWITCH_SEEDS", "2"))
CALLS = 40
OWNERS, CALLERS = 2, 3
CONFIG = "[voicemail]\nring_seconds = 5\nmax_messages = 6\nmax_seconds = 10\n"


def build(seed: int, folder: Path) -> tuple[Exchange, list, list]:
    exchange = Exchange(seed, loss=0.03, duplicates=0.03, config=CONFIG,
                        prompts=recorded(folder, "en"))  # fmt: skip
    exchange.tariff(("995", 60_000, 1, 1))
    owners, callers = [], []
    for index in range(OWNERS + CALLERS):
        line = exchange.line(f"+9953221{index:05d}", exchange.account(20_000_000))
        if index < OWNERS:
            line = give_mailbox(exchange, line)
        phone = exchange.phone(line, f"198.51.100.{index + 1}")
        phone.sends_rtp = False
        (owners if index < OWNERS else callers).append(phone)
    for phone in (*callers, owners[0]):  # the other owner is never there
        phone.register(7200)
    exchange.run(5.0)
    return exchange, owners, callers


def act(exchange: Exchange, owners, callers) -> None:
    """One calls a mailbox, or its owner opens it; what he then does is chance."""
    rng = exchange.rng
    for phone in exchange.phones:
        phone.behaviour = Behaviour(rng.uniform(0, 2), rng.choice([200, 486, 603, 0]),
                                    talks=rng.uniform(0.5, 3))  # fmt: skip
    if rng.random() < 0.3:
        caller, number = owners[0], "*97"
    else:
        caller, number = rng.choice(callers), f"+9953221{rng.randrange(OWNERS):05d}"
    if caller.talking:
        return
    session = caller.call(number)
    if rng.random() < 0.15:
        exchange.loop.call_later(rng.uniform(0, 6), give_up, caller, session)
    for _ in range(120):
        if session in caller.talking:
            break
        exchange.run(0.1)
    if session in caller.talking:
        voice = Voice(caller, session)
        exchange.run(rng.uniform(0.0, 2.0))
        if rng.random() < 0.8:
            exchange.run(rng.uniform(0.0, 1.0) * voice.say(tone(700, rng.uniform(0.1, 12.0))))
        for _ in range(rng.choice([0, 0, 1, 2, 4])):
            voice.press(rng.choice("1234#*"), rng.choice(["event", "info"]), rng.uniform(0.0, 3.0))
        exchange.run(rng.uniform(0.0, 8.0))
    if session in caller.talking and rng.random() < 0.9:
        caller.hang_up(session)


def give_up(caller, session) -> None:
    session.cancel(caller.now)
    caller.endpoint.drain()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_files_rows_and_lamps_agree_whatever_people_do(seed, tmp_path):
    exchange, owners, callers = build(seed, tmp_path)
    for _ in range(CALLS):
        act(exchange, owners, callers)
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert exchange.log.errors == []
    assert exchange.store.verify() == []
    assert exchange.messages.unfinished() == []
    files = {path.name for path in exchange.config.voicemail_dir.iterdir()}
    assert files == {f"{sound}.wav" for sound in exchange.messages.sounds()}
    taken = 0
    for line in map(exchange.directory.line, exchange.directory.line_ids()):
        if line.mailbox is not None:
            states = [message.state for message in exchange.messages.messages(line.id)]
            assert line.waiting == (states.count("new"), states.count("saved"))
            assert len(states) <= 6
            taken += len(states)
    cdrs = exchange.store.cdrs()
    assert taken and sum(cdr.answered_by == "voicemail" for cdr in cdrs) > 10
    exchange.close()
