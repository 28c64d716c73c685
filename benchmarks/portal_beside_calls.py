"""Calls while the web is under load: `python -m benchmarks.portal_beside_calls [--rate N]`.

One switch takes calls at a rate, by turns with and without the web's load: two subscribers and two
members of staff who load pages as fast as they come, one change in fifty pages, twenty open streams
and a subscriber who exports 20,000 calls again and again. Told are INVITE to 180 (p50, p99) and the
calls a second of each turn. Then the portal is killed while calls run: none may notice. At last the
switch is killed: pages are read meanwhile, a change gets 503, and is made within three seconds of
the new start. The status is 1 if one of these doesn't hold.

The switch has a core to itself. On two cores the portal and its visitors share the other one with
the callers, who come first (SCHED_FIFO), and run while it is idle (SCHED_IDLE): what they take from
the switch is measured, not what they take from the callers' core.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.calls import HOLD_MS, RING_MS
from benchmarks.latency import probing
from benchmarks.machine import Cores, describe, percentile, pin
from benchmarks.portal import CABINET, CONSOLE, fill, person
from benchmarks.sipp import Run, Sipp
from benchmarks.switchboard import Switchboard, login, number

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "portal"))

from served import Browserless, Served, free_port

DEFAULT_RATE = 300.0
STREAMS, STREAMS_OF_A_SESSION = 20, 5
EXPORTED_CALLS = 20_000
CHANGES_SHARE = 0.02
"""Of all pages; the subscribers make them."""
KILL_AFTER_SECONDS = 2.0
MOST_GROWTH_MS, LEAST_SHARE, MOST_RECOVERY_SECONDS = 2.0, 0.97, 3.0


@dataclass
class Visitors:
    """People who load pages until they are told to stop."""

    web: Served
    people: dict[str, list[Browserless]]
    pages: int = 0
    changes: int = 0
    exports: int = 0
    failures: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """The load, for as long as the context lasts."""
        self._over.clear()
        threads = [
            threading.Thread(target=self._guarded, args=(work, who), daemon=True)
            for work, who in self._works()
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join(60)

    def _works(self) -> Iterator[tuple[Callable[[Browserless], None], Browserless]]:
        for kind, people in self.people.items():
            work = self._export if kind == "export" else self._browse
            work = self._watch if kind == "streams" else work
            yield from ((work, who) for who in people)

    def _guarded(self, work: Callable[[Browserless], None], who: Browserless) -> None:
        behind(threading.get_native_id())
        while not self._over.is_set():
            try:
                work(who)
            except (httpx.HTTPError, AssertionError) as error:
                if not self._over.is_set():
                    self.failures.append(f"{type(error).__name__} {error}")
                    self._over.wait(0.2)

    def _browse(self, who: Browserless) -> None:
        staff = who in self.people["console"]
        for path in CONSOLE if staff else CABINET:
            if self._over.is_set():
                return
            answer = who.get(path)
            assert answer.status_code == 200, (path, answer.status_code)
            self.pages += 1
            if not staff and random.random() < 2 * CHANGES_SHARE:
                change(who)
                self.changes += 1

    def _export(self, who: Browserless) -> None:
        with who.stream("/calls.csv") as answer:
            lines = sum(part.count(b"\n") for part in answer.iter_bytes())
        assert self._over.is_set() or lines > EXPORTED_CALLS, lines
        self.exports += 1

    def _watch(self, who: Browserless) -> None:
        with who.stream("/live?topics=calls,balances") as answer:
            for _ in answer.iter_bytes():
                if self._over.is_set():
                    return


def change(who: Browserless) -> httpx.Response:
    """A change that the switch makes."""
    page, value = f"/lines/{number(0)}/services", random.choice(("on", "off"))
    answer = who.post(page, do="do_not_disturb", value=value)
    assert answer.status_code == 200, answer.status_code
    return answer


@dataclass(frozen=True)
class Turn:
    """The figures of the calls of one turn."""

    p50_ms: float
    p99_ms: float
    per_second: float
    run: Run

    def __str__(self) -> str:
        return f"p50 {self.p50_ms:.2f} ms, p99 {self.p99_ms:.2f} ms; {self.run}"


class Bench:
    """The switch with its callers, and the web beside it."""

    def __init__(
        self, board: Switchboard, web: Served, sipp: Sipp, cores: Cores, rate: float
    ) -> None:
        self.board = board
        self.web = web
        self._sipp = sipp
        self._cores = cores
        self._rate = rate
        self._logins = [login(index) for index in range(1, board.count)]

    def start_web(self) -> None:
        self.web.start("portal")
        process = self.web.processes["portal"].pid
        pin(self._cores.generator, process)
        behind(process)

    def call(self, seconds: float) -> Turn:
        """Calls for so long."""
        with ahead(), self._sipp.answering(self.board.trunk_port, RING_MS) as called:
            prober = probing(self._cores, self.board.port, seconds)
            run = self._sipp.run(
                "calls.xml", self.board.port, self._rate, seconds, self._logins,
                hold_ms=HOLD_MS, also=[called],
            )  # fmt: skip
            found = json.loads(prober.communicate()[0])
        return Turn(
            percentile(found, 0.5), percentile(found, 0.99), run.successful / run.seconds, run
        )

    def visitors(self) -> Visitors:
        fill(self.board.folder, EXPORTED_CALLS, 1)
        people = {
            kind: [person(self.web, as_whom, first + each) for each in range(count)]
            for kind, as_whom, first, count in (
                ("cabinet", "cabinet", 0, 2), ("console", "console", 0, 2),
                ("export", "cabinet", 2, 1),
            )
        }  # fmt: skip
        sessions = STREAMS // STREAMS_OF_A_SESSION
        watchers = [person(self.web, "cabinet", 10 + each) for each in range(sessions)]
        people["streams"] = watchers * STREAMS_OF_A_SESSION
        return Visitors(self.web, people)


def by_turns(bench: Bench, visitors: Visitors, seconds: float, rounds: int) -> bool:
    """Calls without and with the web's load; True if they are untouched."""
    turns: dict[str, list[Turn]] = {"alone": [], "beside": []}
    for turn in range(1, rounds + 1):
        for kind, found in turns.items():
            with visitors.loading() if kind == "beside" else contextlib.nullcontext():
                found.append(bench.call(seconds))
            print(f"{turn} {kind:6} {found[-1]}", flush=True)
    print(
        f"the web meanwhile: {visitors.pages / seconds / rounds:.0f} pages a second,"
        f" {visitors.changes} changes, {visitors.exports} exports of {EXPORTED_CALLS} calls,"
        f" {len(visitors.failures)} failures {visitors.failures[:2]}"
    )
    p99 = {kind: statistics.median(one.p99_ms for one in turns[kind]) for kind in turns}
    rate = {kind: statistics.median(one.per_second for one in turns[kind]) for kind in turns}
    growth, share = p99["beside"] - p99["alone"], rate["beside"] / rate["alone"]
    fine = growth < MOST_GROWTH_MS and share >= LEAST_SHARE and not visitors.failures
    print(
        f"INVITE to 180 p99 {p99['alone']:.2f} -> {p99['beside']:.2f} ms ({growth:+.2f} of"
        f" {MOST_GROWTH_MS:.0f}), calls a second {share:.1%} of {LEAST_SHARE:.0%}  {verdict(fine)}"
    )
    return fine


