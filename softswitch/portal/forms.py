"""Forms of pages: what a browser sends, as the arguments of an operation."""

from __future__ import annotations

import base64
import inspect
import types
from collections.abc import Mapping, Sequence
from typing import Union, get_args, get_origin

import msgspec
from starlette.datastructures import FormData, UploadFile

from softswitch.control.errors import OperationError
from softswitch.operations.arguments import parameters
from softswitch.operations.registry import OPERATIONS
from softswitch.portal.routes import Action

OUR_FIELDS = frozenset({"csrf", "do", "key"})
"""Fields of every form."""


async def arguments_of(
    action: Action, form: FormData, path: Mapping[str, str]
) -> dict[str, object]:
    """The arguments of an action's operation. An empty field that may be left out is left out.

    Raises:
        OperationError: the form holds a field that the action doesn't have, or text that isn't a
            value of the argument's type.
    """
    for name in form:
        if name not in action.fields and name not in OUR_FIELDS:
            raise OperationError(
                "argument_unknown", operation=action.operation, field=name, known=action.fields
            )
    given: dict[str, object] = {
        argument: path[parameter] for argument, parameter in action.path.items()
    }
    for name in action.fields:
        values = form.getlist(name)
        if not values:
            continue
        if isinstance(values[0], UploadFile):
            given |= await _upload(action, name, values[0])
        else:
            texts = [value for value in values if isinstance(value, str)]
            given |= _typed(action.operation, name, texts)
    return {**converted(action.operation, given), **action.fixed}


async def _upload(action: Action, name: str, file: UploadFile) -> dict[str, object]:
    """A file as base64, and its name where the operation takes one and the form has none."""
    content = await file.read()
    if not content:
        return {}
    found: dict[str, object] = {name: base64.b64encode(content).decode("ascii")}
    if "name" not in action.fields and "name" in _known(action.operation):
        found["name"] = (file.filename or name)[-128:].replace("/", "_").replace("\\", "_")
    return found


def _typed(operation: str, name: str, texts: list[str]) -> dict[str, object]:
    kind, default = _known(operation).get(name, (str, ""))
    if is_list(kind):
        lines = [line.strip() for text in texts for line in text.splitlines()]
        return {name: [line for line in lines if line]}
    text = texts[-1].strip().replace("\r\n", "\n")
    if not text and not _must_be_given(default):
        return {}
    return {name: text}


def converted(operation: str, given: dict[str, object]) -> dict[str, object]:
    """Arguments that came as text, in the types of the operation. Raises OperationError."""
    known = _known(operation)
    for name, value in given.items():
        if name in known and isinstance(value, str):
            try:
                given[name] = msgspec.convert(value, known[name][0], strict=False)
            except msgspec.ValidationError as error:
                raise OperationError(
                    "argument_malformed", operation=operation, field=name, value=value[:40],
                    reason=error,
                ) from None  # fmt: skip
    return given


def _known(operation: str) -> Mapping[str, tuple[object, object]]:
    found = OPERATIONS.get(operation)
    return {} if found is None else parameters(found.function)


def is_list(kind: object) -> bool:
    """True for an argument that takes several values."""
    if get_origin(kind) in (Union, types.UnionType):
        return any(map(is_list, get_args(kind)))
    return get_origin(kind) in (list, tuple, Sequence)


def _must_be_given(default: object) -> bool:
    return default is inspect.Parameter.empty
