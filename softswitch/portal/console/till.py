"""The till: payments by hand, the day's list, and a wrong one undone by an entry of its own."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from billing.facts.money import format_amount, parse_amount
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.access import STAFF
from softswitch.portal.console.listing import Form, Input, exported, needed
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit

METHODS = ("cash", "card", "bank", "terminal", "online")
PAYMENTS = 200
TAKE = Form("account_topup", (
    needed("account", label="account"), needed("amount", hint="console.amount_hint"),
    Input("method", "choice", METHODS, True, "cash"), needed("payment_id"),
), tone="primary")  # fmt: skip
TAKE_BACK = Form("payment_reverse", (needed("reason"),),
                 {"account": "account", "payment_id": "payment_id"},
                 ("reversed_at", frozenset({None})), "danger")  # fmt: skip


async def show(visit: Visit) -> Response:
    """Who pays is found first; then the payment is taken. Below, what came in on a day."""
    day = visit.asked("day") or visit.portal.identity.today()
    method = visit.asked("method")
    payments: Sequence[Row] = []
    try:
        payments = await visit.rows("payment_list", day=day, method=method or None, limit=PAYMENTS)
    except OperationError as error:
        visit.refuse(error)
    if visit.asked("as"):
        return exported("payments", payments, visit.asked("as"))
    text = visit.asked("who")
    found = await visit.some("account_list", search=text, limit=10) if text else []
    chosen = found[0] if len(found) == 1 else None
    return visit.page(
        "console/till.html", day=day, method=method, methods=METHODS, payments=payments, who=text,
        found=found, chosen=chosen, take=TAKE, take_back=TAKE_BACK, sums=sums(payments),
    )  # fmt: skip


def sums(payments: Sequence[Row]) -> list[Row]:
    """What came in by method and currency, without what was taken back."""
    found: dict[tuple[str, str], int] = {}
    for row in payments:
        if row["reversed_at"] is not None:
            continue
        key = str(row.get("method") or ""), str(row["currency"])
        found[key] = found.get(key, 0) + parse_amount(str(row["amount"]))
    return [
        {"method": method, "amount": format_amount(micros), "currency": currency}
        for (method, currency), micros in sorted(found.items())
    ]


PAGES = (Page("/op/till", show, STAFF, actions=(TAKE.action, TAKE_BACK.action)),)
