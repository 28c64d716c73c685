"""Devices of a line: phones and apps that set themselves up, and one that is shut (A15, A21)."""

from __future__ import annotations

from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.operations.access import USER
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit
from softswitch.provisioning.device import APPS, PHONES
from softswitch.provisioning.qr import data_uri

NAMES = {
    "acrobits": "Cloud Softphone", "linphone": "Linphone", "zoiper": "Zoiper",
    "yealink": "Yealink", "grandstream": "Grandstream", "snom": "Snom", "fanvil": "Fanvil",
    "poly": "Poly", "cisco_spa": "Cisco SPA",
}  # fmt: skip
"""Apps and vendors as they write themselves."""


async def show(visit: Visit) -> Response:
    """The devices of a line, and forms for another."""
    line = await visit.row("line_show", number=visit.path["line"])
    section = visit.portal.config.provisioning
    apps = [app for app in APPS if app != "acrobits" or section.cloud_id]
    return visit.page(
        "cabinet/devices.html",
        line=line,
        devices=await visit.rows("device_list", line=visit.path["line"]),
        names=NAMES,
        provisioned=bool(section.url),
        apps=[(app, NAMES[app]) for app in apps],
        vendors=[*((kind, NAMES[kind]) for kind in PHONES), ("other", visit.text("devices.other"))],
    )


async def make(visit: Visit) -> Response:
    """Make a code, a one-time URL or a password, and show it this once."""
    number, form = visit.path["line"], visit.form
    match form.get("do"):
        case "provisioning_code_add":
            given = {"line": number, "app": form.get("app", ""), "name": form.get("name", "")}
        case "device_add":
            given = {"line": number, "kind": form.get("kind", ""), "name": form.get("name", "")}
            if form.get("mac"):
                given["mac"] = form["mac"]
        case "device_enrol":
            given = {"device": form.get("device", "")}
        case _:
            raise OperationError("page_not_found", path=visit.request.url.path)
    # Without a key: what is shown once is kept nowhere, not even to be shown again.
    made = await visit.row(form["do"], **given)
    link = made.get("qr")
    return visit.page(
        "cabinet/device_made.html",
        line=await visit.row("line_show", number=number),
        made=made,
        names=NAMES,
        picture=data_uri(str(link)) if link else "",
    )


def _of_a_device(operation: str) -> Action:
    return Action(operation, ("device",))


PAGES = (
    Page(
        "/lines/{line}/devices",
        show,
        USER,
        tuple(map(_of_a_device, ("device_remove", "device_resync", "device_rotate"))),
        submit=make,
    ),
)
