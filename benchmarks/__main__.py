"""Everything that is measured, one after another: `python -m benchmarks [--quick]`.

Each part is a program of its own (`python -m benchmarks.calls --help`). A part that fails is said
and doesn't stop the others.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

PARTS = (
    "parsing",
    "books",
    "registrations",
    "calls",
    "latency",
    "relay",
    "announcements",
    "transcoding",
    "conference",
    "browser_legs",
    "browser_calls",
    "memory",
    "texts",
    "provisioning",
    "portal",
    "flood",
    "overload",
    "power_cut",
)
TAKES_QUICK = {
    "browser_legs",
    "browser_calls",
    "books",
    "announcements",
    "transcoding",
    "conference",
    "registrations",
    "calls",
    "latency",
    "memory",
    "texts",
}
QUICK = {
    "relay": ("--calls", "100", "--seconds", "3"),
    "flood": ("--seconds", "3"),
    "power_cut": ("--phones", "1000"),
    "provisioning": ("--phones", "200", "--seconds", "2"),
    "portal": ("--calls", "10000", "--seconds", "3"),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
    quick = parser.parse_args().quick
    failed = []
    for part in PARTS:
        print(f"\n== {part}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{part}"]
        if quick:
            command += ["--quick"] if part in TAKES_QUICK else QUICK.get(part, ())
        if subprocess.run(command).returncode:
            failed.append(part)
    if failed:
        print(f"\nnot measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
