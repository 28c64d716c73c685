"""Many lines in PostgreSQL: `python -m benchmarks.lines [--lines 100000]`.

How long a switch takes to be ready with them, how much memory it needs, and how large the tables
are. CPU time is said beside the clock's, which a busy machine stretches. The tests' own PostgreSQL
server is used.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import Engine, text

from benchmarks.machine import family, resident_bytes
from benchmarks.switchboard import free_port
from billing.stores.store import Store
from sip.digest import Algorithm, ha1
from softswitch.operations.installation import setup
from softswitch.subscribers.directory import Line
from softswitch.subscribers.directory_store import _line_row

ROOT = Path(__file__).parents[1]


def fill(engine: Engine, lines: int, realm: str = "example.org", credit_micros: int = 0) -> None:
    """As many accounts with a line each, by the database itself. The logins are line1, line2 and
    so on, with the password "secret" if they use MD5."""
    secrets = {a: ha1(a, "x", realm, "secret") for a in Algorithm}
    row = _line_row(Line(0, "+995000000000", "login", 1, secrets))
    row = {name: value for name, value in row.items() if name != "id"}
    counted = {
        "number": "'+995' || lpad(i::text, 9, '0')",
        "login": "'line' || i",
        "account_id": "(SELECT max(id) FROM accounts) - :lines + i",
        "ha1_md5": "md5(concat_ws(':', 'line' || i, CAST(:realm AS text), 'secret'))",
    }
    columns = ", ".join(row)
    values = ", ".join(counted.get(name, f":{name}") for name in row)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO accounts (name, kind, currency, balance_micros, reserved_micros,"
                " credit_limit_micros, status, tariff, version, created_at)"
                " SELECT 'account ' || i, 'person', 'GEL', 0, 0, :micros, 'active', 'default', 1, 0"
                " FROM generate_series(1, :lines) AS i ORDER BY i"
            ),
            {"lines": lines, "micros": credit_micros},
        )
        connection.execute(
            text(
                f"INSERT INTO lines ({columns}) SELECT {values}"
                " FROM generate_series(1, :lines) AS i"
            ),
            {"lines": lines, "realm": realm}
            | {name: value for name, value in row.items() if name not in counted},
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(folder: Path, url: str, lines: int) -> None:
    environment = os.environ | {"SOFTSWITCH_DATABASE__URL": url}
    os.environ["SOFTSWITCH_DATABASE__URL"] = url
    path = folder / "softswitch.toml"
    given = setup.configuration_text(
        domain="127.0.0.1", address="127.0.0.1", port=free_port(), country="GE", currency="GEL",
        time_zone="UTC",
    )  # fmt: skip
    setup.init(path, given, lambda context: None)
    store = Store(url)
    fill(store.engine, lines)
    with store.engine.connect() as connection:
        size = connection.execute(
            text("SELECT pg_total_relation_size('lines') + pg_total_relation_size('accounts')")
        ).scalar_one()
    store.close()
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "softswitch", "-c", str(path), "serve"],
        env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = process.stdout.readline()
    ready = time.monotonic() - began
    assert said.startswith("ready"), said
    used = cpu_seconds(process.pid)
    own, workers = resident_bytes([process.pid]), family(process.pid)
    print(
        f"{lines} lines: ready after {ready:.1f} s ({used:.1f} s of CPU time), "
        f"{own / 1e6:.0f} MB resident ({len(workers) - 1} media workers beside it), "
        f"{own / lines / 1000:.2f} kB a line; lines and accounts {size / 1e6:.0f} MB in PostgreSQL",
        flush=True,
    )
    process.terminate()
    process.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    import postgresql

    with tempfile.TemporaryDirectory(prefix="lines") as folder, postgresql.server() as url:
        measure(Path(folder), url, given.lines)


if __name__ == "__main__":
    main()
