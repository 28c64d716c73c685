"""The board: the switch at a glance, and calls as they are now."""

from __future__ import annotations

from starlette.responses import Response

from softswitch.operations.access import AUDITOR, STAFF, SUPPORT
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit


async def show(visit: Visit) -> Response:
    return visit.page(
        "console/board.html",
        calls=await visit.some("call_list"),
        trunks=await visit.some("trunk_list"),
        requests=await visit.some("request_list", state="open"),
        documents=await visit.some("document_list", state="pending"),
        is_away=visit.portal.feed.is_away,
    )


async def live_calls(visit: Visit) -> Response:
    return visit.page("console/live_calls.html", calls=await visit.rows("call_list"))


PAGES = (
    Page("/op", show, STAFF),
    Page(
        "/op/calls",
        live_calls,
        SUPPORT | AUDITOR,
        actions=(Action("call_hangup", ("call_id",)),),
    ),
)
