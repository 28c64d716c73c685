"""Live calls that would be refused now: a line was suspended, or the lease of a number ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from softswitch.call.media.media import Side

if TYPE_CHECKING:
    from softswitch.call.call import Call
    from softswitch.call.live_calls import LiveCalls
    from softswitch.subscribers.directory import Directory

_SIDES: tuple[Side, Side] = ("a", "b")


def barred(live_calls: LiveCalls, directory: Directory) -> Iterator[Call]:
    """The live calls of lines that may not have them now, but for emergency calls."""
    for call in list(live_calls.by_id.values()):
        if not call.over and not call.is_emergency and _is_barred(call, directory):
            yield call


def _is_barred(call: Call, directory: Directory) -> bool:
    for side in _SIDES:
        line = call.line_of(side)
        if line is None:
            continue
        now = directory.line(line.id)
        if now is None or directory.bar(now, "outgoing" if side == "a" else "incoming"):
            return True
    # A call to a line by a number that leads nowhere now: the lease of a rented one has ended.
    called = call.record.called
    to_line = call.line_of("b") is not None and call.record.direction in ("incoming", "internal")
    return to_line and called.startswith("+") and directory.line_by_number(called) is None
