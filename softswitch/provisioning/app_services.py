"""Cloud Softphone's web services: balance, rate, send and fetch texts, push tokens.

A request has its arguments in the query, in a form or in JSON. The answer is JSON, or XML for a
client that asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

import msgspec

from softswitch.control.actor import Actor, SubscriberRole
from softswitch.control.errors import OperationError
from softswitch.control.values import Row, Value, as_row
from softswitch.errors.texts import LANGUAGES, text_for_subscriber
from softswitch.provisioning.device import Device, Holder
from softswitch.provisioning.escaping import element
from softswitch.provisioning.exchange import (
    BUSY,
    NOT_FOUND,
    Effect,
    Fetched,
    Outcome,
    Request,
    Response,
    Wanted,
    ok,
)

MAX_BODY = 65_536
MAX_ARGUMENT = 16_384
RATE_SECONDS = 60
_JSON = "application/json; charset=utf-8"
_XML = "application/xml; charset=utf-8"
_SYMBOLS = {"GEL": "₾", "RUB": "₽", "USD": "$", "EUR": "€", "GBP": "£", "KZT": "₸"}

Arguments = Mapping[str, str]


class AppRequest(msgspec.Struct, frozen=True):
    """The app that asks: its device, its line, the currency of its account."""

    device: Device
    holder: Holder
    currency: str
    address: str

    def actor(self, role: SubscriberRole) -> Actor:
        """The app as an actor: it reaches its own line, or what its subscriber may."""
        lines = (self.holder.id,) if role == "line_user" else ()
        user = f"device:{self.device.id}"
        return Actor(user, role, self.device.account_id, lines, "app", self.address)


def serve(
    service: str, asked: AppRequest, request: Request, effects: tuple[Effect, ...]
) -> Outcome:
    """Serve a web service."""
    arguments = _arguments(request)
    if arguments is None:
        return Response(400, NOT_FOUND.headers, b"Malformed arguments.\n", effects)
    write = _written_as(request)

    def wanted(
        role: SubscriberRole,
        operation: str,
        given: Mapping[str, object],
        shape: Callable[[Value], Row],
    ) -> Wanted:
        return Wanted(
            asked.actor(role),
            operation,
            given,
            lambda result: write(shape(result)),
            lambda error: _refused(error, asked, write),
            effects,
        )

    number = asked.holder.number
    match service:
        case "balance":
            account = str(asked.device.account_id)
            return wanted("subscriber", "account_show", {"account": account}, _balance)
        case "rate":
            given = {"line": number, "number": arguments.get("targetNumber", "")}
            return wanted("line_user", "tariff_quote", given | {"seconds": RATE_SECONDS}, _rate)
        case "send":
            text = {
                "line": number,
                "recipient": arguments.get("sms_to", ""),
                "text": arguments.get("sms_body", ""),
            }
            return wanted("line_user", "sms_send", text, _sent)
        case "fetch":
            after = {
                "line": number,
                "last_received": _id(arguments.get("last_id", "")),
                "last_sent": _id(arguments.get("last_sent_id", "")),
            }
            return _fetch(asked, after, write, effects)
        case "push":
            return wanted("line_user", "device_push", _push(asked, arguments), lambda _: {})
        case _:
            return Response(404, NOT_FOUND.headers, NOT_FOUND.body, effects)


def _fetch(
    asked: AppRequest,
    after: Mapping[str, object],
    write: Callable[[Row], Response],
    effects: tuple[Effect, ...],
) -> Wanted:
    """Texts since the last ones that the app knows; those that waited are delivered by this."""
    actor = asked.actor("line_user")

    def then(result: Value) -> Response:
        row = as_row(result)
        waiting = msgspec.convert(row.pop("waiting"), tuple[int, ...])
        shown = write(row)
        if not waiting:
            return shown
        fetched = Fetched(actor, asked.holder.number, waiting)
        return Response(shown.status, shown.headers, shown.body, (fetched,))

    return Wanted(
        actor,
        "device_texts",
        after,
        then,
        lambda error: _refused(error, asked, write),
        effects,
    )


def _arguments(request: Request) -> dict[str, str] | None:
    """Arguments of the query and of the body, a form or JSON; None: the body is malformed."""
    found = dict(request.query)
    if len(request.body) > MAX_BODY:
        return None
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if media_type == "application/json":
            decoded = msgspec.json.decode(request.body, type=dict[str, str | int | None])
            found.update(
                (key, "" if value is None else str(value)) for key, value in decoded.items()
            )
        elif media_type == "application/x-www-form-urlencoded":
            found.update(
                parse_qsl(request.body.decode("utf-8"), keep_blank_values=True, max_num_fields=50)
            )
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return None
    return None if any(len(value) > MAX_ARGUMENT for value in found.values()) else found


def _id(text: str) -> int:
    """The id of a text that the app knows; 0 if it knows none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


def _push(asked: AppRequest, arguments: Arguments) -> Mapping[str, object]:
    names = ("selector", "call_token", "call_app", "other_token", "other_app")
    return {"device": asked.device.id} | {name: arguments.get(name, "") for name in names}


# Shapes of answers


def _balance(result: Value) -> Row:
    account = as_row(result)
    balance, currency = str(account["balance"]), str(account["currency"])
    return {
        "balanceString": f"{balance} {_SYMBOLS.get(currency, currency)}",
        "balance": float(balance),
        "currency": currency,
    }


def _rate(result: Value) -> Row:
    quoted = as_row(result)
    currency = str(quoted.get("currency") or "")
    price = f"{quoted.get('price')} {_SYMBOLS.get(currency, currency)}".strip()
    return {"callRateString": f"{price}/min"}


def _sent(result: Value) -> Row:
    text_id = str(as_row(result)["id"])
    return {"sms_id": text_id, "message_id": text_id}


# JSON and XML


def _written_as(request: Request) -> Callable[[Row], Response]:
    """Writes an answer in the form that the client takes."""
    accept = request.headers.get("accept", "")
    wants_xml = "xml" in accept and "json" not in accept

    def write(row: Row) -> Response:
        if wants_xml:
            return ok(_XML, _xml_of(row))
        return ok(_JSON, msgspec.json.encode(row))

    return write


def _xml_of(row: Row) -> bytes:
    body = "".join(_element(name, value) for name, value in row.items())
    return f"<response><error>0</error>{body}</response>".encode()


def _element(name: str, value: Value) -> str:
    if isinstance(value, Mapping):
        return f"<{name}>{''.join(_element(key, each) for key, each in value.items())}</{name}>"
    if isinstance(value, list | tuple):
        return f"<{name}>{''.join(_element('item', each) for each in value)}</{name}>"
    return element(name, "" if value is None else str(value))


def _refused(
    error: OperationError, asked: AppRequest, write: Callable[[Row], Response]
) -> Response:
    """A refusal in the words for subscribers, in the line's language."""
    if error.code == "switch_away":
        return BUSY
    language = asked.holder.language if asked.holder.language in LANGUAGES else "en"
    text = text_for_subscriber(error, language or "en")
    shown = write({"message": text})
    return Response(422, shown.headers, shown.body, shown.effects)
