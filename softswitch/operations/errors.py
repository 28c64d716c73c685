"""How an operation refuses."""

from __future__ import annotations


class OperationError(Exception):
    """The operation was refused or failed. The message is one line that names the thing and says
    what to do. `lines` holds more of them when a file has several faults."""

    def __init__(self, message: str, lines: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.lines = lines
