"""Pages of lists, as they are asked for: `limit` rows before the last one of the page before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

from billing.stores.paging import Page
from softswitch.control.errors import OperationError

DEFAULT_ROWS = 50
MAX_ROWS = 10_000

T = TypeVar("T")


def page_asked(limit: int | None, before: int | None) -> Page | None:
    """The page of a list whose rows have numbers as ids; None: the whole list is asked for. Raises
    OperationError."""
    if limit is None and before is None:
        return None
    return Page(rows_asked(limit), None if before is None else (before,))


def page_at(limit: int | None, before: tuple[int | str, ...] | None) -> Page | None:
    """Likewise of a list whose rows have other keys."""
    return None if limit is None and before is None else Page(rows_asked(limit), before)


def read_cursor(text: str) -> tuple[int, str]:
    """The last row of the page before, as "TIME,ID", in epoch milliseconds. Raises
    OperationError."""
    stamp, comma, key = text.partition(",")
    try:
        at = datetime.fromisoformat(stamp)
    except ValueError:
        at = None
    if at is None or not comma or not key:
        raise OperationError("cursor_malformed")
    moment = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000), key


def cut(page: Page, rows: Iterable[T], key: Callable[[T], tuple[int | str, ...]]) -> list[T]:
    """A page of rows that are in memory, the newest first."""
    found = sorted(rows, key=key, reverse=True)
    if page.before is not None:
        before = page.before
        found = [row for row in found if key(row) < before]
    return found[: page.limit]


def rows_asked(limit: int | None, most: int = MAX_ROWS) -> int:
    """The rows of a page. Raises OperationError."""
    rows = DEFAULT_ROWS if limit is None else limit
    if not 1 <= rows <= most:
        raise OperationError("limit_out_of_range", most=most)
    return rows
