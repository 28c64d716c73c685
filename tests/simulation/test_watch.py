"""What those who watch a whole switch are told of calls, phones, trunks, money and figures."""

import asyncio

import pytest
from exchange import Exchange
from phones import Behaviour

from softswitch.control.watch import read_event

ANA, BEKA = "+995322000001", "+995322000002"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("44", 60_000, 1, 1), ("on_net", 60_000, 1, 1))
    account = made.account(10_000_000)
    for number, host in ((ANA, "198.51.100.1"), (BEKA, "198.51.100.2")):
        made.phone(made.line(number, account), host).register()
    made.run(1.0)
    yield made
    assert made.log.errors == []
    made.close()


def told(exchange, watcher):
    lines = exchange.loop.run_until_complete(asyncio.wait_for(watcher.lines(), 1))
    return [read_event(line) for line in lines.splitlines()]


def test_a_call_is_told_while_it_rings_when_it_is_answered_and_when_it_is_over(exchange):
    watcher = exchange.hub.open(["calls"])
    exchange.phones[1].behaviour = Behaviour(rings=1.0, talks=5.0)
    exchange.phones[0].call(BEKA)
    exchange.run_until_idle()
    snapshot, *events = told(exchange, watcher)
    assert snapshot.rows == []
    states = [event.row["state"] if event.row else event.kind for event in events]
    assert list(dict.fromkeys(states)) == ["ringing", "talking", "gone"]
    assert len({event.key for event in events}) == 1
    assert [event.number for event in events] == list(range(1, len(events) + 1))


def test_phones_that_register_and_leave_are_told(exchange):
    watcher = exchange.hub.open(["registrations"])
    (snapshot,) = told(exchange, watcher)
    assert sorted(row["login"] for row in snapshot.rows) == ["995322000001", "995322000002"]
    line = exchange.directory.line_by_number(ANA)
    exchange.phone(line, "198.51.100.9").register()
    exchange.run(1.0)
    (event,) = told(exchange, watcher)
    assert (event.key, len(event.row["phones"])) == ("995322000001", 2)
    exchange.switch.registrations.forget("995322000001")
    (event,) = told(exchange, watcher)
    assert (event.kind, event.key) == ("gone", "995322000001")


def test_a_call_that_was_paid_is_told_to_those_who_watch_balances(exchange):
    watcher = exchange.hub.open(["balances"])
    exchange.phones[1].behaviour = Behaviour(rings=1.0, talks=5.0)
    exchange.phones[0].call(BEKA)
    exchange.run_until_idle()
    paid = [event for event in told(exchange, watcher) if event.row and "charged" in event.row]
    assert [(event.key, event.row["charged"]) for event in paid] == [(1, "0.005")]


def test_figures_count_attempts_answers_refusals_and_trunks(exchange):
    exchange.trunk("north", "203.0.113.1", "44", 1).behaviour = Behaviour(answer=503)
    exchange.trunk("south", "203.0.113.2", "44", 2).behaviour = Behaviour(rings=2.0, talks=30.0)
    exchange.phones[0].call("00442012345678")
    exchange.run_until_idle()
    exchange.phones[0].call("0035312345678")
    exchange.run_until_idle()
    figures = exchange.switch.figures_row()
    assert (figures["calls"], figures["attempts"], figures["answers"]) == (0, 2, 1)
    assert figures["refusals"] == {"no_trunk_takes": 1}
    assert figures["registrations"] == 2
    assert sorted(figures["trunks"], key=lambda row: row["trunk"]) == [
        {"trunk": "north", "attempts": 1, "answers": 0, "asr_percent": 0.0,
         "acd_seconds": None, "pdd_seconds": None},
        {"trunk": "south", "attempts": 1, "answers": 1, "asr_percent": 100.0,
         "acd_seconds": 30.0, "pdd_seconds": 0.03},
    ]  # fmt: skip
    exchange.run(16 * 60.0)
    assert exchange.switch.figures_row()["trunks"] == []


def test_a_text_between_two_lines_is_told_with_the_accounts_of_both(exchange):
    other = exchange.account(0)
    exchange.phone(exchange.line("+995322000003", other), "198.51.100.3").register()
    exchange.run(1.0)
    watcher = exchange.hub.open(["texts"])
    exchange.phones[0].send_text("+995322000003", b"Hello")
    exchange.run(2.0)
    events = [event for event in told(exchange, watcher) if event.kind == "changed"]
    assert [event.row["state"] for event in events] == ["waiting", "delivered"]
    assert {tuple(event.row["accounts"]) for event in events} == {(1, other)}
