"""Orders for numbers (E1-E4, E10): states, money, whose turn it is, and the supplier's days."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import pytest
from books import account, one, store

from billing.facts.authorization import BillingError, ChangeStatus, InsufficientFunds, TopUp
from billing.facts.calendar import WorkingDays, local_day
from billing.facts.order import (
    CANCELLED,
    CONNECTED,
    DOCUMENTS,
    OPEN,
    ORDER_TRANSITIONS,
    REFUSED,
    REQUESTED,
    SUBMITTED,
    ConnectOrder,
    EndOrder,
    Offer,
    PlaceOrder,
    ServeOrders,
    SubmitOrder,
)
from billing.facts.rental import STOCK, AddNumbers, Number, RentNumber, WaitForNumber
from billing.stores import order_store, rental_store, sales_store
from softswitch.scheduled.due import run_due

pytestmark = pytest.mark.usefixtures("database")

TBILISI = "Asia/Tbilisi"
EURO = 1_000_000
DAY = 86_400_000
BERLIN = Number("+4930000001", "DE", "Berlin", "landline", "kpn", "", None, "GEL", 5 * EURO)
OFFER = Offer("DE", "Berlin", "landline", "kpn", "", "GEL", 5 * EURO, 5, 15)
WEEK = WorkingDays(holidays=frozenset({"01-07"}))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


START = at("2027-01-04T15:30+04:00")  # a Monday


def ordered(books, who, key="o1", when=START, offer=OFFER, **more):
    facts = {"months": 1, "discount_percent": 0, "approved": frozenset(), "days": WEEK, **more}
    command = PlaceOrder(
        account_id=who, at=when, order_id=key, offer=offer, line="+995322000001", zone=TBILISI,
        **facts,
    )  # fmt: skip
    return one(books, command)


def order(books, key="o1"):
    with books.reading() as connection:
        return order_store.order(connection, key)


def number(books, key=BERLIN.number):
    with books.reading() as connection:
        return rental_store.number(connection, key)


def told(books, who):
    with books.reading() as connection:
        return [notice.what for notice in sales_store.notices(connection, who)]


def end(books, who, state, key="o1", when=START):
    command = EndOrder(account_id=who, at=when, order=key, state=state, reason="why", who="nino")
    return one(books, command)


def due(books, until):
    assert run_due(books, books.apply, until, TBILISI).failures == []


def test_E2_an_order_reserves_its_first_fee_and_connecting_charges_it():
    books = store()
    who = account(books, 8 * EURO)
    assert ordered(books, who).state == ordered(books, who).state == REQUESTED
    held = books.account(who)
    assert (held.balance_micros, held.reserved_micros) == (8 * EURO, 5 * EURO)
    assert books.verify() == []
    with pytest.raises(InsufficientFunds, match=r"has 3\.00 GEL available"):
        ordered(books, who, "o2")
    later = START + 9 * DAY
    connect = ConnectOrder(
        account_id=who, at=later, order="o1", number=BERLIN.number, fresh=BERLIN, who="nino"
    )
    assert one(books, connect).anchor_at == one(books, connect).anchor_at == later
    paid = books.account(who)
    assert (paid.balance_micros, paid.reserved_micros) == (3 * EURO, 0)
    assert (order(books).state, order(books).number) == (CONNECTED, BERLIN.number)
    assert set(told(books, who)) == {"order_placed", "number_connected"}
    due(books, at("2027-02-13T15:30+04:00"))  # E13: a month after the connection
    assert books.account(who).balance_micros == -2 * EURO
    assert books.verify() == []


@pytest.mark.parametrize("state", [REFUSED, CANCELLED])
def test_E2_an_order_that_comes_to_nothing_costs_nothing(state):
    books = store()
    who = account(books, 5 * EURO)
    ordered(books, who)
    submit = SubmitOrder(account_id=who, at=START, order="o1", reference="K-17",
                         expected_by="2027-02-01", who="nino")  # fmt: skip
    assert one(books, submit).reference == "K-17"
    for _ in range(2):
        assert end(books, who, state).held_micros == 0
    assert books.account(who).available_micros == 5 * EURO
    assert f"order_{state}" in told(books, who)
    with pytest.raises(BillingError, match=f"o1 is {state}; nothing may follow"):
        one(books, submit)
    changes = [(c.who, c.after, c.reason) for c in books.changes(who) if c.what == "order o1"]
    assert changes[1:] == [("nino", SUBMITTED, ""), ("nino", state, "why")]
    due(books, START + 60 * DAY)
    assert "order_late" not in told(books, who)
    assert books.verify() == []


def test_E2_every_state_leads_somewhere_or_is_the_end():
    reached = {state for following in ORDER_TRANSITIONS.values() for state in following}
    assert reached | {DOCUMENTS} == set(ORDER_TRANSITIONS)
    assert {state for state, following in ORDER_TRANSITIONS.items() if following} == set(OPEN)


def test_E2_working_days_pass_over_weekends_and_holidays():
    books = store()
    who = account(books, 5 * EURO)
    made = ordered(books, who)  # Monday the 4th; Thursday the 7th is a holiday
    assert (made.expected_from, made.expected_by) == ("2027-01-12", "2027-01-26")
    sunday = WorkingDays(frozenset({6, 0, 1, 2, 3}), frozenset({"2027-01-10"}))
    assert sunday.after(date(2027, 1, 8), 2) == date(2027, 1, 12)
    with pytest.raises(ValueError, match="hardly any working days"):
        WorkingDays(frozenset()).after(date(2027, 1, 1), 1)


def test_E2_the_days_are_those_of_the_operators_zone():
    books = store()
    who = account(books, 5 * EURO)
    night = at("2027-01-04T23:30+00:00")  # Tuesday in Tbilisi
    assert ordered(books, who, when=night).expected_from == "2027-01-13"


def test_E2_a_late_order_is_told_of_once_for_each_day_that_was_named():
    books = store()
    who = account(books, 5 * EURO)
    ordered(books, who)
    due(books, at("2027-01-26T23:59+04:00"))
    assert "order_late" not in told(books, who)
    for _ in range(2):
        due(books, at("2027-01-27T00:00+04:00"))
    assert told(books, who).count("order_late") == 1
    command = SubmitOrder(account_id=who, at=at("2027-01-27T12:00+04:00"), order="o1",
                          reference="", expected_by="2027-02-10", who="nino")  # fmt: skip
    one(books, command)
    due(books, at("2027-02-11T00:00+04:00"))
    assert told(books, who).count("order_late") == 2


def test_E10_a_number_of_the_pool_goes_to_who_ordered_first_and_then_to_who_waits():
    books = store()
    first, second, third = (account(books, 20 * EURO) for _ in range(3))
    waiting = WaitForNumber(account_id=third, at=START, country="DE", city=None, kind="landline")
    one(books, waiting)
    ordered(books, second, "o2", START + 2)
    ordered(books, first, "o1", START + 1)
    numbers = [replace(BERLIN, number=f"+493000000{n}") for n in (1, 2, 3)]
    for item in numbers:
        one(books, AddNumbers((item,), START + DAY))
    assert "number_in_stock" not in told(books, third)
    due(books, START + DAY)
    assert [order(books, key).number for key in ("o1", "o2")] == [n.number for n in numbers[:2]]
    assert number(books, numbers[2].number).state == STOCK
    assert told(books, third) == ["number_in_stock"]
    assert books.verify() == []


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"city": "Bonn"}, "another city"),
        ({"country": "AT"}, "another country"),
        ({"kind": "mobile"}, "another kind"),
        ({"documents": "address"}, "documents that weren't agreed on"),
        ({"monthly_micros": 6 * EURO}, "dearer"),
        ({"currency": "EUR"}, "another currency"),
    ],
)
def test_E3_only_what_was_ordered_is_connected(other, why):
    books = store()
    who = account(books, 20 * EURO)
    ordered(books, who)
    one(books, AddNumbers((replace(BERLIN, **other),), START))
    due(books, START)
    assert order(books).state == REQUESTED, why


def test_E3_a_cheaper_number_costs_what_it_costs():
    books = store()
    who = account(books, 15 * EURO)
    ordered(books, who, months=3, discount_percent=10)  # 13.50
    one(books, AddNumbers((replace(BERLIN, monthly_micros=4 * EURO),), START))
    due(books, START)
    assert books.account(who).balance_micros == 15 * EURO - 10_800_000
    assert books.account(who).reserved_micros == 0


def test_E10_who_is_suspended_is_passed_over():
    books = store()
    barred, good = (account(books, 5 * EURO) for _ in range(2))
    for place, who in enumerate((barred, good)):
        ordered(books, who, f"o{who}", START + place)
    one(books, ChangeStatus(barred, "suspended", START, "nino", "debt"))
    one(books, AddNumbers((BERLIN,), START))
    due(books, START)
    assert order(books, f"o{barred}").state == REQUESTED
    assert order(books, f"o{good}").number == BERLIN.number
    one(books, ChangeStatus(barred, "active", START, "nino", "paid"))
    one(books, AddNumbers((replace(BERLIN, number="+4930000008"),), START))
    due(books, START)
    assert order(books, f"o{barred}").state == CONNECTED
    assert books.verify() == []


def test_E10_a_cancelled_order_loses_its_turn_also_while_the_number_is_on_its_way():
    books = store()
    first, second = account(books, 5 * EURO), account(books, 5 * EURO)
    ordered(books, first, "o1", START)
    ordered(books, second, "o2", START + 1)
    one(books, AddNumbers((BERLIN,), START))
    end(books, first, CANCELLED)
    late = ConnectOrder(account_id=first, at=START, order="o1", number=BERLIN.number)
    assert one(books, late) is None
    due(books, START)
    assert order(books, "o2").number == BERLIN.number
    assert one(books, replace(late, account_id=second, order="o2")).number == BERLIN.number


def test_E10_a_number_that_rested_serves_an_order():
    books = store()
    had, who = account(books, 5 * EURO), account(books, 5 * EURO)
    one(books, AddNumbers((BERLIN,), START))
    rent = RentNumber(
        account_id=had, at=START, rental_id="r1", number=BERLIN.number, line="+995322000001",
        months=1, discount_percent=0, zone=TBILISI,
    )  # fmt: skip
    one(books, rent)
    ordered(books, who)
    from billing.facts.rental import GiveUpNumber

    one(books, GiveUpNumber(account_id=had, at=START + DAY, rental="r1"))
    due(books, START + 90 * DAY)
    assert order(books).state == REQUESTED
    due(books, START + 91 * DAY)
    assert order(books).number == BERLIN.number
    with books.reading() as connection:
        (mine,) = rental_store.rented(connection, [who])
    assert mine.anchor_at == START + 91 * DAY


class TestDocuments:
    PAPERS = replace(BERLIN, documents="address")

    def approve(self, books, who, *kinds, when=START + DAY):
        command = ServeOrders(account_id=who, at=when, approved=frozenset(kinds), days=WEEK)
        return one(books, command)

    def rent(self, books, who):
        command = RentNumber(
            account_id=who, at=START, rental_id="o1", number=BERLIN.number, line="+995322000001",
            months=1, discount_percent=0, zone=TBILISI,
        )  # fmt: skip
        return one(books, command)

    def test_E4_a_chosen_number_is_kept_and_connected_when_they_are_approved(self):
        books = store()
        who = account(books, 5 * EURO)
        one(books, AddNumbers((self.PAPERS,), START))
        for _ in range(2):
            assert self.rent(books, who) is None
        assert books.account(who).available_micros == 0
        assert told(books, who) == ["documents_needed"]
        assert self.approve(books, who, "passport") == []
        (served,) = self.approve(books, who, "address")
        assert (served.state, served.number) == (CONNECTED, BERLIN.number)
        assert self.approve(books, who, "address") == []
        assert books.account(who).balance_micros == books.account(who).reserved_micros == 0
        assert books.verify() == []

    def test_E4_without_them_the_number_goes_back_and_the_money_is_free(self):
        books = store()
        who, other = account(books, 5 * EURO), account(books, 5 * EURO)
        one(books, AddNumbers((self.PAPERS,), START))
        self.rent(books, who)
        waiting = WaitForNumber(account_id=other, at=START, country="DE", city=None,
                                kind="landline")  # fmt: skip
        one(books, waiting)
        due(books, START + 14 * DAY - 1)
        assert order(books).state == DOCUMENTS
        due(books, START + 14 * DAY)
        assert (order(books).state, number(books).state) == (CANCELLED, STOCK)
        assert books.account(who).available_micros == 5 * EURO
        assert told(books, who)[-1] == "order_cancelled"
        assert told(books, other) == ["number_in_stock"]
        assert books.verify() == []

    def test_E4_a_suspended_account_and_one_that_cannot_pay_wait_on(self):
        books = store()
        who = account(books, 5 * EURO)
        one(books, AddNumbers((self.PAPERS,), START))
        self.rent(books, who)
        one(books, ChangeStatus(who, "suspended", START, "nino", "debt"))
        assert self.approve(books, who, "address") == []
        one(books, ChangeStatus(who, "active", START, "nino", "paid"))
        assert len(self.approve(books, who, "address")) == 1

    def test_E4_the_suppliers_days_begin_when_they_are_approved(self):
        books = store()
        who = account(books, 5 * EURO)
        made = ordered(books, who, offer=replace(OFFER, documents="address"))
        assert (made.state, made.expected_by) == (DOCUMENTS, None)
        with pytest.raises(BillingError, match="waits for documents of the class address"):
            one(books, ConnectOrder(account_id=who, at=START, order="o1", number=BERLIN.number,
                                    fresh=BERLIN, who="nino"))  # fmt: skip
        (served,) = self.approve(books, who, "address", when=at("2027-01-25T10:00+04:00"))
        assert (served.state, served.expected_from) == (REQUESTED, "2027-02-01")
        end(books, who, CANCELLED)
        assert books.account(who).available_micros == 5 * EURO

    def test_E4_cancelling_gives_a_kept_number_back(self):
        books = store()
        who = account(books, 5 * EURO)
        one(books, AddNumbers((self.PAPERS,), START))
        self.rent(books, who)
        end(books, who, CANCELLED)
        assert number(books).state == STOCK
        assert books.account(who).reserved_micros == 0


def test_E14_a_rent_leaves_what_an_order_holds():
    """A rent that goes into the minus leaves the reservation where it is."""
    books = store()
    who = account(books, 10 * EURO)
    one(books, AddNumbers((BERLIN,), START))
    rent = RentNumber(
        account_id=who, at=START, rental_id="r1", number=BERLIN.number, line="+995322000001",
        months=1, discount_percent=0, zone=TBILISI,
    )  # fmt: skip
    one(books, rent)
    ordered(books, who)
    due(books, at("2027-02-04T15:30+04:00"))
    after = books.account(who)
    assert (after.balance_micros, after.reserved_micros) == (0, 5 * EURO)
    with books.reading() as connection:
        (mine,) = rental_store.rented(connection, [who])
    assert mine.owing and local_day(mine.paid_until, TBILISI) == date(2027, 3, 4)
    one(books, TopUp(who, EURO, "p1", at("2027-02-05T10:00+04:00")))
    with books.reading() as connection:
        (mine,) = rental_store.rented(connection, [who])
    assert not mine.owing
    one(books, AddNumbers((replace(BERLIN, number="+4930000008"),), START + 40 * DAY))
    due(books, START + 40 * DAY)
    assert order(books).state == REQUESTED  # overdrawn: passed over
    one(books, TopUp(who, 4 * EURO, "p2", START + 40 * DAY))
    one(books, AddNumbers((replace(BERLIN, number="+4930000009"),), START + 41 * DAY))
    due(books, START + 41 * DAY)
    assert order(books).number == "+4930000009"
    assert books.account(who).balance_micros == books.account(who).reserved_micros == 0
    assert books.verify() == []
