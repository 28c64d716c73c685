"""Budgets of the memory that a call takes of the switch, its part of the media worker's engine
included. They may only fall.

`memory_of_calls.py` says what is counted, and `pytest -s` prints where it is.
`python -m benchmarks.memory` measures processes.
"""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="sizes are of 3.11")

RINGING = 14_820
TALKING = 15_540


def octets_of_a_call(state: str) -> int:
    command = [sys.executable, str(Path(__file__).parent / "memory_of_calls.py"), state]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout)
    return int(done.stdout.split()[-1])


def test_a_ringing_call():
    assert octets_of_a_call("ringing") <= RINGING


def test_a_talking_call():
    assert octets_of_a_call("talking") <= TALKING
