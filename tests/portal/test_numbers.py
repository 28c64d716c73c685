"""Numbers in the cabinet: shop, order, trial, way of calls, giving up, porting; without scripts."""

from __future__ import annotations

import re

import pytest
from served import Browserless, Served, token
from test_lines import codes

DATABASES = ("sqlite", "postgresql")

ANA, BEKA = "+995322000001", "+995322000002"
ORDER = "/numbers/order?country=DE&city=Berlin&kind=landline"


@pytest.fixture(scope="module", autouse=True)
def inventory(portal: Served) -> None:
    """Seven numbers of Berlin, one for a text, an offer of Paris, discounts, money."""
    for last in range(7):
        portal.command("number", "add", f"+4930123450{last}", "--country", "DE", "--city", "Berlin",
                       "--monthly", "0.10")  # fmt: skip
    portal.command("number", "add", "+447700900001", "--country", "GB", "--kind", "sms",
                   "--service", "Telegram", "--monthly", "0.40")  # fmt: skip
    portal.command("number", "offer", "--country", "FR", "--city", "Paris", "--monthly", "3",
                   "--documents", "passport")  # fmt: skip
    portal.command("rental", "discounts", "--12-months", "10", "--5-numbers", "10")


def rented(portal: Served, last: int) -> str:
    """A number of Hamburg that is Ana's."""
    number, stock = f"+49401234{last:03}", ("--country", "DE", "--city", "Hamburg")
    portal.command("number", "add", number, *stock, "--monthly", "0.10")
    portal.command("rental", "order", "1", number, "--line", ANA)
    return number


def available(portal: Served) -> str:
    return str(portal.command("account", "show", "1")[0]["available"])


def test_the_shop_shows_countries_then_offers(ana: Browserless) -> None:
    assert '<option value="DE"' in ana.get("/numbers/shop").text
    germany = ana.get("/numbers/shop", country="DE").text
    assert "Germany, Berlin · landline" in germany and ">7</bdi> in stock" in germany
    france = ana.get("/numbers/shop", country="FR").text
    assert "Documents needed: passport" in france and "5-15" in france


def test_the_price_that_is_shown_is_the_price_that_is_charged(
    portal: Served, ana: Browserless
) -> None:
    """Twelve months of five numbers at 0.10: 6.00 less ten percent and ten percent."""
    shown = ana.get("/numbers/order", country="DE", city="Berlin", kind="landline", months="12",
                    count="5").text  # fmt: skip
    price = re.search(r'<p class="large"><bdi>([0-9.]+)', shown)
    assert price is not None
    before = available(portal)
    fields = {"do": "rental_order", "country": "DE", "city": "Berlin", "kind": "landline",
              "count": "5", "months": "12", "line": ANA}  # fmt: skip
    answer = ana.send_form(ORDER, shown, fields)
    assert "The number is yours and rings at once." in answer.text
    assert f"{float(before) - float(available(portal)):.2f}" == price[1]
    rentals = portal.command("rental", "list", "--account", "1")
    assert len(rentals) == 5 and {row["months"] for row in rentals} == {12}


def test_an_order_that_is_sent_twice_is_charged_once(portal: Served, ana: Browserless) -> None:
    shown = ana.get(ORDER).text
    fields = {"csrf": token(shown, "csrf"), "key": "k" * 24, "do": "rental_order",
              "country": "DE", "city": "Berlin", "kind": "landline", "count": "1", "months": "1",
              "line": ANA}  # fmt: skip
    before = len(portal.command("rental", "list", "--account", "1"))
    for _ in range(2):
        assert ana.send("POST", ORDER, data=fields).status_code == 303
    assert len(portal.command("rental", "list", "--account", "1")) == before + 1


def test_an_order_without_money_says_how_much_is_missing(ana: Browserless) -> None:
    shown = ana.get("/numbers/order", country="FR", city="Paris", count="100", months="12").text
    assert "are missing." in shown and 'href="/money"' in shown
    assert 'name="do" value="order_add"' not in shown


def test_a_number_on_order_waits_for_documents_and_is_cancelled(
    portal: Served, ana: Browserless
) -> None:
    page = "/numbers/order?country=FR&city=Paris&kind=landline"
    fields = {"do": "order_add", "country": "FR", "city": "Paris", "kind": "landline",
              "count": "1", "months": "1", "line": ANA}  # fmt: skip
    answer = ana.send_form(page, ana.get(page).text, fields)
    assert "waits for your documents" in answer.text
    (order,) = portal.command("order", "list", "--account", "1")
    ana.post("/numbers", do="order_cancel", order=order["id"])
    assert portal.command("order", "list", "--account", "1") == []


