"""Finding call details: each question goes by an index, whatever number of records there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select

from billing import schema
from billing.cdr import Cdr


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
    if wanted.number is None:
        rows = connection.execute(_query(wanted)).all()
    else:
        # Two indices, two queries: one with OR would sort all that either finds.
        found: dict[str, Any] = {}
        for side in (schema.cdrs.c.calling, schema.cdrs.c.called):
            query = _query(wanted).where(side == wanted.number)
            found.update((row.id, row) for row in connection.execute(query))
        rows = sorted(found.values(), key=lambda row: (row.setup_at, row.id))[: wanted.limit]
    return [schema.cdr_of(row._mapping) for row in rows]


def _query(wanted: CdrFilter) -> Select[Any]:
    columns = schema.cdrs.c
    query = select(schema.cdrs).where(*_conditions(wanted))
    return query.order_by(columns.setup_at, columns.id).limit(wanted.limit)


def _conditions(wanted: CdrFilter) -> Iterator[ColumnElement[bool]]:
    columns = schema.cdrs.c
    if wanted.start is not None:
        yield columns.setup_at >= wanted.start
    if wanted.end is not None:
        yield columns.setup_at < wanted.end
    for column, value in (
        (columns.type, wanted.type),
        (columns.account, wanted.account),
        (columns.line, wanted.line),
        (columns.direction, wanted.direction),
    ):
        if value is not None:
            yield column == value
    if wanted.after is not None:
        at, key = wanted.after
        yield columns.setup_at >= at  # lets the index begin there
        yield or_(columns.setup_at > at, and_(columns.setup_at == at, columns.id > key))
