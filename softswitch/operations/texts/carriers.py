"""Carriers of texts: add, list, set, suspend, remove."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import cast, get_args
from urllib.parse import unquote, urlsplit

from msgspec import structs
from sqlalchemy.exc import IntegrityError

from smpp.receipt import Written
from softswitch.control.errors import OperationError, check_international
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.texting import carrier_store
from softswitch.texting.carrier import MAX_BINDS, MAX_WINDOW, Carrier

DEFAULT_PORTS = {"smpp": 2775, "smpps": 3550}
MAX_RATE = 100_000
MAX_PRIORITY = 1_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PREFIX = re.compile(r"\+?([0-9]{1,15})")


def sms_carrier_add(
    context: Context,
    name: str,
    target: str,
    prefixes: Sequence[str] = (),
    window: int = 10,
    rate: int = 0,
    binds: int = 1,
    priority: int = 10,
    system_type: str = "",
) -> Row:
    """Add a carrier.

    Args:
        target: smpp://USER:PASSWORD@HOST:PORT, or smpps:// for TLS.
        prefixes: beginnings of numbers that it takes; none: all.
        window: messages that wait for their answers at once, on each connection.
        rate: segments a second; 0: no limit.
    """
    if _NAME.fullmatch(name) is None:
        raise OperationError("name_malformed", what="carrier name", longest="64", value=name)
    made = structs.replace(
        _aimed(Carrier(id=0, name=name, host="", system_id="", password=""), target),
        prefixes=tuple(dict.fromkeys(map(_prefix, prefixes))),
        window=_within("window", window, 1, MAX_WINDOW),
        rate=_within("rate", rate, 0, MAX_RATE),
        binds=_within("binds", binds, 1, MAX_BINDS),
        priority=_within("priority", priority, 0, MAX_PRIORITY),
        system_type=_fitting("system type", system_type, 12),
    )
    try:
        with context.billing.engine.begin() as connection:
            carrier_store.put(connection, made)
    except IntegrityError:
        raise OperationError("sms_carrier_exists", carrier=name) from None
    return _changed(context, name)


def sms_carrier_list(context: Context) -> list[Row]:
    """All carriers, by name; passwords aren't shown."""
    with context.billing.reading() as connection:
        return [carrier_row(carrier) for carrier in carrier_store.carriers(connection)]


def sms_carrier_set(context: Context, name: str, key: str, value: str) -> Row:
    """Change one property of a carrier; its connections are made anew."""
    carrier = _named(context, name)
    setter = _SETTERS.get(key)
    if setter is None:
        raise OperationError("not_one_of", field="key", choices=tuple(_SETTERS), value=key)
    with context.billing.engine.begin() as connection:
        carrier_store.put(connection, setter(carrier, value))
    return _changed(context, name)


def sms_carrier_remove(context: Context, name: str) -> Row:
    """Remove a carrier. Texts that wait go by another, or wait on."""
    carrier = _named(context, name)
    with context.billing.engine.begin() as connection:
        carrier_store.remove(connection, carrier)
    context.changes.texts = True
    return carrier_row(carrier)


def carrier_row(carrier: Carrier) -> Row:
    """A carrier as it is shown."""
    return {
        "name": carrier.name,
        "host": carrier.host,
        "port": carrier.port,
        "tls": carrier.tls,
        "system_id": carrier.system_id,
        "system_type": carrier.system_type,
        "prefixes": " ".join(carrier.prefixes),
        "priority": carrier.priority,
        "binds": carrier.binds,
        "window": carrier.window,
        "rate": carrier.rate,
        "suspended": carrier.suspended,
        "receipt_ids": carrier.receipt_ids,
    }


def _changed(context: Context, name: str) -> Row:
    context.changes.texts = True
    return carrier_row(_named(context, name))


def _named(context: Context, name: str) -> Carrier:
    with context.billing.reading() as connection:
        found = carrier_store.named(connection, name)
    if found is None:
        raise OperationError("sms_carrier_not_found", carrier=name)
    return found


def _aimed(carrier: Carrier, target: str) -> Carrier:
    """The carrier with the host and the credentials of a target."""
    try:
        parts = urlsplit(target)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        raise OperationError("sms_target_malformed") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or not parts.username:
        raise OperationError("sms_target_malformed")
    return structs.replace(
        carrier,
        host=_fitting("host", parts.hostname, 253),
        port=port,
        tls=parts.scheme == "smpps",
        system_id=_fitting("system id", unquote(parts.username), 15),
        password=_fitting("password", unquote(parts.password or ""), 8),
    )


def _fitting(what: str, value: str, longest: int) -> str:
    """A text that fits into its field of a bind (section 4.1.1 of SMPP 3.4)."""
    if len(value) > longest or not value.isascii() or (value and not value.isprintable()):
        raise OperationError("sms_field_malformed", what=what, longest=longest)
    return value


def _prefix(text: str) -> str:
    found = _PREFIX.fullmatch(text)
    if found is None:
        raise OperationError("trunk_prefix_malformed", value=text)
    check_international(found[1])
    return found[1]


def _within(field: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise OperationError("whole_number_range", field=field, least=least, most=most, value=value)
    return value


def _integer(field: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise OperationError("whole_number_range", field=field, least=least, most=most, value=text)
    return _within(field, int(text), least, most)


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise OperationError("not_one_of", field="value", choices=("yes", "no"), value=text)
    return text == "yes"


def _written(text: str) -> Written:
    for known in get_args(Written):
        if text == known:
            return cast(Written, known)
    raise OperationError("not_one_of", field="value", choices=get_args(Written), value=text)


_SETTERS: dict[str, Callable[[Carrier, str], Carrier]] = {
    "target": _aimed,
    "prefixes": lambda carrier, text: structs.replace(
        carrier, prefixes=tuple(map(_prefix, text.split()))
    ),
    "priority": lambda carrier, text: structs.replace(
        carrier, priority=_integer("priority", text, 0, MAX_PRIORITY)
    ),
    "binds": lambda carrier, text: structs.replace(
        carrier, binds=_integer("binds", text, 1, MAX_BINDS)
    ),
    "window": lambda carrier, text: structs.replace(
        carrier, window=_integer("window", text, 1, MAX_WINDOW)
    ),
    "rate": lambda carrier, text: structs.replace(
        carrier, rate=_integer("rate", text, 0, MAX_RATE)
    ),
    "suspended": lambda carrier, text: structs.replace(carrier, suspended=_yes(text)),
    "receipt_ids": lambda carrier, text: structs.replace(carrier, receipt_ids=_written(text)),
    "system_type": lambda carrier, text: structs.replace(
        carrier, system_type=_fitting("system type", text, 12)
    ),
}
