"""Values that operations take and answer: what JSON can carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Value: TypeAlias = "bool | int | float | str | Sequence[Value] | Mapping[str, Value] | None"
Row: TypeAlias = dict[str, Value]
"""One line of a table, or one record, by the names of its columns."""
