"""Documents of subscribers: uploaded, reviewed, valid until they expire (C20-C21, E4)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import replace
from datetime import timedelta

from billing.facts.account import Change
from billing.facts.calendar import day_start
from billing.facts.cdr import show_stamp
from billing.facts.due import DueWork
from billing.facts.order import CONNECTED, REQUESTED
from billing.facts.rental import DOCUMENTS
from billing.facts.sales import Notice, ScheduleWork, Tell
from billing.stores import rental_store
from billing.stores.paging import Page
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.accounts import document_keys
from softswitch.operations.accounts.standing import reason_given, today, who
from softswitch.operations.context import Context
from softswitch.operations.numbers.orders import serve_orders
from softswitch.operations.pages import DEFAULT_ROWS, page_asked
from softswitch.scheduled.due import DOCUMENT_KIND
from softswitch.subscribers import profile
from softswitch.subscribers.notes_store import Look, NotesStore
from softswitch.subscribers.subscriber_store import APPROVED, PENDING, REFUSED, Document

MAX_OCTETS = 10 * 1024 * 1024
"""A scan of several pages; it is kept in the database."""
MAX_PENDING = 50
"""Documents of one account that wait for a review; more are refused meanwhile."""
LEASE = "lease"
"""The class of leases: one needs months left where it is approved (C21)."""
_KIND = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f/\\]{1,128}")
_MEDIA_TYPES = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
)
"""By the first octets: what a file calls itself says nothing."""


def document_upload(
    context: Context,
    account: str,
    kind: str,
    name: str,
    content: str,
    expires_on: str | None = None,
    by: str = "operator",
) -> Row:
    """Bring a document; `content` is base64. The same file again changes nothing."""
    owner = context.account(account)
    if _KIND.fullmatch(kind) is None:
        raise OperationError("document_class_malformed", kind=kind)
    if _NAME.fullmatch(name) is None:
        raise OperationError("file_name_malformed")
    octets = _decoded(content)
    pending = context.subscribers.documents(owner.id, PENDING)
    if len(pending) >= MAX_PENDING:
        raise OperationError("documents_pending_too_many", count=len(pending), account=owner.id)
    document = Document(
        id=0,
        account_id=owner.id,
        kind=kind,
        name=name,
        media_type=_media_type(name, octets),
        octets=len(octets),
        sha256=hashlib.sha256(octets).hexdigest(),
        uploaded_at=context.now_ms(),
        expires_on=None if expires_on is None else _future(context, expires_on),
    )
    kept = document_keys.sealed(context, document, octets)
    made = context.subscribers.add_document(document, kept)
    context.subscribers.note([_change(context, made, "", PENDING, by, "")])
    return document_row(made)


def document_list(
    context: Context,
    account: str | None = None,
    state: str | None = None,
    limit: int | None = None,
    before: int | None = None,
    search: str | None = None,
    after: int | None = None,
) -> list[Row]:
    """Documents by id.

    Args:
        after: those after this id, the oldest first, as a queue is worked off.
        limit: the newest so many, the newest first.
        before: likewise, those before this id: the last of the page before.
        search: a part of the file's name.
    """
    if after is not None and before is not None:
        raise OperationError("cursors_two")
    owner, page = context.own_account(account), page_asked(limit, before)
    if after is not None:
        page = page or Page(DEFAULT_ROWS)
    found = context.subscribers.documents(owner, state, page, search, after)
    rows = [document_row(item) for item in found]
    if context.actor.is_subscriber:
        return rows
    pending = [item.id for item in found if item.state == PENDING]
    looks = NotesStore(context.billing.engine).looks(pending, context.now_ms())
    return [row | _look_row(looks.get(int(str(row["id"])))) for row in rows]


def document_look(
    context: Context, document: int, release: bool = False, by: str = "operator"
) -> Row:
    """Take a document that waits for its review, so that no second reviewer works on it; for ten
    minutes, and again each time. Raises OperationError while another reviewer has it.

    Args:
        release: give it back.
    """
    found, store = _document(context, document), NotesStore(context.billing.engine)
    if found.state != PENDING:
        raise OperationError("state_final", what="document", id=found.id, state=found.state)
    _check_look(context, found, by)
    if release:
        store.look_away(found.id)
        return document_row(found) | _look_row(None)
    look = store.look(found.id, who(by), context.now_ms())
    if look.who != by:
        raise OperationError(
            "document_looked_at", document=found.id, who=look.who, until=show_stamp(look.until)
        )
    return document_row(found) | _look_row(look)


def _check_look(context: Context, document: Document, by: str) -> None:
    looks = NotesStore(context.billing.engine).looks([document.id], context.now_ms())
    look = looks.get(document.id)
    if look is not None and look.who != by:
        raise OperationError(
            "document_looked_at", document=document.id, who=look.who, until=show_stamp(look.until)
        )


def _look_row(look: Look | None) -> Row:
    return {
        "looked_at_by": None if look is None else look.who,
        "looked_at_until": None if look is None else show_stamp(look.until),
    }


def document_content(context: Context, document: int) -> Row:
    """The file itself, as base64."""
    found = _document(context, document)
    octets = document_keys.opened(context, found)
    return document_row(found) | {"content": base64.b64encode(octets).decode("ascii")}


def document_approve(
    context: Context, document: int, expires_on: str | None = None, by: str = "operator"
) -> Row:
    """Accept a document, until it expires; a lease only if it has five months left.

    Orders that waited for its class go on: the answer names the numbers that were connected, and
    those that wait on because they can't be paid for.
    """
    found = _document(context, document)
    until = found.expires_on if expires_on is None else _future(context, expires_on)
    if until is not None and until < today(context).isoformat():
        raise OperationError("document_expired", id=found.id, until=until)
    if found.kind == LEASE and until is not None:
        ends_on = profile.read_date(until)
        if not profile.lease_is_long_enough(ends_on, today(context)):
            raise OperationError("lease_ends_soon", months=profile.MIN_LEASE_MONTHS, date=ends_on)
    reviewed = _review(context, replace(found, expires_on=until), APPROVED, "", by)
    if until is not None:
        _watch_expiry(context, reviewed)
    served = serve_orders(context, found.account_id)
    with context.billing.reading() as connection:
        held = rental_store.numbers(connection, DOCUMENTS)
    waiting = [
        item.number
        for item in held
        if item.account_id == found.account_id and item.documents == found.kind
    ]
    return document_row(reviewed) | {
        "numbers_connected": [order.number for order in served if order.state == CONNECTED],
        "orders_placed": [order.id for order in served if order.state == REQUESTED],
        "numbers_waiting": waiting,
    }


def document_refuse(context: Context, document: int, reason: str, by: str = "operator") -> Row:
    """Refuse a document; the subscriber is told why."""
    if not reason.strip():
        raise OperationError("reason_needed")
    return document_row(_review(context, _document(context, document), REFUSED, reason, by))


def document_row(item: Document) -> Row:
    return {
        "id": item.id,
        "account": item.account_id,
        "class": item.kind,
        "name": item.name,
        "type": item.media_type,
        "octets": item.octets,
        "state": item.state,
        "uploaded_at": show_stamp(item.uploaded_at),
        "expires_on": item.expires_on,
        "reviewed_at": None if item.reviewed_at is None else show_stamp(item.reviewed_at),
        "reviewed_by": item.reviewed_by,
        "reason": item.reason,
    }


def _review(context: Context, document: Document, state: str, reason: str, by: str) -> Document:
    _check_look(context, document, by)
    reviewed = replace(
        document,
        state=state,
        reason=reason_given(reason),
        reviewed_at=context.now_ms(),
        reviewed_by=who(by),
    )
    change = _change(context, document, document.state, state, by, reason)
    if not context.subscribers.review_document(reviewed, [change]):
        raise OperationError("state_final", what="document", id=document.id, state=document.state)
    key = f"document_{state}:{document.id}"
    context.do(
        Tell(Notice(key, document.account_id, f"document_{state}", document.kind, context.now_ms()))
    )
    return reviewed


def _watch_expiry(context: Context, document: Document) -> None:
    """Have the subscriber told on the day after its last."""
    assert document.expires_on is not None
    day = profile.read_date(document.expires_on) + timedelta(days=1)
    at = day_start(day, context.config.switch.time_zone)
    work = DueWork(DOCUMENT_KIND, str(document.id), document.account_id, at)
    context.do(ScheduleWork(work.key, work))


def _change(
    context: Context, document: Document, before: str, after: str, by: str, reason: str
) -> Change:
    what = f"document {document.id} ({document.kind})"
    return Change(document.account_id, context.now_ms(), who(by), what, before, after, reason)


def _document(context: Context, document_id: int) -> Document:
    found = context.subscribers.document(document_id)
    if found is None or not context.owns(found.account_id):
        raise OperationError("document_not_found", document=document_id)
    return found


def _decoded(content: str) -> bytes:
    try:
        octets = base64.b64decode(content, validate=True)
    except (ValueError, binascii.Error):
        raise OperationError("base64_malformed", name="the content") from None
    if not 0 < len(octets) <= MAX_OCTETS:
        raise OperationError("document_size", most_mib=MAX_OCTETS >> 20, octets=len(octets))
    return octets


def _media_type(name: str, octets: bytes) -> str:
    for beginning, media_type in _MEDIA_TYPES:
        if octets.startswith(beginning):
            return media_type
    raise OperationError("document_type_unknown", name=name)


def _future(context: Context, text: str) -> str:
    try:
        day = profile.read_date(text, "the expiry")
    except profile.FieldError as error:
        raise OperationError.of(error) from None
    if day < today(context):
        raise OperationError("date_past", what="the document's expiry", date=day)
    return day.isoformat()
