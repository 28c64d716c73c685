"""A subscriber's first page, one call, sums of calls, the debits to come, the day's bonus."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from billing.facts.authorization import WriteCdr
from billing.facts.cdr import Cdr
from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.operations.accounts import accounts, documents, overview, statements
from softswitch.operations.context import Concern, Context
from softswitch.operations.lines import lines
from softswitch.operations.money import bonuses, forecast, packages
from softswitch.operations.numbers import numbers
from tests.softswitch.operating import at, later, refused

ANA, SECOND, ABROAD = "+995322000001", "+995322000002", "+4930123456"
RENTED = "+442079460100"
DAY = 86_400_000


def written(context: Context, key: str, **changes: Any) -> None:
    now = context.now_ms()
    facts = {
        "leg": "a", "direction": "outgoing", "type": "international", "account": 1, "line": ANA,
        "calling": ANA, "called": ABROAD, "called_dialled": "004930123456", "presented": ANA,
        "trunk": "carrier", "setup_at": now, "ringing_at": now + 500, "answered_at": now + 1000,
        "ended_at": now + 61_000, "ring_ms": 500, "duration_ms": 60_000, "sip_status": 200,
        "cause": 16, "ended_by": "caller", "sip_call_id": key, "cost_micros": 10_000,
        "cost_currency": "GEL",
    }  # fmt: skip
    context.do(WriteCdr(Cdr(key, **(facts | changes))))


@pytest.fixture
def ana(context: Context) -> Context:
    """An account with two lines, a package that renews, and a rented number."""
    context.now_ms = lambda: at("2027-01-04T12:00+04:00")
    accounts.account_add(context, "Ana")
    for number in (ANA, SECOND):
        lines.line_add(context, number, "Ana", login=number[-4:])
    accounts.account_topup(context, "Ana", "6", "p1")
    packages.package_define(context, "talk", "1", "30 days", scope="on_net")
    packages.package_buy(context, "Ana", "talk", auto_renew=True, purchase_id="s1")
    numbers.number_add(context, RENTED, "GB", "landline", "2")
    numbers.rental_order(context, "Ana", ANA, [RENTED], order_id="o1")
    return context


def as_user(context: Context, line: str) -> Context:
    found = context.line(line)
    actor = Actor("gio", "line_user", found.account_id, (found.id,))
    return replace(context, actor=actor, concern=Concern())


def codes(row: Any) -> list[str]:
    return [alert["code"] for alert in row["alerts"]]


def test_the_first_page_has_money_packages_lines_calls_and_debits(ana: Context) -> None:
    written(ana, "one")
    row: Any = overview.account_overview(ana, "1")
    assert (row["balance"], row["available"], row["currency"]) == ("3.00", "3.00", "GEL")
    (package,) = row["packages"]
    assert (package["product"], package["ends_in_seconds"]) == ("talk", 30 * 86_400)
    assert [(line["number"], line["phones"]) for line in row["lines"]] == [(ANA, 0), (SECOND, 0)]
    assert [call["id"] for call in row["calls"]] == ["one-a"]
    assert [(debit["kind"], debit["about"], debit["left"]) for debit in row["debits"]] == [
        ("package", "talk", "2.00"),
        ("rent", RENTED, "0.00"),
    ]
    assert row["alerts"] == []


def test_alerts_name_what_needs_the_subscriber(ana: Context) -> None:
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    for name in ("a", "b"):
        content = base64.b64encode(base64.b64decode(png) + name.encode()).decode()
        made = documents.document_upload(ana, "1", "identity", f"{name}.png", content)
        documents.document_refuse(ana, int(str(made["id"])), f"page {name} is missing")
    lines.line_suspend(ana, SECOND)
    row: Any = overview.account_overview(ana, "1")
    assert codes(row) == ["document_refused", "line_not_active"]
    assert row["alerts"][0]["facts"]["reason"] == "page b is missing"
    later(ana, "2027-02-04T13:00+04:00")  # renewed for 1, rented for 2: nothing is left
    row = overview.account_overview(ana, "1")
    assert row["balance"] == "0.00"
    assert codes(row) == [
        "document_refused", "line_not_active", "debit_uncovered", "debit_uncovered",
    ]  # fmt: skip
    assert row["alerts"][2]["facts"]["short"] == "2.00"
    later(ana, "2027-03-05T13:00+04:00")  # no money for the package; the rent goes into the minus
    row = overview.account_overview(ana, "1")
    assert "rent_unpaid" in codes(row)
    unpaid = next(alert for alert in row["alerts"] if alert["code"] == "rent_unpaid")
    assert unpaid["facts"] == {"number": RENTED, "amount": "2.00", "currency": "GEL"}


def test_a_line_user_sees_its_line_and_no_money(ana: Context) -> None:
    written(ana, "one")
    written(ana, "two", line=SECOND, calling=SECOND)
    row: Any = overview.account_overview(as_user(ana, SECOND), "1")
    assert [line["number"] for line in row["lines"]] == [SECOND]
    assert [call["id"] for call in row["calls"]] == ["two-a"]
    assert {"balance", "debits", "packages", "available"}.isdisjoint(row)


def test_a_call_shows_its_end_and_nothing_of_the_trunk(ana: Context) -> None:
    written(ana, "one")
    row = statements.account_call(ana, "1", "one-a")
    assert (row["id"], row["dialled"], row["ended_by"]) == ("one-a", "004930123456", "caller")
    assert "carrier" not in str(row) and "cost" not in row
    for wrong in ("one", "one-b", "two-a", ""):
        with pytest.raises(OperationError, match="no call") as caught:
            statements.account_call(ana, "1", wrong)
        assert caught.value.code == "account_call_not_found"


def test_a_withheld_caller_is_not_named_on_the_page_of_a_call(ana: Context) -> None:
    written(
        ana, "in", direction="incoming", called=ANA, called_dialled=ANA, calling=ABROAD,
        presented=None,
    )  # fmt: skip
    row = statements.account_call(ana, "1", "in-a")
    assert row["number"] is None and ABROAD not in str(row)


def test_the_sums_are_those_of_the_filtered_calls(ana: Context) -> None:
    written(ana, "one")
    written(ana, "two", answered_at=None, sip_status=486, duration_ms=0)
    missed = {"direction": "incoming", "called": ANA, "calling": ABROAD, "presented": ABROAD}
    written(ana, "three", answered_at=None, duration_ms=0, sip_status=480, **missed)
    total = statements.account_calls_total(ana, "1")
    assert (total["calls"], total["answered"], total["missed"], total["seconds"]) == (3, 1, 1, 60)
    total = statements.account_calls_total(ana, "1", direction="outgoing", answered=False)
    assert (total["calls"], total["missed"]) == (1, 0)
    found = statements.account_calls(ana, "1", limit=5, direction="incoming")
    assert [row["id"] for row in found] == ["three-a"]
    assert refused(statements.account_calls, ana, "1", direction="sideways").startswith("direction")


def test_the_forecast_ends_with_its_days(ana: Context) -> None:
    assert [row["kind"] for row in forecast.package_forecast(ana, "1", 30)] == ["package"]
    rows = forecast.package_forecast(ana, "1", 62)
    assert [(row["kind"], row["paid"], row["short"]) for row in rows] == [
        ("package", True, "0.00"), ("rent", True, "0.00"),
        ("rent", False, "2.00"), ("package", False, "3.00"),
    ]  # fmt: skip
    for days in (0, 401):
        assert refused(forecast.package_forecast, ana, "1", days) == "days must be from 1 to 400"


def test_the_bonus_of_today_is_what_midnight_will_post(ana: Context) -> None:
    assert forecast.bonus_pending(ana, "1")["amount"] == "0.00"
    bonuses.bonus_set(ana, "0.01")
    incoming = {"direction": "incoming", "called": ANA, "calling": ABROAD, "presented": ABROAD}
    written(ana, "in", duration_ms=125_000, ended_at=ana.now_ms(), **incoming)
    pending = forecast.bonus_pending(ana, "1")
    assert (pending["day"], pending["minutes"], pending["amount"]) == ("2027-01-04", 2, "0.02")
    later(ana, "2027-01-05T00:00+04:00")
    assert [row["amount"] for row in bonuses.bonus_list(ana, "1")] == ["0.02"]
    assert forecast.bonus_pending(ana, "1")["amount"] == "0.00"
