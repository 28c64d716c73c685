"""Numbers for rent (E10-E16, E20, A11): the anchor day, debts, notice, trials, one message."""

from dataclasses import replace
from datetime import datetime

import pytest
from books import account, one, store
from fresh_books import next_due

from billing.facts.authorization import BillingError, InsufficientFunds, SetAccount, TopUp
from billing.facts.calendar import local_day
from billing.facts.rental import (
    ACTIVE,
    BURNED,
    CLOSING,
    DOCUMENTS,
    ENDED,
    LENT,
    QUARANTINE,
    RENTED,
    STOCK,
    TRIAL,
    AddNumbers,
    BurnNumber,
    BuySmsNumber,
    ChargeRental,
    GiveUpNumber,
    KeepNumber,
    Number,
    RentNumber,
    RestoreNumber,
    SetDiscounts,
    TryNumber,
    WaitForNumber,
    discount,
    fee,
)
from billing.stores import rental_store, sales_store
from softswitch.scheduled.due import run_due

TBILISI = "Asia/Tbilisi"
EURO = 1_000_000
HOUR, DAY = 3_600_000, 86_400_000
BERLIN = Number("+4930000001", "DE", "Berlin", "landline", "kpn", "", None, "GEL", 5 * EURO)
SMS_NUMBER = Number("+447700000001", "GB", None, "sms", "x", "", "mail", "GEL", EURO)

database = pytest.mark.usefixtures("database")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


START = at("2027-01-20T15:30+04:00")


def stocked(*numbers, balance: int = 0):
    books = store()
    who = account(books, balance)
    one(books, AddNumbers(numbers, START - DAY))
    return books, who


def rent(books, who, number=BERLIN, when=START, key="r1", **more):
    facts = {"months": 1, "discount_percent": 0, **more}
    command = RentNumber(
        account_id=who, at=when, rental_id=key, number=number.number, line="+995322000001",
        zone=TBILISI, **facts,
    )  # fmt: skip
    return one(books, command)


def number(books, key=BERLIN.number):
    with books.reading() as connection:
        return rental_store.number(connection, key)


def rental(books, key="r1"):
    with books.reading() as connection:
        return next(r for r in rental_store.rented(connection, None, ended=True) if r.id == key)


def told(books, who):
    with books.reading() as connection:
        return [notice.what for notice in sales_store.notices(connection, who)]


def debits(books, who):
    return [entry.at for entry in books.ledger(who) if entry.kind == "rent"]


@database
def test_E13_the_fee_is_debited_monthly_on_the_day_of_connection():
    books, who = stocked(BERLIN, balance=100 * EURO)
    assert rent(books, who).state == ACTIVE
    assert number(books).state == RENTED
    run_due(books, books.apply, at("2027-04-20T15:29+04:00"), TBILISI)
    assert debits(books, who) == [at(f"2027-0{month}-20T15:30+04:00") for month in (1, 2, 3)]
    assert books.account(who).balance_micros == 85 * EURO
    assert "number_connected" in told(books, who)
    assert books.verify() == []


@database
def test_E13_an_anchor_on_the_31st_falls_on_the_last_day_and_returns():
    books, who = stocked(BERLIN, balance=1000 * EURO)
    rent(books, who, when=at("2028-01-31T10:00+04:00"))
    run_due(books, books.apply, at("2029-03-31T10:00+04:00"), TBILISI)
    days = [local_day(x, TBILISI) for x in debits(books, who)]
    assert [(d.month, d.day) for d in days] == [
        (1, 31), (2, 29), (3, 31), (4, 30), (5, 31), (6, 30), (7, 31), (8, 31), (9, 30), (10, 31),
        (11, 30), (12, 31), (1, 31), (2, 28), (3, 31),
    ]  # fmt: skip


@database
def test_E13_without_money_it_is_not_connected():
    books, who = stocked(BERLIN, balance=5 * EURO - 1)
    with pytest.raises(InsufficientFunds, match=r"costs 5\.00"):
        rent(books, who)
    assert number(books).state == STOCK


