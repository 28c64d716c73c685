"""What a person sees who types `make demo` and `make run` for the first and for the second time."""

import json
import os
import re
import subprocess
import sys

import pytest
from switchboard import free_ports

pytest.importorskip("pyVoIP", reason="pyVoIP isn't installed")

PROGRAM = [sys.executable, "-m", "softswitch"]
STORY = [
    r"s  Beka's phone registers",
    r"s  Ana's phone registers",
    r"s  Ana calls 995322000002",
    r"s  the switch: call [0-9a-f]+ is ringing, 60 s are reserved",
    r"s  the switch: call [0-9a-f]+ is talking, 60 s are reserved",
    r"s  Beka heard a tone of 440 Hz",
    r"s  Ana heard a tone of 620 Hz",
    r"s  Ana hangs up",
    r"The record \(CDR\):",
    r"  ended_by        caller",
    r"  media callee    packets \d+, .* lost 0,",
    r"Price: 0.00[5-9] GEL for [5-9] s, by prefix on_net of tariff default.",
    r"Ana's balance: 10.00 GEL before, 9.99[1-5] GEL now.",
    r"Beka's balance: 10.00 GEL before, 10.00 GEL now.",
    r"Sound went both ways.",
]


def softswitch(folder, *arguments):
    done = subprocess.run(
        [*PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tells_the_story(text, story=STORY):
    """Every line of the story is there, in its order."""
    rest = text
    for pattern in story:
        found = re.search(pattern, rest)
        assert found, f"{pattern!r} isn't in its place in:\n{text}"
        rest = rest[found.end() :]


def test_a_demo_without_a_switch_starts_one_and_leaves_nothing(tmp_path):
    text = softswitch(tmp_path, "demo")
    assert text.startswith("no switch runs here: starting a temporary one")
    tells_the_story(text)
    assert list(tmp_path.iterdir()) == []


BY_WEB = [
    r"s  Ana calls 995322000002",
    r"s  Ana's path is checked \(ICE\) and has its keys \(DTLS\) after \d+ ms",
    r"s  Ana's web phone sent \d+ packets, of which were lost: \d+; it got \d{2,}, ",
    r"Ana heard 620 Hz, Beka sent 620 Hz.",
    r"Beka heard 440 Hz, Ana sent 440 Hz.",
    r"Sound went both ways.",
    r"s  Beka calls 995322000001",
    r"s  Ana's phone rings",
    r"s  Ana's phone says that the call is over",
    r"Beka heard 620 Hz, Ana sent 620 Hz.",
    r"Ana heard 440 Hz, Beka sent 440 Hz.",
    r"Sound went both ways.",
]


def test_a_web_phone_calls_and_is_called(tmp_path):
    pytest.importorskip("aiortc", reason="aiortc isn't installed")
    tells_the_story(softswitch(tmp_path, "demo", "--web"), BY_WEB)


def test_the_demo_says_what_a_running_switch_lacks_for_a_web_phone(tmp_path, serve):
    (port,) = free_ports(1)
    softswitch(tmp_path, "init", "--demo", "--port", str(port))
    serve()
    done = subprocess.run(
        [*PROGRAM, "demo", "--web"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and "listens on no WebSocket" in done.stderr


@pytest.fixture
def serve(tmp_path):
    """Starts `softswitch serve` in the folder, and stops what still runs."""
    running = []

    def start():
        process = subprocess.Popen(
            [*PROGRAM, "serve"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        assert process.stdout.readline().startswith("ready")
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_demo_beside_a_running_switch_whose_data_a_second_start_keeps(tmp_path, serve):
    (port,) = free_ports(1)
    softswitch(tmp_path, "init", "--demo", "--port", str(port))
    first = serve()
    welcome = softswitch(tmp_path, "welcome")
    text = softswitch(tmp_path, "demo")
    assert text.startswith("using the running switch of softswitch.toml")
    tells_the_story(text)
    first.terminate()
    assert first.wait(10) == 0
    kept = softswitch(tmp_path, "-o", "json", "init", "--demo")  # as a second `make run`
    assert {row["result"] for row in json.loads(kept)} == {"kept"}
    serve()
    assert softswitch(tmp_path, "welcome") == welcome
    (record,) = json.loads(softswitch(tmp_path, "-o", "json", "cdr", "list"))
    assert record["price"] in text
    ana, *_ = json.loads(softswitch(tmp_path, "-o", "json", "account", "list"))
    assert f"{ana['balance']} GEL now" in text
    assert json.loads(softswitch(tmp_path, "-o", "json", "ledger", "verify"))["ok"]
    (calls,) = (tmp_path / "var" / "cdr").glob("*.jsonl")
    assert record["id"] in calls.read_text()
    assert os.stat(tmp_path / "var" / "demo-lines.txt").st_mode & 0o777 == 0o600
