"""Notices: all that the subscriber was told, in words, with what is new."""

from __future__ import annotations

from starlette.responses import Response

from billing.facts.sales import Notice
from softswitch.control.values import Row
from softswitch.operations.access import PAYER
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit
from softswitch.scheduled.notices import words_of

ROWS = 50


async def show(visit: Visit) -> Response:
    """A page of notices, the newest first."""
    before = visit.asked("before") or None
    found = await visit.rows("account_notices", limit=ROWS + 1, before=before)
    more = found[ROWS - 1] if len(found) > ROWS else None
    return visit.page(
        "cabinet/notices.html",
        notices=[_in_words(visit, row) for row in found[:ROWS]],
        next=None if more is None else f"{more['at']},{more['id']}",
    )


def _in_words(visit: Visit, row: Row) -> dict[str, object]:
    what, about = str(row["what"]), str(row["about"])
    if what.startswith("document_"):
        about = visit.named("documents", about)
    notice = Notice(str(row["id"]), 0, what, about, 0)
    words = words_of(notice, visit.language)
    if words is None:
        words = f"{visit.named('notices', notice.what)} {notice.about}"
    return {"id": row["id"], "at": row["at"], "words": words}


PAGES = (Page("/notices", show, PAYER, (Action("account_notices_read"),)),)
