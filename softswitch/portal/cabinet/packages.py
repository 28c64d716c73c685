"""Packages: what is held, what can be bought, and renewal (A3-A9, A22, B5)."""

from __future__ import annotations

from starlette.responses import Response

from softswitch.operations.access import PAYER
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit


async def show(visit: Visit) -> Response:
    held = await visit.rows("package_show")
    lines = await visit.some("line_list")
    return visit.page(
        "cabinet/packages.html",
        account=await visit.row("account_show"),
        held=held,
        active={  # for all lines: buying it again would change nothing
            one["product"] for one in held if one["state"] == "active" and not one["line"]
        },
        offers=[one for one in await visit.rows("package_list") if one["sold"]],
        lines=lines,
        wallets=await visit.some("wallet_show"),
        wallet_offers=await visit.some("wallet_offers"),
    )


PAGES = (
    Page(
        "/packages",
        show,
        PAYER,
        actions=(
            Action("package_buy", ("product", "line", "auto_renew")),
            Action("package_auto_renew", ("subscription", "on")),
            Action("wallet_buy", ("wallet", "units")),
            Action("wallet_trial", ("wallet",)),
        ),
    ),
)
