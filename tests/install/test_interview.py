"""`softswitch init` on a terminal, answered by a person."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

from softswitch.config.config import load

ROOT = Path(__file__).parents[2]


def interviewed(folder: Path, *answers: str) -> str:
    """What a person sees who gives these answers; each is typed when its question stands there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "softswitch", "init"],
        cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"},
    )  # fmt: skip
    os.close(theirs)
    waiting, seen, since = list(answers), "", 0
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                seen += os.read(ours, 10_000).decode()
            except OSError:  # the program closed the terminal
                break
        if waiting and re.search(r"(\]|\d): $", seen[since:]):
            since = len(seen)
            os.write(ours, f"{waiting.pop(0)}\n".encode())
    os.close(ours)
    assert process.wait(10) == 0, seen
    assert waiting == []
    return seen


def test_enter_takes_all_that_is_proposed(tmp_path):
    interviewed(tmp_path, *[""] * 7)
    config = load(tmp_path / "softswitch.toml")
    assert (config.switch.domain, config.switch.country) == ("127.0.0.1", "GE")
    assert (config.switch.currency, config.switch.time_zone) == ("GEL", "Asia/Tbilisi")
    assert config.switch.language == "ka"
    assert config.database_file == tmp_path / "var" / "softswitch.db"


def test_wrong_answers_are_explained_and_asked_again(tmp_path):
    seen = interviewed(
        tmp_path, "sip example", "sip.example.org", "localhost", "192.0.2.10", "XX", "kz", "", "2",
        "xx", "ru", "data", "mysql://x", "-",
    )  # fmt: skip
    assert "'sip example' is no host name" in seen
    assert "'localhost' is no IP address, such as 192.0.2.10" in seen
    assert "there is no country 'XX'" in seen
    assert "'xx' isn't one of ka, ru, en, fa, kk" in seen
    assert "must look like postgresql://" in seen
    config = load(tmp_path / "softswitch.toml")
    assert config.switch.domain == "sip.example.org"
    assert config.sip.listen[0].host == "192.0.2.10"
    assert (config.switch.country, config.switch.currency) == ("KZ", "KZT")
    assert config.switch.language == "ru"
    assert config.database_file == tmp_path / "data" / "softswitch.db"


def test_without_a_terminal_nothing_is_asked(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "softswitch", "init"], cwd=tmp_path, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0
    assert "Enter takes" not in done.stdout
    assert load(tmp_path / "softswitch.toml").switch.domain == "127.0.0.1"
