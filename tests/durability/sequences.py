"""The ledger against exact arithmetic in many more sequences than a test run has time for.

python -m tests.durability.sequences --count 10000 [--steps 25] [--postgresql]
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "billing"), str(HERE.parents[1]), str(HERE.parent)]

import books  # noqa: E402
import test_ledger_machine  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--postgresql", action="store_true", help="on a server of its own")
    given = parser.parse_args(arguments)
    begun = time.monotonic()
    with _database(given.postgresql) as books.URL:
        run_state_machine_as_test(
            test_ledger_machine.Ledger,
            settings=settings(
                max_examples=given.count,
                stateful_step_count=given.steps,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        books.close()
    print(f"{given.count} sequences agree ({time.monotonic() - begun:.0f} s)")
    return 0


@contextlib.contextmanager
def _database(on_server: bool) -> Iterator[str]:
    if not on_server:
        yield "sqlite://"
        return
    import postgresql

    with postgresql.server() as url:
        yield url


if __name__ == "__main__":
    raise SystemExit(main())
