"""Orders for numbers at the command line and as operations (E1-E4, E10, E20)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from operating import at, later, refused

from softswitch.config import config
from softswitch.control.errors import OperationError
from softswitch.mail.outbox import Outbox
from softswitch.operations.accounts import accounts, documents
from softswitch.operations.accounts.standing import account_status
from softswitch.operations.context import Context
from softswitch.operations.installation import setup
from softswitch.operations.lines import lines
from softswitch.operations.money import packages
from softswitch.operations.numbers import moves, numbers, orders

if TYPE_CHECKING:
    from command_line import Softswitch

CONFIGURATION = setup.configuration_text(
    domain="sip.example.org", address="127.0.0.1", port=5060, country="GE", currency="GEL",
    time_zone="Asia/Tbilisi",
)  # fmt: skip
ANA = "+995322000001"
ZONE = "Asia/Tbilisi"
PDF = base64.b64encode(b"%PDF-1.7 scan").decode()


@pytest.fixture
def anas(context: Context) -> Context:
    """Ana has a line and 50 GEL, Berlin numbers can be ordered, it is Monday, 4 January 2027."""
    context.now_ms = lambda: at("2027-01-04T12:00+04:00")
    accounts.account_add(context, "Ana")
    accounts.account_set(context, "Ana", "email", "ana@example.org")
    accounts.account_topup(context, "Ana", "50", "p1")
    lines.line_add(context, ANA, "Ana")
    orders.number_offer(context, "de", city="Berlin", monthly="5")
    return context


def told(context: Context) -> list[str]:
    return [notice["what"] for notice in packages.account_notices(context, "Ana")]


def test_E2_an_order_from_the_supplier_to_the_connection(anas: Context) -> None:
    (row,) = orders.order_add(anas, "Ana", ANA, "DE", city="Berlin", order_id="o1")
    assert (row["id"], row["state"], row["reserved"], row["late"]) == (
        "o1:1", "requested", "5.00", False,
    )  # fmt: skip
    assert (row["expected_from"], row["expected_by"]) == ("2027-01-11", "2027-01-25")
    assert orders.order_add(anas, "Ana", ANA, "DE", city="Berlin", order_id="o1") == [row]
    assert accounts.account_show(anas, "Ana")["available"] == "45.00"
    orders.order_submit(anas, "o1:1", "K-17", "2027-02-01", "nino")
    later(anas, "2027-02-02T12:00+04:00")
    assert [late["id"] for late in orders.order_list(anas, late=True)] == ["o1:1"]
    rental = orders.order_connect(anas, "o1:1", "+4930000001", "nino")
    assert (rental["number"], rental["connected_at"]) == (
        "+4930000001", "2027-02-02T08:00:00.000Z",
    )  # fmt: skip
    (number,) = numbers.number_list(anas, state="rented")
    assert (number["line"], number["supplier"]) == (ANA, "own")
    assert orders.order_list(anas) == []
    shown = orders.order_show(anas, "o1:1")
    assert [(step["who"], step["state"]) for step in shown["steps"]] == [
        ("switch", "requested"), ("nino", "submitted"), ("nino", "connected"),
    ]  # fmt: skip
    later(anas, "2027-02-02T12:01+04:00")
    mails = [queued.mail.text for queued in Outbox(anas.billing.engine).list()]
    assert any("+4930000001 is connected" in text for text in mails)
    assert any(
        "isn't connected by the day that we named: Berlin, DE, 2027-" in text for text in mails
    )


def test_E10_what_comes_into_stock_connects_orders_by_itself(anas: Context) -> None:
    orders.order_add(anas, "Ana", ANA, "DE", city="Berlin", count=2, order_id="o1")
    made = numbers.number_add(anas, "+4930000001", "DE", "landline", "5", city="Berlin")
    assert made["state"] == "rented"
    text = "number,country,city,kind,monthly\n+4930000002,DE,Berlin,landline,5\n"
    numbers.number_import(anas, text + "+4930000003,DE,Berlin,landline,5\n")
    assert [row["state"] for row in numbers.number_list(anas)] == ["rented", "rented", "stock"]
    assert orders.order_list(anas) == []
    assert anas.changes.accounts == {1}
    assert "are in stock" in refused(orders.order_add, anas, "Ana", ANA, "DE", city="Berlin")


def test_E4_documents_that_are_approved_move_orders_on(anas: Context) -> None:
    orders.number_offer(anas, "DE", city="Bonn", monthly="3", documents="address", days="5-5")
    numbers.number_add(anas, "+4930000009", "DE", "landline", "5", documents="address")
    (chosen,) = numbers.rental_order(anas, "Ana", ANA, ["+4930000009"], order_id="r1")
    assert chosen["state"] == "documents"
    (placed,) = orders.order_add(anas, "Ana", ANA, "DE", city="Bonn", order_id="o1")
    assert (placed["state"], placed["expected_by"]) == ("documents", None)
    later(anas, "2027-01-06T12:00+04:00")
    document = documents.document_upload(anas, "Ana", "address", "scan.pdf", PDF)
    row = documents.document_approve(anas, document["id"])
    assert row["numbers_connected"] == ["+4930000009"]
    assert row["orders_placed"] == ["o1:1"]
    assert orders.order_show(anas, "o1:1")["expected_by"] == "2027-01-13"
    assert accounts.account_show(anas, "Ana")["available"] == "42.00"


def test_E4_a_document_approved_before_a_crash_connects_what_was_kept(anas: Context) -> None:
    numbers.number_add(anas, "+4930000009", "DE", "landline", "5", documents="address")
    numbers.rental_order(anas, "Ana", ANA, ["+4930000009"], order_id="r1")
    document = documents.document_upload(anas, "Ana", "address", "scan.pdf", PDF)
    apply, anas.apply = anas.apply, lambda commands: [OSError("the disk is full")] * len(commands)
    with pytest.raises(OperationError, match="disk is full"):
        documents.document_approve(anas, document["id"])
    anas.apply = apply
    later(anas, "2027-01-18T12:00+04:00")
    assert numbers.number_list(anas)[0]["state"] == "rented"


def test_E4_the_offer_whose_documents_one_has_is_chosen(anas: Context) -> None:
    orders.number_offer(anas, "DE", city="Berlin", monthly="3", documents="address", supplier="x")
    (row,) = orders.order_add(anas, "Ana", ANA, "DE", city="Berlin")
    assert (row["supplier"], row["fee"]) == ("own", "5.00")
    (row,) = orders.order_add(anas, "Ana", ANA, "DE", city="Berlin", supplier="x")
    assert (row["state"], row["fee"]) == ("documents", "3.00")
    document = documents.document_upload(anas, "Ana", "address", "scan.pdf", PDF)
    documents.document_approve(anas, document["id"])
    (row,) = orders.order_add(anas, "Ana", ANA, "DE", city="Berlin")
    assert (row["supplier"], row["state"]) == ("x", "requested")


def test_E20_an_order_of_five_has_its_discount(anas: Context) -> None:
    numbers.rental_discounts(anas, {"3 months": 5, "5 numbers": 10})
    rows = orders.order_add(anas, "Ana", ANA, "DE", city="Berlin", count=2, months=3)
    assert [row["fee"] for row in rows] == ["14.25", "14.25"]
    rows = [orders.order_cancel(anas, row["id"]) for row in rows]
    assert {row["reserved"] for row in rows} == {"0.00"}
    rows = orders.order_add(anas, "Ana", ANA, "DE", city="Berlin", count=5)
    assert {row["fee"] for row in rows} == {"4.50"}


def test_E2_what_is_refused(anas: Context) -> None:
    add = orders.order_add
    assert "no supplier delivers landline, Bonn, DE" in refused(add, anas, "Ana", ANA, "DE", "Bonn")
    assert "costs 55.00" in refused(add, anas, "Ana", ANA, "DE", "Berlin", count=11)
    assert "1 to 100" in refused(add, anas, "Ana", ANA, "DE", "Berlin", count=0)
    assert "order id" in refused(add, anas, "Ana", ANA, "DE", "Berlin", order_id="a b")
    assert "months must be" in refused(add, anas, "Ana", ANA, "DE", "Berlin", months=2)
    assert "there is no order 'x'" in refused(orders.order_show, anas, "x")
    (row,) = add(anas, "Ana", ANA, "DE", "Berlin", order_id="o1")
    assert "give a reason" in refused(orders.order_refuse, anas, "o1:1", " ")
    assert "is past" in refused(orders.order_submit, anas, "o1:1", "", "2027-01-03")
    numbers.number_add(anas, "+4989000001", "DE", "landline", "1")
    lines.line_add(anas, "322000002", "Ana")
    numbers.rental_order(anas, "Ana", ANA, ["+4989000001"])
    connect = orders.order_connect
    assert "it is rented" in refused(connect, anas, row["id"], "+4989000001")
    numbers.rental_give_up(anas, "+4989000001")
    assert "waits for order o1:1" in refused(account_status, anas, "Ana", "closed")
    offer = orders.number_offer
    assert "working days like 5-15" in refused(offer, anas, "DE", monthly="1", days="15-5")
    assert "no such offer" in refused(offer, anas, "AT")
    assert "aren't delivered" in refused(offer, anas, "DE", "sms", monthly="1")
    assert offer(anas, "DE", city="Berlin")["withdrawn"]
    assert orders.number_offers(anas) == []


def test_C7_an_order_follows_its_lines_new_number(anas: Context) -> None:
    orders.order_add(anas, "Ana", ANA, "DE", city="Berlin", order_id="o1")
    moves.number_change(anas, ANA, "322000009")
    assert orders.order_show(anas, "o1:1")["line"] == "+995322000009"


def test_E2_an_operators_own_working_days(tmp_path: Any) -> None:
    text = CONFIGURATION + "[operator]\n"
    file = tmp_path / "softswitch.toml"
    file.write_text(text + 'working_days = "sun-thu"\nholidays = ["01-07"]\n')
    calendar = config.load(file).operator.calendar
    assert (sorted(calendar.week), calendar.holidays) == ([0, 1, 2, 3, 6], {"01-07"})
    for wrong, says in (
        ('working_days = "holiday"', "no working week"),
        ('holidays = ["13-01"]', "is no holiday"),
    ):
        file.write_text(text + wrong)
        with pytest.raises(config.ConfigError, match=says):
            config.load(file)


def test_E1_orders_at_the_command_line(softswitch: Softswitch) -> None:
    assert softswitch("account", "topup", "1", "50", "--payment-id", "p1").status == 0
    (line, *_) = softswitch("line", "list", "-o", "json").json
    account = str(line["account"])
    mine = ("--line", line["number"], "--country", "AT", "--kind", "mobile")
    made = softswitch("number", "offer", "--country", "AT", "--kind", "mobile", "--monthly", "4")
    assert made.status == 0
    assert softswitch("number", "offers", "-o", "json").json[0]["working_days"] == "5-15"
    (order,) = softswitch("order", "add", account, *mine, "-o", "json").json
    assert softswitch("order", "submit", order["id"], "--reference", "K-1").status == 0
    assert softswitch("order", "list", "-o", "json").json[0]["reference"] == "K-1"
    assert softswitch("order", "list", "--late", "-o", "json").json == []
    assert softswitch("order", "connect", order["id"], "+436641234567").status == 0
    (other,) = softswitch("order", "add", account, *mine, "-o", "json").json
    refusal = softswitch("order", "refuse", other["id"], "--reason", "sold out", "-o", "json")
    assert refusal.json["state"] == "refused"
    (third,) = softswitch("order", "add", account, *mine, "-o", "json").json
    assert softswitch("order", "cancel", third["id"]).status == 0
    shown = softswitch("order", "show", third["id"], "-o", "json").json
    assert [step["state"] for step in shown["steps"]] == ["requested", "cancelled"]
    wrong = softswitch("order", "connect", "nope", "+436641234567")
    assert wrong.status == 1 and "softswitch order list" in wrong.err
    assert softswitch("ledger", "verify").status == 0


def test_a_number_in_the_stock_has_a_country_of_its_own_country_code(anas: Context) -> None:
    with pytest.raises(OperationError) as refused:
        numbers.number_add(anas, "+442079460000", "DE", "landline", "5")
    assert str(refused.value) == (
        "+442079460000 is a number of GB, not of DE: correct the number or --country"
    )
    assert numbers.number_add(anas, "+441481960000", "GB", "landline", "5")["country"] == "GB"
