"""The books: nobody overspends, nothing is posted twice, and everything adds up."""

import ast
import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from books import RATE, account, cdr, close, one, reopen, store
from msgspec import structs
from sqlalchemy import event

import billing
from billing.facts.authorization import (
    AccountBlocked,
    AnswerCall,
    ChangeStatus,
    CloseCall,
    CurrencyMismatch,
    ExtendCall,
    InsufficientFunds,
    OpenCall,
    PaymentConflict,
    ProveAlive,
    TopUp,
    UnknownCall,
    WriteCdr,
)
from billing.facts.cdr import Cdr
from billing.facts.rate import Rate
from billing.formats.export import export
from billing.stores.group_commit import GroupCommit
from billing.stores.journal import CdrJournal
from billing.stores.store import Store, StoreError


@pytest.mark.usefixtures("database")
def test_a_call_is_reserved_settled_and_released():
    books = store()
    who = account(books, 1_000_000)
    opened = one(books, OpenCall("c1", who, RATE, cdr("c1", who).to_json(), 1))
    assert (opened.reserved_micros, opened.paid_seconds, opened.final) == (60_000, 60, False)
    assert books.account(who).available_micros == 940_000
    one(books, AnswerCall("c1", 1000))
    settled = one(books, CloseCall("c1", cdr("c1", who, 12_345)))
    assert (settled.cdr.billed_seconds, settled.cdr.price_micros) == (13, 13_000)
    assert settled.balance_micros == books.account(who).balance_micros == 987_000
    assert books.account(who).reserved_micros == 0
    assert books.verify() == []


@pytest.mark.usefixtures("database")
def test_closing_twice_changes_nothing():
    books = store()
    who = account(books, 1_000_000)
    one(books, OpenCall("c1", who, RATE, cdr("c1", who).to_json(), 1))
    first = one(books, CloseCall("c1", cdr("c1", who, 12_345)))
    again = one(books, CloseCall("c1", cdr("c1", who, 99_999)))
    assert again == first
    assert len(books.cdrs()) == 1
    assert len(books.ledger(who)) == 2


@pytest.mark.usefixtures("database")
def test_what_a_late_bye_adds_is_not_billed():
    books = store()
    who = account(books, 30_000)
    opened = one(books, OpenCall("c1", who, RATE, cdr("c1", who).to_json(), 1))
    assert (opened.paid_seconds, opened.final) == (30, True)
    settled = one(books, CloseCall("c1", cdr("c1", who, 30_080)))
    assert (settled.cdr.duration_ms, settled.cdr.price_micros) == (30_000, 30_000)
    assert books.account(who).balance_micros == 0


@pytest.mark.usefixtures("database")
def test_refusals_change_nothing_and_fail_alone():
    books = store()
    poor, rich = account(books, 999), account(books, 10**6)
    books.apply([ChangeStatus(rich, "suspended", 0)])
    first_block = Rate("default", "1", "", 100_000, 60_000, 60, 60, currency="GEL")
    euros = Rate("default", "1", "", 0, 60_000, 60, 60, currency="EUR")
    results = books.apply(
        [
            OpenCall("a", poor, RATE, b"{}", 1),
            OpenCall("b", rich, RATE, b"{}", 1),
            OpenCall("c", poor, None, cdr("c", poor).to_json(), 1),
            OpenCall("d", rich, None, cdr("d", rich).to_json(), 1),
            OpenCall("e", poor, first_block, b"{}", 1),
            OpenCall("f", poor, euros, b"{}", 1),
            ExtendCall("nobody", 1),
        ]
    )
    assert isinstance(results[0], InsufficientFunds)
    assert isinstance(results[1], AccountBlocked)
    assert results[2].paid_seconds is results[3].paid_seconds is None
    assert isinstance(results[4], InsufficientFunds)
    assert isinstance(results[5], CurrencyMismatch)
    assert isinstance(results[6], UnknownCall)
    assert {call.call_id for call in books.live_calls()} == {"c", "d"}
    assert books.verify() == []


