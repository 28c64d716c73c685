"""Home: what a subscriber wants to know first."""

from __future__ import annotations

from starlette.responses import Response

from softswitch.operations.access import OWNER, PAYER, USER
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit

LATEST_CALLS = 5


async def show(visit: Visit) -> Response:
    """The balance and the latest calls of a payer; the lines of everyone. Staff see the console."""
    if visit.known.is_staff:
        return visit.go("/op")
    account = await visit.row("account_show") if visit.may("account_show") else None
    return visit.page(
        "cabinet/home.html",
        account=account,
        lines=await visit.some("line_list"),
        calls=await visit.some("account_calls", limit=LATEST_CALLS),
    )


PAGES = (Page("/", show, OWNER | PAYER | USER),)
