"""A real switch process for real clients, on ports of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE_SECONDS = 3
"""A switch without calls stops in less; one with calls waits for a second signal."""
TARIFF = """prefix,destination,connect_fee,per_minute,initial_increment,increment
on_net,Ours,0,0.06,1,1
44,United Kingdom,0.05,0.12,60,60
"""


def free_ports(count: int) -> list[int]:
    """UDP and TCP ports that nobody has."""
    sockets = []
    while len(sockets) < count:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sockets.append(sock)
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


class Switchboard:
    """`softswitch serve` in a folder, its command line, and SIPp around it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.trunk_port, self.second_port, *self.phones = free_ports(8)
        media = 20_000 + (self.port % 12) * 1_000  # below the ports that the system hands out
        self.environment = {
            **os.environ,
            "SOFTSWITCH_SIP__LISTEN": f"udp:127.0.0.1:{self.port},tcp:127.0.0.1:{self.port}",
            "SOFTSWITCH_SIP__ALGORITHMS": "MD5",
            "SOFTSWITCH_MEDIA__PORTS": f"{media}-{media + 900}",
            "SOFTSWITCH_CALLS__JOURNAL_SECONDS": "1",
        }
        self.process: subprocess.Popen | None = None
        self.cli("init", "--domain", "127.0.0.1", "--country", "GE", "--currency", "GEL")
        (folder / "tariff.csv").write_text(TARIFF)
        self.cli("tariff", "import", "tariff.csv")

    def cli(self, *arguments: str, fails: bool = False):
        """A command's result as JSON, or its one line of complaint."""
        done = subprocess.run(
            [sys.executable, "-m", "softswitch", "-o", "json", *arguments],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        assert (done.returncode != 0) == fails, done.stderr
        if fails:
            return done.stderr.strip()
        return json.loads(done.stdout) if done.stdout.strip() else None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "softswitch", "serve"],
            cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        line = self.process.stdout.readline()
        assert line.startswith("ready"), line

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

    def line(self, number: str, login: str, balance: str = "10") -> str:
        account = str(self.cli("account", "add", f"owner of {login}")["id"])
        if balance != "0":
            self.cli("account", "topup", account, balance, "--payment-id", f"first-{login}")
        self.cli("line", "add", number, "--account", account, "--login", login,
                 "--password", "secret")  # fmt: skip
        return account

    def sipp(self, scenario: str, port: int, *more: str, **keys: str) -> subprocess.Popen:
        """Start one run of a scenario."""
        command = ["sipp", f"127.0.0.1:{self.port}", "-sf", str(HERE / scenario)]
        command += ["-i", "127.0.0.1", "-p", str(port), "-m", "1", "-nostdin", "-timeout", "20s"]
        command += ["-trace_err", "-timeout_error", *more]
        if "login" in keys:
            command += ["-au", keys["login"], "-ap", keys.get("password", "")]
        for key, value in keys.items():
            command += ["-key", key, value]
        return subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def ends_well(self, run: subprocess.Popen) -> None:
        _, errors = run.communicate(timeout=40)
        traces = "".join(path.read_text() for path in self.folder.glob("*_errors.log"))
        assert run.returncode == 0, errors + traces

    def cdr(self) -> dict:
        (record,) = self.cli("cdr", "list")
        return record
