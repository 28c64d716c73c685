"""Statements that every batch needs, compiled once for a database and handed to its driver.

A batch is a dozen statements, always the same ones. Finding each in SQLAlchemy's cache, binding its
parameters and dressing its result anew cost several times the database's own work; here that is
done once, and rows are tuples as the driver has them. What the driver raises comes as it is, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import Connection, Dialect, Executable, bindparam

from billing.stores.rows import Expression, Parameters, Row, Rows

MAX_KEYS = 512
"""Keys in one IN list; SQLite takes 32,766 parameters, older ones 999."""


class Cursor(Protocol):
    """The part of a driver's cursor that is used (PEP 249)."""

    @property
    def rowcount(self) -> int:
        """The rows that the last statement touched."""
        ...

    def executemany(self, statement: str, rows: Sequence[Parameters], /) -> object:
        """Run a statement for each row."""
        ...


class Statement:
    """A statement as one database's driver takes it.

    Args:
        names: the statement's parameters, in the order of a row.
    """

    __slots__ = ("arrange", "text")

    def __init__(self, statement: Executable, dialect: Dialect, names: Sequence[str]) -> None:
        # Any: SQLAlchemy types this method for its own use only.
        compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        self.text: str = str(compiled)
        self.arrange: Callable[[Row], Parameters] | None = None
        """To what the driver wants; None for a row that is so already."""
        wanted = compiled.positiontup
        if wanted is None:
            self.arrange = lambda row: dict(zip(names, row, strict=True))
        elif tuple(wanted) != tuple(names):
            self.arrange = itemgetter(*map(list(names).index, wanted))

    def run(self, cursor: Cursor, rows: Iterable[Row]) -> None:
        """Do it to each row, of which there is one at least; then the cursor's rowcount tells how
        many rows of the table it touched."""
        if self.arrange is not None:
            rows = map(self.arrange, rows)
        cursor.executemany(self.text, list(rows))


class Lookup:
    """Rows whose column is one of some keys. No type of SQLAlchemy's changes their values, so a
    truth value may be a number."""

    def __init__(self, query: Rows, column: Expression) -> None:
        self._query = query
        self._column = column
        self._compiled: dict[tuple[str, int], Statement] = {}

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
        compiled = self._compile(connection.dialect, length)
        row = tuple(keys)
        parameters = row if compiled.arrange is None else compiled.arrange(row)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(compiled.text, parameters)
            return cursor.fetchall()
        finally:
            cursor.close()

    def _compile(self, dialect: Dialect, length: int) -> Statement:
        compiled = self._compiled.get((dialect.name, length))
        if compiled is None:
            names = [f"key_{number}" for number in range(length)]
            parameters = [bindparam(name, type_=self._column.type) for name in names]
            query = self._query.where(self._column.in_(parameters))
            compiled = self._compiled[dialect.name, length] = Statement(query, dialect, names)
        return compiled
