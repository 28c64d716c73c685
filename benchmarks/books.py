"""Money: `python -m benchmarks.books [rating] [prefixes] [calls] [search] [--cdrs N] [--on NAME]`.

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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from msgspec import structs
from sqlalchemy import Connection, Insert, insert, literal, select

from benchmarks.machine import Cores, describe, pin
from billing.decisions.calls import rated
from billing.facts.authorization import AddAccount, AnswerCall, CloseCall, OpenCall, TopUp
from billing.facts.cdr import Cdr
from billing.facts.intervals import Interval
from billing.facts.live_call import LiveCall
from billing.facts.rate import Rate
from billing.facts.tariff import Tariff, Terms
from billing.stores import cdr_search, schema
from billing.stores.cdr_search import CdrFilter
from billing.stores.statements import compiled
from billing.stores.store import Store

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


def write(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows past SQLAlchemy, as the billing writer does."""
    connection.connection.cursor().executemany(statement, rows)


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
            yield structs.replace(rate(prefix), per_minute_micros=int(prefix[:3]) * 100)


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
    begun = time.perf_counter()
    count = _fill(books, count)
    print(f"{name}: {count:,} CDRs written in {time.perf_counter() - begun:.0f} s")
    _search(books, name, count)
    _newest(books, name, count)
    _insert(books, name, count)
    books.close()


