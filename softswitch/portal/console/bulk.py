"""Bulk changes: choose accounts, see each before and after, run, and undo within a day."""

from __future__ import annotations

from starlette.responses import Response

from softswitch.control.values import as_rows
from softswitch.operations.access import AUDITOR, MONEY, REVIEW, SUPPORT
from softswitch.portal.console.listing import Form, Input, Listing, command_line, exported
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit

KINDS = ("suspend", "resume", "tariff", "topup", "notice")
STATUSES = ("registered", "approved", "active", "suspended", "disconnected")
PORTION = 1_000
"""Accounts that one press of the button changes."""
ITEMS = 100
JOBS = Listing(
    "/op/bulk", "bulk", "bulk_list",
    ("id", "kind", "value", "state", "accounts", "done", "faulty", "undone", "made_at", "made_by"),
    last="{made_at},{id}", link="/op/bulk/{id}", command="bulk list", note="console.bulk_note",
    forms=(
        Form("bulk_preview", (
            Input("kind", "choice", KINDS, True), Input("value", hint="console.bulk_value_hint"),
            Input("search"), Input("status", "choice", STATUSES),
            Input("table", "area", hint="console.bulk_table_hint"), Input("reason"),
        ), then="/op/bulk/{id}", tone="primary"),
    ),
)  # fmt: skip
JOB = {"job": "job"}
LIMIT = {"limit": PORTION}
RUN = Form("bulk_run", path=JOB, fixed=LIMIT, tone="primary",
           only=("state", frozenset({"previewed", "running"})), sure=True)  # fmt: skip
UNDO = Form("bulk_undo", path=JOB, fixed=LIMIT, tone="danger",
            only=("state", frozenset({"running", "done", "undoing"})), sure=True)  # fmt: skip


async def job(visit: Visit) -> Response:
    """A job with its accounts in their order."""
    state = visit.asked("state")
    after = visit.asked("after")
    found = await visit.row(
        "bulk_show", job=visit.path["job"], state=state or None, limit=ITEMS,
        after=int(after) if after.isascii() and after.isdecimal() and len(after) < 9 else -1,
    )  # fmt: skip
    if visit.asked("as"):
        return exported("bulk", [found], visit.asked("as"))
    return visit.page(
        "console/job.html", job=found, rows=[
            dict(row) | {"state": f"item_{row['state']}"} for row in as_rows(found["items"] or [])
        ],
        state=state, forms=(RUN, UNDO), items=ITEMS,
        command=command_line(f"bulk show {found['id']}", {"state": state}),
    )  # fmt: skip


PAGES = (
    JOBS.page(),
    Page("/op/bulk/{job}", job, SUPPORT | MONEY | REVIEW | AUDITOR, (RUN.action, UNDO.action)),
)
