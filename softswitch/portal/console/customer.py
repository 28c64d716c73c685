"""A customer on one page: standing, money, lines, calls, requests, documents, people, history."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from softswitch.control.values import Row
from softswitch.operations.access import STAFF
from softswitch.operations.accounts.caps import KEYS as CAPS
from softswitch.operations.accounts.requests import KINDS
from softswitch.portal.console.board import one
from softswitch.portal.console.listing import Form, Input, exported, needed, yes_or_no
from softswitch.portal.console.looking import look
from softswitch.portal.console.till import METHODS
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit
from softswitch.subscribers.profile import FIELDS

HERE = {"account": "account"}
LATEST = 10
STATUSES = ("approved", "active", "suspended", "disconnected", "closed")

STATUS = Form("account_status", (
    Input("status", "choice", STATUSES, True), Input("reason"),
), path=HERE)  # fmt: skip
LOGIN = Form("account_login", path=HERE, shows="console/once.html", sure=True)
TOP_UP = Form("account_topup", (
    needed("amount", hint="console.amount_hint"), needed("payment_id"),
    Input("method", "choice", METHODS),
), path=HERE, tone="primary")  # fmt: skip
OFFER_LIST = Form("number_choice_offer", (
    needed("numbers", "area", hint="console.lines_hint"), Input("hours", "number", value="48"),
), path=HERE)  # fmt: skip
FEE = Form("account_fee", (needed("amount"), needed("about"), needed("fee_id")), path=HERE)
REFUND = Form("account_refund", (needed("amount"), needed("refund_id")), path=HERE, tone="danger")
SET = Form("account_set", (
    Input("key", "choice", ("name", "tariff", "credit_limit", *FIELDS), True), Input("value"),
), path=HERE)  # fmt: skip
CAP = Form("account_cap", (Input("key", "choice", CAPS, True), Input("value")), path=HERE)
TARIFF = Form("tariff_assign", (
    needed("tariff"), Input("line"), Input("start", "date"),
), path=HERE)  # fmt: skip
NOTE = Form("note_add", (needed("text", "area"),), path=HERE)
REQUEST = Form("request_open", (
    Input("kind", "choice", KINDS, True), needed("text", "area"), Input("line"),
), path=HERE)  # fmt: skip
LINE = Form("line_add", (
    needed("number"), Input("login"), Input("lease_ends_on", "date"),
), path=HERE, shows="console/once.html")  # fmt: skip
BUY = Form("package_buy", (
    needed("product"), Input("line"), yes_or_no("auto_renew"),
), path=HERE)  # fmt: skip
RENEW = Form("package_auto_renew", path=HERE, row={"subscription": "id"}, fixed={"on": True},
             only=("auto_renew", frozenset({False})))  # fmt: skip
RENEW_NOT = Form("package_auto_renew", path=HERE, row={"subscription": "id"}, fixed={"on": False},
                 only=("auto_renew", frozenset({True})), name="package_renew_not")  # fmt: skip
DOCUMENT = Form("document_upload", (
    needed("kind", hint="console.class_hint"), needed("content", "file"),
    Input("expires_on", "date"),
), path=HERE)  # fmt: skip
GRANT = Form("sms_grant", (yes_or_no("on", "true"),), path=HERE)
USER = Form("user_add", (
    needed("login"),
    Input("role", "choice", ("subscriber", "subscriber_accountant", "line_user"), True),
    Input("lines", "area"), Input("email"), Input("ends_on", "date"),
), path=HERE, shows="console/once.html")  # fmt: skip
NUMBER = {"number": "number"}
ACTIVE = ("status", frozenset({"active"}))
SUSPEND = Form("line_suspend", (Input("reason"),), NUMBER, ACTIVE, "danger")
RESUME = Form("line_resume", (Input("reason"),), NUMBER, ("status", frozenset({"suspended"})),
              "primary")  # fmt: skip
DISCONNECT = Form("line_disconnect", (Input("reason"),), NUMBER, ACTIVE, "danger")
RECONNECT = Form("line_reconnect", (Input("reason"),), NUMBER,
                 ("status", frozenset({"disconnected"})), "primary")  # fmt: skip
RESTORE = Form("line_restore", (Input("reason"),), NUMBER, ("rests", frozenset({True})), "primary")
HEAD_FORMS = (TOP_UP, STATUS, LOGIN, SET, TARIFF, FEE, OFFER_LIST, REFUND)
LINE_FORMS = (SUSPEND, RESUME, DISCONNECT, RECONNECT, RESTORE)
FORMS = (
    *HEAD_FORMS, CAP, NOTE, REQUEST, LINE, BUY, RENEW, RENEW_NOT, DOCUMENT, GRANT, USER,
    *LINE_FORMS,
)  # fmt: skip


async def show(visit: Visit) -> Response:
    """Everything that staff of this role may know of a customer."""
    account = visit.path["account"]
    shown = await visit.row("account_show", account=account)
    if visit.asked("as"):
        return exported("customer", [shown], visit.asked("as"))
    found = await _parts(visit, str(shown["id"]))
    lines = [dict(row) | {"rests": row["rests_until"] is not None} for row in found["lines"]]
    phones = {str(row["number"]) for row in found["registrations"]}
    return visit.page(
        "console/customer.html",
        account=shown,
        caps=await one(visit, "account_caps", account=account),
        overview=await one(visit, "account_overview", account=account),
        contract=await one(visit, "sms_contract_show", account=account),
        phones=phones,
        head_forms=HEAD_FORMS,
        line_forms=LINE_FORMS,
        package_forms=(RENEW, RENEW_NOT),
        forms={form.operation: form for form in FORMS},
        profile=[name for name in FIELDS if shown.get(name)],
        lines=lines,
        found=found,
    )


async def _parts(visit: Visit, account: str) -> dict[str, list[Row]]:
    """The tables of the page; those that the role may not read are empty."""
    page: dict[str, object] = {"account": account, "limit": LATEST}
    asked: dict[str, tuple[str, dict[str, object]]] = {
        "lines": ("line_list", {"account": account}),
        "registrations": ("registration_list", {"account": account}),
        "packages": ("package_show", {"account": account}),
        "rentals": ("rental_list", page),
        "orders": ("order_list", page),
        "calls": ("account_calls", page),
        "ledger": ("account_ledger", page),
        "wallets": ("wallet_show", {"account": account}),
        "forecast": ("package_forecast", {"account": account}),
        "bills": ("bill_list", page),
        "requests": ("request_list", {"account": account, "closed": True, "limit": LATEST}),
        "documents": ("document_list", page),
        "ports": ("port_list", page),
        "notes": ("note_list", page),
        "users": ("user_list", {"account": account}),
        "notices": ("account_notices", page),
        "history": ("account_history", {"account": account}),
        "audit": ("audit_list", page),
        "tariffs": ("tariff_assignments", {"account": account}),
    }
    rows = await asyncio.gather(*(visit.some(name, **given) for name, given in asked.values()))
    found = dict(zip(asked, rows, strict=True))
    found["history"] = found["history"][-LATEST:][::-1]
    return found


PAGES = (
    Page(
        "/op/customers/{account}", show, STAFF,
        actions=tuple(form.action for form in FORMS), submit=look, most_bytes=12 * 1024 * 1024,
    ),
)  # fmt: skip
