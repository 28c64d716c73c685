"""Messages: conversations of a line, and writing (A20)."""

from __future__ import annotations

from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.access import USER
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit

ROWS = 50


async def show(visit: Visit) -> Response:
    """The conversations of a line, the latest first."""
    lines = await visit.rows("line_list")
    wanted = visit.asked("line") or (str(lines[0]["number"]) if lines else "")
    unread = {str(row["line"]): row["unread"] for row in await visit.some("sms_unread")}
    found: list[Row] = []
    if wanted:
        found = await visit.rows("sms_conversations", line=wanted, limit=ROWS)
    return visit.page(
        "cabinet/messages.html", lines=lines, line=wanted, conversations=found, unread=unread
    )


async def show_conversation(visit: Visit) -> Response:
    """A conversation, the newest text last. Before a text is sent, its segments and its price are
    shown; sending it is the second step."""
    line, peer = visit.path["line"], visit.path["peer"]
    texts = await visit.rows("sms_conversation", line=line, peer=peer, limit=ROWS)
    quote: Row | None = None
    draft = visit.asked("text")
    if draft and visit.fault is None:
        try:
            quote = await visit.row("sms_quote", line=line, recipient=peer, text=draft)
        except OperationError as error:
            visit.refuse(error)
    return visit.page(
        "cabinet/conversation.html",
        line=line,
        peer=peer,
        texts=list(reversed(texts)),
        quote=quote,
        draft=draft,
    )


async def show_new(visit: Visit) -> Response:
    """Whom to write to."""
    peer, line = visit.asked("peer"), visit.asked("line")
    if peer and line:
        return visit.go(f"/messages/{line}/{peer}")
    return visit.page("cabinet/new_message.html", lines=await visit.rows("line_list"))


PAGES = (
    Page("/messages", show, USER),
    Page("/messages/new", show_new, USER),
    Page(
        "/messages/{line}/{peer}",
        show_conversation,
        USER,
        actions=(
            Action("sms_send", ("text",), path={"line": "line", "recipient": "peer"}),
            Action("sms_mark_read", path={"line": "line", "peer": "peer"}),
            Action("sms_cancel", ("text_id",)),
        ),
    ),
)
