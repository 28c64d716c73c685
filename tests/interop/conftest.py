import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from switchboard import Switchboard


@pytest.fixture
def board(tmp_path):
    """A running switch; afterwards it stops cleanly and its books add up."""
    if shutil.which("sipp") is None:
        pytest.skip("SIPp isn't installed (Debian package sip-tester)")
    made = Switchboard(tmp_path)
    made.start()
    yield made
    if made.process is not None:
        assert made.stop() == 0
    assert made.cli("ledger", "verify")["ok"] is True
    log = (tmp_path / "var" / "softswitch.log").read_text()
    assert "level=error" not in log, log
