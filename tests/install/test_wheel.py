"""The wheel, installed with all extras into a clean environment, makes a switch that serves."""

import os
import re
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("softswitch", "sip", "rtp", "billing", "smpp", "ivr_prompts")
INSTALL_SECONDS = 400


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder),
         str(ROOT)],
        capture_output=True, text=True, timeout=INSTALL_SECONDS,
    )  # fmt: skip
    if done.returncode and "hatchling" in done.stderr:
        pytest.skip("the build backend can't be had here")
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


def test_every_file_of_the_packages_is_in_the_wheel(wheel):
    tracked = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert [name for name in tracked if name not in inside] == []
    assert not [name for name in inside if name.startswith("tests/")]


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The programs of a new environment."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    done = subprocess.run(
        [str(folder / "bin" / "pip"), "install", "--quiet", f"{wheel}[all]"],
        capture_output=True, text=True, timeout=INSTALL_SECONDS,
    )  # fmt: skip
    if done.returncode and re.search("No matching distribution|Connection|resolve", done.stderr):
        pytest.skip(f"no package index: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.mark.timeout(INSTALL_SECONDS)
def test_the_installed_switch_is_created_checked_served_and_backed_up(installed, tmp_path):
    def softswitch(*arguments: str) -> str:
        done = subprocess.run(
            [str(installed / "softswitch"), *arguments],
            cwd=tmp_path, env={"PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)[1]
    assert softswitch("--version") == f"softswitch {version}\n"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    softswitch("init", "--demo", "--port", str(port))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        environment = {"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": str(tmp_path / "notify"),
                       "WATCHDOG_USEC": "3000000"}  # fmt: skip
        served = subprocess.Popen(
            [str(installed / "softswitch"), "serve"], cwd=tmp_path, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            heard = [manager.recv(100), manager.recv(100)]
            assert heard == [b"READY=1", b"WATCHDOG=1"]
            assert '"worker"' in softswitch("-o", "json", "media", "show")
            assert "differences" in softswitch("backup", str(tmp_path / "backups"))
        finally:
            served.send_signal(signal.SIGTERM)
            assert served.wait(20) == 0, served.stderr.read()
            served.stderr.close()
    assert os.listdir(tmp_path / "backups")