@database
def test_E14_E15_the_fee_goes_into_the_minus_and_the_debit_stays_on_its_day():
    books, who = stocked(BERLIN, balance=7 * EURO)
    rent(books, who)
    run_due(books, books.apply, at("2027-02-20T15:30+04:00"), TBILISI)
    assert books.account(who).balance_micros == -3 * EURO
    assert rental(books).owing
    assert told(books, who).count("rent_unpaid") == 1
    one(books, TopUp(who, 3 * EURO, "p1", at("2027-03-01T12:00+04:00")))
    assert rental(books).owing  # zero isn't above zero
    one(books, TopUp(who, 20 * EURO, "p2", at("2027-03-02T12:00+04:00")))
    assert not rental(books).owing
    assert next_due(books) == at("2027-03-20T15:30+04:00")
    run_due(books, books.apply, at("2027-03-20T15:30+04:00"), TBILISI)
    assert books.account(who).balance_micros == 15 * EURO
    assert books.verify() == []


@database
def test_E14_a_credit_limit_that_covers_the_debt_opens_the_number():
    books, who = stocked(BERLIN, balance=7 * EURO)
    rent(books, who)
    run_due(books, books.apply, at("2027-02-20T15:30+04:00"), TBILISI)
    one(books, SetAccount(who, {"credit_limit_micros": 3 * EURO}))
    assert rental(books).owing  # zero isn't above zero
    one(books, SetAccount(who, {"name": "another"}))
    one(books, SetAccount(who, {"credit_limit_micros": 4 * EURO}))
    assert not rental(books).owing


@database
def test_E14_a_balance_that_pays_exactly_owes_nothing():
    books, who = stocked(BERLIN, balance=10 * EURO)
    rent(books, who)
    run_due(books, books.apply, at("2027-02-20T15:30+04:00"), TBILISI)
    assert books.account(who).balance_micros == 0
    assert not rental(books).owing


@database
def test_E13_each_period_is_debited_once_however_often_and_late_it_is_run():
    books, who = stocked(BERLIN, balance=100 * EURO)
    rent(books, who)
    late = at("2027-05-25T09:00+04:00")
    for _ in range(3):
        run_due(books, books.apply, late, TBILISI)
        command = ChargeRental(account_id=who, at=late, rental="r1")
        assert books.apply([command, command])[0].paid_until > late
        rent(books, who)  # the order again
    assert debits(books, who) == [at(f"2027-0{month}-20T15:30+04:00") for month in range(1, 6)]


@database
def test_E16_given_up_a_day_before_the_debit_nothing_more_is_due_and_nothing_refunded():
    books, who = stocked(BERLIN, balance=100 * EURO)
    rent(books, who)
    when = at("2027-02-19T15:30+04:00")
    assert one(books, GiveUpNumber(account_id=who, at=when, rental="r1")).state == ENDED
    assert number(books).state == QUARANTINE
    run_due(books, books.apply, at("2027-04-01T00:00+04:00"), TBILISI)
    assert books.account(who).balance_micros == 95 * EURO


@database
def test_E16_given_up_later_the_next_fee_is_due_and_only_that():
    books, who = stocked(BERLIN, balance=100 * EURO)
    rent(books, who)
    when = at("2027-02-19T15:30:01+04:00")
    for _ in range(2):
        assert one(books, GiveUpNumber(account_id=who, at=when, rental="r1")).state == CLOSING
    run_due(books, books.apply, at("2027-04-01T00:00+04:00"), TBILISI)
    assert books.account(who).balance_micros == 90 * EURO
    assert rental(books).state == ENDED
    assert books.verify() == []


@database
@pytest.mark.parametrize("hours", [24, 1])
def test_E16_a_number_is_taken_back_while_it_is_paid_for_and_its_debits_go_on(hours):
    books, who = stocked(BERLIN, balance=100 * EURO)
    rent(books, who)
    due = at("2027-02-20T15:30+04:00")
    one(books, GiveUpNumber(account_id=who, at=due - hours * HOUR, rental="r1"))
    keep = KeepNumber(account_id=who, at=due - 1, rental="r1", line="+995322000002")
    for _ in range(2):
        assert one(books, keep).state == ACTIVE
    assert (number(books).state, number(books).line) == (RENTED, "+995322000002")
    assert books.account(who).balance_micros == 95 * EURO
    run_due(books, books.apply, at("2027-06-01T00:00+04:00"), TBILISI)
    assert debits(books, who) == [at(f"2027-0{month}-20T15:30+04:00") for month in range(1, 6)]
    assert number(books).state == RENTED
    assert books.verify() == []


