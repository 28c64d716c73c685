"""The page "Ten minutes to a first call", followed word by word in a clean folder."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from switchboard import Switchboard, free_ports, until

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "ten-minutes.md"
STEP_SECONDS = 400


def commands() -> list[str]:
    """What the page has people type, in its order."""
    return re.findall(r"^    (\S.*)$", PAGE.read_text(), re.M)


@pytest.fixture(scope="module")
def constraint(tmp_path_factory) -> Path:
    """Has pip take the version of the wheel of this tree, beside it, for `softswitch`."""
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder),
         str(ROOT)],
        capture_output=True, text=True, timeout=STEP_SECONDS,
    )  # fmt: skip
    if built.returncode:
        pytest.skip(f"no wheel can be built here: {built.stderr.strip()[-200:]}")
    (wheel,) = folder.glob("*.whl")
    file = folder / "constraints.txt"
    file.write_text(f"softswitch=={wheel.name.split('-')[1]}\n")
    return file


class Shell:
    """A terminal in a folder: commands one after another, and one that stays in the foreground."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.served: subprocess.Popen[str] | None = None

    def type(self, command: str) -> str:
        if command == "softswitch serve":
            self.served = subprocess.Popen(
                ["softswitch", "serve"], cwd=self.folder, env=self.environment,
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            return self.served.stdout.readline()
        if command.startswith(". "):  # activates the environment
            folder = self.folder / command.removeprefix(". ").removesuffix("/activate")
            self.environment["PATH"] = f"{folder}:{self.environment['PATH']}"
            return ""
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.folder, env=self.environment, capture_output=True,
            text=True, timeout=STEP_SECONDS,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
        return done.stdout


@pytest.fixture
def shell(tmp_path, constraint, monkeypatch):
    (port,) = free_ports(1)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PIP_CONSTRAINT": str(constraint),
        "PIP_FIND_LINKS": str(constraint.parent),
        "HOME": str(tmp_path),
        # Another program may have the port of the page; SIPp knows no other digest.
        "SOFTSWITCH_SIP__LISTEN": f"udp:127.0.0.1:{port}",
        "SOFTSWITCH_SIP__ALGORITHMS": "MD5",
        "SOFTSWITCH_TRUNKS__PING_SECONDS": "0",
        "SOFTSWITCH_GUARD__BUSY_MS": "10000",  # other tests keep the machine busy
        **{key: value for key, value in os.environ.items() if key.startswith("PIP_INDEX")},
    }
    made = Shell(tmp_path, environment)
    made.port = port
    yield made
    if made.served is not None:
        with contextlib.suppress(ProcessLookupError):
            made.served.send_signal(signal.SIGTERM)
        assert made.served.wait(30) == 0
        made.served.stdout.close()


@pytest.mark.timeout(STEP_SECONDS)
@pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp isn't installed")
def test_the_page_is_followed_to_its_end(shell, tmp_path):
    steps = commands()
    assert steps[:2] == ["python3 -m venv switch", "switch/bin/pip install 'softswitch[all]'"]
    phones, said, call = Switchboard(tmp_path), {}, None
    phones.port = shell.port
    for step in steps:
        if step == "softswitch registration list":  # the reader typed both phones in
            users = re.findall(
                r"^  (\w+) +(\w+) +(\S+)$", said["softswitch welcome"].partition("password\n")[2],
                re.M,
            )  # fmt: skip
            (_, ana, ana_secret), (_, beka, beka_secret) = users[:2]
            for user, secret, port in ((ana, ana_secret, 0), (beka, beka_secret, 1)):
                run = phones.sipp("register.xml", phones.phones[port], login=user, password=secret)
                phones.ends_well(run)
        if step == "softswitch call list":  # and calls
            number = re.search(r"dial (\+\d+)", said["softswitch welcome"])[1]
            callee = phones.answers("answers.xml", phones.phones[1])
            call = phones.sipp(
                "call.xml", phones.phones[0], "-d", "6000", login=ana, password=ana_secret,
                number=number,
            )  # fmt: skip
            until(lambda: "talking" in shell.type("softswitch call list"), "they talk")
        if step == "softswitch cdr list":  # and hangs up
            phones.ends_well(call)
            phones.ends_well(callee)
            until(lambda: shell.type("softswitch cdr list").count("\n") >= 1, "the record is there")
        said[step] = shell.type(step)
    assert said["softswitch serve"].startswith("ready")
    listed = said["softswitch registration list"]
    assert ana in listed and beka in listed
    assert number in said["softswitch call list"]
    assert "internal" in said["softswitch cdr list"]
    assert "everything adds up" in said["softswitch ledger verify"]
    assert list((tmp_path / "backups").glob("softswitch-*.tar.gz"))
