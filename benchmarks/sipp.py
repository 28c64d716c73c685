"""SIPp as generator: one run of a scenario at a rate, and whether the run is worth anything."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import cpu_seconds
from benchmarks.switchboard import DIALLED_PREFIX, HOST, PASSWORD, free_port

SCENARIOS = Path(__file__).parent / "scenarios"
TOLERATED = 0.001
"""Part of the calls that may fail, and that may need a message twice."""
FULL_CORE = 0.9
"""A generator busier than this part of its core measures itself."""
ANSWER_SECONDS = 4.0
"""A call whose next message is later than this has failed."""
OPEN_SECONDS = 5.0
MAX_CALLS = 30_000
_CALLED = (0, 1, 97)
"""Statuses of SIPp after it called: all calls succeeded, not all did, its time was over."""


class SippMissing(Exception):
    """There is no SIPp; the text says how to get it."""


@dataclass(frozen=True, slots=True)
class Run:
    """The result of a scenario."""

    rate: float
    wanted: int
    successful: int
    failed: int
    retransmissions: int
    seconds: float
    expected_seconds: float
    generator_busy: float
    """Part of its core that the generator used, both sides together."""
    complaint: str
    """SIPp's errors about itself; empty if there are none."""

    @property
    def passed(self) -> bool:
        """Every call went through at the rate that was asked for."""
        limit = self.wanted * TOLERATED
        return (
            self.wanted - self.successful <= limit
            and self.failed <= limit
            and self.retransmissions <= limit
            and self.seconds <= self.expected_seconds * 1.06 + 0.5
        )

    @property
    def generator_failed(self) -> bool:
        """True if the failure is the generator's and not the switch's."""
        return not self.passed and (self.generator_busy > FULL_CORE or bool(self.complaint))

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "failed"
        if self.generator_failed:
            verdict = f"void: {self.complaint or 'SIPp filled its core'}"
        return (
            f"{self.rate:.0f}/s: {self.successful} of {self.wanted} in {self.seconds:.1f} s, "
            f"{self.failed} failed, {self.retransmissions} sent again, "
            f"generator {self.generator_busy:.0%} of its core: {verdict}"
        )


