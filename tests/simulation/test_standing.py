"""What the status of a line and of its account lets pass: the table in docs/services.md."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from exchange import Exchange

from billing.facts.account import ACTIVE
from softswitch.subscribers.rented import RentedNumber
from softswitch.subscribers.standing import KINDS, PASSES, passes

DOCUMENT = Path(__file__).parents[2] / "docs" / "services.md"
ANA, CIRA, RENTED = "+995322000001", "+995322000003", "+442079460000"
REFUSED = {
    "registration": 403, "emergency": 403, "service": 403, "outgoing": 403, "incoming": 480,
}  # fmt: skip


def test_the_documents_table_is_the_one_that_is_asked():
    chapter = DOCUMENT.read_text().split("## What each status permits")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", chapter, re.MULTILINE)
    documented = {
        status: {kind for kind, cell in zip(KINDS, cells.split("|"), strict=True) if "yes" in cell}
        for status, cells in rows
    }
    assert documented == PASSES


def test_a_status_that_nobody_knows_lets_only_emergencies_pass():
    assert [kind for kind in KINDS if passes("asleep", kind)] == ["emergency"]


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    yield made
    made.close()


@pytest.mark.parametrize("of", ["line", "account"])
@pytest.mark.parametrize("status", [status for status in PASSES if status != ACTIVE])
def test_calls_are_held_against_the_status(exchange, status, of):
    exchange.tariff(("", 60_000, 1, 1))
    account = exchange.account(10_000_000)
    line = exchange.line(ANA, account)
    ana = exchange.phone(line, "198.51.100.1")
    ana.register()
    cira = exchange.phone(exchange.line(CIRA, exchange.account(10_000_000)), "198.51.100.3")
    gateway = exchange.trunk("gateway", "203.0.113.9")
    gateway.behaviour.talks = 1.0
    exchange.run(1.0)
    if of == "line":
        exchange.directory.put_lines([replace(line, status=status)])
    else:
        exchange.directory.put_account(account, status)
    found = {"registration": register(exchange, ana)}
    for kind, number in (("emergency", "112"), ("service", "*43"), ("outgoing", "+4930123456")):
        found[kind] = call(exchange, ana, number)
    found["incoming"] = call(exchange, cira, ANA)
    assert found == {kind: 200 if passes(status, kind) else REFUSED[kind] for kind in KINDS}


def test_debt_bars_what_costs_something_and_nothing_else(exchange):
    exchange.tariff(("", 60_000, 1, 1), ("on_net", 0, 1, 1))
    account = exchange.account(0)
    ana = exchange.phone(exchange.line(ANA, account), "198.51.100.1")
    cira = exchange.phone(exchange.line(CIRA, exchange.account(10_000_000)), "198.51.100.3")
    cira.register()
    gateway = exchange.trunk("gateway", "203.0.113.9")
    gateway.behaviour.talks = 1.0
    exchange.directory.rented.put([RentedNumber(RENTED, account, ANA, shut=True)], [account])
    assert register(exchange, ana) == 200
    dialled = {"112": 200, "*43": 200, "*%2326%23": 200, CIRA: 200, "+4930123456": 402}
    assert {number: call(exchange, ana, number) for number in dialled} == dialled
    assert (call(exchange, cira, ANA), call(exchange, cira, RENTED)) == (200, 480)


def register(exchange, phone) -> int:
    phone.register()
    exchange.run(1.0)
    return phone.registered


def call(exchange, phone, number: str) -> int:
    session = phone.call(number)
    exchange.run(3.0)
    if session in phone.talking:
        phone.hang_up(session)
    exchange.run(5.0)
    return exchange.cdrs[-1].sip_status
