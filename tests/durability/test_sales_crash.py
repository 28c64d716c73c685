"""Killed in the middle of payments, purchases, renewals and rents: nothing that was acknowledged
is lost, nothing is posted twice, and what was due is done by the next process."""

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from books import account, one, reopen, store

from billing.facts.calendar import Term
from billing.facts.product import Product
from billing.facts.rental import AddNumbers, Number
from billing.facts.sales import DefineProduct
from billing.stores import rental_store, sales_store
from softswitch.scheduled.due import run_due

START = 1_800_000_000_000
DAY = 86_400_000
PRODUCT = Product("day", "GEL", 1_000_000, Term(24, "hours"), ("all",))
NUMBER = Number("", "DE", None, "landline", "own", "", None, "GEL", 2_000_000)

WORKING = """
import sys
sys.path[:0] = [sys.argv[2], str(__import__("pathlib").Path(sys.argv[2]).parents[1])]
from billing.facts.authorization import *
from billing.facts.rental import RentNumber
from billing.facts.sales import BuyPackage
from billing.stores.store import Store
from softswitch.scheduled.due import run_due
books = Store(sys.argv[1])
start, day, turn = int(sys.argv[3]), 86_400_000, 0
while True:
    turn += 1
    now = start + turn * day // 4
    results = books.apply([
        TopUp(1, 10_000_000, f"pay{turn}", now),
        BuyPackage(account_id=1, at=now, purchase_id=f"buy{turn}", product="day",
                   line=f"+{turn}", zone="UTC", auto_renew=True),
        RentNumber(account_id=1, at=now, rental_id=f"rent{turn}", number=f"+49{turn:04}",
                   line="+1", months=1, discount_percent=0, zone="UTC"),
    ])
    for result in results:
        if isinstance(result, Exception): raise result
    print(turn, flush=True)
    report = run_due(books, books.apply, now, "UTC")
    if report.failures: raise report.failures[0][1]
"""


@pytest.mark.parametrize("round_", range(4))
def test_killed_while_selling_the_books_are_right_and_the_next_process_catches_up(
    tmp_path, round_, database
):
    url = f"sqlite:///{tmp_path}/books.db" if database == "sqlite://" else database
    books = store(url)
    who = account(books, 0)
    one(books, DefineProduct(PRODUCT))
    one(books, AddNumbers(tuple(replace(NUMBER, number=f"+49{n:04}") for n in range(1000)), START))
    where = str(Path(__file__).parents[1] / "billing")
    process = subprocess.Popen(
        [sys.executable, "-c", WORKING, url, where, str(START)], stdout=subprocess.PIPE, text=True
    )
    acknowledged = 0
    for line in process.stdout:
        acknowledged = int(line)
        if acknowledged >= 12 + 9 * round_:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    after = reopen(url)
    assert after.verify() == []
    now = START + (acknowledged + 4) * DAY // 4
    assert run_due(after, after.apply, now, "UTC").failures == []
    causes = Counter(entry.transaction_id for entry in after.ledger(who))
    assert set(causes.values()) == {1}
    for turn in range(1, acknowledged + 1):
        assert {f"payment:pay{turn}", f"purchase:buy{turn}", f"rent:rent{turn}:0"} <= set(causes)
    with after.reading() as connection:
        bought = sales_store.subscriptions(connection, [who], ended=True)
        rented = rental_store.rented(connection, [who])
    assert len(bought) == len(rented) >= acknowledged
    for item in bought:  # each day since the purchase was paid for, once
        assert item.ends_at > now
        assert item.ends_at - item.anchor_at == (item.renewals + 1) * DAY
        assert {f"renewal:{item.id}:{n}" for n in range(1, item.renewals + 1)} <= set(causes)
    assert after.verify() == []
