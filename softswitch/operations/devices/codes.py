"""One-time codes by which apps set themselves up (A15): add, list, revoke, redeem."""

from __future__ import annotations

from urllib.parse import urljoin

from billing.facts.cdr import show_stamp
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.devices.devices import (
    device_store,
    made_token,
    new_device,
    opened_enrolment,
    own_device,
    store_new,
)
from softswitch.provisioning.acrobits import account_xml, qr_text
from softswitch.provisioning.device import APPS, Device
from softswitch.provisioning.device_secrets import digest_secrets
from softswitch.provisioning.devices import HandOver
from softswitch.provisioning.profile import profile_of
from softswitch.provisioning.settings import settings_of
from softswitch.provisioning.tokens import hash_of

_FILES = {"linphone": "linphone.xml", "zoiper": "zoiper.xml"}


def provisioning_code_add(
    context: Context, line: str, app: str = "acrobits", name: str = ""
) -> Row:
    """A one-time code by which an app on a mobile phone sets itself up for a line, with the text of
    its QR code. It never holds a password."""
    if app not in APPS:
        raise OperationError("not_one_of", field="app", choices=APPS, value=app)
    if not context.config.provisioning.url:
        raise OperationError("provisioning_off")
    if app == "acrobits" and not context.config.provisioning.cloud_id:
        raise OperationError("cloud_id_missing")
    device = new_device(context, line, app, name)
    store_new(context, device)
    token, ends_at = opened_enrolment(context, device)
    return code_row(context, device, token, ends_at)


def provisioning_code_list(context: Context, line: str | None = None) -> list[Row]:
    """Apps' codes that wait to be used or have run out unused."""
    wanted = None if line is None else context.line(line).id
    owner = context.own_account(None)
    now = context.now_ms()
    rows: list[Row] = []
    for device in device_store(context).of_accounts(None if owner is None else [owner]):
        numbers = [
            found.number
            for each in device.lines
            if (found := context.line_of(each.line_id)) is not None and context.owns_line(found)
        ]
        here = wanted is None or any(each.line_id == wanted for each in device.lines)
        if device.kind in APPS and device.enrolment_ends_at is not None and numbers and here:
            rows.append(
                {
                    "device": device.id,
                    "app": device.kind,
                    "name": device.name or None,
                    "line": numbers[0],
                    "state": "waiting" if now < device.enrolment_ends_at else "expired",
                    "ends_at": show_stamp(device.enrolment_ends_at),
                }
            )
    return rows


def provisioning_code_revoke(context: Context, device: str) -> Row:
    """Void the code of a device; a device that never used one is removed with it."""
    found = own_device(context, device)
    if found.kind not in APPS or found.enrolment_ends_at is None:
        raise OperationError("provisioning_code_not_found", device=device)
    store = device_store(context)
    if found.enrolled_at is None:
        context.changes.lines |= store.remove(found.id)
    else:
        store.close_enrolment(found.id)
    return {"device": found.id, "revoked": True}


def provisioning_code_redeem(context: Context, code: str) -> Row:
    """Exchange a Cloud Softphone code for the account's XML, as the app itself does: the code is
    void afterwards. For operators who hand the account over in another way."""
    now, store = context.now_ms(), device_store(context)
    found = store.find(hash_of(code), now)
    if found is None or found.presented != "enrolment" or found.device.kind != "acrobits":
        raise OperationError("provisioning_code_spent")
    device = found.device
    token = made_token()
    settings = settings_of(profile_of(context.config), device, found.holders, token)
    if not settings.accounts:
        raise OperationError("provisioning_code_spent")
    usernames = [each.username for each in device.lines]
    made = digest_secrets(token, usernames, context.config.realm)
    lines = store.hand_over(HandOver(device.id, hash_of(code), None, hash_of(token), made), now)
    if lines is None:
        raise OperationError("provisioning_code_spent")
    context.changes.lines |= lines
    return {"device": device.id, "content": account_xml(settings).decode()}


def code_row(context: Context, device: Device, token: str, ends_at: int) -> Row:
    """A code as it is shown: once, for only its hash is kept."""
    section = context.config.provisioning
    url = section.url.rstrip("/")
    row: Row = {"device": device.id, "app": device.kind, "ends_at": show_stamp(ends_at)}
    if device.kind == "acrobits":
        return row | {"code": token, "qr": qr_text(token, section.cloud_id)}
    link = urljoin(f"{url}/", f"d/{token}/{_FILES.get(device.kind, '')}")
    return row | {"code": token, "qr": link, "url": link}
