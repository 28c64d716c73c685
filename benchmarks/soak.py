"""Soak: `python -m benchmarks.soak [--hours 8 | --minutes 10] [--rate 20]` (`make soak HOURS=8`).

One switch under everything at once: calls to a trunk, transfers, conference rooms entered by keys,
registrations, texts to a phone, an operator who lists calls, records and accounts, and people who
click through the portal. Memory,
descriptors, threads, ports, lateness and the errors of the generators are read each minute. When
the load has ended nothing may be left, and the books must agree. It fails if resident memory at the
end is more than 1.5 times that of the first minute, or still grows.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.machine import describe
from benchmarks.sipp import SCENARIOS, Run, Sipp, await_open, users
from benchmarks.switchboard import HOST, Switchboard, free_port, login, number

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "portal"))

from served import Browserless

FORGET_SECONDS = 110.0
"""Transferred calls end when neither side has sent sound for 60 s, and transactions remember for 32
s after that (RFC 3261 section 17)."""
PATIENCE_SECONDS = 10.0
HOLD_MS = 3_000
OWNERS = 10
"""Lines with the conference service."""
ROOM = "42"
MAX_RATIO = 1.5
"""Resident memory at the end, by that of the first minute."""
MAX_GROWTH = 0.03
"""Growth of resident memory in the last half of the time, or `LEAST_GROWTH_MB` if that is more."""
LEAST_GROWTH_MB = 3.0
MAX_FAILED = 0.01
"""Part of the calls that may fail on a machine that others use, too."""
PORTAL_SECONDS = 120.0
"""The time for the portal to start, on a machine that is busy."""
CLICK_SECONDS = 1.0
CABINET = ("/", "/calls", "/calls?kind=mobile", "/money", "/packages", "/lines", "/messages")
CONSOLE = ("/op", "/op/customers", "/op/customers/1", "/op/calls", "/op/calls/ended", "/op/texts")


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of work, and how often a second."""

    name: str
    scenario: str
    share: float
    """Its part of the rate of calls."""
    dialled: str
    hold_ms: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The switch at one minute."""

    minute: float
    switch_mb: float
    workers_mb: float
    portal_mb: float
    files: int
    threads: int
    ports: int
    calls: int
    attempts: int
    lag_p99_ms: float
    post_dial_p99_ms: float
    commit_ms: float

    def row(self) -> str:
        """A row of the table."""
        return (
            f"| {self.minute:.0f} | {self.switch_mb:.1f} | {self.workers_mb:.1f} "
            f"| {self.portal_mb:.1f} | {self.files} "
            f"| {self.threads} | {self.ports} | {self.calls} | {self.attempts} "
            f"| {self.lag_p99_ms:.0f} | {self.post_dial_p99_ms:.0f} | {self.commit_ms:.1f} |"
        )


HEAD = """\
| minute | switch MB | workers MB | portal MB | files | threads | port pairs | calls now \
| calls so far | loop lag p99 ms | post-dial p99 ms | commit ms |
|---|---|---|---|---|---|---|---|---|---|---|---|"""


class Scraper:
    """Reads the metrics of the switch, and what the system knows of its processes."""

    def __init__(self, board: Switchboard, port: int, portal: int) -> None:
        self._board = board
        self._portal = portal
        self._url = f"http://{HOST}:{port}/metrics"
        self._began = time.monotonic()

    def values(self) -> dict[str, float]:
        """Every sample by its name and labels."""
        with urllib.request.urlopen(self._url, timeout=30) as answer:
            page = answer.read().decode()
        return {
            sample.name
            + "".join(f" {k}={v}" for k, v in sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }

    def sample(self) -> Sample:
        """The switch as it is now."""
        switch, *workers = self._board.pids
        found = self.values()
        commits = found["softswitch_commits_total"] or 1
        return Sample(
            minute=(time.monotonic() - self._began) / 60,
            switch_mb=_resident_mb(switch),
            workers_mb=sum(map(_resident_mb, workers)),
            portal_mb=_resident_mb(self._portal),
            files=self._count("fd"),
            threads=self._count("task"),
            ports=round(found["softswitch_media_port_pairs state=in_use"]),
            calls=round(found["softswitch_calls"]),
            attempts=round(found["softswitch_call_attempts_total"]),
            lag_p99_ms=1000 * quantile(found, "softswitch_loop_lag_seconds", 0.99),
            post_dial_p99_ms=1000 * quantile(found, "softswitch_post_dial_delay_seconds", 0.99),
            commit_ms=1000 * found["softswitch_commit_seconds_total"] / commits,
        )

    def _count(self, what: str) -> int:
        """Entries of /proc/PID/fd or task, of all processes."""
        pids = (*self._board.pids, self._portal)
        return sum(len(os.listdir(f"/proc/{pid}/{what}")) for pid in pids)


def quantile(found: dict[str, float], name: str, part: float) -> float:
    """The upper bound of the bucket in which this part of a histogram's values ends."""
    buckets: dict[float, float] = {}
    for key, value in found.items():
        if key.startswith(f"{name}_bucket "):
            bound = float(key.partition(" le=")[2].partition(" ")[0])
            buckets[bound] = buckets.get(bound, 0) + value
    total = max(buckets.values(), default=0.0)
    return next((b for b in sorted(buckets) if total and buckets[b] >= part * total), 0.0)


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextlib.contextmanager
def taking_texts(board: Switchboard) -> Iterator[None]:
    """The phone of the first line, registered, which takes texts."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="softswitch-soak-") as folder:
        names = Path(folder) / "users.csv"
        names.write_text(users([login(0)], proven=True))
        command = ["sipp", f"{HOST}:{board.port}", "-sf", str(SCENARIOS / "stays_registered.xml")]
        command += ["-oocsf", str(SCENARIOS / "takes_texts.xml"), "-i", HOST, "-p", str(port)]
        # One registration after the other, each twice as long as the time to the next.
        command += ["-m", "1000", "-l", "1", "-d", "1800000", "-inf", str(names), "-nostdin"]
        phone = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            await_open(port)
            yield
        finally:
            phone.kill()
            phone.wait()


@contextlib.contextmanager
def portal(board: Switchboard, port: int) -> Iterator[int]:
    """The web beside the switch; its process's id."""
    url = f"http://{HOST}:{port}"
    process = board.spawn("portal")
    try:
        until = time.monotonic() + PORTAL_SECONDS
        while not _answers(f"{url}/health"):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the portal didn't start, see portal.log")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(PORTAL_SECONDS)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Clicks:
    """People who load pages of the web, one after another.

    Args:
        url: of the portal.
    """

    def __init__(self, board: Switchboard, url: str) -> None:
        self._people = [
            (
                self._person(board, url, "customer", "--role", "subscriber", "--account", "1"),
                CABINET,
            ),
            (self._person(board, url, "clerk", "--role", "admin"), CONSOLE),
        ]
        self.loaded = 0
        self.failed: list[str] = []
        """Path and status of each page that didn't come."""

    @staticmethod
    def _person(board: Switchboard, url: str, name: str, *role: str) -> Browserless:
        user = board.ask("user", "add", name, *role)
        row = user[0] if isinstance(user, list) else user
        made = Browserless(url)
        made.first_sign_in(name, str(row["password"]))  # type: ignore[index]
        return made

    def work(self, seconds: float) -> None:
        """Click for so long."""
        end = time.monotonic() + seconds
        for each in itertools.count():
            for who, pages in self._people:
                path = pages[each % len(pages)]
                status = who.get(path).status_code
                self.loaded += 1
                if status != 200:
                    self.failed.append(f"{path} {status}")
            if time.monotonic() > end:
                return
            time.sleep(CLICK_SECONDS)


