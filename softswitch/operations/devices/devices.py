"""Devices of lines: add, list, show, change, enrol, rotate, remove."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from sqlalchemy.exc import IntegrityError

from billing.facts.cdr import show_stamp
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.pages import cut, page_at, read_cursor
from softswitch.provisioning.device import (
    APPS,
    KEY_KINDS,
    MAX_KEYS,
    MAX_LINES,
    PHONES,
    Device,
    DeviceLine,
    Key,
    Phone,
    mac_of,
)
from softswitch.provisioning.device_secrets import digest_secrets
from softswitch.provisioning.devices import DeviceStore
from softswitch.provisioning.lists import Redirect, dhcp_csv, redirects_csv, url_for
from softswitch.provisioning.profile import profile_of
from softswitch.provisioning.tokens import (
    ENROLMENT_LENGTH,
    TOKEN_LENGTH,
    USERNAME_LENGTH,
    hash_of,
    password_of,
    token_of,
)
from softswitch.subscribers.directory import Line

MAX_DEVICES = 20
"""Of one line: more than anybody has phones, and few enough to show."""
HOUR_MS = 3_600_000
_NAME = 64
_MODEL = re.compile(r"[0-9A-Za-z_-]{0,32}")
_KEY_NUMBER = re.compile(r"[+*#0-9]{1,24}")


def device_add(
    context: Context,
    line: str,
    kind: str,
    mac: str | None = None,
    name: str = "",
    model: str = "",
    more_lines: Sequence[str] = (),
) -> Row:
    """A new desk phone of a line, with the one-time URL by which it sets itself up. kind "other" is
    a phone that is set up by hand: its username and password are shown once.

    Args:
        mac: the phone's; None: whichever phone fetches the URL first.
        more_lines: further lines of the same account, as its second account and so on.
    """
    if kind not in (*PHONES, "other"):
        raise OperationError("not_one_of", field="kind", choices=(*PHONES, "other"), value=kind)
    device = new_device(context, line, kind, name, model, mac, more_lines)
    if kind == "other":
        return _set_by_hand(context, device)
    _check_provisioned(context)
    _store_new(context, device)
    return _row(context, device) | _opened(context, device)


def new_device(
    context: Context,
    line: str,
    kind: str,
    name: str = "",
    model: str = "",
    mac: str | None = None,
    more_lines: Sequence[str] = (),
) -> Device:
    """A device of one's own lines, not stored yet. Raises OperationError."""
    owned = [context.line(each) for each in (line, *more_lines)]
    if len(owned) > MAX_LINES or len({each.id for each in owned}) != len(owned):
        raise OperationError("device_lines_wrong", most=MAX_LINES)
    if len({each.account_id for each in owned}) > 1:
        raise OperationError("device_lines_apart")
    if len(name) > _NAME or not (name.isprintable() or not name):
        raise OperationError("device_name_malformed", most=_NAME)
    if _MODEL.fullmatch(model) is None:
        raise OperationError("device_model_malformed", value=model)
    for each in owned:
        _check_count(context, each)
    return Device(
        id=secrets.token_hex(8),
        account_id=owned[0].account_id,
        kind=kind,  # type: ignore[arg-type]  # the caller has looked at it
        created_at=context.now_ms(),
        name=name,
        model=model,
        mac=None if mac is None else _mac(mac),
        lines=tuple(
            DeviceLine(position, each.id, made_token(USERNAME_LENGTH))
            for position, each in enumerate(owned, 1)
        ),
    )


def device_list(
    context: Context,
    line: str | None = None,
    account: str | None = None,
    search: str | None = None,
    limit: int | None = None,
    before: str | None = None,
) -> list[Row]:
    """Devices, the oldest first; in pages the newest first.

    Args:
        search: part of a MAC or of a name.
        before: the last one of the page before ("CREATED_AT,ID").
    """
    page = page_at(limit, None if before is None else read_cursor(before))
    owner = context.own_account(account)
    wanted = None if line is None else context.line(line).id
    if wanted is not None and owner is None:
        owner = context.line(line or "").account_id
    devices = device_store(context).of_accounts(None if owner is None else [owner])
    found = [
        device
        for device in devices
        if _owns(context, device)
        and (wanted is None or any(each.line_id == wanted for each in device.lines))
        and (search is None or _matches(device, search))
    ]
    if page is not None:
        found = cut(page, found, lambda device: (device.created_at, device.id))
    return [_row(context, device) for device in found]


