"""Bulk texts of a business: its right to send, credit, sender names, templates and drafts, and the
stop list (B1-B5, B8, B11, B12)."""

from __future__ import annotations

from decimal import Decimal

from starlette.responses import Response

from billing.facts.wallet import SMS
from softswitch.operations.access import OWNER, PAYER
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit

ROWS = 50
LATEST_ENTRIES = 10


async def show(visit: Visit) -> Response:
    """The right to send with what is missing for it, the credit, and the sender names."""
    contract = await visit.row("sms_contract_show")
    wallets = await visit.rows("wallet_show")
    ledger = await visit.rows("wallet_ledger", wallet=SMS)
    offers = await visit.rows("wallet_offers", wallet=SMS)
    return visit.page(
        "cabinet/bulk.html",
        contract=contract,
        credit=next(row["balance"] for row in wallets if row["wallet"] == SMS),
        offers=[one for one in offers if one["currency"] == wallets[0]["unit"]],
        had_trial=any(entry["kind"] == "trial" for entry in ledger),
        ledger=ledger[: -LATEST_ENTRIES - 1 : -1],
        senders=await visit.some("sms_sender_list"),
        messages=messages,
    )


async def show_templates(visit: Visit) -> Response:
    """Templates and drafts by name."""
    return visit.page(
        "cabinet/bulk_templates.html",
        templates=await visit.rows("sms_template_list"),
        drafts=await visit.rows("sms_draft_list"),
    )


async def show_stops(visit: Visit) -> Response:
    """Phones that get no batches, the newest first."""
    search = visit.asked("search")
    found = await visit.rows(
        "sms_stop_list",
        search=search or None,
        limit=ROWS + 1,
        before=visit.asked("before") or None,
    )
    last = found[ROWS - 1] if len(found) > ROWS else None
    return visit.page(
        "cabinet/bulk_stops.html",
        stops=found[:ROWS],
        next="" if last is None else f"{last['stopped_at']},{last['phone']}",
        search=search,
    )


def messages(amount: object) -> int:
    """An amount of the SMS wallet ("12.00") as a number of messages.

    >>> messages("12.00")
    12
    """
    return int(Decimal(str(amount)))


PAGES = (
    Page(
        "/sms",
        show,
        PAYER,
        (
            Action("sms_contract_accept"),
            Action("sms_sender_add", ("name",)),
            Action("wallet_buy", ("wallet", "units"), beside={"wallet": "", "units": ""}),
            Action("wallet_trial", fixed={"wallet": SMS}),
        ),
    ),
    Page(
        "/sms/templates",
        show_templates,
        OWNER,
        (
            Action("sms_template_add", ("name", "text")),
            Action("sms_template_remove", ("name",), beside={"name": ""}),
            Action("sms_draft_remove", ("name",), beside={"name": ""}),
        ),
    ),
    Page(
        "/sms/stops",
        show_stops,
        OWNER,
        (
            Action("sms_stop_add", ("phone",), beside={"number": "phone"}),
            Action("sms_stop_remove", ("phone",), beside={"phone": ""}),
        ),
    ),
)
