"""Values that operations take and return: those that JSON can carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Value: TypeAlias = "bool | int | float | str | Sequence[Value] | Mapping[str, Value] | None"
Row: TypeAlias = dict[str, Value]
"""One line of a table, or one record, by the names of its columns."""


def as_rows(value: Value) -> list[Row]:
    """A record's member that is a table. Raises TypeError when it is none."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"not rows: {value!r}")
    return [as_row(item) for item in value]


def as_row(value: Value) -> Row:
    """A record inside a record. Raises TypeError when it is none."""
    if not isinstance(value, Mapping):
        raise TypeError(f"not a row: {value!r}")
    return dict(value)
