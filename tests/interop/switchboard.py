"""A real switch process for real clients, on ports of its own."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from commands import command

from softswitch.control import client as control_client

HERE = Path(__file__).parent
TALK_MS = 1500
PATIENCE_SECONDS = 3
"""A switch without calls stops in less; one with calls waits for a second signal."""
ANA, BEKA, CIRA, POOR = (f"+99532200010{digit}" for digit in "1234")
LINES = {"ana": (ANA, "10"), "beka": (BEKA, "10"), "cira": (CIRA, "10"), "poor": (POOR, "0")}
"""Login: number and balance. The accounts are 1 to 4, in this order."""
TARIFF = """prefix,destination,connect_fee,per_minute,initial_increment,increment
on_net,Ours,0,0.06,1,1
44,United Kingdom,0.05,0.12,60,60
"""


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Ports that nobody has, neither UDP nor TCP."""
    return [group[0] for group in free_port_groups(count, 1, host)]


def free_port_groups(count: int, size: int, host: str = "127.0.0.1") -> list[range]:
    """Groups of ports in a row that nobody has."""
    held = contextlib.ExitStack()
    groups: list[range] = []
    with held:
        while len(groups) < count:
            with contextlib.suppress(OSError):
                groups.append(_hold_group(held, size, host))
    return groups


def _hold_group(held: contextlib.ExitStack, size: int, host: str) -> range:
    """Below the ports that the system gives to whoever asks, or somebody would be given them."""
    first = random.randrange(10_000, 19_000)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(first, first + size):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            held.enter_context(socket.socket(family, kind)).bind((host, port))
    return range(first, first + size)


