"""The board: the switch at a glance."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.access import STAFF
from softswitch.portal.gateway import is_known
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit

SHOWN = 200
"""Rows of a queue that are counted; more show as "200+"."""


async def show(visit: Visit) -> Response:
    """What is going on, and what waits for the visitor's role."""
    calls, trunks, registrations, bans, verified, figures = await asyncio.gather(
        visit.some("call_list"), visit.some("trunk_list"), visit.some("registration_list"),
        visit.some("guard_list"), one(visit, "ledger_verified"), one(visit, "figures"),
    )  # fmt: skip
    return visit.page(
        "console/board.html",
        calls=calls if visit.may("call_list") else None,
        trunks=trunks,
        registrations=registrations if visit.may("registration_list") else None,
        bans=bans if visit.may("guard_list") else None,
        verified=verified,
        figures=figures,
        queues=await _queues(visit),
        is_away=visit.portal.feed.is_away,
    )


async def _queues(visit: Visit) -> list[tuple[str, str, str]]:
    """Each queue that the role sees: its page, the name of its text, and how many wait."""
    asked: tuple[tuple[str, str, str, dict[str, object]], ...] = (
        ("/op/documents?state=pending", "documents", "document_list", {"state": "pending"}),
        ("/op/requests", "requests", "request_list", {}),
        ("/op/orders", "orders", "order_list", {}),
        ("/op/orders?late=true", "late_orders", "order_list", {"late": True}),
        ("/op/ports", "ports", "port_list", {}),
        ("/op/texts/senders", "senders", "sms_sender_list", {}),
        ("/op/debts", "debts", "account_debts", {}),
    )
    shown = [one for one in asked if visit.may(one[2])]
    found = await asyncio.gather(*(_waiting(visit, name, given) for _, _, name, given in shown))
    return [(path, name, count) for (path, name, _, _), count in zip(shown, found, strict=True)]


async def _waiting(visit: Visit, operation: str, given: dict[str, object]) -> str:
    limited = operation not in ("account_debts", "sms_sender_list")
    rows = await visit.some(operation, **given, **({"limit": SHOWN + 1} if limited else {}))
    if operation == "sms_sender_list":
        rows = [row for row in rows if row["state"] == "waiting"]
    return f"{SHOWN}+" if len(rows) > SHOWN else str(len(rows))


async def one(visit: Visit, operation: str, **arguments: object) -> Row | None:
    """A record for a part of a page that is left out when it can't be read."""
    try:
        known = is_known(operation) and visit.may(operation)
        return await visit.row(operation, **arguments) if known else None
    except OperationError:
        return None


PAGES = (Page("/op", show, STAFF),)