def loads() -> list[Load]:
    """Everything that goes on at once."""
    return [
        Load("calls", "calls.xml", 1.0, "", HOLD_MS),
        Load("transfers", "transfers.xml", 0.1, "", 1_000),
        Load("conferences", "conferences.xml", 0.1, "*88", 4_000),
        Load("registrations", "registers.xml", 0.5, "", 0),
        Load("texts", "texts.xml", 0.25, number(0), 0),
    ]


def soak(seconds: float, rate: float) -> int:
    """Run; returns the exit status."""
    sipp, metrics_port, portal_port = Sipp(None), free_port(), free_port()
    listen, web = f"{HOST}:{metrics_port}", f"{HOST}:{portal_port}"
    with (
        Switchboard(
            None,
            METRICS__LISTEN=listen,
            PORTAL__LISTEN=web,
            GUARD__BUSY_MS="5000",
            CONFERENCE__MAX_MEMBERS="200",
            TRUNKS__PING_SECONDS="0",
        ) as board,
        sipp.answering(board.trunk_port, 50),
        taking_texts(board),
        portal(board, portal_port) as portal_pid,
    ):
        clicks = Clicks(board, f"http://{web}")
        board.ask("room", "add", ROOM, "--line", number(0))
        for index in range(OWNERS):
            board.ask("package", "buy", str(index + 1), "conference", "--auto-renew")
        runs: dict[str, Run] = {}
        scraper = Scraper(board, metrics_port, portal_pid)
        idle = scraper.sample()
        work = [
            threading.Thread(target=_work, args=(sipp, board, load, rate, seconds, runs))
            for load in loads()
        ]
        work.append(threading.Thread(target=_operate, args=(board, seconds)))
        work.append(threading.Thread(target=clicks.work, args=(seconds,)))
        for each in work:
            each.start()
        samples = _watch(scraper, work)
        for run in runs.items():
            print(f"{run[0]:14} {run[1]}", flush=True)
        print(f"clicks         {clicks.loaded} pages, {len(clicks.failed)} failed", flush=True)
        time.sleep(FORGET_SECONDS)
        left = scraper.values()
        complaints = [
            *_memory_complaints(samples),
            *_left_complaints(left, idle, scraper.sample()),
            *_run_complaints(runs),
            *(f"the portal: {failed}" for failed in clicks.failed[:5]),
        ]
        if not board.ask("ledger", "verify")["ok"]:  # type: ignore[index]
            complaints.append("the books differ")
    for complaint in complaints:
        print(f"FAILED: {complaint}", flush=True)
    return 1 if complaints else 0


