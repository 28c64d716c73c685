"""A switch of its own to measure: made by the product's own operations in a temporary folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from benchmarks.machine import family
from softswitch.operations.accounts import accounts
from softswitch.operations.context import Context
from softswitch.operations.installation import setup
from softswitch.operations.lines import line_table
from softswitch.operations.network import trunks
from softswitch.operations.tariffs import tariffs

HOST = "127.0.0.1"
PASSWORD = "secret"
DIALLED_PREFIX = "+99559"
"""Numbers that begin so go to the trunk."""
FIRST_NUMBER = 995_322_100_000
BALANCE = "1000000"
ACCOUNTS = 100
"""Accounts of ten lines each."""
STOP_SECONDS = 60.0
TARIFF = """\
prefix,destination,connect_fee,per_minute,initial_increment,increment
on_net,Between our lines,0,0.06,1,1
995,Georgia,0.02,0.10,1,1
"""


@dataclass(frozen=True, slots=True)
class Pauses:
    """The pauses of the switch's garbage collector since it was ready, by generation; milliseconds
    of CPU time."""

    collections: list[int]
    longest_ms: list[float]


_given: set[int] = set()


def free_port() -> int:
    """A free UDP port, which this process wasn't given before: generators that start at the same
    time would take it from each other."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((HOST, 0))
            port = int(sock.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port


def login(index: int) -> str:
    """The login of the line with this index."""
    return f"bench{index:05d}"


def number(index: int) -> str:
    """E.164 of the line with this index."""
    return f"+{FIRST_NUMBER + index}"


class Switchboard:
    """A running switch, with lines whose accounts have money, and a trunk; a context manager.

    Args:
        core: pinned there, with its media worker; None for wherever the system puts it.
        count: how many lines.
        settings: environment that overrides the configuration, as `SIP__ALGORITHMS`.
    """

    def __init__(self, core: int | None, count: int = 1000, **settings: str) -> None:
        self._core = core
        self.count = count
        self._folder = tempfile.TemporaryDirectory(prefix="softswitch-bench-")
        self.folder = Path(self._folder.name)
        self.port = free_port()
        self.trunk_port = free_port()
        # SIPp knows no other algorithm; the work is the same to within a microsecond.
        chosen = {"SIP__ALGORITHMS": "MD5", "CONFERENCE__MAX_OUTGOING": "1000", **settings}
        self._environment = os.environ | {f"SOFTSWITCH_{k}": v for k, v in chosen.items()}
        self._process: subprocess.Popen[str] | None = None
        self._pids: list[int] = []
        self.pauses: Pauses | None = None
        """Known when it has stopped."""

    # Its life

    def __enter__(self) -> Switchboard:
        try:
            self._create()
            self.start()
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._folder.cleanup()

    def _create(self) -> None:
        text = setup.configuration_text(
            domain=HOST,
            address=HOST,
            port=self.port,
            country="GE",
            currency="GEL",
            time_zone="UTC",
        )
        setup.init(self.folder / "softswitch.toml", text, self._fill)

    def _fill(self, context: Context) -> None:
        tariffs.tariff_import(context, TARIFF)
        payers = []
        for index in range(ACCOUNTS):
            payers.append(str(accounts.account_add(context, f"account {index}")["id"]))
            accounts.account_topup(context, payers[-1], BALANCE, payment_id=f"first-{index}")
        rows = ["number,login,password,account"]
        for index in range(self.count):
            payer = payers[index % ACCOUNTS]
            rows.append(f"{number(index)},{login(index)},{PASSWORD},{payer}")
        line_table.line_import(context, "\n".join(rows))
        target = f"sip:{HOST}:{self.trunk_port}"
        trunks.trunk_add(context, "generator", target, [DIALLED_PREFIX])

    def start(self) -> None:
        pinned = [] if self._core is None else ["taskset", "-c", str(self._core)]
        self._process = subprocess.Popen(
            [*pinned, sys.executable, "-m", "benchmarks.served", str(self.folder)],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("ready"):
            raise RuntimeError(f"the switch didn't start: {line.strip() or 'see its log'}")
        self._pids = family(self._process.pid)

    def stop(self) -> None:
        """End it, and read what it says of itself."""
        process, self._process = self._process, None
        if process is None:
            return
        for _ in range(2):  # a second signal ends calls that a generator left behind
            process.send_signal(signal.SIGTERM)
        try:
            said, _ = process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        for line in said.splitlines():
            if line.startswith("{"):
                self.pauses = Pauses(**json.loads(line))

    @property
    def pids(self) -> list[int]:
        """The switch and its media worker."""
        return self._pids

    @property
    def longest_pause_ms(self) -> float:
        """The longest pause of its garbage collector; known when it has stopped."""
        return max(self.pauses.longest_ms) if self.pauses is not None else float("nan")

    # Its command line

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A process of the product beside the switch, such as the portal."""
        command = [sys.executable, "-m", "softswitch", "-c", str(self.folder / "softswitch.toml")]
        return subprocess.Popen(
            [*command, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, *arguments: str) -> object:
        """The answer of a command of the product, as JSON."""
        command = [sys.executable, "-m", "softswitch", "-o", "json"]
        command += ["-c", str(self.folder / "softswitch.toml"), *arguments]
        done = subprocess.run(
            command,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)
