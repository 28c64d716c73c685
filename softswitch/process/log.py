"""Logging: one event a line, as text or JSON, secrets masked.

Events go straight to the file without the standard library's handlers between: a call writes a
line or two, and must not pay more for them than for its database work.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
import threading
from collections.abc import MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

import structlog

MAX_FILE_BYTES = 50 * 1024 * 1024
"""A log file is rotated at this size, so that a flood can't fill the disk."""
KEPT_FILES = 5

MASK = "***"
_SECRET_KEY = re.compile(
    r"password|secret|ha1|authorization|credentials|nonce|digest_response", re.I
)
_SECRET_TEXT = re.compile(
    r"(authorization[ \t]*:)[^\r\n]*"  # a header of a quoted message
    r"|(\b(?:password|secret|ha1|nonce|cnonce|response)[\"']?\s*[=:]\s*)(?:\"[^\"]*\"|[^\s,;]+)"
    r"|(inline:)\S+",  # SRTP master keys in SDP (RFC 4568 section 6.1)
    re.IGNORECASE,
)

Event = MutableMapping[str, Any]
"""An event as structlog hands it on. Any: its facts are of all types."""


def mask_text(text: str) -> str:
    """The text with digest credentials, passwords and SRTP keys masked."""
    if ":" not in text and "=" not in text:
        return text  # every pattern has one of them
    return _SECRET_TEXT.sub(lambda match: (match[1] or match[2] or match[3]) + MASK, text)


@functools.lru_cache(maxsize=1024)
def _names_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def mask_secrets(_logger: object, _method: str, event: Event) -> Event:
    """structlog processor that masks secrets."""
    for key, value in event.items():
        if _names_secret(key):
            event[key] = MASK
        elif isinstance(value, str):
            event[key] = mask_text(value)
        elif isinstance(value, bytes):
            event[key] = mask_text(value.decode(errors="replace"))
    return event


_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_PLAIN = re.compile(r"[A-Za-z0-9+_.,/@ -]*").fullmatch
"""Matches text that needs no mask and no escape, as nearly all facts of calls are."""


def text_line(_logger: object, method: str, event: Event) -> str:
    """structlog renderer: the whole line of an event, name=value, quoted where necessary. One pass
    over the facts: a processor for each of stamp, level, masks, escapes and quotes would take three
    times as long, and a call writes a line."""
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(_logger, method, event)
    stamp = datetime.now(UTC).isoformat().removesuffix("+00:00")
    level = "error" if method == "exception" else method
    return f"timestamp={stamp}Z level={level} {facts({'event': event.pop('event', None), **event})}"


def facts(event: Event) -> str:
    """The facts of an event as a line of text has them."""
    return " ".join([_fact(name, value) for name, value in event.items()])


def _fact(name: str, value: object) -> str:
    if _names_secret(name):
        return f"{name}={MASK}"
    if type(value) is int:
        return f"{name}={value}"
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        if _PLAIN(value) is not None:
            return f'{name}="{value}"' if " " in value else f"{name}={value}"
        value = _escaped(mask_text(value))
    return _logfmt_item(name, value)


def _escaped(text: str) -> str:
    """The text with its control characters escaped: a stranger's message must not steer the
    reader's terminal. Line feeds are escaped later."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _logfmt_item(name: str, value: object) -> str:
    if value is None:
        return f"{name}="
    if value is True:
        return name
    text = "false" if value is False else str(value)
    quoted = " " in text or "=" in text or '"' in text
    if quoted and "\\" in text:
        text = text.replace("\\", "\\\\")
    text = text.replace('"', '\\"').replace("\n", "\\n")
    return f'{name}="{text}"' if quoted else f"{name}={text}"


class RotatingFile:
    """An append-only file that is rotated when it has grown too large.

    A full disk loses log lines, never a call: write errors are dropped and counted."""

    def __init__(self, path: Path, max_bytes: int = MAX_FILE_BYTES, kept: int = KEPT_FILES) -> None:
        """Raises OSError when the file can't be opened."""
        self._path = path
        self._max_bytes = max_bytes
        self._kept = kept
        self._file: BinaryIO = self._open()
        self._size = self._file.tell()
        self.lost_lines = 0

    def write(self, line: bytes) -> None:
        try:
            if self._size + len(line) > self._max_bytes:
                self._rotate()
            self._file.write(line)
            self._size += len(line)
        except OSError:
            self.lost_lines += 1

    def flush(self) -> None:
        """Do nothing: lines are written at once."""

    def close(self) -> None:
        self._file.close()

    def _open(self) -> BinaryIO:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        return open(descriptor, "ab", buffering=0)

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._kept - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))
        self._file = self._open()
        self._size = 0

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


_files: list[RotatingFile] = []
"""The file of this process's log, once it is set up."""


def lost_lines() -> int:
    """The number of lines that couldn't be written."""
    return sum(file.lost_lines for file in _files)


class _Writer:
    """The last stage of structlog: takes a rendered line."""

    def __init__(self, file: RotatingFile | BinaryIO) -> None:
        self._file = file
        self._lock = threading.Lock()

    def msg(self, line: str) -> None:
        with self._lock:
            self._file.write(line.encode(errors="replace") + b"\n")
            self._file.flush()

    debug = info = warning = error = critical = exception = msg


class _StandardLibrary(logging.Handler):
    """Carries the records of libraries (asyncio, SQLAlchemy) into our log."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        logger.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def set_up(
    level: Literal["debug", "info", "warning", "error"] = "info",
    style: Literal["json", "text"] = "text",
    file: Path | None = None,
) -> None:
    """Send every event to the file, or to standard error. Raises OSError for a file that can't
    be opened."""
    _files[:] = [] if file is None else [RotatingFile(file)]
    writer = _Writer(_files[0] if _files else sys.stderr.buffer)
    processors: list[structlog.typing.Processor] = [text_line]
    if style == "json":
        processors = [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask_secrets,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_StandardLibrary()]
    root.setLevel("INFO" if level == "debug" else level.upper())
