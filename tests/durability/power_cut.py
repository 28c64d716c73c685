"""A power cut: what was written but not synced may be gone, any part of it.

A process is watched by strace, which notes every write, sync, truncation and removal of the
database's files, and every acknowledgement on standard output, in their order. The power is then
cut after any of these: each file is put together from what was synced by then, and from none, some
or all of the sectors that were only written. A new file is there only if its folder was synced.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
TRACED = "openat,unlink,ftruncate,write,pwrite64,fsync,fdatasync"
LONGEST_WRITE = 1 << 20

_CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+)")
_FILE = re.compile(r"(\d+)<([^>]*)>")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


class CannotTrace(Exception):
    """strace isn't there, or may not watch processes here."""


@dataclass(frozen=True, slots=True)
class Step:
    """One system call; `path` is a file's name in the database's folder, "" for the folder."""

    what: str
    """write, truncate, sync, create, remove or said."""
    path: str
    offset: int = 0
    data: bytes = b""


def traced(folder: Path, arguments: Sequence[str]) -> list[Step]:
    """Run this Python with these arguments, and note what it did in a folder.

    Raises:
        CannotTrace: strace can't be used.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise CannotTrace("strace isn't installed (apt-get install strace)")
    log = folder.parent / "strace.log"
    command = [strace, "-y", "-xx", "-s", str(LONGEST_WRITE), "-e", f"trace={TRACED}", "-e",
               "signal=none", "-o", str(log), sys.executable, *arguments]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not log.exists() or "ptrace" in done.stderr:
        raise CannotTrace(f"strace may not watch processes here: {done.stderr.strip()[-200:]}")
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return [step for line in log.read_text().splitlines() for step in _steps(line, folder)]


def _steps(line: str, folder: Path) -> list[Step]:
    found = _CALL.match(line)
    if found is None or int(found[3]) < 0:
        return []
    name, arguments, result = found[1], found[2], int(found[3])
    if name == "openat":
        path = _string(arguments).decode()
        made = "O_CREAT" in arguments and Path(path).parent == folder
        return [Step("create", Path(path).name)] if made else []
    if name == "unlink":
        path = _string(arguments).decode()
        return [Step("remove", Path(path).name)] if Path(path).parent == folder else []
    file = _FILE.match(arguments)
    if file is None:
        return []
    if name == "write" and file[1] == "1":
        return [Step("said", text) for text in _string(arguments).decode().splitlines()]
    path = Path(_plain(file[2]))
    if path == folder:
        return [Step("sync", "")]
    if path.parent != folder:
        return []
    last = arguments.rpartition(", ")[2]
    if name == "pwrite64":
        return [Step("write", path.name, int(last), _string(arguments)[:result])]
    if name == "write":
        raise ValueError(f"a write without a place: {line[:200]}")
    if name == "ftruncate":
        return [Step("truncate", path.name, int(last))]
    return [Step("sync", path.name)]


def _string(arguments: str) -> bytes:
    found = _STRING.search(arguments)
    assert found is not None, arguments[:200]
    return bytes.fromhex(found[1].replace("\\x", ""))


def _plain(path: str) -> str:
    """-xx writes paths in hexadecimal too."""
    if "\\x" not in path:
        return path
    return bytes.fromhex(path.replace("\\x", "")).decode()


@dataclass
class _File:
    """The content of a file that is on the disk for certain, and the writes since."""

    durable: bytearray = field(default_factory=bytearray)
    exists: bool = False
    pending: list[Step] = field(default_factory=list)


def disk_after(
    steps: Sequence[Step], cut: int, before: dict[str, bytes], chance: random.Random
) -> dict[str, bytes]:
    """The folder after a power cut that comes after so many steps.

    Args:
        before: the files as they were at the beginning, all of it synced.
    """
    files = {name: _File(bytearray(data), exists=True) for name, data in before.items()}
    keep = chance.choice((0, 0, 1, 2))  # of what wasn't synced: nothing, some sectors, all
    for step in steps[:cut]:
        if step.what == "said":
            continue
        if step.what == "sync" and step.path == "":
            for file in files.values():
                file.exists = True
            continue
        file = files.setdefault(step.path, _File())
        if step.what == "sync":
            for written in file.pending:
                _put(file.durable, written)
            file.pending.clear()
        elif step.what == "remove":
            # Whether a removal that wasn't synced holds is the disk's choice, too.
            if keep == 2:
                files.pop(step.path)
        elif step.what != "create":
            file.pending.append(step)
    for file in files.values():
        for written in file.pending:
            if keep == 2 or (keep == 1 and written.what == "truncate" and chance.random() < 0.5):
                _put(file.durable, written)
            elif keep == 1:
                for part in _sectors(written):
                    if chance.random() < 0.5:
                        _put(file.durable, part)
    return {name: bytes(file.durable) for name, file in files.items() if file.exists or keep == 2}


def _sectors(written: Step) -> list[Step]:
    """A write as the disk does it: sector by sector, any of which may get there."""
    parts, offset, data = [], written.offset, written.data
    while data:
        size = min(len(data), SECTOR - offset % SECTOR)
        parts.append(Step("write", written.path, offset, data[:size]))
        offset, data = offset + size, data[size:]
    return parts


def _put(content: bytearray, step: Step) -> None:
    if step.what == "truncate":
        del content[step.offset :]
        content.extend(bytes(step.offset - len(content)))
        return
    end = step.offset + len(step.data)
    if len(content) < step.offset:
        content.extend(bytes(step.offset - len(content)))
    content[step.offset : end] = step.data
