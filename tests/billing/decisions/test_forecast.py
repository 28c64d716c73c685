"""The debits to come: what is due when, and whether the money will do."""

from __future__ import annotations

from dataclasses import replace

from billing.decisions.forecast import Debit, debits
from billing.facts.account import Account
from billing.facts.calendar import Term
from billing.facts.product import ACTIVE, GRACE, Product, Subscription
from billing.facts.rental import CLOSING, ENDED, Rental

DAY = 86_400_000
TALK = Product("talk", "GEL", 3_000_000, Term(30, "days"), ("on_net",))
RENTAL = Rental(
    "r", 1, "+4930", "GEL", 4_000_000, 1, "UTC", anchor_at=0, period=0, paid_until=31 * DAY,
    owing=False, state="active",
)  # fmt: skip


def account(balance: int, limit: int | None = 0, reserved: int = 0) -> Account:
    return Account(1, "Ana", "person", "GEL", balance, reserved, limit, "active", "default", 1, 0)


def bought(**changes: object) -> Subscription:
    item = Subscription(
        "s", 1, None, "talk", TALK, "UTC", anchor_at=0, number=0, renewals=0, started_at=0,
        ends_at=30 * DAY, used_ms=0, held_ms=0, auto_renew=True, state=ACTIVE,
    )  # fmt: skip
    return replace(item, **changes)  # type: ignore[arg-type]


def test_what_is_due_first_takes_the_money_first() -> None:
    found = list(debits(account(8_000_000), [bought()], {"talk": TALK}, [RENTAL], 65 * DAY))
    assert found == [
        Debit(30 * DAY, "package", "talk", 3_000_000, 5_000_000, True),
        Debit(31 * DAY, "rent", "+4930", 4_000_000, 1_000_000, True),
        # From 1 January by the calendar: 1 February, 1 March.
        Debit(59 * DAY, "rent", "+4930", 4_000_000, -3_000_000, False),
        Debit(60 * DAY, "package", "talk", 3_000_000, -3_000_000, False),
    ]


def test_a_package_without_money_takes_none_and_has_no_next_term() -> None:
    found = list(debits(account(2_000_000), [bought()], {"talk": TALK}, [], 400 * DAY))
    assert found == [Debit(30 * DAY, "package", "talk", 3_000_000, 2_000_000, False)]


def test_what_a_call_reserves_does_not_pay_for_a_package() -> None:
    (found,) = debits(account(3_000_000, reserved=1), [bought()], {}, [], 31 * DAY)
    assert not found.paid


def test_an_account_without_a_limit_pays_for_everything() -> None:
    found = list(debits(account(0, None), [bought()], {"talk": TALK}, [RENTAL], 31 * DAY))
    assert [(debit.left_micros, debit.paid) for debit in found] == [(None, True), (None, True)]


def test_nothing_is_due_for_what_ends() -> None:
    ends = [bought(auto_renew=False), bought(state=GRACE)]
    assert list(debits(account(9_000_000), ends, {"talk": TALK}, [], 99 * DAY)) == []
    withdrawn = {"talk": replace(TALK, sold=False)}
    assert list(debits(account(9_000_000), [bought()], withdrawn, [], 99 * DAY)) == []
    over = [replace(RENTAL, state=ENDED)]
    assert list(debits(account(9_000_000), [], {}, over, 99 * DAY)) == []


def test_a_number_that_was_given_up_late_costs_once_more() -> None:
    closing = [replace(RENTAL, state=CLOSING)]
    found = list(debits(account(9_000_000), [], {}, closing, 99 * DAY))
    assert [debit.at for debit in found] == [31 * DAY]


def test_a_renewal_costs_what_the_product_costs_then() -> None:
    dearer = {"talk": replace(TALK, price_micros=5_000_000)}
    (found,) = debits(account(9_000_000), [bought()], dearer, [], 31 * DAY)
    assert found.amount_micros == 5_000_000


def test_a_free_package_renews_at_any_balance() -> None:
    free = {"talk": replace(TALK, price_micros=0)}
    (found,) = debits(account(-1), [bought()], free, [], 31 * DAY)
    assert found.paid
