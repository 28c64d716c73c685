"""Batches of texts: preview with price, sending, progress, recipients (B7-B10, C12)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass

from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.control.values import Row, as_row
from softswitch.operations.access import OWNER, PAYER
from softswitch.portal.cabinet.bulk import messages
from softswitch.portal.csv_table import ROWS_AT_ONCE, streamed
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit
from softswitch.texting.message import State

ROWS = 50


@dataclass(frozen=True)
class Given:
    """A batch as its form has it; the names are those of `sms_batch_add`."""

    sender: str = ""
    text: str = ""
    groups: tuple[str, ...] = ()
    everyone: bool = False
    to: str = ""


async def show(visit: Visit) -> Response:
    """Batches, the newest first."""
    found = await visit.rows("sms_batch_list", limit=ROWS + 1, before=visit.asked("before") or None)
    last = found[ROWS - 1] if len(found) > ROWS else None
    return visit.page(
        "cabinet/batches.html",
        batches=found[:ROWS],
        next="" if last is None else f"{last['created_at']},{last['id']}",
        messages=messages,
    )


async def show_new(visit: Visit) -> Response:
    """The form for a batch, filled from a draft or a template if one is named; with the preview
    again after a refusal to send it or to keep it."""
    given, found = await _given(visit), None
    if visit.fault is not None and visit.fault.do in ("sms_batch_add", "sms_draft_add"):
        with contextlib.suppress(OperationError):
            found = await _previewed(visit, given)
    return await _new_page(visit, given, found)


async def preview(visit: Visit) -> Response:
    """Show who would get a batch and what it costs; sending it is the second step."""
    given, found = await _given(visit), None
    try:
        found = await _previewed(visit, given)
    except OperationError as error:
        visit.refuse(error, "preview", CHOSEN)
    return await _new_page(visit, given, found)


async def _previewed(visit: Visit, given: Given) -> Row:
    arguments: dict[str, object] = {**asdict(given), "groups": list(given.groups), "dry_run": True}
    perform = visit.portal.gateway.perform
    return as_row(await perform(visit.actor, "sms_batch_add", arguments))


async def _given(visit: Visit) -> Given:
    if visit.request.method == "POST":
        form = await visit.request.form()
        one = {name: str(form.get(name, "")).replace("\r\n", "\n").strip() for name in TEXTS}
        groups = tuple(str(name) for name in form.getlist("groups"))
        return Given(one["sender"], one["text"], groups, "everyone" in form, one["to"])
    if name := visit.asked("draft"):
        for draft in await visit.rows("sms_draft_list"):
            if draft["name"] == name:
                kept = draft["groups"]
                groups = tuple(map(str, kept)) if isinstance(kept, list) else ()
                return Given(str(draft["sender"]), str(draft["text"]), groups)
    if name := visit.asked("template"):
        for template in await visit.rows("sms_template_list"):
            if template["name"] == name:
                return Given(text=str(template["text"]))
    return Given()


async def _new_page(visit: Visit, given: Given, found: Row | None) -> Response:
    approved = [
        row["name"] for row in await visit.rows("sms_sender_list") if row["state"] == "approved"
    ]
    numbers = [row["number"] for row in await visit.some("line_list")]
    return visit.page(
        "cabinet/batch_new.html",
        given=given,
        preview=found,
        senders=[(one, one) for one in [*approved, *numbers]],
        groups=await visit.rows("sms_group_list"),
        templates=await visit.rows("sms_template_list"),
        messages=messages,
    )


async def show_one(visit: Visit) -> Response:
    """A batch with its progress, and how long its texts took by carrier and state."""
    batch = visit.path["batch"]
    return visit.page(
        "cabinet/batch.html",
        batch=await visit.row("sms_batch_show", batch=batch),
        report=await visit.rows("sms_batch_report", batch=batch),
        states=[state.value for state in State],
        messages=messages,
    )


async def show_texts(visit: Visit) -> Response:
    """The recipients of a batch, one a row, with what became of each text."""
    batch, state, before = visit.path["batch"], visit.asked("state"), visit.asked("before")
    found = await visit.rows(
        "sms_batch_texts",
        batch=batch,
        state=state or None,
        limit=ROWS + 1,
        before=int(before) if before.isdecimal() and len(before) < 16 else None,
    )
    return visit.page(
        "cabinet/batch_texts.html",
        batch=batch,
        texts=found[:ROWS],
        next=found[ROWS - 1]["id"] if len(found) > ROWS else None,
        state=state,
        states=[(one.value, visit.text(f"messages.{one.value}")) for one in State],
    )


async def report(visit: Visit) -> Response:
    """The delivery report as CSV: every recipient with what became of the text, the last first."""
    batch = visit.path["batch"]
    first = await visit.rows("sms_batch_texts", batch=batch, limit=ROWS_AT_ONCE)

    async def pages() -> AsyncIterator[list[Row]]:
        rows = first
        while rows:
            yield [{name: row[name] for name in REPORT} for row in rows]
            full, before = len(rows) == ROWS_AT_ONCE, rows[-1]["id"]
            found = visit.rows("sms_batch_texts", batch=batch, limit=ROWS_AT_ONCE, before=before)
            rows = await found if full else []

    return streamed(f"batch-{batch}", REPORT, pages())


TEXTS = ("sender", "text", "to")
REPORT = (
    "to", "state", "segments", "price", "currency", "created_at", "sent_at", "done_at", "error"
)  # fmt: skip
FIELDS = (*TEXTS, "groups", "everyone")
CHOSEN = Action("sms_batch_add", FIELDS)
"""The form of the preview, whose fields are seen."""
HIDDEN = dict.fromkeys(FIELDS, "")
BATCH = {"batch": "batch"}
PAGES = (
    Page("/sms/batches", show, PAYER),
    Page(
        "/sms/batches/new",
        show_new,
        OWNER,
        (
            Action(
                "sms_batch_add",
                (*FIELDS, "at"),
                then="/sms/batches/{id}",
                beside={**HIDDEN, "time_malformed": "at", "time_out_of_range": "at"},
            ),
            Action(
                "sms_draft_add",
                ("name", "sender", "text", "groups"),
                then="/sms/templates",
                beside={"sender": "", "text": "", "groups": ""},
            ),
        ),
        submit=preview,
    ),
    Page(
        "/sms/batches/{batch}",
        show_one,
        PAYER,
        (
            Action("sms_batch_pause", path=BATCH),
            Action("sms_batch_resume", path=BATCH),
            Action("sms_batch_cancel", path=BATCH),
        ),
    ),
    Page("/sms/batches/{batch}/texts", show_texts, OWNER),
    Page("/sms/batches/{batch}/report.csv", report, OWNER),
)