class Sipp:
    """Starts SIPp on the generator's core.

    Raises:
        SippMissing: when there is none.
    """

    def __init__(self, core: int | None) -> None:
        if shutil.which("sipp") is None:
            raise SippMissing("SIPp isn't installed: apt-get install sip-tester")
        self._pinned = [] if core is None else ["taskset", "-c", str(core)]
        self._running: set[subprocess.Popen[bytes]] = set()

    def run(
        self,
        scenario: str,
        target: int,
        rate: float,
        seconds: float,
        logins: Iterable[str],
        *,
        hold_ms: int = 0,
        proven: bool = True,
        patience_seconds: float = ANSWER_SECONDS,
        also: Iterable[subprocess.Popen[bytes]] = (),
        dialled: str = DIALLED_PREFIX,
    ) -> Run:
        """Start `rate` times a second for so long, and wait for the last to end.

        Args:
            target: the UDP port of who is measured.
            proven: whether the callers have passwords.
            patience_seconds: how late a message may be.
            also: other generators whose work counts as this one's.
            dialled: [dialled] of the scenario.
        """
        wanted = max(1, round(rate * seconds))
        with tempfile.TemporaryDirectory(prefix="softswitch-sipp-") as folder:
            names = Path(folder) / "users.csv"
            names.write_text(users(logins, proven))
            command = [
                *_paced(rate),
                *("-m", str(wanted), "-d", str(hold_ms)),
                *("-recv_timeout", str(round(patience_seconds * 1000))),
                *("-timeout", f"{round(seconds + hold_ms / 1000 + 3 * patience_seconds)}s"),
                *("-inf", str(names), "-key", "dialled", dialled),
                *("-trace_stat", "-stf", "figures.csv", "-fd", "1"),
            ]
            others = list(also)
            before = cpu_seconds(other.pid for other in others)
            started = time.monotonic()
            process = self._start(scenario, target, free_port(), command, folder)
            self._running.add(process)
            _, status, used = os.wait4(process.pid, 0)
            elapsed = time.monotonic() - started
            process.returncode = 0
            self._running.discard(process)
            busy = cpu_seconds(other.pid for other in others) - before
            busy += used.ru_utime + used.ru_stime
            figures = _figures(Path(folder) / "figures.csv")
            return Run(
                rate,
                wanted,
                figures["SuccessfulCall(C)"],
                figures["FailedCall(C)"],
                figures["Retransmissions(C)"],
                elapsed,
                seconds + hold_ms / 1000,
                busy / elapsed,
                _complaint(Path(folder), os.waitstatus_to_exitcode(status)),
            )

    def end_all(self) -> None:
        """End every run that another thread waits for."""
        for process in list(self._running):
            process.kill()

    @contextlib.contextmanager
    def answering(
        self, port: int, ring_ms: int, scenario: str = "answers.xml"
    ) -> Iterator[subprocess.Popen[bytes]]:
        """The called side, on a port, for as long as the context lasts."""
        with tempfile.TemporaryDirectory(prefix="softswitch-sipp-") as folder:
            process = self._start(scenario, None, port, ["-d", str(ring_ms)], folder)
            try:
                await_open(port)
                yield process
            finally:
                process.kill()
                process.wait()

    def _start(
        self, scenario: str, target: int | None, port: int, more: list[str], folder: str
    ) -> subprocess.Popen[bytes]:
        command = [*self._pinned, "sipp", *([] if target is None else [f"{HOST}:{target}"])]
        command += ["-sf", str(SCENARIOS / scenario), "-i", HOST, "-p", str(port), "-nostdin"]
        command += ["-l", str(MAX_CALLS), "-timer_resol", "1", "-buff_size", "4000000"]
        command += ["-mp", str(free_port()), *more]
        with open(Path(folder) / "said", "wb") as said:
            return subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )


def _paced(rate: float) -> list[str]:
    """SIPp's options for so many calls a second; it knows whole numbers in a time alone."""
    if rate == round(rate):
        return ["-r", str(round(rate))]
    return ["-r", str(round(10 * rate)), "-rp", "10000"]


def users(logins: Iterable[str], proven: bool) -> str:
    rows = ["SEQUENTIAL"]
    for login in logins:
        secret = f";[authentication username={login} password={PASSWORD}]" if proven else ""
        rows.append(login + secret)
    return "\n".join(rows) + "\n"


def await_open(port: int) -> None:
    """Wait until a process has bound a UDP port: it doesn't report that it is ready."""
    needle = f":{port:04X} "
    until = time.monotonic() + OPEN_SECONDS
    while time.monotonic() < until:
        if needle in Path("/proc/net/udp").read_text():
            return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on UDP port {port}")


def _figures(file: Path) -> dict[str, int]:
    """The last line of SIPp's statistics."""
    names = ("SuccessfulCall(C)", "FailedCall(C)", "Retransmissions(C)")
    if not file.exists():
        said = (file.parent / "said").read_text(errors="replace")
        raise RuntimeError(f"SIPp didn't run: {said.strip() or 'it says nothing'}")
    with open(file, newline="") as lines:
        last = list(csv.DictReader(lines, delimiter=";"))[-1]
    return {name: int(last[name]) for name in names}


def _complaint(folder: Path, status: int) -> str:
    """SIPp's own words when it couldn't keep up, or couldn't work at all."""
    said = (folder / "said").read_text(errors="replace")
    if status not in _CALLED:
        return f"SIPp ended with {status}: {said.strip()[-120:]}"
    for line in said.splitlines():
        low = line.lower()
        if any(word in low for word in ("watchdog", "too many open", "can't allocate", "overload")):
            return f"SIPp: {line.strip()[:120]}"
    return ""
