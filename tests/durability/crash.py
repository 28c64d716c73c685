"""Crashes by the hundred: killed processes, power cuts, and disks that fail or are full.

    python -m tests.durability.crash --rounds 200 [--seed 1] [KIND]...

kill: kill -9 at a random point of the work. server: the same on a PostgreSQL of its own. power: the
power is cut at a random point, and what wasn't synced is gone or half there. full, fail, sync: the
Nth write finds a full disk, or fails, or the Nth sync does, for N = 1..rounds; some more do too,
and then the disk works again. After each: nothing that was acknowledged is lost, nothing is posted
twice, and the next process goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "billing"), str(HERE.parent), str(HERE.parents[1])]

import crash_work  # noqa: E402
import postgresql  # noqa: E402
import power_cut  # noqa: E402

from billing.stores.store import Store, metadata  # noqa: E402

WORK = str(HERE / "crash_work.py")
KILLED_TURNS = 40
CUT_TURNS = 60
FAULTS_AT_ONCE = 4
"""Writes in a row that meet the fault; the work must wait until it has passed."""
FAULTS = {
    "full": ("pwrite64", "ENOSPC", 16),
    "fail": ("pwrite64", "EIO", 16),
    "sync": ("fsync,fdatasync", "EIO", 60),
}
"""What fails, how, and so many turns of work that more than two hundred of them are done: a
transaction writes often, and is synced once."""


def fresh(folder: Path) -> tuple[Path, str]:
    """A folder with nothing but prepared books, and their URL."""
    data, template = folder / "db", folder / "template.db"
    if not template.exists():
        crash_work.prepare(f"sqlite:///{template}")
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    shutil.copy(template, data / "books.db")
    return data, f"sqlite:///{data}/books.db"


def emptied(url: str) -> str:
    """Prepared books in the place of those on a server."""
    books = Store(url)
    metadata.drop_all(books.engine)
    books.close()
    crash_work.prepare(url)
    return url


class Worker:
    """A process that does the work: forked, since starting a Python takes longer than the work.

    Args:
        patient: see :func:`crash_work.work`.
    """

    def __init__(self, url: str, seed: int, turns: int, *, patient: bool = False) -> None:
        self._go_end, self._go = os.pipe()
        self.said, said_end = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._go)
            self._work(said_end, (url, seed, turns), patient)
        os.close(self._go_end)
        os.close(said_end)

    def _work(self, said: int, what: tuple[str, int, int], patient: bool) -> None:
        status = 1
        try:
            os.dup2(said, 1)
            os.read(self._go_end, 1)
            crash_work.work(*what, crash_work.say_aloud, patient)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def go(self) -> None:
        os.write(self._go, b"!")

    def rest(self) -> bytes:
        """The rest of its output, until its end."""
        said = b""
        while more := os.read(self.said, 65_536):
            said += more
        return said

    def wait(self) -> int:
        """Its exit status."""
        os.close(self._go)
        os.close(self.said)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def killed(url: str, seed: int) -> int:
    """One process killed with -9 while it works on prepared books; how much it had acknowledged."""
    chance = random.Random(seed)
    worker = Worker(url, seed, KILLED_TURNS)
    worker.go()
    wanted, said = chance.randrange(1, 400), b""
    while said.count(b"\n") < wanted and (more := os.read(worker.said, 4096)):
        said += more
    time.sleep(chance.random() / 200)
    os.kill(worker.pid, signal.SIGKILL)
    said += worker.rest()
    worker.wait()
    lines = said.decode().splitlines()
    crash_work.check(url, lines, seed, KILLED_TURNS)
    return len(lines)


class PowerCuts:
    """The work of one process, and what the disk holds when the power goes in the middle of it.

    Raises:
        CannotTrace: processes can't be watched here.
    """

    def __init__(self, folder: Path, seed: int, turns: int = CUT_TURNS) -> None:
        self._folder, self._seed, self._turns = folder, seed, turns
        self._data, self._url = fresh(folder)
        self._before = {path.name: path.read_bytes() for path in self._data.iterdir()}
        arguments = [WORK, self._url, str(seed), str(turns)]
        self.steps = power_cut.traced(self._data, arguments)

    def cut(self, seed: int) -> int:
        """Cut the power somewhere and check the books; how much was acknowledged by then."""
        chance = random.Random(seed)
        point = chance.randrange(len(self.steps) + 1)
        found = power_cut.disk_after(self.steps, point, self._before, chance)
        shutil.rmtree(self._data)
        self._data.mkdir()
        for name, content in found.items():
            if not name.endswith("-shm"):  # SQLite's index of the log is never read after a crash
                (self._data / name).write_bytes(content)
        said = [step.path for step in self.steps[:point] if step.what == "said"]
        crash_work.check(self._url, said, self._seed, self._turns)
        return len(said)


def faulty(folder: Path, kind: str, number: int, seed: int) -> int:
    """The Nth write or sync fails, and the next ones; how much of the work was refused meanwhile.

    Raises:
        CannotTrace: faults can't be made here.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise power_cut.CannotTrace("strace isn't installed (apt-get install strace)")
    data, url = fresh(folder)
    calls, error, turns = FAULTS[kind]
    inject = f"inject={calls}:error={error}:when={number}..{number + FAULTS_AT_ONCE - 1}"
    # Only of the database's own files: a reader's end of a pipe is no disk.
    paths = [item for name in ("books.db", "books.db-wal") for item in ("-P", str(data / name))]
    worker = Worker(url, seed, turns, patient=True)
    command = [strace, "-p", str(worker.pid), "-o", "/dev/null", "-e", "signal=none", *paths]
    faults = ["-e", f"trace={calls}", "-e", inject]
    with subprocess.Popen([*command, *faults], stderr=subprocess.PIPE, text=True) as watcher:
        assert watcher.stderr is not None
        attached = watcher.stderr.readline()
        if "attached" not in attached:
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
            raise power_cut.CannotTrace(f"strace may not watch processes: {attached.strip()}")
        worker.go()
        said = worker.rest().decode().splitlines()
        assert worker.wait() == 0
    assert said[-1] == "done"
    refused = [line for line in said if line.startswith("refused ")]
    for line in refused:
        assert "disk" in line or "unable to open" in line, line
    crash_work.check(url, said, seed, turns)
    return len(refused)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="kill server power full fail sync")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--first", type=int, default=1, help="the first round's number")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    unknown = set(given.kinds) - {"kill", "server", "power", *FAULTS}
    if unknown:
        parser.error(f"there is no kind {sorted(unknown)[0]}")
    with tempfile.TemporaryDirectory(prefix="softswitch-crash-") as name:
        folder = Path(name)
        for kind in given.kinds or ("kill", "server", "power", *FAULTS):
            try:
                with _one(kind, folder, given.seed) as one:
                    _rounds(kind, one, range(given.first, given.first + given.rounds))
            except (power_cut.CannotTrace, postgresql.Missing) as why:
                print(f"{kind}: left out: {why}", flush=True)
    return 0


@contextlib.contextmanager
def _one(kind: str, folder: Path, seed: int) -> Iterator[Callable[[int], int]]:
    """What does a round, by its number."""
    if kind == "kill":
        yield lambda number: killed(fresh(folder)[1], seed + number)
    elif kind == "server":
        with postgresql.server() as url:
            yield lambda number: killed(emptied(url), seed + number)
    elif kind == "power":
        yield PowerCuts(folder, seed).cut
    else:
        yield lambda number: faulty(folder, kind, number, seed)


def _rounds(kind: str, one: Callable[[int], int], numbers: range) -> None:
    begun, total, hit = time.monotonic(), 0, 0
    for number in numbers:
        try:
            count = one(number)
        except Exception:
            print(f"{kind}: round {number}", file=sys.stderr)
            raise
        total, hit = total + count, hit + (count > 0)
    what = "refused meanwhile" if kind in FAULTS else "acknowledged before"
    seconds = time.monotonic() - begun
    said = f"{len(numbers)} rounds, {hit} hit, {total} {what}, all right ({seconds:.0f} s)"
    print(f"{kind}: {said}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
