"""The cap on an account's calls at once is counted in the books, where all nodes' calls are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from books import RATE, account, cdr, close, one, reopen, store

from billing.facts.authorization import CloseCall, OpenCall, TooManyCalls
from billing.facts.rate import Rate


def opening(call: str, who: int, rate: Rate | None = RATE, most: int | None = 2) -> OpenCall:
    return OpenCall(call, who, rate, cdr(call, who).to_json(), 1, 60, (), "one", most)


@pytest.mark.usefixtures("database")
def test_a_call_above_the_cap_is_refused_and_reserves_nothing() -> None:
    books = store()
    who, other = account(books, 10_000_000), account(books, 10_000_000)
    for call in ("c1", "c2"):
        one(books, opening(call, who))
    with pytest.raises(TooManyCalls) as refused:
        one(books, opening("c3", who))
    assert refused.value.most == 2
    assert books.account(who).reserved_micros == 120_000
    one(books, opening("c2", who))  # a command that is repeated is no other call
    one(books, opening("c4", other))
    one(books, CloseCall("c1", cdr("c1", who, 1_000)))
    one(books, opening("c3", who))
    assert books.verify() == []


@pytest.mark.usefixtures("database")
def test_calls_of_one_batch_are_counted_and_so_is_one_that_ends_in_it() -> None:
    books = store()
    who = account(books, 10_000_000)
    first = books.apply([opening(call, who) for call in ("c1", "c2", "c3")])
    assert [type(answer) is TooManyCalls for answer in first] == [False, False, True]
    ended = CloseCall("c1", cdr("c1", who, 1_000))
    second = books.apply([opening("c4", who), ended, opening("c5", who), opening("c6", who)])
    assert [type(answer) is TooManyCalls for answer in second] == [True, False, False, True]


@pytest.mark.usefixtures("database")
def test_free_calls_neither_count_nor_are_refused() -> None:
    books = store()
    who = account(books, 10_000_000)
    for call in ("f1", "f2", "f3"):
        one(books, opening(call, who, rate=None))
    for call in ("c1", "c2"):
        one(books, opening(call, who))
    one(books, opening("f4", who, rate=None))


def test_nodes_that_open_calls_at_the_same_moment_keep_the_cap(postgresql: str) -> None:
    books = store(postgresql)
    who = account(books, 100_000_000)
    nodes = [books, reopen(postgresql), reopen(postgresql)]

    def burst(node: int) -> list[bool]:
        answers = [
            nodes[node].apply([opening(f"{node}-{place}", who, most=5)])[0] for place in range(10)
        ]
        return [not isinstance(answer, Exception) for answer in answers]

    with ThreadPoolExecutor(3) as threads:
        opened = [one for some in threads.map(burst, range(3)) for one in some]
    assert sum(opened) == 5
    assert books.account(who).reserved_micros == 5 * 60_000
    assert books.verify() == []
    close()