@pytest.mark.usefixtures("database")
def test_A2_a_payment_id_counts_once():
    books = store()
    who = account(books, 0)
    for turn in range(3):
        paid = one(books, TopUp(who, 5_000_000, "p1", 1))
        assert paid.counted_before == (turn > 0)
        assert paid.account.balance_micros == paid.balance_micros == 5_000_000
    with pytest.raises(PaymentConflict, match="p1"):
        one(books, TopUp(who, 6_000_000, "p1", 1))
    assert books.account(who).balance_micros == 5_000_000


@pytest.mark.usefixtures("database")
def test_a_hundred_calls_at_once_spend_a_balance_of_37_minutes_to_the_last_unit():
    books = store()
    who = account(books, 37 * 60_000)
    opens = [OpenCall(f"c{i}", who, RATE, cdr(f"c{i}", who).to_json(), 0) for i in range(100)]
    results = books.apply(opens)
    paid = {r.call_id: r.paid_seconds for r in results if not isinstance(r, Exception)}
    rng = random.Random(1)
    left = dict(paid)
    now = 0
    while left:
        now += 1
        for call_id in list(left):
            # Some hang up early and give back what others then use, but for the last one.
            if len(left) > 1 and rng.random() < 0.02:
                one(books, CloseCall(call_id, cdr(call_id, who, now * 1000)))
                del left[call_id]
        for call_id in list(left):
            if left[call_id] - now <= 10:
                left[call_id] = one(books, ExtendCall(call_id, now)).paid_seconds
            if left[call_id] <= now:
                one(books, CloseCall(call_id, cdr(call_id, who, left[call_id] * 1000)))
                del left[call_id]
        account_now = books.account(who)
        assert account_now.available_micros >= 0
    assert books.account(who).balance_micros == 0
    assert sum(c.price_micros for c in books.cdrs()) == 37 * 60_000
    assert books.verify() == []


@pytest.mark.usefixtures("database")
def test_verify_finds_each_kind_of_damage():
    books = store()
    who = account(books, 1_000_000)
    one(books, OpenCall("c1", who, RATE, cdr("c1", who).to_json(), 1))
    one(books, AnswerCall("c1", 1000, "carrier", structs.replace(RATE, per_minute_micros=30_000)))
    one(books, CloseCall("c1", cdr("c1", who, 5_000)))
    assert books.cdrs()[0].cost_micros == 2_500 and books.verify() == []
    for statement, what in (
        ("UPDATE cdrs SET cost_micros = 2499", "cost"),
        ("UPDATE accounts SET balance_micros = balance_micros + 1", "balance"),
        ("UPDATE accounts SET reserved_micros = 7", "reserved"),
        ("UPDATE cdrs SET price_micros = 1", "price"),
        ("UPDATE ledger_entries SET amount_micros = -1 WHERE account_id IS NULL", "transaction"),
    ):
        with books.engine.begin() as connection:
            connection.exec_driver_sql(statement)
        assert what in {difference.what for difference in books.verify()}


@pytest.mark.parametrize(("measured", "blocks"), [(6_004, 1), (6_250, 1), (6_251, 2), (12_003, 2)])
def test_a_call_that_ends_on_a_border_of_its_increment_is_not_billed_for_the_next(measured, blocks):
    books = store()
    who = account(books, 1_000_000)
    rate = structs.replace(RATE, initial_increment_seconds=6, increment_seconds=6)
    one(books, OpenCall("c1", who, rate, cdr("c1", who).to_json(), 1))
    one(books, AnswerCall("c1", 1000, "carrier", rate))
    settled = one(books, CloseCall("c1", cdr("c1", who, measured), tolerance_ms=250))
    assert settled.cdr.price_micros == settled.cdr.cost_micros == blocks * 6_000
    assert settled.cdr.billed_seconds == blocks * 6
    assert settled.cdr.ended_at - settled.cdr.answered_at == measured
    assert books.verify() == []


@pytest.mark.usefixtures("database")
def test_group_commit_gathers_and_a_refused_command_fails_alone():
    async def main():
        books = store()
        who = account(books, 170_000)  # 170 seconds
        changed = []
        writer = GroupCommit(
            books.apply, asyncio.get_running_loop(), on_accounts_changed=changed.append
        )
        futures = [writer.submit(OpenCall(f"c{i}", who, RATE, b"{}", 0)) for i in range(50)]
        results = await asyncio.gather(*futures, return_exceptions=True)
        assert sum(isinstance(r, InsufficientFunds) for r in results) == 33
        assert writer.batches < 5
        await writer.submit(TopUp(who, 5, "p", 0))
        assert changed == [{who}]
        pending = writer.submit(TopUp(who, 5, "q", 0))
        await writer.close()
        assert pending.done()

    asyncio.run(main())


