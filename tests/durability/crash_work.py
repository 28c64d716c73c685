"""Work on the books that crashes interrupt, and the conditions that must hold afterwards.

The work is a stream of turns that follows from a seed: payments, purchases, renewals that are due,
calls that open, are answered, go on and end. Each acknowledgement of the books is printed at once,
so that the killer of the process knows what must not be lost.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import structs

from billing.facts.authorization import (
    AddAccount,
    AnswerCall,
    CloseCall,
    ExtendCall,
    InsufficientFunds,
    OpenCall,
    ProveAlive,
    TopUp,
)
from billing.facts.calendar import Term
from billing.facts.cdr import Cdr
from billing.facts.product import Product
from billing.facts.rate import Rate
from billing.facts.sales import BuyPackage, DefineProduct
from billing.stores import sales_store
from billing.stores.store import Store, StoreError
from softswitch.scheduled.due import run_due

START = 1_800_000_000_000
STEP = 6 * 3_600_000
"""Between two turns: every fourth one a term of the package ends."""
ACCOUNTS = (1, 2, 3)
RATE = Rate("default", "995", "Georgia", 10_000, 60_000, 1, 1, currency="GEL")
PRODUCT = Product("day", "GEL", 100_000, Term(24, "hours"), ("all",))
Say = Callable[[str], None]
Apply = Callable[[Sequence[Any]], list[Any]]


def prepare(url: str) -> None:
    """Books with three accounts and a product."""
    books = Store(url)
    books.create()
    opened = [AddAccount(f"a{n}", "person", "GEL", 0, "default", 0) for n in ACCOUNTS]
    assert [account.id for account in books.apply(opened)] == list(ACCOUNTS)
    paid = [TopUp(n, 5_000_000, f"first{n}", START) for n in ACCOUNTS]
    books.apply([*paid, DefineProduct(PRODUCT)])
    books.close()


def facts(call: str, account: int, opened: int) -> Cdr:
    return Cdr(
        call, "a", "outgoing", "national", account, "+1", "+1", "+995322000002", "", None, None,
        opened, None, None, opened, 0, 0, 487, 16, "caller",
    )  # fmt: skip


def ended(call: str, account: int, opened: int, duration_ms: int) -> Cdr:
    answered = opened + 1000
    return structs.replace(
        facts(call, account, opened),
        answered_at=answered,
        ended_at=answered + duration_ms,
        duration_ms=duration_ms,
        sip_status=200,
    )


def turns(seed: int, count: int) -> Iterator[tuple[int, list[tuple[str, Any]]]]:
    """Each turn's instant, and its commands with what is said of each."""
    chance = random.Random(seed)
    live: list[tuple[str, int, int]] = []
    for turn in range(1, count + 1):
        now = START + turn * STEP
        commands: list[tuple[str, Any]] = [
            (f"pay t{turn}", TopUp(chance.choice(ACCOUNTS), 300_000, f"t{turn}", now))
        ]
        if turn % 3 == 0:
            bought = BuyPackage(
                account_id=chance.choice(ACCOUNTS), at=now, purchase_id=f"b{turn}",
                product="day", line=f"+{turn}", zone="UTC", auto_renew=True,
            )  # fmt: skip
            commands.append((f"buy b{turn}", bought))
        for number in range(chance.randrange(1, 4)):
            call, account = f"c{turn}-{number}", chance.choice(ACCOUNTS)
            draft = facts(call, account, now).to_json()
            commands.append((f"open {call}", OpenCall(call, account, RATE, draft, now, 30)))
            commands.append((f"answer {call}", AnswerCall(call, now + 1000)))
            live.append((call, account, now))
        for call, _, opened in chance.sample(live, min(len(live), 2)):
            commands.append((f"extend {call}", ExtendCall(call, now, 30)))
            commands.append(("alive", ProveAlive([(call, opened + 6000)])))
        for known in chance.sample(live, min(len(live), chance.randrange(0, 4))):
            live.remove(known)
            call, account, opened = known
            over = ended(call, account, opened, chance.randrange(0, 40_000))
            commands.append((f"close {call}", CloseCall(call, over)))
        yield now, commands


