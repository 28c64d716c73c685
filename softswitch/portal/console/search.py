"""The search box of every page: one text, whatever it is."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote

from starlette.responses import Response

from softswitch.control.values import Row
from softswitch.operations.access import STAFF
from softswitch.portal.console.board import one
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit

PATHS = {
    "account": "/op/customers/{0}",
    "call": "/op/call/{0}",
    "line": "/op/lines/{0}",
    "number": "/op/numbers?search={0}",
    "payment": "/op/customers/{1}",
    "registration": "/op/lines/{0}",
}
COVERED = frozenset({"customers", "lines", "numbers", "registrations"})
"""Kinds of which the switch's own search tells as well."""
MOST = 20
"""Rows of a kind."""


async def show(visit: Visit) -> Response:
    """What a text finds: customers, lines, numbers, calls, requests, documents, users. A whole
    number of a line or an account leads to its page at once."""
    text = visit.asked("q")[:100]
    if not text:
        return visit.page("console/search.html", text="", found=[], every=[])
    digits = re.sub(r"[\s().-]", "", text)
    line = None
    if re.fullmatch(r"\+?[0-9]{6,15}", digits):
        line = await one(visit, "line_show", number=digits)
    if line is not None and visit.may("line_show"):
        return visit.go(f"/op/customers/{line['account']}?line={line['id']}")
    if re.fullmatch(r"[0-9a-f]{16}(-[a-z])?", text) and await one(visit, "cdr_show", call=text):
        return visit.go(f"/op/call/{text[:16]}")
    every = await _everything(visit, text)
    found = await asyncio.gather(
        _found(visit, "account_list", search=text), _found(visit, "line_list", search=text),
        _found(visit, "number_list", search=digits or text),
        _calls(visit, digits), _found(visit, "user_list", search=text),
        _found(visit, "request_list", search=text), _found(visit, "document_list", search=text),
        _found(visit, "mail_list", search=text),
        _found(visit, "registration_list", line=text),
    )  # fmt: skip
    kinds = ("customers", "lines", "numbers", "ended_calls", "staff", "requests", "documents",
             "mails", "registrations")  # fmt: skip
    seen = COVERED if every else frozenset[str]()
    rows = [(kind, some) for kind, some in zip(kinds, found, strict=True) if kind not in seen]
    return visit.page("console/search.html", text=text, found=rows, every=every)


async def _everything(visit: Visit, text: str) -> list[dict[str, object]]:
    """What the switch's own search finds beyond the tables, each with the way to its page."""
    return [
        {"what": row["what"], "label": row["label"], "account": row["account"],
         "path": PATHS[str(row["what"])].format(quote(str(row["id"]), safe=""), row["account"])}
        for row in await visit.some("search_everything", text=text)
        if str(row["what"]) in PATHS
    ]  # fmt: skip


async def _found(visit: Visit, operation: str, **arguments: object) -> list[Row]:
    return await visit.some(operation, **arguments, limit=MOST)


async def _calls(visit: Visit, digits: str) -> list[Row]:
    if re.fullmatch(r"\+?[0-9]{3,15}", digits) is None:
        return []
    return await _found(visit, "cdr_list", number=digits, newest=True)


PAGES = (Page("/op/search", show, STAFF),)
