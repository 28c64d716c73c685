"""Call completion: callers who wait for a busy or absent line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from billing.facts.cdr import show_stamp
from softswitch.completion.store import CompletionStore
from softswitch.completion.waiting import Waiting, Windows
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.pages import cut, page_at, read_cursor
from softswitch.subscribers.directory import Line


def completion_list(
    context: Context,
    limit: int | None = None,
    before: str | None = None,
    account: str | None = None,
    line: str | None = None,
) -> list[Row]:
    """Callers who wait for a line to be free, the longest wait first.

    Args:
        limit: the newest so many, the newest first.
        before: likewise, those before the last one of the page before ("ASKED_AT,ID").
        line: of this caller.
    """
    owner = context.own_account(account)
    caller = None if line is None else context.line(line).id
    page = page_at(limit, None if before is None else read_cursor(before))
    everyone = CompletionStore(context.billing.engine).load()
    lines = _lines_of(context, everyone)
    numbers = {line.id: line.number for line in lines.values()}
    found = []
    for waiting in everyone:
        own = lines.get(waiting.caller_id)
        fits = caller in (None, waiting.caller_id) and (
            owner is None or (own is not None and own.account_id == owner)
        )
        if fits and context.owns_line(own):
            found.append(waiting)
    if page is not None:
        found = cut(page, found, lambda waiting: (waiting.asked_at, waiting.id))
    return [_row(waiting, numbers, called_only=context.actor.is_subscriber) for waiting in found]


def completion_waiters(context: Context, account: str | None = None) -> list[Row]:
    """Callers who wait for a line of the actor's, the longest wait first; one who withholds the
    number isn't named."""
    owner = context.own_account(account)
    everyone = CompletionStore(context.billing.engine).load()
    lines = _lines_of(context, everyone)
    found: list[Row] = []
    for waiting in everyone:
        callee, caller = lines.get(waiting.callee_id), lines.get(waiting.caller_id)
        fits = callee is not None and owner in (None, callee.account_id)
        if callee is not None and fits and context.owns_line(callee):
            shown = caller.number if caller is not None and waiting.shown else None
            found.append(
                {
                    "caller": shown,
                    "callee": callee.number,
                    "reason": waiting.reason,
                    "asked_at": show_stamp(waiting.asked_at),
                }
            )
    return found


def completion_cancel(context: Context, waiting_id: str) -> Row:
    """Cancel a wait for a line, while no switch runs."""
    store = CompletionStore(context.billing.engine)
    everyone = store.load()
    waiting = found(context, everyone, _lines_of(context, everyone).get, waiting_id)
    store.write({waiting.id: None})
    return {"id": waiting.id, "result": "cancelled"}


def completion_accept(context: Context, waiting_id: str) -> Row:
    """Accept an offer to be connected (D6), while no switch runs: it is carried out when the callee
    is free after the start."""
    store = CompletionStore(context.billing.engine)
    everyone = store.load()
    waiting = found(context, everyone, _lines_of(context, everyone).get, waiting_id)
    accepted = acceptable(context, waiting)
    store.write({waiting.id: accepted})
    return {"id": waiting.id, "result": "accepted"}


def _lines_of(context: Context, everyone: Iterable[Waiting]) -> dict[int, Line]:
    """The lines that wait or are waited for, by id."""
    ids = {line_id for each in everyone for line_id in (each.caller_id, each.callee_id)}
    return {line.id: line for line in context.directory.lines(sorted(ids))}


def acceptable(context: Context, waiting: Waiting) -> Waiting:
    """A request whose offer is accepted now. Raises OperationError if there is no offer (any
    more)."""
    now = context.now_ms()
    windows = Windows.of(context.config.completion)
    if waiting.state != "offered" or waiting.action(now, windows) == "forget":
        raise OperationError("completion_not_offered", completion=waiting.id)
    return replace(waiting, state="accepted", since=now)


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
