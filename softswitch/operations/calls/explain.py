"""explain call: what the switch would do with a call, from the code that serves calls."""

from __future__ import annotations

from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.times import read_time


def explain_call(
    context: Context, caller: str, number: str, at: str | None = None, seconds: int = 60
) -> list[Row]:
    """`caller` is a line's number or login, `number` is what it dials."""
    from softswitch.operations.calls import explanation as explain

    line = context.line(caller)
    at_ms = context.now_ms() if at is None else read_time(at, context.config.switch.time_zone)
    return explain.explain_call(context, line, number, at_ms=at_ms, seconds=seconds)
