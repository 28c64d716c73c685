"""The last call to each line: for calling back, and for tracing malicious calls."""

from __future__ import annotations

from msgspec import Struct


class LastCall(Struct, frozen=True):
    """The last call to a line.

    Args:
        calling: the true number of the caller; for the operator alone.
        shown: the number that the called line was shown; None when withheld or unknown.
        at: epoch milliseconds.
        claimed: `calling` is the unproven claim of an untrusted trunk.
    """

    call_id: str
    calling: str
    called: str
    shown: str | None
    at: int
    claimed: bool = False


class LastCalls:
    """The last call to each line, by line id."""

    def __init__(self) -> None:
        self._by_line: dict[int, LastCall] = {}

    def note(self, line_id: int, call: LastCall) -> None:
        self._by_line[line_id] = call

    def of(self, line_id: int) -> LastCall | None:
        return self._by_line.get(line_id)

    def forget(self, line_id: int) -> None:
        self._by_line.pop(line_id, None)
