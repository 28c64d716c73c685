"""Tables for spreadsheets, published prices, numbers taken back, and the language of parts."""

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


def test_A12_a_stranger_sees_the_published_price_of_a_number_and_nothing_of_the_operator_s(
    portal: Served,
) -> None:
    stranger = Browserless(portal.url)
    shown = stranger.get("/rates", number="+49 30 123456").text
    assert "+4930123456" in shown
    assert "Germany" in shown
    quote = portal.command("tariff", "quote", "+4930123456")[0]
    assert str(quote["per_minute"]) in shown
    for word in ("margin", "trunk", "cost_currency"):
        assert word not in shown
    prices = stranger.get("/rates", country="DE", lang="fa").text
    assert "+49" in prices
    assert "countries." not in prices
    assert stranger.get("/rates", number="no number").status_code == 422
    assert "no prices" in stranger.get("/rates", country="AQ").text
    table = stranger.get("/rates.csv").text.splitlines()
    assert table[0].removeprefix("\ufeff").split(",")[:3] == ["prefix", "destination", "per_minute"]
    assert len(table) == 1 + len(portal.command("tariff", "show", "default"))


def test_A12_a_subscriber_sees_the_price_by_the_own_tariff(
    portal: Served, ana: Browserless
) -> None:
    before = ana.get("/rates", number="+4930123456").text  # no trunk: the published price
    assert "+4930123456" in before
    assert "By the tariff of your line" not in before
    portal.command("trunk", "add", "out", "--target", "sip:192.0.2.1")
    shown = ana.get("/rates", number="+4930123456").text
    assert "By the tariff of your line" in shown
    assert "192.0.2.1" not in shown
    assert 'href="/rates"' in ana.get("/more").text


def test_too_many_questions_about_prices_wait(portal: Served, ana: Browserless) -> None:
    found = [ana.get("/rates", country="DE").status_code for _ in range(40)]
    assert found[0] == 200
    assert 403 in found
