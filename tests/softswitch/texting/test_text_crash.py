"""A few of the kills of `python tests/softswitch/texting/text_crash.py`, which does many."""

import subprocess
import sys
from pathlib import Path


def test_killed_switches_lose_no_text_send_none_twice_and_take_each_price_once():
    command = [sys.executable, str(Path(__file__).parent / "text_crash.py"), "--rounds", "10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "10 kills" in done.stdout
