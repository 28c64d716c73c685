"""Call completion: who waits for whom."""

from __future__ import annotations

from collections.abc import Callable

from billing.facts.cdr import show_stamp
from softswitch.completion.store import CompletionStore
from softswitch.completion.waiting import Waiting
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.subscribers.directory import Line


def completion_list(context: Context) -> list[Row]:
    """Callers who wait for a line to be free, the longest wait first."""
    lines = {line.id: line for line in context.directory.lines()}
    numbers = {line.id: line.number for line in lines.values()}
    return [
        _row(waiting, numbers, called_only=context.actor.is_subscriber)
        for waiting in CompletionStore(context.billing.engine).load()
        if context.owns_line(lines.get(waiting.caller_id))
    ]


def completion_cancel(context: Context, waiting_id: str) -> Row:
    """Cancel a wait for a line, while no switch runs."""
    store = CompletionStore(context.billing.engine)
    lines = {line.id: line for line in context.directory.lines()}
    waiting = found(context, store.load(), lines.get, waiting_id)
    store.write({waiting.id: None})
    return {"id": waiting.id, "result": "cancelled"}


def found(
    context: Context,
    known: list[Waiting],
    line_of: Callable[[int], Line | None],
    waiting_id: str,
) -> Waiting:
    """A caller of the actor's who waits, by its id. Raises OperationError."""
    own = {
        waiting.id: waiting for waiting in known if context.owns_line(line_of(waiting.caller_id))
    }
    fitting = [own[key] for key in context.identified(own, waiting_id)]
    if len(fitting) != 1:
        code = "completion_ambiguous" if fitting else "completion_not_found"
        raise OperationError(code, completion=waiting_id)
    return fitting[0]


def _row(waiting: Waiting, numbers: dict[int, str], *, called_only: bool) -> Row:
    """A wait; its caller knows the number that was called, not the line at which it rang."""
    return {
        "id": waiting.id,
        "caller": numbers.get(waiting.caller_id),
        "callee": waiting.number if called_only else numbers.get(waiting.callee_id),
        "reason": waiting.reason,
        "state": waiting.state,
        "asked_at": show_stamp(waiting.asked_at),
    }
