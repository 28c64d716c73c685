"""Requests of subscribers: relocation, correction of data, repair of a fault (C3, C8, C13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from billing.facts.account import Change
from billing.facts.cdr import Cdr, media_row, show_stamp
from billing.facts.sales import Notice, Tell
from billing.stores.store import CdrFilter
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.accounts.standing import who
from softswitch.operations.context import Context
from softswitch.operations.lines.registrations import refusal_rows, registration_rows
from softswitch.operations.pages import page_asked
from softswitch.subscribers.directory import Line
from softswitch.subscribers.subscriber_store import Request

RELOCATION, CORRECTION, FAULT = "relocation", "correction", "fault"
KINDS = (RELOCATION, CORRECTION, FAULT)
OPEN, DONE, REFUSED = "open", "done", "refused"
MAX_TEXT = 2000
MAX_OPEN = 50
"""Open requests of one account; more are a mistake of its program."""
RECENT_MS = 7 * 86_400_000
RECENT_CALLS = 10
"""A fault report attaches so many failures and so many calls with sound, of a week."""


def request_open(
    context: Context,
    account: str,
    kind: str,
    text: str,
    line: str | None = None,
    fields: Mapping[str, str] | None = None,
) -> Row:
    """Ask for something. A correction may name the fields and their right values; a fault report
    attaches what the switch knows of the line."""
    from softswitch.operations.accounts.accounts import read_fields

    owner = context.account(account)
    if kind not in KINDS:
        raise OperationError("request_kind_unknown", known=tuple(KINDS), value=kind)
    if fields and kind != CORRECTION:
        raise OperationError("request_fields_unexpected")
    concerned = None if line is None else _line_of(context, owner.id, line)
    if concerned is None and kind == FAULT:
        raise OperationError("request_needs_line")
    if len(context.subscribers.requests(owner.id, [OPEN])) >= MAX_OPEN:
        raise OperationError("requests_open_too_many", account=owner.id, most=MAX_OPEN)
    facts: Row = {}
    if fields:
        facts["fields"] = read_fields(context, owner, fields)
    if kind == FAULT and concerned is not None:
        facts |= known_of(context, concerned)
    now = context.now_ms()
    made = context.subscribers.add_request(
        Request(
            id=0,
            account_id=owner.id,
            line=None if concerned is None else concerned.number,
            kind=kind,
            text=_text(text),
            state=OPEN,
            opened_at=now,
            changed_at=now,
            answer="",
            facts=facts,
        )
    )
    return request_row(context, made)


def request_list(
    context: Context,
    account: str | None = None,
    closed: bool = False,
    limit: int | None = None,
    before: int | None = None,
    line: str | None = None,
    search: str | None = None,
) -> list[Row]:
    """Open requests, or all of them.

    Args:
        limit: the newest so many, the newest first.
        before: likewise, those before this id: the last of the page before.
        search: a part of the text.
    """
    owner, page = context.own_account(account), page_asked(limit, before)
    number = None if line is None else context.line(line).number
    states = None if closed else [OPEN]
    found = context.subscribers.requests(owner, states, page, number, search)
    rows = [request_row(context, item) for item in found]
    return [{key: value for key, value in row.items() if key != "facts"} for row in rows]


def request_show(context: Context, request: int) -> Row:
    return request_row(context, _request(context, request))


def request_done(context: Context, request: int, answer: str = "", by: str = "operator") -> Row:
    """It was done; a correction's fields are set by it. The subscriber is told."""
    found = _request(context, request)
    fields = found.fields
    if fields and found.state == OPEN:
        before, now = context.subscribers.fields(found.account_id), context.now_ms()
        why = f"request {found.id}"
        changes = [
            Change(found.account_id, now, who(by), key, before.get(key, ""), value, why)
            for key, value in fields.items()
        ]
        context.subscribers.set_fields(found.account_id, fields, changes)
    return _close(context, found, DONE, answer, by)


def request_refuse(context: Context, request: int, answer: str, by: str = "operator") -> Row:
    """It won't be done; the subscriber is told why."""
    if not answer.strip():
        raise OperationError("reason_needed")
    return _close(context, _request(context, request), REFUSED, answer, by)


def known_of(context: Context, line: Line) -> Row:
    """The facts about a line that doesn't work: where it is registered or was refused, its last
    failures, and how its last calls sounded."""
    now = context.now_ms()
    bindings = [b for b in context.directory.bindings(now / 1000) if b.aor == line.login]
    registered = registration_rows(context, bindings, context.directory.load(), now / 1000)
    since = CdrFilter(start=now - RECENT_MS, number=line.number)
    cdrs = list(reversed(context.billing.cdrs(since)))
    failed = [cdr for cdr in cdrs if cdr.answered_at is None]
    sounded = [cdr for cdr in cdrs if cdr.media is not None]
    return {
        "status": line.status,
        "registrations": registered,
        "refused_registrations": refusal_rows(context, line)[:RECENT_CALLS],
        "failures": [_failure(cdr) for cdr in failed[:RECENT_CALLS]],
        "media": [_sound(cdr) for cdr in sounded[:RECENT_CALLS]],
    }


def request_row(context: Context, item: Request) -> Row:
    """A request as people and scripts see it. What the switch found out about a fault is for the
    operator: it names callers who withheld their numbers."""
    hidden = context.actor.is_subscriber and item.kind == FAULT
    return {
        "id": item.id,
        "account": item.account_id,
        "line": item.line,
        "kind": item.kind,
        "state": item.state,
        "text": item.text,
        "opened_at": show_stamp(item.opened_at),
        "changed_at": show_stamp(item.changed_at),
        "answer": item.answer,
        "facts": {} if hidden else dict(item.facts),
    }


def _failure(cdr: Cdr) -> Row:
    return {
        "at": show_stamp(cdr.setup_at),
        "calling": cdr.calling,
        "called": cdr.called,
        "sip_status": cdr.sip_status,
        "cause": cdr.cause,
        "ended_by": cdr.ended_by,
    }


def _sound(cdr: Cdr) -> Row:
    assert cdr.media is not None
    return {
        "at": show_stamp(cdr.setup_at),
        "calling": cdr.calling,
        "called": cdr.called,
        "seconds": cdr.duration_ms // 1000,
        "ended_by": cdr.ended_by,
        **media_row(cdr.media),
    }


def _close(context: Context, request: Request, state: str, answer: str, by: str) -> Row:
    who(by)
    if request.state != OPEN:
        raise OperationError("state_final", what="request", id=request.id, state=request.state)
    text = _text(answer) if answer else ""
    closed = replace(request, state=state, answer=text, changed_at=context.now_ms())
    context.subscribers.save_request(closed)
    key = f"request_{state}:{request.id}"
    context.do(
        Tell(Notice(key, request.account_id, f"request_{state}", request.kind, context.now_ms()))
    )
    return request_row(context, closed)


def _request(context: Context, request_id: int) -> Request:
    found = context.subscribers.request(request_id)
    if found is None or not context.owns(found.account_id):
        raise OperationError("request_not_found", request=request_id)
    return found


def _line_of(context: Context, account_id: int, text: str) -> Line:
    line = context.line(text)
    if line.account_id != account_id:
        raise OperationError("line_of_other_account", line=line.number, account=account_id)
    return line


def _text(text: str) -> str:
    if not 0 < len(text.strip()) <= MAX_TEXT:
        raise OperationError("text_length", longest=MAX_TEXT)
    return text.strip()