@database
def test_E16_a_number_whose_term_is_over_or_that_another_has_is_not_taken_back():
    books, who = stocked(BERLIN, balance=100 * EURO)
    rent(books, who)
    due = at("2027-02-20T15:30+04:00")
    one(books, GiveUpNumber(account_id=who, at=due - 2 * DAY, rental="r1"))
    keep = KeepNumber(account_id=who, at=due, rental="r1", line="+995322000001")
    with pytest.raises(BillingError, match="isn't paid for any more"):
        one(books, keep)
    other = account(books, 50 * EURO)
    restore = RestoreNumber(
        account_id=who, at=due - DAY, rental_id="r2", number=BERLIN.number,
        line="+995322000001", zone=TBILISI,
    )  # fmt: skip
    one(books, restore)
    with pytest.raises(BillingError, match="doesn't rest for account"):
        one(books, replace(keep, at=due - DAY))
    with pytest.raises(BillingError):
        one(books, replace(keep, account_id=other, at=due - DAY))


@database
def test_A11_a_number_rests_and_is_restored_or_comes_back_into_stock():
    books, who = stocked(BERLIN, balance=100 * EURO)
    rent(books, who)
    one(books, GiveUpNumber(account_id=who, at=START + DAY, rental="r1"))
    other = account(books, 50 * EURO)
    with pytest.raises(BillingError, match="isn't in stock: it is quarantine"):
        rent(books, other, key="r2", when=START + 2 * DAY)
    restore = RestoreNumber(
        account_id=who, at=START + 3 * DAY, rental_id="r3", number=BERLIN.number,
        line="+995322000001", zone=TBILISI,
    )  # fmt: skip
    with pytest.raises(BillingError, match="doesn't rest for account"):
        one(books, replace(restore, account_id=other))
    assert one(books, restore).anchor_at == START + 3 * DAY
    assert "number_restored" in told(books, who)
    one(books, GiveUpNumber(account_id=who, at=START + 4 * DAY, rental="r3"))
    run_due(books, books.apply, START + 94 * DAY, TBILISI)
    assert (number(books).state, number(books).account_id) == (STOCK, None)
    assert rent(books, other, key="r4", when=START + 95 * DAY).account_id == other


@database
def test_E10_who_waits_longest_is_told_when_a_number_appears():
    books, first = stocked(balance=10 * EURO)
    second = account(books, 10 * EURO)
    for who, when in ((first, START), (second, START + 1), (first, START + 2)):
        one(books, WaitForNumber(account_id=who, at=when, country="DE", city=None, kind="landline"))
    one(books, AddNumbers((SMS_NUMBER,), START))
    assert told(books, first) == []
    one(books, AddNumbers((BERLIN,), START))
    assert (told(books, first), told(books, second)) == (["number_in_stock"], [])
    one(books, AddNumbers((BERLIN,), START))  # already there
    one(books, AddNumbers((replace(BERLIN, number="+4930000002"),), START))
    assert told(books, second) == ["number_in_stock"]


@database
def test_E11_a_trial_lasts_an_hour_costs_nothing_and_is_had_once():
    books, who = stocked(BERLIN, SMS_NUMBER)
    lent = one(books, TryNumber(account_id=who, at=START, number=BERLIN.number, line="+1"))
    assert (lent.state, lent.until) == (TRIAL, START + HOUR)
    run_due(books, books.apply, START + HOUR - 1, TBILISI)
    assert number(books).state == TRIAL
    run_due(books, books.apply, START + HOUR, TBILISI)
    assert number(books).state == STOCK
    with pytest.raises(BillingError, match="tried"):
        one(books, TryNumber(account_id=who, at=START + DAY, number=BERLIN.number, line="+1"))
    with pytest.raises(BillingError, match="aren't lent"):
        one(books, TryNumber(account_id=who, at=START, number=SMS_NUMBER.number, line="+1"))
    assert books.account(who).balance_micros == 0


@database
def test_E11_who_tries_a_number_may_rent_it_at_once():
    books, who = stocked(BERLIN, balance=5 * EURO)
    other = account(books, 5 * EURO)
    one(books, TryNumber(account_id=who, at=START, number=BERLIN.number, line="+1"))
    with pytest.raises(BillingError, match="it is trial"):
        rent(books, other, key="r2")
    rent(books, who, when=START + 60_000)
    run_due(books, books.apply, START + DAY, TBILISI)
    assert number(books).state == RENTED


