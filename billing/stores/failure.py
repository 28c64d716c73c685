"""The cause of a failure of SQLite in one line: a full disk with the space that is left, a locked
database with the process that holds the lock."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import DBAPIError

BUSY, LOCKED, IO_ERROR, FULL = 5, 6, 10, 13
"""Primary result codes of SQLite."""
WAL_WRITE_LOCK = 120
"""The octet of the -shm file that a writer locks (SQLite's WAL-mode file format, section 2.3)."""
RESERVED_LOCK = 0x4000_0001
"""The octet of the database file that a writer locks where there is no write-ahead log."""
LOCKS = Path("/proc/locks")
MIN_FREE_BYTES = 1 << 20
"""An I/O error on a disk with less space than this is put down to the full disk."""
MAX_COMMAND = 80
"""Characters of a command line that are shown."""

_LOCK = re.compile(r"\d+: POSIX +\w+ +WRITE (\d+) [0-9a-f]+:[0-9a-f]+:(\d+) (\d+) (\d+|EOF)")


def cause_of(error: Exception) -> BaseException:
    """The driver's own error, if SQLAlchemy has wrapped it or not."""
    return error.orig or error if isinstance(error, DBAPIError) else error


def explained(error: Exception, file: Path | None) -> str:
    """The fault, and its remedy where that is known.

    Args:
        file: SQLite's; None for a server's database or one in memory.
    """
    cause = cause_of(error)
    said = " ".join(str(cause).split())
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if file is None:
        return said
    if code in (BUSY, LOCKED):
        return f"it is locked by {holders(file)}: nothing was changed; try again when that is done"
    if code in (FULL, IO_ERROR):
        free = shutil.disk_usage(file.parent).free
        if code == FULL or free < MIN_FREE_BYTES:
            return (
                f"the disk is full: {free >> 20} MB are free in {file.parent}; "
                "nothing was changed; make room and try again"
            )
    return said


def holders(file: Path) -> str:
    """The processes that hold the write lock of a database, with their commands."""
    found = [f"process {pid} ({_command(pid)})" for pid in _writers(file)]
    return " and ".join(found) or "another process"


def _writers(file: Path) -> Iterator[int]:
    """Read from the kernel's list of locks. The files themselves are not opened: closing one would
    drop the locks that SQLite has on it in this process (POSIX fcntl)."""
    octets = {
        _inode(file.with_name(file.name + "-shm")): WAL_WRITE_LOCK,
        _inode(file): RESERVED_LOCK,
    }
    try:
        lines = LOCKS.read_text("ascii").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        found = _LOCK.fullmatch(line.strip())
        if found is None:
            continue
        pid, inode, first, last = found.groups()
        octet = octets.get(int(inode))
        if octet is None or octet < int(first) or (last != "EOF" and octet > int(last)):
            continue
        if int(pid) > 0:  # 0: a process of another container
            yield int(pid)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return -1


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "its command can't be read"
    line = " ".join(word.decode("utf-8", "replace") for word in words if word)
    line = "".join(x if x.isprintable() else "?" for x in line)
    return line if len(line) <= MAX_COMMAND else line[: MAX_COMMAND - 3] + "..."