def test_a_full_disk_refuses_the_whole_batch_in_one_line_and_later_ones_work(tmp_path):
    books = store(f"sqlite:///{tmp_path}/books.db")
    who = account(books, 10**9)
    full = {"pages": 0}

    @event.listens_for(books.engine, "begin")
    def limit(connection):
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {full['pages'] or pages + 100_000}")

    batch = [WriteCdr(cdr(f"x{i}", who)) for i in range(500)]
    full["pages"] = 1  # SQLite takes it for the present size
    with pytest.raises(StoreError, match=r"books\.db: .*full"):
        books.apply([TopUp(who, 1, "lost", 0), *batch])
    assert books.cdrs() == []
    assert books.account(who).balance_micros == 10**9
    full["pages"] = 0
    assert len(books.apply(batch)) == 500
    assert books.verify() == []


CRASHING = """
import os, sys, random
sys.path.insert(0, sys.argv[2])
from books import RATE, cdr
from billing.facts.authorization import *
from billing.stores.store import Store
books, rng, run = Store(sys.argv[1]), random.Random(), os.getpid()
print("ready", flush=True)
live, count = {}, 0
while True:
    commands = []
    for key in list(live):
        live[key] += 1000
        proof = ProveAlive([(key, live[key])])
        commands.append(AnswerCall(key, 1000) if live[key] == 1000 else proof)
        if rng.random() < 0.2:
            commands.append(CloseCall(key, cdr(key, 1, live.pop(key))))
    for _ in range(20 - len(live)):
        count += 1
        key = f"{run}-{count}"
        live[key] = 0
        commands.append(OpenCall(key, 1, RATE, cdr(key, 1, 0, None).to_json(), 0))
    for result in books.apply(commands):
        if isinstance(result, Exception): raise result
    print(count, flush=True)
"""


