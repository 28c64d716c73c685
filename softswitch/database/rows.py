"""Rows as SQLAlchemy returns them, and the rows of some keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from sqlalchemy import Column, ColumnElement, Row

DbRow: TypeAlias = Row[Any]
"""A row of a query. Its columns have the types of their table, which SQLAlchemy's Core doesn't
tell mypy; each function that takes one reads it into a dataclass at once."""


def among(column: Column[int], keys: Iterable[int]) -> ColumnElement[bool]:
    """The condition that a column has one of these keys. A range, which may be wide, is told by its
    bounds."""
    if isinstance(keys, range):
        return column.between(keys.start, keys.stop - 1)
    return column.in_(list(keys))
