"""Pages of lists: the newest first, by key, with the filters that all lists have alike."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from billing.facts.authorization import WriteCdr
from billing.facts.cdr import Cdr
from billing.stores.cdr_search import CdrFilter
from billing.stores.paging import Page
from softswitch.operations import arguments
from softswitch.operations.accounts import accounts, documents, requests, statements
from softswitch.operations.calls import records
from softswitch.operations.context import Context
from softswitch.operations.lines import lines
from softswitch.operations.numbers import numbers
from softswitch.operations.registry import OPERATIONS
from softswitch.operations.tariffs import tariffs
from tests.softswitch.operating import at, refused

ANA, BEKA, ABROAD = "+995322000001", "+995322000003", "+4930123456"
LISTS = {
    name: one.function
    for name, one in OPERATIONS.items()
    if "limit" in (wanted := arguments.parameters(one.function))
    and all(default is not inspect.Parameter.empty for _, default in wanted.values())
}
"""Those that can be asked for without anything else."""
PNG = b"\x89PNG\r\n\x1a\n"


def call(key: str, setup_at: int, account: int, calling: str, called: str) -> Cdr:
    return Cdr(
        key, leg="a", direction="outgoing", type="international", account=account, line=calling,
        calling=calling, called=called, called_dialled=called, presented=calling, trunk=None,
        setup_at=setup_at, ringing_at=None, answered_at=setup_at, ended_at=setup_at + 60_000,
        ring_ms=0, duration_ms=60_000, sip_status=200, cause=16, ended_by="caller", codec="PCMA",
        sip_call_id=key,
    )  # fmt: skip


def every_page(list_: Callable[..., Any], cursor: Callable[[Any], Any], limit: int) -> list[Any]:
    """The rows of all pages, one after another."""
    rows: list[Any] = []
    before = None
    while page := list_(limit=limit, before=before):
        assert len(page) <= limit
        rows += page
        before = cursor(page[-1])
        assert len(rows) < 10_000
    return rows


@pytest.fixture
def peopled(context: Context) -> Context:
    context.now_ms = lambda: at("2026-05-01T00:00Z")
    for name, number in (("Ana", ANA), ("Beka", BEKA)):
        accounts.account_add(context, name)
        lines.line_add(context, number, name, login=name.lower())
    return context


@pytest.fixture
def called(peopled: Context) -> Context:
    """Ana called abroad 30 times, three calls in each instant; Beka called Ana 5 times."""
    begun = at("2026-05-02T00:00Z")
    peopled.apply(
        [WriteCdr(call(f"a{n:02}", begun + n // 3 * 1000, 1, ANA, ABROAD)) for n in range(30)]
        + [WriteCdr(call(f"b{n}", begun + n * 2000 + 500, 2, BEKA, ANA)) for n in range(5)]
    )
    return peopled


def test_cdrs_page_by_page_are_all_of_them_newest_first(called: Context) -> None:
    everything = records.cdr_list(called)
    for filters in ({}, {"account": "Ana"}, {"number": ANA}, {"line": ANA}, {"number": ABROAD}):
        expected = [row["id"] for row in records.cdr_list(called, **filters)][::-1]
        pages = every_page(
            lambda limit, before, chosen=filters: records.cdr_list(
                called, limit=limit, before=before, newest=True, **chosen
            ),
            lambda row: f"{row['setup_at']},{row['id']}",
            4,
        )
        assert [row["id"] for row in pages] == expected
    assert len(everything) == 35
    assert len(records.cdr_list(called, newest=True)) == 35


def test_cdrs_before_and_after_at_once_are_refused(called: Context) -> None:
    cursor = "2026-05-02T00:00:00Z,a00"
    assert "not both" in refused(records.cdr_list, called, before=cursor, after=cursor)
    assert "SETUP_AT,ID" in refused(records.cdr_list, called, before="yesterday")


def test_an_accounts_calls_page_by_page_are_those_that_it_is_shown(called: Context) -> None:
    whole = statements.account_calls(called, "Ana")
    assert len(whole) == 35
    for limit in (1, 4, 50):
        pages = every_page(
            lambda limit, before: statements.account_calls(
                called, "Ana", limit=limit, before=before
            ),
            lambda row: f"{row['at']},{row['id']}",
            limit,
        )
        assert [{k: v for k, v in row.items() if k != "id"} for row in pages] == whole[::-1]


def test_an_accounts_calls_with_one_number_fill_the_page(called: Context) -> None:
    rows = statements.account_calls(called, "Ana", number=BEKA, limit=3)
    assert [row["id"] for row in rows] == ["b4-a", "b3-a", "b2-a"]
    assert {row["direction"] for row in rows} == {"incoming"}
    assert statements.account_calls(called, "Beka", line=BEKA, limit=2)[0]["id"] == "b4-a"


def test_the_ledger_page_by_page_has_the_balance_after_each(peopled: Context) -> None:
    for n in range(9):
        peopled.now_ms = lambda n=n: at("2026-05-01T00:00Z") + n // 2 * 1000
        accounts.account_topup(peopled, "Ana", f"{n + 1}", f"p{n}")
    whole = statements.account_ledger(peopled, "Ana")
    pages = every_page(
        lambda limit, before: statements.account_ledger(peopled, "Ana", limit=limit, before=before),
        lambda row: f"{row['at']},{row['id']}",
        2,
    )
    assert [{k: v for k, v in row.items() if k != "id"} for row in pages] == whole[::-1]
    assert pages[0]["balance"] == "45.00"
    period = refused(statements.account_ledger, peopled, "Ana", since="2026-05-01", limit=5)
    assert "leave one of them out" in period


def test_accounts_are_paged_and_found_by_name_or_id(peopled: Context) -> None:
    for n in range(5):
        accounts.account_add(peopled, f"Café {n}")
    pages = every_page(
        lambda limit, before: accounts.account_list(peopled, limit, before),
        lambda row: row["id"],
        2,
    )
    assert [row["id"] for row in pages] == [7, 6, 5, 4, 3, 2, 1]
    assert [row["name"] for row in accounts.account_list(peopled, search="bek")] == ["Beka"]
    assert [row["id"] for row in accounts.account_list(peopled, search="3")] == [3, 6]
    assert accounts.account_list(peopled, search="%") == []
    assert len(accounts.account_list(peopled, search="Café", limit=2)) == 2


def test_lines_are_paged_and_found_by_number_login_or_name(peopled: Context) -> None:
    lines.line_set(peopled, ANA, "display_name", "Reception")
    assert [row["number"] for row in lines.line_list(peopled, limit=1)] == [BEKA]
    assert [row["number"] for row in lines.line_list(peopled, 5, BEKA)] == [ANA]
    for search, found in (
        ("99532200000", [ANA, BEKA]),
        (BEKA, [BEKA]),
        ("be", [BEKA]),
        ("recep", [ANA]),
        ("_", []),
    ):
        assert [row["number"] for row in lines.line_list(peopled, search=search)] == found
    assert [row["number"] for row in lines.line_list(peopled, account="Beka")] == [BEKA]


def test_numbers_are_paged_and_found_by_their_first_digits(peopled: Context) -> None:
    for n in range(4):
        numbers.number_add(peopled, f"+49301000{n}", "DE", "landline", "5", city="Berlin")
    pages = every_page(
        lambda limit, before: numbers.number_list(peopled, limit=limit, before=before),
        lambda row: row["number"],
        3,
    )
    assert [row["number"][-1] for row in pages] == ["3", "2", "1", "0"]
    assert len(numbers.number_list(peopled, search="4930")) == 4
    assert numbers.number_list(peopled, search="30") == []
    assert numbers.number_list(peopled, account="Ana") == []


def test_waits_documents_and_requests_are_paged(peopled: Context) -> None:
    for n, city in enumerate(("Berlin", "Hamburg", "Munich")):
        peopled.now_ms = lambda n=n: at("2026-05-01T00:00Z") + n * 1000
        numbers.number_wait(peopled, "Ana", "DE", city=city)
        requests.request_open(peopled, "Ana", "fault", f"silence in {city}", line=ANA)
    newest = numbers.number_waits(peopled, limit=2)
    assert [row["city"] for row in newest] == ["Munich", "Hamburg"]
    cursor = f"{newest[-1]['since']},{newest[-1]['id']}"
    assert [row["city"] for row in numbers.number_waits(peopled, 2, cursor)] == ["Berlin"]
    assert numbers.number_waits(peopled, account="Beka") == []
    assert [row["id"] for row in requests.request_list(peopled, limit=2)] == [3, 2]
    assert [row["id"] for row in requests.request_list(peopled, limit=2, before=2)] == [1]
    assert [row["id"] for row in requests.request_list(peopled, search="hamb")] == [2]
    assert requests.request_list(peopled, line=BEKA) == []
    for name in ("one.png", "two.png"):
        content = base64.b64encode(PNG + name.encode()).decode()
        documents.document_upload(peopled, "Ana", "identity", name, content)
    assert [row["name"] for row in documents.document_list(peopled, limit=1)] == ["two.png"]
    assert [row["name"] for row in documents.document_list(peopled, search="ON")] == ["one.png"]


def test_prefixes_of_a_tariff_are_paged_in_their_order(peopled: Context) -> None:
    head = "prefix,destination,connect_fee,per_minute,initial_increment,increment\n"
    rates = "".join(f"{prefix},Somewhere,0,0.1,1,1\n" for prefix in (49, 4930, 7, 995, 44))
    tariffs.tariff_import(peopled, head + rates, name="list")
    first = tariffs.tariff_show(peopled, "list", limit=2)
    assert [row["prefix"] for row in first] == ["44", "49"]
    rest = tariffs.tariff_show(peopled, "list", after="49")
    assert [row["prefix"] for row in rest] == ["4930", "7", "995"]
    found = tariffs.tariff_show(peopled, "list", search="+49")
    assert sorted(row["prefix"] for row in found) == ["49", "4930"]


def test_a_limit_of_none_or_too_many_is_refused(peopled: Context) -> None:
    assert "from 1 to 10000" in refused(accounts.account_list, peopled, limit=0)
    assert "from 1 to 10000" in refused(lines.line_list, peopled, limit=10_001)


@pytest.mark.parametrize("name", sorted(LISTS))
def test_no_list_takes_a_limit_of_less_than_one_row(peopled: Context, name: str) -> None:
    assert "a limit is from 1 to " in refused(LISTS[name], peopled, limit=-1)


@pytest.mark.parametrize(
    "wanted",
    [
        CdrFilter(),
        CdrFilter(account=1),
        CdrFilter(line=ANA),
        CdrFilter(type="international"),
    ],
    ids=["all", "account", "line", "type"],
)
def test_a_page_of_cdrs_is_read_by_an_index(called: Context, wanted: CdrFilter) -> None:
    begun = at("2026-05-02T00:00:05Z")
    page = replace(wanted, newest_first=True, limit=50, before=(begun, "a15"))
    assert_by_index(called, lambda: called.billing.cdrs(page), "cdrs")


def test_a_page_of_the_ledger_is_read_by_an_index(peopled: Context) -> None:
    accounts.account_topup(peopled, "Ana", "1", "p1")
    page = Page(50, (at("2026-06-01T00:00Z"), "x"))
    assert_by_index(peopled, lambda: peopled.billing.ledger_page(1, page), "ledger_entries")


def assert_by_index(context: Context, read: Callable[[], object], table: str) -> None:
    """The database's plan of each question about a table has an index and reads no whole table."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, text: str, parameters: Any, *_: Any) -> None:
        if f"FROM {table}" in text:
            asked.append((text, parameters))

    engine = context.billing.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        read()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert asked
    for text, parameters in asked:
        with engine.connect() as connection:
            plan = " ".join(
                str(row[3])
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)
            )
        assert f"SEARCH {table} USING INDEX" in plan, plan
        assert "SCAN" not in plan, plan
