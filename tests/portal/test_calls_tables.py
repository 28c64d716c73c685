"""Tables for spreadsheets, published prices, numbers taken back, and the language of parts."""

from __future__ import annotations

import io

import pytest
from openpyxl import load_workbook
from served import Browserless, Served, token

pytestmark = pytest.mark.timeout(300)  # real processes, on machines that may be busy

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


def test_E3_an_operator_offers_numbers_to_choose_from(
    portal: Served, ana: Browserless, admin: Browserless
) -> None:
    numbers = [f"+493055588{n}" for n in (1, 2)]
    for number in numbers:
        portal.command(
            "number", "add", number, "--country", "DE", "--city", "Bonn", "--monthly", "2"
        )
    portal.command("account", "topup", "1", "50", "--payment-id", "for-a-choice")
    admin.post("/op/customers/1", do="number_choice_offer", numbers="\n".join(numbers), hours=24)
    shown = ana.get("/numbers").text
    assert [number in shown for number in numbers] == [True, True]
    assert "We offer you numbers to choose from" in ana.get("/notices").text
    (line,) = [row["number"] for row in portal.command("line", "list", "--account", "1")][:1]
    ana.post(
        f"/numbers/order?number=%2B{numbers[0][1:]}", do="rental_order", numbers=numbers[0],
        months="1", line=line,
    )  # fmt: skip
    left = portal.command("choice", "show", "1")
    assert [row["number"] for row in left] == numbers[1:]
    refused = admin.post("/op/customers/1", do="number_choice_offer", numbers=numbers[0], hours=24)
    assert 'data-code="number_not_in_stock"' in refused.text


def test_E19_a_studio_greeting_is_ordered_as_a_request(portal: Served, ana: Browserless) -> None:
    (line,) = [row["number"] for row in portal.command("line", "list", "--account", "1")][:1]
    page = f"/greetings/%2B{str(line)[1:]}"
    assert 'value="order_greeting"' in ana.get(page).text
    ana.post(page, do="order_greeting", text="You have reached Ana", language="ka", voice="female")
    (made,) = [row for row in portal.command("request", "list") if row["kind"] == "greeting"]
    assert (made["line"], made["text"]) == (line, "You have reached Ana")
    (shown,) = portal.command("request", "show", str(made["id"]))
    assert shown["facts"]["details"] == {"language": "ka", "voice": "female"}
    wrong = ana.post(page, do="order_greeting", text="x", language="ka", voice="robot")
    assert "data-code=" in wrong.text


def test_E20_staff_set_the_discounts(portal: Served, admin: Browserless) -> None:
    admin.post("/op/numbers/discounts", do="rental_discount_set", what="12 months", percent=15)
    rows = {row["for"]: row["percent"] for row in portal.command("rental", "discounts")}
    assert rows["12 months"] == 15
    wrong = admin.post(
        "/op/numbers/discounts", do="rental_discount_set", what="12 months", percent=101
    )
    assert 'data-code="discount_malformed"' in wrong.text


def test_E4_the_documents_of_an_order_are_uploaded_inside_it(
    portal: Served, ana: Browserless
) -> None:
    number = "+442079460177"
    portal.command(
        "number", "add", number, "--country", "GB", "--monthly", "3", "--documents", "address"
    )
    portal.command("account", "topup", "1", "50", "--payment-id", "for-papers")
    (line,) = [row["number"] for row in portal.command("line", "list", "--account", "1")][:1]
    ordering = ana.get("/numbers/order", number=number).text
    assert '<li aria-current="step">Term and price</li>' in ordering
    ana.post(
        f"/numbers/order?number=%2B{number[1:]}", do="rental_order", numbers=number, months="1",
        line=line,
    )  # fmt: skip
    shown = ana.get("/numbers").text
    assert '<li aria-current="step">Documents</li>' in shown
    fields = {"csrf": token(shown, "csrf"), "key": "p" * 24, "do": "document_upload",
              "kind": "address"}  # fmt: skip
    file = {"content": ("bill.pdf", b"%PDF-1.7 a bill", "application/pdf")}
    ana.send("POST", "/numbers", data=fields, files=file)
    found = [row for row in portal.command("document", "list") if row["class"] == "address"]
    assert [row["state"] for row in found] == ["pending"]
    portal.command("document", "approve", str(found[0]["id"]))
    assert '<li aria-current="step">Documents</li>' not in ana.get("/numbers").text
