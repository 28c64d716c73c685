"""Price lists as Excel workbooks, by whoever sends them."""

from __future__ import annotations

import contextlib
import datetime
import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from command_line import Softswitch

from billing.formats.rate_sheet import read_csv
from softswitch.operations import workbook
from softswitch.operations.workbook import WorkbookError, to_csv

HEADER = ("Prefix", "Destination", "Connect fee", "Per minute", "Initial increment", "Increment")


def book(*rows: tuple[Any, ...]) -> openpyxl.Workbook:
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    return made


def octets(made: openpyxl.Workbook) -> bytes:
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def changed(data: bytes, name: str, content: bytes) -> bytes:
    """The workbook with another part in the place of one."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for part in old.namelist():
            new.writestr(part, content if part == name else old.read(part))
    return file.getvalue()


def test_a_sheet_reads_as_its_csv_would() -> None:
    made = book(
        (*HEADER, "Effective from"),
        (995, "Georgia", 0, 0.06, 1, 1, datetime.datetime(2026, 2, 1)),
        ("0044", "United\nKingdom, all", 0.1 + 0.2, 1e-05, 60, 60, None),
        (),
        (7, "Kazakhstan", "0,5", "0,25", 1, 1, "2026-03-01"),
    )
    made.active["A5"].number_format = "000"
    text = to_csv(octets(made), "\t")
    assert text.splitlines() == [
        "\t".join((*HEADER, "Effective from")),
        "995\tGeorgia\t0\t0.06\t1\t1\t2026-02-01",
        "0044\tUnited Kingdom, all\t0.3\t0.00001\t60\t60\t",
        "",
        "007\tKazakhstan\t0,5\t0,25\t1\t1\t2026-03-01",
    ]
    # The zeros aren't lost, so that it is said of them what such a prefix should be.
    errors = [str(error) for error in read_csv(text, "t", "GEL").errors]
    assert [error.partition(" begins")[0] for error in errors] == [
        "line 3: prefix '0044'", "line 5: prefix '007'",
    ]  # fmt: skip
    read = read_csv(text.replace("0044", "44").replace("007", "7"), "t", "GEL")
    assert [(rate.prefix, rate.per_minute_micros) for rate in read.rates] == [
        ("995", 60_000), ("44", 10), ("7", 250_000),
    ]  # fmt: skip
    assert read.lines[read.rates[2].key] == 5


def test_what_a_spreadsheet_would_compute_is_refused() -> None:
    with pytest.raises(WorkbookError, match="cell D2 has a formula: paste the sheet as values"):
        to_csv(octets(book(HEADER, (995, "Georgia", 0, "=0.05*1.2", 1, 1))))
    made = book(HEADER, (995, "Georgia", 0, 1, 1, 1))
    made.active["D2"].value = "#REF!"
    made.active["D2"].data_type = "e"
    with pytest.raises(WorkbookError, match="cell D2 has the fault #REF!"):
        to_csv(octets(made))


def test_text_that_looks_like_a_formula_is_text() -> None:
    made = book(("a",), ("x",))
    made.active["A2"].value = "=1+1"
    made.active["A2"].data_type = "s"
    assert to_csv(octets(made)) == "a\n=1+1\n"


def test_more_than_the_header_has_is_refused_and_less_is_empty() -> None:
    assert to_csv(octets(book(("a", "b"), (1,)))) == "a,b\n1,\n"
    with pytest.raises(WorkbookError, match="row 2 has more cells than the header"):
        to_csv(octets(book(("a",), (1, 2))))


@pytest.mark.parametrize(
    ("limit", "value", "complaint"),
    [
        ("MAX_BYTES", 100, "bigger than"),
        ("MAX_UNPACKED_BYTES", 1000, "unpacks to too much"),
        ("MAX_PARTS", 3, "unpacks to too much"),
        ("MAX_ROWS", 1, "more than 1 rows"),
        ("MAX_TEXT", 3, "too much text"),
    ],
)
def test_bombs_are_refused(
    limit: str, value: int, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = octets(book(("a",), ("x" * 10,)))
    monkeypatch.setattr(workbook, limit, value)
    with pytest.raises(WorkbookError, match=complaint):
        to_csv(data)


def test_entities_and_broken_parts_are_refused() -> None:
    data = octets(book(("a",), ("x",)))
    sheet = "xl/worksheets/sheet1.xml"
    for declaration in (
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><worksheet/>',
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x><worksheet/>'.encode("utf-16"),
        b"<!-- " + b"x" * 9000 + b"--><!DOCTYPE x><worksheet/>",
    ):
        with pytest.raises(WorkbookError, match="document type"):
            to_csv(changed(data, sheet, declaration))
    for part in (sheet, "xl/workbook.xml", "[Content_Types].xml"):
        for content in (b"", b"<worksheet", b"<a/>", b"\0" * 20):
            with contextlib.suppress(WorkbookError):  # and nothing else
                to_csv(changed(data, part, content))
    for nonsense in (b"PK\x03\x04", b"PK\x03\x04" + b"\0" * 100, data[:-30], data[:300]):
        with pytest.raises(WorkbookError, match="no Excel workbook"):
            to_csv(nonsense)
    with pytest.raises(WorkbookError, match=r"save it as \.xlsx"):
        to_csv(b"\xd0\xcf\x11\xe0" + b"\0" * 600)


def test_a_cell_far_out_makes_no_wide_rows() -> None:
    made = book(("a",), ("x",))
    made.active["XFD2"] = "far"
    made.active["A1000"] = "y"
    assert to_csv(octets(made)).split() == ["a", "x", "y"]


def test_a_workbook_is_imported_and_a_broken_line_has_its_row(
    softswitch: Softswitch, folder: Path
) -> None:
    path = folder / "prices.xlsx"
    good, bad = (995, "Georgia", 0, 0.06, 1, 1), (996, "Kyrgyzstan", 0, "cheap", 1, 1)
    path.write_bytes(octets(book(HEADER, good)))
    done = softswitch("tariff", "import", str(path), "--name", "x", "-o", "json")
    assert done.json["rates"] == 1
    path.write_bytes(octets(book(HEADER, good, bad)))
    done = softswitch("tariff", "import", str(path), "--name", "x")
    assert done.status == 1 and "line 3: per_minute" in done.err
    path.write_bytes(b"PK\x03\x04nonsense")
    done = softswitch("tariff", "import", str(path))
    assert done.status == 1 and "no Excel workbook" in done.err
