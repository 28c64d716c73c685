"""Prices that are corrected: the difference posted once, and nothing of before is changed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from books import RATE, account, cdr, one, reopen, store
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from sqlalchemy import select

from billing.facts.authorization import AnswerCall, BillingError, CloseCall, OpenCall, ReplaceTariff
from billing.facts.calendar import Term
from billing.facts.product import NO_SETS, Product
from billing.facts.rerating import CorrectPrice, rate_by
from billing.facts.sales import BuyPackage, DefineProduct
from billing.facts.tariff import Tariff
from billing.stores import rerating_store, schema

DEARER = structs.replace(RATE, per_minute_micros=90_000)
CHEAPER = structs.replace(RATE, per_minute_micros=30_000)


def talked(books, who, key, duration_ms, rate=RATE, packages=()):
    draft = cdr(key, who, 0, None).to_json()
    one(books, OpenCall(key, who, rate, draft, 500, 600, packages))
    one(books, AnswerCall(key, 1000))
    return one(books, CloseCall(key, cdr(key, who, duration_ms))).cdr


def correct(who, key, rate, at=99_000):
    return CorrectPrice(account_id=who, at=at, cdr_id=f"{key}-a", rate=rate, note="too cheap")


def rows(books, table):
    with books.reading() as connection:
        return {tuple(row) for row in connection.execute(select(table))}


def test_a_correction_posts_the_difference_and_changes_no_row_of_before(database):
    books = store()
    who = account(books, 1_000_000)
    talked(books, who, "c1", 60_000)
    records, entries = rows(books, schema.cdrs), rows(books, schema.entries)
    made = one(books, correct(who, "c1", DEARER))
    assert (made.price_micros, made.posted_micros, made.number) == (90_000, -30_000, 1)
    assert books.account(who).balance_micros == 910_000
    again = one(books, correct(who, "c1", CHEAPER))
    assert (again.price_micros, again.posted_micros, again.number) == (30_000, 60_000, 2)
    assert books.account(who).balance_micros == 970_000
    assert rows(books, schema.cdrs) == records
    assert rows(books, schema.entries) > entries
    assert books.verify() == []
    kinds = [entry.kind for entry in books.ledger(who)]
    assert kinds == ["topup", "call", "correction", "correction"]


def test_correcting_twice_posts_once_also_in_one_batch_and_by_two_stores(database):
    books = store()
    who = account(books, 1_000_000)
    talked(books, who, "c1", 60_000)
    first, second = books.apply([correct(who, "c1", DEARER), correct(who, "c1", DEARER)])
    assert first.posted_micros == -30_000 and second is None
    if database != "sqlite://":
        assert one(reopen(database), correct(who, "c1", DEARER)) is None
    assert books.account(who).balance_micros == 910_000
    assert books.verify() == []


def test_what_is_no_priced_call_of_the_account_is_refused():
    books = store("sqlite://")
    who, other = account(books, 1_000_000), account(books, 1_000_000)
    talked(books, who, "c1", 60_000)
    for command in (correct(other, "c1", DEARER), correct(who, "nothing", DEARER)):
        with pytest.raises(BillingError, match="no priced call"):
            one(books, command)
    with pytest.raises(BillingError, match="in GEL"):
        one(books, correct(who, "c1", structs.replace(DEARER, currency="USD")))
    assert books.verify() == []


def test_the_time_that_a_package_paid_for_stays_free():
    books = store("sqlite://")
    who = account(books, 2_000_000)
    product = Product("min", "GEL", 1_000_000, Term(30, "days"), ("all",), free_seconds=30)
    one(books, DefineProduct(product))
    buy = BuyPackage(account_id=who, at=0, purchase_id="p", product="min", line=None, zone="UTC")
    one(books, buy)
    assert talked(books, who, "c1", 60_000, packages=("p",)).price_micros == 30_000
    assert one(books, correct(who, "c1", DEARER)).price_micros == 45_000
    assert books.verify() == []


def test_a_correction_that_was_tampered_with_is_found():
    books = store("sqlite://")
    who = account(books, 1_000_000)
    talked(books, who, "c1", 60_000)
    one(books, correct(who, "c1", DEARER))
    with books.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE cdr_corrections SET price_micros = 80000")
    found = [str(difference) for difference in books.verify()]
    assert any("correction 1 of call c1" in text for text in found)


def test_calls_between_our_lines_go_by_the_row_for_them():
    local = structs.replace(RATE, prefix="on_net", per_minute_micros=1)
    tariff = Tariff("default", "GEL", [RATE, local])
    record = cdr("c1", 1, 1000)
    assert rate_by(tariff, record, NO_SETS).prefix == "995"
    assert rate_by(tariff, structs.replace(record, type="on_net"), NO_SETS).prefix == "on_net"


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(1, 200_000), min_size=1, max_size=8),
    st.lists(st.integers(0, 200_000), min_size=1, max_size=4),
)
def test_after_any_corrections_each_call_costs_what_the_last_one_says(durations, prices):
    books = store("sqlite://")
    who = account(books, 10**9)
    for number, duration in enumerate(durations):
        talked(books, who, f"c{number}", duration)
    for price in prices:
        rate = structs.replace(RATE, per_minute_micros=price)
        for number in range(len(durations)):
            one(books, correct(who, f"c{number}", rate))
    last = structs.replace(RATE, per_minute_micros=prices[-1])
    with books.reading() as connection:
        calls = rerating_store.rated_calls(connection, 0, 10**9)
    expected = sum(call.charge(last).price_micros for call in calls)
    assert sum(call.price_micros for call in calls) == expected
    assert books.account(who).balance_micros == 10**9 - expected
    assert books.verify() == []
    books.close()


WORKING = """
import sys
sys.path[:0] = [sys.argv[2] + "/decisions", sys.argv[2], sys.argv[2] + "/../.."]
from test_rerating import DEARER, correct
from billing.stores.store import Store
books = Store(sys.argv[1])
for start in range(0, 200, 10):
    results = books.apply([correct(1, f"c{n}", DEARER) for n in range(start, start + 10)])
    for result in results:
        if isinstance(result, Exception): raise result
    print(start, flush=True)
"""


def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path):
    url = f"sqlite:///{tmp_path}/books.db"
    books = store(url)
    who = account(books, 10**9)
    one(books, ReplaceTariff("default", "GEL", [RATE]))
    for number in range(200):
        talked(books, who, f"c{number}", 60_000)
    where = str(Path(__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", WORKING, url, where], stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if int(line) >= 50:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert books.verify() == []
    books.apply([correct(who, f"c{number}", DEARER) for number in range(200)])
    assert books.account(who).balance_micros == 10**9 - 200 * 90_000
    with books.reading() as connection:
        assert len(rerating_store.made(connection, who)) == 200
    assert books.verify() == []
