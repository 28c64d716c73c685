"""Requests of subscribers: relocation, correction of data, repair of a fault, another number, a
studio greeting, another line, a line restored (A11, C3, C7, C8, C13, C18, E19)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from billing.facts.account import Change
from billing.facts.cdr import Cdr, media_row, show_stamp
from billing.facts.sales import Notice, Tell
from billing.stores.store import CdrFilter
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.accounts.request_details import read_details
from softswitch.operations.accounts.standing import who
from softswitch.operations.context import Context
from softswitch.operations.lines.registrations import refusal_rows, registration_rows
from softswitch.operations.numbers.moves import line_restore
from softswitch.operations.pages import page_asked
from softswitch.subscribers.directory import Line
from softswitch.subscribers.notes_store import NotesStore, RequestNote, Side
from softswitch.subscribers.stored_directory import stored
from softswitch.subscribers.subscriber_store import Request

RELOCATION, CORRECTION, FAULT = "relocation", "correction", "fault"
RESTORE, NUMBER_CHANGE, GREETING, LINE = "restore", "number_change", "greeting", "line"
KINDS = (RELOCATION, CORRECTION, FAULT, RESTORE, NUMBER_CHANGE, GREETING, LINE)
OF_LINES = frozenset({FAULT, RESTORE, NUMBER_CHANGE})
"""Kinds that concern a line."""
OPEN, DONE, REFUSED, CANCELLED = "open", "done", "refused", "cancelled"
MAX_NOTES = 200
"""Words of one conversation."""
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
    details: Mapping[str, str] | None = None,
) -> Row:
    """Ask for something. A correction may name the fields and their right values; a fault report
    attaches what the switch knows of the line.

    Args:
        details: of a relocation `address` and `on`; of a number change `number` and `on`; of a
            greeting `language` and `voice` (female, male); of another line `number` and
            `lease_ends_on`.
    """
    from softswitch.operations.accounts.accounts import read_fields

    owner = context.account(account)
    if kind not in KINDS:
        raise OperationError("request_kind_unknown", known=tuple(KINDS), value=kind)
    if fields and kind != CORRECTION:
        raise OperationError("request_fields_unexpected")
    concerned = None if line is None else _line_of(context, owner.id, line)
    if concerned is None and kind in OF_LINES:
        raise OperationError("request_needs_line")
    if len(context.subscribers.requests(owner.id, [OPEN])) >= MAX_OPEN:
        raise OperationError("requests_open_too_many", account=owner.id, most=MAX_OPEN)
    facts: Row = {}
    if fields:
        facts["fields"] = read_fields(context, owner, fields)
    if details:
        facts["details"] = read_details(context, kind, details)
    if kind == RESTORE and concerned is not None and concerned.rests_until is None:
        raise OperationError(
            "line_not_in_quarantine", line=concerned.number, state=concerned.status
        )
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
    assignee: str | None = None,
) -> list[Row]:
    """Open requests, or all of them.

    Args:
        assignee: the member of staff who works on them; "" for those of nobody.
        limit: the newest so many, the newest first.
        before: likewise, those before this id: the last of the page before.
        search: a part of the text.
    """
    owner, page = context.own_account(account), page_asked(limit, before)
    number = None if line is None else context.line(line).number
    states = None if closed else [OPEN]
    found = context.subscribers.requests(owner, states, page, number, search, assignee)
    rows = [request_row(context, item) for item in found]
    return [{key: value for key, value in row.items() if key != "facts"} for row in rows]


def request_show(context: Context, request: int) -> Row:
    """A request with its conversation, the oldest word first."""
    found = _request(context, request)
    notes = NotesStore(context.billing.engine).of_request(found.id)
    return request_row(context, found) | {"notes": [_note_row(context, note) for note in notes]}


def request_note(context: Context, request: int, text: str, by: str = "operator") -> Row:
    """Add a word to the conversation about an open request."""
    found, store = _open_request(context, request), NotesStore(context.billing.engine)
    if len(store.of_request(found.id)) >= MAX_NOTES:
        raise OperationError("request_notes_too_many", request=found.id, most=MAX_NOTES)
    side: Side = "subscriber" if context.actor.is_subscriber else "operator"
    note = RequestNote(0, found.id, context.now_ms(), who(by), side, _text(text))
    note = replace(note, id=store.add_to_request(note))
    context.subscribers.save_request(replace(found, changed_at=note.at))
    return {"request": found.id} | _note_row(context, note)


def request_cancel(context: Context, request: int, reason: str = "", by: str = "operator") -> Row:
    """Take a request back."""
    who(by)
    found = _open_request(context, request)
    text = _text(reason) if reason else ""
    closed = replace(found, state=CANCELLED, answer=text, changed_at=context.now_ms())
    context.subscribers.save_request(closed)
    return request_row(context, closed)


def request_assign(context: Context, request: int, to: str | None = None) -> Row:
    """Give an open request to a member of staff; without a name to nobody."""
    found = _open_request(context, request)
    assigned = replace(found, assignee=None if not to else who(to))
    context.subscribers.save_request(assigned)
    return request_row(context, assigned)


def request_done(context: Context, request: int, answer: str = "", by: str = "operator") -> Row:
    """It was done; a correction's fields are set by it, and a line that rests is restored. The
    subscriber is told."""
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
    if found.kind == RESTORE and found.state == OPEN and found.line is not None:
        line_restore(context, found.line, f"request {found.id}", by)
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
    bindings = context.directory.bindings(now / 1000, logins=[line.login])
    registered = registration_rows(context, bindings, stored(context.directory), now / 1000)
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
    subscriber = context.actor.is_subscriber
    hidden = subscriber and item.kind == FAULT
    row: Row = {
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
    return row if subscriber else row | {"assignee": item.assignee}


def _note_row(context: Context, note: RequestNote) -> Row:
    """A word of a conversation; a subscriber isn't told who of the staff wrote it."""
    named = note.side == "subscriber" or not context.actor.is_subscriber
    return {
        "id": note.id,
        "at": show_stamp(note.at),
        "side": note.side,
        "who": note.who if named else "operator",
        "text": note.text,
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


def _open_request(context: Context, request_id: int) -> Request:
    found = _request(context, request_id)
    if found.state != OPEN:
        raise OperationError("state_final", what="request", id=found.id, state=found.state)
    return found


def _line_of(context: Context, account_id: int, text: str) -> Line:
    line = context.line(text, though_ended=True)
    if line.account_id != account_id:
        raise OperationError("line_of_other_account", line=line.number, account=account_id)
    return line


def _text(text: str) -> str:
    if not 0 < len(text.strip()) <= MAX_TEXT:
        raise OperationError("text_length", longest=MAX_TEXT)
    return text.strip()
