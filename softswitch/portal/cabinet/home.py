"""Home: what a subscriber wants to know first; and everything else there is."""

from __future__ import annotations

from starlette.responses import Response

from softswitch.operations.access import OWNER, PAYER, USER
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit

LATEST_CALLS = 5
EVERYTHING = (
    ("/notices", "notices.title", "account_notices"),
    ("/packages", "packages.title", "package_show"),
    ("/numbers", "cabinet.numbers", "number_reach_show"),
    ("/messages", "messages.title", "sms_conversations"),
    ("/sms", "bulk.title", "sms_batch_list"),
    ("/voicemail", "cabinet.voicemail", "voicemail_list"),
    ("/recordings", "cabinet.recordings", "recording_list"),
    ("/conference", "cabinet.conference", "room_list"),
    ("/waiting", "cabinet.waiting", "completion_list"),
    ("/rates", "rates.title", "tariff_quote"),
    ("/requests", "requests.title", "request_open"),
    ("/documents", "documents.title", "document_upload"),
    ("/people", "people.title", "user_add"),
    ("/profile", "profile.title", ""),
)
"""Pages that the bar has no room for, with the operation without which they make no sense."""


async def show(visit: Visit) -> Response:
    """The account at a glance for those who see money; the lines alone for others."""
    overview = await visit.row("account_overview") if visit.may("account_overview") else None
    lines = await visit.some("line_list") if overview is None else []
    return visit.page("cabinet/home.html", overview=overview, lines=lines)


async def show_more(visit: Visit) -> Response:
    """Links to the pages that the visitor may see."""
    links = [
        (path, name)
        for path, name, operation in EVERYTHING
        if not operation or visit.may(operation)
    ]
    return visit.page("cabinet/more.html", links=links)


PAGES = (
    Page(
        "/",
        show,
        OWNER | PAYER | USER,
        actions=(Action("package_auto_renew", ("subscription", "on")),),
    ),
    Page("/more", show_more, OWNER | PAYER | USER),
)