def _search(books: Store, name: str, count: int) -> None:
    """Pages of each question, the first ones and deep ones."""
    chance = random.Random(2)
    span = count * SPACING_MS
    middle = START + span // 2

    def anybody() -> int:
        return 2 + chance.randrange(ACCOUNTS - 1)

    def at_all(**wanted: Any) -> CdrFilter:
        return CdrFilter(START, START + span, **wanted)

    questions: dict[str, Callable[[], CdrFilter]] = {
        "everything, a page in the middle": lambda: at_all(
            after=(START + chance.randrange(span), "")
        ),
        "an account's month": lambda: CdrFilter(middle, middle + 30 * DAY_MS, account=anybody()),
        "a company's month": lambda: CdrFilter(middle, middle + 30 * DAY_MS, account=COMPANY),
        "an account's calls of a type": lambda: at_all(type="mobile", account=anybody()),
        "a company's calls of a rare type": lambda: at_all(type=RARE, account=COMPANY),
        "a number's calls within dates": lambda: at_all(number=_called(chance)),
        "a number's calls of a rare type": lambda: at_all(number=_called(chance), type=RARE),
        "a busy number's calls": lambda: at_all(number=BUSY),
        "a busy number's calls of a rare type": lambda: at_all(number=BUSY, type=RARE),
        "an account's calls to a busy number": lambda: at_all(number=BUSY, account=anybody()),
        "a type within dates": lambda: CdrFilter(
            START + chance.randrange(span), START + span, type="international"
        ),
        "a rare type": lambda: at_all(type=RARE),
        "a line's calls": lambda: at_all(line=_line(anybody())),
        "a line without calls": lambda: at_all(line="+995399999999"),
        "a direction": lambda: at_all(direction="outgoing"),
        "a direction that has few": lambda: at_all(direction="forwarded"),
        "a type in a direction that has few": lambda: at_all(
            direction="forwarded", type="international"
        ),
    }
    for what, make in questions.items():
        for deep in (False, True):
            times = []
            for _ in range(PAGES):
                asked = replace(make(), limit=PAGE)
                if deep:
                    asked = replace(asked, after=(START + span * 9 // 10, ""))
                begun = time.perf_counter()
                found = books.cdrs(asked)
                times.append((time.perf_counter() - begun) * 1000)
            times.sort()
            page = "a deep page" if deep else f"{len(found)} of a page"
            print(
                f"{name}, {what}, {page}: p50 {statistics.median(times):.1f} ms, "
                f"worst {times[-1]:.1f} ms"
            )


def _newest(books: Store, name: str, count: int) -> None:
    """The database's time for the newest records, and for those before one in the middle."""
    chance = random.Random(4)
    middle = (START + count * SPACING_MS // 2, "")
    questions: dict[str, Callable[[], CdrFilter]] = {
        "everything": CdrFilter,
        "an account": lambda: CdrFilter(account=2 + chance.randrange(ACCOUNTS - 1)),
        "a company": lambda: CdrFilter(account=COMPANY),
        "a line": lambda: CdrFilter(line=_line(2 + chance.randrange(ACCOUNTS - 1))),
        "a busy number": lambda: CdrFilter(number=BUSY),
        "a type": lambda: CdrFilter(type="international"),
    }
    with books.reading() as connection:
        for what, make in questions.items():
            for before in (None, middle):
                times = []
                for _ in range(PAGES * 5):
                    asked = replace(make(), newest_first=True, limit=NEWEST, before=before)
                    begun = time.perf_counter()
                    found = cdr_search.find(connection, asked)
                    times.append((time.perf_counter() - begun) * 1000)
                times.sort()
                where = "newest" if before is None else "before the middle"
                print(
                    f"{name}, {what}, {len(found)} {where} of {count:,}: "
                    f"p50 {statistics.median(times):.1f} ms, worst {times[-1]:.1f} ms"
                )


def _insert(books: Store, name: str, count: int) -> None:
    """The cost of one more record with all its indexes, a hundred in a transaction."""
    statement = compiled(insert(schema.cdrs), books.engine.dialect, schema.CDR_COLUMNS)
    rows = [
        schema.cdr_row(made, None) for made in _records(random.Random(3), count * 2, 100 * GROUPS)
    ]
    begun, used = time.perf_counter(), time.process_time()
    for first in range(0, len(rows), 100):
        with books.engine.begin() as connection:
            write(connection, statement, rows[first : first + 100])
    wall, cpu = time.perf_counter() - begun, time.process_time() - used
    print(
        f"{name}, one more CDR: {wall / len(rows) * 1e6:.0f} us, "
        f"{cpu / len(rows) * 1e6:.0f} us of our CPU"
    )


PAGE = 100
NEWEST = 50
"""Records of a page of the cabinet."""
PAGES = 20
SPACING_MS = 3000
NUMBERS = 50_000
ACCOUNTS = 2000
COMPANY = 1
"""The account that has every tenth call."""
BUSY = "+995322999999"
"""The number that every fiftieth call goes to."""
RARE = "special"
MADE = 100_000
"""Records that are made one by one; the others are their copies of later dates."""


def _called(chance: random.Random) -> str:
    return f"+99555{chance.randrange(NUMBERS):07}"


def _line(account: int) -> str:
    return f"+9953221{account:05}"


def _records(chance: random.Random, first: int, count: int) -> Iterator[Cdr]:
    kinds = ("mobile", "national", "on_net", "international")
    for number in range(first, first + count):
        account = COMPANY if number % 10 == 0 else 2 + chance.randrange(ACCOUNTS - 1)
        called = BUSY if number % 50 == 7 else _called(chance)
        made = cdr(
            number, account, called, START + number * SPACING_MS, chance.randrange(600_000)
        )  # fmt: skip
        yield structs.replace(
            made,
            line=_line(account),
            calling=_line(account),
            type=RARE if number % 10_000 == 10 else kinds[number % 97 % 4],
            direction="forwarded" if number % 5_000 == 11 else "outgoing",
        )


def _fill(books: Store, count: int) -> int:
    """Write so many records, each year like the one before; how many it were."""
    indexes = sorted(schema.cdrs.indexes, key=lambda index: str(index.name))
    books.create()
    for index in indexes:
        index.drop(books.engine)
    statement = compiled(insert(schema.cdrs), books.engine.dialect, schema.CDR_COLUMNS)
    made = min(count, MADE)
    with books.engine.begin() as connection:
        rows = [schema.cdr_row(record, None) for record in _records(random.Random(1), 0, made)]
        write(connection, statement, rows)
    for copy in range(1, count // made):
        with books.engine.begin() as connection:
            connection.execute(_copied(copy, made))
    for index in indexes:
        index.create(books.engine)
    if books.engine.dialect.name == "postgresql":
        with books.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE cdrs")  # as the server itself does in time
    return made * max(1, count // made)


def _copied(copy: int, made: int) -> Insert:
    """The first records once more, at a later time."""
    later = copy * made * SPACING_MS
    columns = schema.cdrs.c
    changed: dict[str, Any] = {
        "id": literal(f"{copy:08x}-") + columns.id,
        "call_id": literal(f"{copy:08x}-") + columns.call_id,
        **{
            name: columns[name] + later
            for name in ("setup_at", "ringing_at", "answered_at", "ended_at")
        },
    }
    names = [column.name for column in columns]
    taken = select(*(changed.get(name, columns[name]).label(name) for name in names))
    return insert(schema.cdrs).from_select(names, taken.where(columns.id < f"{1:08x}"))


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
    parser.add_argument("--on", choices=("SQLite", "PostgreSQL"), help="one database only")
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
                if given.on not in (None, name):
                    continue
                if part == "calls":
                    calls(url, name)
                else:
                    search(url, name, 50_000 if given.quick else given.cdrs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