def until(true: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """Wait until something is so; what it is."""
    end = time.monotonic() + seconds
    while not (result := true()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return result


class Switchboard:
    """`softswitch serve` in a folder, its command line, and SIPp around it.

    Args:
        folder: a copy of the one that `create` made.
        settings: SECTION__KEY and their values, above the file's.
    """

    def __init__(self, folder: Path, host: str = "127.0.0.1", **settings: str) -> None:
        self.folder = folder
        self.host = host
        self.port, self.trunk_port, self.second_port, *self.phones = free_ports(8, host)
        address = f"[{host}]" if ":" in host else host
        media = 20_000 + (self.port % 12) * 1_000  # below the ports that the system hands out
        defaults = {
            "SIP__LISTEN": f"udp:{address}:{self.port},tcp:{address}:{self.port}",
            "SIP__ALGORITHMS": "MD5",
            "MEDIA__PORTS": f"{media}-{media + 900}",
            "CALLS__JOURNAL_SECONDS": "1",
            "CONFERENCE__MAX_OUTGOING": "100",  # one scenario places many calls from a line
            "GUARD__BUSY_MS": "10000",  # other tests keep the machine busy
            "TRUNKS__PING_SECONDS": "0",  # a scenario takes no OPTIONS
        }
        chosen = {f"SOFTSWITCH_{key}": value for key, value in (defaults | settings).items()}
        self.environment = {**os.environ, **chosen}
        self.process: subprocess.Popen | None = None

    @staticmethod
    def create(folder: Path, lines: Mapping[str, tuple[str, str]] = LINES) -> None:
        """Make the folder of a switch with four lines and a tariff, once for all tests."""
        (folder / "tariff.csv").write_text(TARIFF)
        commands = [["init", "--domain", "127.0.0.1", "--country", "GE", "--currency", "GEL"]]
        commands.append(["tariff", "import", str(folder / "tariff.csv")])
        for login, (number, balance) in lines.items():
            owner = f"owner of {login}"
            commands.append(["account", "add", owner])
            if balance != "0":
                commands.append(["account", "topup", owner, balance, "--payment-id", login])
            commands.append(["line", "add", number, "--account", owner, "--login", login,
                             "--password", "secret"])  # fmt: skip
        for wanted in commands:
            done = command(folder, *wanted)
            assert done.status == 0, done.complaint

    def cli(self, *arguments: str, fails: bool = False):
        """A command's result as JSON, or its one line of complaint."""
        done = command(self.folder, "-o", "json", *arguments, environment=self.environment)
        assert (done.status != 0) == fails, done.complaint
        if fails:
            return done.complaint.strip()
        return json.loads(done.told) if done.told.strip() else None

    def text(self, *arguments: str, status: int = 0) -> str:
        """What a command prints into a pipe."""
        done = command(self.folder, *arguments, environment=self.environment)
        assert done.status == status, done.complaint
        return done.told

    def ask(self, operation: str, **arguments: Any) -> Any:
        """The same as the command line asks the running switch, without starting a program."""
        return control_client.call(self.folder / "var" / "control.sock", operation, arguments)

    def start(self) -> None:
        said = self._serve()
        assert said.startswith("ready"), said + (self.folder / "serve.err").read_text()

    def does_not_start(self) -> str:
        """Its one line of complaint."""
        assert self._serve() == ""
        status = self.process.wait(10)
        self.process.stdout.close()
        self.process = None
        assert status == 1
        return (self.folder / "serve.err").read_text().strip()

    def _serve(self) -> str:
        with open(self.folder / "serve.err", "w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "softswitch", "serve"],
                cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=errors,
                text=True,
            )  # fmt: skip
        return self.process.stdout.readline()

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End the switch; calls that a failed test left are ended with it, not waited for."""
        self.process.send_signal(how)
        try:
            status = self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.send_signal(how)
            status = self.process.wait(30)
        self.process.stdout.close()
        self.process = None
        return status

    @contextlib.contextmanager
    def late(self, seconds: float):
        """For so long the switch answers nobody; then it reads what came."""
        self.process.send_signal(signal.SIGSTOP)
        wakes = threading.Timer(seconds, self.process.send_signal, [signal.SIGCONT])
        wakes.start()
        try:
            yield
        finally:
            wakes.join()

    def sipp(self, scenario: str, port: int, *more: str, **keys: str) -> subprocess.Popen:
        """Start one run of a scenario."""
        if shutil.which("sipp") is None:
            import pytest

            pytest.skip("SIPp isn't installed (Debian package sip-tester)")
        address = f"[{self.host}]" if ":" in self.host else self.host
        command = ["sipp", f"{address}:{self.port}", "-sf", str(HERE / scenario)]
        command += [
            "-i",
            address,
            "-mi",
            self.host,
            "-p",
            str(port),
            "-m",
            "1",
            "-nostdin",
            "-timeout",
            "20s",
        ]
        command += ["-d", str(TALK_MS), "-trace_err", "-timeout_error", *more]
        if "login" in keys:
            command += ["-au", keys["login"], "-ap", keys.get("password", "")]
        for key, value in ({"contact": f"{address}:{port}"} | keys).items():
            command += ["-key", key, value]
        return subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def answers(self, scenario: str, port: int, *more: str, **keys: str) -> subprocess.Popen:
        """Start a called side, and wait until it hears."""
        run = self.sipp(scenario, port, *more, **keys)
        until(lambda: _is_bound(self.host, port), f"SIPp listens on {port}")
        return run

    def ends_well(self, run: subprocess.Popen, seconds: float = 40.0) -> None:
        _, errors = run.communicate(timeout=seconds)
        traces = "".join(path.read_text() for path in self.folder.glob("*_errors.log"))
        assert run.returncode == 0, f"SIPp ended with {run.returncode}: {errors}{traces}"

    def register(self, login: str, port: int, *more: str) -> None:
        self.ends_well(self.sipp("register.xml", port, *more, login=login, password="secret"))

    def talk(self, seconds: float) -> None:
        """Let real phones talk for so long."""
        time.sleep(seconds)

    def cdr(self) -> dict:
        """The only record, which may take a moment to be written."""
        (record,) = self.cdrs()
        return record

    def cdrs(self) -> list[dict]:
        """All records, when all calls are over."""
        until(lambda: not self.ask("call_list"), "the calls are over")
        return self.ask("cdr_list")


def _is_bound(host: str, port: int) -> bool:
    """Whether somebody has the UDP or the TCP port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(family, kind) as sock:
            try:
                sock.bind((host, port))
            except OSError:
                return True
    return False
