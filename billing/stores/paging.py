"""Pages of long lists, the newest first, by their keys: a page takes as long as any other, wherever
it stands, and nothing is left out or shown twice when rows are added meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, or_, tuple_

from billing.stores.rows import Expression, Rows

Q = TypeVar("Q", bound=Rows)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list.

    Args:
        limit: rows at most.
        before: the key of the last row of the page before; None: the newest rows.
    """

    limit: int
    before: tuple[int | str, ...] | None = None


def newest_first(query: Q, page: Page, *key: Expression) -> Q:
    """A query's rows of a page.

    Args:
        key: columns that are unique together; an index should begin with the first of them.
    """
    if page.before is not None:
        # Said twice, so that SQLite begins in the index at the first column's value.
        query = query.where(key[0] <= page.before[0], tuple_(*key) < tuple_(*page.before))
    return query.order_by(*(column.desc() for column in key)).limit(page.limit)


def beginning_with(text: str, *columns: ColumnElement[str]) -> ColumnElement[bool]:
    """True for rows that have a text at the beginning of one of these columns."""
    return or_(*(column.startswith(text, autoescape=True) for column in columns))


def containing(text: str, column: ColumnElement[str]) -> ColumnElement[bool]:
    """True for rows that have a text anywhere in a column, in small letters or capital ones."""
    return column.icontains(text, autoescape=True)