def killed_portal(bench: Bench, visitors: Visitors, seconds: float) -> bool:
    """Calls while the portal is killed and started again; True if none notices."""

    def kill() -> None:
        bench.web.stop("portal", signal.SIGKILL)
        bench.start_web()

    with visitors.loading():
        killing = threading.Timer(KILL_AFTER_SECONDS, kill)
        killing.start()
        turn = bench.call(seconds)
        killing.join()
    run = turn.run
    fine = run.failed == 0 and run.successful == run.wanted
    print(f"portal killed at {KILL_AFTER_SECONDS:.0f} s: {turn}  {verdict(fine)}", flush=True)
    return fine


def killed_switch(bench: Bench, who: Browserless) -> bool:
    """Pages and changes while the switch is gone, and after it is back."""
    page, form = f"/lines/{number(0)}/services", {"do": "do_not_disturb", "value": "off"}
    shown = who.get(page).text
    os.kill(bench.board.pids[0], signal.SIGKILL)
    # Messages are read by the switch, since the audit notes it.
    reads = {who.get(path).status_code for path in CABINET if path != "/messages"}
    status = who.send_form(page, shown, form).status_code
    began = time.perf_counter()
    bench.board.start()
    ready = time.perf_counter() - began
    while (answer := who.send_form(page, shown, form)).status_code != 200:
        assert answer.status_code == 503, answer.status_code
        time.sleep(0.02)
    back = time.perf_counter() - began
    fine = reads == {200} and status == 503 and back < MOST_RECOVERY_SECONDS
    print(
        f"switch killed: pages {sorted(reads)}, a change {status}; ready {ready:.2f} s after its"
        f" new start, a change made after {back:.2f} s  {verdict(fine)}"
    )
    return fine


@contextmanager
def ahead() -> Iterator[None]:
    """Have what this thread starts meanwhile run before all else of its core, if the system lets
    us: else the callers' own lateness would be told as the switch's."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        print("callers have no real-time priority here: their own lateness counts", flush=True)
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def behind(thread: int) -> None:
    """Have a thread, and what it starts, run only while the callers of its core do nothing."""
    os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))


def verdict(fine: bool) -> str:
    return "kept" if fine else "NOT KEPT"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks.portal_beside_calls", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--rate", type=float, default=DEFAULT_RATE, help="calls a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each kind")
    given = parser.parse_args()
    print(describe(), flush=True)
    cores, port = Cores.pick(), free_port()
    pin(cores.generator)
    listen = f"127.0.0.1:{port}"
    with Switchboard(cores.switch, PORTAL__LISTEN=listen) as board:
        there = {"SOFTSWITCH_PORTAL__LISTEN": listen}
        web = Served(board.folder, port, board.port, environment=there)
        bench = Bench(board, web, Sipp(cores.generator), cores, given.rate)
        bench.start_web()
        visitors = bench.visitors()
        bench.call(3.0)  # the first calls read files and fill caches
        try:
            kept = by_turns(bench, visitors, given.seconds, given.rounds)
            kept &= killed_portal(bench, visitors, given.seconds)
            kept &= killed_switch(bench, visitors.people["cabinet"][0])
        finally:
            bench.web.stop("portal")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
