"""How an operation refuses."""

from __future__ import annotations

import re
from collections.abc import Sequence


def one_of(what: str, known: Sequence[str], value: str | None) -> str | None:
    """A value that can be one of these; None: none was given. Raises OperationError."""
    if value is not None and value not in known:
        raise OperationError(f"{what} must be {', '.join(known)}, not {value!r}")
    return value


def check_international(prefix: str) -> None:
    """A prefix as one dials it abroad begins no number: numbers are compared as E.164. Raises
    OperationError."""
    if re.match("00[1-9]", prefix) is not None:
        raise OperationError(f"prefix {prefix!r} begins no number: write {prefix[2:]!r}")


class OperationError(Exception):
    """The operation was refused or failed. The message is one line that names the thing and says
    what to do. `lines` holds more of them when a file has several faults."""

    def __init__(self, message: str, lines: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.lines = lines
