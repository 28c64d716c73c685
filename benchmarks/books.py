"""Money: `python -m benchmarks.books [rating] [prefixes] [calls] [search] [--cdrs N]`.

rating: rated CDRs a second, from the number to the priced record, without a database. prefixes: a
look-up among a million prefixes, and what the table takes. calls: reservation, answer and
settlement of calls in groups, on SQLite and PostgreSQL. search: a page of a call-detail search, on
both.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from sqlalchemy import insert

from benchmarks.machine import Cores, describe, pin
from billing import schema
from billing.authorization import (
    AddAccount,
    AnswerCall,
    CloseCall,
    OpenCall,
    TopUp,
)
from billing.book import LiveCall, rated
from billing.cdr import Cdr
from billing.cdr_search import CdrFilter
from billing.intervals import Interval
from billing.store import Store
from billing.tariff import Rate, Tariff, Terms

START = 1_767_225_600_000
DAY_MS = 86_400_000
PREFIXES = 1_000_000
PARTS = ("rating", "prefixes", "calls", "search")


def rate(prefix: str, micros: int = 60_000, interval: str = "") -> Rate:
    name = f"destination {prefix[:4]}"
    return Rate("t", prefix, name, 0, micros, 1, 1, 0, 0, "GEL", 0, interval)


def cdr(number: int, account: int, called: str, setup_at: int, duration_ms: int) -> Cdr:
    return Cdr(
        f"{number:016x}", "a", "outgoing", "mobile", account, "+995322000001", "+995322000001",
        called, called, "+995322000001", "carrier", setup_at, setup_at + 2000, setup_at + 8000,
        setup_at + 8000 + duration_ms, 6000, duration_ms, 200, 16, "caller", "PCMA",
    )  # fmt: skip


# Rating


def rating() -> None:
    """Find the rate, price the call, make the record."""
    chance = random.Random(1)
    prefixes = [f"{n}" for n in range(1000, 10_000)]
    plain = Tariff("t", "GEL", [rate(p) for p in prefixes])
    night = Interval.parse("night mon-sun 22:00-06:00")
    split = Tariff(
        "t",
        "GEL",
        [rate(p, 60_000, name) for p in prefixes for name in ("", "night")],
        Terms("Asia/Tbilisi", (night,)),
    )
    calls = [
        cdr(
            n, 1, f"+{chance.randrange(10**11, 10**12)}", START + n * 997, chance.randrange(600_000)
        )
        for n in range(20_000)
    ]
    for what, tariff in (("one price", plain), ("prices by interval", split)):
        seconds = _best(lambda tariff=tariff: _rate_all(tariff, calls))
        print(f"rated CDRs, {what}: {len(calls) / seconds:,.0f} a second")


def _rate_all(tariff: Tariff, calls: list[Cdr]) -> None:
    for call in calls:
        found = tariff.find(call.called[1:], call.setup_at)
        live = LiveCall(call.call_id, 1, found, 0, None, call.setup_at, call.answered_at, 0, b"")
        rated(call, live)


def _best(work: Callable[[], object], rounds: int = 5) -> float:
    """Seconds of processor time, the best of some rounds."""
    times = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


# Prefixes


def prefixes() -> None:
    chance = random.Random(1)
    gc.collect()
    before = _resident()
    tariff = Tariff("t", "GEL", _million(chance))
    gc.collect()
    taken = _resident() - before
    numbers = [f"{chance.randrange(10**11, 10**12)}" for _ in range(100_000)]
    seconds = _best(lambda: [tariff.find(number, START) for number in numbers])
    print(f"prefixes: {len(tariff):,} take {taken >> 20} MB")
    print(f"prefix look-up: {seconds / len(numbers) * 1e6:.2f} us")


def _million(chance: random.Random) -> Iterator[Rate]:
    """As carriers' sheets have them: many prefixes of a destination at one price."""
    seen: set[str] = set()
    while len(seen) < PREFIXES:
        prefix = str(chance.randrange(10 ** chance.randrange(3, 9)))
        if prefix not in seen:
            seen.add(prefix)
            yield replace(rate(prefix), per_minute_micros=int(prefix[:3]) * 100)


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# Calls


