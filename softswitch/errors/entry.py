"""One entry of the catalogue of errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["invalid", "not_found", "conflict", "refused", "unpaid", "unavailable", "failed"]

HTTP_STATUS: Mapping[Kind, int] = MappingProxyType(
    {
        "invalid": 422,
        "not_found": 404,
        "conflict": 409,
        "refused": 403,
        "unpaid": 402,
        "unavailable": 503,
        "failed": 500,
    }
)
"""HTTP statuses of the kinds (RFC 9110 section 15)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An error: its sentence and its class.

    Args:
        text: the English sentence for the command line, in the syntax of `str.format`. It says
            what is wrong and, where there is one, the next step.
        field: the argument that has to change; "" if the facts name it, or if none has to.
    """

    text: str
    kind: Kind
    field: str = ""
