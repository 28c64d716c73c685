"""Finding call details: each question goes by an index, whatever number of records there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

from sqlalchemy import ColumnElement, Connection, Integer, func, or_, select

from billing.facts.cdr import Cdr
from billing.stores import schema
from billing.stores.rows import AnyColumn, Expression, NamedRow, Rows

PROBED = 10_000
"""So many entries of an index are counted at most, to find the one that leaves the least to do: a
millisecond."""
RECORD_ENTRIES = 20
"""To read a record takes as long as to look at so many entries of an index, or longer."""


@dataclass(frozen=True, slots=True)
class CdrFilter:
    """A filter of CDRs: from and to (epoch milliseconds of setup, the end excluded), a number on
    either side, a type, an account, a line, a direction; `after` is the setup and id of the last
    one of the page before.

    Args:
        newest_first: the latest setup stands first; `limit` then keeps the latest.
        before: with `newest_first`: the setup and id of the last one of the page before.
        called: the number on the called side alone.
        presented: the number that the called party saw; no index knows it.
    """

    start: int | None = None
    end: int | None = None
    number: str | None = None
    type: str | None = None
    account: int | None = None
    limit: int | None = None
    line: str | None = None
    direction: str | None = None
    after: tuple[int, str] | None = None
    newest_first: bool = False
    before: tuple[int, str] | None = None
    called: str | None = None
    presented: str | None = None


def find(connection: Connection, wanted: CdrFilter) -> list[Cdr]:
    """In the order of their setup, or the latest first."""
    if wanted.before is not None:  # lets the index begin there
        at = wanted.before[0] + 1
        wanted = replace(wanted, end=at if wanted.end is None else min(at, wanted.end))
    if wanted.after is not None:  # lets the index begin there
        at, _ = wanted.after
        wanted = replace(wanted, start=at if wanted.start is None else max(at, wanted.start))
    if wanted.number is None:
        rows: Sequence[NamedRow] = connection.execute(_query(connection, wanted)).all()
    else:
        # Two indices, two queries: one with OR would sort all that either finds.
        found: dict[str, NamedRow] = {}
        for side in (_C.calling, _C.called):
            query = _query(connection, wanted, side)
            found.update((row.id, row) for row in connection.execute(query))
        rows = sorted(
            found.values(),
            key=lambda row: (row.setup_at, row.id),
            reverse=wanted.newest_first,
        )[: wanted.limit]
    return [schema.cdr_of(row._mapping) for row in rows]


def of_call(connection: Connection, call_id: str) -> list[Cdr]:
    """The records of a call's legs, the caller's first."""
    ids = [f"{call_id}-{leg}" for leg in ascii_lowercase]
    query = select(schema.cdrs).where(_C.id.in_(ids)).order_by(_C.leg)
    return [schema.cdr_of(row._mapping) for row in connection.execute(query)]


def of_sip_call(connection: Connection, sip_call_id: str, since: int, limit: int) -> list[Cdr]:
    """The records whose caller's leg has a Call-ID, of calls since an instant (epoch milliseconds):
    they are read one by one."""
    query = select(schema.cdrs).where(_C.setup_at >= since, _C.sip_call_id == sip_call_id)
    found = connection.execute(query.order_by(_C.setup_at, _C.id).limit(limit))
    return [schema.cdr_of(row._mapping) for row in found]


def _query(connection: Connection, wanted: CdrFilter, side: AnyColumn | None = None) -> Rows:
    within = list(_within(wanted))
    equal = list(_equal(wanted, side))
    best = _best(connection, equal, within)
    query = select(schema.cdrs).where(*within)
    for column, value in equal:
        plain = best is None or column is best
        query = query.where((column if plain else _by_no_index(column)) == value)
    if wanted.after is not None:
        at, key = wanted.after
        query = query.where(or_(_C.setup_at > at, _C.id > key))
    if wanted.before is not None:
        at, key = wanted.before
        query = query.where(or_(_C.setup_at < at, _C.id < key))
    if wanted.newest_first:
        return query.order_by(_C.setup_at.desc(), _C.id.desc()).limit(wanted.limit)
    return query.order_by(_C.setup_at, _C.id).limit(wanted.limit)


def _within(wanted: CdrFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.start is not None:
        yield _C.setup_at >= wanted.start
    if wanted.end is not None:
        yield _C.setup_at < wanted.end
    if wanted.presented is not None:
        yield _C.presented == wanted.presented


def _equal(wanted: CdrFilter, side: AnyColumn | None) -> Iterator[tuple[AnyColumn, object]]:
    """Columns that have an index, those that usually leave the fewest records first."""
    if side is not None:
        yield side, wanted.number
    for column, value in (
        (_C.called, wanted.called),
        (_C.line, wanted.line),
        (_C.account, wanted.account),
        (_C.direction, wanted.direction),
        (_C.type, wanted.type),
    ):
        if value is not None:
            yield column, value


def _best(
    connection: Connection,
    equal: list[tuple[AnyColumn, object]],
    within: list[ColumnElement[bool]],
) -> AnyColumn | None:
    """The column whose index leaves the least to do, for SQLite: it knows nothing of the values,
    and takes a type that half of the calls have for as rare as an account. None: the database
    chooses; PostgreSQL has statistics."""
    if len(equal) < 2 or connection.dialect.name != "sqlite":
        return None
    asked = {column.name for column, _ in equal}
    works = []
    for place, (column, value) in enumerate(equal):
        some = select(_C.setup_at).where(column == value, *within).limit(PROBED).subquery()
        count = connection.execute(select(func.count()).select_from(some)).scalar_one()
        alone = asked <= _IN_INDEX_OF[column.name]
        works.append((count if alone else count * RECORD_ENTRIES, place))
    return equal[min(works)[1]][0]


def _by_no_index(column: AnyColumn) -> Expression:
    """The same value, in a form that no index has."""
    return column + 0 if isinstance(column.type, Integer) else column + ""


_C = schema.cdrs.c
_IN_INDEX_OF = {
    next(iter(index.columns)).name: {column.name for column in index.columns}
    for index in schema.cdrs.indexes
}
"""Columns of the index that begins with each column."""
