"""Pages of the web over many calls: `python -m benchmarks.portal [--calls N] [--seconds S]`.

A real switch and a real portal; four people, subscribers and staff, load pages at once. Prints a
table of each page against its budget, and then the pages a second, the size of a first visit, and
a statement of 20,000 calls as CSV. The status is 1 if a budget isn't kept.
"""

from __future__ import annotations

import argparse
import gzip
import random
import re
import resource
import sqlite3
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from msgspec import structs
from sqlalchemy import insert

from benchmarks.books import cdr, write
from billing.stores import schema
from billing.stores.statements import compiled
from billing.stores.store import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "portal"))

from served import Browserless, Served, served

CABINET = (
    "/", "/calls", "/calls?kind=mobile", "/calls?number=%2B995599000007", "/money", "/packages",
    "/lines", "/requests", "/messages", "/notices", "/voicemail", "/numbers", "/profile",
)  # fmt: skip
CONSOLE = (
    "/op", "/op/customers", "/op/customers/1", "/op/lines", "/op/calls/ended",
    "/op/search?text=%2B995322000001", "/op/till", "/op/numbers", "/op/audit", "/op/fraud",
)  # fmt: skip
PEOPLE = {"cabinet": CABINET, "console": CONSOLE}
AT_ONCE = 2
"""People in each of the two."""
SPACING_MS = 60_000
STATEMENT_CALLS = 20_000
FIRST_VISIT_BYTES, LATER_BYTES = 60 * 1024, 15 * 1024
FIRST_BYTE_MS, STATEMENT_BYTES = 200.0, 30 * 1024 * 1024


@dataclass(frozen=True)
class Budget:
    """Milliseconds that a page may take."""

    p95_ms: float
    most_ms: float


def budget(calls: int) -> Budget:
    """Up to 100,000 calls, and above it."""
    return Budget(60, 300) if calls <= 100_000 else Budget(120, 300)


def fill(folder: Path, count: int, accounts: int = 3) -> None:
    """Write accounts, each with a line, and records of their calls, the last of them now.

    The first account has the calls of a big customer, a third of all up to STATEMENT_CALLS.
    """
    open_accounts(folder, accounts)
    books, chance = Store(f"sqlite:///{folder}/var/softswitch.db"), random.Random(1)
    statement = compiled(insert(schema.cdrs), books.engine.dialect, schema.CDR_COLUMNS)
    start = int(time.time() * 1000) - count * SPACING_MS
    firsts = 0
    with books.engine.begin() as connection:
        for first in range(0, count, 10_000):
            rows = []
            for number in range(first, min(first + 10_000, count)):
                account = number % accounts + 1
                if number % 3 == 0 and firsts < STATEMENT_CALLS:
                    account, firsts = 1, firsts + 1
                called = f"+9955990{chance.randrange(100_000):05}"
                at = start + number * SPACING_MS
                made = cdr(number, account, called, at, chance.randrange(600_000))
                line = line_of(account)
                made = structs.replace(made, line=line, calling=line, type="mobile")
                rows.append(schema.cdr_row(made, None))
            write(connection, statement, rows)
    books.close()


def line_of(account: int) -> str:
    return f"+995322{account:06}"


def open_accounts(folder: Path, accounts: int) -> None:
    """Copies of the demo's first account and line, without money."""
    with sqlite3.connect(folder / "var" / "softswitch.db", timeout=60) as database:
        for table in ("accounts", "lines"):
            names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            (first,) = database.execute(f"SELECT * FROM {table} WHERE id = 1")
            (there,) = database.execute(f"SELECT max(id) FROM {table}").fetchone()
            made = []
            for number in range(there + 1, accounts + 1):
                row = dict(zip(names, first, strict=True)) | {"id": number}
                own = {
                    "name": f"Subscriber {number}", "balance_micros": 0, "reserved_micros": 0,
                    "account_id": number, "number": line_of(number), "login": line_of(number)[1:],
                }  # fmt: skip
                row |= {name: value for name, value in own.items() if name in row}
                made.append(tuple(row.values()))
            marks = ", ".join("?" * len(names))
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", made)


def person(portal: Served, what: str, number: int) -> Browserless:
    """A subscriber of the first account, or an administrator, signed in."""
    as_whom = ("admin",) if what == "console" else ("subscriber", "--account", "1")
    login = f"{what}-{number}"
    (user,) = portal.command("user", "add", login, "--role", *as_whom)
    made = Browserless(portal.url)
    made.first_sign_in(login, str(user["password"]))
    return made


