"""Wallets beside money (B4, B9, B11, B12): units of their own in the same ledger."""

import pytest
from books import account, one, store

from billing.facts.authorization import (
    AccountBlocked,
    BillingError,
    ChangeStatus,
    InsufficientFunds,
    PaymentConflict,
)
from billing.facts.wallet import MONEY, ONE, SMS, BuyCredit, ChargeFee, Refund, Spend, TakeTrial
from billing.stores import wallet_store

LARI = 1_000_000

database = pytest.mark.usefixtures("database")


def buy(books, who, units=1000, price=20 * LARI, key="p1"):
    command = BuyCredit(
        account_id=who, at=1, purchase_id=key, wallet=SMS, credit_micros=units * ONE,
        price_micros=price,
    )  # fmt: skip
    return one(books, command).after


def spend(books, who, units, key="s1", **more):
    command = Spend(
        account_id=who, at=2, spend_id=key, wallet=SMS, amount_micros=units * ONE, **more
    )
    return one(books, command).after


def held(books, who):
    with books.reading() as connection:
        return {
            w.name: w.balance_micros // ONE for w in wallet_store.of_accounts(connection, [who])
        }


@database
def test_B11_sms_credit_is_a_wallet_of_its_own():
    books = store()
    who = account(books, 50 * LARI)
    for _ in range(2):  # a repeated purchase changes nothing
        assert buy(books, who).balance_micros == 1000 * ONE
    assert books.account(who).balance_micros == 30 * LARI
    assert held(books, who) == {SMS: 1000}
    assert [(e.currency, e.amount_micros, e.kind) for e in books.ledger(who, SMS)] == [
        ("SMS", 1000 * ONE, "credit")
    ]
    assert [e.kind for e in books.ledger(who)] == ["topup", "credit"]
    assert books.verify() == []


@database
def test_B11_sms_credit_cant_be_used_from_a_phone():
    books = store()
    who = account(books, 50 * LARI)
    buy(books, who)
    with pytest.raises(BillingError, match="can't be used from a phone"):
        spend(books, who, 1, from_phone=True)
    assert held(books, who) == {SMS: 1000}


@database
def test_B9_sending_goes_on_while_credit_lasts():
    books = store()
    who = account(books, 50 * LARI)
    buy(books, who, 100, 5 * LARI)
    for _ in range(2):
        assert spend(books, who, 60).balance_micros == 40 * ONE
    with pytest.raises(InsufficientFunds, match=r"has 40.00 SMS; 41.00 are needed"):
        spend(books, who, 41, "s2")
    assert spend(books, who, 40, "s2").balance_micros == 0
    assert books.account(who).balance_micros == 45 * LARI  # money doesn't step in
    assert books.verify() == []


@database
def test_B4_ten_free_messages_once():
    books = store()
    who = account(books, 0)
    assert one(books, TakeTrial(account_id=who, at=1, wallet=SMS)).balance_micros == 10 * ONE
    spend(books, who, 10)
    with pytest.raises(BillingError, match="had its trial"):
        one(books, TakeTrial(account_id=who, at=3, wallet=SMS))
    assert held(books, who) == {SMS: 0}
    assert books.verify() == []


@database
def test_B12_sms_credit_isnt_refunded_and_money_is_as_far_as_it_is_there():
    books = store()
    who = account(books, 50 * LARI)
    buy(books, who)
    with pytest.raises(BillingError, match="sms credit isn't refunded"):
        one(books, Refund(account_id=who, at=2, refund_id="r1", wallet=SMS, amount_micros=ONE))

    def refund(amount, key):
        return one(
            books,
            Refund(account_id=who, at=3, refund_id=key, wallet=MONEY, amount_micros=amount),
        )

    for _ in range(2):
        assert refund(10 * LARI, "r1").after.balance_micros == 20 * LARI
    with pytest.raises(InsufficientFunds, match=r"has 20.00 GEL that can be refunded"):
        refund(20 * LARI + 1, "r2")
    with pytest.raises(PaymentConflict):
        refund(11 * LARI, "r1")
    assert books.verify() == []


@database
def test_what_a_wallet_refuses():
    books = store()
    who, other = account(books, 5 * LARI), account(books, 50 * LARI)
    with pytest.raises(InsufficientFunds):
        buy(books, who)
    buy(books, other)
    with pytest.raises(PaymentConflict):
        buy(books, other, units=999)
    with pytest.raises(PaymentConflict):
        buy(books, who)
    with pytest.raises(BillingError, match="no wallet gold"):
        one(books, TakeTrial(account_id=who, at=1, wallet="gold"))
    one(books, ChangeStatus(other, "suspended", 2))
    with pytest.raises(AccountBlocked):
        spend(books, other, 1)
    assert held(books, who) == {} and held(books, other) == {SMS: 1000}


def test_verification_finds_a_wallet_that_was_tampered_with():
    books = store()
    who = account(books, 50 * LARI)
    buy(books, who)
    with books.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE wallets SET balance_micros = 1")
    (found,) = books.verify()
    assert str(found) == f"wallet sms of account {who}: expected 1000000000 micros, found 1"
    with books.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM wallets")
    (found,) = books.verify()
    assert (found.what, found.expected, found.found) == ("wallet", 1000 * ONE, 0)


@database
def test_a_repeated_id_is_answered_as_counted_before():
    books = store()
    who = account(books, 100 * LARI)
    buying = BuyCredit(
        account_id=who, at=1, purchase_id="p", wallet=SMS, credit_micros=9 * ONE, price_micros=LARI
    )
    spending = Spend(account_id=who, at=2, spend_id="s", wallet=SMS, amount_micros=ONE)
    fee = ChargeFee(account_id=who, at=3, fee_id="f", about="visit", amount_micros=LARI)
    back = Refund(account_id=who, at=4, refund_id="r", wallet="money", amount_micros=LARI)
    for command in (buying, spending, fee, back):
        first, again = one(books, command), one(books, command)
        assert (first.before, again.before) == (False, True)
        assert first.after.balance_micros == again.after.balance_micros
    assert books.account(who).balance_micros == 97 * LARI
    assert books.verify() == []
