"""Statements that every batch needs, compiled once for a database and handed to its driver.

A batch is a dozen statements, always the same ones. Finding each in SQLAlchemy's cache, binding its
parameters and dressing its result anew cost several times the database's own work; here that is
done once, and rows are tuples as the driver has them. What the driver raises comes as it is, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from itertools import count as count_up
from typing import Any, Protocol

from sqlalchemy import Connection, Dialect, Executable, bindparam

from billing.stores.rows import Expression, Row, Rows

MAX_KEYS = 512
"""Keys in one IN list; SQLite takes 32,766 parameters, older ones 999."""
MAX_VALUES = 999
"""Values in a statement that writes several rows."""
MAX_ROWS = 64
"""Rows of such a statement."""
LEAST_ROWS = 32
"""Rows from which on they are joined: fewer are written sooner one by one, but for the waiting."""
JOINS_SINCE = (3, 33, 0)
"""SQLite's first version with UPDATE FROM."""
_PARAMETER = re.compile(r"\?")


class Cursor(Protocol):
    """The part of a driver's cursor that is used (PEP 249)."""

    @property
    def rowcount(self) -> int:
        """The rows that the last statement touched."""
        ...

    def execute(self, statement: str, values: Sequence[object], /) -> object:
        """Run a statement."""
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


class Writing:
    """A statement that writes rows: an INSERT, an UPDATE, or a DELETE by one column.

    SQLite's driver gives up the interpreter for each row, and gets it back when the event loop has
    held it for its whole time: at the highest load, when the books are needed most, a row of some
    microseconds waits for 0.2 ms. So SQLite is given many rows in one statement. The driver of a
    server's database sends all rows together by itself.

    Args:
        names: the statement's parameters, in the order of a row.
    """

    def __init__(self, statement: Executable, dialect: Dialect, names: Sequence[str]) -> None:
        self._text = compiled(statement, dialect, names)
        self._width = len(names)
        version = getattr(dialect.dbapi, "sqlite_version_info", JOINS_SINCE)
        self._joins = dialect.name == "sqlite" and version >= JOINS_SINCE
        self._most = _power_of_two(min(MAX_ROWS, MAX_VALUES // len(names)))
        self._joined: dict[int, str] = {}

    def run(self, cursor: Cursor, rows: Iterable[Row], count: int) -> int:
        """Write so many rows; how many were touched."""
        if count < LEAST_ROWS or not self._joins:
            cursor.executemany(self._text, rows)
            return cursor.rowcount
        waiting, touched = iter(rows), 0
        while count:
            # A power of two, so that a handful of texts does for all.
            part = min(_power_of_two(count), self._most)
            values = [*chain.from_iterable(islice(waiting, part))]
            cursor.execute(self._joined.get(part) or self._join(part), values)
            touched += cursor.rowcount
            count -= part
        return touched

    def _join(self, count: int) -> str:
        text = self._joined[count] = joined(self._text, self._width, count)
        return text


def joined(text: str, width: int, count: int) -> str:
    """SQLite's statement for several rows, made of the one for a row.

    Args:
        width: how many values a row has.
    """
    row = f"({', '.join('?' * width)})"
    rows = ", ".join([row] * count)
    if text.endswith(f"VALUES {row}"):
        return text.removesuffix(row) + rows
    if text.startswith("DELETE ") and width == 1:
        return text.replace("= ?", f"IN (VALUES {rows})")
    numbers = count_up(1)
    change, condition = (
        _PARAMETER.sub(lambda _: f"row.column{next(numbers)}", part)
        for part in text.split(" WHERE ")
    )
    return f"{change} FROM (VALUES {rows}) AS row WHERE {condition}"


def _power_of_two(most: int) -> int:
    return 1 << most.bit_length() - 1


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
