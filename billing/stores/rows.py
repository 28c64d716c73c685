"""Types of what passes between SQLAlchemy and the facts, where no checker can follow."""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import Column, ColumnElement, Select

NamedRow: TypeAlias = Any  # its attributes are the columns of whatever was selected
"""A row that was read, with a column by each name."""
Row: TypeAlias = tuple[Any, ...]  # its values have the types of the table's columns
"""A row as the driver has it, or as it is written."""
Rows: TypeAlias = Select[Any]  # SQLAlchemy's type of a query that was built step by step
"""A query for rows of any columns."""
AnyColumn: TypeAlias = Column[Any]  # columns of several types are compared alike
"""A column of a table, whatever its values are."""
Expression: TypeAlias = ColumnElement[Any]  # as AnyColumn
"""An expression of SQL, whatever its values are."""
