"""Arguments of an operation that came over the socket: read by the types of its signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from types import SimpleNamespace
from typing import get_type_hints

import msgspec

from softswitch.control.errors import OperationError

Function = Callable[..., object]
"""An operation. Its first parameter is what it works on; the others come by name."""

_MAX_SHOWN = 40


def read_arguments(function: Function, arguments: Mapping[str, object]) -> dict[str, object]:
    """Arguments as the operation's signature has them. Raises OperationError that names the one
    that is unknown, missing or of another type."""
    known = parameters(function)
    name = function.__name__
    for key in arguments:
        if key not in known:
            takes = tuple(known) or "none"
            raise OperationError("argument_unknown", operation=name, field=key, known=takes)
    read: dict[str, object] = {}
    for key, (kind, default) in known.items():
        if key in arguments:
            read[key] = _read(name, key, kind, arguments[key])
        elif default is inspect.Parameter.empty:
            raise OperationError("argument_missing", operation=name, field=key)
    return read


@cache
def parameters(function: Function) -> Mapping[str, tuple[object, object]]:
    """The name of each argument with its type and its default (`inspect.Parameter.empty`: it must
    be given)."""
    _, *named = inspect.signature(function).parameters.values()
    # The answer's type is left out: a type that holds itself can't be resolved by its name.
    wanted = {parameter.name: parameter.annotation for parameter in named}
    hints = get_type_hints(SimpleNamespace(__annotations__=wanted), function.__globals__)
    return {parameter.name: (hints[parameter.name], parameter.default) for parameter in named}


def _read(name: str, key: str, kind: object, value: object) -> object:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        shown = repr(value)
        if len(shown) > _MAX_SHOWN:
            shown = shown[:_MAX_SHOWN] + "..."
        raise OperationError(
            "argument_malformed", operation=name, field=key, value=shown, reason=error
        ) from None
