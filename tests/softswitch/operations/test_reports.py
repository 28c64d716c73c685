"""Reports (A18, C1, C15, C22): call details by type and by number, statements, exports."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from billing.facts.authorization import WriteCdr
from billing.facts.cdr import Cdr
from billing.formats.export import ACC_HEADER, CGRATES_HEADER
from billing.stores import cdr_search, schema
from billing.stores.cdr_search import CdrFilter
from billing.stores.store import Store
from softswitch.cli import spreadsheet
from softswitch.control.errors import OperationError
from softswitch.operations.accounts import accounts, statements
from softswitch.operations.calls import records
from softswitch.operations.context import Context
from softswitch.operations.lines import lines
from softswitch.operations.numbers import moves, numbers

MAY = 1_777_593_600_000
"""1 May 2026, midnight UTC."""
HOUR, DAY = 3_600_000, 86_400_000
ANA, ANAS_SECOND, BEKA = "+995322000001", "+995322000002", "+995322000003"
ABROAD, MOBILE, SPECIAL = "+4930123456", "+995599123456", "+995800100100"


def record(key: str, at: int, called: str, kind: str, **more: Any) -> Cdr:
    facts = {
        "leg": "a", "direction": "outgoing", "account": 1, "line": ANA, "calling": ANA,
        "called_dialled": called, "presented": ANA, "trunk": None, "ringing_at": at + 500,
        "answered_at": at + 1000, "ended_at": at + 61_000, "ring_ms": 500, "duration_ms": 60_000,
        "sip_status": 200, "cause": 16, "ended_by": "caller", "sip_call_id": f"{key}@phone",
        "codec": "PCMA",
    }  # fmt: skip
    return Cdr(key, called=called, type=kind, setup_at=at, **(facts | more))


@pytest.fixture
def told(context: Context) -> Context:
    context.now_ms = lambda: MAY - DAY
    for name in ("Ana", "Beka"):
        accounts.account_add(context, name)
    for number, owner in ((ANA, "Ana"), (ANAS_SECOND, "Ana"), (BEKA, "Beka")):
        lines.line_add(context, number, owner)
    anas = [
        record("mobile", MAY, MOBILE, "mobile"),
        record("abroad", MAY + DAY, ABROAD, "international", line=ANAS_SECOND, calling=ANAS_SECOND),
        record("special", MAY + 2 * DAY, SPECIAL, "special"),
        record("back", MAY + 3 * DAY, ANA, "on_net", direction="incoming", calling=ABROAD,
               presented=None, line=ANA),
        record("again", MAY + 4 * DAY, MOBILE, "mobile", answered_at=None, sip_status=486,
               cause=17, duration_ms=0),
    ]  # fmt: skip
    bekas = record("beka", MAY + 5 * DAY, ANA, "on_net", direction="internal", account=2,
                   line=BEKA, calling=BEKA, presented=BEKA)  # fmt: skip
    results = context.apply([WriteCdr(cdr) for cdr in [*anas, bekas]])
    assert not any(isinstance(result, Exception) for result in results)
    return context


def found(context: Context, **wanted: Any) -> list[str]:
    return [row["call_id"] for row in records.cdr_list(context, **wanted)]


def test_C22_by_type_within_dates(told: Context) -> None:
    assert found(told, kind="mobile") == ["mobile", "again"]
    assert found(told, kind="mobile", since="2026-05-02", until="2026-06-01") == ["again"]
    assert found(told, kind="international", since="2026-05-03") == []


def test_C22_by_one_number_within_dates(told: Context) -> None:
    assert found(told, number=ABROAD) == ["abroad", "back"]
    assert found(told, number=ABROAD, until="2026-05-03") == ["abroad"]
    assert found(told, number=ANA, account="Beka") == ["beka"]


def test_C1_calls_of_a_line(told: Context) -> None:
    assert found(told, line=ANAS_SECOND) == ["abroad"]
    assert found(told, line=ANA, direction="incoming") == ["back"]


def test_C15_special_services_are_a_class_of_their_own(told: Context) -> None:
    assert found(told, kind="special", account="Ana") == ["special"]


def test_pages_follow_each_other_without_gap_or_repetition(told: Context) -> None:
    told.apply([WriteCdr(record(f"same{n}", MAY + DAY, MOBILE, "mobile")) for n in range(7)])
    whole = found(told)
    pages: list[str] = []
    after = None
    while rows := records.cdr_list(told, limit=3, after=after):
        pages += [row["call_id"] for row in rows]
        after = f"{rows[-1]['setup_at']},{rows[-1]['id']}"
    assert pages == whole and len(whole) == 13
    by_number, after = [], None
    while rows := records.cdr_list(told, limit=2, after=after, number=MOBILE):
        by_number += [row["call_id"] for row in rows]
        after = f"{rows[-1]['setup_at']},{rows[-1]['id']}"
    assert by_number == found(told, number=MOBILE)
    with pytest.raises(OperationError, match="SETUP_AT,ID"):
        records.cdr_list(told, after="yesterday")


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (CdrFilter(number=MOBILE, start=MAY, end=MAY + DAY, limit=100), "cdrs_by_call"),
        (CdrFilter(type="special", start=MAY, limit=100), "cdrs_by_type"),
        (CdrFilter(account=1, start=MAY, limit=100), "cdrs_by_account"),
        (CdrFilter(start=MAY, end=MAY + DAY, limit=100), "cdrs_by_time"),
        (CdrFilter(type="special", after=(MAY, "x-a"), limit=100), "cdrs_by_type"),
        (CdrFilter(line=ANA, start=MAY, limit=100), "cdrs_by_line"),
        (CdrFilter(direction="forwarded", limit=100), "cdrs_by_direction"),
        (CdrFilter(direction="forwarded", type="mobile", limit=100), "cdrs_by_direction"),
    ],
)
def test_no_question_reads_all_records(wanted: CdrFilter, index: str) -> None:
    """Each goes by an index, and none has to sort more than those of one moment."""
    books = Store("sqlite://")
    books.create()
    with books.reading() as connection:
        side = None if wanted.number is None else schema.cdrs.c.called
        query = cdr_search._query(connection, wanted, side)
        sql = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
        plan = " / ".join(
            row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")
        )
    books.close()
    assert f"USING INDEX {index}" in plan, plan
    assert "TEMP B-TREE FOR ORDER BY" not in plan.replace("LAST TERM OF ", ""), plan


def test_the_index_that_leaves_the_least_to_do_serves(told: Context) -> None:
    """SQLite by itself would take any of them."""
    told.apply([WriteCdr(record(f"busy{n}", MAY + n, SPECIAL, "special")) for n in range(30)])
    with told.billing.reading() as connection:
        for wanted, index in (
            (CdrFilter(account=2, number=SPECIAL), "cdrs_by_account"),
            (CdrFilter(line=BEKA, number=SPECIAL), "cdrs_by_line"),
            (CdrFilter(line=ANA, number=ABROAD), "cdrs_by_called"),
            (CdrFilter(account=1, number=ABROAD), "cdrs_by_called"),
            (CdrFilter(account=1, type="international"), "cdrs_by_type"),
            (CdrFilter(account=1, direction="outgoing", type="special"), "cdrs_by_account"),
            (CdrFilter(direction="internal", type="special"), "cdrs_by_direction"),
            (CdrFilter(account=2, type="special"), "cdrs_by_account"),
        ):
            side = None if wanted.number is None else schema.cdrs.c.called
            query = cdr_search._query(connection, wanted, side)
            sql = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
            plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]
            assert f"USING INDEX {index} " in plan[0], (wanted, plan)


def test_A18_calls_in_both_directions_as_the_subscriber_may_see_them(told: Context) -> None:
    rows = statements.account_calls(told, "Ana")
    assert [(row["direction"], row["line"], row["number"]) for row in rows] == [
        ("outgoing", ANA, MOBILE),
        ("outgoing", ANAS_SECOND, ABROAD),
        ("outgoing", ANA, SPECIAL),
        ("incoming", ANA, None),  # who withheld his number
        ("outgoing", ANA, MOBILE),
        ("incoming", ANA, BEKA),
    ]
    assert rows[-1]["price"] == "0.00" and rows[-1]["currency"] is None
    assert [row["type"] for row in statements.account_calls(told, "Ana", kind="special")] == [
        "special"
    ]
    assert len(statements.account_calls(told, "Ana", number=MOBILE, since="2026-05-02")) == 1


def test_A18_who_had_the_number_before_is_no_business_of_who_has_it_now(told: Context) -> None:
    lines.line_remove(told, ANA)
    told.now_ms = lambda: MAY + 10 * DAY
    lines.line_add(told, ANA, "Beka")
    assert not [row for row in statements.account_calls(told, "Beka") if row["line"] == ANA]
    call = record("later", MAY + 11 * DAY, ANA, "on_net", direction="internal", line=ANAS_SECOND,
                  calling=ANAS_SECOND, presented=ANAS_SECOND)  # fmt: skip
    told.apply([WriteCdr(call)])
    assert [row["number"] for row in statements.account_calls(told, "Beka")][1:] == [ANAS_SECOND]


def test_A18_calls_to_a_number_from_before_it_was_changed_stay_on_the_statement(
    told: Context,
) -> None:
    told.now_ms = lambda: MAY + 10 * DAY
    moves.number_change(told, ANA, "+995322000009")
    rows = statements.account_calls(told, "Ana")
    assert [(row["direction"], row["line"]) for row in rows[-3::2]] == [
        ("incoming", ANA),
        ("incoming", ANA),
    ]


def test_A18_calls_to_rented_numbers_came_in_whoever_called(told: Context) -> None:
    rented = "+4930999999"
    numbers.number_add(told, rented, "DE", "landline", "0")
    numbers.rental_order(told, "Ana", ANA, [rented])
    calls = [
        record("trunk", MAY, rented, "on_net", direction="incoming", calling=ABROAD,
               presented=ABROAD, line=ANA),
        record("ours", MAY, rented, "on_net", direction="internal", account=2, line=BEKA,
               calling=BEKA, presented=BEKA),
    ]  # fmt: skip
    told.apply([WriteCdr(cdr) for cdr in calls])
    rows = [row for row in statements.account_calls(told, "Ana") if row["line"] == rented]
    assert [(row["direction"], row["number"], row["price"]) for row in rows] == [
        ("incoming", BEKA, "0.00"),
        ("incoming", ABROAD, "0.00"),
    ]


@pytest.mark.parametrize(("key", "value"), [("kind", "mobil"), ("direction", "in")])
def test_C22_a_type_that_there_is_not_is_refused(told: Context, key: str, value: str) -> None:
    with pytest.raises(OperationError, match=r"must be o.*, not "):
        records.cdr_list(told, **{key: value})


def test_a_statement_begins_with_the_balance_of_its_day(context: Context) -> None:
    accounts.account_add(context, "Ana")
    for day, amount in ((1, "10"), (2, "5.5"), (3, "1")):
        context.now_ms = lambda day=day: MAY + day * DAY  # type: ignore[misc]
        accounts.account_topup(context, "Ana", amount, f"p{day}")
    ledger = statements.account_ledger
    assert [row["balance"] for row in ledger(context, "Ana")] == ["10.00", "15.50", "16.50"]
    rows = ledger(context, "Ana", "2026-05-03T00:00Z", "2026-05-04T00:00Z")
    assert [(row["kind"], row["amount"], row["balance"]) for row in rows] == [
        ("opening", "0.00", "10.00"),
        ("topup", "5.50", "15.50"),
    ]
    (later,) = ledger(context, "Ana", "2026-06-01")
    assert (later["kind"], later["balance"]) == ("opening", "16.50")


COLUMNS = {
    "asterisk": "accountcode,src,dst,dcontext,clid,channel,dstchannel,lastapp,lastdata,start,"
    "answer,end,duration,billsec,disposition,amaflags,uniqueid,userfield",
    "freeswitch": "caller_id_name,caller_id_number,destination_number,context,start_stamp,"
    "answer_stamp,end_stamp,duration,billsec,hangup_cause,uuid,bleg_uuid,accountcode,read_codec,"
    "write_codec",
    "acc": ",".join(ACC_HEADER),
    "cgrates": ",".join(CGRATES_HEADER),
}


def test_a_format_that_isnt_known_is_named_with_those_that_are(context: Context) -> None:
    with pytest.raises(OperationError, match="asterisk, freeswitch, acc or cgrates"):
        records.cdr_export(context, format="")


def exported(context: Context, name: str) -> list[dict[str, str]]:
    text = records.cdr_export(context, format=name)
    rows = list(csv.reader(io.StringIO(text)))
    names = COLUMNS[name].split(",")
    if name in ("acc", "cgrates"):
        assert rows.pop(0) == names
    assert all(len(row) == len(names) for row in rows)
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_exports_have_the_columns_that_others_read(told: Context) -> None:
    first, *_, busy, _ = exported(told, "asterisk")
    assert first["start"] == "2026-05-01 00:00:00" and first["answer"] == "2026-05-01 00:00:01"
    assert (first["src"], first["dst"], first["accountcode"]) == (ANA, MOBILE, "1")
    assert (first["duration"], first["billsec"], first["disposition"]) == ("61", "60", "ANSWERED")
    assert (busy["disposition"], busy["answer"], busy["billsec"]) == ("BUSY", "", "0")
    every = records.cdr_export(told, format="asterisk").splitlines()
    assert all(line.startswith('"') and line.endswith('"') for line in every)

    first, *_, busy, _ = exported(told, "freeswitch")
    assert (first["hangup_cause"], first["uuid"]) == ("NORMAL_CLEARING", "mobile-a")
    assert (busy["hangup_cause"], busy["read_codec"]) == ("USER_BUSY", "PCMA")

    first, *_, busy, _ = exported(told, "acc")
    assert (first["sip_code"], first["sip_reason"], first["callid"]) == (
        "200",
        "OK",
        "mobile@phone",
    )
    assert (busy["sip_code"], busy["sip_reason"], busy["duration"]) == ("486", "Busy Here", "0")

    first, *_ = exported(told, "cgrates")
    assert (first["ToR"], first["Usage"], first["Destination"]) == ("*voice", "60000ms", MOBILE)
    assert first["AnswerTime"] == "2026-05-01T00:00:01.000Z"


def test_a_workbook_holds_numbers_as_numbers_and_no_formulas(tmp_path: Path) -> None:
    rows = [
        {"at": "2026-05-01", "amount": "-12.50", "who": "=1+1", "count": 3, "number": ANA},
        {"at": "2026-05-02", "amount": "0.000001", "who": "a\x01b", "count": None, "more": ["x"]},
    ]
    spreadsheet.write(rows, tmp_path / "book.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "book.xlsx").active
    header, first, second = sheet.iter_rows()
    assert [cell.value for cell in header] == ["at", "amount", "who", "count", "number", "more"]
    assert [cell.value for cell in first] == ["2026-05-01", -12.5, "=1+1", 3, ANA, None]
    assert first[2].data_type == "s" and first[4].data_type == "s"
    assert Decimal(str(second[1].value)) == Decimal("0.000001")
    assert (second[2].value, second[5].value) == (r"a\x01b", "x")