@pytest.mark.parametrize("round_", range(4))
def test_killed_at_any_moment_the_books_add_up(tmp_path, round_, database):
    url = f"sqlite:///{tmp_path}/books.db" if database == "sqlite://" else database
    account(store(url), 10**12)
    where = str(Path(__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", CRASHING, url, where], stdout=subprocess.PIPE, text=True
    )
    opened = 0
    for line in process.stdout:
        opened = int(line) if line.strip().isdigit() else 0
        if opened >= 100 + 37 * round_:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    books = reopen(url)
    lived = {call.call_id: call for call in books.live_calls()}
    recovered = {record.call_id: record for record in books.recover()}
    assert recovered.keys() == lived.keys()
    for key, record in recovered.items():
        assert record.ended_at == lived[key].last_alive_at
    calls = [record.call_id for record in books.cdrs()]
    assert len(calls) == len(set(calls)) >= opened
    assert books.live_calls() == []
    assert books.verify() == []


SPENDING = """
import sys
sys.path.insert(0, sys.argv[2])
from books import RATE, cdr
from billing.facts.authorization import *
from billing.stores.store import Store
books, me = Store(sys.argv[1]), sys.argv[3]
books.account(1)
print("ready", flush=True)
sys.stdin.readline()
opened = extended = 0
while True:
    key = f"{me}-{opened}"
    (first,) = books.apply([OpenCall(key, 1, RATE, cdr(key, 1).to_json(), 0)])
    if isinstance(first, InsufficientFunds): break
    opened += 1
    (more,) = books.apply([ExtendCall(key, 0)])
    if opened % 2:
        (done,) = books.apply([CloseCall(key, cdr(key, 1, more.paid_seconds * 1000))])
print(opened, flush=True)
"""


def test_two_processes_never_spend_more_than_one_balance(postgresql):
    books = store(postgresql)
    who = account(books, 100 * 60_000)
    where = str(Path(__file__).parents[1])
    both = [
        subprocess.Popen(
            [sys.executable, "-c", SPENDING, postgresql, where, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    assert [process.stdout.readline() for process in both] == ["ready\n"] * 2
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = [int(process.communicate(timeout=60)[0]) for process in both]
    assert min(counts) > 0
    left = books.account(who)
    assert left.available_micros < 1_000
    spent = sum(record.price_micros for record in books.cdrs())
    assert spent + left.reserved_micros + left.available_micros == 100 * 60_000
    assert books.verify() == []
    close()


def test_a_strangers_text_never_spoils_a_batch(database):
    books = store()
    who = account(books, 10**6)
    strange = structs.replace(
        cdr("c1", who), called_dialled="\x00\udc80" + "9" * 100, calling="a" * 300, presented=None
    )
    one(books, WriteCdr(strange))
    (kept,) = books.cdrs()
    assert kept.called_dialled == "\ufffd\ufffd" + "9" * 62
    assert len(kept.calling) == 64


def test_a_server_that_is_not_there_is_one_line():
    books = Store("postgresql://somebody:secret@/nothing?host=/nonexistent")
    with pytest.raises(StoreError) as caught:
        books.apply([TopUp(1, 1, "p", 0)])
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_journal_keeps_whole_lines_and_what_a_full_disk_refused(tmp_path):
    folder = tmp_path / "cdr"
    journal = CdrJournal(folder)
    record = cdr("c1", 1, 5_000)
    assert isinstance(journal.append([record]), OSError)
    assert journal.waiting == 1
    folder.mkdir()
    assert journal.append([cdr("c2", 1, 5_000)]) is None
    lines = (folder / "cdr-1970-01-01.jsonl").read_text().splitlines()
    assert ['"c1-a"' in lines[0], '"c2-a"' in lines[1], len(lines)] == [True, True, 2]


def test_the_journal_goes_on_after_text_that_is_none(tmp_path):
    journal = CdrJournal(tmp_path)
    odd = structs.replace(cdr("c1", 1, 5_000), called_dialled="\udcff")
    assert journal.append([odd, cdr("c2", 1, 5_000)]) is None
    (lines,) = [path.read_text().splitlines() for path in tmp_path.iterdir()]
    assert len(lines) == 2


def test_a_record_survives_json_and_shows_stamps_and_price():
    record = cdr("c1", 1, 5_000)
    assert Cdr.from_json(record.to_json()) == record
    row = record.to_row()
    assert (row["answered_at"], row["price"]) == ("1970-01-01T00:00:01.000Z", "0.00")


@pytest.mark.parametrize(
    ("name", "columns"), [("asterisk", 18), ("freeswitch", 15), ("acc", 12), ("cgrates", 14)]
)
def test_exports_have_the_columns_that_others_read(name, columns):
    import csv
    import io

    rows = list(csv.reader(io.StringIO(export([cdr("c1", 1, 5_000)], name))))
    assert {len(row) for row in rows} == {columns}


def test_no_float_touches_money():
    for path in Path(billing.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{path.name}:{getattr(node, 'lineno', 0)}"
            if path.name != "group_commit.py":  # seconds of waiting, no money
                assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), where
                assert not (isinstance(node, ast.Name) and node.id == "float"), where
            if path.name != "journal.py":  # there it joins paths
                assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)), where


@pytest.mark.usefixtures("database")
def test_the_dialogs_of_a_call_are_written_at_its_answer_and_stay_until_others_are_proven():
    books = store()
    who = account(books, 10_000_000)
    for key in ("rings", "talks"):
        one(books, OpenCall(key, who, RATE, cdr(key, who).to_json(), 1, node="a"))
    one(books, AnswerCall("talks", 1000, "carrier", dialogs=b"both ends"))
    one(books, ExtendCall("talks", 2000))
    one(books, ProveAlive([("talks", 3000), ("rings", 3000)]))
    (kept,) = books.dialogs()
    assert (kept.call_id, kept.trunk, kept.dialogs) == ("talks", "carrier", b"both ends")
    one(books, ProveAlive([("talks", 3000)], {"talks": b"another end", "gone": b"x"}))
    assert [call.dialogs for call in books.dialogs("a")] == [b"another end"]
    assert books.dialogs("b") == []
    one(books, CloseCall("talks", cdr("talks", who, 2000)))
    assert books.dialogs() == []