def test_the_way_of_a_call_follows_the_two_targets(portal: Served, ana: Browserless) -> None:
    number = rented(portal, 1)
    page = f"/numbers/{number}"
    shown = ana.get(page).text
    fields = {"csrf": token(shown, "csrf"), "key": "t" * 24, "do": "number_reach",
              "targets": [ANA, BEKA], "in_turn": "true", "seconds": "10", "confirm": "true",
              "greeting": ""}  # fmt: skip
    ana.send("POST", page, data=fields)
    (reach,) = portal.command("number", "reach", number)
    assert (reach["target_values"], reach["in_turn"], reach["seconds"]) == ([ANA, BEKA], True, 10)
    way = ana.get(page).text
    assert f'<bdi dir="ltr">{ANA}</bdi> rings for <bdi>10</bdi> seconds.' in way
    assert f'<bdi dir="ltr">{BEKA}</bdi> rings for <bdi>10</bdi> seconds.' in way
    assert "presses 1 to take it" in way


def test_a_wrong_target_is_refused_beside_its_field(portal: Served, ana: Browserless) -> None:
    page = f"/numbers/{rented(portal, 2)}"
    answer = ana.post(page, do="number_reach", targets="sip:nobody@", seconds="10")
    assert 'id="error-number_reach-targets"' in answer.text


def test_a_number_is_given_up_when_it_is_typed_again(portal: Served, ana: Browserless) -> None:
    number = rented(portal, 3)
    page = f"/numbers/{number}/give-up"
    refused = ana.post(page, typed="+494012345")
    assert codes(refused.text) == ["number_not_repeated"]
    assert "The number is given up." in ana.post(page, typed=number).text
    rentals = portal.command("rental", "list", "--account", "1", "--ended")
    assert [row["state"] for row in rentals if row["number"] == number] == ["ended"]


def test_a_trial_counts_down_and_can_be_rented(portal: Served, ana: Browserless) -> None:
    number = "+49301234506"
    answer = ana.post("/numbers/stock?country=DE", do="number_try", number=number, line=ANA)
    assert "The number is yours for an hour." in answer.text
    assert re.search(r"<bdi>(59:\d\d|1:00:00)</bdi> left", answer.text)
    page = f"/numbers/order?number={number.replace('+', '%2B')}"
    fields = {"do": "rental_order", "numbers": number, "months": "1", "line": ANA}
    ana.send_form(page, ana.get(page).text, fields)
    assert number in {row["number"] for row in portal.command("rental", "list", "--account", "1")}


def test_a_sip_account_shows_its_password_once(portal: Served, ana: Browserless) -> None:
    answer = ana.post(f"/numbers/{rented(portal, 4)}", do="sip_account_add", label="Berlin")
    assert re.search(r'<code class="secret" dir="ltr">\w{20}</code>', answer.text)
    assert "sip-" in answer.text


def test_a_number_for_one_text_is_bought_and_waits(portal: Served, ana: Browserless) -> None:
    answer = ana.post("/numbers/sms", do="number_sms", service="Telegram", country="GB")
    assert "+447700900001" in answer.text and "waits for its text" in answer.text
    (row,) = portal.command("number", "for-texts", "1")
    assert (row["number"], row["state"]) == ("+447700900001", "lent")


def test_waiting_for_a_number_is_begun_and_left(portal: Served, ana: Browserless) -> None:
    ana.post("/numbers/shop", do="number_wait", country="IT", city="Rome", kind="landline")
    (wait,) = portal.command("number", "waits")
    assert (wait["country"], wait["city"]) == ("IT", "Rome")
    ana.post("/numbers", do="number_unwait", wait_id=wait["id"])
    assert portal.command("number", "waits") == []


def test_a_number_of_another_operator_is_asked_for_with_its_proof(
    portal: Served, ana: Browserless
) -> None:
    shown = ana.get("/numbers/bring").text
    fields = {"csrf": token(shown, "csrf"), "do": "port_in", "number": "+995322333444",
              "operator": "Other Telecom", "consent": "yes"}  # fmt: skip
    files = {"content": ("bill.pdf", b"%PDF-1.7 a bill", "application/pdf")}
    ana.send("POST", "/numbers/bring", data=fields, files=files)
    (order,) = portal.command("port", "list")
    assert (order["number"], order["state"]) == ("+995322333444", "requested")
    (paper,) = portal.command("document", "list", "--account", "1")
    assert (paper["class"], paper["name"]) == ("porting", "bill.pdf")
    shown = ana.get("/numbers/bring").text
    assert "requested" in shown and "bill.pdf" in shown
    ana.post("/numbers/bring", do="port_cancel", order=order["id"])
    assert portal.command("port", "list") == []


def test_the_table_of_caller_ids_names_the_country(portal: Served, ana: Browserless) -> None:
    ana.post(f"/lines/{ANA}/services", do="caller_id", value=rented(portal, 5))
    shown = ana.get("/numbers/caller-id").text
    assert "Germany" in shown and "withheld" in shown


@pytest.mark.parametrize("path", ["/numbers/+49301299999", "/numbers/+49301299999/give-up"])
def test_a_number_that_is_not_the_accounts_is_not_there(ana: Browserless, path: str) -> None:
    assert ana.send("GET", path).status_code == 404
