"""Call completion: who waits for whom."""

from __future__ import annotations

from billing.facts.cdr import show_stamp
from softswitch.completion.store import CompletionStore
from softswitch.completion.waiting import Waiting
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context


def completion_list(context: Context) -> list[Row]:
    """Who waits longest stands first."""
    numbers = {line.id: line.number for line in context.directory.lines()}
    return [_row(waiting, numbers) for waiting in CompletionStore(context.billing.engine).load()]


def completion_cancel(context: Context, waiting_id: str) -> Row:
    """Have somebody wait no more, while no switch runs."""
    store = CompletionStore(context.billing.engine)
    waiting = found(store.load(), waiting_id)
    store.write({waiting.id: None})
    return {"id": waiting.id, "result": "cancelled"}


def found(known: list[Waiting], waiting_id: str) -> Waiting:
    """By its id, or by the beginning of it that only one has. Raises OperationError."""
    fitting = [waiting for waiting in known if waiting.id.startswith(waiting_id)]
    if len(fitting) != 1 or not waiting_id:
        code = "completion_ambiguous" if fitting else "completion_not_found"
        raise OperationError(code, completion=waiting_id)
    return fitting[0]


def _row(waiting: Waiting, numbers: dict[int, str]) -> Row:
    return {
        "id": waiting.id,
        "caller": numbers.get(waiting.caller_id),
        "callee": numbers.get(waiting.callee_id),
        "reason": waiting.reason,
        "state": waiting.state,
        "asked_at": show_stamp(waiting.asked_at),
    }
