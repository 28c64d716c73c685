"""A part before and after a change, by turns: `python -m benchmarks.turns OTHER PART [...]`.

Runs a part from this checkout and from another one, one after the other again and again, and
compares the medians of the figures in the last line that each run prints. By turns, since the same
figure taken an hour later differs by more than most changes are worth.

    python -m benchmarks.turns ../before calls --rate 250
    python -m benchmarks.turns ../before --rounds 5 registrations --rate 1000
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.machine import describe

HERE = Path(__file__).parent.parent
_FIGURE = re.compile(r"(-?\d[\d_]*(?:\.\d+)?)")


def run(checkout: Path, part: str, arguments: list[str]) -> str:
    """The last line that a part prints."""
    path = os.pathsep.join(filter(None, (str(checkout), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{part}", *arguments],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.strip().rpartition("\n")[2]


def figures(line: str) -> list[float]:
    """The numbers of a line, in order."""
    return [float(found) for found in _FIGURE.findall(line)]


def compared(before: list[str], after: list[str]) -> str:
    """The last line after the change, and for each of its figures both medians and their ratio.

    Raises:
        ValueError: the lines have different figures.
    """
    rows = [after[-1]]
    text = _FIGURE.split(after[-1])
    all_before = zip(*map(figures, before), strict=True)
    all_after = zip(*map(figures, after), strict=True)
    for place, (old, new) in enumerate(zip(all_before, all_after, strict=True)):
        was, now = statistics.median(old), statistics.median(new)
        ratio = f"{now / was:.2f}" if was else "-"
        what = " ".join((text[2 * place] + "#" + text[2 * place + 2]).split())
        rows.append(f"  {was:>10g} -> {now:>10g}  x {ratio:>5}  {what}")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path, help="the checkout of before the change")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (3)")
    parser.add_argument("part", help="as `calls`, and what it takes")
    arguments, rest = parser.parse_known_args()
    other = arguments.other.resolve()
    if not (other / "benchmarks" / f"{arguments.part}.py").is_file():
        parser.error(f"{other} has no benchmarks/{arguments.part}.py: name another checkout")
    print(describe(), flush=True)
    before: list[str] = []
    after: list[str] = []
    for number in range(arguments.rounds):
        for checkout, lines in ((other, before), (HERE, after)):
            lines.append(run(checkout, arguments.part, rest))
            print(
                f"{number + 1} {'before' if lines is before else 'after '} {lines[-1]}", flush=True
            )
    print(compared(before, after))


if __name__ == "__main__":
    main()
