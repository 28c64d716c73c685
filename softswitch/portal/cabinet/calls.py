"""Calls: the list with its filters and sums, a call's own page, and tables of them (A18, C1, C6,
C15, C22)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

from starlette.responses import Response

from billing.facts.cdr import TYPES
from softswitch.control import spreadsheet
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.access import PAYER
from softswitch.portal.csv_table import ROWS_AT_ONCE, streamed
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit

ROWS = 50
MOST_OF_WORKBOOK = 50_000
"""Calls of one workbook: some seconds and tens of megabytes; CSV has no limit."""
FILTERS = ("kind", "direction", "number", "line", "since", "until")
COLUMNS = (
    "at", "direction", "line", "number", "type", "answered", "seconds", "billed_seconds", "price",
    "currency", "package",
)  # fmt: skip


async def show(visit: Visit) -> Response:
    """A page of calls, the newest first, of those that the filters name."""
    filters = {name: visit.asked(name) for name in FILTERS}
    given = {name: value for name, value in filters.items() if value}
    rows: list[Row] = []
    total: Row | None = None
    try:
        rows = await _page(visit, given, visit.asked("before") or None, ROWS + 1)
        wants_total = bool(given) and visit.asked("total") == "yes"
        total = await visit.row("account_calls_total", **given) if wants_total else None
    except OperationError as error:
        visit.refuse(error)
    more = rows[ROWS - 1] if len(rows) > ROWS else None
    return visit.page(
        "cabinet/calls.html",
        calls=rows[:ROWS],
        total=total,
        next=None if more is None else f"{more['at']},{more['id']}",
        filters=filters,
        query="".join(f"{name}={quote(value)}&" for name, value in given.items()),
        kinds=[(kind, visit.text(f"call_types.{kind}")) for kind in TYPES],
        directions=[
            (one, visit.text(f"calls.{one}")) for one in ("outgoing", "incoming", "missed")
        ],
    )


async def _page(visit: Visit, given: dict[str, str], before: str | None, limit: int) -> list[Row]:
    filters: dict[str, object] = dict(given)
    if filters.get("direction") == "missed":
        filters |= {"direction": "incoming", "answered": False}
    return await visit.rows("account_calls", limit=limit, before=before, **filters)


async def show_call(visit: Visit) -> Response:
    """One call: what happened and what it cost, in sentences."""
    call = await visit.row("account_call", call=visit.path["call"])
    return visit.page("cabinet/call.html", call=call)


async def table(visit: Visit) -> Response:
    """The calls that the filters name as CSV, for a spreadsheet, a piece at a time."""
    given = {name: visit.asked(name) for name in FILTERS if visit.asked(name)}
    first = await _page(visit, given, None, ROWS_AT_ONCE)

    async def pages() -> AsyncIterator[list[Row]]:
        rows = first
        while rows:
            yield rows
            last = rows[-1]
            full = len(rows) == ROWS_AT_ONCE
            cursor = f"{last['at']},{last['id']}"
            rows = await _page(visit, given, cursor, ROWS_AT_ONCE) if full else []

    return streamed("calls", COLUMNS, pages())


async def workbook(visit: Visit) -> Response:
    """Likewise as an Excel workbook, as many as a sheet of ours has."""
    given = {name: visit.asked(name) for name in FILTERS if visit.asked(name)}
    rows: list[Row] = []
    cursor = None
    while len(rows) < MOST_OF_WORKBOOK:
        found = await _page(visit, given, cursor, ROWS_AT_ONCE)
        rows += [{name: row[name] for name in COLUMNS} for row in found]
        if len(found) < ROWS_AT_ONCE:
            break
        cursor = f"{found[-1]['at']},{found[-1]['id']}"
    data = await asyncio.to_thread(spreadsheet.workbook, rows, COLUMNS)
    headers = {"content-disposition": 'attachment; filename="calls.xlsx"'}
    return Response(data, media_type=spreadsheet.MEDIA_TYPE, headers=headers)


PAGES = (
    Page("/calls", show, PAYER),
    Page("/calls.csv", table, PAYER),
    Page("/calls.xlsx", workbook, PAYER),
    Page(
        "/calls/{call}",
        show_call,
        PAYER,
        actions=(
            Action("call_mark", path={"call": "call"}),
            Action(
                "request_open", ("text", "line"), fixed={"kind": "fault"}, then="/requests/{id}"
            ),
        ),
    ),
)
