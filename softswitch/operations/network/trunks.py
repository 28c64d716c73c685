"""Trunks: add, list, show, set, suspend, remove."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy.exc import IntegrityError

from billing.facts.account import Status
from sip.errors import SipError
from sip.uri import Uri
from softswitch.admission.addressing import host_key
from softswitch.control.errors import OperationError, check_international
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.lines.lines import optional_choice, optional_integer
from softswitch.operations.tariffs.tariff_terms import tariff_known
from softswitch.subscribers.directory import Source, Trunk
from softswitch.subscribers.policies import (
    CALLER_ID_POLICIES,
    CONTACT_POLICIES,
    KEY_POLICIES,
    SRTP_POLICIES,
    STIR_POLICIES,
)

MIN_PING_SECONDS = 10
"""A trunk that is asked more often would take it for an attack."""
MAX_PING_SECONDS = 3600
MAX_WEIGHT = 10_000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CERTIFICATE_NAME = re.compile(r"[a-z0-9][a-z0-9.:_-]{0,253}")
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
    trusted: bool = False,
    inbound_certificates: Sequence[str] = (),
    tariff: str | None = None,
    weight: int = 1,
) -> Row:
    if _NAME.fullmatch(name) is None:
        raise OperationError("name_malformed", what="trunk name", longest="64", value=name)
    if (username is None) != (password is None):
        raise OperationError("trunk_credentials_incomplete")
    _check_not_self(context, _target(target))
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
        trusted=trusted,
        inbound_certificates=tuple(map(_certificate_name, inbound_certificates)),
        tariff=None if tariff is None else tariff_known(context, tariff).name,
        weight=_weight(str(weight)),
    )
    try:
        trunk_id = context.directory.add_trunk(trunk)
    except IntegrityError:
        raise OperationError("trunk_exists", trunk=name) from None
    context.changes.trunks = True
    return trunk_row(replace(trunk, id=trunk_id))


def trunk_list(context: Context) -> list[Row]:
    return [trunk_row(trunk) for trunk in context.directory.trunks()]


def trunk_show(context: Context, name: str) -> Row:
    return trunk_row(_trunk(context, name))


def trunk_set(context: Context, name: str, key: str, value: str) -> Row:
    trunk = _trunk(context, name)
    change = _KEYS.get(key)
    if change is None:
        near = difflib.get_close_matches(key, _KEYS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_KEYS)}"
        raise OperationError(
            "setting_unknown", what="a trunk", noun="setting", setting=key, hint=hint
        )
    if key == "target":
        _check_not_self(context, _target(value))
    if key == "tariff" and value:
        tariff_known(context, value)
    return _save(context, change(trunk, value))


def trunk_suspend(context: Context, name: str) -> Row:
    return _set_status(context, name, "suspended")


def trunk_resume(context: Context, name: str) -> Row:
    return _set_status(context, name, "active")


def trunk_remove(context: Context, name: str) -> Row:
    context.directory.remove_trunk(_trunk(context, name).id)
    context.changes.trunks = True
    return {"name": name, "removed": True}


def _set_status(context: Context, name: str, status: Status) -> Row:
    return _save(context, replace(_trunk(context, name), status=status))


def _save(context: Context, trunk: Trunk) -> Row:
    context.directory.save_trunk(trunk)
    context.changes.trunks = True
    return trunk_row(trunk)


def _trunk(context: Context, name: str) -> Trunk:
    for trunk in context.directory.trunks():
        if trunk.name == name:
            return trunk
    raise no_trunk(name)


def no_trunk(name: str) -> OperationError:
    return OperationError("trunk_not_found", trunk=name)


def _target(text: str) -> str:
    try:
        uri = Uri.parse(text.encode())
    except SipError as error:
        raise OperationError("trunk_target_no_address", value=text, reason=error) from None
    if uri.scheme not in ("sip", "sips") or not uri.host:
        raise OperationError("trunk_target_malformed", value=text)
    allowed = ("tcp", "tls") if uri.scheme == "sips" else ("udp", "tcp", "tls")
    if uri.transport is not None and uri.transport not in allowed:
        raise OperationError(
            "trunk_transport_unknown", value=text, scheme=uri.scheme, known=tuple(allowed)
        )
    return text


def _check_not_self(context: Context, target: str) -> None:
    """Calls to a trunk that leads to this switch would come back to it without end."""
    uri, sip = Uri.parse(target.encode()), context.config.sip
    ports = {listen.port for listen in sip.listen}
    ports.update(advertised.port for advertised in sip.advertise if advertised.port)
    own = {host_key(host) for host in context.config.own_hosts()}
    if host_key(uri.host) in own and (uri.port is None or uri.port in ports):
        raise OperationError("trunk_target_self", value=target)


def _prefix(text: str) -> str:
    match = _PREFIX.fullmatch(text.strip())
    if match is None:
        raise OperationError("trunk_prefix_malformed", value=text)
    check_international(match[1])
    return match[1]


def _source(text: str) -> Source:
    try:
        source = Source.parse(text.strip())
    except ValueError as error:
        raise OperationError("trunk_source_malformed", reason=error) from None
    if source.network.prefixlen == 0:
        raise OperationError("trunk_source_everywhere", value=text)
    return source


def _certificate_name(text: str) -> str:
    name = text.strip().lower().rstrip(".")
    if _CERTIFICATE_NAME.fullmatch(name) is None:
        raise OperationError("trunk_certificate_malformed", value=text)
    return name


def _set_target(trunk: Trunk, value: str) -> Trunk:
    return replace(trunk, target=_target(value))


def _set_prefixes(trunk: Trunk, value: str) -> Trunk:
    return replace(trunk, prefixes=tuple(map(_prefix, _parts(value))) or ("",))


def _set_inbound_from(trunk: Trunk, value: str) -> Trunk:
    return replace(trunk, inbound_from=tuple(map(_source, _parts(value))))


def _set_password(trunk: Trunk, value: str) -> Trunk:
    if trunk.username is None or not value:
        raise OperationError("trunk_without_credentials", trunk=trunk.name)
    return replace(trunk, password=value)


def _parts(value: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", value) if part]


def _set_max_calls(trunk: Trunk, value: str) -> Trunk:
    return replace(trunk, max_calls=optional_integer("max_calls", value, 0, 100_000))


def _set_ping_seconds(trunk: Trunk, value: str) -> Trunk:
    seconds = optional_integer("ping_seconds", value, 0, MAX_PING_SECONDS)
    if seconds is not None and 0 < seconds < MIN_PING_SECONDS:
        raise OperationError("trunk_ping_too_short", least=MIN_PING_SECONDS)
    return replace(trunk, ping_seconds=seconds)


def _set_priority(trunk: Trunk, value: str) -> Trunk:
    priority = optional_integer("priority", value, 0, 1_000_000)
    if priority is None:
        raise OperationError("trunk_priority_malformed")
    return replace(trunk, priority=priority)


def _set_dtmf(trunk: Trunk, value: str) -> Trunk:
    return replace(trunk, dtmf=optional_choice("dtmf", value, KEY_POLICIES))


def _set_srtp(trunk: Trunk, value: str) -> Trunk:
    return replace(trunk, srtp=optional_choice("srtp", value, SRTP_POLICIES))


def _set_contact(trunk: Trunk, value: str) -> Trunk:
    return replace(trunk, contact=optional_choice("contact", value, CONTACT_POLICIES) or "auto")


def _set_caller_id(trunk: Trunk, value: str) -> Trunk:
    chosen = optional_choice("caller_id", value, CALLER_ID_POLICIES)
    return replace(trunk, caller_id=chosen or "numbers")


def _set_stir(trunk: Trunk, value: str) -> Trunk:
    return replace(trunk, stir=optional_choice("stir", value, STIR_POLICIES) or "off")


def _set_trusted(trunk: Trunk, value: str) -> Trunk:
    if value not in ("yes", "no"):
        raise OperationError("yes_or_no", field="trusted", value=value)
    return replace(trunk, trusted=value == "yes")


def _set_tariff(trunk: Trunk, value: str) -> Trunk:
    return replace(trunk, tariff=value or None)


def _set_weight(trunk: Trunk, value: str) -> Trunk:
    return replace(trunk, weight=_weight(value))


def _weight(value: str) -> int:
    weight = optional_integer("weight", value, 0, MAX_WEIGHT)
    if weight is None:
        raise OperationError("trunk_weight_malformed")
    return weight


_KEYS: Mapping[str, Callable[[Trunk, str], Trunk]] = {
    "target": _set_target,
    "prefixes": _set_prefixes,
    "inbound_from": _set_inbound_from,
    "password": _set_password,
    "max_calls": _set_max_calls,
    "ping_seconds": _set_ping_seconds,
    "priority": _set_priority,
    "srtp": _set_srtp,
    "dtmf": _set_dtmf,
    "contact": _set_contact,
    "caller_id": _set_caller_id,
    "stir": _set_stir,
    "trusted": _set_trusted,
    "tariff": _set_tariff,
    "weight": _set_weight,
}


SETTINGS = tuple(_KEYS)
"""The settings that `trunk_set` changes."""


def trunk_row(trunk: Trunk) -> Row:
    """A trunk as people read it; never its password."""
    return {
        "id": trunk.id,
        "name": trunk.name,
        "target": trunk.target,
        "prefixes": [prefix or "any" for prefix in trunk.prefixes],
        "priority": trunk.priority,
        "username": trunk.username,
        "inbound_from": [str(source) for source in trunk.inbound_from],
        "inbound_certificates": list(trunk.inbound_certificates),
        "max_calls": trunk.max_calls,
        "ping_seconds": trunk.ping_seconds,
        "srtp": trunk.srtp,
        "dtmf": trunk.dtmf,
        "contact": trunk.contact,
        "caller_id": trunk.caller_id,
        "stir": trunk.stir,
        "trusted": trunk.trusted,
        "tariff": trunk.tariff,
        "weight": trunk.weight,
        "status": trunk.status,
    }
