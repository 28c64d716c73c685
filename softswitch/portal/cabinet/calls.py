"""Calls: the list with its filters (A18, C1, C22)."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from billing.facts.cdr import TYPES
from softswitch.control.errors import OperationError
from softswitch.operations.access import PAYER
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit

ROWS = 50
FILTERS = ("kind", "number", "line", "since", "until")


async def show(visit: Visit) -> Response:
    """A page of calls, the newest first, of those that the filters name."""
    filters = {name: visit.asked(name) for name in FILTERS}
    given = {name: value for name, value in filters.items() if value}
    before = visit.asked("before") or None
    rows = []
    try:
        rows = await visit.rows("account_calls", limit=ROWS + 1, before=before, **given)
    except OperationError as error:
        visit.refuse(error)
    more = rows[ROWS - 1] if len(rows) > ROWS else None
    return visit.page(
        "cabinet/calls.html",
        calls=rows[:ROWS],
        next=None if more is None else f"{more['at']},{more['id']}",
        filters=filters,
        query="".join(f"{name}={quote(value)}&" for name, value in given.items()),
        kinds=[(kind, visit.text(f"call_types.{kind}")) for kind in TYPES],
    )


PAGES = (Page("/calls", show, PAYER),)
