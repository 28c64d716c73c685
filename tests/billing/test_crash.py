"""A few of the crashes of `python -m tests.billing.crash`, which does hundreds."""

import random

import crash
import crash_work
import power_cut
import pytest


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_a_random_point(tmp_path, seed):
    _, url = crash.fresh(tmp_path)
    assert crash.killed(url, seed) > 0


def test_killed_at_a_random_point_of_work_on_a_server(postgresql):
    assert crash.killed(crash.emptied(postgresql), 4) > 0


def test_power_cut_at_random_points(tmp_path):
    try:
        cuts = crash.PowerCuts(tmp_path, 7, turns=20)
    except power_cut.CannotTrace as why:
        pytest.skip(str(why))
    assert max(cuts.cut(seed) for seed in range(12)) > 0


@pytest.mark.parametrize(("kind", "number"), [("full", 3), ("full", 57), ("fail", 20), ("sync", 5)])
def test_a_disk_that_fails_for_a_while(tmp_path, kind, number):
    try:
        assert crash.faulty(tmp_path, kind, number, 5) > 0
    except power_cut.CannotTrace as why:
        pytest.skip(str(why))


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
