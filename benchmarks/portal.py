"""Pages of the web over many calls: `python -m benchmarks.portal [--calls N] [--seconds S]`.

A real switch and a real portal; four people load pages at once. Prints the milliseconds of each
page, and the pages a second.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

from msgspec import structs
from sqlalchemy import insert

from benchmarks.books import cdr
from billing.stores import schema
from billing.stores.statements import Statement
from billing.stores.store import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "portal"))

from served import Browserless, Served, served

PAGES = (
    "/", "/calls", "/calls?kind=mobile", "/calls?number=%2B995599000007", "/money", "/packages",
    "/lines", "/requests", "/messages", "/profile",
)  # fmt: skip
PEOPLE = 4
SPACING_MS = 60_000


def fill(portal: Served, count: int) -> None:
    """Write records of calls of the demo's three accounts, the last of them now."""
    books, chance = Store(f"sqlite:///{portal.folder}/var/softswitch.db"), random.Random(1)
    statement = Statement(insert(schema.cdrs), schema.CDR_COLUMNS)
    start = int(time.time() * 1000) - count * SPACING_MS
    with books.engine.begin() as connection:
        for first in range(0, count, 10_000):
            rows = []
            for number in range(first, min(first + 10_000, count)):
                account = number % 3 + 1
                called = f"+9955990{chance.randrange(100_000):05}"
                at = start + number * SPACING_MS
                made = cdr(number, account, called, at, chance.randrange(600_000))
                line = f"+99532200000{account}"
                made = structs.replace(made, line=line, calling=line, type="mobile")
                rows.append(schema.cdr_row(made, None))
            statement.run(connection, rows)
    books.close()


def person(portal: Served, number: int) -> Browserless:
    """A subscriber of the first account, signed in."""
    (user,) = portal.command("user", "add", f"p{number}", "--role", "subscriber", "--account", "1")
    made = Browserless(portal.url)
    made.first_sign_in(f"p{number}", str(user["password"]))
    return made


def load(who: Browserless, until: float, taken: dict[str, list[float]]) -> None:
    """Load the pages one after another; notes the milliseconds of each."""
    while time.perf_counter() < until:
        for path in PAGES:
            began = time.perf_counter()
            assert who.get(path).status_code == 200, path
            taken[path].append((time.perf_counter() - began) * 1000)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.portal", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000, help="records of calls")
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="softswitch-bench-") as folder,
        served(Path(folder)) as portal,
    ):
        fill(portal, given.calls)
        people = [person(portal, number) for number in range(PEOPLE)]
        taken: dict[str, list[float]] = {path: [] for path in PAGES}
        until = time.perf_counter() + given.seconds
        threads = [threading.Thread(target=load, args=(who, until, taken)) for who in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for path, found in taken.items():
        found.sort()
        p50, p95 = found[len(found) // 2], found[int(len(found) * 0.95)]
        print(f"{path:36} p50 {p50:6.1f} ms  p95 {p95:6.1f} ms  of {len(found)}")
    total = sum(map(len, taken.values()))
    print(f"{given.calls} calls, {PEOPLE} people: {total / given.seconds:.0f} pages/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
