"""The files of deploy/: units, image and compose file say what the switch needs, and no more."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from softswitch.cli.main import run
from softswitch.config.config import load

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = ("softswitch.service", "softswitch-backup.service", "softswitch-backup.timer")
SYSTEMD = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(SYSTEMD is None, reason="systemd isn't installed")


@pytest.fixture
def units(tmp_path):
    """The units, with a program that is there."""
    for name in UNITS:
        text = (DEPLOY / "systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/softswitch/bin/softswitch", "/bin/true"))
    return tmp_path


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_the_unit(units, name):
    done = subprocess.run(
        [SYSTEMD, "verify", "--man=no", str(units / name)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", ["softswitch.service", "softswitch-backup.service"])
def test_systemd_finds_the_unit_well_confined(units, name):
    done = subprocess.run(
        [SYSTEMD, "security", "--offline=yes", "--no-pager", str(units / name)],
        capture_output=True, text=True,
    )  # fmt: skip
    level = float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)[1])
    assert level <= 1.7, done.stdout


def seconds(unit: str, key: str) -> int:
    return int(re.search(rf"^{key}=(\d+)$", unit, re.M)[1])


def test_the_unit_waits_as_long_as_calls_may_drain(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    drain = load(tmp_path / "softswitch.toml").calls.drain_seconds
    unit = (DEPLOY / "systemd" / "softswitch.service").read_text()
    assert "Type=notify\n" in unit
    assert seconds(unit, "TimeoutStopSec") > drain
    compose = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text())
    assert int(compose["services"]["switch"]["stop_grace_period"].rstrip("s")) > drain


def test_the_image_runs_as_its_own_user_and_without_capabilities():
    lines = (DEPLOY / "container" / "Containerfile").read_text().splitlines()
    assert "USER softswitch" in lines
    assert lines.index("USER softswitch") < lines.index('ENTRYPOINT ["softswitch"]')
    copied = {
        line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line
    }
    assert {"softswitch", "sip", "rtp", "billing", "smpp", "ivr_prompts"} <= copied
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied} <= set(ignored)
    switch = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text())["services"][
        "switch"
    ]
    assert (switch["cap_drop"], switch["read_only"]) == (["ALL"], True)
    assert "no-new-privileges:true" in switch["security_opt"]
    assert switch["network_mode"] == "host"
