"""Trunks: add, list, suspend, remove."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.exc import IntegrityError

from sip.errors import SipError
from sip.uri import Uri
from softswitch.directory import Source, Status, Trunk
from softswitch.operations.context import Context
from softswitch.operations.errors import OperationError

Row = dict[str, Any]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PREFIX = re.compile(r"\+?([0-9]{1,15})")


def trunk_add(
    context: Context,
    name: str,
    target: str,
    prefixes: Sequence[str] = (),
    username: str | None = None,
    password: str | None = None,
    inbound_from: Sequence[str] = (),
    priority: int = 100,
    max_calls: int | None = None,
) -> Row:
    if _NAME.fullmatch(name) is None:
        raise OperationError(f"trunk name {name!r} must be 1 to 64 letters, digits, . _ or -")
    if (username is None) != (password is None):
        raise OperationError("a trunk needs both --username and --password, or neither")
    trunk = Trunk(
        id=0,
        name=name,
        target=_target(target),
        prefixes=tuple(dict.fromkeys(map(_prefix, prefixes))) or ("",),
        priority=priority,
        username=username,
        password=password,
        inbound_from=tuple(map(_source, inbound_from)),
        max_calls=max_calls,
    )
    try:
        trunk_id = context.directory.add_trunk(trunk)
    except IntegrityError:
        raise OperationError(f"there is a trunk {name!r} already") from None
    context.changes.trunks = True
    return _row(replace(trunk, id=trunk_id))


def trunk_list(context: Context) -> list[Row]:
    return [_row(trunk) for trunk in context.directory.trunks()]


def trunk_suspend(context: Context, name: str) -> Row:
    return _set_status(context, name, "suspended")


def trunk_resume(context: Context, name: str) -> Row:
    return _set_status(context, name, "active")


def trunk_remove(context: Context, name: str) -> Row:
    context.directory.remove_trunk(_trunk(context, name).id)
    context.changes.trunks = True
    return {"name": name, "removed": True}


def _set_status(context: Context, name: str, status: Status) -> Row:
    trunk = replace(_trunk(context, name), status=status)
    context.directory.save_trunk(trunk)
    context.changes.trunks = True
    return _row(trunk)


def _trunk(context: Context, name: str) -> Trunk:
    for trunk in context.directory.trunks():
        if trunk.name == name:
            return trunk
    raise OperationError(f"there is no trunk {name!r}; `softswitch trunk list` shows them")


def _target(text: str) -> str:
    try:
        uri = Uri.parse(text.encode())
    except SipError as error:
        raise OperationError(f"--target {text!r} is no SIP address: {error}") from None
    if uri.scheme != "sip" or not uri.host:
        raise OperationError(f"--target {text!r} must look like sip:gw.example.org:5060")
    if (uri.transport or "udp").lower() not in ("udp", "tcp"):
        raise OperationError(f"--target {text!r}: this version speaks udp and tcp")
    return text


def _prefix(text: str) -> str:
    match = _PREFIX.fullmatch(text.strip())
    if match is None:
        raise OperationError(f"--prefix {text!r} must be the first digits of E.164 numbers")
    return match[1]


def _source(text: str) -> Source:
    try:
        return Source.parse(text.strip())
    except ValueError as error:
        raise OperationError(f"--inbound-from {error}") from None


def _row(trunk: Trunk) -> Row:
    return {
        "id": trunk.id,
        "name": trunk.name,
        "target": trunk.target,
        "prefixes": [prefix or "any" for prefix in trunk.prefixes],
        "priority": trunk.priority,
        "username": trunk.username,
        "inbound_from": [str(source) for source in trunk.inbound_from],
        "max_calls": trunk.max_calls,
        "status": trunk.status,
    }
