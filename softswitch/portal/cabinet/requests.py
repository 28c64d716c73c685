"""Requests and documents of a subscriber (C3, C8, C13, C20, C21)."""

from __future__ import annotations

import base64
from urllib.parse import quote

from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.operations.access import OWNER
from softswitch.operations.accounts.requests import KINDS
from softswitch.portal.routes import UPLOAD_BYTES, Action, Page
from softswitch.portal.visit import Visit

ROWS = 50
CLASSES = ("identity", "registration", "lease")


async def show(visit: Visit) -> Response:
    """All requests, the newest first, and the form for a new one."""
    return visit.page(
        "cabinet/requests.html",
        requests=await visit.rows("request_list", closed=True, limit=ROWS),
        kinds=[(kind, visit.text(f"requests.{kind}")) for kind in KINDS],
        lines=await visit.some("line_list"),
    )


async def show_one(visit: Visit) -> Response:
    request = await visit.row("request_show", request=number_in(visit, "request"))
    return visit.page("cabinet/request.html", request=request)


async def show_documents(visit: Visit) -> Response:
    return visit.page(
        "cabinet/documents.html",
        documents=await visit.rows("document_list", limit=ROWS),
        classes=[(one, visit.text(f"documents.{one}")) for one in CLASSES],
    )


async def document(visit: Visit) -> Response:
    """A document's file; a browser saves it and never shows it as a page of ours."""
    wanted = number_in(visit, "document")
    found = await visit.row("document_content", document=wanted)
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(str(found['name']))}",
        "content-security-policy": "sandbox",
    }
    content = base64.b64decode(str(found["content"]))
    return Response(content, media_type=str(found["type"]), headers=headers)


def number_in(visit: Visit, name: str) -> int:
    """A parameter of the path that is a number. Raises OperationError."""
    text = visit.path[name]
    if not text.isdecimal() or len(text) > 15:
        raise OperationError("page_not_found", path=visit.request.url.path)
    return int(text)


PAGES = (
    Page(
        "/requests",
        show,
        OWNER,
        actions=(Action("request_open", ("kind", "text", "line"), then="/requests/{id}"),),
    ),
    Page(
        "/requests/{request}",
        show_one,
        OWNER,
        actions=(
            Action("request_note", ("text",), path={"request": "request"}),
            Action("request_cancel", path={"request": "request"}),
        ),
    ),
    Page(
        "/documents",
        show_documents,
        OWNER,
        actions=(Action("document_upload", ("kind", "content", "expires_on")),),
        most_bytes=UPLOAD_BYTES,
    ),
    Page("/documents/{document}/file", document, OWNER),
)
