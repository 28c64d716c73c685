"""Call records and ledger entries in PostgreSQL: `python -m benchmarks.records [--rows 5000000]`.

What the tables and each index take, and whether writing, looking up and paging become slower while
they grow: the reasons for partitions, or against them. A record is paid, so that it has two ledger
entries; calls are spread over 10,000 accounts and a year. The tests' own PostgreSQL server is used,
without fsync: the times are those of the processor and of the indices.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, insert, text

from billing.facts.cdr import MediaFigures, SideMedia
from billing.facts.rate import Rate
from billing.stores import schema
from billing.stores.cdr_search import CdrFilter
from billing.stores.paging import Page
from billing.stores.store import Store
from softswitch.database.schema import migrate

ROOT = Path(__file__).parents[1]
STEP = 1_000_000
ACCOUNTS = 10_000
FIRST_MS = 1_767_225_600_000
"""2026-01-01."""
YEAR_MS = 365 * 86_400_000
BATCH = 100
"""Records that are written in one transaction, as commands are gathered."""
BATCHES = 50
TRIES = 50
PRICE = Rate("default", "99577", "Mobile", 0, 100_000, 60, 60, currency="GEL")
HEARD = MediaFigures(
    SideMedia(packets=9_000, lost=7, jitter_us=3_100), SideMedia(packets=8_990, jitter_us=4_200)
)


def fill(engine: Engine, first: int, rows: int, total: int) -> None:
    """Records and their entries, in the order of their time."""
    at = f"{FIRST_MS} + i * {YEAR_MS // total}"
    account = f"i * 7919 % {ACCOUNTS} + 1"
    number = f"'+99559' || lpad((i * 104729 % {ACCOUNTS})::text, 7, '0')"
    given = {
        "id": "md5(i::text) || '-a'", "call_id": "md5(i::text)", "leg": "'a'",
        "direction": "'outgoing'", "type": "'mobile'", "account": account, "line": number,
        "calling": number, "called": "'+99577' || lpad((i % 999983)::text, 7, '0')",
        "called_dialled": "'077' || lpad((i % 999983)::text, 7, '0')", "presented": number,
        "trunk": "'carrier'", "setup_at": at, "ringing_at": f"{at} + 800",
        "answered_at": f"{at} + 5000", "ended_at": f"{at} + 185000", "ring_ms": "4200",
        "duration_ms": "180000", "sip_status": "200", "cause": "16", "ended_by": "'caller'",
        "codec": "'PCMA'", "media": ":media", "recovered": "false",
        "sip_call_id": "md5((i + 1)::text)", "tariff": "'default'", "prefix": "'99577'",
        "billed_seconds": "180", "price_micros": "300000", "currency": "'GEL'",
        "cost_micros": "200000", "cost_currency": "'GEL'", "rate": ":rate", "cost_rate": ":rate",
        "decisions": "'routing: carrier'",
    }  # fmt: skip
    numbers = f"generate_series({first}::bigint, {first + rows - 1}) AS i"
    record = f"INSERT INTO cdrs ({', '.join(given)}) SELECT {', '.join(given.values())}"
    with engine.begin() as connection:
        connection.execute(
            text(f"{record} FROM {numbers}"),
            {"media": schema.media_blob(HEARD), "rate": schema.rate_blob(PRICE)},
        )
        for side, book, owner, sign in (
            ("1", f"'account:' || ({account})", account, "-"),
            ("2", "'revenue:calls'", "NULL", ""),
        ):
            connection.execute(
                text(
                    "INSERT INTO ledger_entries (id, transaction_id, account_id, book, currency,"
                    f" amount_micros, kind, at) SELECT 'call:' || md5(i::text) || '-a:{side}',"
                    f" 'call:' || md5(i::text) || '-a', {owner}, {book}, 'GEL', {sign}300000,"
                    f" 'call', {at} FROM {numbers}"
                )
            )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE cdrs, ledger_entries"))


def median_ms(action: Callable[[int], object]) -> float:
    """The median time of some tries."""
    taken = []
    for number in range(TRIES):
        began = time.perf_counter()
        action(number)
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def writes_ms(engine: Engine, rows: int) -> float:
    """The median time of a transaction with BATCH records and their entries."""
    with engine.connect() as connection:
        columns = schema.cdrs.c
        some = schema.cdrs.select().where(columns.setup_at > 0).limit(BATCH)
        records = [dict(row) for row in connection.execute(some).mappings()]
    taken = []
    for number in range(BATCHES):
        made, entries = [], []
        for place, record in enumerate(records):
            key = f"w{rows}x{number}x{place}"
            made.append({**record, "id": f"{key}-a", "call_id": key})
            for side in "12":
                entries.append({
                    "id": f"{key}:{side}", "transaction_id": key, "account_id": None,
                    "book": "revenue:calls", "currency": "GEL", "amount_micros": 0,
                    "kind": "call", "at": FIRST_MS + YEAR_MS,
                })  # fmt: skip
        began = time.perf_counter()
        with engine.begin() as connection:
            connection.execute(insert(schema.cdrs), made)
            connection.execute(insert(schema.entries), entries)
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def sizes(engine: Engine) -> str:
    """Each table and index in megabytes."""
    query = (
        "SELECT relname, pg_relation_size(oid) / 1e6 FROM pg_class WHERE relname IN ('cdrs',"
        " 'ledger_entries') OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN"
        " ('cdrs'::regclass, 'ledger_entries'::regclass)) ORDER BY relname"
    )
    with engine.connect() as connection:
        return ", ".join(f"{name} {size:.0f}" for name, size in connection.execute(text(query)))


def measure(url: str, total: int) -> None:
    store = Store(url)
    schema_of_installation(store)
    engine = store.engine
    print("rows | write 100 ms | page of all ms | page of an account ms | entries ms | by id ms")
    for first in range(0, total, STEP):
        began = time.perf_counter()
        fill(engine, first, min(STEP, total - first), total)
        filled = time.perf_counter() - began
        rows = min(first + STEP, total)

        def by_id(number: int) -> None:
            with engine.connect() as connection:
                wanted = schema.cdrs.select().where(
                    schema.cdrs.c.id == text(f"md5('{number}') || '-a'")
                )
                assert connection.execute(wanted).first() is not None

        row = (
            writes_ms(engine, rows),
            median_ms(lambda _: store.cdrs(CdrFilter(limit=50, newest_first=True))),
            median_ms(lambda n: store.cdrs(CdrFilter(account=n + 1, limit=50, newest_first=True))),
            median_ms(lambda n: store.ledger_page(n + 1, Page(50))),
            median_ms(by_id),
        )
        print(f"{rows} | " + " | ".join(f"{ms:.1f}" for ms in row)
              + f" (filled in {filled:.0f} s)", flush=True)  # fmt: skip
    print(f"MB: {sizes(engine)}", flush=True)
    for table in ("cdrs", "ledger_entries"):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            began = time.perf_counter()
            connection.execute(text(f"VACUUM (FREEZE) {table}"))
            print(f"VACUUM FREEZE {table}: {time.perf_counter() - began:.0f} s", flush=True)
    print(f"a twelfth of the records copied out: {copy_out(engine):.0f} s", flush=True)
    store.close()


def copy_out(engine: Engine) -> float:
    """Seconds of a COPY of the records of a twelfth of the year, as an archive would take them."""
    month = f"setup_at >= {FIRST_MS} AND setup_at < {FIRST_MS + YEAR_MS // 12}"
    with engine.connect() as connection:
        began = time.perf_counter()
        connection.execute(
            text(f"COPY (SELECT * FROM cdrs WHERE {month}) TO '/dev/null' (FORMAT csv)")
        )
        return time.perf_counter() - began


def schema_of_installation(store: Store) -> None:
    """All tables, and the accounts."""
    migrate(store.engine)
    with store.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO accounts (name, kind, currency, balance_micros, reserved_micros,"
                " credit_limit_micros, status, tariff, version, created_at)"
                " SELECT 'account ' || i, 'person', 'GEL', 0, 0, 0, 'active', 'default', 1, 0"
                f" FROM generate_series(1, {ACCOUNTS}) AS i"
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    import postgresql

    settings = {"shared_buffers": "1GB", "max_wal_size": "8GB", "maintenance_work_mem": "256MB"}
    with postgresql.server(settings) as url:
        measure(url, given.rows)


if __name__ == "__main__":
    main()
