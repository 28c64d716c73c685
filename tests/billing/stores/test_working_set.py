"""Rows that stay in memory between the batches of the one writer of a SQLite database."""

import books as small_books
import pytest
from books import RATE, account, cdr, reopen, store
from msgspec import structs
from sqlalchemy import event, update
from sqlalchemy.exc import OperationalError

from billing.facts.authorization import (
    AnswerCall,
    Authorization,
    CloseCall,
    InsufficientFunds,
    OpenCall,
    SetAccount,
    TopUp,
)
from billing.stores import schema
from billing.stores.store import StoreError


@pytest.fixture
def url(tmp_path):
    yield f"sqlite:///{tmp_path}/books.db"
    small_books.close()


def reads_of(books, commands) -> list[str]:
    """The SELECTs that a batch executes."""
    said: list[str] = []

    def trace(connection) -> None:
        connection.connection.driver_connection.set_trace_callback(said.append)

    event.listen(books.engine, "begin", trace)
    books.apply(commands)
    event.remove(books.engine, "begin", trace)
    assert any(text.startswith("UPDATE") for text in said)
    return [text for text in said if text.startswith("SELECT")]


def test_an_answer_and_a_settlement_read_no_row_again(url):
    books = store(url)
    who = account(books, 10_000_000)
    books.apply([OpenCall("c", who, RATE, b"{}", 0)])
    assert reads_of(books, [AnswerCall("c", 1_000)]) == []
    assert reads_of(books, [CloseCall("c", cdr("c", who, 60_000))]) == []
    assert books.account(who).balance_micros == 10_000_000 - 60_000
    assert books.verify() == []


def test_what_another_process_pays_in_and_spends_is_seen_by_the_next_batch(url):
    books = store(url)
    who = account(books, 0)
    (refused,) = books.apply([OpenCall("a", who, RATE, b"{}", 0)])
    assert isinstance(refused, InsufficientFunds)
    other = reopen(url)
    other.apply([TopUp(who, 100_000, "from elsewhere", 0)])
    (opened,) = books.apply([OpenCall("a", who, RATE, b"{}", 0)])
    assert isinstance(opened, Authorization)
    held = books.account(who).reserved_micros
    assert held > 0
    (settled,) = other.apply([CloseCall("a", cdr("a", who, 0))])
    (again,) = books.apply([CloseCall("a", cdr("a", who, 60_000))])
    assert again.cdr == settled.cdr  # closed there: not once more
    other.apply([OpenCall("b", who, RATE, b"{}", 0)])
    (opened,) = books.apply([OpenCall("b", who, RATE, b"{}", 0)])
    assert opened.reserved_micros == held  # the same call, asked for twice
    assert books.account(who).reserved_micros == held
    assert books.verify() == []


@pytest.mark.parametrize("place", ["file", "memory"])
def test_what_another_connection_of_the_process_changes_is_seen_by_the_next_batch(url, place):
    books = store(url if place == "file" else None)
    who = account(books, 10_000_000)
    books.apply([OpenCall("c", who, RATE, b"{}", 0)])
    with books.engine.begin() as connection:
        connection.execute(update(schema.accounts).values(status="suspended"))
    (changed,) = books.apply([SetAccount(who, {"name": "renamed"})])
    assert (changed.name, changed.status) == ("renamed", "suspended")


@pytest.mark.usefixtures("database")
def test_a_call_that_is_opened_again_among_new_ones_keeps_its_reservation():
    books = store()
    who = account(books, 10_000_000)
    (first,) = books.apply([OpenCall("a", who, RATE, b"{}", 0)])
    books.forget()
    again = books.apply([OpenCall(key, who, RATE, b"{}", 0) for key in ("b", "a", "c")])
    assert [answer.call_id for answer in again] == ["b", "a", "c"]
    assert {answer.reserved_micros for answer in again} == {first.reserved_micros}
    assert books.account(who).reserved_micros == 3 * first.reserved_micros
    assert books.verify() == []


