"""Holds (B9, A20): credit set aside for texts as a whole, captured text by text."""

import pytest
from books import account, one, store

from billing.facts.authorization import (
    BillingError,
    ChangeStatus,
    InsufficientFunds,
    PaymentConflict,
)
from billing.facts.hold import CaptureCredit, HoldCredit, ReleaseCredit
from billing.facts.wallet import MONEY, ONE, SMS, BuyCredit, Spend
from billing.stores import hold_store, wallet_store

LARI = 1_000_000

pytestmark = pytest.mark.usefixtures("database")


def hold(books, who, amount, key="h1", wallet=MONEY):
    return one(
        books,
        HoldCredit(account_id=who, at=1, hold_id=key, wallet=wallet, amount_micros=amount),
    )


def capture(books, who, amount, text="t1", key="h1"):
    return one(
        books,
        CaptureCredit(account_id=who, at=2, hold_id=key, capture_id=text, amount_micros=amount),
    )


def release(books, who, key="h1"):
    return one(books, ReleaseCredit(account_id=who, at=3, hold_id=key))


def test_a_hold_lowers_what_is_available_and_posts_nothing():
    books = store()
    who = account(books, 5 * LARI)
    hold(books, who, 2 * LARI)
    held = books.account(who)
    assert (held.balance_micros, held.available_micros) == (5 * LARI, 3 * LARI)
    assert [entry.kind for entry in books.ledger(who)] == ["topup"]
    assert books.verify() == []


def test_a_batch_is_held_as_a_whole_or_not_at_all():
    books = store()
    who = account(books, 5 * LARI)
    with pytest.raises(InsufficientFunds, match=r"5\.000001"):
        hold(books, who, 5 * LARI + 1)
    assert books.account(who).available_micros == 5 * LARI
    assert hold(books, who, 5 * LARI).held_micros == 5 * LARI


def test_texts_are_captured_once_each_and_the_rest_is_released():
    books = store()
    who = account(books, 5 * LARI)
    hold(books, who, 3 * LARI)
    for _ in range(2):
        assert capture(books, who, LARI).held_micros == 2 * LARI
    assert capture(books, who, LARI // 2, "t2").held_micros == 1_500_000
    for _ in range(2):
        assert release(books, who).held_micros == 0
    after = books.account(who)
    assert (after.balance_micros, after.reserved_micros) == (3_500_000, 0)
    assert [(entry.kind, entry.amount_micros) for entry in books.ledger(who)][1:] == [
        ("text", -LARI),
        ("text", -LARI // 2),
    ]
    assert books.verify() == []


def test_nothing_is_captured_beyond_the_hold():
    books = store()
    who = account(books, 5 * LARI)
    hold(books, who, LARI)
    with pytest.raises(BillingError, match=r"1\.00 money left"):
        capture(books, who, LARI + 1)
    release(books, who)
    with pytest.raises(BillingError, match=r"0\.00 money left"):
        capture(books, who, 1)


def test_a_text_that_went_out_is_paid_whatever_the_account_has_become():
    books = store()
    who = account(books, 5 * LARI)
    hold(books, who, LARI)
    one(books, ChangeStatus(who, "suspended", 0))
    assert capture(books, who, LARI).held_micros == 0
    assert books.account(who).balance_micros == 4 * LARI


def test_an_id_that_was_used_for_another_amount_is_refused():
    books = store()
    who = account(books, 5 * LARI)
    hold(books, who, LARI)
    with pytest.raises(PaymentConflict, match="h1"):
        hold(books, who, 2 * LARI)


def test_another_accounts_hold_is_not_there():
    books = store()
    who, other = account(books, 5 * LARI), account(books, 5 * LARI)
    hold(books, who, LARI)
    for command in (capture, release):
        arguments = (LARI,) if command is capture else ()
        with pytest.raises(BillingError, match=f"account {other} has no hold h1"):
            command(books, other, *arguments)


def test_held_units_of_a_wallet_cant_be_spent():
    books = store()
    who = account(books, 20 * LARI)
    one(
        books,
        BuyCredit(
            account_id=who, at=0, purchase_id="p", wallet=SMS, credit_micros=10 * ONE,
            price_micros=LARI,
        ),
    )  # fmt: skip
    hold(books, who, 8 * ONE, wallet=SMS)
    spend = Spend(account_id=who, at=1, spend_id="s", wallet=SMS, amount_micros=3 * ONE)
    with pytest.raises(InsufficientFunds, match=r"has 2\.00 SMS"):
        one(books, spend)
    capture(books, who, 3 * ONE)
    with books.reading() as connection:
        (wallet,) = wallet_store.of_accounts(connection, [who])
        assert (wallet.balance_micros, wallet.held_micros) == (7 * ONE, 5 * ONE)
        assert [found.id for found in hold_store.open_holds(connection, "h")] == ["h1"]
        assert list(hold_store.open_holds(connection, "x")) == []
    release(books, who)
    assert one(books, spend).after.balance_micros == 4 * ONE
    assert books.verify() == []
