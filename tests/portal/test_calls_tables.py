"""Calls as tables for spreadsheets, numbers given up and taken back, and the language of parts."""

from __future__ import annotations

import io

from openpyxl import load_workbook
from served import Browserless, Served

HEADER = [
    "at", "direction", "line", "number", "type", "answered", "seconds", "billed_seconds", "price",
    "currency", "package",
]  # fmt: skip


def test_A18_calls_are_a_workbook_as_they_are_filtered(portal: Served, ana: Browserless) -> None:
    answer = ana.get("/calls.xlsx", direction="outgoing")
    assert answer.status_code == 200
    sheet = load_workbook(io.BytesIO(answer.content)).active
    assert [cell.value for cell in next(sheet.iter_rows())] == HEADER
    assert 'filename="calls.xlsx"' in answer.headers["content-disposition"]
    assert "/calls.xlsx?" in ana.get("/calls").text or "/calls.csv" not in ana.get("/calls").text
    assert ana.get("/calls.xlsx", since="nonsense").status_code == 422


def test_a_part_that_is_loaded_again_has_the_language_of_its_page(
    portal: Served, ana: Browserless
) -> None:
    shown = f"{portal.url}/?lang=ka"
    part = ana.send("GET", "/", headers={"hx-request": "true", "hx-current-url": shown})
    assert '<html lang="ka"' in part.text
    own = ana.send("GET", "/", headers={"hx-current-url": f"{portal.url}/"})
    assert '<html lang="en"' in own.text
    odd = ana.send("GET", "/?lang=ru", headers={"hx-current-url": f"{portal.url}/?lang=ka"})
    assert '<html lang="ru"' in odd.text
    wrong = ana.send("GET", "/", headers={"hx-current-url": "http://[/?lang=xx"})
    assert '<html lang="en"' in wrong.text


def test_E16_a_number_that_was_given_up_is_taken_back(portal: Served, ana: Browserless) -> None:
    portal.command("account", "topup", "1", "50", "--payment-id", "for-a-number")
    number = "+4930555777"
    portal.command("number", "add", number, "--country", "DE", "--city", "Berlin", "--monthly", "2")
    (line,) = [row["number"] for row in portal.command("line", "list", "--account", "1")][:1]
    ana.post(
        f"/numbers/order?number=%2B{number[1:]}", do="rental_order", numbers=number, months="1",
        line=line,
    )  # fmt: skip
    ana.post(f"/numbers/%2B{number[1:]}/give-up", typed=number)
    shown = ana.get("/numbers").text
    assert 'value="rental_keep"' in shown
    answer = ana.post("/numbers", do="rental_keep", number=number, line=str(line))
    assert "The number is yours again" in answer.text
    rows = portal.command("rental", "list", "--account", "1")
    assert [(row["number"], row["state"], row["line"]) for row in rows] == [
        (number, "active", line)
    ]
    assert 'value="rental_keep"' not in ana.get("/numbers").text