def load(
    who: Browserless, pages: tuple[str, ...], until: float, taken: dict[str, list[float]]
) -> None:
    """Load the pages one after another; notes the milliseconds of each."""
    while time.perf_counter() < until:
        for path in pages:
            began = time.perf_counter()
            answer = who.get(path)
            assert answer.status_code == 200, (path, answer.status_code)
            taken[path].append((time.perf_counter() - began) * 1000)


def measure_pages(
    people: list[tuple[Browserless, tuple[str, ...]]], seconds: float, allowed: Budget
) -> bool:
    """Load pages by all people at once and print the table; True if the budgets are kept."""
    taken: dict[str, list[float]] = {path: [] for pages in PEOPLE.values() for path in pages}
    for who, pages in people:
        for path in pages:  # the first answers read files and make templates
            who.get(path)
    until = time.perf_counter() + seconds
    threads = [
        threading.Thread(target=load, args=(who, pages, until, taken)) for who, pages in people
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{'page':36} {'p50 ms':>7} {'p95 ms':>7} {'most':>7} {'loads':>6}  budget")
    kept = True
    for path, found in taken.items():
        found.sort()
        p50, p95, most = found[len(found) // 2], found[int(len(found) * 0.95)], found[-1]
        fine = p95 <= allowed.p95_ms and most <= allowed.most_ms
        kept &= fine
        print(f"{path:36} {p50:7.1f} {p95:7.1f} {most:7.1f} {len(found):6}  {verdict(fine)}")
    total = sum(map(len, taken.values()))
    print(f"all pages: {total / seconds:.0f} a second")
    return kept


def verdict(fine: bool) -> str:
    return "kept" if fine else "NOT KEPT"


def measure_visits(portal: Served, who: Browserless) -> bool:
    """Print the octets of a first and a later visit, compressed as a proxy does it."""
    page = who.get("/")
    html = len(gzip.compress(page.content))
    links = sorted(set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)))
    parts = [len(gzip.compress(httpx.get(f"{portal.url}{link}").content)) for link in links]
    first = html + sum(parts)
    fine = first <= FIRST_VISIT_BYTES and html <= LATER_BYTES
    print(
        f"visit: first {first / 1024:.1f} KB of {FIRST_VISIT_BYTES // 1024}, later"
        f" {html / 1024:.1f} KB of {LATER_BYTES // 1024}  {verdict(fine)}"
    )
    return fine


def measure_statement(portal: Served, who: Browserless) -> bool:
    """Print how a statement begins, and what it takes."""
    process = portal.processes["portal"].pid
    before, began = rss(process), time.perf_counter()
    most, first, lines = before, 0.0, 0
    with who.stream("/calls.csv") as answer:
        for part in answer.iter_bytes():
            first = first or (time.perf_counter() - began) * 1000
            lines += part.count(b"\n")
            most = max(most, rss(process))
    fine = first <= FIRST_BYTE_MS and most - before <= STATEMENT_BYTES
    print(
        f"statement of {lines} lines: first byte {first:.0f} ms of {FIRST_BYTE_MS:.0f}, memory"
        f" +{(most - before) / 2**20:.1f} MB of {STATEMENT_BYTES // 2**20}  {verdict(fine)}"
    )
    return fine


def rss(process: int) -> int:
    """The resident octets of a process (proc_pid_statm(5))."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.portal", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000, help="records of calls")
    parser.add_argument(
        "--accounts", type=int, help="default: 1,000, or 20,000 above 100,000 calls"
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    accounts = given.accounts or (1000 if given.calls <= 100_000 else 20_000)
    allowed = budget(given.calls)
    with (
        tempfile.TemporaryDirectory(prefix="softswitch-bench-") as folder,
        served(Path(folder)) as portal,
    ):
        fill(portal.folder, given.calls, accounts)
        people = [
            (person(portal, what, number), pages)
            for what, pages in PEOPLE.items()
            for number in range(AT_ONCE)
        ]
        print(
            f"{given.calls} calls, {accounts} accounts, {len(people)} people at once; budget:"
            f" p95 {allowed.p95_ms:.0f} ms, none over {allowed.most_ms:.0f} ms"
        )
        kept = measure_pages(people, given.seconds, allowed)
        kept &= measure_visits(portal, people[0][0])
        kept &= measure_statement(portal, people[0][0])
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