def calls(url: str, name: str) -> None:
    """Open, answer and close calls of a hundred accounts, so many in a group."""
    books = Store(url)
    books.create()
    opened = [AddAccount(f"a{n}", "person", "GEL", 0, "t", 0) for n in range(100)]
    owners = [account.id for account in books.apply(opened)]
    books.apply([TopUp(owner, 10**12, f"p{owner}", 0) for owner in owners])
    for turn, size in enumerate((10, 1, 10, 100)):  # the first one warms up
        groups = [_group(owners, size, turn * 10**6 + n * size) for n in range(GROUPS)]
        begun, used = time.perf_counter(), time.process_time()
        for group in groups:
            for commands in group:
                books.apply(commands)
        wall, cpu = time.perf_counter() - begun, time.process_time() - used
        count = size * GROUPS
        if turn:
            print(
                f"{name}, {size} calls at once: {count / wall:,.0f} calls a second, "
                f"{cpu / count * 1e6:.0f} us of our CPU a call"
            )
    assert books.verify() == []
    books.close()


GROUPS = 50


def _group(owners: list[int], size: int, first: int) -> tuple[list[object], ...]:
    records = [cdr(first + n, owners[n % 100], "+995555000001", START, 60_000) for n in range(size)]
    price, facts = rate("995"), records[0].to_json()
    return (
        [OpenCall(r.key, r.account, price, facts, START) for r in records],
        [AnswerCall(r.key, START + 8000) for r in records],
        [CloseCall(r.key, r) for r in records],
    )


# Search


def search(url: str, name: str, count: int) -> None:
    books = Store(url)
    books.create()
    begun = time.perf_counter()
    _fill(books, count)
    print(f"{name}: {count:,} CDRs written in {time.perf_counter() - begun:.0f} s")
    chance = random.Random(2)
    span = count * SPACING_MS
    wanted: dict[str, Callable[[], CdrFilter]] = {
        "an account's month": lambda: CdrFilter(
            START + span // 2, START + span // 2 + 30 * DAY_MS, account=1 + chance.randrange(2000)
        ),
        "an account's calls of a type": lambda: CdrFilter(
            START, START + span, type="mobile", account=1 + chance.randrange(2000)
        ),
        "a number's calls within dates": lambda: CdrFilter(
            START, START + span, number=_called(chance)
        ),
        "a type within dates": lambda: CdrFilter(
            START + chance.randrange(span), START + span, type="international"
        ),
    }
    for what, make in wanted.items():
        times = []
        for _ in range(40):
            asked = replace(make(), limit=PAGE)
            begun = time.perf_counter()
            books.cdrs(asked)
            times.append((time.perf_counter() - begun) * 1000)
        times.sort()
        print(f"{name}, {what}: p50 {statistics.median(times):.1f} ms, worst {times[-1]:.1f} ms")
    books.close()


PAGE = 100
SPACING_MS = 3000
NUMBERS = 50_000


def _called(chance: random.Random) -> str:
    return f"+99555{chance.randrange(NUMBERS):07}"


def _fill(books: Store, count: int) -> None:
    chance = random.Random(1)
    kinds = ("mobile", "national", "on_net", "international")
    statement = insert(schema.cdrs)
    for first in range(0, count, 10_000):
        rows = []
        for number in range(first, min(first + 10_000, count)):
            made = cdr(
                number, 1 + chance.randrange(2000), _called(chance),
                START + number * SPACING_MS, chance.randrange(600_000),
            )  # fmt: skip
            made = replace(made, type=kinds[number % 97 % 4])
            rows.append(dict(zip(schema.CDR_COLUMNS, schema.cdr_row(made, None), strict=True)))
        with books.engine.begin() as connection:
            connection.execute(statement, rows)


@contextlib.contextmanager
def databases() -> Iterator[list[tuple[str, str]]]:
    """URLs of empty databases, with their names."""
    with tempfile.TemporaryDirectory(prefix="softswitch-bench-") as folder:
        found = [("SQLite", f"sqlite:///{folder}/books.db")]
        sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
        import postgresql

        try:
            with postgresql.server() as url:
                yield [*found, ("PostgreSQL", url)]
        except postgresql.Missing as why:
            print(f"PostgreSQL is left out: {why}")
            yield found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=" ".join(PARTS))
    parser.add_argument("--cdrs", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="few CDRs")
    given = parser.parse_args()
    wanted = given.parts or PARTS
    pin(Cores.pick().switch)
    print(describe())
    if "rating" in wanted:
        rating()
    if "prefixes" in wanted:
        prefixes()
    for part in ("calls", "search"):
        if part not in wanted:
            continue
        with databases() as found:
            for name, url in found:
                if part == "calls":
                    calls(url, name)
                else:
                    search(url, name, 50_000 if given.quick else given.cdrs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
