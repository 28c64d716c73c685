"""Pages of one thing: a line, a trunk, a bill, a member of staff; and who may do what."""

from __future__ import annotations

import asyncio
import base64

from starlette.responses import Response

from softswitch.control.actor import ROLES, STAFF_ROLES
from softswitch.operations.access import ADMIN, AUDITOR, MONEY, STAFF, SUPPORT
from softswitch.operations.installation.check import check
from softswitch.operations.network.trunks import SETTINGS as TRUNK_KEYS
from softswitch.operations.registry import OPERATIONS
from softswitch.portal.console.board import one
from softswitch.portal.console.listing import Form, Input, exported, needed
from softswitch.portal.gateway import LIVE
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit

LINE = {"number": "line"}
LINE_KEYS = ("display_name", "account", "lease_ends_on", "language", "listed", "max_calls",
             "no_answer_seconds", "record", "srtp", "dtmf", "password", "pin")  # fmt: skip
LINE_FORMS = (
    Form("line_set", (Input("key", "choice", LINE_KEYS, True), Input("value")), path=LINE),
    Form("line_suspend", (Input("reason"),), path=LINE, only=("status", frozenset({"active"})),
         tone="danger"),
    Form("line_resume", (Input("reason"),), path=LINE, tone="primary",
         only=("status", frozenset({"suspended"}))),
    Form("line_disconnect", (Input("reason"),), path=LINE, tone="danger",
         only=("status", frozenset({"active"}))),
    Form("line_reconnect", (Input("reason"),), path=LINE, tone="primary",
         only=("status", frozenset({"disconnected"}))),
    Form("line_remove", path=LINE, tone="danger", sure=True, then="/op/lines"),
    Form("number_change", (needed("new"), Input("announce", value="30 days")), path=LINE),
    Form("registration_remove", path={"line": "line"}, tone="danger", sure=True),
)  # fmt: skip
TRUNK = {"name": "trunk"}
TRUNK_FORMS = (
    Form("trunk_set", (Input("key", "choice", TRUNK_KEYS, True), Input("value")), path=TRUNK),
    Form("trunk_suspend", path=TRUNK, tone="danger", sure=True,
         only=("status", frozenset({"active"}))),
    Form("trunk_resume", path=TRUNK, tone="primary", only=("status", frozenset({"suspended"}))),
    Form("trunk_remove", path=TRUNK, tone="danger", sure=True, then="/op/trunks"),
)  # fmt: skip
USER = {"login": "login"}
USER_FORMS = (
    Form("user_set", (Input("key", "choice", ("email", "language", "disabled"), True),
                      Input("value")), path=USER),
    Form("user_grant", (Input("role", "choice", STAFF_ROLES, True), Input("ends_on", "date")),
         path=USER),
    Form("user_revoke", path=USER, tone="danger", sure=True),
    Form("user_password", path=USER, sure=True, shows="console/once.html"),
    Form("user_forget_totp", path=USER, tone="danger", sure=True),
)  # fmt: skip
LATEST = 20


async def line(visit: Visit) -> Response:
    """A line with its phones, services, texts of what it refused, and last calls."""
    number = visit.path["line"]
    row = await visit.row("line_show", number=number)
    if visit.asked("as"):
        return exported("line", [row], visit.asked("as"))
    own = str(row["number"])
    return visit.page(
        "console/line.html", line=row, forms=LINE_FORMS,
        registrations=await visit.some("registration_list", line=own),
        refused=await visit.some("registration_refusals", line=own),
        services=[one for one in await visit.some("line_service_list", number=own) if one["on"]],
        calls=await visit.some("cdr_list", line=own, newest=True, limit=LATEST),
        voicemail=await one(visit, "voicemail_show", number=own),
        rooms=await visit.some("completion_list", line=own),
        devices=await visit.some("device_list", line=own),
    )  # fmt: skip


async def trunk(visit: Visit) -> Response:
    """A trunk with its health and its last calls."""
    row = await visit.row("trunk_show", name=visit.path["trunk"])
    if visit.asked("as"):
        return exported("trunk", [row], visit.asked("as"))
    now = [call for call in await visit.some("call_list") if call["trunk"] == row["name"]]
    return visit.page("console/trunk.html", trunk=row, forms=TRUNK_FORMS, calls=now)


async def bill(visit: Visit) -> Response:
    """A bill, and its paper."""
    text = visit.path["bill"]
    number = int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else 0
    if visit.asked("as") == "pdf":
        paper = await visit.row("bill_paper", bill=number, language=visit.language)
        return Response(
            base64.b64decode(str(paper["content"])), media_type="application/octet-stream",
            headers={"content-disposition": f'attachment; filename="bill-{number}.pdf"'},
        )  # fmt: skip
    row = await visit.row("bill_show", bill=number)
    if visit.asked("as"):
        return exported("bill", [row], visit.asked("as"))
    return visit.page("console/bill.html", bill=row)


async def user(visit: Visit) -> Response:
    """A user with roles, sessions, and what the user did last."""
    row = await visit.row("user_show", login=visit.path["login"])
    if visit.asked("as"):
        return exported("user", [row], visit.asked("as"))
    return visit.page(
        "console/user.html", user=row, forms=USER_FORMS,
        audit=await visit.some("audit_list", actor=str(row["login"]), limit=LATEST),
    )  # fmt: skip


async def rights(visit: Visit) -> Response:
    """Which role may perform which operation: the table by which requests are let in."""
    search = visit.asked("search")
    effects = {name: found.effect for name, found in OPERATIONS.items()}
    roles = {name: found.roles for name, found in OPERATIONS.items()} | dict(LIVE)
    return visit.page(
        "console/rights.html", roles=ROLES, search=search,
        rows=[
            (name, effects.get(name, "live"), roles[name])
            for name in sorted(roles) if search in name
        ],
    )  # fmt: skip


async def health(visit: Visit) -> Response:
    """The switch, its nodes and media workers, its guard, and the books."""
    verified = None
    if visit.asked("verify") == "yes":
        verified = await one(visit, "ledger_verify")
    rows = []
    if visit.asked("check") == "yes":
        rows = await asyncio.to_thread(check, visit.portal.config)
    return visit.page(
        "console/health.html", checks=rows, verified=verified,
        asked_to_verify=visit.asked("verify") == "yes",
        nodes=await visit.some("node_list"), media=await visit.some("media_show"),
        guard=await one(visit, "guard_show"), is_away=visit.portal.feed.is_away,
        forms=HEALTH_FORMS,
    )  # fmt: skip


HEALTH_FORMS = (
    Form("prompt_reload", sure=True),
    Form("node_drain", (needed("node"),)),
    Form("node_resume", (needed("node"),)),
    Form("node_recover", (needed("node"),), tone="danger"),
)

PAGES = (
    Page("/op/lines/{line}", line, STAFF, actions=tuple(form.action for form in LINE_FORMS)),
    Page("/op/trunks/{trunk}", trunk, SUPPORT | AUDITOR,
         actions=tuple(form.action for form in TRUNK_FORMS)),
    Page("/op/bills/{bill}", bill, STAFF),
    Page("/op/staff/{login}", user, STAFF, actions=tuple(form.action for form in USER_FORMS)),
    Page("/op/rights", rights, STAFF),
    Page("/op/health", health, STAFF | ADMIN | MONEY,
         actions=tuple(form.action for form in HEALTH_FORMS)),
)  # fmt: skip
