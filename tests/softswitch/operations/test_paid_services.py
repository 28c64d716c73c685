"""What is bought beside calls (B5, B6, E1, E2, E6, E19): packages of SMS, numbers, fees."""

from __future__ import annotations

from datetime import datetime

import pytest
from operating import refused

from softswitch.operations.accounts import accounts
from softswitch.operations.calls import records
from softswitch.operations.context import Context
from softswitch.operations.lines import lines
from softswitch.operations.money import bills, wallets
from softswitch.operations.numbers import numbers
from softswitch.scheduled.due import run_due


@pytest.fixture
def ana(context: Context) -> Context:
    accounts.account_add(context, "Ana")
    accounts.account_topup(context, "Ana", "100", "p1")
    return context


def test_B5_the_larger_a_package_the_lower_the_price_of_a_message(ana: Context) -> None:
    wallets.wallet_offer(ana, "sms", 100, "5")
    wallets.wallet_offer(ana, "sms", 1000, "40")
    said = refused(wallets.wallet_offer, ana, "sms", 5000, "200")
    assert said == "5000 sms must be cheaper apiece than 1000"
    assert "1000 sms must be cheaper apiece than 500" in refused(
        wallets.wallet_offer, ana, "sms", 500, "20"
    )
    assert [row["units"] for row in wallets.wallet_offers(ana)] == [100, 1000]
    for _ in range(2):
        bought = wallets.wallet_buy(ana, "Ana", "sms", 1000, "b1")
        assert bought["balance"] == "1000.00"
    assert accounts.account_show(ana, "Ana")["balance"] == "60.00"
    assert "300 sms aren't offered in GEL" in refused(
        wallets.wallet_buy, ana, "Ana", "sms", 300, "b2"
    )
    wallets.wallet_offer(ana, "sms", 100, None)
    assert [row["units"] for row in wallets.wallet_offers(ana)] == [1000]


def test_B6_sending_starts_after_registration_opening_and_loading_credit(ana: Context) -> None:
    accounts.account_add(ana, "Beka", registered=True)
    spend = wallets.wallet_spend
    assert "is registered" in refused(spend, ana, "Beka", "sms", 1, "s1")
    assert "has 0.00 SMS; 1.00 are needed" in refused(spend, ana, "Ana", "sms", 1, "s1")
    wallets.wallet_buy(ana, "Ana", "sms", 100, "b1", "5")
    assert spend(ana, "Ana", "sms", 1, "s1")["balance"] == "99.00"
    rows = wallets.wallet_ledger(ana, "Ana", "sms")
    assert [(row["kind"], row["amount"], row["balance"]) for row in rows] == [
        ("credit", "100.00", "100.00"),
        ("spend", "-1.00", "99.00"),
    ]
    shown = {row["wallet"]: row["balance"] for row in wallets.wallet_show(ana, "Ana")}
    assert shown == {"money": "95.00", "sms": "99.00"}


def test_E1_E2_register_top_up_and_the_number_connects_at_once(ana: Context) -> None:
    lines.line_add(ana, "0322000001", "Ana")
    numbers.number_add(ana, "+4930000001", "DE", "landline", "5", city="Berlin")
    (rented,) = numbers.rental_order(ana, "Ana", "0322000001", country="DE", city="Berlin")
    assert (rented["state"], rented["fee"]) == ("active", "5.00")
    assert accounts.account_show(ana, "Ana")["balance"] == "95.00"


def test_E6_sip_accounts_are_free(ana: Context) -> None:
    made = lines.line_add(ana, "0322000001", "Ana")
    assert made["login"] and made["password"]
    assert accounts.account_show(ana, "Ana")["balance"] == "100.00"


def test_E19_a_studio_greeting_is_ordered_for_a_fee(ana: Context) -> None:
    for _ in range(2):
        row = wallets.account_fee(ana, "Ana", "25", "studio greeting", "g1")
        assert row["balance"] == "75.00"
    said = refused(wallets.account_fee, ana, "Ana", "76", "studio greeting", "g2")
    assert said.endswith("studio greeting costs 76.00")
    now = int(datetime.fromisoformat("2026-06-01T00:00+04:00").timestamp() * 1000)
    assert run_due(ana.billing, ana.apply, now, "Asia/Tbilisi").failures == []
    items = bills.bill_show(ana, 1)["items"]
    assert [(i["kind"], i["about"], i["amount"]) for i in items if i["kind"] == "fee"] == [
        ("fee", "studio greeting", "-25.00")
    ]
    assert records.ledger_verify(ana)["ok"]


def test_what_a_fee_must_be(ana: Context) -> None:
    fee = wallets.account_fee
    assert "above zero" in refused(fee, ana, "Ana", "0", "x", "f1")
    assert "letters, digits" in refused(fee, ana, "Ana", "1", "a:b", "f1")
    assert "visible ASCII" in refused(fee, ana, "Ana", "1", "x", "a b")
