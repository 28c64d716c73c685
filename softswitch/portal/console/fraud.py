"""Fraud: who spends most today, which sources are banned, and how often the guard said no."""

from __future__ import annotations

from starlette.responses import Response

from softswitch.operations.access import AUDITOR, SUPPORT
from softswitch.portal.console.board import one
from softswitch.portal.console.listing import exported
from softswitch.portal.console.lists import BANS, PINS
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit


async def show(visit: Visit) -> Response:
    """Caps are set on the customer's page."""
    day = visit.asked("day") or visit.portal.identity.today()
    spenders = await visit.some("cdr_spenders", day=day)
    if visit.asked("as"):
        return exported("spenders", spenders, visit.asked("as"))
    return visit.page(
        "console/fraud.html", day=day, spenders=spenders, unban=BANS.row_forms,
        bans=await visit.some("guard_list"), guard=await one(visit, "guard_show"),
        pins=await visit.some("pin_list"), unlock=PINS.row_forms,
        refused=await visit.some("registration_refusals"),
    )  # fmt: skip


FORMS = (*BANS.row_forms, *PINS.row_forms)
PAGES = (
    Page("/op/fraud", show, SUPPORT | AUDITOR, actions=tuple(form.action for form in FORMS)),
)  # fmt: skip
