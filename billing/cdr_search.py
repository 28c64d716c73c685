"""Finding call details: each question goes by an index, whatever number of records there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Integer, Select, func, or_, select

from billing import schema
from billing.cdr import Cdr

PROBED = 10_000
"""Of how many records a question is asked whether another of its conditions leaves fewer: counting
so many in an index takes a few milliseconds, and reading them some more."""


@dataclass(frozen=True, slots=True)
class CdrFilter:
    """Which CDRs: from and to (epoch milliseconds of setup, the end excluded), a number on either
    side, a type, an account, a line, a direction; `after` is the setup and id of the last one of
    the page before."""

    start: int | None = None
    end: int | None = None
    number: str | None = None
    type: str | None = None
    account: int | None = None
    limit: int | None = None
    line: str | None = None
    direction: str | None = None
    after: tuple[int, str] | None = None


def find(connection: Connection, wanted: CdrFilter) -> list[Cdr]:
    """In the order of their setup."""
    if wanted.after is not None:  # lets the index begin there
        at, _ = wanted.after
        wanted = replace(wanted, start=at if wanted.start is None else max(at, wanted.start))
    if wanted.number is None:
        rows = connection.execute(_query(connection, wanted)).all()
    else:
        # Two indices, two queries: one with OR would sort all that either finds.
        found: dict[str, Any] = {}
        for side in (_C.calling, _C.called):
            query = _query(connection, wanted, side)
            found.update((row.id, row) for row in connection.execute(query))
        rows = sorted(found.values(), key=lambda row: (row.setup_at, row.id))[: wanted.limit]
    return [schema.cdr_of(row._mapping) for row in rows]


def _query(
    connection: Connection, wanted: CdrFilter, side: Column[Any] | None = None
) -> Select[Any]:
    within = list(_within(wanted))
    equal = list(_equal(wanted, side))
    best = _fewest(connection, equal, within)
    query = select(schema.cdrs).where(*within)
    for column, value in equal:
        query = query.where((column if column is best else _by_no_index(column)) == value)
    if wanted.after is not None:
        at, key = wanted.after
        query = query.where(or_(_C.setup_at > at, _C.id > key))
    return query.order_by(_C.setup_at, _C.id).limit(wanted.limit)


def _within(wanted: CdrFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.start is not None:
        yield _C.setup_at >= wanted.start
    if wanted.end is not None:
        yield _C.setup_at < wanted.end


def _equal(wanted: CdrFilter, side: Column[Any] | None) -> Iterator[tuple[Column[Any], Any]]:
    """Columns that have an index, those that usually leave the fewest records first."""
    if side is not None:
        yield side, wanted.number
    for column, value in (
        (_C.line, wanted.line),
        (_C.account, wanted.account),
        (_C.direction, wanted.direction),
        (_C.type, wanted.type),
    ):
        if value is not None:
            yield column, value


def _fewest(
    connection: Connection,
    equal: list[tuple[Column[Any], Any]],
    within: list[ColumnElement[bool]],
) -> Column[Any] | None:
    """The column whose index leaves the fewest records. A database that chose by its statistics
    would take a number that everybody calls for one that hardly anybody does."""
    if len(equal) < 2:
        return equal[0][0] if equal else None
    counts = []
    for place, (column, value) in enumerate(equal):
        some = select(_C.setup_at).where(column == value, *within).limit(PROBED).subquery()
        count = connection.execute(select(func.count()).select_from(some)).scalar_one()
        counts.append((count, place))
    return equal[min(counts)[1]][0]


def _by_no_index(column: Column[Any]) -> ColumnElement[Any]:
    """The same value, in a form that no index has."""
    return column + 0 if isinstance(column.type, Integer) else column + ""


_C = schema.cdrs.c
