"""A short fuzzing of everything that reads the network; `make fuzz` is the long one."""

import os
import random
import time
import traceback

import pytest
from mutation import mutated
from targets import TARGETS, Target

SEED = int(os.environ.get("SOFTSWITCH_FUZZ_SEED", "1"))
TRIES = {"conversation": 150, "message": 1_500, "sound": 150}
MANY_TRIES = 2_000
MAX_SECONDS = 0.05
"""Of CPU, for one input."""


def complaint(target: Target, data: bytes) -> str | None:
    """What is wrong with how the target took these octets."""
    started = time.process_time()
    try:
        target(data)
    except Exception:
        return traceback.format_exc()
    spent = time.process_time() - started
    return None if spent < MAX_SECONDS else f"took {spent * 1000:.0f} ms"


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_that_comes_is_a_fault_or_takes_long(name, tmp_path):
    target = TARGETS[name]
    seeds = sorted(target.seeds())
    rng = random.Random(f"{name} {SEED}")
    tries = (mutated(rng.choice(seeds), seeds, rng) for _ in range(TRIES.get(name, MANY_TRIES)))
    for data in (*seeds, *tries):
        # Asked twice, for the machine has other things to do, too.
        if complaint(target, data) and (wrong := complaint(target, data)):
            (tmp_path / name).write_bytes(data)
            pytest.fail(f"{wrong}\nThe input is in {tmp_path / name}", pytrace=False)
