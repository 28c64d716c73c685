"""Requests that are sent again with their key: done once, answered as before."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, update

from billing.stores.store import StoreError
from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.control.values import Value
from softswitch.database.idempotency import KEPT_MS, requests_table
from softswitch.operations.accounts import accounts
from softswitch.operations.context import Context
from softswitch.operations.dispatch import perform
from softswitch.operations.lines import lines
from softswitch.operations.numbers import numbers
from softswitch.operations.registry import OPERATIONS
from softswitch.operations.repeats import AGAIN, POSTING_IDS, RUNS_MS, once
from softswitch.operations.running_requests import RunningRequests

ANA = "+995322000001"


def ask(context: Context, operation: str, key: str | None, **arguments: object) -> Any:
    return perform(context, OPERATIONS[operation], arguments, key)


def code_of(context: Context, operation: str, key: str, **arguments: object) -> str:
    with pytest.raises(OperationError) as refused:
        ask(context, operation, key, **arguments)
    return refused.value.code


@pytest.fixture
def anas(context: Context) -> Context:
    accounts.account_add(context, "Ana")
    accounts.account_topup(context, "Ana", "100", "first")
    lines.line_add(context, ANA, "Ana")
    return context


def test_an_account_is_opened_once_and_the_answer_is_the_first_ones(context: Context) -> None:
    first = ask(context, "account_add", "k1", name="Ana")
    again = ask(context, "account_add", "k1", name="Ana")
    assert again == first | {"repeated": True}
    assert len(context.billing.accounts()) == 1
    assert ask(context, "account_add", "k2", name="Ana")["id"] != first["id"]


def test_a_line_is_added_once_and_its_password_is_shown_again(anas: Context) -> None:
    first = ask(anas, "line_add", "k1", number="+995322000009", account="Ana")
    again = ask(anas, "line_add", "k1", number="+995322000009", account="Ana")
    assert first["password"] == again["password"]
    with anas.billing.reading() as connection:
        kept = connection.execute(select(requests_table.c.answer)).scalar_one()
    assert first["password"].encode() not in kept
    assert b"995322000009" not in kept


def test_a_new_login_isnt_made_again(anas: Context) -> None:
    accounts.account_set(anas, "Ana", "national_code", "01001001001")
    first = ask(anas, "account_login", "k1", account="Ana")
    assert ask(anas, "account_login", "k1", account="Ana")["password"] == first["password"]
    assert ask(anas, "account_login", "k2", account="Ana")["password"] != first["password"]


def test_a_request_and_an_sms_number_are_had_once(anas: Context) -> None:
    for last in "12":
        numbers.number_add(anas, f"+4915100000{last}", "DE", "sms", "2", service="Shop")
    for _ in range(3):
        bought = ask(anas, "number_sms", "k1", account="Ana", service="Shop")
        ask(anas, "request_open", "k2", account="Ana", kind="fault", text="no sound", line=ANA)
    assert bought["number"] == "+49151000001"
    assert len(numbers.number_list(anas, state="stock")) == 1
    assert len(anas.subscribers.requests()) == 1


def test_a_payment_by_its_key_is_counted_once(anas: Context) -> None:
    for _ in range(2):
        row = ask(anas, "account_topup", "till-7", account="Ana", amount="5")
    assert row["balance"] == "105.00"
    assert len(anas.billing.ledger(1)) == 2


def test_the_same_key_for_another_request_is_refused(anas: Context) -> None:
    ask(anas, "account_topup", "k1", account="Ana", amount="5")
    mismatch = "idempotency_mismatch"
    assert code_of(anas, "account_topup", "k1", account="Ana", amount="6") == mismatch
    assert code_of(anas, "account_add", "k1", name="Beka") == mismatch
    assert len(anas.billing.ledger(1)) == 2


def test_a_refused_request_may_be_mended_and_sent_with_the_same_key(anas: Context) -> None:
    refused = code_of(anas, "line_add", "k1", number=ANA, account="Ana")
    assert refused == "number_has_line_already"
    assert ask(anas, "line_add", "k1", number="+995322000009", account="Ana")["password"]


def test_two_accounts_may_use_the_same_key(anas: Context) -> None:
    accounts.account_add(anas, "Beka")
    lines.line_add(anas, "+995322000002", "Beka")
    for account, line in ((1, ANA), (2, "+995322000002")):
        anas.actor = Actor(f"owner{account}", "subscriber", account)
        ask(anas, "request_open", "k1", kind="fault", text="no sound", line=line)
    assert [each.account_id for each in anas.subscribers.requests()] == [1, 2]


def test_two_members_of_staff_may_use_the_same_key(anas: Context) -> None:
    for login in ("till-1", "till-2"):
        anas.actor = Actor(login, "accountant")
        for _ in range(2):
            ask(anas, "account_topup", "k1", account="Ana", amount="5")
    assert [entry.amount_micros for entry in anas.billing.ledger(1)] == [
        100_000_000, 5_000_000, 5_000_000,
    ]  # fmt: skip


def broken_off(context: Context, **columns: object) -> None:
    """The process died before the answers were kept."""
    with context.billing.engine.begin() as connection:
        connection.execute(update(requests_table).values(answer=None, **columns))


def test_a_payment_that_broke_off_is_made_good_by_its_repetition(anas: Context) -> None:
    ask(anas, "account_topup", "k1", account="Ana", amount="5")
    broken_off(anas)
    assert ask(anas, "account_topup", "k1", account="Ana", amount="5")["balance"] == "105.00"
    assert len(anas.billing.ledger(1)) == 2


def test_a_creation_that_broke_off_is_never_doubled(anas: Context) -> None:
    ask(anas, "account_add", "k1", name="Beka")
    broken_off(anas)
    assert code_of(anas, "account_add", "k1", name="Beka") == "request_unfinished"
    assert len(anas.billing.accounts()) == 2


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("request_open", {"account": "Ana", "kind": "fault", "text": "no sound", "line": ANA}),
        ("user_add", {"login": "ana", "role": "subscriber", "account": "Ana"}),
        ("account_add", {"name": "Beka"}),
    ],
)
def test_a_request_that_broke_off_before_its_change_is_done_by_its_repetition(
    anas: Context, operation: str, given: Mapping[str, object]
) -> None:
    def breaks(_context: Context, _given: Mapping[str, object]) -> Value:
        raise StoreError("gone")

    with pytest.raises(StoreError):
        once(anas, OPERATIONS[operation], given, "k1", breaks)
    answer = ask(anas, operation, "k1", **given)
    assert "repeated" not in answer
    assert ask(anas, operation, "k1", **given) == answer | {"repeated": True}


def test_each_kind_of_change_marks_its_request(anas: Context) -> None:
    """By a transaction of its own, or by the billing writer's."""
    for number, (operation, given) in enumerate({
        "note_add": {"account": "Ana", "text": "calls back"},
        "account_add": {"name": "Beka"},
        "webhook_add": {"account": "Ana", "url": "https://example.org/", "events": ["call.ended"]},
    }.items()):  # fmt: skip
        ask(anas, operation, f"k{number}", **given)
        broken_off(anas)
        assert code_of(anas, operation, f"k{number}", **given) == "request_unfinished"