def _matches(device: Device, text: str) -> bool:
    """True if a MAC, however it is written, or a name has this part."""
    digits = re.sub(r"[:.\- ]", "", text).lower()
    in_mac = device.mac is not None and bool(digits) and digits in device.mac
    return in_mac or text.casefold() in device.name.casefold()


def device_show(context: Context, device: str) -> Row:
    found = own_device(context, device)
    keys: list[Row] = [
        {"kind": key.kind, "number": key.number, "label": key.label} for key in found.keys
    ]
    lines: list[Row] = [
        {"position": each.position, "line": line.number, "username": each.username}
        for each in found.lines
        if (line := context.line_of(each.line_id)) is not None
    ]
    return _row(context, found) | {
        "accounts": lines,
        "keys": keys,
        "enrolled_at": _stamp(found.enrolled_at),
        "enrolment_ends_at": _stamp(found.enrolment_ends_at),
        "agent": found.seen_agent or None,
    }


def device_set(context: Context, device: str, keys: Sequence[str]) -> Row:
    """Replace a phone's programmed keys; the phone has them after its next fetch or a resync.

    Args:
        keys: each as "blf NUMBER LABEL" or "speed NUMBER LABEL"; the label may be left out.
    """
    found = own_device(context, device)
    if len(keys) > MAX_KEYS:
        raise OperationError("device_keys_too_many", most=MAX_KEYS)
    device_store(context).set_keys(found.id, [_key(key) for key in keys])
    return device_show(context, found.id)


def device_enrol(context: Context, device: str) -> Row:
    """A new one-time URL or code for a device that was reset, in place of the one it may have."""
    found = own_device(context, device)
    if found.kind == "other":
        raise OperationError("device_by_hand", device=found.id)
    _check_provisioned(context)
    return _row(context, found) | _opened(context, found)


def device_rotate(context: Context, device: str) -> Row:
    """Give a device another URL and other passwords. It gets them when it asks next; the old ones
    are good until it has used the new URL. A stolen device is removed instead."""
    found = own_device(context, device)
    if found.kind == "other":
        return _set_by_hand(context, found, anew=True)
    if found.enrolled_at is None:
        raise OperationError("device_not_enrolled", device=found.id)
    device_store(context).begin_rotation(found.id)
    return _row(context, own_device(context, found.id)) | {"asked": []}


def device_resync(context: Context, device: str) -> Row:
    """Have a phone fetch its configuration at once. For the running switch."""
    found = own_device(context, device)
    raise OperationError("device_resync_needs_switch", device=found.id)


def device_remove(context: Context, device: str) -> Row:
    """Shut a device for good: its passwords and its URL are void at once, its registrations gone.
    The line's other devices go on."""
    found = own_device(context, device)
    context.changes.lines |= device_store(context).remove(found.id)
    return {"id": found.id, "removed": True}


def device_redirects(context: Context, kind: str, account: str | None = None) -> Row:
    """A table for a vendor's redirect service, or (kind "dhcp") for a DHCP server: each phone that
    hasn't set itself up yet, with a new one-time URL."""
    if kind not in (*PHONES, "dhcp"):
        raise OperationError("not_one_of", field="kind", choices=(*PHONES, "dhcp"), value=kind)
    _check_provisioned(context)
    owner = context.own_account(account)
    redirects: list[Redirect] = []
    for device in device_store(context).of_accounts(None if owner is None else [owner]):
        fits = device.kind in PHONES and kind in (device.kind, "dhcp")
        if not fits or device.mac is None or device.enrolled_at or not _owns(context, device):
            continue
        folder = str(_opened(context, device)["url"])
        phone: Phone = device.kind  # type: ignore[assignment]  # one of PHONES
        redirects.append(Redirect(phone, device.mac, folder, device.name))
    if kind == "dhcp":
        return {"phones": len(redirects), "csv": dhcp_csv(redirects)}
    vendor: Phone = kind  # type: ignore[assignment]  # one of PHONES
    return {"phones": len(redirects), "csv": redirects_csv(vendor, redirects)}


# For the other operations on devices


def device_store(context: Context) -> DeviceStore:
    return DeviceStore(context.billing.engine)


def own_device(context: Context, device_id: str) -> Device:
    """A device that the actor may see, by its id. Raises OperationError."""
    store = device_store(context)
    found = store.get(device_id)
    if found is None and context.actor.abbreviates:
        ids = context.identified((each.id for each in store.of_accounts(None)), device_id)
        found = store.get(ids[0]) if len(ids) == 1 else None
    if found is None or not _owns(context, found):
        raise OperationError("device_not_found", device=device_id)
    return found


