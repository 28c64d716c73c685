"""Statements that every batch needs, compiled once for a database and handed to its driver.

A batch is a dozen statements, always the same ones. Finding each in SQLAlchemy's cache, binding its
parameters and dressing its result anew cost several times the database's own work; here that is
done once, and rows are tuples as the driver has them. What the driver raises comes as it is, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Dialect, Executable, bindparam

from billing.stores.rows import Expression, Row, Rows

MAX_KEYS = 512
"""Keys in one IN list; SQLite takes 32,766 parameters, older ones 999."""


class Cursor(Protocol):
    """The part of a driver's cursor that is used (PEP 249)."""

    @property
    def rowcount(self) -> int:
        """The rows that the last statement touched."""
        ...

    def executemany(self, statement: str, rows: Iterable[Row], /) -> object:
        """Run a statement for each row."""
        ...


def compiled(statement: Executable, dialect: Dialect, names: Sequence[str]) -> str:
    """The text of a statement as one database's driver takes it, with rows for its parameters.

    Args:
        names: the statement's parameters, in the order of a row.

    Raises:
        ValueError: the text has its parameters in another order.
    """
    if not dialect.positional:
        dialect = type(dialect)(paramstyle="format")  # type: ignore[call-arg]
    # Any: SQLAlchemy types this method for its own use only.
    made: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    if list(made.positiontup) != list(names):
        raise ValueError(f"the order is {made.positiontup}, not {names}")
    return str(made)


class Lookup:
    """Rows whose column is one of some keys. No type of SQLAlchemy's changes their values, so a
    truth value may be a number."""

    def __init__(self, query: Rows, column: Expression) -> None:
        self._query = query
        self._column = column
        self._compiled: dict[tuple[str, int], str] = {}

    def rows(self, connection: Connection, keys: Sequence[object]) -> list[Row]:
        """The rows of some keys, in as few statements as MAX_KEYS lets."""
        if not keys:
            return []
        found: list[Row] = []
        for start in range(0, len(keys), MAX_KEYS):
            found += self._part(connection, list(keys[start : start + MAX_KEYS]))
        return found

    def _part(self, connection: Connection, keys: list[object]) -> Sequence[Row]:
        """One IN list. Its length is a power of two, the last key repeated, so that a handful of
        texts does for all."""
        length = 1 << (len(keys) - 1).bit_length()
        keys += [keys[-1]] * (length - len(keys))
        text = self._compile(connection.dialect, length)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(text, keys)
            return cursor.fetchall()
        finally:
            cursor.close()

    def _compile(self, dialect: Dialect, length: int) -> str:
        text = self._compiled.get((dialect.name, length))
        if text is None:
            names = [f"key_{number}" for number in range(length)]
            parameters = [bindparam(name, type_=self._column.type) for name in names]
            query = self._query.where(self._column.in_(parameters))
            text = self._compiled[dialect.name, length] = compiled(query, dialect, names)
        return text
