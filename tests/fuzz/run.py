"""The long fuzzing, guided by coverage: `make fuzz SECONDS=600`.

Each target runs in a process of its own for its share of the time. What it learned is kept in
var/fuzz/TARGET and used the next time; an input that is a fault is written to var/fuzz/faults.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
for name in ("fuzz", "rtp", "sip", "torture"):
    sys.path.insert(0, str(HERE.parent / name))

KEPT = Path("var") / "fuzz"
MAX_SECONDS = 0.5
"""For one input; instrumented code is many times slower than the code itself."""
MAX_BYTES = 65_535


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help="which; all by default")
    parser.add_argument("--seconds", type=int, default=60, help="for all together")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        fuzz(arguments.one, arguments.seconds)
        return 0
    names = arguments.targets or list(known_targets())
    share = max(1, arguments.seconds // len(names))
    failed = [name for name in names if not run_apart(name, share)]
    print(f"faults: {', '.join(failed)}; see {KEPT / 'faults'}" if failed else "no faults")
    return 1 if failed else 0


def known_targets() -> list[str]:
    from targets import TARGETS

    return list(TARGETS)


def run_apart(name: str, seconds: int) -> bool:
    """Fuzz one target in another process; whether it found nothing."""
    started = time.monotonic()
    command = [sys.executable, __file__, "--one", name, "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    summary = next((line for line in reversed(lines) if line.startswith("Done ")), "a fault")
    print(f"{name:14} {time.monotonic() - started:5.0f} s  {summary}", flush=True)
    if done.returncode:
        said = done.stdout.splitlines()[-40:] + [line for line in lines if "written to" in line]
        print("\n".join(line[:400] for line in said or lines[-20:]), flush=True)
    return done.returncode == 0


def fuzz(name: str, seconds: int) -> None:
    import atheris

    # What is to be followed has to be imported while atheris watches.
    with atheris.instrument_imports(include=["sip", "rtp", "targets"]):
        from targets import TARGETS
    target = TARGETS[name]
    corpus, faults = KEPT / name, KEPT / "faults"
    for folder in (corpus, faults):
        folder.mkdir(parents=True, exist_ok=True)
    for number, sample in enumerate(sorted(target.seeds())):
        (corpus / f"seed{number}").write_bytes(sample)
    longest = 0.0

    def one(data: bytes) -> None:
        nonlocal longest
        started = time.process_time()
        target(data)
        longest = max(longest, time.process_time() - started)
        if longest > MAX_SECONDS:
            raise TimeoutError(f"{len(data)} octets took {longest:.3f} s")

    options = [
        f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", "-timeout=10", "-rss_limit_mb=2048",
        f"-artifact_prefix={faults}/{name}-", "-print_final_stats=1", str(corpus),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