def work(url: str, seed: int, count: int, say: Say, patient: bool = False) -> None:
    """Do all turns.

    Args:
        patient: a database that is out of order is tried again until it works, as settlements
            are, and "refused" is said; otherwise it is a fault.
    """
    books = Store(url)
    chance = random.Random(seed + 1)
    for now, commands in turns(seed, count):
        while commands:
            size = chance.randrange(1, 6)
            batch, commands = commands[:size], commands[size:]
            _do(books, batch, say, patient)
        report = _due(books, now, say, patient)
        for _, failure in report:
            raise failure
        say(f"due {now}")
    say("done")
    books.close()


def _do(books: Store, batch: list[tuple[str, Any]], say: Say, patient: bool) -> None:
    results = _tried(lambda: books.apply([command for _, command in batch]), say, patient)
    for (what, _), result in zip(batch, results, strict=True):
        if not isinstance(result, Exception):
            say(what)
        elif what.split()[0] in ("pay", "close") and not _never_opened(result):
            raise result


def _never_opened(result: Exception) -> bool:
    """A call that was refused for want of money has nothing to be closed."""
    return isinstance(result, InsufficientFunds) or "never opened" in str(result)


def _due(books: Store, now: int, say: Say, patient: bool) -> list[Any]:
    return _tried(lambda: run_due(books, books.apply, now, "UTC").failures, say, patient)


MAX_TRIES = 500


def _tried(do: Callable[[], list[Any]], say: Say, patient: bool) -> list[Any]:
    for _ in range(MAX_TRIES):
        try:
            return do()
        except Exception as error:
            if not patient or not is_disk_trouble(error):
                raise
            say(f"refused {error}")
    raise RuntimeError("the database never worked again")


def is_disk_trouble(error: Exception) -> bool:
    """A clear error of the disk: the file's name and the cause in one line."""
    text = str(error)
    return (isinstance(error, StoreError) and "\n" not in text) or "OperationalError" in repr(error)


def check(url: str, said: Sequence[str], seed: int, count: int) -> None:
    """Check that acknowledged work is there, that nothing is there twice, and that the next process
    goes on."""
    books = Store(url)
    try:
        assert books.verify() == [], books.verify()
        _nothing_lost(books, said)
        before = {account.id: account.balance_micros for account in books.accounts()}
        recovered = books.recover()
        assert books.live_calls() == [] and books.verify() == []
        spent = sum(cdr.price_micros for cdr in recovered)
        after = {account.id: account.balance_micros for account in books.accounts()}
        assert sum(before.values()) - sum(after.values()) == spent
        _again(books, said, seed, count)
        assert {account.id: account.balance_micros for account in books.accounts()} == after
        end = START + (count + 8) * STEP
        assert run_due(books, books.apply, end, "UTC").failures == []
        assert books.verify() == []
        causes = Counter(e.transaction_id for n in ACCOUNTS for e in books.ledger(n))
        assert set(causes.values()) == {1}
        ids = [cdr.id for cdr in books.cdrs()]
        assert len(ids) == len(set(ids))
    finally:
        books.close()


def _nothing_lost(books: Store, said: Sequence[str]) -> None:
    causes = {entry.transaction_id for number in ACCOUNTS for entry in books.ledger(number)}
    live = {call.call_id: call for call in books.live_calls()}
    records = {cdr.call_id: cdr for cdr in books.cdrs()}
    with books.reading() as connection:
        bought = {s.id: s for s in sales_store.subscriptions(connection, None, ended=True)}
    for text in said:
        what, _, key = text.partition(" ")
        if what == "pay":
            assert f"payment:{key}" in causes, text
        elif what == "buy":
            assert key in bought and f"purchase:{key}" in causes, text
        elif what == "open":
            assert key in live or key in records, text
        elif what == "answer":
            found = live[key].answered_at if key in live else records[key].answered_at
            assert found is not None, text
        elif what == "close":
            assert key in records and key not in live, text
        elif what == "due":
            for item in bought.values():
                assert item.ends_at > int(key) or item.state != "active", text


def _again(books: Store, said: Sequence[str], seed: int, count: int) -> None:
    """Everything that was acknowledged, once more: it changes nothing."""
    known = set(said)
    commands = [
        command
        for _, batch in turns(seed, count)
        for what, command in batch
        if what in known and what.split()[0] in ("pay", "buy", "close")
    ]
    for start in range(0, len(commands), 50):
        books.apply(commands[start : start + 50])


def say_aloud(text: str) -> None:
    """One write to standard output: an acknowledgement, after which nothing may be lost."""
    os.write(1, f"{text}\n".encode())


if __name__ == "__main__":  # a process that is killed, watched or given errors
    work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), say_aloud, "patient" in sys.argv)
