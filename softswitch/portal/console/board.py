"""The board: the switch at a glance."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.control.values import Row, as_rows
from softswitch.operations.access import STAFF
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit


async def show(visit: Visit) -> Response:
    """What is going on, and what waits for the visitor's role."""
    calls, trunks, registrations, bans, queues, figures = await asyncio.gather(
        visit.some("call_list"), visit.some("trunk_list"), visit.some("registration_list"),
        visit.some("guard_list"), one(visit, "queue_figures"), one(visit, "switch_figures"),
    )  # fmt: skip
    return visit.page(
        "console/board.html",
        calls=calls if visit.may("call_list") else None,
        trunks=_with_figures(trunks, figures),
        registrations=registrations if visit.may("registration_list") else None,
        bans=bans if visit.may("guard_list") else None,
        figures=figures,
        queues=await _queues(visit, queues or {}),
        is_away=visit.portal.feed.is_away,
    )


def _with_figures(trunks: list[Row], figures: Row | None) -> list[Row]:
    """Trunks with their figures of the last quarter of an hour."""
    rows = as_rows((figures or {}).get("trunks") or [])
    found = {str(row["trunk"]): row for row in rows}
    return [dict(trunk) | found.get(str(trunk["name"]), {}) for trunk in trunks]


QUEUES = (
    ("/op/documents?state=pending", "documents", "documents", "document_list"),
    ("/op/requests", "requests", "requests", "request_list"),
    ("/op/orders", "orders", "orders", "order_list"),
    ("/op/orders?late=true", "late_orders", "orders_late", "order_list"),
    ("/op/ports", "ports", "ports", "port_list"),
    ("/op/customers?status=registered", "registered_accounts", "registered", "account_list"),
    ("/op/customers?status=approved", "approved_accounts", "approved", "account_list"),
    ("/op/debts", "debts", "debts", "account_debts"),
)
"""Each queue: its page, the name of its text and of its figure, and the operation that reads it."""


async def _queues(visit: Visit, waiting: Row) -> list[tuple[str, str, object]]:
    """The queues that the role sees, with how many wait in each."""
    found: list[tuple[str, str, object]] = [
        (path, name, waiting[figure])
        for path, name, figure, operation in QUEUES
        if figure in waiting and visit.may(operation)
    ]
    if visit.may("sms_sender_list"):
        rows = await visit.some("sms_sender_list")
        asked = sum(row["state"] == "waiting" for row in rows)
        found.append(("/op/texts/senders", "senders", asked))
    return found


async def one(visit: Visit, operation: str, **arguments: object) -> Row | None:
    """A record for a part of a page that is left out when it can't be read."""
    try:
        known = visit.may(operation)
        return await visit.row(operation, **arguments) if known else None
    except OperationError:
        return None


PAGES = (Page("/op", show, STAFF),)