@database
def test_E12_an_sms_number_takes_exactly_one_message_and_is_never_issued_again():
    books, who = stocked(SMS_NUMBER, balance=3 * EURO)
    buy = BuySmsNumber(account_id=who, at=START, purchase_id="s1", number=SMS_NUMBER.number)
    assert one(books, buy).state == one(books, buy).state == LENT
    assert books.account(who).balance_micros == 2 * EURO
    other = BurnNumber(account_id=who, at=START, number=SMS_NUMBER.number, service="bank")
    with pytest.raises(BillingError, match="is for mail, not for bank"):
        one(books, other)
    assert one(books, replace(other, service="mail")).state == BURNED
    with pytest.raises(BillingError, match="waits for no message"):
        one(books, replace(other, service="mail"))
    with pytest.raises(BillingError, match="no SMS number in stock"):
        one(books, replace(buy, purchase_id="s2"))
    with pytest.raises(BillingError, match="one message only"):
        rent(books, who, SMS_NUMBER)
    one(books, AddNumbers((SMS_NUMBER,), START))
    assert number(books, SMS_NUMBER.number).state == BURNED


@database
def test_E4_a_number_with_documents_waits_for_them_and_is_held_meanwhile():
    papers = replace(BERLIN, documents="address")
    books, who = stocked(papers, balance=20 * EURO)
    assert rent(books, who, papers) is None
    assert (number(books).state, number(books).account_id) == (DOCUMENTS, who)
    assert books.account(who).balance_micros == 20 * EURO
    approved = rent(books, who, papers, START + HOUR, approved=frozenset({"address"}))
    assert approved.anchor_at == START + HOUR
    run_due(books, books.apply, START + 5 * DAY, TBILISI)
    assert number(books).state == RENTED


@database
def test_E20_discounts_for_months_paid_at_once_and_for_five_numbers():
    books, who = stocked(BERLIN, balance=100 * EURO)
    one(books, SetDiscounts({"3 months": 5, "12 months": 20, "5 numbers": 10}))
    with books.reading() as connection:
        percents = rental_store.discounts(connection)
    assert [discount(percents, m, n) for m, n in ((1, 1), (3, 1), (12, 1), (12, 5), (6, 5))] == [
        0, 5, 20, 30, 10,
    ]  # fmt: skip
    assert fee(5 * EURO, 12, 30) == 42 * EURO
    assert fee(333_333, 3, 5) == 949_999  # 949,999.05
    rent(books, who, months=3, discount_percent=5)
    assert books.account(who).balance_micros == 100 * EURO - 14_250_000
    run_due(books, books.apply, START, TBILISI)  # the notice that it is connected
    assert next_due(books) == at("2027-04-20T15:30+04:00")


@database
def test_two_clients_never_get_the_same_number():
    books, who = stocked(BERLIN, balance=50 * EURO)
    other = account(books, 50 * EURO)
    orders = [
        RentNumber(
            account_id=owner,
            at=START,
            rental_id=f"r{owner}",
            number=BERLIN.number,
            line="+995322000001",
            months=1,
            discount_percent=0,
            zone=TBILISI,
        )
        for owner in (who, other)
    ]
    first, second = books.apply(orders)
    assert first.account_id == who
    assert isinstance(second, BillingError)
    assert books.account(other).balance_micros == 50 * EURO


def test_two_nodes_that_do_what_is_due_at_once_debit_each_period_once(postgresql):
    import threading

    import books as own

    own.URL, before = postgresql, own.URL
    try:
        books, first = stocked(balance=100 * EURO)
        everyone = [first, *(account(books, 100 * EURO) for _ in range(9))]
        for who in everyone:
            key = f"+49300000{who:03}"
            one(books, AddNumbers((replace(BERLIN, number=key),), START))
            rent(books, who, replace(BERLIN, number=key), key=f"r{who}")
        nodes = [own.reopen(postgresql), own.reopen(postgresql)]
        late = at("2027-06-25T09:00+04:00")
        reports = []
        threads = [
            threading.Thread(
                target=lambda node=node: reports.append(run_due(node, node.apply, late, TBILISI))
            )
            for node in nodes
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [report.failures for report in reports] == [[], []]
        for who in everyone:
            assert debits(books, who) == [
                at(f"2027-0{month}-20T15:30+04:00") for month in range(1, 7)
            ]
            assert books.account(who).balance_micros == 70 * EURO
        assert books.verify() == []
    finally:
        own.close()
        own.URL = before
