"""The search box of every page: one text, whatever it is."""

from __future__ import annotations

import asyncio
import re

from starlette.responses import Response

from softswitch.control.values import Row
from softswitch.operations.access import STAFF
from softswitch.portal.console.board import one
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit

MOST = 20
"""Rows of a kind."""


async def show(visit: Visit) -> Response:
    """What a text finds: customers, lines, numbers, calls, requests, documents, users. A whole
    number of a line or an account leads to its page at once."""
    text = visit.asked("q")[:100]
    if not text:
        return visit.page("console/search.html", text="", found=[])
    digits = re.sub(r"[\s().-]", "", text)
    line = None
    if re.fullmatch(r"\+?[0-9]{6,15}", digits):
        line = await one(visit, "line_show", number=digits)
    if line is not None and visit.may("line_show"):
        return visit.go(f"/op/customers/{line['account']}?line={line['id']}")
    if re.fullmatch(r"[0-9a-f]{16}(-[a-z])?", text) and await one(visit, "cdr_show", call=text):
        return visit.go(f"/op/call/{text[:16]}")
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
    return visit.page("console/search.html", text=text, found=list(zip(kinds, found, strict=True)))


async def _found(visit: Visit, operation: str, **arguments: object) -> list[Row]:
    return await visit.some(operation, **arguments, limit=MOST)


async def _calls(visit: Visit, digits: str) -> list[Row]:
    if re.fullmatch(r"\+?[0-9]{3,15}", digits) is None:
        return []
    return await _found(visit, "cdr_list", number=digits, newest=True)


PAGES = (Page("/op/search", show, STAFF),)
