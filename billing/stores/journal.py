"""The CDR journal: JSON lines that only grow, one file a day.

The database is the truth; the journal is what other programs tail, and what is left to read when
a database is lost. A line that can't be written waits in memory and is tried again with the next.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import msgspec

from billing.facts.cdr import Cdr

MAX_WAITING = 100_000
"""Lines that wait for a full disk; beyond it the oldest are only in the database."""


class CdrJournal:
    """Appends CDRs to `cdr-YYYY-MM-DD.jsonl` in a folder; the day is that of the end, in UTC."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=MAX_WAITING)

    @property
    def waiting(self) -> int:
        """Lines that aren't on disk yet."""
        return len(self._waiting)

    def append(self, cdrs: Sequence[Cdr]) -> OSError | None:
        """Write lines and sync them; the error, if they have to wait.

        Blocks for the disk: to be called from a thread of its own.
        """
        for cdr in cdrs:
            self._waiting.append((_file_name(cdr.ended_at), _line(cdr)))
        try:
            while self._waiting:
                self._write_day()
        except OSError as error:
            return error
        return None

    def _write_day(self) -> None:
        """Write the lines at the head of the queue that go to one file."""
        name = self._waiting[0][0]
        lines = []
        for day, line in self._waiting:
            if day != name:
                break
            lines.append(line)
        data = b"".join(lines)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._folder / name, flags, 0o640)
        try:
            before = os.fstat(descriptor).st_size
            if os.write(descriptor, data) != len(data):
                os.ftruncate(descriptor, before)  # a line is there whole or not at all
                raise OSError(28, os.strerror(28), str(self._folder / name))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        for _ in lines:
            self._waiting.popleft()


def _line(cdr: Cdr) -> bytes:
    row = cdr.to_row()
    if cdr.decisions is not None:
        row["decisions"] = json.loads(cdr.decisions)
    try:
        return msgspec.json.encode(row) + b"\n"
    except UnicodeEncodeError:  # what a stranger chose is no text
        line = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        return line.encode(errors="replace") + b"\n"


@lru_cache(maxsize=4)
def _day(days: int) -> str:
    return f"cdr-{datetime.fromtimestamp(days * 86_400, UTC):%Y-%m-%d}.jsonl"


def _file_name(epoch_ms: int) -> str:
    return _day(epoch_ms // 86_400_000)
