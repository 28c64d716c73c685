"""The description of the API (OpenAPI 3.1), made from the table and the operations' signatures."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

import msgspec

from softswitch.errors.catalogue import CATALOGUE
from softswitch.operations.arguments import parameters
from softswitch.operations.registry import OPERATIONS
from softswitch.operations.rights import operator_only
from softswitch.portal.api.calls import CALLS_OF_THE_API
from softswitch.portal.api.endpoint import ROOT
from softswitch.portal.routes import Call

Schema = dict[str, object]
"""A part of the description."""


@cache
def description() -> Schema:
    """The whole document."""
    paths: dict[str, Schema] = {}
    for call in CALLS_OF_THE_API:
        paths.setdefault(ROOT + call.path, {})[call.method.lower()] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {"title": "softswitch", "version": version("softswitch"), "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": _PROBLEM},
        },
    }


_ABOUT = (
    "Amounts are decimal strings, times RFC 3339. Lists take `limit` and `before`, the last row of"
    " the page before. POST needs a header Idempotency-Key: the same key again makes nothing again."
    " Refusals are problem details (RFC 9457) with a `code`."
)
_PROBLEM: Schema = {
    "type": "object",
    "required": ["type", "title", "status", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted([*CATALOGUE, "failed"])},
        "detail": {"type": "string"},
        "param": {"type": "string"},
        "lines": {"type": "array", "items": {"type": "string"}},
        "request_id": {"type": "string"},
    },
}


def arguments_of(call: Call) -> Mapping[str, tuple[object, object]]:
    """The arguments that a request may give, with type and default: all but the fixed ones and the
    author, who is the token's user."""
    found = OPERATIONS.get(call.operation)
    if found is None:  # of the running switch alone
        return dict.fromkeys(path_parameters(call), (str, inspect.Parameter.empty))
    without = {*call.fixed, "by"}
    return {name: kind for name, kind in parameters(found.function).items() if name not in without}


def path_parameters(call: Call) -> list[str]:
    return re.findall(r"{(\w+)}", call.path)


def summary(call: Call) -> str:
    """The first sentence of the operation's docstring, or its name in words."""
    found = OPERATIONS.get(call.operation)
    text = "" if found is None else inspect.getdoc(found.function) or ""
    first = " ".join(text.split("\n\n")[0].split())
    return first or call.operation.replace("_", " ").capitalize() + "."


def _operation(call: Call) -> Schema:
    in_path = path_parameters(call)
    given = arguments_of(call)
    taken: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in in_path
    ]
    operation: Schema = {
        "operationId": f"{call.operation}{''.join('_' + str(x) for x in call.fixed.values())}",
        "summary": summary(call),
        "tags": [call.path.split("/")[1]],
        "x-roles": sorted(call.roles),
        "parameters": taken,
        "responses": {
            "200": {"description": "Done.", "content": {"application/json": {"schema": {}}}},
            "default": {
                "description": "Refused.",
                "content": {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                },
            },
        },
    }
    others = {name: kind for name, kind in given.items() if name not in in_path}
    if call.method == "GET":
        taken += [
            {
                "name": name,
                "in": "query",
                "required": _is_required(name, default),
                "schema": _schema(kind),
            }
            for name, (kind, default) in others.items()
        ]
    elif others:
        operation["requestBody"] = {"content": {"application/json": {"schema": _body(others)}}}
    if call.needs_key:
        taken.append(
            {"name": "Idempotency-Key", "in": "header", "required": True,
             "schema": {"type": "string", "maxLength": 128}}
        )  # fmt: skip
    found = OPERATIONS.get(call.operation)
    if found is not None and operator_only(found) - {"by"}:
        operation["x-operator-only"] = sorted(operator_only(found) - {"by"})
    return operation


def _is_required(name: str, default: object) -> bool:
    """A subscriber's own account needn't be named."""
    return default is inspect.Parameter.empty and name != "account"


def _body(arguments: Mapping[str, tuple[object, object]]) -> Schema:
    required = [name for name, (_, default) in arguments.items() if _is_required(name, default)]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _schema(kind) for name, (kind, _) in arguments.items()},
        **({"required": required} if required else {}),
    }


def _schema(kind: object) -> Schema:
    """The schema of an argument, with the records that it holds written out."""
    (found,), records = msgspec.json.schema_components([kind], ref_template="{name}")
    return _written_out(found, records)


def _written_out(schema: Schema, records: Mapping[str, Schema]) -> Schema:
    def whole(part: object) -> object:
        match part:
            case {"$ref": str(name)}:
                return whole(records[name])
            case dict():
                return {key: whole(value) for key, value in part.items()}
            case list():
                return [whole(value) for value in part]
            case _:
                return part

    return {key: whole(value) for key, value in schema.items()}
