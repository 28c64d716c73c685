"""The type of rows as SQLAlchemy returns them."""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import Row

DbRow: TypeAlias = Row[Any]
"""A row of a query. Its columns have the types of their table, which SQLAlchemy's Core doesn't
tell mypy; each function that takes one reads it into a dataclass at once."""