def test_a_setting_whose_answer_was_lost_is_set_again(anas: Context) -> None:
    for _ in range(2):
        ask(anas, "line_service_set", "k1", number=ANA, service="reject_anonymous", value=["on"])
        broken_off(anas)
    assert anas.line(ANA).status == "active"


def test_a_removal_whose_answer_was_lost_is_answered_as_done(anas: Context) -> None:
    ask(anas, "line_remove", "k1", number=ANA)
    broken_off(anas)
    for _ in range(2):
        assert ask(anas, "line_remove", "k1", number=ANA) == {"repeated": True}
    assert code_of(anas, "line_remove", "k2", number=ANA) == "line_not_found"


def test_what_another_node_does_is_under_way_for_a_minute(anas: Context) -> None:
    begun = anas.now_ms()
    ask(anas, "line_suspend", "k1", number=ANA, reason="lost")
    broken_off(anas, runner="b 0011223344556677", begun_at=begun)
    anas.now_ms = lambda: begun + RUNS_MS - 1
    again = {"number": ANA, "reason": "lost"}
    assert code_of(anas, "line_suspend", "k1", **again) == "request_in_progress"
    anas.now_ms = lambda: begun + RUNS_MS
    assert ask(anas, "line_suspend", "k1", **again)


def test_a_repetition_waits_for_the_first_request_and_has_its_answer(anas: Context) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(context: Context, _given: Mapping[str, object]) -> Value:
        begun.set()
        assert go_on.wait(60)
        return {"made": 1}

    def again(_context: Context, _given: Mapping[str, object]) -> Value:
        raise AssertionError("done twice")

    operation = OPERATIONS["account_add"]
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(once, anas, operation, {"name": "Beka"}, "k1", slowly)
        assert begun.wait(60)
        second = threads.submit(once, anas, operation, {"name": "Beka"}, "k1", again)
        go_on.set()
        assert first.result(60) == {"made": 1}
        assert second.result(60) == {"made": 1, "repeated": True}


def test_a_request_runs_alone_among_threads() -> None:
    running = RunningRequests()
    with running.alone("k1", 0) as first, running.alone("k1", 0) as second:
        assert (first, second) == (True, False)
        with running.alone("k2", 0) as other:
            assert other
    with running.alone("k1", 0) as afterwards:
        assert afterwards


def test_what_is_done_again_is_a_change_without_a_posting_id() -> None:
    assert {name for name in AGAIN if OPERATIONS[name].effect != "change"} == set()
    assert not AGAIN & set(POSTING_IDS)


def test_a_key_is_forgotten_after_two_days(anas: Context) -> None:
    ask(anas, "account_add", "k1", name="Beka")
    begun = anas.now_ms()
    anas.now_ms = lambda: begun + KEPT_MS + 1
    ask(anas, "account_add", "k1", name="Gio")
    assert [account.name for account in anas.billing.accounts()] == ["Ana", "Beka", "Gio"]


@pytest.mark.parametrize("key", ["", "two words", "\u10d0", "x" * 129])
def test_what_is_no_key_is_refused(anas: Context, key: str) -> None:
    assert code_of(anas, "account_add", key, name="Beka") == "key_malformed"


def test_a_key_says_nothing_for_what_only_reads(anas: Context) -> None:
    assert ask(anas, "account_show", "k1", account="Ana") == ask(
        anas, "account_show", "k1", account="Ana"
    )


def test_the_arguments_that_are_posting_ids_are_there() -> None:
    from softswitch.operations.arguments import parameters

    known: Mapping[str, str] = POSTING_IDS
    for name, argument in known.items():
        assert argument in parameters(OPERATIONS[name].function)
