"""One search over everything, filters of the console's lists, and what waits for the staff."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from billing.facts.account import ACTIVE, CLOSED, Change
from billing.facts.authorization import WriteCdr
from billing.facts.cdr import Cdr
from softswitch.operations.accounts import accounts, documents, requests
from softswitch.operations.context import Context
from softswitch.operations.installation import search
from softswitch.operations.lines import lines
from softswitch.operations.numbers import moves, numbers
from softswitch.scheduled.number_moves import NumberMoves, Unused
from tests.softswitch.operating import at, refused

ANA, BEKA = "+995322000001", "+995322000003"


@pytest.fixture
def switch(context: Context) -> Context:
    context.now_ms = lambda: at("2027-01-04T12:00+04:00")
    for name, number in (("Ana", ANA), ("Beka", BEKA)):
        accounts.account_add(context, name)
        lines.line_add(context, number, name, login=name.lower())
    accounts.account_set(context, "1", "national_code", "01001001001")
    accounts.account_topup(context, "1", "9", "till-7")
    numbers.number_add(context, "+4930555000", "DE", "landline", "2", city="Berlin")
    now = context.now_ms()
    cdr = Cdr(
        "c1", leg="a", direction="outgoing", type="international", account=1, line=ANA,
        calling=ANA, called="+4930123456", called_dialled="004930123456", presented=ANA,
        trunk="carrier", setup_at=now, ringing_at=None, answered_at=now, ended_at=now + 60_000,
        ring_ms=0, duration_ms=60_000, sip_status=200, cause=16, ended_by="caller",
        sip_call_id="abc@phone",
    )  # fmt: skip
    context.do(WriteCdr(cdr))
    return context


def found(context: Context, text: str) -> list[tuple[Any, Any]]:
    return [(row["what"], row["id"]) for row in search.search_everything(context, text)]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("ana", [("account", 1), ("line", ANA)]),
        ("0322000001", [("line", ANA)]),
        (ANA, [("line", ANA)]),
        ("01001001001", [("account", 1)]),
        ("till-7", [("payment", "till-7")]),
        ("c1", [("call", "c1-a")]),
        ("c1-a", [("call", "c1-a")]),
        ("abc@phone", [("call", "c1-a")]),
        ("4930555", [("number", "+4930555000")]),
        ("192.0.2.9", []),
        ("nothing of the kind", []),
        ("%", []),
    ],
)
def test_everything_is_found_by_what_is_known_of_it(
    switch: Context, text: str, what: list[tuple[str, object]]
) -> None:
    assert found(switch, text) == what


def test_a_call_id_is_looked_for_in_the_last_two_days(switch: Context) -> None:
    switch.now_ms = lambda: at("2027-01-06T12:00:01+04:00")
    assert found(switch, "abc@phone") == []
    assert found(switch, "c1") == [("call", "c1-a")]


def test_a_search_needs_a_text(switch: Context) -> None:
    for text in ("", "  ", "x" * 129):
        assert refused(search.search_everything, switch, text).startswith("the text has 1 to")


def test_accounts_are_listed_by_status_and_as_a_queue(switch: Context) -> None:
    accounts.account_add(switch, "Gio", registered=True)
    assert [row["id"] for row in accounts.account_list(switch, status="registered")] == [3]
    assert [row["id"] for row in accounts.account_list(switch, after=1)] == [2, 3]
    assert [row["id"] for row in accounts.account_list(switch, after=1, limit=1)] == [2]
    assert "status must be" in refused(accounts.account_list, switch, status="happy")
    assert "before or after" in refused(accounts.account_list, switch, after=1, before=3)


def test_resting_lines_are_those_that_can_be_restored(switch: Context) -> None:
    now, line = switch.now_ms(), switch.line(ANA)
    change = Change(1, now, "switch", f"line {ANA}", ACTIVE, CLOSED, "unused")
    NumberMoves(switch.billing.engine).cancel(Unused(line.id, ANA, 1), now + 10**9, change)
    assert [row["number"] for row in lines.line_list(switch, resting=True)] == [ANA]
    assert [row["number"] for row in lines.line_list(switch, status="closed")] == [ANA]
    assert [row["number"] for row in lines.line_list(switch, status="active")] == [BEKA]


def test_the_queues_are_counted(switch: Context) -> None:
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    documents.document_upload(switch, "1", "identity", "a.png", png)
    requests.request_open(switch, "1", "relocation", "We move")
    moves.port_in(switch, "+995322777777", "1", "Other")
    accounts.account_add(switch, "Gio", registered=True)
    row = search.queue_figures(switch)
    assert row == {
        "documents": 1, "requests": 1, "orders": 0, "orders_late": 0, "ports": 1,
        "registered": 1, "approved": 0, "debts": 0,
    }  # fmt: skip