def _work(
    sipp: Sipp, board: Switchboard, load: Load, rate: float, seconds: float, runs: dict[str, Run]
) -> None:
    first, last = (1, OWNERS) if load.dialled == "*88" else (OWNERS, board.count)
    names = [login(index) for index in range(first, last)]
    each = max(1.0, rate * load.share)
    more = {"dialled": load.dialled} if load.dialled else {}
    runs[load.name] = sipp.run(
        load.scenario, board.port, each, seconds, names, hold_ms=load.hold_ms,
        patience_seconds=PATIENCE_SECONDS, **more,
    )  # fmt: skip


def _operate(board: Switchboard, seconds: float) -> None:
    """An operator at the counter."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for question in (("call", "list"), ("cdr", "list", "--limit", "20"), ("account", "list")):
            board.ask(*question)
        time.sleep(5.0)


def _watch(scraper: Scraper, work: list[threading.Thread]) -> list[Sample]:
    """A sample each minute until the work is done."""
    print(HEAD, flush=True)
    samples: list[Sample] = []
    while any(each.is_alive() for each in work):
        end = time.monotonic() + 60.0
        while time.monotonic() < end and any(each.is_alive() for each in work):
            time.sleep(0.5)
        samples.append(scraper.sample())
        print(samples[-1].row(), flush=True)
    return samples


def _memory_complaints(samples: list[Sample]) -> Iterator[str]:
    first, middle, last = samples[0], samples[len(samples) // 2], samples[-1]
    if last.switch_mb > MAX_RATIO * first.switch_mb:
        yield f"memory rose from {first.switch_mb:.0f} MB to {last.switch_mb:.0f} MB"
    if last.switch_mb - middle.switch_mb > max(MAX_GROWTH * middle.switch_mb, LEAST_GROWTH_MB):
        yield f"memory still grows: {middle.switch_mb:.0f} MB, then {last.switch_mb:.0f} MB"


def _left_complaints(left: dict[str, float], idle: Sample, after: Sample) -> Iterator[str]:
    for name in ("calls", "legs", "transactions", "media_sessions"):
        if left[f"softswitch_{name}"]:
            yield f"{left[f'softswitch_{name}']:.0f} {name} are left"
    if left["softswitch_sip_faults_total"]:
        yield "internal errors, see the log"
    if after.ports:
        yield f"{after.ports} pairs of ports are left"
    if after.files > idle.files + 20:
        yield f"{after.files} files are open, {idle.files} before"
    if after.threads > idle.threads + 20:
        yield f"{after.threads} threads run, {idle.threads} before"


def _run_complaints(runs: dict[str, Run]) -> Iterator[str]:
    for load in loads():
        if load.name not in runs:
            yield f"{load.name}: SIPp didn't run"
    for name, run in runs.items():
        if run.wanted - run.successful > MAX_FAILED * run.wanted:
            yield f"{name}: {run}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=20.0, help="calls a second")
    chosen = parser.parse_args()
    seconds = 3600 * chosen.hours + 60 * chosen.minutes or 600.0
    print(describe(), flush=True)
    return soak(seconds, chosen.rate)


if __name__ == "__main__":
    sys.exit(main())
