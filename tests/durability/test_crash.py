"""A few of the crashes of `python -m tests.durability.crash`, which does hundreds."""

import random
import subprocess
import sys
from pathlib import Path

import crash
import crash_work
import power_cut
import pytest


@pytest.mark.parametrize(
    "arguments",
    [
        ("kill", "--rounds", "2"),
        ("server", "--rounds", "1"),
        ("power", "--rounds", "3", "--seed", "7"),
        ("full", "--rounds", "1", "--first", "41"),
        ("fail", "--rounds", "1", "--first", "4"),
        ("sync", "--rounds", "1", "--first", "6"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_nothing_is_lost_and_nothing_is_twice_after_a_crash(arguments):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.durability.crash", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    if "left out" in done.stdout:
        pytest.skip(done.stdout)
    assert "all right" in done.stdout and " 0 hit" not in done.stdout


# Whether the checks find what they look for


def test_a_disk_that_lies_about_a_sync_is_found_out(tmp_path):
    """Half a second's acknowledgements are gone: the check must say so."""
    data, url = crash.fresh(tmp_path)
    kept = (data / "books.db").read_bytes()
    said: list[str] = []
    crash_work.work(url, 1, 5, said.append)
    (data / "books.db").write_bytes(kept)
    with pytest.raises(AssertionError, match="pay t1"):
        crash_work.check(url, said, 1, 5)


def test_what_was_not_synced_is_gone_and_what_was_is_there():
    steps = [
        power_cut.Step("write", "f", 0, b"a" * 1024),
        power_cut.Step("sync", "f"),
        power_cut.Step("write", "f", 512, b"b" * 1024),
        power_cut.Step("create", "g"),
        power_cut.Step("write", "g", 0, b"c"),
        power_cut.Step("sync", "g"),
    ]
    seen = set()
    for seed in range(60):
        disk = power_cut.disk_after(steps, len(steps), {"f": b""}, random.Random(seed))
        seen.add(disk["f"])
        assert disk["f"][:512] == b"a" * 512
        assert "g" not in disk or disk["f"][512:] == b"b" * 1024  # its folder wasn't synced
    assert {b"a" * 1024, b"a" * 512 + b"b" * 1024} < seen  # and torn ones between them
