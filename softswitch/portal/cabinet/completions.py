"""Call completion: whom the visitor waits for, and who waits for the visitor (D)."""

from __future__ import annotations

from starlette.responses import Response

from softswitch.operations.access import USER
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit


async def show(visit: Visit) -> Response:
    """Both lists."""
    return visit.page(
        "cabinet/completions.html",
        waits=await visit.rows("completion_list"),
        waiters=await visit.some("completion_waiters"),
        days=visit.portal.config.completion.keep_days,
    )


PAGES = (
    Page(
        "/waiting",
        show,
        USER,
        (
            Action("completion_accept", ("waiting_id",), beside={"completion": ""}),
            Action("completion_cancel", ("waiting_id",), beside={"completion": ""}),
        ),
    ),
)
