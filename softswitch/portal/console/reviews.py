"""Documents and requests: the queues of reviewers and support."""

from __future__ import annotations

import base64

from markupsafe import Markup
from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.access import ADMIN, AUDITOR, REVIEW, SUPPORT
from softswitch.operations.accounts.requests import KINDS
from softswitch.portal.console.board import one
from softswitch.portal.console.listing import Form, Input, Listing, needed, yes_or_no
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit
from softswitch.subscribers.profile import FIELDS

DOCUMENTS = Listing(
    "/op/documents", "documents", "document_list",
    ("id", "account", "class", "name", "state", "uploaded_at", "expires_on", "reviewed_by",
     "looked_at_by"),
    filters=(
        Input("state", "choice", ("pending", "approved", "refused", "expired")),
        Input("account"), Input("search"),
    ),
    last="{id}", link="/op/documents/{id}", command="document list",
)  # fmt: skip
REQUESTS = Listing(
    "/op/requests", "requests", "request_list",
    ("id", "kind", "account", "line", "state", "text", "opened_at", "assignee"),
    filters=(Input("account"), Input("search"), Input("assignee"), yes_or_no("closed")),
    last="{id}", link="/op/requests/{id}", command="request list",
    forms=(Form("request_open", (
        needed("account"), Input("kind", "choice", KINDS, True), needed("text", "area"),
        Input("line"),
    ), then="/op/requests/{id}"),),
)  # fmt: skip
THIS_DOCUMENT = {"document": "document"}
LOOK = Form("document_look", path=THIS_DOCUMENT, only=("looked_at_by", frozenset({None})))
RELEASE = Form("document_look", path=THIS_DOCUMENT, fixed={"release": True},
               name="document_release")  # fmt: skip
APPROVE = Form("document_approve", (Input("expires_on", "date"),), path=THIS_DOCUMENT,
               tone="primary", then="/op/documents?state=pending")  # fmt: skip
REFUSE = Form("document_refuse", (needed("reason"),), path=THIS_DOCUMENT, tone="danger",
              then="/op/documents?state=pending")  # fmt: skip
THIS_REQUEST = {"request": "request"}
ASSIGN = Form("request_assign", (Input("to", label="assignee"),), path=THIS_REQUEST)
NOTE = Form("request_note", (needed("text", "area"),), path=THIS_REQUEST)
DONE = Form("request_done", (Input("answer", "area"),), path=THIS_REQUEST, tone="primary")
NOT_DONE = Form("request_refuse", (needed("answer", "area"),), path=THIS_REQUEST, tone="danger")
CANCEL = Form("request_cancel", (Input("reason"),), path=THIS_REQUEST)
PICTURES = frozenset({"image/png", "image/jpeg"})
REASONS = ("unreadable", "expired", "wrong_person", "wrong_class", "incomplete")
"""Reasons for which a document is refused, to choose from; each has a text `console.reason_*`."""


async def document(visit: Visit) -> Response:
    """A document beside what the customer wrote. The file is read by the switch, and its audit has
    a row for that."""
    number = _number(visit.path["document"])
    found = await visit.row("document_content", document=number)
    account = await visit.row("account_show", account=str(found["account"]))
    others = await visit.some("document_list", account=str(found["account"]))
    row: Row = next((item for item in others if item["id"] == number), found)
    return visit.page(
        "console/document.html", document=row, account=account, others=others,
        profile=[name for name in ("name", *FIELDS) if account.get(name)],
        picture=_picture(found), forms=(LOOK, RELEASE, APPROVE, REFUSE),
        reasons=[visit.text(f"console.reason_{reason}") for reason in REASONS],
        next=await _next(visit, number),
    )  # fmt: skip


async def file(visit: Visit) -> Response:
    """The file of a document, for keeping: never shown by the browser in our name."""
    found = await visit.row("document_content", document=_number(visit.path["document"]))
    ending = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}
    name = f"document-{found['id']}.{ending.get(str(found['type']), 'bin')}"
    return Response(
        base64.b64decode(str(found["content"])), media_type="application/octet-stream",
        headers={"content-disposition": f'attachment; filename="{name}"',
                 "content-security-policy": "sandbox"},
    )  # fmt: skip


def _picture(found: Row) -> Markup | None:
    """A picture as an address of data; nothing for other files."""
    if found["type"] not in PICTURES:
        return None
    return Markup("data:{};base64,{}").format(found["type"], found["content"])


async def _next(visit: Visit, number: int) -> int | None:
    """The document that waits longest behind this one."""
    rows = await visit.some("document_list", state="pending", after=number, limit=1)
    return int(str(rows[0]["id"])) if rows else None


async def request(visit: Visit) -> Response:
    """A request with what is known, the conversation, and what can be done with it."""
    found = await visit.row("request_show", request=_number(visit.path["request"]))
    return visit.page(
        "console/request.html", request=found, forms=(ASSIGN, NOTE, DONE, NOT_DONE, CANCEL),
        account=await one(visit, "account_show", account=str(found["account"])),
    )  # fmt: skip


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise OperationError("page_not_found", path=text[:40])
    return int(text)


PAGES = (
    DOCUMENTS.page(),
    Page("/op/documents/{document}", document, REVIEW | AUDITOR,
         actions=tuple(form.action for form in (LOOK, RELEASE, APPROVE, REFUSE))),
    Page("/op/documents/{document}/file", file, ADMIN | REVIEW | AUDITOR),
    REQUESTS.page(),
    Page("/op/requests/{request}", request, SUPPORT | REVIEW | AUDITOR,
         actions=tuple(form.action for form in (ASSIGN, NOTE, DONE, NOT_DONE, CANCEL))),
)  # fmt: skip