@pytest.mark.usefixtures("database")
def test_a_call_that_is_opened_again_when_its_money_is_all_reserved_has_its_reservation():
    books = store()
    who = account(books, 9_000)
    (first,) = books.apply([OpenCall("a", who, RATE, b"{}", 0)])
    assert books.account(who).available_micros == 0
    books.forget()
    (again,) = books.apply([OpenCall("a", who, RATE, b"{}", 0)])
    assert (again.reserved_micros, again.paid_seconds) == (9_000, 9)
    assert first.reserved_micros == 9_000
    (other,) = books.apply([OpenCall("b", who, RATE, b"{}", 0)])
    assert isinstance(other, InsufficientFunds)
    assert books.verify() == []


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("answered", [False, True])
def test_a_call_that_is_opened_again_and_ends_in_the_same_batch_is_settled_once(answered):
    books = store()
    who = account(books, 10_000_000)
    books.apply([OpenCall("a", who, RATE, b"{}", 0)])
    books.forget()
    between = [AnswerCall("a", 1_000)] if answered else []
    ended = CloseCall("a", cdr("a", who, 60_000))
    books.apply([OpenCall("a", who, RATE, b"{}", 0), *between, ended, ended])
    assert books.live_calls() == []
    assert [(record.id, record.price_micros) for record in books.cdrs()] == [("a-a", 60_000)]
    assert books.account(who).reserved_micros == 0
    assert books.account(who).balance_micros == 10_000_000 - 60_000
    assert books.verify() == []


@pytest.mark.usefixtures("database")
def test_a_call_that_ends_and_begins_anew_in_the_same_batch_is_live():
    books = store()
    who = account(books, 10_000_000)
    opening = OpenCall("a", who, RATE, b"{}", 0)
    books.apply([opening])
    ended = CloseCall("a", cdr("a", who, 60_000))
    _, reserved, counted = books.apply([ended, opening, opening])
    assert reserved == structs.replace(counted, longest_seconds=reserved.longest_seconds)
    assert [call.call_id for call in books.live_calls()] == ["a"]
    assert books.account(who).reserved_micros == reserved.reserved_micros
    assert books.verify() == []


@pytest.mark.usefixtures("database")
def test_a_call_that_ends_and_can_t_be_paid_anew_in_the_same_batch_is_refused():
    books = store()
    who = account(books, 9_000)
    opening = OpenCall("a", who, RATE, b"{}", 0)
    books.apply([opening])
    _, refused = books.apply([CloseCall("a", cdr("a", who, 9_000)), opening])
    assert isinstance(refused, InsufficientFunds)
    assert (books.live_calls(), books.verify()) == ([], [])


def test_a_call_that_begins_is_not_looked_for(url):
    books = store(url)
    who = account(books, 10_000_000)
    books.apply([OpenCall("a", who, RATE, b"{}", 0)])
    assert reads_of(books, [OpenCall("b", who, RATE, b"{}", 0)]) == []


def test_a_batch_that_failed_half_way_leaves_nothing_in_memory(url):
    books = store(url)
    who = account(books, 10_000_000)
    books.apply([OpenCall("c", who, RATE, b"{}", 0)])
    before = books.account(who)

    def fail(connection):
        raise OperationalError("COMMIT", {}, Exception("disk full"))

    event.listen(books.engine, "commit", fail)
    with pytest.raises(StoreError, match="disk full"):
        books.apply([AnswerCall("c", 500), CloseCall("c", cdr("c", who, 60_000))])
    event.remove(books.engine, "commit", fail)
    assert books.account(who) == before
    assert [call.answered_at for call in books.live_calls()] == [None]
    books.apply([AnswerCall("c", 1_000)])
    assert [call.answered_at for call in books.live_calls()] == [1_000]
    books.apply([CloseCall("c", cdr("c", who, 60_000))])
    assert books.account(who).balance_micros == 10_000_000 - 60_000
    assert books.verify() == []