def made_token(length: int = TOKEN_LENGTH) -> str:
    return token_of(secrets.token_bytes(2 * length), length)


def _owns(context: Context, device: Device) -> bool:
    """True if the actor may see a device: a line user all lines of it."""
    if not context.owns(device.account_id):
        return False
    mine = context.actor.lines
    return not context.actor.is_line_user or all(each.line_id in mine for each in device.lines)


def _check_provisioned(context: Context) -> None:
    if not context.config.provisioning.url:
        raise OperationError("provisioning_off")


def _check_count(context: Context, line: Line) -> None:
    if len(line.devices) >= MAX_DEVICES:
        raise OperationError("devices_too_many", line=line.number, most=MAX_DEVICES)


def _store_new(context: Context, device: Device) -> None:
    try:
        device_store(context).add(device)
    except IntegrityError:
        raise OperationError("device_mac_taken", mac=device.mac or "") from None
    context.changes.lines.update(each.line_id for each in device.lines)


def store_new(context: Context, device: Device) -> None:
    """Store a new device. Raises OperationError: another one has its MAC."""
    _store_new(context, device)


def opened_enrolment(context: Context, device: Device) -> tuple[str, int]:
    """A new one-time token of a device, and its end in epoch milliseconds."""
    section = context.config.provisioning
    ms = section.code_minutes * 60_000 if device.kind in APPS else section.enrolment_hours * HOUR_MS
    token, ends_at = made_token(ENROLMENT_LENGTH), context.now_ms() + ms
    device_store(context).open_enrolment(device.id, hash_of(token), ends_at)
    return token, ends_at


def _opened(context: Context, device: Device) -> Row:
    """The one-time URL of a device: for a phone the folder, or the file where it needs one."""
    from softswitch.operations.devices.codes import code_row

    token, ends_at = opened_enrolment(context, device)
    if device.kind in APPS:
        return code_row(context, device, token, ends_at)
    folder = f"{context.config.provisioning.url.rstrip('/')}/d/{token}/"
    phone: Phone = device.kind  # type: ignore[assignment]  # no app, and not set by hand
    return {
        "state": "waiting",
        "url": folder,
        "type_into_phone": url_for(phone, folder),
        "ends_at": show_stamp(ends_at),
    }


def _set_by_hand(context: Context, device: Device, *, anew: bool = False) -> Row:
    """The account of a phone that is set up by hand; its password is shown this once."""
    token = made_token()
    if not anew:
        device = replace(device, mac=None)
        _store_new(context, device)
    made = digest_secrets(token, [each.username for each in device.lines], context.config.realm)
    lines = device_store(context).set_secrets(device.id, made, context.now_ms())
    context.changes.lines |= lines
    profile = profile_of(context.config)
    accounts: list[Row] = [
        {
            "line": line.number,
            "user": line.login,
            "auth_username": each.username,
            "password": password_of(token, each.username),
        }
        for each in device.lines
        if (line := context.line_of(each.line_id)) is not None
    ]
    return _row(context, own_device(context, device.id)) | {
        "accounts": accounts,
        "domain": profile.domain,
        "server": f"{profile.server}:{profile.port}",
        "transport": profile.transport,
    }


def _row(context: Context, device: Device) -> Row:
    lines = [
        line.number for each in device.lines if (line := context.line_of(each.line_id)) is not None
    ]
    return {
        "id": device.id,
        "kind": device.kind,
        "name": device.name or None,
        "model": device.model or None,
        "mac": device.mac,
        "lines": lines,
        "state": device.state(context.now_ms()),
        "seen_at": _stamp(device.seen_at),
        "address": device.seen_address or None,
        "created_at": show_stamp(device.created_at),
    }


def _stamp(at: int | None) -> str | None:
    return None if at is None else show_stamp(at)


def _mac(text: str) -> str:
    found = mac_of(text)
    if found is None:
        raise OperationError("device_mac_malformed", value=text)
    return found


def _key(text: str) -> Key:
    kind, _, rest = text.strip().partition(" ")
    number, _, label = rest.strip().partition(" ")
    wrong = len(label) > _NAME or not (label.isprintable() or not label)
    if kind not in KEY_KINDS or _KEY_NUMBER.fullmatch(number) is None or wrong:
        raise OperationError("device_key_malformed", value=text, kinds=KEY_KINDS)
    chosen: Literal["blf", "speed"] = "blf" if kind == "blf" else "speed"
    return Key(chosen, number, label.strip())
