"""Money: the ledger, the debits to come, bills and other papers (A1, A2, C14, E13-E15, E17)."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.operations.access import PAYER
from softswitch.papers.pdf import PdfMissing
from softswitch.portal.pdf_pages import rendered
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit

ROWS = 30
KINDS = ("bill", "duplicate", "invoice", "act")


async def show(visit: Visit) -> Response:
    """The balance, the next debits, the bills, and a page of the ledger, the newest first."""
    before = visit.asked("before") or None
    account, ledger = await asyncio.gather(
        visit.row("account_show"), visit.rows("account_ledger", limit=ROWS + 1, before=before)
    )
    more = ledger[ROWS - 1] if len(ledger) > ROWS else None
    return visit.page(
        "cabinet/money.html",
        account=account,
        ledger=ledger[:ROWS],
        next=None if more is None else f"{more['at']},{more['id']}",
        debits=await visit.some("package_forecast"),
        bills=await visit.some("bill_list", limit=12),
        wallets=await visit.some("wallet_show"),
        bonus=await visit.row("bonus_pending"),
    )


async def show_bill(visit: Visit) -> Response:
    bill = await visit.row("bill_show", bill=_number(visit))
    return visit.page("cabinet/bill.html", bill=bill, kinds=KINDS)


async def paper(visit: Visit) -> Response:
    """A bill, its duplicate, an invoice or an act as PDF; where PDF can't be made, as a page that
    prints well."""
    kind = visit.path["kind"]
    if kind not in KINDS:
        raise OperationError("page_not_found", path=visit.request.url.path)
    page = await visit.row("bill_paper", bill=_number(visit), kind=kind, language=visit.language)
    html = str(page["html"])
    try:
        data = await rendered(html)
    except PdfMissing:
        return Response(html, media_type="text/html", headers={"content-security-policy": _PAPER})
    name = f"{kind}-{visit.path['bill']}.pdf"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type="application/pdf", headers=headers)


_PAPER = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""A paper's page carries its own style, and nothing else."""


def _number(visit: Visit) -> int:
    text = visit.path["bill"]
    if not text.isdecimal() or len(text) > 15:
        raise OperationError("bill_not_found", bill=text)
    return int(text)


PAGES = (
    Page("/money", show, PAYER),
    Page("/bills/{bill}", show_bill, PAYER),
    Page("/bills/{bill}/{kind}.pdf", paper, PAYER),
)
